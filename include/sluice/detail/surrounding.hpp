// SPDX-License-Identifier: BSL-1.0
// surrounding.hpp: below which context does a pattern start what it joins, and until when does it go on?
#pragma once

#include <memory>

#include "deadline.hpp"
#include "own_context.hpp"

namespace sluice::detail {

/// The running task's, so that what is started ends with it; under a shield one with its values that does not end, since
/// a clean-up may start something, too. Referenced for the caller; null: the background.
inline context_node* surrounding_node() {
    context_node* const own = own_context::of_current_task();
    const task_state* const t = this_thread_state().task;
    if (!own || !t->is_shielded()) return own;
    std::unique_ptr<context_node> open;
    try {
        open = std::make_unique<context_node>(own);
    } catch (...) {
        context_tree::release(own);
        throw;
    }
    open->ends_only_with_parent = true;
    return open.release();  // keeps the reference of `own`
}

/// The deadline of the running task's context, which a shield keeps away.
inline time_point surrounding_deadline() noexcept {
    const task_state* const t = this_thread_state().task;
    if (!t || t->is_shielded()) return no_deadline;
    const context_node* const in = t->where().context;
    return in ? in->deadline : no_deadline;
}

}  // namespace sluice::detail
