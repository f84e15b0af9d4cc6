// SPDX-License-Identifier: BSL-1.0
// task_end.hpp: in which order does a task end, who asks it to, and how do contexts and waiters meet the scheduler?
//
// The end of a task, in this order, each step relying on the ones before:
//   its frame, callable and arguments go (what they hold is given up: senders close, permits return);
//   it leaves the registry and its home (a context of its own does not end with it: others may have been given it);
//   its group is told, then its joiners: either may free what the task was started with;
//   the run lets go of it: whoever is the last to do so reports an exception that nobody has asked for;
//   it is counted as ended, last: from then on the runtime may end.
#pragma once

#include <typeinfo>

#include "foreign_waiter.hpp"
#include "runtime_life.hpp"
#include "scheduler.hpp"

namespace sluice::detail {

inline bool is_canceled(const std::exception_ptr& error) noexcept {
#if defined(__GLIBCXX__) && defined(__cpp_rtti)
    // A throw costs a hundred times as much.
    if (*error.__cxa_exception_type() == typeid(canceled)) return true;
#endif
    try {
        std::rethrow_exception(error);
    } catch (const canceled&) {
        return true;
    } catch (...) {
        return false;
    }
}

/// What an exception says.
inline std::string what_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "not a std::exception";
    }
}

inline void task_state::leave_home() noexcept {
    home& h = *home_;
    if (registered_) h.remove(*this);
    const bool counted = counts_home_;
    counts_home_ = false;
    if (owns_context_) {
        const hold guard{join_mutex};  // pin_own_context()
        owns_context_ = false;
    }
    if (counted) context_tree::release_home(h);
}

inline void task_state::report_unclaimed() const noexcept {
    const auto error = unclaimed_error();
    if (error && !is_canceled(error)) runtime_core::unclaimed(error);
}

/// The run of the current thread ends with it; elsewhere it can only be told.
inline void runtime_core::unclaimed(const std::exception_ptr& error, std::string_view what) noexcept {
    runtime_core* const rt = this_thread_state().runtime;
    if (rt && rt->is_run_) return rt->fail(error);
    const std::string text = "sluice: " + std::string{what} + ": " + what_of(error) + "\n";
    if (rt) rt->say(text);
    else std::fwrite(text.data(), 1, text.size(), stderr);
}

inline void runtime_core::end_task(task_state& t) noexcept {
    auto& me = this_thread_state();
    std::exception_ptr error;
    {
        // Destructors of the callable and its arguments run in here: their blocking waits end by value, not by throwing.
        const shield quiet{&t};
        error = t.finish();
    }
    t.leave_home();
    if (t.group) t.group->task_ended(t, error);
    if (t.has_no_handle()) {
        // Nobody joins it, asks whether it has ended, or can begin to.
        t.ended_.store(true, std::memory_order_relaxed);
        t.release_last();
    } else {
        wake_joiners(t);
        t.release();
    }
    // Last: from here on the runtime may end.
    if (me.worker && &me.worker->runtime == this) me.worker->count(me.worker->ended_tasks);
    else outside_ended_.fetch_add(1, std::memory_order_release);
}

inline void runtime_core::wake_joiners(task_state& t) noexcept {
    wake_chain woken;
    {
        const hold guard{t.join_mutex};
        t.ended_.store(true, std::memory_order_release);
        while (wait_node* n = t.joiners.claim_front()) woken.push(*n->who);
    }
    woken.wake_all();
}

/// Asks one task to end: itself and everything under the context it made for itself.
inline void request_stop(task_state& t) noexcept {
    context_node* own = nullptr;
    bool mine = false;
    {
        const hold guard{t.join_mutex};
        if (t.has_ended()) return;
        t.mark_stop_requested();
        own = t.pin_own_context();
        // The end of a context of its own ends its waits, by value those that name it.
        if (!own) {
            auto seen = t.try_cancel(claim::stoppable);
            if (seen == cancel_look::may_run && &t != this_thread_state().task) {
                heavy_barrier();  // waiter.hpp, W6
                seen = t.try_cancel(claim::stoppable);
            }
            mine = seen == cancel_look::claimed;
        }
    }
    if (mine) t.wake();
    if (own) {
        context_tree::cancel(*own, context_error::canceled, nullptr);
        context_tree::release(own);
    }
}

