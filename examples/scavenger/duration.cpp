// SPDX-License-Identifier: BSL-1.0
#include "duration.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace scavenger {
namespace {

using namespace std::chrono_literals;

// A unit that begins like a shorter one stands before it.
constexpr std::array<std::pair<std::string_view, std::chrono::nanoseconds>, 7> units{{
    {"ns", 1ns},
    {"us", 1us},
    {"ms", 1ms},
    {"s", 1s},
    {"m", 1min},
    {"h", 1h},
    {"d", 24h},
}};

std::string_view take_digits(std::string_view& text) {
    auto length = text.find_first_not_of("0123456789");
    if (length == std::string_view::npos) length = text.size();
    const auto digits = text.substr(0, length);
    text.remove_prefix(length);
    return digits;
}

/// The unit at the front of `text`, taken off it; zero if there is none.
std::int64_t take_unit(std::string_view& text) {
    for (const auto& [name, size] : units) {
        if (!text.starts_with(name)) continue;
        text.remove_prefix(name.size());
        return size.count();
    }
    return 0;
}

/// Adds `digits` times `unit` to `total`; false if that does not fit.
bool add_whole(std::int64_t& total, std::string_view digits, std::int64_t unit) {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    std::int64_t amount = 0;
    for (const char digit : digits) {
        if (amount > (largest - 9) / 10) return false;
        amount = amount * 10 + (digit - '0');
    }
    if (amount > (largest - total) / unit) return false;
    total += amount * unit;
    return true;
}

/// Digits behind the point in nanoseconds; always less than one unit.
std::int64_t fraction(std::string_view digits, std::int64_t unit) {
    std::int64_t sum = 0;
    for (std::int64_t share = unit; const char digit : digits) {
        sum += (digit - '0') * share / 10;
        share /= 10;
    }
    return sum;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    if (text == "0") return 0ns;
    if (text.empty()) return std::nullopt;
    std::int64_t total = 0;
    while (!text.empty()) {
        const auto whole = take_digits(text);
        const bool has_point = text.starts_with('.');
        if (has_point) text.remove_prefix(1);
        const auto parts = has_point ? take_digits(text) : std::string_view{};
        const auto unit = take_unit(text);
        if (whole.empty() || has_point == parts.empty() || unit == 0) return std::nullopt;
        if (!add_whole(total, whole, unit)) return std::nullopt;
        const auto rest = fraction(parts, unit);
        if (rest > std::numeric_limits<std::int64_t>::max() - total) return std::nullopt;
        total += rest;
    }
    return std::chrono::nanoseconds{total};
}

std::string format_duration(std::chrono::nanoseconds span) {
    const double seconds = std::chrono::duration<double>(span).count();
    if (span < 1ms) return fmt::format("{:.0f} us", seconds * 1e6);
    if (span < 1s) return fmt::format("{:.1f} ms", seconds * 1e3);
    if (span < 1min) return fmt::format("{:.2f} s", seconds);
    const auto whole = std::chrono::round<std::chrono::seconds>(span).count();
    if (span < 1h) return fmt::format("{} m {:02} s", whole / 60, whole % 60);
    return fmt::format("{} h {:02} m", whole / 3600, whole / 60 % 60);
}

}  // namespace scavenger
