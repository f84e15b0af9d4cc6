// SPDX-License-Identifier: BSL-1.0
// once.hpp: has it been done, or is it mine to do?
#pragma once

#include "context.hpp"
#include "detail/once_core.hpp"
#include "runtime.hpp"

namespace sluice {

/// Has one of its callers do something, while the others wait for it; afterwards nobody waits.
///
/// The function may be plain or a coroutine (it returns a `task`). Each call brings its own; one of them is called.
/// Exceptions: what the function throws, its caller gets, and nothing is done: the first of those who wait, or the next
///     call, calls its own function.
/// Cancellation: who waits can be cancelled and names a context as with every other wait. The function is not cancelled
///     by others: it runs in its caller's task or thread. Had it been cancelled there, it has thrown.
/// A function that calls the same `once` waits for itself.
/// Thread safety: all members from any thread; construction and destruction must be alone.
/// Memory: what the function has done is visible to all whose call returns.
/// Complexity: one load when it is done, in the blocking form as in the awaited one.
///
///     sluice::once opened;
///     co_await opened.async_call([&]() -> sluice::task<> { file = co_await open(path); });
class once {
public:
    once() noexcept = default;
    once(const once&) = delete;
    once& operator=(const once&) = delete;

    /// Returns when it is done, by `f` or by another's. Blocks the thread; a coroutine is run as a task of its own.
    template <std::invocable F>
    void call(F&& f, detail::place at = detail::place::current()) {
        auto plain = blocking_form(f);
        static_cast<void>(detail::block(detail::once_call<decltype(plain)>{core_, plain, at}));
    }
    /// As above; false when `until` ended while another was doing it, or before.
    template <std::invocable F>
    [[nodiscard]] bool call(F&& f, const context& until, detail::place at = detail::place::current()) {
        auto plain = blocking_form(f);
        return bounded<decltype(plain)>({core_, plain, at}, until).block();
    }
    template <std::invocable F>
    [[nodiscard]] bool call(F&& f, std::stop_token until, detail::place at = detail::place::current()) {
        return call(f, context::from(std::move(until)), at);
    }

    /// `co_await opened.async_call(f);` gives `true`. It refers to `f`. With a plain `f` it can be awaited in every
    /// coroutine and is a case of a select, which calls `f` if it is chosen; with a coroutine it is for tasks.
    template <std::invocable F>
    [[nodiscard]] auto async_call(F&& f SLUICE_LIFETIMEBOUND, detail::place at = detail::place::current()) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        if constexpr (is_coroutine<F>) return detail::once_await{core_, detail::task_maker_ref{f}, nullptr, at};
        else return detail::once_call<std::remove_reference_t<F>>{core_, f, at};
    }
    /// As above; `false` when `until` ended while another was doing it, or before.
    template <std::invocable F>
    [[nodiscard]] auto async_call(F&& f SLUICE_LIFETIMEBOUND, const context& until,
                                  detail::place at = detail::place::current()) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        if constexpr (is_coroutine<F>)
            return detail::once_await{core_, detail::task_maker_ref{f}, detail::context_access::node(until), at};
        else return bounded<std::remove_reference_t<F>>({core_, f, at}, until);
    }
    template <std::invocable F>
    [[nodiscard]] auto async_call(F&& f SLUICE_LIFETIMEBOUND, std::stop_token until,
                                  detail::place at = detail::place::current()) {
        return async_call(std::forward<F>(f), context::from(std::move(until)), at);
    }

    /// Whether it is done.
    bool done() const noexcept { return core_.is_done(); }
    /// How many wait for another to do it: a snapshot, for tests and metrics.
    std::size_t waiting() const { return core_.waiting(); }

private:
    template <class F>
    static constexpr bool is_coroutine = detail::task_result<std::invoke_result_t<F&>>::is_task;

    template <class F>
    static auto blocking_form(F& f) {
        return [&f] {
            if constexpr (is_coroutine<F>) static_cast<void>(go(std::ref(f)).get());
            else static_cast<void>(std::invoke(f));
        };
    }
    template <class F>
    static detail::ended_early<detail::once_call<F>> bounded(detail::once_call<F>&& one, const context& until) {
        return {std::move(one), detail::context_access::node(until), detail::no_deadline};
    }

    detail::once_core core_;
};

}  // namespace sluice