inline home& context_tree::home_in(context_node& n, runtime_core& in) {
    const hold guard{n.mutex};
    for (home* h = n.homes; h; h = h->next_of_context) {
        if (h->runtime != &in) continue;
        std::uint32_t seen = h->references.load(std::memory_order_relaxed);
        while (seen != 0)
            if (h->references.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return *h;
    }
    home& h = in.make_home(&n);
    retain(&n);
    // C3: under the lock either the canceller finds the home, or we find the end.
    if (const auto e = n.error(); e != context_error::none)
        h.ended.store(static_cast<std::uint32_t>(e), std::memory_order_seq_cst);
    h.next_of_context = n.homes;
    n.homes = &h;
    return h;
}

inline void context_tree::release_home(home& h) noexcept {
    if (h.is_root || h.references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    context_node* const n = h.context;
    if (n) {
        const hold guard{n->mutex};
        for (home** at = &n->homes; *at; at = &(*at)->next_of_context) {
            if (*at != &h) continue;
            *at = h.next_of_context;
            break;
        }
    }
    h.runtime->drop_home(h);
    release(n);
}

inline void waiter::wake() noexcept {
    if (how() == wake_by::unparking) return static_cast<parker*>(target_)->unpark();
    if (how() == wake_by::posting) return static_cast<foreign_waiter*>(this)->post();
    auto& t = static_cast<task_state&>(*this);
    t.where().runtime->make_ready(t);
}

// The one before is near still.
SLUICE_NOINLINE inline void wake_chain::push_behind(waiter& w, const waiter* later) noexcept {
    const auto runtime_of = [](waiter& one, const waiter* behind) -> runtime_core* {
        if (one.how() != wake_by::scheduling) return nullptr;
        auto& t = static_cast<task_state&>(one);
        t.comes_before(behind);
        return t.where().runtime;
    };
    if (last_ == head_) {
        count_ = 1;
        runtime_ = runtime_of(*head_, nullptr);
    }
    if (runtime_of(w, later) != runtime_) runtime_ = nullptr;
    ++count_;
    last_->link = &w;
}

SLUICE_ALWAYS_INLINE void wake_chain::wake_some() noexcept {
    waiter& first = *std::exchange(head_, nullptr);
    if (&first == last_) first.wake();
    else wake_many(first);
}

SLUICE_ALWAYS_INLINE void wake_chain::wake_some(const running& by) noexcept {
    waiter& first = *std::exchange(head_, nullptr);
    if (&first != last_) return wake_many(first);
    if (first.how() != wake_by::scheduling) return first.wake();
    auto& t = static_cast<task_state&>(first);
    t.where().runtime->make_ready(t, *by.on);
}

/// A batch goes to the queue at once: those of one runtime that stand in a row together.
SLUICE_NOINLINE inline void wake_chain::wake_many(waiter& first) noexcept {
    if (runtime_)
        return runtime_->make_ready_last({static_cast<task_state*>(&first), static_cast<task_state*>(last_), count_});
    ready_chain tasks;
    runtime_core* in = nullptr;
    for (waiter* w = &first; w;) {
        waiter* const next = w->link;  // before the wake: it is the waiter's again then
        if (w->how() == wake_by::scheduling) {
            auto& t = static_cast<task_state&>(*w);
            runtime_core* const its = t.where().runtime;
            if (its != in && in) in->make_ready_last(std::exchange(tasks, {}));
            in = its;
            tasks.push(t);
        } else {
            w->wake();
        }
        w = next;
    }
    if (in) in->make_ready_last(tasks);
}

}  // namespace sluice::detail
