// SPDX-License-Identifier: BSL-1.0
// ledger.hpp: has all come out that went in?
#pragma once

#include <gtest/gtest.h>

#include <atomic>

namespace sluice_test {

/// What went in and what came out, as counts and sums. Thread safety: any thread.
struct ledger {
    std::atomic<long long> sent{0};
    std::atomic<long long> sent_sum{0};
    std::atomic<long long> received{0};
    std::atomic<long long> received_sum{0};

    void note_sent(int v) {
        ++sent;
        sent_sum += v;
    }
    void note_received(int v) {
        ++received;
        received_sum += v;
    }
    void expect_balance() const {
        EXPECT_GT(sent, 0);
        EXPECT_EQ(sent, received);
        EXPECT_EQ(sent_sum, received_sum);
    }
};

}  // namespace sluice_test
