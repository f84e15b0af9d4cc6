// SPDX-License-Identifier: BSL-1.0
// join.hpp: how does one wait for the end of what one started?
//
// Such a wait is never abandoned: when the surrounding context ends, the cancellation is passed on to what was
// started, the wait goes on until that has ended, and only then throws. So nothing that was started ever uses the
// frame of a task that has left. A *joinable* is an operation with four members more:
//     void forget()       the result will not be asked for
//     void pass_on()      cancels what is waited for; from then on the operation waits for its own tasks alone
//     bool may_close_a_circle(self), join_circle circle(self)     for join_circle.hpp
// J1  The hook is set before the publish and cleared by the first wake; the second wait cannot be cancelled.
#pragma once

#include <memory>
#include <new>

#include "backoff.hpp"
#include "expect.hpp"
#include "join_circle.hpp"
#include "report.hpp"
#include "start.hpp"

namespace sluice::detail {

template <class Op>
class join_awaiter final : public wake_hook {
public:
    join_awaiter(Op& op, task_state& self) noexcept : op_{op}, self_{self} {}

    bool await_ready() noexcept {
        if (self_.must_stop()) pass_on();
        done_ = is_over();
        return done_ && --self_.loop->budget != 0;
    }
    bool await_suspend(std::coroutine_handle<> frame) noexcept {
        self_.suspend_at(goes_on_ = frame);
        if (done_) {
            self_.note_wait(op_.kind(), op_.object(), op_.where);
            self_.loop->yielded = &self_;
            return true;
        }
        ensure_registered(self_);
        if constexpr (requires { &Op::in_the_way; })
            if (self_.holds_locks() || op_.target_waits_for_a_lock()) [[unlikely]]
                stand_in_graph();
        return park(canceled_ ? 0 : self_.endable());
    }
    decltype(auto) await_resume() {
        if (edge_) [[unlikely]]
            edge_.reset();
        if (canceled_) {
            op_.forget();
            self_.throw_canceled();
        }
        return op_.result();
    }

    bool on_wake(task_state&) override {
        self_.suspend_at(goes_on_);
        if (self_.outcome() != claim::canceled) return true;
        leave();
        pass_on();
        return !park(0);
    }

private:
    bool is_over() noexcept {
        if constexpr (requires { op_.is_over_for_good(); })
            if (op_.is_over_for_good()) return true;
        const hold guard{*op_.guard()};
        wake_chain none;
        return op_.try_commit(none);
    }
    // Most who join hold no lock, so this costs their frames no room. Without memory the edge is missing, and a circle
    // may go untold; the join itself must not fail, since nobody would wait for what was started.
    SLUICE_NOINLINE void stand_in_graph() noexcept {
        edge_.reset(new (std::nothrow) waits_in_graph);
        if (edge_) is_told_ = edge_->begin({&self_, 0, {}}, op_.kind(), op_.object(), &Op::in_the_way, op_.where);
    }
    void pass_on() noexcept {
        canceled_ = true;
        op_.pass_on();
    }
    void leave() noexcept {
        wake_chain none;
        const hold guard{*op_.guard()};
        op_.delist(none);
    }
    // True: parked; nothing of the frame is touched any more.
    bool park(ticket endable) noexcept {
        self_.note_wait(op_.kind(), op_.object(), op_.where);  // before the lock: join_circle.hpp
        op_.guard()->acquire();
        if (endable && op_.may_close_a_circle(self_) && !is_told_) [[unlikely]]
            return park_and_tell(endable);
        return park_under_guard(endable);
    }
    SLUICE_NOINLINE bool park_and_tell(ticket endable) noexcept {
        lock& guard = *op_.guard();
        join_circle circle = op_.circle(self_);
        auto seen = circle.look();
        for (backoff wait; seen == join_circle::answer::unknown; seen = circle.look()) {
            guard.release();
            const bool again = wait.pause();
            guard.acquire();
            if (!again) break;
        }
        const bool parked = park_under_guard(endable);
        if (parked && seen == join_circle::answer::closed) circle.tell();
        return parked;
    }
    bool park_under_guard(ticket endable) noexcept {
        lock& guard = *op_.guard();
        wake_chain none;
        if (op_.try_commit(none)) {
            guard.release();
            return false;
        }
        const ticket turn = self_.prepare(endable);
        op_.enlist(self_, claim::with_state(turn, claim::to_the_end));
        if (endable) self_.suspend_at(*this);  // J1
        self_.publish(turn);
        if (endable && self_.must_stop() && self_.try_claim(claim::with_state(turn, claim::canceled))) {
            self_.suspend_at(goes_on_);
            op_.delist(none);
            guard.release();
            pass_on();
            return park(0);
        }
        guard.release();
        return true;
    }

