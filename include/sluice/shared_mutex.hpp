// SPDX-License-Identifier: BSL-1.0
// shared_mutex.hpp: who may read together, who may write alone, and who is next?
#pragma once

#include <shared_mutex>

#include "mutex.hpp"

namespace sluice {

/// A mutex that many may hold shared, to read, or one alone, to write.
///
/// Works with `std::shared_lock`, `std::unique_lock` and the other guards of the standard library; in a coroutine
/// `async_lock_shared` and `async_lock` give the guards.
/// Fairness: strict FIFO. Readers that come after a waiting writer wait behind it, so no writer starves; readers in a
///     row are let in together. So who reads and asks to read once more may wait for ever behind a writer.
/// Everything else is as in `mutex`, all members of which it has for the exclusive lock. A shared lock cannot be turned
/// into an exclusive one.
///
///     sluice::shared_mutex m;
///     { const auto reading = co_await m.async_lock_shared();  use(table); }
///     { const auto writing = co_await m.async_lock();  table.insert(row); }
class shared_mutex : public detail::exclusive_lockable<shared_mutex> {
public:
    /// A `std::shared_lock` that holds the mutex shared, or nothing. `[[nodiscard]]`: dropping it unlocks at once.
    using shared_guard = detail::kept_guard<std::shared_lock<shared_mutex>>;

    shared_mutex() noexcept : exclusive_lockable{&readers_known_} {}

    /// Returns holding it shared. Blocks the thread while a writer holds it or waits.
    void lock_shared(detail::place at = detail::place::current()) { static_cast<void>(detail::block(reading(at))); }
    /// As above; false, not holding it, when `until` ended first.
    [[nodiscard]] bool lock_shared(const context& until, detail::place at = detail::place::current()) {
        return bounded_reading(until, detail::no_deadline, at).block();
    }
    [[nodiscard]] bool lock_shared(std::stop_token until, detail::place at = detail::place::current()) {
        return lock_shared(context::from(std::move(until)), at);
    }
    /// False, not holding it, when it was not had for so long, or until then.
    template <class Rep, class Period>
    [[nodiscard]] bool lock_shared_for(std::chrono::duration<Rep, Period> d,
                                       detail::place at = detail::place::current()) {
        return bounded_reading({}, detail::deadline_after(d), at).block();
    }
    [[nodiscard]] bool lock_shared_until(detail::time_point t, detail::place at = detail::place::current()) {
        return bounded_reading({}, t, at).block();
    }
    /// The same by the names that `std::shared_lock` calls.
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<Rep, Period> d,
                                           detail::place at = detail::place::current()) {
        return lock_shared_for(d, at);
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> t,
                                             detail::place at = detail::place::current()) {
        return lock_shared_for(t - Clock::now(), at);
    }
    /// Takes it shared if no writer holds it and nobody waits.
    [[nodiscard]] bool try_lock_shared(detail::place at = detail::place::current()) {
        return detail::attempt(reading(at), status::empty);
    }
    /// Gives back a shared lock; the last one lets the next in line in. Precondition: it is locked shared.
    void unlock_shared(detail::place at = detail::place::current()) { core_.unlock(detail::lock_mode::shared, at); }

    /// As `lock_shared`, with the guard.
    [[nodiscard]] shared_guard hold_shared(detail::place at = detail::place::current()) {
        lock_shared(at);
        return shared_guard{*this, std::adopt_lock};
    }
    /// `const auto guard = co_await m.async_lock_shared();`
    [[nodiscard]] auto async_lock_shared(detail::place at = detail::place::current()) { return guarded_reading(at); }
    /// As above; the guard holds nothing, `!guard`, when `until` ended first.
    [[nodiscard]] auto async_lock_shared(const context& until, detail::place at = detail::place::current()) {
        return detail::ended_early<shared_operation>{guarded_reading(at), detail::context_access::node(until),
                                                     detail::no_deadline};
    }
    [[nodiscard]] auto async_lock_shared(std::stop_token until, detail::place at = detail::place::current()) {
        return async_lock_shared(context::from(std::move(until)), at);
    }

    /// How many hold it shared: a snapshot.
    std::size_t readers() const { return core_.readers(); }

private:
    detail::blockers readers_known_;

    using shared_operation = detail::guarded_lock_operation<shared_guard>;

    detail::lock_operation reading(detail::place at) noexcept { return {core_, detail::lock_mode::shared, at}; }
    shared_operation guarded_reading(detail::place at) noexcept {
        return {*this, core_, detail::lock_mode::shared, at};
    }
    detail::ended_early<detail::lock_operation> bounded_reading(const context& until, detail::time_point deadline,
                                                                detail::place at) {
        return {reading(at), detail::context_access::node(until), deadline};
    }
};

}  // namespace sluice
