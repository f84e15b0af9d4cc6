// SPDX-License-Identifier: BSL-1.0
// lock.hpp: who may change a channel, a list or a queue now?
//
// A mutex of four bytes for critical sections of a few dozen instructions.
// L1  Who changes `free` to `held` holds the lock.
// L2  A contender spins a little first, without yielding: the holder is nearly always running on the other core and done
//     within a hundred nanoseconds; a lock that yields in that time collapses under two workers.
// L3  Then it counts itself as a sleeper and looks at the word once more before it sleeps; who lets go stores `free` and
//     then looks for sleepers: asymmetric.hpp, so that letting go costs a plain store.
// L4  Sleepers are counted by the lock's address in an immortal table, not in the lock: after the store the lock may be
//     gone with the object it guards, so release() uses no more than its address (futex.hpp). Locks that share an entry
//     cost each other a call for nothing while somebody sleeps.
// L5  A release that sees sleepers wakes one; who was woken and finds the lock held again is still counted, so that the
//     next release wakes one again.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include "asymmetric.hpp"
#include "backoff.hpp"
#include "futex.hpp"
#include "platform.hpp"

namespace sluice::detail {

/// How many threads sleep for a lock, by the lock's address.
class sleeper_table {
public:
    std::atomic<std::uint32_t>& of(const void* address) noexcept {
        const auto a = reinterpret_cast<std::uintptr_t>(address);
        return counts_[(a >> 4 ^ a >> 12) % size];
    }
    /// Whether anybody sleeps for any lock.
    bool any() const noexcept {
        return std::any_of(counts_.begin(), counts_.end(),
                           [](const auto& count) { return count.load(std::memory_order_relaxed) != 0; });
    }

private:
    static constexpr std::size_t size = 256;
    std::array<std::atomic<std::uint32_t>, size> counts_{};
};
inline constinit sleeper_table lock_sleepers{};

class lock {
public:
    constexpr lock() noexcept = default;
    lock(const lock&) = delete;
    lock& operator=(const lock&) = delete;

    void acquire() noexcept {
        if (!try_acquire()) wait();
    }

    bool try_acquire() noexcept {
        std::uint32_t seen = free;
        // acquire: what the last holder wrote is visible to us.
        return word_.compare_exchange_strong(seen, held, std::memory_order_acquire, std::memory_order_relaxed);
    }

    void release() noexcept {
        announce(word_, free);  // L3; it releases what we wrote to the next holder
        if (lock_sleepers.of(&word_).load(std::memory_order_seq_cst) != 0) [[unlikely]]
            futex_wake(word_, 1);
    }

private:
    static constexpr std::uint32_t free = 0;
    static constexpr std::uint32_t held = 1;

    SLUICE_NOINLINE void wait() noexcept {
        for (backoff wait{3}; wait.pause();)
            if (word_.load(std::memory_order_relaxed) == free && try_acquire()) return;
        auto& sleepers = lock_sleepers.of(&word_);
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        heavy_barrier();  // L3
        std::uint32_t seen = free;
        // seq_cst: L3; it also acquires.
        while (!word_.compare_exchange_strong(seen, held, std::memory_order_seq_cst, std::memory_order_seq_cst)) {
            futex_wait(word_, held);
            seen = free;
        }
        // relaxed: a release that still sees us wakes nobody.
        sleepers.fetch_sub(1, std::memory_order_relaxed);
    }

    std::atomic<std::uint32_t> word_{free};
};

/// Holds a lock for a scope; may let go early.
template <class Lock = lock>
class hold {
public:
    explicit hold(Lock& l) noexcept : lock_{&l} { l.acquire(); }
    ~hold() { release(); }
    hold(const hold&) = delete;
    hold& operator=(const hold&) = delete;
    void release() noexcept {
        if (lock_) std::exchange(lock_, nullptr)->release();
    }

private:
    Lock* lock_;
};

}  // namespace sluice::detail
