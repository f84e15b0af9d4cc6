// SPDX-License-Identifier: BSL-1.0
// stage_call.hpp: how does a pattern call a function of the user's that is plain, a coroutine, or blocks?
//
//     if constexpr (is_plain_call<F, T>) use(std::invoke(f, std::move(value)));
//     else use(co_await call_of(f, std::move(value)));
//
// Plain: called on the worker. A coroutine: awaited in the task that calls it. `blocking(f)`: on an elastic thread.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "go.hpp"

namespace sluice::detail {

/// What `blocking(f)` gives for an `f` that is called later, with arguments.
template <class F>
struct blocking_function {
    F f;
};
template <class F>
inline constexpr bool is_blocking_function = false;
template <class F>
inline constexpr bool is_blocking_function<blocking_function<F>> = true;

template <class F, class... Args>
struct stage_call {
    static constexpr bool is_possible = std::invocable<F&, Args...>;
    static constexpr bool is_plain = true;
    using type = std::invoke_result<F&, Args...>;
};
template <class F, class... Args>
    requires std::invocable<F&, Args...> && (task_result<std::invoke_result_t<F&, Args...>>::is_task)
struct stage_call<F, Args...> {
    static constexpr bool is_possible = true;
    static constexpr bool is_plain = false;
    using type = task_result<std::invoke_result_t<F&, Args...>>;
};
template <class F, class... Args>
struct stage_call<blocking_function<F>, Args...> {
    static constexpr bool is_possible = startable<std::reference_wrapper<F>, Args...>;
    static constexpr bool is_plain = false;
    using type = std::invoke_result<F&, std::decay_t<Args>...>;
};

/// `F`, decayed, can be called so by a pattern.
template <class F, class... Args>
concept stage_callable = stage_call<F, Args...>::is_possible;
/// It gives its result at once, on the worker.
template <class F, class... Args>
concept is_plain_call = stage_call<F, Args...>::is_possible && stage_call<F, Args...>::is_plain;
/// What it gives in the end.
template <class F, class... Args>
using stage_result = typename stage_call<F, Args...>::type::type;

/// What to await for the result. `f` outlives it.
template <class F, class... Args>
auto call_of(F& f, Args&&... args) {
    static_assert(!is_plain_call<F, Args...>, "call it");
    if constexpr (is_blocking_function<F>)
        return blocking_operation<stage_result<F, Args...>>{make_blocking(std::ref(f.f), std::forward<Args>(args)...)};
    else return std::invoke(f, std::forward<Args>(args)...);
}

}  // namespace sluice::detail
