// SPDX-License-Identifier: BSL-1.0
// deadline.hpp: when is "so long from now"?
#pragma once

#include <chrono>

#include "now.hpp"

namespace sluice::detail {

/// Saturates: a duration past the end of time never comes.
template <class Rep, class Period>
time_point deadline_after(std::chrono::duration<Rep, Period> d) {
    const auto now = detail::now();
    // Compared as floating seconds, since the sum may not be representable.
    if (std::chrono::duration<double>(d) >= std::chrono::duration<double>(no_deadline - now)) return no_deadline;
    return now + std::chrono::ceil<std::chrono::steady_clock::duration>(d);
}

}  // namespace sluice::detail
