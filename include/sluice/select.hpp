// SPDX-License-Identifier: BSL-1.0
// select.hpp: how does one wait for whichever comes first?
#pragma once

#include "channel.hpp"
#include "detail/select_cases.hpp"
#include "runtime.hpp"
#include "selectable.hpp"
#include "selector.hpp"
#include "semaphore.hpp"
#include "timer.hpp"
#include "wait_group.hpp"

namespace sluice {

/// The case that fires when no other is ready: makes a select one that never waits.
inline constexpr detail::otherwise_case<detail::no_handler> otherwise{};

// --- cases ----------------------------------------------------------------------------------------------------------
// A case refers to its variables, values and named callables, which live until the select has ended. A temporary
// callable is kept in the case; in `async_select` on g++ it must not need destruction (name it first).
// `into` is a variable for the result or a handler, which is called with the result, or with nothing if it takes
// nothing. Results are stored and handlers called by whoever selects, after the wait, under no lock. A case is one
// wait: write it in the call of select, or move it there.

/// A value from `ch`, or its end. `into`: a `received<T>`, a `std::optional<T>`, or a handler.
template <class Channel>
auto on_receive(const Channel& ch, detail::place at = detail::place::current()) {
    return detail::case_of_channel(detail::receive_plan<Channel>{ch, at});
}
template <class Channel, class To>
auto on_receive(const Channel& ch, To&& into, detail::place at = detail::place::current()) {
    return detail::case_of_channel(detail::receive_plan<Channel>{ch, at}, std::forward<To>(into));
}
/// `value` into `ch`, or the end of it; the value is moved only if this case fires and sends it. `into`: a `sent`, or a
/// handler.
template <class Channel, class V>
    requires(!std::is_void_v<typename Channel::value_type>)
auto on_send(const Channel& ch, V&& value SLUICE_LIFETIMEBOUND, detail::place at = detail::place::current()) {
    return detail::case_of_channel(detail::send_plan<Channel, V>{ch, value, at});
}
template <class Channel, class V, class To>
    requires(!std::is_void_v<typename Channel::value_type>)
auto on_send(const Channel& ch, V&& value SLUICE_LIFETIMEBOUND, To&& into,
             detail::place at = detail::place::current()) {
    return detail::case_of_channel(detail::send_plan<Channel, V>{ch, value, at}, std::forward<To>(into));
}
/// A signal into a channel without values, or the end of it.
template <class Channel>
    requires std::is_void_v<typename Channel::value_type>
auto on_send(const Channel& ch, detail::place at = detail::place::current()) {
    return detail::case_of_channel(detail::signal_plan<Channel>{ch, at});
}
template <class Channel, class To>
    requires std::is_void_v<typename Channel::value_type>
auto on_send(const Channel& ch, To&& into, detail::place at = detail::place::current()) {
    return detail::case_of_channel(detail::signal_plan<Channel>{ch, at}, std::forward<To>(into));
}
/// The end of a context or a requested stop. Wins over other ready cases, except under `prioritized`.
template <class F = detail::no_handler>
auto on_done(const context& ctx, F&& f = {}) {
    return detail::done_case<detail::kept<F>>{ctx, std::forward<F>(f)};
}
template <class F = detail::no_handler>
auto on_done(std::stop_token token, F&& f = {}) {
    return on_done(context::from(std::move(token)), std::forward<F>(f));
}
/// The passing of time, counted from here. Any other ready case wins over a time that has passed.
template <class Rep, class Period, class F = detail::no_handler>
auto on_timeout(std::chrono::duration<Rep, Period> d, F&& f = {}) {
    return detail::time_case<detail::kept<F>>{detail::deadline_after(d), std::forward<F>(f)};
}
template <class F = detail::no_handler>
auto on_deadline(clock::time_point t, F&& f = {}) {
    return detail::time_case<detail::kept<F>>{t, std::forward<F>(f)};
}
/// As `otherwise`, with a handler.
template <class F>
auto otherwise_do(F&& f) {
    return detail::otherwise_case<detail::kept<F>>{std::forward<F>(f)};
}
/// The end of all that a group counts; throws what its wait would throw. `into`: a `bool`, true then, or a handler.
template <class Group>
auto on_wait(Group& group, detail::place at = detail::place::current()) {
    return detail::case_of(group.async_wait(at));
}
template <class Group, class To>
auto on_wait(Group& group, To&& into, detail::place at = detail::place::current()) {
    return detail::case_of(group.async_wait(at), std::forward<To>(into));
}
/// `n` permits, taken if this case fires. `into`: a `bool`, true then, or a handler.
inline auto on_acquire(semaphore& s, std::size_t n = 1, detail::place at = detail::place::current()) {
    return detail::case_of(s.async_acquire(n, at));
}
template <class To>
auto on_acquire(semaphore& s, std::size_t n, To&& into, detail::place at = detail::place::current()) {
    return detail::case_of(s.async_acquire(n, at), std::forward<To>(into));
}
/// The end of a task; its result is then had from the handle at once. `into`: a `status`, `ok` then, or a handler.
template <class R>
auto on_join(join_handle<R>& h, detail::place at = detail::place::current()) {
    return detail::case_of_join(h.async_get(at));
}
template <class R, class To>
auto on_join(join_handle<R>& h, To&& into, detail::place at = detail::place::current()) {
    return detail::case_of_join(h.async_get(at), std::forward<To>(into));
}
/// Whatever can be waited for (selectable.hpp): an operation, which is what an `async_` function returns, `sleep_for`
/// or a `timeout` of one, or a type of your own with an `async_wait()`. `into`: a variable for its result, or a handler.
/// One with a context or a time of its own fires when that ends, with the result that tells so.
template <selectable S>
auto on(S&& what, detail::place at = detail::place::current()) {
    return detail::case_of(detail::operation_of(std::forward<S>(what), at));
}
template <selectable S, class To>
auto on(S&& what, To&& into, detail::place at = detail::place::current()) {
    return detail::case_of(detail::operation_of(std::forward<S>(what), at), std::forward<To>(into));
}

// --- select -----------------------------------------------------------------------------------------------------------

/// Waits until one case can go on, does it, and returns its position. Blocks the thread.
///
/// Among several ready cases one is chosen uniformly at random, with `prioritized` the first. The other cases have no
/// effect at all. No case, or nil channels only: waits until the surrounding context ends.
/// Cancellation: the end of the surrounding context throws `canceled`, unless a case names it with `on_done`.
/// Complexity: O(n log n) in the number of cases; no allocation.
template <class... Cases>
    requires(detail::select_case<Cases> && ...)
std::size_t select(Cases&&... cases) {
    return detail::make_select(false, std::forward<Cases>(cases)...).block();
}
template <class... Cases>
    requires(detail::select_case<Cases> && ...)
std::size_t select(prioritized_t, Cases&&... cases) {
    return detail::make_select(true, std::forward<Cases>(cases)...).block();
}

/// The same for coroutines: `switch (co_await async_select(on_receive(a, x), on_done(ctx), on_timeout(50ms))) {...}`.
template <class... Cases>
    requires(detail::select_case<Cases> && ...)
[[nodiscard]] auto async_select(Cases&&... cases) {
    static_assert((std::remove_cvref_t<Cases>::may_be_awaited && ...), SLUICE_NAME_THE_CLOSURE_FIRST);
    return detail::make_select(false, std::forward<Cases>(cases)...);
}
template <class... Cases>
    requires(detail::select_case<Cases> && ...)
[[nodiscard]] auto async_select(prioritized_t, Cases&&... cases) {
    static_assert((std::remove_cvref_t<Cases>::may_be_awaited && ...), SLUICE_NAME_THE_CLOSURE_FIRST);
    return detail::make_select(true, std::forward<Cases>(cases)...);
}

}  // namespace sluice
