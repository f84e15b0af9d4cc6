// SPDX-License-Identifier: BSL-1.0
// simulation_test.cpp: does a simulated program run as it would, but on a clock and a schedule of its own?
#include <gtest/gtest.h>

#include <sluice/sluice.hpp>
#include <sluice/testing.hpp>

#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using sluice::task;
using sluice::testing::simulate;

std::string what_of(const std::exception_ptr& error) { return sluice::detail::what_of(error); }

// SY-01
TEST(Simulation, GivesTheResultAndTheVirtualTimeThatPassed) {
    const auto real = std::chrono::steady_clock::now();
    auto run = simulate({}, []() -> task<int> {
        co_await sluice::sleep_for(48h);
        co_return 7;
    });
    EXPECT_EQ(run.value(), 7);
    EXPECT_EQ(run.elapsed(), 48h);
    EXPECT_LT(std::chrono::steady_clock::now() - real, 1h);
}

// SY-01
TEST(Simulation, BeginsAtTheFirstMomentOf2000AndTheClocksGoTogether) {
    auto run = simulate({}, []() -> task<bool> {
        const auto date = sluice::wall_clock::now();
        const auto time = sluice::clock::now();
        co_await sluice::sleep_for(90min);
        co_return date == std::chrono::sys_days{std::chrono::year{2000} / 1 / 1} &&
            sluice::wall_clock::now() - date == 90min && sluice::clock::now() - time == 90min;
    });
    EXPECT_TRUE(run.value());
}

// SY-01
TEST(Simulation, TheClockStandsStillWhileATaskIsReady) {
    auto run = simulate({}, []() -> task<bool> {
        const auto before = sluice::clock::now();
        auto sleeper = sluice::go([]() -> task<void> { co_await sluice::sleep_for(1ns); });
        for (int i = 0; i < 1000; ++i) co_await sluice::yield();
        const bool stood = sluice::clock::now() == before && !sleeper.done();
        co_await sleeper;
        co_return stood;
    });
    EXPECT_TRUE(run.value());
}

TEST(Simulation, OutsideOfItTheClocksAreReal) {
    static_cast<void>(simulate({}, [] {}));
    const auto before = std::chrono::steady_clock::now();
    const auto between = sluice::clock::now();
    EXPECT_LE(before, between);
    EXPECT_LE(between, std::chrono::steady_clock::now());
    EXPECT_GT(sluice::wall_clock::now(), std::chrono::sys_days{std::chrono::year{2020} / 1 / 1});
}

TEST(Simulation, RunsPlainFunctionsAsMain) {
    auto run = simulate({}, [] { return std::string{"plain"}; });
    EXPECT_EQ(run.value(), "plain");
}

TEST(Simulation, GivesReferencesAndMoveOnlyValues) {
    static int there = 0;
    EXPECT_EQ(&simulate({}, []() -> task<int&> { co_return there; }).value(), &there);
    EXPECT_EQ(*simulate({}, [] { return std::make_unique<int>(5); }).value(), 5);
}

TEST(Simulation, KeepsTheExceptionOfMain) {
    auto run = simulate({}, []() -> task<void> {
        co_await sluice::sleep_for(1s);
        throw std::runtime_error{"it broke"};
    });
    EXPECT_TRUE(run.failed());
    EXPECT_EQ(what_of(run.error()), "it broke");
    EXPECT_THROW(run.value(), std::runtime_error);
}

TEST(Simulation, AnExceptionThatNobodyAwaitsEndsIt) {
    auto run = simulate({}, []() -> task<void> {
        sluice::go([]() -> task<void> {
            co_await sluice::yield();
            throw std::runtime_error{"dropped"};
        });
        co_await sluice::sleep_for(1h);
    });
    EXPECT_EQ(what_of(run.error()), "dropped");
    EXPECT_EQ(run.elapsed(), 0s);
}

// SY-05
TEST(Simulation, ADeadlockEndsItAtOnceWithTheTasks) {
    auto run = simulate({}, []() -> task<void> {
        sluice::channel<int> answers{0};
        answers.name("answers");
        static_cast<void>(co_await answers.async_receive());
    });
    EXPECT_THROW(run.value(), sluice::deadlock_error);
    const auto text = what_of(run.error());
    EXPECT_NE(text.find("waits for receive on \"answers\""), std::string::npos) << text;
    EXPECT_NE(text.find("without a buffer"), std::string::npos) << text;
}

