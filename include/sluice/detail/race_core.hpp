// SPDX-License-Identifier: BSL-1.0
// race_core.hpp: who of those that run for the same was first, and have the others ended?
//
//   undecided ──the end of a lane that counts──▶ decided ──all lanes have ended──▶ over
//       └──────────────all lanes have ended, none counts────────────────────────────▲
//
// A lane is one runner: a task of the race, with room for how it ended.
// R1  `winner_` is set once, by the end of the lane that decides. A lane is written by the end of its task alone, before
//     its count is given back; the race reads lanes when the count is zero. So lanes need no lock.
// R2  The end of a lane comes in this order: its result is there, the race is decided, the others are cancelled, who waits
//     for news is let in, its count is given back. The last lets the race go, so nothing of it is touched after that.
// R3  What was started is joined before the race gives or throws anything, whatever has happened (`end_of`).
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "go.hpp"
#include "join.hpp"
#include "point_core.hpp"
#include "surrounding.hpp"

namespace sluice::detail {

// --- what a race gives ---

template <class T>
struct race_alternative {
    using type = T;
};
template <>
struct race_alternative<void> {
    using type = std::monostate;
};
template <class T>
struct race_alternative<T&> {
    using type = std::reference_wrapper<T>;
};

/// The results' type if they agree, otherwise a variant by position.
template <class... Ts>
struct race_answer {
    using type = std::variant<typename race_alternative<Ts>::type...>;
};
template <class First, class... Rest>
    requires(std::is_same_v<First, Rest> && ...)
struct race_answer<First, Rest...> {
    using type = First;
};

/// Which end of a lane decides.
enum class race_rule : std::uint8_t { first_answer, first_success };

/// For who starts lanes one after the other: what has become of those that were started.
class race_news {
public:
    void lane_ended(bool counts) noexcept {
        const changing scope{point_};
        if (counts) is_decided_ = true;
        else ++failures_;
    }
    /// Waits until the race is decided, or more than `answered` lanes have failed.
    auto more_than(std::size_t answered, place at) noexcept {
        const auto is_news = [this, answered]() noexcept { return is_decided_ || failures_ > answered; };
        return until_operation<decltype(is_news), no_take>{point_, is_news, {}, at};
    }

private:
    point_core point_;
    bool is_decided_ = false;
    std::size_t failures_ = 0;
};

/// The part of a race that knows no results: its context, and how many lanes have not ended.
///
/// A race is far smaller than a group: who starts the lanes is who waits for them, and there are no limits, no errors to
/// keep and no other runtimes. `open_` counts the lanes that have not ended, and one for who starts them.
/// B1  Who brings `open_` to zero and is not the starter does so under the lock, claims the waiter there, and touches
///     nothing of the race after it; the starter takes the lock before it leaves. So it may leave at once.
class race_base : public group_link {
public:
    race_base() : parent_{surrounding_node()} {
        try {
            node_ = std::make_unique<context_node>(parent_).release();
            context_tree::attach(*node_);
            home_ = &context_tree::home_in(*node_, runtime_here());
        } catch (...) {
            if (node_) context_tree::release(node_);
            context_tree::release(parent_);
            throw;
        }
    }
    race_base(const race_base&) = delete;
    race_base& operator=(const race_base&) = delete;

    /// Starts `f`; `told` is the lane. By the starter.
    template <class F>
    void go(group_link& told, F&& f) {
        // relaxed: counts, no more; the starter's own one keeps it from zero.
        open_.fetch_add(1, std::memory_order_relaxed);
        try {
            start_task(*home_, false, &told, false, place{}, std::forward<F>(f));
        } catch (...) {
            open_.fetch_sub(1, std::memory_order_relaxed);
            throw;
        }
    }
    void cancel() noexcept {
        if (!was_canceled()) context_tree::cancel(*node_, context_error::canceled, nullptr);
    }
    bool was_canceled() const noexcept { return node_->error() != context_error::none; }
    /// Whether what surrounds the race has ended.
    bool is_surrounded_by_end() const noexcept { return parent_ && parent_->error() != context_error::none; }
    [[noreturn]] void throw_canceled() const { throw canceled{parent_ ? parent_->cause : nullptr}; }

