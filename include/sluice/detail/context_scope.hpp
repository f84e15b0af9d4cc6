// SPDX-License-Identifier: BSL-1.0
// context_scope.hpp: how does a task have another surrounding context for a while?
//
// A task ends with the home it is in (registry.hpp): the scope moves it into one of the other context, in the same
// runtime, and back.
// X1  Both moves are done by the task itself, between two waits (waiter.hpp, W5). It leaves the registry and is entered
//     anew by its next wait, so that leaving needs no memory.
// X2  `home_` changes under join_mutex. A stop of the task that came meanwhile has not reached a context of its own
//     outside of the scope, so who leaves looks (own_context.hpp, O2).
// X3  A shield that was up before keeps the end of the task and of the run away, not that of the context that was
//     entered under it: `scope_shields_` is the number of those shields.
#pragma once

#include "own_context.hpp"
#include "promise.hpp"

namespace sluice::detail {

class context_scope {
public:
    /// `under`: null is the background. `for_it_alone`: a stop of the task shall end that context.
    context_scope(task_state& t, context_node* under, bool for_it_alone)
        : task_{&t}, outer_{t.home_}, counted_{t.counts_home_}, owned_{t.owns_context_}, shields_{t.scope_shields_} {
        runtime_core& rt = *outer_->runtime;
        home& inner = under ? context_tree::home_in(*under, rt) : rt.make_home(nullptr);
        const bool ends_with_task = for_it_alone && t.shields_ == 0;
        if (t.registered_) outer_->remove(t);
        {
            const hold guard{t.join_mutex};
            t.home_ = &inner;
            t.counts_home_ = true;
            t.owns_context_ = ends_with_task;
        }
        t.scope_shields_ = t.shields_;
        if (ends_with_task && t.stop_requested()) context_tree::cancel(*under, context_error::canceled, nullptr);
    }
    ~context_scope() { leave(); }
    context_scope(const context_scope&) = delete;
    context_scope& operator=(const context_scope&) = delete;

    /// Once; the destructor does it otherwise.
    void leave() noexcept {
        if (!task_) return;
        task_state& t = *std::exchange(task_, nullptr);
        home& inner = *t.home_;  // of the context that was entered, or of the task's own below it
        const bool inner_counted = t.counts_home_;
        if (t.registered_) inner.remove(t);  // X1
        {
            const hold guard{t.join_mutex};
            t.home_ = outer_;
            t.counts_home_ = counted_;
            t.owns_context_ = owned_;
        }
        t.scope_shields_ = shields_;
        if (owned_ && t.stop_requested()) context_tree::cancel(*outer_->context, context_error::canceled, nullptr);
        if (inner_counted) context_tree::release_home(inner);
    }

private:
    task_state* task_;
    home* const outer_;
    const bool counted_;
    const bool owned_;
    const std::uint8_t shields_;
};

/// Awaits `A` under another context. Lvalues are referred to.
template <class A>
class under_awaitable : public awaitable_tag {
public:
    under_awaitable(context_node* under, A&& a) : under_{under}, awaitable_(std::forward<A>(a)) {
        context_tree::retain(under_);
    }
    // Moved only before it is awaited.
    under_awaitable(under_awaitable&& other)
        : under_{std::exchange(other.under_, nullptr)}, awaitable_(std::forward<A>(other.awaitable_)) {}
    under_awaitable& operator=(under_awaitable&&) = delete;
    ~under_awaitable() { context_tree::release(under_); }

    auto for_task(task_state& self, place at = place::current()) {
        // The scope is entered before the inner awaiter is made, since some look at the context already there.
        struct awaiter {
            awaiter(under_awaitable& op, task_state& t, place at)
                : scope{t, op.under_, false}, inner{awaiter_in(t, std::forward<A>(op.awaitable_), at)} {}
            bool await_ready() { return inner.await_ready(); }
            auto await_suspend(std::coroutine_handle<> h) { return inner.await_suspend(h); }
            decltype(auto) await_resume() {
                struct at_end {
                    context_scope& what;
                    ~at_end() { what.leave(); }
                };
                const at_end leaving{scope};
                return inner.await_resume();
            }
            context_scope scope;
            decltype(awaiter_in(std::declval<task_state&>(), std::declval<A>())) inner;
        };
        return awaiter{*this, self, at};
    }

private:
    context_node* under_;
    A awaitable_;
};

}  // namespace sluice::detail
