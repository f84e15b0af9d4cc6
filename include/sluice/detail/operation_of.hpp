// SPDX-License-Identifier: BSL-1.0
// operation_of.hpp: which operation waits for something that can be waited for, and how does a thread do it?
#pragma once

#include "block.hpp"
#include "join.hpp"
#include "operation.hpp"

namespace sluice::detail {

/// An operation itself, or the one that a type's `async_wait` makes.
template <class S>
decltype(auto) operation_of(S&& s, [[maybe_unused]] place at) {
    if constexpr (any_operation<S>) return std::forward<S>(s);
    else if constexpr (requires { s.async_wait(at); }) return s.async_wait(at);
    else return s.async_wait();
}

template <class S>
using operation_type = std::remove_cvref_t<decltype(operation_of(std::declval<std::remove_reference_t<S>&>(), {}))>;

/// It can tell that it had no effect, and nothing that was started would be abandoned.
template <class S>
concept can_end_early = single_operation<operation_type<S>> && !joining_operation<operation_type<S>> &&
                        requires(operation_type<S>& op) { op.ended_by(status::canceled); };

/// The blocking form of any operation.
template <any_operation Op>
decltype(auto) block_on_operation(Op& op) {
    if constexpr (joining_operation<Op>) {
        return block_joining(op);
    } else if constexpr (limited_operation<Op>) {
        return op.block();
    } else if constexpr (single_operation<Op>) {
        return block(std::move(op));
    } else {
        block_on(op.wait());
        return op.take_result();
    }
}

}  // namespace sluice::detail
