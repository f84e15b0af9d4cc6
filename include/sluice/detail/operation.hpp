// SPDX-License-Identifier: BSL-1.0
// operation.hpp: which types are operations, and of which kind?
#pragma once

#include <concepts>
#include <type_traits>

#include "await.hpp"

namespace sluice::detail {

/// Has the members that the head of await.hpp lists: one case of a wait.
template <class Op>
concept single_operation =
    task_awaitable<Op> && requires(std::remove_reference_t<Op>& op, wake_chain& woken, waiter& who, ticket turn) {
        { op.guard() } -> std::convertible_to<any_lock>;
        { op.try_commit(woken) } -> std::same_as<bool>;
        op.enlist(who, turn);
        op.delist(woken);
        op.result();
        { op.kind() } -> std::same_as<wait_kind>;
        { op.object() } -> std::convertible_to<const void*>;
    };

/// Waits for the end of what was started, and is never abandoned (join.hpp).
template <class Op>
concept joining_operation = single_operation<Op> && requires(std::remove_reference_t<Op>& op) {
    op.pass_on();
    op.forget();
};

template <class Op>
inline constexpr bool is_ended_early = false;
template <class Op>
inline constexpr bool is_ended_early<ended_early<Op>> = true;

/// One that a named context or a time may end.
template <class Op>
concept limited_operation = is_ended_early<std::remove_cvref_t<Op>>;

/// Waits for a moment and for nothing else.
template <class Op>
concept timed_operation = task_awaitable<Op> && requires(const std::remove_reference_t<Op>& op) { op.ends_at(); };

/// Waits for the end of a context and for nothing else.
template <class Op>
concept done_operation = task_awaitable<Op> && requires(const std::remove_reference_t<Op>& op) { op.ends_with(); };

template <class Op>
concept any_operation = single_operation<Op> || limited_operation<Op> || timed_operation<Op> || done_operation<Op>;

}  // namespace sluice::detail
