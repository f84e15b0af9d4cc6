// SPDX-License-Identifier: BSL-1.0
// group_core.hpp: when has everything that was counted ended?
//
// `count` is all that was added and is not done; `own` is the part that the group itself has started. Of these, those
// that live at the group's home (G4) are `at_home_`, the others `elsewhere_`.
// G1  Who brings the count to zero claims the waiters under the lock and touches nothing of the group after it, so a
//     waiter may destroy the group at once; every wait takes the lock, even when the count is zero.
// G2  A wait whose surrounding context has ended cancels the group's context and goes on until `own` is zero
//     (join.hpp); what only `add` has counted is not waited for then.
// G3  The group's context is made at the first go(), below the context of the task that made the group.
// G4  A group may outlive the runtimes its tasks ran in. `home_` is the home of those that live in one of them, with
//     one reference for them all while there are any; they count no home by themselves. A task of another runtime
//     meanwhile counts its own.
// G5  While many are at home, starts and ends take no lock and share no cache line: a start under the lock counts a
//     `batch` more, `spare_`, which the next ones take from; an end counts down by itself. `at_home_` is what lives and
//     what is spare; with `many` or fewer an end takes the lock and gives the spare ones back. So the last end finds none
//     spare, and zero at home means zero.
#pragma once

#include <functional>
#include <memory>

#include "block.hpp"
#include "expect.hpp"
#include "go.hpp"
#include "own_context.hpp"

namespace sluice::detail {

class group_core final : public group_link {
public:
    group_core() : parent_{own_context::of_current_task()} {}
    /// Below a given context (null: the background), a reference to which is adopted.
    explicit group_core(context_node* under) noexcept : parent_{under} {}
    group_core(const group_core&) = delete;
    group_core& operator=(const group_core&) = delete;

    /// Cancels and joins what the group started; the blocking last resort.
    ~group_core() {
        bool must_wait = false;
        bool forgotten = false;
        {
            const hold guard{mutex};
            must_wait = own_now() != 0;
            forgotten = added_ != 0;
        }
        SLUICE_EXPECT(!has_started(this_thread_state().task), "a group was destroyed by one of its own tasks");
        if (must_wait) {
            cancel(nullptr);
            wait_for_own();
        }
        if (context_) {
            context_tree::cancel(*context_, context_error::canceled, nullptr);
            context_tree::release(context_);
        }
        context_tree::release(parent_);
        SLUICE_EXPECT(!forgotten, "a group was destroyed while something added to it was not done");
    }

    /// Whether `t` is one of its tasks.
    bool has_started(const task_state* t) const noexcept { return t && t->group && t->group->counter() == this; }
    void expect_a_waiter_from_outside(const task_state* t, place at) const {
        SLUICE_EXPECT_AT(!has_started(t), "a task cannot wait for the end of its own group", at);
    }

    void add(std::size_t n) noexcept {
        const hold guard{mutex};
        added_ += n;
    }
    void done(place at) {
        wake_chain woken;
        {
            const hold guard{mutex};
            SLUICE_EXPECT_AT(added_ > 0, "done() without an add() before", at);
            --added_;
            wake_if_ended(woken);
        }
        woken.wake_all();  // G1
    }
    std::size_t count() const noexcept {
        const hold guard{mutex};
        return added_ + own_now();
    }

    /// Starts a task of the group; `told` is this group or who wraps it.
    template <class F, class... Args>
    void go(group_link& told, place at, F&& f, Args&&... args) {
        static_cast<void>(start(told, false, at, std::forward<F>(f), std::forward<Args>(args)...));
    }
    /// As above, and gives the task, with a reference for a handle if there shall be one.
    template <class F, class... Args>
    auto* start(group_link& told, bool with_handle, place at, F&& f, Args&&... args) {
        const home_choice chosen = count_one_in(runtime_here());
        try {
            return start_task(*chosen.in, chosen.counted, &told, with_handle, at, std::forward<F>(f),
                              std::forward<Args>(args)...);
        } catch (...) {
            end_one(!chosen.counted, nullptr);
            throw;
        }
    }

    void task_ended(task_state& t, const std::exception_ptr& error) noexcept override { end_one(t, error); }
    waiting_line line() noexcept override { return {&mutex, &waiters}; }
    void end_one(const task_state& t, const std::exception_ptr& error) noexcept {
        end_one(t.is_at_home_of_group, error);
    }

