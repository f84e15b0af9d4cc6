// SPDX-License-Identifier: BSL-1.0
// flight_table.hpp: who computes the value of a key now, who waits for it, and when has nobody use for it any more?
//
//   flight:   boarding ──its task ends──▶ ended            in the table ──forgotten, left by all, ended──▶ out of it
//
// F1  A flight is one call of a function, in a task of its own: it ends with no caller. It runs under a context of its
//     own, below nobody's, that ends when the last who waits leaves, or with the flight.
// F2  Who joins finds the flight in the table, under the lock. The last to leave takes it out under the same lock, before
//     its context ends: nobody joins a flight that is being cancelled. So does its end: nobody joins an ended one.
// F3  A flight takes out the entry that is its own (`key`), never that of the one which followed it.
// F4  Value and error are written before `ended`, which is set under the lock, and not changed afterwards.
// F5  The table outlives its flights' tasks: its destructor waits for them. Who waits for a flight may use it longer.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>

#include "../context.hpp"
#include "expect.hpp"
#include "go.hpp"
#include "point_core.hpp"

namespace sluice {

/// What `singleflight` gives: the value, and whether others got it too.
template <class Value>
class flight_result {
public:
    flight_result(Value v, bool with_others) : value(std::move(v)), shared{with_others} {}
    Value value;
    bool shared;
};
template <>
class flight_result<void> {
public:
    explicit flight_result(bool with_others) noexcept : shared{with_others} {}
    bool shared;
};

namespace detail {

template <class Key, class Value, class Hash, class Equal>
class flight_table {
    using stored = std::conditional_t<std::is_void_v<Value>, std::monostate, Value>;

public:
    using key_type = Key;
    using value_type = Value;

    class flight final : public group_link, public std::enable_shared_from_this<flight> {
    public:
        explicit flight(flight_table& t) : of{&t}, context{with_cancel({})} {}
        void task_ended(task_state&, const std::exception_ptr& e) noexcept override { of->end(*this, e); }

        flight_table* const of;
        const context_source context;
        // Under the table's lock.
        const Key* key = nullptr;  // of its entry, while it has one (F3)
        bool ended = false;
        std::size_t joined = 0;
        std::size_t waiting = 0;
        wait_list waiters;
        std::shared_ptr<flight> itself;  // until its task has ended
        // F4
        std::optional<stored> value;
        std::exception_ptr error;
    };

    flight_table() = default;
    ~flight_table() {
        SLUICE_EXPECT(in_flight() == 0, "a singleflight was destroyed while somebody waited for one of its flights");
        const shield to_the_end{this_thread_state().task};
        auto landed = [this]() noexcept { return running_ == 0; };
        block(until_operation<decltype(landed), no_take>{landing_, landed, {}, place::current()});
    }

    /// The flight of `key`, joined; started with `f` if there is none. A failure to start it is its error.
    template <class F>
    std::shared_ptr<flight> join(const Key& key, F&& f, place at) {
        std::shared_ptr<flight> found;
        {
            const hold guard{mutex};
            const auto [entry, is_new] = flights_.try_emplace(key, nullptr);
            if (!is_new) {
                found = entry->second->shared_from_this();
                ++found->joined;
                ++found->waiting;
                return found;
            }
            try {
                found = std::make_shared<flight>(*this);
            } catch (...) {
                flights_.erase(entry);
                throw;
            }
            entry->second = found.get();
            found->key = &entry->first;
            found->itself = found;
            found->joined = found->waiting = 1;
        }
        {
            const hold guard{landing_.mutex};
            ++running_;
        }
        try {
            const home_choice in = home_under(context_access::node(found->context.get()));
            start_task(*in.in, in.counted, found.get(), false, at, job<std::decay_t<F>>{*found, std::forward<F>(f)});
        } catch (...) {
            end(*found, std::current_exception());
        }
        return found;
    }

    /// One who had joined does not wait any more.
    void leave(flight& f) noexcept {
        taken_out out;
        {
            const hold guard{mutex};
            if (f.ended || --f.waiting != 0) return;
            out = take_out(f);
        }
        f.context.cancel();
    }

    /// Returns whether there was a flight to forget.
    bool forget(const Key& key, bool only_unshared) {
        taken_out out;
        const hold guard{mutex};
        const auto entry = flights_.find(key);
        if (entry == flights_.end() || (only_unshared && entry->second->waiting > 1)) return false;
        out = take_out(*entry->second);
        return true;
    }

    std::size_t in_flight() const noexcept {
        const hold guard{mutex};
        return flights_.size();
    }
    std::size_t waiting(const Key& key) const {
        const hold guard{mutex};
        const auto entry = flights_.find(key);
        return entry == flights_.end() ? 0 : entry->second->waiting;
    }

