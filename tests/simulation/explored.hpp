// SPDX-License-Identifier: BSL-1.0
// explored.hpp: does something hold on all schedules, or on as many as there is time for?
//
// A program that is explored throws when a promise is broken; then its schedule can be replayed. Only one of its tasks or
// threads runs at a time, so plain variables count for all of them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sluice/sluice.hpp>
#include <sluice/testing.hpp>

#include "../support/sanitized.hpp"

namespace sluice_test {

using namespace std::chrono_literals;
using sluice::task;

inline void must(bool holds, const char* otherwise) {
    if (!holds) throw std::logic_error{otherwise};
}

/// Some waits are cancelled, or end late: what tasks do in life.
inline sluice::testing::chaos some_cancelled() { return {.cancel = 0.05}; }
inline sluice::testing::chaos some_late() {
    return {.delay = sluice::testing::distribution::uniform(0s, 2s).with_probability(0.2)};
}

/// Explores `f` by seeds, half of them with random priorities.
template <class F>
void expect_on_many_schedules(F f, sluice::testing::chaos wrong = {}) {
    const auto all = sluice::testing::explore({.runs = static_cast<std::uint64_t>(many(2000)),
                                               .chaos = std::move(wrong),
                                               .diagnostics = [](std::string_view) {}},
                                              f);
    EXPECT_FALSE(all.failed()) << all.text();
}

/// Explores all schedules of `f`, which is small.
template <class F>
void expect_on_every_schedule(F f) {
    const auto all =
        sluice::testing::explore({.runs = 200'000, .everything = true, .diagnostics = [](std::string_view) {}}, f);
    EXPECT_FALSE(all.failed()) << all.text();
    EXPECT_TRUE(all.failed() || all.complete()) << all.text();
    testing::Test::RecordProperty("schedules", std::to_string(all.runs()));
}

}  // namespace sluice_test
