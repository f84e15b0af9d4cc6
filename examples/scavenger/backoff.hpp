// SPDX-License-Identifier: BSL-1.0
// backoff.hpp: how long to wait before a request is made again?
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace scavenger {

struct retry_policy {
    unsigned attempts = 8;
    std::chrono::nanoseconds first = std::chrono::milliseconds{25};
    std::chrono::nanoseconds longest = std::chrono::seconds{2};
};

/// How long to wait behind the `failures`-th failure in a row: doubled with each, up to the longest, and of that a
/// random share between a half and the whole, so that requests refused together do not come back together.
inline std::chrono::nanoseconds backoff(const retry_policy& policy, unsigned failures, std::uint64_t random) {
    auto whole = policy.first;
    for (unsigned i = 1; i < failures && whole < policy.longest; ++i) whole *= 2;
    whole = std::min(whole, policy.longest);
    const auto half = whole / 2;
    return half +
           std::chrono::nanoseconds{static_cast<std::int64_t>(random % static_cast<std::uint64_t>(half.count() + 1))};
}

}  // namespace scavenger
