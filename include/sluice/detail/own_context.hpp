// SPDX-License-Identifier: BSL-1.0
// own_context.hpp: how does a task get a context of its own?
//
// Tasks share the home they were started in. At the first question for its context a task gets a node and a home of
// its own, below the shared one: what is derived from there ends when this task is cancelled, and no other task does.
// The node does not end with the task: it may have been given to others.
// O1  The move of the registration is done by the task itself, between two waits (waiter.hpp, W5).
// O2  Published under join_mutex, then a look at the stop request: request_stop sets first and looks second.
#pragma once

#include <memory>

#include "multi_wait.hpp"

namespace sluice::detail {

template <class Key>
const void* key_of() noexcept {
    static constexpr char id = 0;
    return &id;
}

struct own_context {
    /// The node of the running task, referenced for the caller; null: no task, or a thread outside.
    static context_node* of_current_task() {
        task_state* const t = this_thread_state().task;
        if (!t) return nullptr;
        // One entered under a shield is not ended by the task's handle, and neither is what is derived from it.
        const bool entered_under_a_shield = t->shields_ != 0 && !t->is_shielded();
        if (!t->owns_context_ && !entered_under_a_shield) make(*t);
        context_tree::retain(t->home_->context);
        return t->home_->context;
    }

private:
    static void make(task_state& t) {
        home& shared = *t.home_;
        auto made = std::make_unique<context_node>(shared.context);
        made->is_of_one_task = true;
        context_tree::attach(*made);
        context_node* const node = made.release();
        home& own = context_tree::home_in(*node, *shared.runtime);
        const bool registered = t.registered_;
        if (registered) shared.remove(t);
        const bool counted = t.counts_home_;
        {
            const hold guard{t.join_mutex};
            t.home_ = &own;
            t.counts_home_ = true;
            t.owns_context_ = true;
        }
        if (registered) own.add(t);
        if (t.stop_requested()) context_tree::cancel(*node, context_error::canceled, nullptr);  // O2
        context_tree::release(node);                                                            // the home holds it
        if (counted) context_tree::release_home(shared);
    }
};

}  // namespace sluice::detail
