// SPDX-License-Identifier: BSL-1.0
// multi_wait.hpp: how does one waiter wait for any of several things?
//
// The one procedure behind select, behind operations with a named context or a deadline, and behind every blocking
// form. Three kinds of entries: *cases* (channel ends, permits, groups, handles: a guard and a list each), *watches*
// (named contexts), and at most one *deadline*.
//
//   try:   each case under its own guard, in random or given order; a named context that has ended comes first
//   arm:   all guards in address order; try again; enlist in random order; publish; arm the timer and the watches;
//          look at the own context and at every watch; whoever sees an end claims himself
//   wait:  the task suspends, the thread parks; the winner wakes it
//   finish: unlink what is left, one lock at a time; remove the timer under its lock
//
// M1  arm() holds `arming_` from before the publish to its last access, and finish() takes it first: a task that is
//     woken and resumed elsewhere meanwhile waits there, so its frame outlives arm(). Guards serve the same end for the
//     short way of await.hpp.
// M2  An active wait is never in a list while it tries, so a select cannot meet itself, and two selects facing each
//     other cannot half-claim each other.
// M3  A wait that has claimed itself is its own again: no one will wake it.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "now.hpp"
#include "random.hpp"
#include "scheduler.hpp"
#include "task_end.hpp"

namespace sluice::detail {

inline constexpr std::size_t no_position = std::numeric_limits<std::size_t>::max();

/// There is a short way for those who meet nobody, open to the favourite thread of the guard.
template <class Op>
concept has_short_cut = requires(Op& op, thread_id me) {
    { op.try_at_once(me) } noexcept -> std::same_as<bool>;
};

/// One attempt at an operation with a guard. False: at some moment of the call it would have had to wait.
template <class Op>
SLUICE_ALWAYS_INLINE bool try_alone(Op& op, thread_id me, wake_chain& woken) noexcept {
    if constexpr (requires { op.may_be_ready(); })
        if (!op.may_be_ready()) return false;
    if constexpr (has_short_cut<Op>)
        if (op.try_at_once(me)) return true;
    auto* const guard = op.guard();
    acquire_as(me, *guard);
    const bool done = op.try_commit(woken);
    guard->release();
    return done;
}

/// What a wait does with one of its cases. All but `try_alone` are called under the guard.
struct case_ops {
    bool (*try_alone)(void*, thread_id, wake_chain&) noexcept;
    bool (*try_commit)(void*, wake_chain&) noexcept;
    void (*enlist)(void*, waiter&, ticket) noexcept;
    void (*delist)(void*, wake_chain&) noexcept;  // leaving may let others in
    wait_kind (*kind)(const void*) noexcept;      // for reports, as the next one
    const void* (*object)(const void*) noexcept;
};

template <class Op>
inline constexpr case_ops case_ops_of{
    [](void* op, thread_id me, wake_chain& woken) noexcept { return try_alone(*static_cast<Op*>(op), me, woken); },
    [](void* op, wake_chain& woken) noexcept { return static_cast<Op*>(op)->try_commit(woken); },
    [](void* op, waiter& who, ticket turn) noexcept { static_cast<Op*>(op)->enlist(who, turn); },
    [](void* op, wake_chain& woken) noexcept { static_cast<Op*>(op)->delist(woken); },
    [](const void* op) noexcept { return static_cast<const Op*>(op)->kind(); },
    [](const void* op) noexcept { return static_cast<const void*>(static_cast<const Op*>(op)->object()); }};

struct wait_case {
    void* op;
    const case_ops* ops;
    std::size_t position;
    any_lock guard;  // null: never ready
};

template <class Op>
wait_case entry_of(Op& op, std::size_t position) noexcept {
    return {&op, &case_ops_of<Op>, position, op.guard()};
}

struct wait_watch {
    context_node* context = nullptr;
    std::size_t position = 0;
    wait_node node;
};

class multi_wait {
public:
    multi_wait(std::span<wait_case> cases, std::span<wait_watch> watches, std::span<any_lock> guards) noexcept
        : cases_{cases}, watches_{watches}, guards_{guards} {}
    multi_wait(const multi_wait&) = delete;
    multi_wait& operator=(const multi_wait&) = delete;

