// SPDX-License-Identifier: BSL-1.0
// await.hpp: how does a task suspend, and a thread block, for one operation?
//
// An *operation* is a value with
//     lock* or biased_lock* guard()     the lock of what it works on; null: never ready
//     bool looks_ready()                without the guard: worth a try before suspending? Only a hint
//     bool may_be_ready() const         without the guard, if there is such a look: false: at this moment it was not
//     bool try_at_once(thread_id)       without the guard, if there is such a way: does it and wakes nobody; or nothing
//     bool try_commit(wake_chain&)      under the guard: does it, or says that it must wait
//     void enlist(waiter&, ticket)      under the guard: stands in the list
//     void delist(wake_chain&)          under the guard: leaves the list if it is still there; may let others in
//     R result()                        after it took effect;  R ended_by(status): it had no effect
//     wait_kind kind(); const void* object(); place where
// Everything that can be awaited, blocked on or selected is one of these. A task's bare operation goes the short way
// below (no entry arrays); all else goes through multi_wait, whose rules the short way follows.
#pragma once

#include "../status.hpp"
#include "backoff.hpp"
#include "foreign_awaiter.hpp"
#include "multi_wait.hpp"

namespace sluice::detail {

inline void ensure_registered(task_state& t) noexcept {
    if (!t.is_registered()) [[unlikely]]
        t.where().add(t);
}

/// What the promise of a task awaits an operation with, which is the entry of its list (`who`, `turn`) itself. As many
/// tasks wait, this takes one pointer of a frame: who waits stands in the entry, how far it has come in the task.
template <class Op>
class task_awaiter {
public:
    task_awaiter(Op& op, task_state& self) noexcept : op_{op} { op.who = &self; }

    SLUICE_ALWAYS_INLINE bool await_ready() noexcept {
        task_state& self = this->self();
        if (self.must_stop()) [[unlikely]]
            return end_with(await_progress::canceled);
        if constexpr (has_short_cut<Op>) {
            if (op_.try_at_once(self.loop->thread)) [[likely]] {
                end_with(await_progress::done);
                return has_budget();
            }
        }
        self.awaits = await_progress::waits;
        // What will probably wait is tried in await_suspend only: one lock instead of two.
        return op_.looks_ready() && try_under_guard();
    }

    SLUICE_NOINLINE bool await_suspend(std::coroutine_handle<> frame) {
        task_state& self = this->self();
        self.suspend_at(frame);
        if (is_done()) return yield_after_it();
        ensure_registered(self);
        auto* const guard = op_.guard();
        if (!guard) return suspend_for_ever();
        wake_chain woken;
        acquire_as(self.loop->thread, *guard);
        if (op_.try_commit(woken)) {
            guard->release();
            woken.wake_all(*self.loop);
            end_with(await_progress::done);
            return !has_budget() && yield_after_it();
        }
        const ticket endable = self.endable();
        const ticket turn = self.prepare(endable);
        op_.enlist(self, claim::for_case(turn, 0));
        self.note_wait(op_.kind(), op_.object(), op_.where);
        self.publish(turn);
        if (endable && self.must_stop() && self.try_claim(claim::with_state(turn, claim::canceled))) {
            op_.delist(woken);
            guard->release();
            woken.wake_all(*self.loop);
            end_with(await_progress::canceled);
            return false;
        }
        guard->release();
        return true;  // nothing of the frame is touched any more
    }

    SLUICE_ALWAYS_INLINE decltype(auto) await_resume() {
        const task_state& self = this->self();
        if (self.awaits != await_progress::done &&
            (self.awaits == await_progress::canceled || self.outcome() == claim::canceled)) [[unlikely]]
            end_canceled();
        return op_.result();
    }

protected:
    task_state& self() const noexcept { return static_cast<task_state&>(*op_.who); }
    bool is_done() const noexcept { return self().awaits == await_progress::done; }

private:
    bool end_with(await_progress how) noexcept {
        self().awaits = how;
        return true;
    }

    SLUICE_NOINLINE bool try_under_guard() noexcept {
        auto* const guard = op_.guard();
        if (!guard) return false;
        running& loop = *self().loop;
        wake_chain woken;
        acquire_as(loop.thread, *guard);
        const bool done = op_.try_commit(woken);
        guard->release();
        woken.wake_all(loop);
        return done && end_with(await_progress::done) && has_budget();
    }

    [[noreturn]] SLUICE_NOINLINE void end_canceled() {
        task_state& self = this->self();
        if (self.awaits != await_progress::canceled) {
            if (auto* const guard = op_.guard()) {
                wake_chain woken;
                acquire_as(self.loop->thread, *guard);
                op_.delist(woken);
                guard->release();
                woken.wake_all(*self.loop);
            } else {
                const hold armed{self.join_mutex};
            }
        }
        self.throw_canceled();
    }

    // A task that never has to wait still lets the others run.
    bool has_budget() noexcept { return --self().loop->budget != 0; }
    bool yield_after_it() noexcept {
        task_state& self = this->self();
        self.note_wait(op_.kind(), op_.object(), op_.where);
        self.loop->yielded = &self;
        return true;
    }

    // Nothing has a guard here, so the task's own lock is what it needs to go on: waiter.hpp, W5.
    bool suspend_for_ever() noexcept {
        task_state& self = this->self();
        self.join_mutex.acquire();
        const ticket endable = self.endable();
        const ticket turn = self.prepare(endable);
        self.note_wait(op_.kind(), op_.object(), op_.where);
        self.publish(turn);
        const bool mine = endable && self.must_stop() && self.try_claim(claim::with_state(turn, claim::canceled));
        if (mine) end_with(await_progress::canceled);
        self.join_mutex.release();
        return !mine;
    }

