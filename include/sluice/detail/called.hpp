// SPDX-License-Identifier: BSL-1.0
// called.hpp: how does a pattern call a function whose end it looks at, whatever that gives?
//
// As in stage_call.hpp, and what gives one of our operations, `[&] { return timeout(1s, ask()); }`, is awaited, too: what
// is asked is how the call ends, and a call has not ended before its operation has.
#pragma once

#include "../task.hpp"
#include "stage_call.hpp"

namespace sluice::detail {

template <class F, class... Args>
struct called_function : stage_call<F, Args...> {};
template <class F, class... Args>
    requires std::invocable<F&, Args...> && task_awaitable<std::invoke_result_t<F&, Args...>>
struct called_function<F, Args...> {
    static constexpr bool is_possible = true;
    static constexpr bool is_plain = false;
    using awaiter =
        decltype(awaiter_in(std::declval<task_state&>(), std::declval<std::invoke_result_t<F&, Args...>>()));
    using type = std::type_identity<decltype(std::declval<awaiter&>().await_resume())>;
};

/// `F`, decayed, can be called so by a pattern.
template <class F, class... Args>
concept callable_by_pattern = called_function<F, Args...>::is_possible;
/// What the call gives in the end.
template <class F, class... Args>
using called_result = typename called_function<F, Args...>::type::type;

template <class F, class... Args>
task<called_result<F, Args...>> call_here(F& f, Args... args) {
    if constexpr (called_function<F, Args...>::is_plain) co_return std::invoke(f, args...);
    else if constexpr (is_blocking_function<F>) co_return co_await call_of(f, args...);
    else co_return co_await std::invoke(f, args...);
}

/// Calls it. `f` outlives the task.
template <class F, class... Args>
task<called_result<F, Args...>> called(F& f, Args... args) {
    if constexpr (std::invocable<F&, Args...>) {
        if constexpr (task_result<std::invoke_result_t<F&, Args...>>::is_task) return std::invoke(f, args...);
        else return call_here<F, Args...>(f, args...);
    } else {
        return call_here<F, Args...>(f, args...);
    }
}

}  // namespace sluice::detail