// SY-05
TEST(Simulation, WhatMainLeavesBehindIsCancelledAsInARealRun) {
    auto run = simulate({}, []() -> task<void> {
        sluice::go([]() -> task<void> { co_await sluice::sleep_for(1h); });
        co_await sluice::yield();
    });
    EXPECT_FALSE(run.failed());
    EXPECT_EQ(run.elapsed(), 0s);
}

// SY-05
TEST(Simulation, WhatDoesNotEndThoughCancelledIsALeakAtOnce) {
    int leaks = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
        leaks += simulate({.seed = seed}, []() -> task<void> {
                     sluice::wait_group began;
                     began.add();
                     sluice::go([&]() -> task<void> {
                         began.done();
                         sluice::channel<int> nobody_sends{0};
                         static_cast<void>(co_await sluice::shielded(nobody_sends.async_receive()));
                     });
                     co_await began.async_wait();
                 }).failed();
    EXPECT_EQ(leaks, 20);
}

// SY-06
TEST(Simulation, ATickerDoesNotKeepItAlive) {
    auto run = simulate({}, []() -> task<void> {
        const sluice::ticker every{1s};
        sluice::channel<int> nobody_sends{0};
        static_cast<void>(co_await nobody_sends.async_receive());
    });
    EXPECT_THROW(run.value(), sluice::deadlock_error);
}

// SY-02, SY-10
TEST(Simulation, WhoWaitsForAMutexIsDurablyBlocked) {
    auto run = simulate({}, []() -> task<void> {
        sluice::mutex one;
        const auto mine = co_await one.async_lock();
        sluice::wait_group other;  // joins it before the mutex goes
        other.go([&]() -> task<void> { const auto theirs = co_await one.async_lock(); });
        const auto began = sluice::clock::now();
        co_await sluice::sleep_for(5s);
        EXPECT_EQ(sluice::clock::now() - began, 5s);
        EXPECT_EQ(other.count(), 1u);
        other.cancel();
        co_await other.async_wait();
    });
    EXPECT_FALSE(run.failed()) << what_of(run.error());
    EXPECT_EQ(run.elapsed(), 5s);
}

// SY-08
TEST(Simulation, OfTimersAtOneMomentTheSeedSaysWhichComesFirst) {
    std::set<int> firsts;
    for (std::uint64_t seed = 1; seed <= 100; ++seed)
        firsts.insert(simulate({.seed = seed}, []() -> task<int> {
                          sluice::channel<int> order{3};
                          for (int i = 0; i < 3; ++i)
                              sluice::go([order, i]() mutable -> task<void> {
                                  co_await sluice::sleep_for(1s);
                                  EXPECT_TRUE(co_await order.async_send(i));
                              });
                          const auto first = co_await order.async_receive();
                          co_return *first;
                      }).value());
    EXPECT_EQ(firsts, (std::set<int>{0, 1, 2}));
}

// SY-08b
TEST(Simulation, ATimerThatFiredDuringALongerSleepTellsItsOwnTime) {
    auto run = simulate({}, []() -> task<void> {
        const auto began = sluice::clock::now();
        auto soon = sluice::after(1s);
        co_await sluice::sleep_for(1h);
        const auto at = co_await soon.async_receive();
        EXPECT_EQ(*at - began, 1s);
        auto now = sluice::after(0s);
        const auto again = co_await now.async_receive();
        EXPECT_EQ(*again - began, 1h);
    });
    EXPECT_FALSE(run.failed()) << what_of(run.error());
    EXPECT_EQ(run.elapsed(), 1h);
}

TEST(Simulation, DeadlinesOfContextsAndOperationsAreVirtual) {
    auto run = simulate({}, []() -> task<void> {
        sluice::channel<int> ch{0};
        const auto limit = sluice::with_timeout(sluice::current_context(), 3h);
        const auto late = co_await ch.async_receive(limit.get());
        EXPECT_EQ(late.why(), sluice::status::canceled);
        EXPECT_EQ(limit.get().error(), sluice::context_error::deadline_exceeded);
        const auto later = co_await sluice::timeout(2h, ch.async_receive());
        EXPECT_EQ(later.why(), sluice::status::timed_out);
        const auto sent = co_await sluice::timeout(5h, ch.async_send(1));
        EXPECT_EQ(sent.why(), sluice::status::timed_out);
    });
    EXPECT_FALSE(run.failed()) << what_of(run.error());
    EXPECT_EQ(run.elapsed(), 10h);
}

