// SPDX-License-Identifier: BSL-1.0
// mutex.hpp: who may go on alone now, and who is next?
#pragma once

#include "context.hpp"
#include "detail/lock_core.hpp"

namespace sluice {

namespace detail {

/// What `mutex` and `shared_mutex` have in common: the lock that one holds alone.
template <class Self>
class exclusive_lockable {
public:
    /// A `std::unique_lock` that holds the mutex, or nothing. `[[nodiscard]]`: dropping it unlocks at once.
    using guard = kept_guard<std::unique_lock<Self>>;

    exclusive_lockable(const exclusive_lockable&) = delete;
    exclusive_lockable& operator=(const exclusive_lockable&) = delete;

    /// Returns holding the lock. Blocks the thread until it is handed over.
    void lock(place at = place::current()) { static_cast<void>(block(operation(at))); }
    /// As above; false, not holding it, when `until` ended first.
    [[nodiscard]] bool lock(const context& until, place at = place::current()) {
        return bounded(until, no_deadline, at).block();
    }
    [[nodiscard]] bool lock(std::stop_token until, place at = place::current()) {
        return lock(context::from(std::move(until)), at);
    }
    /// False, not holding it, when it was not had for so long, or until then.
    template <class Rep, class Period>
    [[nodiscard]] bool lock_for(std::chrono::duration<Rep, Period> d, place at = place::current()) {
        return bounded({}, deadline_after(d), at).block();
    }
    [[nodiscard]] bool lock_until(time_point t, place at = place::current()) { return bounded({}, t, at).block(); }
    /// The same by the names that `std::unique_lock` calls: unlike other `try_` functions they wait.
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> d, place at = place::current()) {
        return lock_for(d, at);
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> t, place at = place::current()) {
        return lock_for(t - Clock::now(), at);
    }
    /// Takes the lock if nobody holds it.
    [[nodiscard]] bool try_lock(place at = place::current()) { return attempt(operation(at), status::empty); }
    /// Hands the lock to the next in line. Precondition: it is locked; by whom does not matter.
    void unlock(place at = place::current()) { core_.unlock(lock_mode::exclusive, at); }

    /// As `lock`, with the guard. Reports then name the caller's place; a standard guard hides it.
    [[nodiscard]] guard hold(place at = place::current()) {
        lock(at);
        return guard{static_cast<Self&>(*this), std::adopt_lock};
    }
    /// `auto guard = co_await m.async_lock();` The guard unlocks when it goes, in whatever thread the task is then.
    [[nodiscard]] auto async_lock(place at = place::current()) { return guarded(at); }
    /// As above; the guard holds nothing, `!guard`, when `until` ended first.
    [[nodiscard]] auto async_lock(const context& until, place at = place::current()) {
        return ended_early<guarded_lock_operation<guard>>{guarded(at), context_access::node(until), no_deadline};
    }
    [[nodiscard]] auto async_lock(std::stop_token until, place at = place::current()) {
        return async_lock(context::from(std::move(until)), at);
    }

    /// Whether anybody holds it, and how many wait: snapshots, for tests and metrics.
    bool is_locked() const { return core_.is_locked(); }
    std::size_t waiting() const { return core_.waiting(); }

protected:
    explicit exclusive_lockable(blockers* readers_known = nullptr) noexcept : core_{readers_known} {}
    ~exclusive_lockable() = default;

private:
    friend lock_access;
    friend Self;

    lock_operation operation(place at) noexcept { return {core_, lock_mode::exclusive, at}; }
    guarded_lock_operation<guard> guarded(place at) noexcept {
        return {static_cast<Self&>(*this), core_, lock_mode::exclusive, at};
    }
    ended_early<lock_operation> bounded(const context& until, time_point deadline, place at) {
        return {operation(at), context_access::node(until), deadline};
    }

    lock_core core_;
};

}  // namespace detail

/// A mutex for threads and coroutines. It may be held across a `co_await`: its holder is a task or a thread, not a
/// thread alone, and whoever holds the guard may unlock, anywhere.
///
/// Works with `std::lock_guard`, `std::unique_lock` and `std::scoped_lock`; in a coroutine `async_lock` gives the guard.
/// For many readers and few writers there is `shared_mutex`; to bound how many are inside, `semaphore`.
/// Fairness: strict FIFO. An unlock hands the lock to the next in line, and nobody overtakes.
/// Not recursive: who locks it again waits for ever, or until what ends the wait.
/// Deadlock: those who wait for each other's locks in a circle, or for their own, are told to the diagnostics as soon as
///     the circle closes, with the places of their waits and where each lock was taken; also of plain threads.
/// Cancellation: a stop requested before the call wins over a free lock. Who leaves the queue lets the next one in.
///     Code that names no context gets the exception `canceled` and holds nothing.
/// Select: `on(m.async_lock(), guard)` stores the guard in a variable; without one the lock is given back at once.
/// Thread safety: all members from any thread; construction and destruction must be alone.
/// Memory: what was done before an `unlock` is visible to whom it let in.
/// Complexity: O(1).
/// Destruction: precondition: it is not locked. Who was let in and has unlocked may destroy it at once.
///
///     sluice::mutex m;
///     { const std::lock_guard guard{m};  ++count; }                             // a thread
///     { const auto guard = co_await m.async_lock();  co_await store(++count); } // a task
class mutex : public detail::exclusive_lockable<mutex> {
public:
    mutex() noexcept = default;
};

}  // namespace sluice
