// SPDX-License-Identifier: BSL-1.0
// rate_limiter_test.cpp: does each event happen when it may, and does who leaves give back what he has not used?

#include <sluice/rate_limiter.hpp>

#include <gtest/gtest.h>

#include <vector>

#include <sluice/gtest.hpp>

#include "../support/broken_contract.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::clock;
using sluice::per_second;
using sluice::rate_limiter;
using sluice::status;
using sluice::task;

// RL-01
SIMULATED_TEST(RateLimiter, ABurstMayHappenAtOnceAndThenTheRateCounts) {
    rate_limiter l{per_second(10), 3};
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(l.allow());
    EXPECT_FALSE(l.allow());
    for (int i = 0; i < 5; ++i) {
        co_await sluice::sleep_for(100ms);
        EXPECT_TRUE(l.allow());
        EXPECT_FALSE(l.allow());
    }
    co_await sluice::sleep_for(1h);
    EXPECT_FALSE(l.allow(4));
    EXPECT_TRUE(l.allow(3));
}

// RL-02
SIMULATED_TEST(RateLimiter, MoreThanTheBurstNeverHappens) {
    rate_limiter l{per_second(10), 3};
    EXPECT_FALSE(l.allow(4));
    EXPECT_FALSE(l.reserve(4).ok());
    const auto began = clock::now();
    const auto got = co_await l.async_wait(4);
    EXPECT_EQ(got, status::full);
    EXPECT_EQ(clock::now(), began);
    EXPECT_TRUE(l.allow(3));
}

SIMULATED_TEST(RateLimiter, WhoWaitsGetsHisTurnInOrder) {
    rate_limiter l{sluice::every(1s), 1};
    const auto began = clock::now();
    for (int i = 0; i < 4; ++i) {
        const auto got = co_await l.async_wait();
        EXPECT_TRUE(got);
        EXPECT_EQ(clock::now() - began, i * 1s);
    }
}

// RL-03
SIMULATED_TEST(RateLimiter, AWaitBeyondTheDeadlineEndsAtOnceWithoutATake) {
    rate_limiter l{sluice::every(10s), 1};
    EXPECT_TRUE(l.allow());
    const auto began = clock::now();
    const auto limit = sluice::with_timeout(sluice::context::background(), 5s);
    const auto named = co_await l.async_wait(1, limit);
    EXPECT_EQ(named, status::timed_out);
    auto waits = l.async_wait();
    const auto surrounding = co_await sluice::under(limit, std::move(waits));
    EXPECT_EQ(surrounding, status::timed_out);
    EXPECT_EQ(clock::now(), began);
    EXPECT_EQ(l.reserve().delay(), 10s);
}

// RL-04
SIMULATED_TEST(RateLimiter, WhoIsCanceledGivesHisTokensBack) {
    rate_limiter l{sluice::every(10s), 1};
    EXPECT_TRUE(l.allow());
    auto waits = sluice::go([&]() -> task<> { static_cast<void>(co_await l.async_wait()); });
    co_await sluice::sleep_for(1s);
    waits.cancel();
    bool was_canceled = false;
    try {
        co_await waits;
    } catch (const sluice::canceled&) {
        was_canceled = true;
    }
    EXPECT_TRUE(was_canceled);
    EXPECT_EQ(l.reserve().delay(), 9s);
}

// RL-04
SIMULATED_TEST(RateLimiter, WhatLaterOnesCountOnIsNotGivenBack) {
    rate_limiter l{sluice::every(1s), 2};
    EXPECT_TRUE(l.allow(2));
    auto first = l.reserve(2);
    auto second = l.reserve();
    EXPECT_EQ(second.delay(), 3s);
    first.cancel();  // one of the two
    EXPECT_EQ(l.reserve().delay(), 3s);
    co_return;
}

// RL-05
SIMULATED_TEST(RateLimiter, ACancelThatComesTooLateDoesNothing) {
    rate_limiter l{sluice::every(1s), 1};
    EXPECT_TRUE(l.allow());
    auto next = l.reserve();
    co_await sluice::sleep_for(1500ms);
    next.cancel();
    EXPECT_FALSE(l.allow());
    auto never = l.reserve(2);
    never.cancel();
    EXPECT_FALSE(l.allow());
}

// RL-06
TEST(RateLimiter, ATimeThatGoesBackwardsTakesAndGivesNothing) {
    const clock::time_point start{1h};
    sluice::detail::token_bucket b{per_second(1), 2, start};
    EXPECT_EQ(b.take(1, start, start).why, status::ok);
    EXPECT_EQ(b.tokens(start - 30min), 1);
    EXPECT_EQ(b.take(1, start - 30min, start - 30min).why, status::ok);
    EXPECT_EQ(b.tokens(start), 0);
}

// RL-07
SIMULATED_TEST(RateLimiter, NoneLetsNothingHappenAndUnlimitedAll) {
    rate_limiter none;
    EXPECT_FALSE(none.allow());
    EXPECT_FALSE(none.reserve().ok());
    rate_limiter all{sluice::unlimited, 0};
    EXPECT_TRUE(all.allow(1000));
    const auto got = co_await all.async_wait(1000);
    EXPECT_TRUE(got);
    rate_limiter once{per_second(0), 2};
    EXPECT_TRUE(once.allow(2));
    const auto never = co_await once.async_wait();
    EXPECT_EQ(never, status::full);
}