    void set_deadline(time_point at, std::size_t position) noexcept {
        if (at >= deadline_) return;
        deadline_ = at;
        deadline_position_ = position;
    }
    void set_otherwise(std::size_t position) noexcept { otherwise_ = position; }
    void set_prioritized() noexcept { prioritized_ = true; }
    void set_note(wait_kind kind, const void* on, place at) noexcept {
        kind_ = kind;
        on_ = on;
        at_ = at;
    }

    void note_for(task_state& self) const noexcept { self.note_wait(kind_, on_, at_); }

    std::span<const wait_case> cases() const noexcept { return cases_; }

    /// The guards as collected and ordered for these cases, by this wait or by an earlier one; 0: not yet.
    std::size_t guard_count() const noexcept { return guard_count_; }
    void set_guard_count(std::size_t count) noexcept { guard_count_ = count; }

    static constexpr std::size_t timed_out_position = no_position - 1;
    static constexpr std::size_t canceled_position = no_position - 2;

    /// What ended the wait: a position, timed_out_position, or canceled_position (the surrounding context).
    std::size_t fired() const noexcept { return fired_; }

    /// Tries without waiting. True: ended, see fired().
    bool try_now(const task_state* self) noexcept {
        me_ = this_thread_id();
        endable_ = self ? self->endable() : 0;
        if (endable_ && names_own_context(self)) endable_ &= claim::stoppable;
        if (must_stop(self)) return end_with(canceled_position);
        if (prioritized_) {
            if (try_in_order()) return true;
        } else {
            for (auto& w : watches_)
                if (w.context && w.context->error() != context_error::none) return end_with(w.position);
            simulated* const chooser = cases_.size() > 1 && self ? self->where().runtime->simulation() : nullptr;
            if (chooser ? try_as_chosen(*chooser) : try_at_random()) return true;
        }
        if (otherwise_ != no_position) {
            // Values may move between the channels while we look at one after the other: decide under all guards.
            if (cases_.size() > 1 && try_all_locked()) return true;
            return end_with(otherwise_);
        }
        if (deadline_ != no_deadline && deadline_ <= now()) {
            // The same: a case that was ready all the time beats the deadline.
            if (cases_.size() > 1 && try_all_locked()) return true;
            return end_with(deadline_position_ == no_position ? timed_out_position : deadline_position_);
        }
        return false;
    }

    /// Publishes the wait of `who`. True: it waits, and unless it is a thread, nothing of the frame may be touched
    /// any more. False: it has ended already, see fired(). A thread brings its own way to watch the deadline.
    bool arm(waiter& who, task_state* self, bool is_thread) noexcept {
        wake_chain woken;
        me_ = this_thread_id();  // a wait of several steps may have been tried by another thread
        lock_all();
        for (auto& c : cases_) {
            if (!c.guard || !c.ops->try_commit(c.op, woken)) continue;
            unlock_all();
            woken.wake_all();
            end_with(c.position);
            return false;
        }
        arming_.acquire();
        who_ = &who;
        const ticket turn = who.prepare(endable_);
        for (auto& c : cases_)
            if (c.guard) c.ops->enlist(c.op, who, claim::for_case(turn, c.position));
        const bool wants_timer = !is_thread && deadline_ != no_deadline;
        timer_queue* const timers = wants_timer ? &timers_here() : nullptr;
        if (self) {
            if (is_thread) coarse_clock::set();
            note_for(*self);
        }
        who.publish(turn);

        bool announce = false;
        if (timers) {
            timer_.who = &who;
            timer_.turn = deadline_turn(turn);
            timer_.at = deadline_;
            const hold guard{timers->mutex};
            announce = timers->add_locked(timer_);
        }
        ticket ended = 0;
        for (auto& w : watches_) {
            if (!w.context) continue;
            const hold guard{w.context->mutex};
            if (w.context->error() != context_error::none) {
                ended = claim::for_case(turn, w.position);
            } else {
                w.node.who = &who;
                w.node.turn = claim::for_case(turn, w.position);
                w.context->watchers.push_back(w.node);
            }
        }
        if (must_stop(self)) ended = claim::with_state(turn, claim::canceled);
        const bool mine = ended && who.try_claim(ended);  // M3
        unlock_all();
        lock& last = arming_;
        last.release();  // M1: unless it is ours, nothing of the wait is touched from here on
        if (announce) timers->announce_earlier();
        if (!mine) return true;
        finish();
        return false;
    }

