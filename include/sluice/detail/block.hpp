// SPDX-License-Identifier: BSL-1.0
// block.hpp: how does a thread do an operation, at once or blocking?
#pragma once

#include "await.hpp"
#include "report.hpp"

namespace sluice::detail {

/// Once. True: it took effect.
template <class Op>
bool try_once(Op& op) noexcept {
    if (!op.guard()) return false;
    wake_chain woken;
    const bool done = try_alone(op, this_thread_id(), woken);
    woken.wake_all();
    return done;
}

/// An operation that must wait, or must not begin. By value and out of line: what could be done at once stays in
/// registers and small enough to be inlined.
template <class Op>
SLUICE_NOINLINE auto block_waiting(Op op, bool may_begin) {
    // Not in the queue yet: who runs on the other side goes on filling or draining the buffer meanwhile, instead of
    // handing over one value at a time.
    if constexpr (requires { op.changes_without_us(); })
        if (may_begin && op.changes_without_us() && !this_thread_state().worker && !this_thread_state().simulation)
            for (backoff wait{6}; wait.pause();)
                if (try_once(op)) return op.result();
    waits_in_graph edge;
    if constexpr (requires { &Op::in_the_way; })
        if (may_begin) edge.begin(actor::here({}), op.kind(), op.object(), &Op::in_the_way, op.where);
    return ended_early<Op>{std::move(op), nullptr, no_deadline}.block();
}

/// Tried in place; if it must wait, through multi_wait.
template <class Op>
SLUICE_ALWAYS_INLINE auto block(Op&& op) {
    const thread_state& me = this_thread_state();
    const bool may_begin = !(me.task && me.task->must_stop());
    if (may_begin && !me.simulation && try_once(op)) return op.result();
    return block_waiting<Op>(std::move(op), may_begin);
}

/// Never waits.
template <class Op>
auto attempt(Op&& op, status not_ready) {
    if (try_once(op)) return op.result();
    return op.ended_by(not_ready);
}

}  // namespace sluice::detail
