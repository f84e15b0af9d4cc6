// SPDX-License-Identifier: BSL-1.0
// asio.hpp: how does a program of standalone Asio wait for something of ours?
//
// An adapter: no other header includes it, and it needs Asio 1.22 or newer on the include path.
#pragma once

#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

#include "detail/asio_wait.hpp"

namespace sluice {

/// Performs `operation`, which is anything that a task can await, and completes the `token`: an Asio initiating
/// function like those of Asio's own objects.
///
///     asio::awaitable<void> print(sluice::channel<int> numbers) {
///         while (auto n = co_await sluice::async_perform(numbers.async_receive())) std::printf("%d\n", *n);
///     }
///
/// Completion: `void(std::exception_ptr, R)` with the result `R` that the `co_await` of a task would have, so
///     `asio::use_awaitable`, the default, gives an `R` or throws; `void(std::exception_ptr)` where that is `void`. An
///     `R` that cannot be made from nothing, say of a join, comes in a `std::optional`.
/// Where: on the executor associated with the handler, never from within this call or from within the waker. That
///     executor counts the operation as work.
/// Cancellation: a cancellation of any type through the associated slot ends the wait, which had no effect then. The
///     exception is `asio::system_error` with `asio::error::operation_aborted`, as of any operation of Asio; a `received`
///     or `sent` beside it says `canceled`. An operation that has taken effect completes with its result. What a join or
///     a group waits for is not cancelled.
/// Lifetime: the operation is moved into the wait. What it refers to (a sent value, a semaphore, a handle) lives until
///     the completion; in `co_await async_perform(ch.async_send(make()))` it does. When the execution context is
///     destroyed, waits that have not completed are removed from everything they stand in, and their handlers go.
/// Memory: the handler's associated allocator is used; it is given back before the handler is called.
/// Throws: what beginning the operation throws, say `std::bad_alloc`. If the executor cannot take the completion later,
///     for want of memory, the program ends: the waker has nobody to tell.
template <detail::task_awaitable Op, class CompletionToken>
    requires(!std::is_lvalue_reference_v<Op>)
auto async_perform(Op&& operation, CompletionToken&& token) {
    return asio::async_initiate<CompletionToken, detail::asio_signature<Op>>(detail::asio_initiation{}, token,
                                                                             std::forward<Op>(operation));
}
#if defined(ASIO_HAS_CO_AWAIT)
/// With `asio::use_awaitable`. Older Asio does not recognize the coroutines of newer clang, unless ASIO_HAS_CO_AWAIT is
/// defined.
template <detail::task_awaitable Op>
    requires(!std::is_lvalue_reference_v<Op>)
auto async_perform(Op&& operation) {
    return async_perform(std::forward<Op>(operation), asio::use_awaitable);
}
#endif

}  // namespace sluice
