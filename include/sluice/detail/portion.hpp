// SPDX-License-Identifier: BSL-1.0
// portion.hpp: how many values does a task take at once?
//
// A value that crosses to another core alone costs more than a little work on it does. So who works with plain functions
// takes several under one lock, when nobody is worse off for it:
// P1  It never waits for a portion to fill: it takes of what is there.
// P2  It takes its share alone: what it leaves is enough for each of the others that can run at the same time.
// P3  It does so while the work is quick: a portion that took long makes the next ones small.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "go.hpp"
#include "now.hpp"

namespace sluice::detail {

/// How large the portions of one task are (P3).
class portion {
public:
    static constexpr std::size_t most = 64;
    /// So many stand before and behind workers that take portions: several for each core, so that it need not sleep.
    static constexpr std::size_t room = 8 * most;

    portion() noexcept = default;
    /// Never more than `limit`.
    explicit portion(std::size_t limit) noexcept : limit_{limit} {}

    std::size_t size() const noexcept { return size_; }
    /// The work on one begins. Of large ones, which have been quick for long, some are measured only: a clock costs as much
    /// as several values.
    void begin() noexcept {
        is_measured_ = size_ < limit_ || ++unmeasured_ % 4 == 0;
        if (is_measured_) began_ = now();
    }
    /// It had so many values.
    void end(std::size_t count) noexcept {
        if (!is_measured_) return;
        if (now() - began_ > quick) size_ = std::max<std::size_t>(1, size_ / 4);
        else if (count == size_) size_ = std::min(limit_, size_ * 2);
    }

private:
    static constexpr auto quick = std::chrono::microseconds{20};
    std::size_t limit_ = most;
    std::size_t size_ = 4;
    std::size_t unmeasured_ = 0;
    bool is_measured_ = false;
    time_point began_{};
};

/// Among how many of `width` tasks with a plain function the values are shared (P2): each occupies a worker of the scheduler.
inline std::size_t at_the_same_time(std::size_t width) noexcept {
    const std::size_t can_run = runtime_here().worker_count();
    return can_run == 0 ? width : std::min(width, can_run);  // 0: in a simulation
}
/// Of so many that wait, a portion of at most `most`.
inline std::size_t share_of(std::size_t waiting, std::size_t among, std::size_t most) noexcept {
    return std::clamp<std::size_t>(waiting / among, 1, most);
}

}  // namespace sluice::detail
