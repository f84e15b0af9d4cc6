// SPDX-License-Identifier: BSL-1.0
// parker.hpp: how does one thread sleep until another lets it go on, losing no wake-up?
//
// States of `state_`:    empty ──park──▶ parked ──unpark──▶ notified ──park──▶ empty
//                          └───────────unpark─────────────────▲
// P1  Only unpark() enters `notified`, only the owner leaves it: a wake-up that comes first is kept.
// P2  A published wait is released once (waiter.hpp, W3), so one notification answers one park().
// P3  What the waker did before the unpark() consumed by this park() is visible when park() returns.
// Lifetime: unpark() uses the word's address after letting the owner go; parkers are immortal (thread_record.hpp).
#pragma once

#include <cassert>

#include "futex.hpp"

namespace sluice::detail {

class parker {
public:
    /// Returns after the matching unpark().
    void park() noexcept { park_until(no_deadline); }

    /// Returns true after the matching unpark(), false when `deadline` came first; then no notification is kept.
    bool park_until(time_point deadline) noexcept {
        std::uint32_t seen = empty;
        // relaxed: `parked` announces a sleeper and publishes nothing else.
        if (state_.compare_exchange_strong(seen, parked, std::memory_order_relaxed, std::memory_order_relaxed)) {
            // relaxed: the exchange below synchronizes.
            while (state_.load(std::memory_order_relaxed) == parked) {
                if (deadline != no_deadline && std::chrono::steady_clock::now() >= deadline) {
                    seen = parked;
                    // relaxed: nobody notified us, there is nothing to see.
                    if (state_.compare_exchange_strong(seen, empty, std::memory_order_relaxed,
                                                       std::memory_order_relaxed))
                        return false;
                    break;  // notified at the last moment
                }
                futex_wait(state_, parked, deadline);
            }
        }
        // acquire: pairs with the release in unpark() (P3).
        seen = state_.exchange(empty, std::memory_order_acquire);
        assert(seen == notified);  // P1
        return true;
    }

    /// Owner: whether the matching unpark() has come, so that park() will not sleep.
    bool is_notified() const noexcept {
        // relaxed: a hint; park() synchronizes.
        return state_.load(std::memory_order_relaxed) == notified;
    }

    void unpark() noexcept {
        // release: publishes the waker's writes (P3); the old value tells whether anyone sleeps.
        if (state_.exchange(notified, std::memory_order_release) == parked) futex_wake(state_, 1);
    }

private:
    enum : std::uint32_t { empty, parked, notified };
    std::atomic<std::uint32_t> state_{empty};
};

}  // namespace sluice::detail
