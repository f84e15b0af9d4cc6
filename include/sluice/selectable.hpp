// SPDX-License-Identifier: BSL-1.0
// selectable.hpp: how does a type of one's own become something to wait for?
#pragma once

#include <functional>

#include "context.hpp"
#include "detail/operation_of.hpp"
#include "detail/point_core.hpp"

namespace sluice {

/// What can be awaited, blocked on and selected on: an *operation*, which is what an `async_` function of this library
/// returns, or a type with a member `async_wait()` that returns one.
///
/// `co_await x.async_wait()` awaits it, `wait(x)` blocks a thread on it, `on(x)` makes a case of it, and
/// `timeout(50ms, x.async_wait())` ends it early. A type of one's own gets its operations from a `wait_point`.
template <class S>
concept selectable = detail::any_operation<S> || requires(std::remove_reference_t<S>& s) {
    { s.async_wait() } -> detail::any_operation;
};

/// A state of one's own that threads and tasks can wait for: a lock, and a list of those who wait.
///
/// Put one beside the state it guards. `change` is the only way to change the state, `until` makes the operation that
/// waits for a condition on it. Whoever changes the state lets in those whose condition holds then; no `notify` can be
/// forgotten, and no waiter wakes in vain.
/// Fairness: those who wait for the same condition are let in in order of arrival, and newcomers do not overtake them.
///     Who waits for less may overtake who waits for more: a stream of small requests can starve a large one.
/// Conditions and functions run under the lock, those of waiters in the thread of whoever changes the state, several
///     times. They only look at and change the state: they do not wait, call into this library, or throw (`change`
///     may throw). Otherwise the program may stand still.
/// Thread safety: all members from any thread; construction and destruction must be alone. Who has been let in may
///     destroy the state and the point at once.
/// Memory: what was done in or before a `change` is visible to those it lets in.
/// Complexity: `change` calls the condition of each waiter; the rest is O(1).
///
///     class gate {
///     public:
///         void open() { point_.change([this] { is_open_ = true; }); }
///         void close() { point_.change([this] { is_open_ = false; }); }
///         auto async_wait() { return point_.until([this]() noexcept { return is_open_; }); }
///     private:
///         bool is_open_ = false;   // guarded by point_
///         sluice::wait_point point_;
///     };
class wait_point {
public:
    wait_point() noexcept = default;
    wait_point(const wait_point&) = delete;
    wait_point& operator=(const wait_point&) = delete;

    /// Calls `f()` under the lock, lets in whose condition holds after it, and gives what `f` gave. What `f` has
    /// changed before it throws counts.
    template <std::invocable F>
    decltype(auto) change(F&& f) {
        const detail::changing scope{core_};
        return std::invoke(std::forward<F>(f));
    }
    /// Calls `f()` under the lock and gives what it gave. Precondition: it changes nothing that somebody waits for.
    template <std::invocable F>
    decltype(auto) read(F&& f) const {
        const detail::hold guard{core_.mutex};
        return std::invoke(std::forward<F>(f));
    }

    /// The operation that waits until `ready()` is true. Its result is `true`, or `false` when it was ended early.
    ///
    /// It keeps `ready`, which mostly captures `this`; the point and what `ready` refers to live until it has ended.
    template <class Ready>
    [[nodiscard]] auto until(Ready ready, detail::place at = detail::place::current()) {
        return detail::until_operation<Ready, detail::no_take>{core_, std::move(ready), {}, at};
    }
    /// As above, and then calls `take()`, once and under the same lock: what it finds is what `ready` has found. If
    /// `take` gives a `T`, the result is a `received<T>`; if it gives nothing, a `bool`.
    template <class Ready, std::invocable Take>
    [[nodiscard]] auto until(Ready ready, Take take, detail::place at = detail::place::current()) {
        return detail::until_operation<Ready, Take>{core_, std::move(ready), std::move(take), at};
    }

    /// How many wait: a snapshot, for tests and metrics.
    std::size_t waiting() const {
        const detail::hold guard{core_.mutex};
        return core_.waiters.size();
    }

private:
    mutable detail::point_core core_;
};

/// Blocks the thread until `what` has taken effect, and gives its result: the blocking twin of `co_await`. An operation
/// is used up by it. Throws `canceled` when the surrounding context ends first.
template <selectable S>
decltype(auto) wait(S&& what, detail::place at = detail::place::current()) {
    auto&& operation = detail::operation_of(what, at);
    return detail::block_on_operation(operation);
}
/// As above; the end of `until` ends it by value, and wins over an operation that is ready.
template <selectable S>
    requires detail::can_end_early<S>
[[nodiscard]] auto wait(S&& what, const context& until, detail::place at = detail::place::current()) {
    auto&& operation = detail::operation_of(what, at);
    using type = std::remove_cvref_t<decltype(operation)>;
    return detail::ended_early<type>{std::move(operation), detail::context_access::node(until), detail::no_deadline}
        .block();
}
template <selectable S>
    requires detail::can_end_early<S>
[[nodiscard]] auto wait(S&& what, std::stop_token until, detail::place at = detail::place::current()) {
    return wait(std::forward<S>(what), context::from(std::move(until)), at);
}
/// Does `what` if that needs no waiting: the result tells whether it did.
template <selectable S>
    requires detail::can_end_early<S>
[[nodiscard]] auto try_now(S&& what, detail::place at = detail::place::current()) {
    auto&& operation = detail::operation_of(what, at);
    return detail::attempt(std::move(operation), status::empty);
}

}  // namespace sluice