    void cancel(std::exception_ptr cause) noexcept {
        context_node* node = nullptr;
        {
            const hold guard{mutex};
            canceled_early_ |= !context_;
            node = context_;
            context_tree::retain(node);
        }
        if (!node) return;
        context_tree::cancel(*node, context_error::canceled, cause);
        context_tree::release(node);
    }

    /// The group's context, made at the first need.
    context_node& own_node() {
        {
            const hold guard{mutex};
            if (context_) return *context_;
        }
        auto made = std::make_unique<context_node>(parent_);
        context_tree::attach(*made);
        context_node* const node = made.release();
        bool mine = false;
        bool canceled = false;
        {
            const hold guard{mutex};
            mine = !context_;
            canceled = canceled_early_;
            if (mine) context_ = node;
        }
        if (!mine) context_tree::release(node);  // another thread was first
        else if (canceled) context_tree::cancel(*node, context_error::canceled, nullptr);
        return *context_;
    }
    const context_node* parent() const noexcept { return parent_; }
    /// How many tasks it has started that have not ended.
    std::size_t own() const noexcept {
        const hold guard{mutex};
        return own_now();
    }

    /// Told of every exception of a task other than `canceled`, by whoever ran the task, before it counts as ended.
    void on_exception(std::function<void(std::exception_ptr)> f) {
        auto made = f ? std::make_shared<const exception_hook>(std::move(f)) : nullptr;
        const hold guard{mutex};
        told_of_exceptions_.swap(made);
    }
    void tell(const std::exception_ptr& error) noexcept {
        std::shared_ptr<const exception_hook> told;
        {
            const hold guard{mutex};
            told = told_of_exceptions_;
        }
        if (!told) return;
        try {
            (*told)(error);
        } catch (...) {
            runtime_core::unclaimed(std::current_exception(), "the on_exception function of a group threw");
        }
    }

    // Under the lock.
    bool is_over(bool own_only) const noexcept {
        // relaxed: zero is stored under the lock (G5).
        return (own_only || added_ == 0) && elsewhere_ == 0 && at_home_.load(std::memory_order_relaxed) == 0;
    }
    std::exception_ptr take_error() noexcept {
        const hold guard{mutex};
        return std::exchange(first_error_, nullptr);
    }
    void check_error() {
        if (const auto error = take_error()) std::rethrow_exception(error);
    }

    /// Waits for the group's own tasks, whatever happens.
    void wait_for_own();

private:
    static constexpr std::size_t many = 256;
    static constexpr std::size_t batch = 64;

    // One task more, and where it shall live (G4).
    home_choice count_one_in(runtime_core& rt) {
        if (take_spare()) {
            if (home_->runtime == &rt) [[likely]]
                return {home_, false};
            end_one(true, nullptr);
        }
        {
            const hold guard{mutex};
            if (home_ && home_->runtime == &rt) return count_one_at_home();
        }
        home& in = context_tree::home_in(own_node(), rt);
        const hold guard{mutex};
        if (!home_) {
            home_ = &in;
            return count_one_at_home();
        }
        ++elsewhere_;
        return {&in, true};
    }
    bool take_spare() noexcept {
        std::size_t seen = spare_.load(std::memory_order_relaxed);
        // acquire: sees the home that it is for.
        while (seen != 0)
            if (spare_.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire, std::memory_order_relaxed))
                return true;
        return false;
    }
    // Under the lock.
    home_choice count_one_at_home() noexcept {
        // relaxed, here and for the spare ones: only numbers, but for what the release and acquire below say.
        if (at_home_.fetch_add(1, std::memory_order_relaxed) >= many && spare_.load(std::memory_order_relaxed) == 0) {
            at_home_.fetch_add(batch, std::memory_order_relaxed);
            spare_.store(batch, std::memory_order_release);
        }
        return {home_, false};
    }

