// SPDX-License-Identifier: BSL-1.0
// channel_for_each.hpp: how does one call a function with every value of a channel?
#pragma once

#include <functional>

#include "../context.hpp"
#include "../task.hpp"
#include "awaited_temporaries.hpp"
#include "channel_operations.hpp"

namespace sluice::detail {

/// What `F` gives for a value of `T`; for a signal, when called with nothing.
template <class F, class T>
struct result_of_visit : std::invoke_result<F&, T&&> {};
template <class F>
struct result_of_visit<F, void> : std::invoke_result<F&> {};

template <class F, class T>
concept visits = requires { typename result_of_visit<F, T>::type; };
template <class F, class T>
inline constexpr bool visits_as_a_task = task_result<typename result_of_visit<F, T>::type>::is_task;

/// The receives of everything. `f(T&&)` (for `channel<void>`: `f()`) is called with one value after the other, in the
/// caller's thread or task, until the channel is closed and drained. What `f` returns is ignored.
///
/// Returns: `closed`; `canceled` when the context or token that the call names ended first, which the call looks at
///     before each value.
/// Cancellation: the end of the surrounding context throws `canceled`, between two calls of `f` or out of a wait in it.
/// Throws: the error that the channel was closed with, after the last value; and what `f` throws, at once: its value has
///     been received, the others stay in the channel.
template <class Self, class T>
class visiting {
public:
    /// Blocks the thread. `f` is a plain function; a coroutine that shall wait between two values calls `async_for_each`.
    template <class F>
        requires visits<F, T>
    status for_each(F&& f, place at = place::current()) const {
        return visit_all(f, [&] { return self().receive(at); });
    }
    template <class F>
        requires visits<F, T>
    status for_each(const context& until, F&& f, place at = place::current()) const {
        return visit_all(f, [&] { return self().receive(until, at); });
    }
    template <class F>
        requires visits<F, T>
    status for_each(std::stop_token until, F&& f, place at = place::current()) const {
        return for_each(context::from(std::move(until)), f, at);
    }

    /// The same as a task. `f` is a plain function or returns a `task`, which is awaited before the next value is
    /// received. A named `f` is referred to, a temporary one is kept in the task, as a handle of the channel is.
    template <class F>
        requires visits<F, T>
    [[nodiscard]] task<status> async_for_each(F&& f, place at = place::current()) const {
        static_assert(safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return visit_all_as_task<false, F>(self(), {}, std::forward<F>(f), at);
    }
    template <class F>
        requires visits<F, T>
    [[nodiscard]] task<status> async_for_each(const context& until, F&& f, place at = place::current()) const {
        static_assert(safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return visit_all_as_task<true, F>(self(), until, std::forward<F>(f), at);
    }
    template <class F>
        requires visits<F, T>
    [[nodiscard]] task<status> async_for_each(std::stop_token until, F&& f, place at = place::current()) const {
        static_assert(safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return visit_all_as_task<true, F>(self(), context::from(std::move(until)), std::forward<F>(f), at);
    }

private:
    using received_value = received<T>;

    const Self& self() const noexcept { return static_cast<const Self&>(*this); }

    template <class F>
    static decltype(auto) visit(F& f, received_value& v) {
        if constexpr (std::is_void_v<T>) return std::invoke(f);
        else return std::invoke(f, std::move(*v));
    }
    static status end_of(const received_value& v) {
        if (const auto error = v.error()) std::rethrow_exception(error);
        return v.why();
    }

    template <class F, class Receive>
    static status visit_all(F& f, Receive receive) {
        static_assert(!visits_as_a_task<F, T>, "for_each blocks the thread: in a coroutine, co_await async_for_each");
        for (;;) {
            auto v = receive();
            if (!v) return end_of(v);
            static_cast<void>(visit(f, v));
        }
    }

    template <bool IsNamed>
    static auto next(const Self& from, const context& until, place at) {
        if constexpr (IsNamed) return from.async_receive(until, at);
        else return from.async_receive(at);
    }
    // `F` is a reference to a named function, or the type of a temporary one.
    template <bool IsNamed, class F>
    static task<status> visit_all_as_task(Self from, context until, F f, place at) {
        for (;;) {
            auto v = co_await next<IsNamed>(from, until, at);
            if (!v) co_return end_of(v);
            if constexpr (visits_as_a_task<F, T>) static_cast<void>(co_await visit(f, v));
            else static_cast<void>(visit(f, v));
        }
    }
};

}  // namespace sluice::detail