    /// Thread: the time has come. False: somebody else ended the wait, whose wake must be awaited.
    bool try_time_out() noexcept { return who_->try_claim(deadline_turn(who_->word())); }

    /// Ends the wait as canceled. False: somebody else ended it.
    bool try_cancel() noexcept { return who_->try_claim(claim::with_state(who_->word(), claim::canceled)); }

    time_point deadline() const noexcept { return deadline_; }

    /// After the wake, or after a claim of one's own: cleans up and tells what ended the wait.
    void finish(bool before_the_wake = false) noexcept {
        { const hold guard{arming_}; }  // M1
        const ticket outcome = who_->outcome();
        if (outcome == claim::canceled) fired_ = canceled_position;
        else if (outcome == claim::timed_out) fired_ = timed_out_position;
        else fired_ = static_cast<std::size_t>(outcome - claim::first_case);
        const thread_id me = this_thread_id();
        for (auto& c : cases_) {
            // The winner's node was unlinked by the winner.
            if (!c.guard || (c.position == fired_ && !before_the_wake)) continue;
            wake_chain woken;
            c.guard.acquire(me);
            c.ops->delist(c.op, woken);
            c.guard.release();
            woken.wake_all();
        }
        for (auto& w : watches_) {
            if (!w.context) continue;
            const hold guard{w.context->mutex};
            if (w.node.is_linked()) wait_list::unlink(w.node);
        }
        timer_queue::remove(timer_);
    }

    /// The frame goes while it waits, or before the wake of a wait that has ended. True: nobody will wake it.
    bool abandon() noexcept {
        const bool mine = try_cancel();  // M3
        // Without the wake only its lock tells that the winner has done its part (waiter.hpp, W8).
        finish(!mine);
        return mine;
    }

    static timer_queue& timers_here() {
        auto& me = this_thread_state();
        return me.runtime ? me.runtime->timers() : process_timers::queue();
    }

private:
    bool end_with(std::size_t position) noexcept {
        fired_ = position;
        return true;
    }

    ticket deadline_turn(ticket turn) const noexcept {
        return deadline_position_ == no_position ? claim::with_state(turn, claim::timed_out)
                                                 : claim::for_case(turn, deadline_position_);
    }

    bool must_stop(const task_state* self) const noexcept {
        if (endable_ & claim::cancellable) return self->must_stop();
        return endable_ && self->must_stop_itself();
    }

    bool names_own_context(const task_state* self) const noexcept {
        const context_node* const own = self->where().context;
        if (!own) return false;
        for (auto& w : watches_)
            if (w.context && context_tree::follows(w.context, own)) return true;
        return false;
    }

    bool try_one(wait_case& c) noexcept {
        if (!c.guard) return false;
        wake_chain woken;
        const bool done = c.ops->try_alone(c.op, me_, woken);
        woken.wake_all();
        return done && end_with(c.position);
    }