    /// A lane of it has ended. Last (B1).
    void end_one() noexcept {
        std::size_t seen = open_.load(std::memory_order_relaxed);
        // release: what the lane did is visible to who ends the last one.
        while (seen > 1)
            if (open_.compare_exchange_weak(seen, seen - 1, std::memory_order_release, std::memory_order_relaxed))
                return;
        wake_chain woken;
        {
            const hold guard{mutex};
            // acq_rel: as above, and sees what the others did.
            open_.fetch_sub(1, std::memory_order_acq_rel);
            while (wait_node* const n = waiters.claim_front()) woken.push(*n->who);
        }
        woken.wake_all();
    }
    /// No more will be started.
    void start_no_more() noexcept { open_.fetch_sub(1, std::memory_order_acq_rel); }
    /// Under the lock, after start_no_more().
    bool is_over() const noexcept { return open_.load(std::memory_order_acquire) == 0; }

    bool has_started(const task_state& t) const noexcept { return t.group && t.group->counter() == this; }
    void task_ended(task_state&, const std::exception_ptr&) noexcept override {}
    waiting_line line() noexcept override { return {&mutex, &waiters}; }

    lock mutex;
    wait_list waiters;

protected:
    ~race_base() {
        assert(open_.load(std::memory_order_relaxed) == 0);
        // What the runners have started and not joined ends with the race, also if there was but one.
        cancel();
        context_tree::release_home(*home_);
        context_tree::release(node_);
        context_tree::release(parent_);
    }

private:
    std::atomic<std::size_t> open_{1};
    context_node* const parent_;
    context_node* node_ = nullptr;
    home* home_ = nullptr;
};

/// Waits until all lanes have ended, whatever happens; gives null, or the cancellation that came meanwhile. A joinable
/// (join.hpp).
class race_join : public wait_node, public awaitable_tag {
public:
    race_join(race_base& of, place at) noexcept : where{at}, of_{&of} { of.start_no_more(); }

    lock* guard() noexcept { return &of_->mutex; }
    bool try_commit(wake_chain&) noexcept { return of_->is_over(); }
    void enlist(waiter& w, ticket t) noexcept { wait_in(of_->waiters, w, t); }
    void result() const noexcept {}
    void pass_on() noexcept { of_->cancel(); }
    void forget() const noexcept {}
    wait_kind kind() const noexcept { return wait_kind::group; }
    const void* object() const noexcept { return of_; }
    bool may_close_a_circle(const task_state& self) const noexcept { return !self.has_no_handle(); }
    join_circle circle(task_state& self) const noexcept {
        const auto is_lane = [](const task_state& t, const void* race) noexcept {
            return static_cast<const race_base*>(race)->has_started(t);
        };
        return {self, kind(), of_, is_lane, where};
    }
    auto for_task(task_state& self) noexcept {
        struct awaiter {
            awaiter(race_join& op, task_state& t) noexcept : inner{op, t} {}
            bool await_ready() noexcept { return inner.await_ready(); }
            bool await_suspend(std::coroutine_handle<> frame) noexcept { return inner.await_suspend(frame); }
            std::exception_ptr await_resume() noexcept {
                try {
                    inner.await_resume();
                } catch (...) {
                    return std::current_exception();
                }
                return nullptr;
            }
            join_awaiter<race_join> inner;
        };
        return awaiter{*this, self};
    }

    place where;

private:
    race_base* of_;
};

template <class R>
class race_core;

/// One runner's part.
template <class R>
class race_lane final : public group_link {
public:
    enum class end : std::uint8_t { none, value, error, canceled };
    using reader = void (*)(task_state&, result_box<R>&);

    race_lane() noexcept {}
    race_lane(const race_lane&) = delete;
    race_lane& operator=(const race_lane&) = delete;

    void task_ended(task_state& t, const std::exception_ptr& error) noexcept override {
        race->lane_ended(*this, t, error);
    }
    group_link* counter() noexcept override { return race; }

    template <class T, std::size_t I>
    static void read(task_state& t, result_box<R>& into) {
        auto& ended = static_cast<result_state<T>&>(t);
        if constexpr (std::is_void_v<R>) {
            into.set_value();
        } else if constexpr (std::is_same_v<R, T>) {
            into.set_value(ended.take());
        } else if constexpr (std::is_void_v<T>) {
            into.set_value(R{std::in_place_index<I>});
        } else {
            into.set_value(R(std::in_place_index<I>, ended.take()));
        }
    }

