// SPDX-License-Identifier: BSL-1.0
// coarse_clock.hpp: since when does a task wait, for the price of two moves?
//
// Workers and the monitor set it when they look at the real clock anyway: as long as anything runs, every millisecond or
// so. When nothing runs it stands still; who comes from outside to wait sets it himself.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "parker.hpp"

namespace sluice::detail {

/// In milliseconds; it comes round after 49 days.
class coarse_clock {
public:
    static std::uint32_t now() noexcept { return ticks.load(std::memory_order_relaxed); }
    static void set(time_point t) noexcept {
        const std::uint32_t real = of(t);
        // Most calls change nothing: the line stays shared.
        if (ticks.load(std::memory_order_relaxed) != real) ticks.store(real, std::memory_order_relaxed);
    }
    static void set() noexcept { set(std::chrono::steady_clock::now()); }
    static std::uint32_t of(time_point t) noexcept {
        return static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count());
    }

private:
    static inline constinit std::atomic<std::uint32_t> ticks{0};
};

}  // namespace sluice::detail