    Op& op_;
    task_state& self_;
    std::coroutine_handle<> goes_on_;
    bool done_ = false;
    bool canceled_ = false;
    bool is_told_ = false;  // the edge has closed a circle
    std::unique_ptr<waits_in_graph> edge_;
};

/// Blocks the thread until a joinable has ended; throws `canceled` if the surrounding context ends before.
template <class Op>
void block_once(Op& op) {
    wait_case entry = entry_of(op, 0);
    any_lock guard;
    multi_wait w{{&entry, 1}, {}, {&guard, 1}};
    w.set_note(op.kind(), op.object(), op.where);
    block_on(w);
}

/// The blocking twin of join_awaiter.
template <class Op>
decltype(auto) block_joining(Op& op) {
    waits_in_graph edge;
    if constexpr (requires { &Op::in_the_way; })
        edge.begin(actor::here({}), op.kind(), op.object(), &Op::in_the_way, op.where);
    try {
        block_once(op);
    } catch (const canceled&) {
        op.pass_on();
        const shield to_the_end{this_thread_state().task};
        block_once(op);
        op.forget();
        throw;
    }
    return op.result();
}

/// Waits for the end of one task.
template <class R>
class join_operation : public awaitable_tag {
public:
    join_operation(result_state<R>& t, place at) noexcept : where{at}, target_{&t} {}

    lock* guard() noexcept { return &target_->join_mutex; }
    /// Without the guard. Who ends the task has a reference of its own until it has let go of the guard.
    bool is_over_for_good() const noexcept { return target_->has_ended(); }
    bool try_commit(wake_chain&) noexcept { return target_->has_ended(); }
    void enlist(waiter& who, ticket turn) noexcept {
        node_.who = &who;
        node_.turn = turn;
        target_->joiners.push_back(node_);
    }
    void delist(wake_chain&) noexcept {
        if (node_.is_linked()) target_->joiners.unlink(node_);
    }
    wait_kind kind() const noexcept { return wait_kind::join; }
    const void* object() const noexcept { return target_; }
    /// Who is in the way (wait_graph.hpp).
    static void in_the_way(const void* of, blockers& into) noexcept {
        into.add({static_cast<const task_state*>(of), 0, {}});
    }
    bool target_waits_for_a_lock() const noexcept {
        const auto kind = target_->waits_kind.load(std::memory_order_relaxed);
        return kind == wait_kind::lock || kind == wait_kind::read_lock;
    }
    /// For join_circle.hpp; a hint.
    bool may_close_a_circle(const task_state&) const noexcept {
        const auto kind = target_->waits_kind.load(std::memory_order_relaxed);
        return kind == wait_kind::join || kind == wait_kind::group;
    }
    join_circle circle(task_state& self) const noexcept {
        const auto is_target = [](const task_state& t, const void* of) noexcept { return &t == of; };
        return {self, kind(), static_cast<const task_state*>(target_), is_target, where};
    }
    void pass_on() noexcept { request_stop(*target_); }
    void forget() noexcept { target_->disclaim(); }
    R result() { return target_->take(); }
    auto for_task(task_state& self) noexcept {
        SLUICE_EXPECT_AT(target_ != &self, "a task cannot wait for its own end", where);
        return join_awaiter<join_operation>{*this, self};
    }

    place where;

private:
    result_state<R>* target_;
    wait_node node_;
};

}  // namespace sluice::detail
