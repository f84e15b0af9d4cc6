// SPDX-License-Identifier: BSL-1.0
// duration.hpp: how does a person write a span of time?
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace scavenger {

/// A span such as `48h`, `5ms`, `1m30s`, `1.5s` or `2d`, or nothing if `text` is none.
///
/// Units are ns, us, ms, s, m, h and d; a bare `0` needs none. Negative spans and those beyond 292 years are refused.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// A span in the units a reader expects at its size: `850 us`, `5.2 ms`, `1.05 s`, `2 m 05 s`, `3 h 04 m`.
std::string format_duration(std::chrono::nanoseconds span);

}  // namespace scavenger