    mutable lock mutex;

private:
    using flights = std::unordered_map<Key, flight*, Hash, Equal>;
    using taken_out = typename flights::node_type;  // the key goes outside of the lock

    /// What a flight's task calls.
    template <class F>
    class job {
    public:
        template <class G>
        job(flight& to, G&& f) : to_{&to}, function_(std::forward<G>(f)) {}
        auto operator()() {
            if constexpr (task_result<std::invoke_result_t<F&>>::is_task) return as_task();
            else call();
        }

    private:
        using result = typename task_result<std::invoke_result_t<F&>>::type;

        void call() {
            if constexpr (std::is_void_v<Value>) {
                static_cast<void>(std::invoke(function_));
                to_->value.emplace();
            } else {
                to_->value.emplace(std::invoke(function_));
            }
        }
        task<> as_task() {
            if constexpr (std::is_void_v<result>) co_await std::invoke(function_);
            else if constexpr (std::is_void_v<Value>) static_cast<void>(co_await std::invoke(function_));
            else to_->value.emplace(co_await std::invoke(function_));
            if constexpr (std::is_void_v<Value>) to_->value.emplace();
        }

        flight* to_;
        F function_;
    };

    taken_out take_out(flight& f) noexcept {
        if (!f.key) return {};
        return flights_.extract(flights_.find(*std::exchange(f.key, nullptr)));
    }

    void end(flight& f, const std::exception_ptr& error) noexcept {
        std::shared_ptr<flight> keep = std::move(f.itself);
        f.context.cancel();  // F1
        f.error = error;
        wake_chain woken;
        {
            taken_out out;
            const hold guard{mutex};
            out = take_out(f);
            f.ended = true;
            while (wait_node* n = f.waiters.claim_front()) woken.push(*n->who);
        }
        woken.wake_all();
        keep.reset();                   // with the value, if nobody waits for it
        const changing last{landing_};  // F5
        --running_;
    }

    flights flights_;
    point_core landing_;
    std::size_t running_ = 0;  // under the lock of landing_
};

/// Joins a flight, or starts it, and waits for its end. Refers to key and function.
///
/// It joins when it is first tried, which is outside of every lock: `try_at_once`, as an operation that begins to wait
/// has always been tried before. `Limited`: its result can tell that it was ended early.
template <class Table, class F, bool Limited>
class flight_operation : public wait_node, public awaitable_tag {
    using value_type = typename Table::value_type;
    using plain_result = flight_result<value_type>;

public:
    using result_type = std::conditional_t<Limited, received<plain_result>, plain_result>;

    flight_operation(Table& t, const typename Table::key_type& key, F&& f, place at) noexcept
        : where{at}, table_{&t}, key_{&key}, function_{std::addressof(f)} {}
    flight_operation(flight_operation&&) = default;
    ~flight_operation() {
        if (flight_) table_->leave(*flight_);
    }

    lock* guard() noexcept { return &table_->mutex; }
    bool looks_ready() const noexcept { return false; }
    bool try_at_once(thread_id) noexcept {
        if (flight_ || error_) return false;
        try {
            flight_ = table_->join(*key_, std::forward<F>(*function_), where);
        } catch (...) {
            error_ = std::current_exception();
        }
        return false;
    }
    bool try_commit(wake_chain&) noexcept {
        assert(flight_ || error_);
        return error_ || flight_->ended;
    }
    void enlist(waiter& w, ticket t) noexcept { wait_in(flight_->waiters, w, t); }
    result_type result() {
        if (error_) std::rethrow_exception(error_);
        const auto f = std::move(flight_);
        if (f->error) std::rethrow_exception(f->error);
        const bool shared = f->joined > 1;
        if constexpr (std::is_void_v<value_type>) return wrapped(plain_result{shared});
        else if (shared) return wrapped(plain_result{*f->value, true});
        else return wrapped(plain_result{std::move(*f->value), false});
    }
    result_type ended_by(status why) const noexcept
        requires Limited
    {
        return result_type{why};
    }
    /// The same, whose result can tell that it was ended early. This one is not used any more.
    flight_operation<Table, F, true> limited() && noexcept {
        return {*table_, *key_, static_cast<F&&>(*function_), where};
    }
    wait_kind kind() const noexcept { return wait_kind::condition; }
    const void* object() const noexcept { return table_; }
    auto for_task(task_state& self) noexcept { return task_awaiter<flight_operation>{*this, self}; }

    place where;

private:
    static result_type wrapped(plain_result&& r) {
        if constexpr (Limited) return result_type{std::in_place, std::move(r)};
        else return std::move(r);
    }

    Table* table_;
    const typename Table::key_type* key_;
    std::remove_reference_t<F>* function_;
    std::shared_ptr<typename Table::flight> flight_;
    std::exception_ptr error_;
};

}  // namespace detail
}  // namespace sluice
