// SPDX-License-Identifier: BSL-1.0
// lock.hpp: who may change a channel, a list or a queue now?
//
// A mutex of four bytes for critical sections of a few dozen instructions.
// States of `word_`:  free ──lock──▶ held ──contend──▶ contended ──unlock──▶ free
// L1  Who reads `free` and writes another state holds the lock.
// L2  Who sleeps has written `contended` before, so the unlock that follows wakes one sleeper.
// L3  A woken sleeper writes `contended` again, since others may still sleep.
// A contender spins a little first, without yielding: the holder is nearly always running on the other core and done
// within a hundred nanoseconds; a lock that yields in that time collapses under two workers.
// Lifetime: unlock() uses the word's address after the release (futex.hpp says why that is harmless), never its value.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "futex.hpp"
#include "platform.hpp"

namespace sluice::detail {

class lock {
public:
    constexpr lock() noexcept = default;
    lock(const lock&) = delete;
    lock& operator=(const lock&) = delete;

    void acquire() noexcept {
        std::uint32_t seen = free;
        // acquire: what the last holder wrote is visible to us.
        if (!word_.compare_exchange_strong(seen, held, std::memory_order_acquire, std::memory_order_relaxed)) wait();
    }

    bool try_acquire() noexcept {
        std::uint32_t seen = free;
        return word_.compare_exchange_strong(seen, held, std::memory_order_acquire, std::memory_order_relaxed);
    }

    void release() noexcept {
        // release: what we wrote is visible to the next holder. An exchange, since it must tell us of sleepers (L2).
        if (word_.exchange(free, std::memory_order_release) == contended) futex_wake(word_, 1);
    }

private:
    enum : std::uint32_t { free, held, contended };

    SLUICE_NOINLINE void wait() noexcept {
        for (int spin = 0; spin < 100; ++spin) {
            cpu_relax();
            if (word_.load(std::memory_order_relaxed) == free && try_acquire()) return;
        }
        // acquire: as in acquire().
        while (word_.exchange(contended, std::memory_order_acquire) != free) futex_wait(word_, contended);
    }

    std::atomic<std::uint32_t> word_{free};
};

/// Holds a lock for a scope; may let go early.
class hold {
public:
    explicit hold(lock& l) noexcept : lock_{&l} { l.acquire(); }
    ~hold() { release(); }
    hold(const hold&) = delete;
    hold& operator=(const hold&) = delete;
    void release() noexcept {
        if (lock_) std::exchange(lock_, nullptr)->release();
    }

private:
    lock* lock_;
};

}  // namespace sluice::detail
