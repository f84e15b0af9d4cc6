// SPDX-License-Identifier: BSL-1.0
// rfc3339.hpp: which instant does a timestamp name?
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace scavenger {

/// A point in time to the nanosecond, for every year from 0000 to 9999.
///
/// Seconds and nanoseconds are apart because one 64-bit count of nanoseconds ends in 2262 and begins in 1677,
/// and the zero time `0001-01-01T00:00:00Z` is common in real tables.
struct instant {
    std::chrono::sys_seconds seconds{};
    std::uint32_t nanoseconds = 0;  // < 1,000,000,000

    friend auto operator<=>(const instant&, const instant&) = default;
};

/// The instant that `text` names, or nothing if it is not a date and time of RFC 3339.
///
/// Strict: the whole text must match, every field must be in range and the date must exist. Any offset and any
/// number of fraction digits are understood; what lies beyond the ninth digit is rounded up, so that nothing
/// ever looks older than it is. `t` and `z` may be small, as the RFC says; a blank in place of `T` is refused.
/// A second of 60 is accepted where a leap second can be, at 23:59 UTC on the last day of a month, and names
/// the same instant as the second after it.
std::optional<instant> parse_rfc3339(std::string_view text);

/// Writes `when` in UTC, with as many fraction digits as it needs: `2026-11-20T12:00:00Z`.
std::string format_rfc3339(instant when);

/// The whole hours from `start` to `end`, rounded down; negative if `start` is the later.
std::int64_t whole_hours(instant start, instant end);

/// The present, by the system's clock.
instant current_instant();

}  // namespace scavenger
