// SPDX-License-Identifier: BSL-1.0
// ledger.hpp: has all come out that went in?
#pragma once

#include <gtest/gtest.h>

#include <atomic>

namespace sluice_test {

/// What went in and what came out, as counts and sums.
struct ledger {
    std::atomic<long long> sent{0};

}  // namespace sluice_test