TEST(Simulation, ABlockingCallableTakesPartOnItsOwnThread) {
    auto run = simulate({}, []() -> task<int> {
        sluice::channel<int> ch{0};
        auto doubled = sluice::go([ch]() mutable {
            int sum = 0;
            while (auto v = ch.receive()) sum += 2 * *v;
            return sum;
        });
        for (int i = 1; i <= 10; ++i) {
            co_await sluice::sleep_for(1h);
            EXPECT_TRUE(co_await ch.async_send(i));
        }
        ch.close();
        co_return co_await doubled;
    });
    EXPECT_EQ(run.value(), 110);
    EXPECT_EQ(run.elapsed(), 10h);
}

TEST(Simulation, ABlockingCallableWaitsInVirtualTime) {
    auto run = simulate({}, []() -> task<bool> {
        const auto wait = [] {
            sluice::channel<int> ch{0};
            return ch.receive_for(48h).why() == sluice::status::timed_out;
        };
        co_return co_await sluice::blocking(wait);
    });
    EXPECT_TRUE(run.value());
    EXPECT_EQ(run.elapsed(), 48h);
}

TEST(Simulation, ACoroutineMayUseTheBlockingForms) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        auto run = simulate({.seed = seed}, []() -> task<int> {
            sluice::channel<int> ch{0};
            auto sender = sluice::go([ch]() mutable -> task<void> {
                for (int i = 0; i < 5; ++i) EXPECT_TRUE(ch.send(i));
                ch.close();
                co_return;
            });
            int sum = 0;
            while (auto v = ch.receive()) sum += *v;
            co_await sender;
            co_return sum;
        });
        EXPECT_EQ(run.value(), 10);
    }
}

TEST(Simulation, OneCallableRunsAtATime) {
    auto run = simulate({}, []() -> task<void> {
        sluice::wait_group all;
        int inside = 0;
        int most = 0;
        sluice::channel<int> ch{0};
        for (int i = 0; i < 8; ++i)
            all.go([&] {
                for (int k = 0; k < 20; ++k) {
                    most = std::max(most, ++inside);
                    --inside;
                    static_cast<void>(ch.receive_for(1ms));
                }
            });
        co_await all.async_wait();
        EXPECT_EQ(most, 1);
    });
    EXPECT_FALSE(run.failed()) << what_of(run.error());
}

TEST(Simulation, ACallableThatSleepsInTheKernelIsNamed) {
    std::string told;
    sluice::testing::simulation_options options;
    options.diagnostics = [&](std::string_view text) { told += text; };
    auto run = simulate(options, []() -> task<void> {
        const auto sleeps = [&] { std::this_thread::sleep_for(3s); };  // real time is what this is about
        co_await sluice::blocking(sleeps);
    });
    EXPECT_FALSE(run.failed());
    EXPECT_NE(told.find("sleeps in the kernel"), std::string::npos) << told;
}

TEST(Simulation, ManyTasksThatSleepTakeNoRealTime) {
    auto run = simulate({}, []() -> task<void> {
        sluice::wait_group all;
        for (int i = 0; i < 2000; ++i) all.go([]() -> task<void> { co_await sluice::sleep_for(1h); });
        co_await all.async_wait();
    });
    EXPECT_FALSE(run.failed());
    EXPECT_EQ(run.elapsed(), 1h);
}

TEST(Simulation, TheSameSeedGivesTheSameTrace) {
    const auto program = []() -> task<void> {
        sluice::channel<int> ch{2};
        sluice::wait_group all;
        for (int i = 0; i < 4; ++i) {
            all.go([ch]() mutable -> task<void> {
                for (int k = 0; k < 5; ++k) EXPECT_TRUE(co_await ch.async_send(k));
            });
            all.go([ch] {
                for (int k = 0; k < 5; ++k) EXPECT_TRUE(ch.receive());
            });
        }
        co_await all.async_wait();
    };
    std::set<std::string> different;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto once = simulate({.seed = seed}, program);
        const auto again = simulate({.seed = seed}, program);
        EXPECT_EQ(once.trace(), again.trace());
        EXPECT_EQ(once.fingerprint(), again.fingerprint());
        different.insert(once.trace());
    }
    EXPECT_EQ(different.size(), 20u);
}

