// SPDX-License-Identifier: BSL-1.0
// parker_test.cpp: does a parked thread go on exactly when it is let go, and is no wake-up lost?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include <sluice/detail/parker.hpp>

#include "../support/eventually.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::detail::no_deadline;
using sluice::detail::parker;
using steady = std::chrono::steady_clock;

// P1
TEST(Parker, KeepsAWakeUpThatComesFirst) {
    parker p;
    p.unpark();
    p.park();
}

TEST(Parker, LetsASleepingThreadGo) {
    parker p;
    std::atomic<bool> gone{false};
    std::jthread sleeper{[&] {
        p.park();
        gone = true;
    }};
    EXPECT_FALSE(gone);
    p.unpark();
    sleeper.join();
    EXPECT_TRUE(gone);
}

// P2
TEST(Parker, OneWakeUpAnswersOnePark) {
    parker p;
    p.unpark();
    p.park();
    EXPECT_FALSE(p.park_until(steady::now() + 1ms));
    p.unpark();
    EXPECT_TRUE(p.park_until(no_deadline));
}

// P3
TEST(Parker, ShowsWhatWasWrittenBeforeTheWakeUp) {
    for (int i = 0; i < 200; ++i) {
        parker p;
        int value = 0;
        std::jthread waker{[&] {
            value = i;
            p.unpark();
        }};
        p.park();
        ASSERT_EQ(value, i);
    }
}

TEST(Parker, ReturnsFalseWhenTheDeadlineCameFirst) {
    parker p;
    const auto until = steady::now() + 5ms;
    EXPECT_FALSE(p.park_until(until));
    EXPECT_GE(steady::now(), until);
    EXPECT_FALSE(p.park_until(steady::now() - 1h));
    EXPECT_FALSE(p.park_until(steady::time_point::min()));
}

TEST(Parker, PrefersAWakeUpToADeadlineThatHasPassed) {
    parker p;
    p.unpark();
    EXPECT_TRUE(p.park_until(steady::now() - 1h));
}

// A wake-up at the moment of the deadline is either taken by this park or kept for the next.
TEST(Parker, NeitherLosesNorDoublesAWakeUpAtTheDeadline) {
    parker p;
    std::atomic<int> round{0};
    constexpr int rounds = 500;
    std::jthread waker{[&] {
        for (int i = 1; i <= rounds; ++i) {
            while (round.load() < i) {}
            p.unpark();
        }
    }};
    for (int i = 1; i <= rounds; ++i) {
        const auto until = steady::now() + std::chrono::microseconds{i % 20};
        round = i;
        if (!p.park_until(until)) p.park();
    }
    waker.join();
    EXPECT_FALSE(p.park_until(steady::now() + 1ms));
}

// T52: a ping-pong; one lost wake-up and it stands still.
TEST(Parker, LosesNoWakeUpInAPingPong) {
    parker ping;
    parker pong;
    std::atomic<bool> over{false};
    std::jthread other{[&] {
        for (;;) {
            ping.park();
            if (over) return;
            pong.unpark();
        }
    }};
    const auto end = steady::now() + 300ms;
    int rounds = 0;
    for (; steady::now() < end; ++rounds) {
        ping.unpark();
        pong.park();
    }
    over = true;
    ping.unpark();
    other.join();
    EXPECT_GT(rounds, 100);
}

}  // namespace