    /// The first exception of a task, other than `canceled`, goes to wait().
    void end_one(bool was_at_home, const std::exception_ptr& error) noexcept {
        if (was_at_home && !error && end_one_of_many()) return;
        const bool counts = error && !is_canceled(error);
        if (counts) tell(error);
        home* left = nullptr;
        wake_chain woken;
        {
            const hold guard{mutex};
            if (counts && !first_error_) first_error_ = error;
            if (!was_at_home) --elsewhere_;
            else if (end_one_at_home()) left = std::exchange(home_, nullptr);
            wake_if_ended(woken);
        }
        woken.wake_all();  // G1
        if (left) context_tree::release_home(*left);
    }
    bool end_one_of_many() noexcept {
        std::size_t seen = at_home_.load(std::memory_order_relaxed);
        // release: what the task did is visible to who ends the last one.
        while (seen > many)
            if (at_home_.compare_exchange_weak(seen, seen - 1, std::memory_order_release, std::memory_order_relaxed))
                return true;
        return false;
    }
    // Under the lock. True: it was the last one.
    bool end_one_at_home() noexcept {
        const std::size_t gone = 1 + spare_.exchange(0, std::memory_order_relaxed);
        // acq_rel: as above, and sees what the others did.
        return at_home_.fetch_sub(gone, std::memory_order_acq_rel) == gone;
    }
    // Under the lock; exact while nothing starts or ends.
    std::size_t own_now() const noexcept {
        return elsewhere_ + at_home_.load(std::memory_order_relaxed) - spare_.load(std::memory_order_relaxed);
    }

    // Under the lock.
    void wake_if_ended(wake_chain& woken) noexcept {
        if (is_over(false))
            while (wait_node* n = waiters.claim_front()) woken.push(*n->who);
        if (is_over(true))
            while (wait_node* n = waiters_for_own.claim_front()) woken.push(*n->who);
    }

    // Ends count here, starts at the end of the object: further apart than a cache line.
    std::atomic<std::size_t> at_home_{0};

public:
    mutable lock mutex;
    wait_list waiters;
    wait_list waiters_for_own;

private:
    using exception_hook = std::function<void(std::exception_ptr)>;

    bool canceled_early_ = false;  // before there was a context
    std::size_t added_ = 0;
    std::size_t elsewhere_ = 0;
    std::exception_ptr first_error_;
    std::shared_ptr<const exception_hook> told_of_exceptions_;
    context_node* const parent_;  // the maker's, or null
    context_node* context_ = nullptr;
    std::atomic<std::size_t> spare_{0};
    home* home_ = nullptr;  // G4
};

/// Waits until the count is zero. A joinable (join.hpp).
class group_operation : public wait_node, public awaitable_tag {
public:
    group_operation(group_core& g, place at) noexcept : where{at}, group_{&g} {}

    lock* guard() noexcept { return &group_->mutex; }
    bool try_commit(wake_chain&) noexcept { return group_->is_over(own_only_); }
    void enlist(waiter& w, ticket t) noexcept { wait_in(own_only_ ? group_->waiters_for_own : group_->waiters, w, t); }
    bool result() const {
        group_->check_error();
        return true;
    }
    bool ended_by(status) const noexcept { return false; }
    void pass_on() noexcept {
        own_only_ = true;
        group_->cancel(nullptr);
    }
    void forget() const noexcept {}
    wait_kind kind() const noexcept { return wait_kind::group; }
    const void* object() const noexcept { return group_; }
    // For join_circle.hpp: the wait for a member that waits for `self`. Asking for that costs too much where each of
    // many tasks waits for a group of its own, so only the joiners of `self` are followed.
    bool may_close_a_circle(const task_state& self) const noexcept { return !self.has_no_handle(); }
    join_circle circle(task_state& self) const noexcept {
        const auto is_member = [](const task_state& t, const void* g) noexcept {
            return static_cast<const group_core*>(g)->has_started(&t);
        };
        join_circle through{self, kind(), group_, is_member, where};
        through.ask_no_group_of_me();
        return through;
    }
    auto for_task(task_state& self) {
        expect_from_outside(self);
        return join_awaiter<group_operation>{*this, self};
    }

    place where;

protected:
    // Awaited by itself it would never end; with a time or another case it may.
    void expect_from_outside(const task_state& self) const { group_->expect_a_waiter_from_outside(&self, where); }

private:
    friend class group_core;
    group_core* group_;
    bool own_only_ = false;
};

inline void group_core::wait_for_own() {
    group_operation op{*this, place::current()};
    op.own_only_ = true;
    const shield to_the_end{this_thread_state().task};
    block_once(op);
}

/// A wait that `until` or the time may end: without a result then, and nothing is cancelled.
template <class Op>
auto wait_early(Op op, group_core& group, context_node* until, time_point deadline) {
    try {
        return ended_early<Op>{std::move(op), until, deadline}.block();
    } catch (const canceled&) {
        group.cancel(nullptr);
        group.wait_for_own();
        throw;
    }
}

}  // namespace sluice::detail
