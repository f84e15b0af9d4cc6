// SPDX-License-Identifier: BSL-1.0
// channel_emplace.hpp: how does one send a value that does not exist yet?
#pragma once

#include "../context.hpp"
#include "channel_operations.hpp"
#include "deadline.hpp"

namespace sluice::detail {

/// A context or token in front of the arguments that make a `T`: it ends the operation. Where `T` itself is a context,
/// it is the value.
template <class T, class U>
concept names_an_end = !std::is_same_v<std::remove_cvref_t<U>, T> &&
                       (std::is_convertible_v<U, const context&> || std::is_convertible_v<U, std::stop_token>);

/// The sends that build their value themselves. None is made of `channel<void>`, which carries no value.
///
/// The value is built in the call, before anything is locked and before it is known whether it can be sent: `T(args...)`,
/// or `T{args...}` of an aggregate. From then on it is the operation's: a value that was not sent is destroyed with it,
/// and `on_undelivered` is told. So nothing refers to the arguments once the call has returned.
/// Cancellation: a context or token as the first argument ends the operation with `canceled`, as in the other sends.
/// Throws: what building the value throws; nothing was sent.
template <class Self, class T>
class emplacing {
    using operation = send_operation<T, built_value<T>>;
    template <class... Args>
    static constexpr bool builds = buildable<T, Args...>;
    template <class First, class... Args>
    static constexpr bool builds_all = !names_an_end<T, First> && buildable<T, First, Args...>;

public:
    /// Sends a value built of the arguments. Blocks the thread while there is no room.
    sent emplace(place at = place::current()) const
        requires builds<>
    {
        return block(make(at));
    }
    template <class A>
        requires builds_all<A>
    sent emplace(A&& a, place at = place::current()) const {
        return block(make(at, std::forward<A>(a)));
    }
    template <class A, class B>
        requires builds_all<A, B>
    sent emplace(A&& a, B&& b, place at = place::current()) const {
        return block(make(at, std::forward<A>(a), std::forward<B>(b)));
    }
    // No default argument can follow a pack: a report cannot name the place of these.
    template <class A, class... Args>
        requires(sizeof...(Args) > 1) && builds_all<A, Args...>
    sent emplace(A&& a, Args&&... args) const {
        return block(make({}, std::forward<A>(a), std::forward<Args>(args)...));
    }
    template <class Until, class... Args>
        requires names_an_end<T, Until> && builds<Args...>
    sent emplace(Until&& until, Args&&... args) const {
        return bounded(end_of(std::forward<Until>(until)), no_deadline, std::forward<Args>(args)...).block();
    }
    /// Sends it if there is room now; `full` otherwise, and the value, which was built for it, is gone. Never waits.
    template <class... Args>
        requires builds<Args...>
    sent try_emplace(Args&&... args) const {
        return attempt(make({}, std::forward<Args>(args)...), status::full);
    }
    /// Sends it; ends with `timed_out` when there was no room for so long.
    template <class Rep, class Period, class... Args>
        requires builds<Args...>
    sent emplace_for(std::chrono::duration<Rep, Period> d, Args&&... args) const {
        return bounded({}, deadline_after(d), std::forward<Args>(args)...).block();
    }
    template <class... Args>
        requires builds<Args...>
    sent emplace_until(time_point deadline, Args&&... args) const {
        return bounded({}, deadline, std::forward<Args>(args)...).block();
    }
    /// The same for `co_await` and select; gives a `sent`. There is no temporary of type `T` in the awaited expression,
    /// and the operation may outlive the arguments.
    [[nodiscard]] auto async_emplace(place at = place::current()) const
        requires builds<>
    {
        return make(at);
    }
    template <class A>
        requires builds_all<A>
    [[nodiscard]] auto async_emplace(A&& a, place at = place::current()) const {
        return make(at, std::forward<A>(a));
    }
    template <class A, class B>
        requires builds_all<A, B>
    [[nodiscard]] auto async_emplace(A&& a, B&& b, place at = place::current()) const {
        return make(at, std::forward<A>(a), std::forward<B>(b));
    }
    template <class A, class... Args>
        requires(sizeof...(Args) > 1) && builds_all<A, Args...>
    [[nodiscard]] auto async_emplace(A&& a, Args&&... args) const {
        return make({}, std::forward<A>(a), std::forward<Args>(args)...);
    }
    template <class Until, class... Args>
        requires names_an_end<T, Until> && builds<Args...>
    [[nodiscard]] auto async_emplace(Until&& until, Args&&... args) const {
        return bounded(end_of(std::forward<Until>(until)), no_deadline, std::forward<Args>(args)...);
    }

private:
    static context end_of(const context& until) { return until; }
    static context end_of(std::stop_token until) { return context::from(std::move(until)); }

    template <class... Args>
    operation make(place at, Args&&... args) const {
        return operation{static_cast<const Self&>(*this).core(), at, std::in_place, std::forward<Args>(args)...};
    }
    template <class... Args>
    ended_early<operation> bounded(const context& until, time_point deadline, Args&&... args) const {
        return ended_early<operation>{make({}, std::forward<Args>(args)...), context_access::node(until), deadline};
    }
};

template <class Self>
class emplacing<Self, void> {};

}  // namespace sluice::detail
