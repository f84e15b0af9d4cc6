// SPDX-License-Identifier: BSL-1.0
// rate.hpp: how often may something happen?
#pragma once

#include <chrono>
#include <cmath>

#include "../options.hpp"
#include "expect.hpp"
#include "task_state.hpp"

namespace sluice {

/// How often: `per_second(10)`, `every(100ms)`, or `unlimited`. A bare number is none.
class rate {
public:
    /// Never.
    constexpr rate() noexcept = default;
    constexpr rate(unlimited_t) noexcept : is_unlimited_{true} {}  // by the tag

    constexpr double events_per_second() const noexcept { return per_second_; }
    constexpr bool is_unlimited() const noexcept { return is_unlimited_; }
    friend constexpr bool operator==(rate, rate) noexcept = default;

private:
    friend rate per_second(double, detail::place);
    double per_second_ = 0;
    bool is_unlimited_ = false;
};

/// `events` a second. Precondition: not negative, and finite.
inline rate per_second(double events, detail::place at = detail::place::current()) {
    SLUICE_EXPECT_AT(events >= 0 && std::isfinite(events), "a rate is not negative; for no limit use `unlimited`", at);
    rate r;
    r.per_second_ = events;
    return r;
}
/// One event each `period`. Precondition: `period > 0`.
template <class Rep, class Period>
rate every(std::chrono::duration<Rep, Period> period, detail::place at = detail::place::current()) {
    SLUICE_EXPECT_AT(period > period.zero(), "the period of a rate is positive; for no limit use `unlimited`", at);
    return per_second(1 / std::chrono::duration<double>(period).count(), at);
}

}  // namespace sluice
