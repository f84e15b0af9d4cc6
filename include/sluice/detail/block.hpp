// SPDX-License-Identifier: BSL-1.0
// block.hpp: how does a thread do an operation, at once or blocking?
#pragma once

#include "await.hpp"

namespace sluice::detail {

/// Under the guard, once. True: it took effect.
template <class Op>
bool try_once(Op& op) noexcept {
    lock* const guard = op.guard();
    if (!guard) return false;
    wake_chain woken;
    guard->acquire();
    const bool done = op.try_commit(woken);
    guard->release();
    woken.wake_all();
    return done;
}

/// Tried in place; if it must wait, through multi_wait.
template <class Op>
auto block(Op&& op) {
    const task_state* const self = this_thread_state().task;
    if (!(self && self->must_stop()) && try_once(op)) return op.result();
    return ended_early<Op>{std::move(op), nullptr, no_deadline}.block();
}

/// Never waits.
template <class Op>
auto attempt(Op&& op, status not_ready) {
    if (try_once(op)) return op.result();
    return op.ended_by(not_ready);
}

}  // namespace sluice::detail
