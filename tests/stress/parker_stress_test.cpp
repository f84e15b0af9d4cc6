// SPDX-License-Identifier: BSL-1.0
// parker_stress_test.cpp: is no wake-up lost, and none made up, in ten million?
//
// Two threads let each other go by turns. One wake-up lost and both stand still, which the watchdog reports; one too
// many and the ball is in the wrong place. How a player waits is drawn anew for each step: mostly he parks at once, so
// that he sleeps when the wake-up comes; or later, so that it may be there already; seldom for a moment at a time.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include <sluice/detail/parker.hpp>

#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/watchdog.hpp"

namespace {

using namespace sluice_test;
using sluice::detail::parker;

struct table {
    parker parkers[2];
    unsigned long long ball = 0;  // whose turn it is; each turn happens before the next by the wake-up alone
    bool misplaced = false;
    std::atomic<unsigned long long> steps{0};
};

void wait_for_turn(parker& mine, random_numbers& random) {
    const unsigned dice = random.below(256);
    if (dice == 0) {
        const auto a_moment = std::chrono::microseconds{random.below(20)};
        while (!mine.park_until(std::chrono::steady_clock::now() + a_moment)) {}
        return;
    }
    if (dice < 64)
        for (unsigned i = 0; i < 500 && !mine.is_notified(); ++i) {}
    mine.park();
}

void play(table& t, unsigned me, unsigned long long turns) {
    random_numbers random{me};
    for (unsigned long long turn = me; turn < turns; turn += 2) {
        if (turn != 0) wait_for_turn(t.parkers[me], random);
        if (t.ball != turn) t.misplaced = true;
        t.ball = turn + 1;
        t.steps.store(turn, std::memory_order_relaxed);
        t.parkers[1 - me].unpark();
    }
}

// T52
TEST(ParkerStress, APingPongStandsStillAtNoStep) {
    table t;
    const auto turns = stress_steps();
    const watchdog dog{t.steps, std::chrono::seconds{30}, [] { return std::string{"a wake-up was lost"}; }};
    const auto begin = std::chrono::steady_clock::now();
    {
        std::jthread other{[&] { play(t, 1, turns); }};
        play(t, 0, turns);
    }
    EXPECT_EQ(t.ball, turns);
    EXPECT_FALSE(t.misplaced);
    std::cout << turns << " steps in "
              << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() << " s\n";
}

}  // namespace
