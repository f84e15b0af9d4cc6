// SPDX-License-Identifier: BSL-1.0
// condition.hpp: how does one wait, under a lock, for what another does under it?
#pragma once

#include "detail/condition_core.hpp"
#include "mutex.hpp"
#include "shared_mutex.hpp"
#include "timer.hpp"

namespace sluice {

/// A condition variable for threads and coroutines.
///
/// A wait is for a predicate on a state that a `mutex` or `shared_mutex` guards. It lets the lock go until it is
/// notified, takes it again and asks the predicate again. There is no wait without a predicate: it would miss what was
/// notified before. A `wait_point` needs no notifying; take it where the predicate is short and noexcept.
/// Guards: a `std::unique_lock` or `std::shared_lock` of a mutex of this library, or what its `hold` and `async_lock`
///     give. It is held when the predicate is asked and on every way out: also when the wait was cancelled or timed
///     out, and when the predicate throws. Waits of one condition may use different mutexes.
/// Fairness: `notify_one` lets the one go on that has waited longest; who was notified queues for the lock behind those
///     who wait for it already.
/// Cancellation: a stop requested before the call wins over a predicate that holds. A cancelled wait ends when it has
///     the lock again, which no cancellation ends. A notification that meets a wait just cancelled goes to the next.
/// Thread safety: all members from any thread, with or without the lock; construction and destruction must be alone.
/// Memory: by the lock.
/// Coroutines: `async_wait` is for tasks of sluice, and no case of a select: on every way out it must wait for the lock.
///
///     // the consumer, a task                                             // the producer, a thread
///     auto guard = co_await m.async_lock();                               { const std::lock_guard guard{m};
///     co_await filled.async_wait(guard, [&] { return !queue.empty(); });    queue.push_back(x); }
///     take(queue.front());                                                filled.notify_one();
class condition {
public:
    condition() noexcept = default;
    condition(const condition&) = delete;
    condition& operator=(const condition&) = delete;

    /// Returns when `holds()` is true. Blocks the thread. Precondition: `guard` holds its lock.
    template <std::predicate Predicate>
    void wait(detail::held_lock guard, Predicate&& holds, detail::place at = detail::place::current()) {
        detail::wait_for_condition(terms(guard, nullptr, detail::no_deadline, at), detail::predicate_ref{holds});
    }
    /// As above; false when `until` ended first.
    template <std::predicate Predicate>
    [[nodiscard]] bool wait(detail::held_lock guard, Predicate&& holds, const context& until,
                            detail::place at = detail::place::current()) {
        return detail::wait_for_condition(terms(guard, detail::context_access::node(until), detail::no_deadline, at),
                                          detail::predicate_ref{holds});
    }
    template <std::predicate Predicate>
    [[nodiscard]] bool wait(detail::held_lock guard, Predicate&& holds, std::stop_token until,
                            detail::place at = detail::place::current()) {
        return wait(guard, holds, context::from(std::move(until)), at);
    }
    /// False when `holds()` was not true for so long, or until then; it is asked a last time.
    template <class Rep, class Period, std::predicate Predicate>
    [[nodiscard]] bool wait_for(detail::held_lock guard, std::chrono::duration<Rep, Period> d, Predicate&& holds,
                                detail::place at = detail::place::current()) {
        return wait_until(guard, detail::deadline_after(d), holds, at);
    }
    template <std::predicate Predicate>
    [[nodiscard]] bool wait_until(detail::held_lock guard, clock::time_point t, Predicate&& holds,
                                  detail::place at = detail::place::current()) {
        return detail::wait_for_condition(terms(guard, nullptr, t, at), detail::predicate_ref{holds});
    }

    /// `co_await filled.async_wait(guard, [&] { return !queue.empty(); });` gives `true`. It refers to the predicate.
    template <std::predicate Predicate>
    [[nodiscard]] auto async_wait(detail::held_lock guard, Predicate&& holds SLUICE_LIFETIMEBOUND,
                                  detail::place at = detail::place::current()) {
        return waiting_for(terms(guard, nullptr, detail::no_deadline, at), std::forward<Predicate>(holds));
    }
    /// As above; `false` when `until` ended first. For a time: `timeout(1s, filled.async_wait(guard, holds))`.
    template <std::predicate Predicate>
    [[nodiscard]] auto async_wait(detail::held_lock guard, Predicate&& holds SLUICE_LIFETIMEBOUND, const context& until,
                                  detail::place at = detail::place::current()) {
        return waiting_for(terms(guard, detail::context_access::node(until), detail::no_deadline, at),
                           std::forward<Predicate>(holds));
    }
    template <std::predicate Predicate>
    [[nodiscard]] auto async_wait(detail::held_lock guard, Predicate&& holds SLUICE_LIFETIMEBOUND,
                                  std::stop_token until, detail::place at = detail::place::current()) {
        const context named = context::from(std::move(until));
        return waiting_for(terms(guard, detail::context_access::node(named), detail::no_deadline, at),
                           std::forward<Predicate>(holds));
    }

    /// Lets the one go on that has waited longest, if any.
    void notify_one() noexcept { core_.notify(false); }
    /// Lets all go on that wait now.
    void notify_all() noexcept { core_.notify(true); }

    /// How many wait to be notified: a snapshot, for tests and metrics.
    std::size_t waiting() const { return core_.waiting(); }

private:
    detail::condition_terms terms(detail::held_lock guard, detail::context_node* named, detail::time_point deadline,
                                  detail::place at) {
        SLUICE_EXPECT_AT(guard.core != nullptr, "a wait for a condition needs a guard that holds its lock", at);
        return {&core_, guard, named, deadline, at};
    }
    template <class Predicate>
    static auto waiting_for(detail::condition_terms terms, Predicate&& holds) {
        static_assert(detail::safe_in_await<Predicate>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return detail::condition_wait{terms, detail::predicate_ref{holds}};
    }

    detail::condition_core core_;
};

/// `co_await timeout(1s, filled.async_wait(guard, holds))`: `false` when the time was up; the guard is held again.
template <class Rep, class Period>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, detail::condition_wait&& wait) {
    return std::move(wait).limited_to(detail::deadline_after(d));
}

}  // namespace sluice