    Op& op_;
};

/// What the promise of a task awaits a prepared multi_wait with; `Wait` has `wait()` and `take_result()`.
template <class Wait>
class multi_awaiter {
public:
    multi_awaiter(Wait& w, task_state& self) noexcept : wait_{w}, self_{self} {}

    bool await_ready() noexcept {
        done_ = wait_.wait().try_now(&self_);
        return done_ && --self_.loop->budget != 0;
    }
    bool await_suspend(std::coroutine_handle<> frame) {
        self_.suspend_at(frame);
        if (done_) {
            wait_.wait().note_for(self_);
            self_.loop->yielded = &self_;
            return true;
        }
        ensure_registered(self_);
        armed_ = true;
        if (wait_.wait().arm(self_, &self_, false)) return true;
        armed_ = false;
        return false;
    }
    decltype(auto) await_resume() {
        if (armed_) wait_.wait().finish();
        if (wait_.wait().fired() == multi_wait::canceled_position) self_.throw_canceled();
        return wait_.take_result();
    }

private:
    Wait& wait_;
    task_state& self_;
    bool done_ = false;
    bool armed_ = false;
};

inline void spin(parker& p) noexcept {
    for (backoff wait; !p.is_notified() && wait.pause();) {}
}

/// Of a thread in a simulation, which resumes it like a coroutine; so the time is virtual for it too.
SLUICE_NOINLINE inline void wait_in_simulation(task_state& self, multi_wait& w, thread_state& me) {
    ensure_registered(self);
    running* const loop = self.loop;
    if (w.arm(self, &self, false)) {
        me.simulation->block(self);
        self.loop = loop;  // task_state.hpp, T2
        w.finish();
    }
    if (w.fired() == multi_wait::canceled_position) self.throw_canceled();
}

/// Blocks the calling thread until `w` has ended. Throws `canceled` if the surrounding context ended it.
inline void block_on(multi_wait& w) {
    auto& me = this_thread_state();
    task_state* const self = me.task;
    // While an exception is on its way, a destructor's wait must not throw a second one.
    const shield quiet{self && std::uncaught_exceptions() > 0 ? self : nullptr};
    if (!w.try_now(self)) {
        const runtime_core::timed_block timing{self && w.deadline() != no_deadline ? self->where().runtime : nullptr};
        if (self && me.simulation) return wait_in_simulation(*self, w, me);
        thread_record& record = thread_records::of(me);
        waiter& who = self ? static_cast<waiter&>(*self) : record.waiter;
        running* const loop = self ? self->loop : nullptr;
        if (self) {
            ensure_registered(*self);
            self->park_on(&record.parker);
        }
        if (w.arm(who, self, true)) {
            if (!me.worker) spin(record.parker);
            else if (!record.parker.is_notified()) runtime_core::give_away_worker(me);
            if (!record.parker.park_until(w.deadline()) && !w.try_time_out()) record.parker.park();
            w.finish();
        }
        if (self) {
            self->park_on(nullptr);
            self->loop = loop;  // task_state.hpp, T2
        }
        thread_records::settle(me);
    } else if (self && me.simulation) {
        w.note_for(*self);
        me.simulation->operation_done(*self);
    }
    if (w.fired() == multi_wait::canceled_position) self->throw_canceled();
}

/// An operation, perhaps with a named context and a deadline: blocking for threads, awaited by tasks.
template <class Op>
class ended_early : public awaitable_tag {
public:
    using result_type = decltype(std::declval<Op&>().result());

    ended_early(Op&& op, context_node* named, time_point deadline) noexcept(std::is_nothrow_move_constructible_v<Op>)
        : op_{std::move(op)}, watch_{named, 1, {}} {
        context_tree::retain(named);
        wait_.set_deadline(deadline, no_position);
    }
    // Moved only before it waits.
    ended_early(ended_early&& other) noexcept(std::is_nothrow_move_constructible_v<Op>)
        : ended_early{std::move(other.op_), other.watch_.context, other.wait_.deadline()} {}
    ended_early& operator=(ended_early&&) = delete;
    ~ended_early() { context_tree::release(watch_.context); }

    ended_early& for_foreign() noexcept { return *this; }
    multi_wait& wait() noexcept { return wait_; }
    // Its parts, for a case of a select.
    Op& operation() noexcept { return op_; }
    context_node* named() const noexcept { return watch_.context; }
    result_type take_result() {
        switch (wait_.fired()) {
            case 0: return op_.result();
            case multi_wait::timed_out_position: return op_.ended_by(status::timed_out);
            default: return op_.ended_by(status::canceled);
        }
    }

    /// What it gives when it had no effect.
    result_type without_effect(status why) { return op_.ended_by(why); }

    /// The same operation, ended by `deadline` as well. This one is not used any more.
    ended_early limited_to(time_point deadline) && {
        return {std::move(op_), watch_.context, std::min(deadline, wait_.deadline())};
    }

    /// Blocks the thread.
    result_type block() {
        wait_.set_note(op_.kind(), op_.object(), op_.where);
        block_on(wait_);
        return take_result();
    }

    auto for_task(task_state& self) noexcept {
        wait_.set_note(op_.kind(), op_.object(), op_.where);
        return multi_awaiter<ended_early>{*this, self};
    }

private:
    Op op_;
    wait_case case_ = entry_of(op_, 0);
    wait_watch watch_;
    any_lock guard_;
    multi_wait wait_{{&case_, 1}, {&watch_, 1}, {&guard_, 1}};
};

}  // namespace sluice::detail