TEST(Simulation, TheTraceTellsWhoDidWhatWhereAndWhen) {
    const auto run = simulate({}, []() -> task<void> {
        sluice::channel<int> ch{1};
        ch.name("jobs");
        sluice::name_task("boss");
        co_await sluice::sleep_for(1500ms);
        EXPECT_TRUE(co_await ch.async_send(1));
    });
    const auto trace = run.trace();
    EXPECT_NE(trace.find("1.5s  task 1 \"boss\": done: send on channel 1 \"jobs\" at simulation_test.cpp:"),
              std::string::npos)
        << trace;
    EXPECT_EQ(trace.find("0x"), std::string::npos) << trace;
}

TEST(Simulation, TheTraceTellsHowAWaitEndedAndWhoClosesWhat) {
    const auto run = simulate({}, []() -> task<void> {
        sluice::channel<int> a{0}, b{0};
        b.name("b");
        auto closer = sluice::go([b]() mutable -> task<void> {
            co_await sluice::sleep_for(1s);
            b.close();
        });
        const auto late = co_await sluice::timeout(1ms, a.async_receive());
        EXPECT_EQ(late.why(), sluice::status::timed_out);
        const auto which = co_await sluice::async_select(sluice::on_receive(a), sluice::on_receive(b));
        EXPECT_EQ(which, 1u);
        co_await closer;
    });
    const auto trace = run.trace();
    EXPECT_NE(trace.find("1ms  task 1 goes on: the time is up"), std::string::npos) << trace;
    EXPECT_NE(trace.find("1s  task 2 closes channel 2 \"b\""), std::string::npos) << trace;
    EXPECT_NE(trace.find("1s  task 1 goes on: case 1 of its select"), std::string::npos) << trace;
}

TEST(Simulation, TheTraceKeepsTheLastSteps) {
    const auto run = simulate({.trace_steps = 3}, []() -> task<void> {
        for (int i = 0; i < 100; ++i) co_await sluice::yield();
    });
    const auto trace = run.trace();
    EXPECT_EQ(std::ranges::count(trace, '\n'), 4) << trace;
    EXPECT_NE(trace.find("steps before]"), std::string::npos) << trace;
}

TEST(Simulation, TooManyStepsEndIt) {
    auto run = simulate({.max_steps = 1000}, []() -> task<void> {
        for (;;) co_await sluice::yield();
    });
    EXPECT_NE(what_of(run.error()).find("1000 steps"), std::string::npos);
}

TEST(Simulation, AReplayThatIsNoneIsRefused) {
    EXPECT_THROW(static_cast<void>(simulate({.replay = "rondom:7"}, [] {})), std::invalid_argument);
    EXPECT_THROW(static_cast<void>(simulate({.replay = "random:7:8"}, [] {})), std::invalid_argument);
}

TEST(Simulation, SeveralThreadsMaySimulateAtATime) {
    std::vector<std::jthread> all;
    for (int i = 0; i < 4; ++i)
        all.emplace_back([] {
            for (int k = 0; k < 20; ++k) {
                auto run = simulate({}, []() -> task<int> {
                    sluice::channel<int> ch{0};
                    auto sender = sluice::go([ch]() mutable { EXPECT_TRUE(ch.send(3)); });
                    const auto v = co_await ch.async_receive();
                    co_await sender;
                    co_return *v;
                });
                EXPECT_EQ(run.value(), 3);
            }
        });
}

TEST(Simulation, ASelectTakesEachReadyCase) {
    std::set<std::size_t> taken;
    for (std::uint64_t seed = 1; seed <= 50; ++seed)
        taken.insert(simulate({.seed = seed}, []() -> task<std::size_t> {
                         sluice::channel<int> a{1}, b{1};
                         EXPECT_TRUE(a.try_send(1));
                         EXPECT_TRUE(b.try_send(2));
                         const auto which = co_await sluice::async_select(sluice::on_receive(a), sluice::on_receive(b));
                         co_return which;
                     }).value());
    EXPECT_EQ(taken.size(), 2u);
}

}  // namespace
