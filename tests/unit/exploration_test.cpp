// SPDX-License-Identifier: BSL-1.0
// exploration_test.cpp: do many schedules find what one does not, and is a failure told so that it comes again?
#include <gtest/gtest.h>

#include <sluice/sluice.hpp>
#include <sluice/testing.hpp>

#include <string>

namespace {

using namespace std::chrono_literals;
using sluice::task;
using sluice::testing::explore;
using sluice::testing::simulate;

task<void> lost_update() {
    int count = 0;
    sluice::wait_group both;
    for (int i = 0; i < 2; ++i)
        both.go([&]() -> task<void> {
            const int seen = count;
            co_await sluice::yield();
            count = seen + 1;
        });
    co_await both.async_wait();
    if (count != 2) throw std::runtime_error{"an update was lost"};
}

std::function<void(std::string_view)> silent() {
    return [](std::string_view) {};
}

TEST(Exploration, FindsAFailureAndItsReplayFailsAgain) {
    for (const unsigned preemptions : {0u, 3u}) {
        const auto all = explore({.preemptions = preemptions, .diagnostics = silent()}, lost_update);
        ASSERT_TRUE(all.failed());
        EXPECT_LT(all.runs(), 100u);
        EXPECT_THROW(all.check(), std::runtime_error);
        const auto again = simulate({.replay = all.replay()}, lost_update);
        EXPECT_EQ(sluice::detail::what_of(again.error()), "an update was lost");
        EXPECT_EQ(again.trace(), all.trace());
        EXPECT_EQ(again.replay(), all.replay());
    }
}

TEST(Exploration, TellsTheFailureTheReplayAndTheSteps) {
    std::string told;
    const auto all = explore({.diagnostics = [&](std::string_view text) { told += text; }}, lost_update);
    EXPECT_EQ(told, all.text());
    EXPECT_NE(told.find("an update was lost"), std::string::npos) << told;
    EXPECT_NE(told.find("simulate({.replay = \"" + all.replay() + "\"}"), std::string::npos) << told;
    EXPECT_NE(told.find("task 1 starts task 2"), std::string::npos) << told;
}

TEST(Exploration, RunsAsManyAsAskedForWhenNothingFails) {
    const auto all = explore({.runs = 123}, []() -> task<void> {
        sluice::wait_group wg;
        for (int i = 0; i < 5; ++i) wg.go([]() -> task<void> { co_await sluice::yield(); });
        co_await wg.async_wait();
    });
    EXPECT_FALSE(all.failed());
    EXPECT_EQ(all.runs(), 123u);
    EXPECT_GT(all.distinct(), 100u);
    EXPECT_FALSE(all.complete());
}

TEST(Exploration, ADeadlockOfOneScheduleIsFound) {
    const auto abba = []() -> task<void> {
        sluice::mutex a, b;
        sluice::wait_group both;  // joins them before the mutexes go
        both.go([&]() -> task<void> {
            const auto first = co_await a.async_lock();
            const auto second = co_await b.async_lock();
        });
        both.go([&]() -> task<void> {
            const auto first = co_await b.async_lock();
            const auto second = co_await a.async_lock();
        });
        co_await both.async_wait();
    };
    const auto all = explore({.diagnostics = silent()}, abba);
    EXPECT_THROW(all.check(), sluice::deadlock_error);
    const auto again = simulate({.replay = all.replay(), .diagnostics = silent()}, abba);
    EXPECT_TRUE(again.failed());
}

// Two tasks of three steps each, between which the main task does nothing: 6! / (3! * 3!).
TEST(Exploration, SeesEveryScheduleOfTwoTasksOnce) {
    const auto all = explore({.runs = 10'000, .everything = true}, []() -> task<void> {
        sluice::wait_group wg;
        for (int i = 0; i < 2; ++i)
            wg.go([]() -> task<void> {
                co_await sluice::yield();
                co_await sluice::yield();
            });
        co_await wg.async_wait();
    });
    EXPECT_TRUE(all.complete());
    EXPECT_EQ(all.runs(), 20u);
    EXPECT_EQ(all.distinct(), 20u);
}

// Three tasks of two steps each: 6! / (2! * 2! * 2!).
TEST(Exploration, SeesEveryScheduleOfThreeTasksOnce) {
    const auto all = explore({.runs = 10'000, .everything = true}, []() -> task<void> {
        sluice::wait_group wg;
        for (int i = 0; i < 3; ++i) wg.go([]() -> task<void> { co_await sluice::yield(); });
        co_await wg.async_wait();
    });
    EXPECT_TRUE(all.complete());
    EXPECT_EQ(all.runs(), 90u);
    EXPECT_EQ(all.distinct(), 90u);
}

// A shuffle of three cases, the first ready one wins: all are ready, so the first draw decides. Three paths.
TEST(Exploration, SeesEveryChoiceOfASelect) {
    std::multiset<std::size_t> taken;
    const auto all = explore({.runs = 10'000, .everything = true}, [&]() -> task<void> {
        sluice::channel<int> a{1}, b{1}, c{1};
        EXPECT_TRUE(a.try_send(1) && b.try_send(2) && c.try_send(3));
        const auto which =
            co_await sluice::async_select(sluice::on_receive(a), sluice::on_receive(b), sluice::on_receive(c));
        taken.insert(which);
    });
    EXPECT_TRUE(all.complete());
    EXPECT_EQ(all.runs(), 3u);
    EXPECT_EQ(taken, (std::multiset<std::size_t>{0, 1, 2}));
}

// SY-08: a task that a timer has woken may go on before another timer of the same moment fires.
TEST(Exploration, AnAnswerAtTheVeryDeadlineMayBeInTimeOrLate) {
    for (const bool everything : {false, true}) {
        std::set<bool> in_time;
        const auto all = explore({.runs = 1000, .everything = everything}, [&]() -> task<void> {
            const sluice::channel<int> answers{1};
            auto server = sluice::go([answers]() -> task<void> {
                co_await sluice::sleep_for(1s);
                EXPECT_TRUE(answers.try_send(1));
            });
            const auto answer = co_await sluice::timeout(1s, answers.async_receive());
            in_time.insert(answer.has_value());
            co_await server;
        });
        EXPECT_FALSE(all.failed());
        EXPECT_EQ(in_time, (std::set<bool>{false, true}));
    }
}

// Neither is ready, so two orders to look, and then two orders of the timers; the second one fires before the main task
// goes on, before the end of the run, or not at all.
TEST(Exploration, SeesEveryOrderOfTimersAtOneMoment) {
    std::multiset<std::size_t> taken;
    const auto all = explore({.runs = 10'000, .everything = true}, [&]() -> task<void> {
        const auto first = sluice::after(1s);
        const auto second = sluice::after(1s);
        const auto which = co_await sluice::async_select(sluice::on_receive(first), sluice::on_receive(second));
        taken.insert(which);
    });
    EXPECT_TRUE(all.complete());
    EXPECT_EQ(all.runs(), 12u);
    EXPECT_EQ(taken.count(0), 6u);
    EXPECT_EQ(taken.count(1), 6u);
}

TEST(Exploration, EverythingFindsWhatIsThere) {
    const auto all = explore({.runs = 10'000, .everything = true, .diagnostics = silent()}, lost_update);
    EXPECT_TRUE(all.failed());
    const auto again = simulate({.replay = all.replay()}, lost_update);
    EXPECT_EQ(sluice::detail::what_of(again.error()), "an update was lost");
}

// --- chaos --------------------------------------------------------------------------------------------------------

TEST(Chaos, AWaitMadeToFailThrowsWhatSaysSo) {
    int failures = 0;
    const auto run = simulate({.chaos = {.fail = 0.5}}, [&]() -> task<void> {
        for (int i = 0; i < 20; ++i) {
            auto h = sluice::go([]() -> task<void> {
                co_await sluice::sleep_for(1s);
                co_await sluice::sleep_for(1s);
            });
            try {
                co_await h;
            } catch (const sluice::testing::injected_failure&) {
                ++failures;
            }
        }
    });
    EXPECT_FALSE(run.failed());
    EXPECT_GT(failures, 3);
    EXPECT_LT(failures, 20);
}

TEST(Chaos, ATaskMadeToFailGoesOnAfterwards) {
    const auto run = simulate({.chaos = {.fail = 0.3}}, []() -> task<int> {
        auto h = sluice::go([]() -> task<int> {
            int done = 0;
            while (done < 50) {
                try {
                    co_await sluice::sleep_for(1s);
                    ++done;
                } catch (const sluice::testing::injected_failure&) {}
            }
            co_return done;
        });
        co_return co_await h;
    });
    EXPECT_FALSE(run.failed()) << sluice::detail::what_of(run.error());
}

TEST(Chaos, ACancelledTaskEndsCanceled) {
    int canceled = 0;
    const auto run = simulate({.chaos = {.cancel = 0.2}}, [&]() -> task<void> {
        for (int i = 0; i < 20; ++i) {
            auto h = sluice::go([]() -> task<void> {
                for (int k = 0; k < 3; ++k) co_await sluice::sleep_for(1s);
            });
            try {
                co_await h;
            } catch (const sluice::canceled&) {
                ++canceled;
            }
        }
    });
    EXPECT_FALSE(run.failed());
    EXPECT_GT(canceled, 3);
    EXPECT_LT(canceled, 20);
}

TEST(Chaos, AWaitThatHasBegunIsCancelledOrFailsToo) {
    for (const bool fails : {false, true}) {
        const sluice::testing::chaos wrong{.cancel = fails ? 0.0 : 0.5, .fail = fails ? 0.5 : 0.0};
        int ended = 0;  // the others wait for ever
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            auto run = simulate({.seed = seed, .chaos = wrong}, []() -> task<char> {
                sluice::channel<int> nobody_sends{0};
                auto h = sluice::go(
                    [nobody_sends]() -> task<void> { static_cast<void>(co_await nobody_sends.async_receive()); });
                try {
                    co_await h;
                } catch (const sluice::canceled&) {
                    co_return 'c';
                } catch (const sluice::testing::injected_failure&) {
                    co_return 'f';
                }
                co_return '-';
            });
            if (run.failed()) continue;
            ++ended;
            EXPECT_EQ(run.value(), fails ? 'f' : 'c');
        }
        EXPECT_GT(ended, 5);
        EXPECT_LT(ended, 20);
    }
}

TEST(Exploration, EverythingTriesAllThatAProgramLeavesOpen) {
    std::multiset<std::size_t> seen;
    const auto all = explore({.runs = 100, .everything = true},
                             [&] { seen.insert(10 * sluice::testing::choose(2) + sluice::testing::choose(3)); });
    EXPECT_TRUE(all.complete());
    EXPECT_EQ(seen, (std::multiset<std::size_t>{0, 1, 2, 10, 11, 12}));
    for (int i = 0; i < 100; ++i) EXPECT_LT(sluice::testing::choose(3), 3u);
}

TEST(Chaos, DelaysTakeVirtualTimeOnly) {
    const auto run = simulate({.chaos = {.delay = sluice::testing::distribution::constant(1min)}}, []() -> task<void> {
        for (int i = 0; i < 10; ++i) co_await sluice::yield();
    });
    EXPECT_FALSE(run.failed());
    EXPECT_EQ(run.elapsed(), 10min);
}

TEST(Chaos, TheSameSeedDoesTheSameWrong) {
    const auto program = []() -> task<void> {
        sluice::channel<int> ch{0};
        sluice::wait_group wg;
        for (int i = 0; i < 3; ++i) {
            wg.go([ch]() mutable -> task<void> {
                try {
                    for (int k = 0; k < 10; ++k) EXPECT_TRUE(co_await ch.async_send(k));
                } catch (const sluice::testing::injected_failure&) {}
            });
            wg.go([ch]() mutable -> task<void> {
                while (co_await sluice::timeout(1s, ch.async_receive())) {}
            });
        }
        co_await wg.async_wait();
    };
    const sluice::testing::chaos wrong{.delay = sluice::testing::distribution::exponential(10ms).with_probability(0.3),
                                       .fail = 0.02};
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
        EXPECT_EQ(simulate({.seed = seed, .chaos = wrong}, program).trace(),
                  simulate({.seed = seed, .chaos = wrong}, program).trace());
}

// --- leak_check ---------------------------------------------------------------------------------------------------

TEST(LeakCheck, AllowsWhatHasEnded) {
    EXPECT_NO_THROW(sluice::run([]() -> task<void> {
        const sluice::testing::leak_check nothing_is_left;
        co_await sluice::go([]() -> task<void> { co_await sluice::yield(); });
    }));
}

// LK-01
TEST(LeakCheck, ThrowsForATaskThatLives) {
    EXPECT_THROW(sluice::run([]() -> task<void> {
                     const sluice::testing::leak_check nothing_is_left;
                     sluice::go([]() -> task<void> { co_await sluice::sleep_for(1h); });
                     co_return;
                 }),
                 sluice::testing::leak_error);
}

TEST(LeakCheck, CountsWhatWasStartedByWhatWasStarted) {
    EXPECT_THROW(sluice::run([]() -> task<void> {
                     const sluice::testing::leak_check nothing_is_left;
                     co_await sluice::go([]() -> task<void> {
                         const auto limit = sluice::with_timeout(sluice::current_context(), 2h);
                         sluice::go(limit.get(),
                                    []() -> task<void> { co_await sluice::shielded(sluice::sleep_for(1ms)); });
                         co_return;
                     });
                 }),
                 sluice::testing::leak_error);
}

// LK-02
TEST(LeakCheck, DoesNotCountWhatWasStartedBeforeOrElsewhere) {
    EXPECT_NO_THROW(sluice::run([]() -> task<void> {
        auto before = sluice::go([]() -> task<void> { co_await sluice::sleep_for(1h); });
        {
            const sluice::testing::leak_check nothing_is_left;
            co_await sluice::yield();
        }
        before.cancel();
    }));
}

TEST(LeakCheck, SeesWhatAPlainThreadStarts) {
    EXPECT_THROW(
        {
            const sluice::testing::leak_check nothing_is_left;
            sluice::go([]() -> task<void> { co_await sluice::sleep_for(1h); });
        },
        sluice::testing::leak_error);
    EXPECT_NO_THROW({
        const sluice::testing::leak_check nothing_is_left;
        sluice::go([]() -> task<void> { co_await sluice::yield(); }).get();
    });
}

// --- eventually ---------------------------------------------------------------------------------------------------

TEST(Eventually, WaitsUntilItIsTrue) {
    std::atomic<bool> flag{false};
    const std::jthread sets{[&] { flag = true; }};
    EXPECT_TRUE(sluice::testing::eventually([&] { return flag.load(); }));
    EXPECT_FALSE(sluice::testing::eventually([] { return false; }, 1ms));
}

TEST(Eventually, TakesVirtualTimeInASimulation) {
    auto run = simulate({}, []() -> task<bool> {
        bool flag = false;
        auto h = sluice::go([&]() -> task<void> {
            co_await sluice::sleep_for(3s);
            flag = true;
        });
        const bool came = co_await sluice::testing::async_eventually([&] { return flag; });
        const bool never = co_await sluice::testing::async_eventually([] { return false; }, 1h);
        co_await h;
        co_return came && !never;
    });
    EXPECT_TRUE(run.value());
    EXPECT_GT(run.elapsed(), 1h);
}

}  // namespace