    race_core<R>* race = nullptr;
    reader how_to_read = nullptr;
    end ended = end::none;
    result_box<R> box;  // empty if it ended after the race was decided, unless all is kept
};

template <class R>
class race_core final : public race_base {
public:
    using lane = race_lane<R>;
    using end = typename lane::end;

    race_core(race_rule rule, bool keeps_all) : rule_{rule}, keeps_all_{keeps_all} {}

    /// Starts `f` in lane `in`, which becomes position `I` of a variant.
    template <std::size_t I, class F>
    void start(lane& in, F&& f) {
        in.race = this;
        in.how_to_read = &lane::template read<call_result<F>, I>;
        go(in, std::forward<F>(f));
    }
    /// To be told of every end of a lane. Before the first start.
    void tell(race_news& of) noexcept { news_ = &of; }

    /// The lane that has decided it, or null.
    lane* winner() const noexcept {
        // acquire: pairs with the release in decide().
        return winner_.load(std::memory_order_acquire);
    }

    void lane_ended(lane& of, task_state& t, const std::exception_ptr& error) noexcept {
        of.ended = !error ? end::value : is_canceled(error) ? end::canceled : end::error;
        if (keeps_all_ || !winner()) keep(of, t, error);
        const bool counts = of.ended == end::value || (of.ended == end::error && rule_ == race_rule::first_answer);
        if (counts && decide(of)) cancel();
        if (news_) [[unlikely]]
            news_->lane_ended(counts);
        end_one();  // R2
    }

private:
    static void keep(lane& of, task_state& t, const std::exception_ptr& error) noexcept {
        if (error) return of.box.set_error(error);
        try {
            of.how_to_read(t, of.box);
        } catch (...) {  // its move threw
            of.ended = end::error;
            of.box.set_error(std::current_exception());
        }
    }
    bool decide(lane& by) noexcept {
        lane* nobody = nullptr;
        // release: its end is visible to who sees that it is decided.
        return winner_.compare_exchange_strong(nobody, &by, std::memory_order_release, std::memory_order_relaxed);
    }

    const race_rule rule_;
    const bool keeps_all_;
    std::atomic<lane*> winner_{nullptr};
    race_news* news_ = nullptr;
};

// --- those who run ---

/// As many as there are arguments, each of its own type.
template <class... Fs>
class fixed_runners {
public:
    using answer = typename race_answer<call_result<Fs>...>::type;
    class lanes {
    public:
        explicit lanes(std::size_t) noexcept {}
        auto begin() noexcept { return all_.begin(); }
        auto end() noexcept { return all_.end(); }
        auto& operator[](std::size_t i) noexcept { return all_[i]; }

    private:
        std::array<race_lane<answer>, sizeof...(Fs)> all_;
    };

    template <class... Gs>
    explicit fixed_runners(std::in_place_t, Gs&&... gs) : all_{std::forward<Gs>(gs)...} {}

    static constexpr std::size_t size() noexcept { return sizeof...(Fs); }
    void start(race_core<answer>& in, lanes& at, std::size_t which) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            static_cast<void>(
                ((I == which && (in.template start<I>(at[I], std::move(std::get<I>(all_))), true)) || ...));
        }(std::index_sequence_for<Fs...>{});
    }

private:
    std::tuple<Fs...> all_;
};

/// As many as a range had.
template <class F>
class some_runners {
public:
    using answer = call_result<F>;
    class lanes {
    public:
        explicit lanes(std::size_t n) : all_(n) {}
        auto begin() noexcept { return all_.begin(); }
        auto end() noexcept { return all_.end(); }
        auto& operator[](std::size_t i) noexcept { return all_[i]; }

    private:
        std::vector<race_lane<answer>> all_;
    };

    explicit some_runners(std::vector<F> all) noexcept : all_{std::move(all)} {}

    std::size_t size() const noexcept { return all_.size(); }
    void start(race_core<answer>& in, lanes& at, std::size_t which) {
        in.template start<0>(at[which], std::move(all_[which]));
    }

private:
    std::vector<F> all_;
};

}  // namespace sluice::detail