// RL-08
SIMULATED_TEST(RateLimiter, ANewRateOrBurstCountsFromNow) {
    rate_limiter l{sluice::every(10s), 2};
    EXPECT_TRUE(l.allow(2));
    co_await sluice::sleep_for(5s);
    l.set_rate(sluice::every(1s));
    EXPECT_EQ(l.reserve().delay(), 500ms);
    co_await sluice::sleep_for(1h);
    l.set_burst(5);
    EXPECT_FALSE(l.allow(3));
    co_await sluice::sleep_for(3s);
    EXPECT_TRUE(l.allow(5));
}

SIMULATED_TEST(RateLimiter, MakesACallInItsTurn, {.runs = 50}) {
    rate_limiter l{sluice::every(10s), 1};
    const auto began = clock::now();
    const int at_once = co_await l.async_call([] { return 1; });
    EXPECT_EQ(at_once, 1);
    const auto later = []() -> task<int> {
        co_await sluice::sleep_for(1s);
        co_return 2;
    };
    const int in_turn = co_await l.async_call(later);
    EXPECT_EQ(in_turn, 2);
    EXPECT_EQ(clock::now() - began, 11s);
    const auto limited = [&] { return sluice::timeout(500ms, later()); };
    const auto late = co_await l.async_call(limited);
    EXPECT_EQ(late, status::timed_out);
    EXPECT_EQ(clock::now() - began, 20s + 500ms);
}

// RL-02, RL-03
SIMULATED_TEST(RateLimiter, DoesNotMakeACallWhoseTurnComesTooLate, {.runs = 50}) {
    rate_limiter l{sluice::every(10s), 1};
    EXPECT_TRUE(l.allow());
    bool was_called = false;
    const auto call = [&] { was_called = true; };
    const auto began = clock::now();
    auto why = status::ok;
    try {
        static_cast<void>(co_await sluice::timeout(5s, l.async_call(call)));
    } catch (const sluice::rate_limited& e) {
        why = e.why();
    }
    EXPECT_EQ(why, status::timed_out);
    rate_limiter never;
    try {
        co_await never.async_call(call);
    } catch (const sluice::rate_limited& e) {
        why = e.why();
    }
    EXPECT_EQ(why, status::full);
    EXPECT_FALSE(was_called);
    EXPECT_EQ(clock::now(), began);
}

task<> come_and_go(rate_limiter* l, int* happened) {
    const auto limit = sluice::with_timeout(sluice::context::background(), 700ms);
    const auto call = [happened]() -> task<> {
        ++*happened;
        co_await sluice::sleep_for(100ms);
    };
    for (int i = 0; i < 3; ++i) {
        const auto surrounding = co_await l->async_wait(2);
        if (surrounding) *happened += 2;
        const auto named = co_await l->async_wait(1, limit);
        if (named) ++*happened;
        co_await l->async_call(call);
    }
}

void holds_its_rate(sluice::testing::chaos wrong) {
    const auto main = []() -> task<> {
        rate_limiter l{per_second(10), 3};
        int happened = 0;
        const auto began = clock::now();
        std::vector<sluice::join_handle<void>> all;
        for (int i = 0; i < 4; ++i) all.push_back(sluice::go(come_and_go, &l, &happened));
        for (auto& one : all) {
            try {
                co_await one;
            } catch (...) {}
        }
        EXPECT_LE(happened, 3 + 10 * std::chrono::duration<double>(clock::now() - began).count() + 1e-6);
        // Nothing that was given back is too much, and nothing is promised to those who have gone.
        EXPECT_LE(l.tokens(), 3);
        co_await sluice::sleep_for(10s);
        EXPECT_TRUE(l.allow(3));
        EXPECT_FALSE(l.allow());
    };
    sluice::testing::exploration_options often;
    often.chaos = wrong;
    EXPECT_SIMULATED(often, main);
}

// RL-01, RL-04
TEST(RateLimiter, HoldsItsRateWhoeverIsCanceled) { holds_its_rate(sluice::testing::chaos{.cancel = 0.05}); }

task<> wait_for_two(rate_limiter* l, int* happened) {
    const auto limit = sluice::with_timeout(sluice::context::background(), 1s);
    const auto surrounding = co_await l->async_wait(2);
    if (surrounding) *happened += 2;
    const auto named = co_await l->async_wait(2, limit);
    if (named) *happened += 2;
}

// RL-04
SIMULATED_TEST(RateLimiter, OneAfterAnotherLosesNoTokenWhoeverIsCanceled, {.chaos = {.cancel = 0.1}}) {
    rate_limiter l{per_second(10), 100};
    EXPECT_TRUE(l.allow(100));
    const auto began = clock::now();
    int happened = 0;
    for (int i = 0; i < 10; ++i) {
        auto one = sluice::go(wait_for_two, &l, &happened);
        try {
            co_await one;
        } catch (const sluice::canceled&) {}
        EXPECT_NEAR(l.tokens(), 10 * std::chrono::duration<double>(clock::now() - began).count() - happened, 1e-6);
    }
}

TEST(RateLimiter, HoldsItsRateWhateverFails) { holds_its_rate(sluice::testing::chaos{.fail = 0.05}); }

TEST(RateLimiter, AThreadBlocksForIt) {
    rate_limiter l{per_second(1000), 1};
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(l.wait());
    EXPECT_EQ(l.call([] { return 7; }), 7);
    EXPECT_THROW(rate_limiter{}.call([] {}), sluice::rate_limited);
    auto ended = sluice::with_cancel(sluice::context::background());
    ended.cancel();
    EXPECT_EQ(l.wait(1, ended), status::canceled);
}

TEST(RateLimiter, ANegativeRateBreaksTheContract) {
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(per_second(-1)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(sluice::every(0s)); }));
}

}  // namespace
