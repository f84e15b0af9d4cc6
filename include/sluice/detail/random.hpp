// SPDX-License-Identifier: BSL-1.0
// random.hpp: which of several things that are all right comes first?
#pragma once

#include <atomic>
#include <cstdint>

#include "platform.hpp"

namespace sluice::detail {

/// Mixed as MurmurHash3 does; never 0.
constexpr std::uint32_t mixed(std::uint32_t x) noexcept {
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    return (x ^ (x >> 16)) | 1u;
}

/// xorshift32 (Marsaglia 2003).
constexpr std::uint32_t next_of(std::uint32_t& state) noexcept {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/// The state of the thread's generator; 0: not begun.
inline constinit thread_local std::uint32_t thread_random{0};

/// A generator for shuffles, one a thread; a task on a worker could move, so it is read anew each time.
SLUICE_NOINLINE inline std::uint32_t next_random() noexcept {
    if (thread_random == 0) [[unlikely]] {
        // A number of its own for each thread: one that ends leaves its address to the next.
        static constinit std::atomic<std::uint32_t> threads{0};
        thread_random = mixed(threads.fetch_add(1, std::memory_order_relaxed) +
                              static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&threads) >> 4));
    }
    return next_of(thread_random);
}
SLUICE_NOINLINE inline void seed_random(std::uint32_t seed) noexcept { thread_random = mixed(seed); }

}  // namespace sluice::detail