    // The shuffle of Fisher and Yates, a step at a time: any case that has not been tried yet comes next. A random number
    // is good for four draws among sixteen: what a product leaves of it is again uniform, to 20 bits at least.
    bool try_at_random() noexcept {
        wait_case* const all = cases_.data();
        const std::size_t count = cases_.size();
        std::uint32_t luck = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t left = count - i;
            if (i % 4 == 0 || left > 16) luck = next_random();
            const std::uint64_t product = std::uint64_t{luck} * left;
            luck = static_cast<std::uint32_t>(product);
            wait_case& drawn = all[i + static_cast<std::size_t>(product >> 32)];
            if (try_one(drawn)) return true;
            std::swap(all[i], drawn);
        }
        return false;
    }

    // The same shuffle.
    SLUICE_NOINLINE bool try_as_chosen(simulated& chooser) noexcept {
        for (std::size_t i = 0; i < cases_.size(); ++i) {
            std::swap(cases_[i], cases_[i + chooser.choose(cases_.size() - i)]);
            if (try_one(cases_[i])) return true;
        }
        return false;
    }

    // Cases, watches and the deadline in the order they were given.
    bool try_in_order() noexcept {
        std::size_t c = 0;
        std::size_t w = 0;
        bool deadline_open = deadline_ != no_deadline && deadline_position_ != no_position;
        for (;;) {
            const std::size_t at_case = c < cases_.size() ? cases_[c].position : no_position;
            const std::size_t at_watch = w < watches_.size() ? watches_[w].position : no_position;
            const std::size_t at_deadline = deadline_open ? deadline_position_ : no_position;
            const std::size_t at = std::min({at_case, at_watch, at_deadline});
            if (at == no_position) return false;
            if (at == at_case) {
                if (try_one(cases_[c])) return true;
                ++c;
            } else if (at == at_watch) {
                auto* const context = watches_[w].context;
                if (context && context->error() != context_error::none) return end_with(at);
                ++w;
            } else {
                if (deadline_ <= now()) return end_with(at);
                deadline_open = false;
            }
        }
    }

    bool try_all_locked() noexcept {
        wake_chain woken;
        lock_all();
        for (auto& c : cases_) {
            if (!c.guard || !c.ops->try_commit(c.op, woken)) continue;
            unlock_all();
            woken.wake_all();
            return end_with(c.position);
        }
        unlock_all();
        return false;
    }

    void collect_guards() noexcept {
        for (auto& c : cases_)
            if (c.guard) guards_[guard_count_++] = c.guard;
        const auto used = guards_.first(guard_count_);
        std::sort(used.begin(), used.end());
        guard_count_ = static_cast<std::size_t>(std::unique(used.begin(), used.end()) - used.begin());
    }
    bool has_all_guards() const noexcept {
        const auto used = guards_.first(guard_count_);
        return std::all_of(cases_.begin(), cases_.end(), [&](const wait_case& c) {
            return !c.guard || std::binary_search(used.begin(), used.end(), c.guard);
        });
    }
    void lock_all() noexcept {
        if (guard_count_ == 0) collect_guards();
        assert(has_all_guards());
        for (std::size_t i = 0; i < guard_count_; ++i) guards_[i].acquire(me_);
    }
    void unlock_all() noexcept {
        for (std::size_t i = guard_count_; i-- > 0;) guards_[i].release();
    }

    std::span<wait_case> cases_;
    std::span<wait_watch> watches_;
    std::span<any_lock> guards_;
    thread_id me_;  // who tries and arms
    std::size_t guard_count_ = 0;
    lock arming_;
    time_point deadline_ = no_deadline;
    std::size_t deadline_position_ = no_position;
    std::size_t otherwise_ = no_position;
    std::size_t fired_ = no_position;
    bool prioritized_ = false;
    ticket endable_;
    wait_kind kind_ = wait_kind::select;
    const void* on_ = nullptr;
    place at_{};
    waiter* who_;
    timer_node timer_;
};

}  // namespace sluice::detail
