// SPDX-License-Identifier: BSL-1.0
// context_stress_test.cpp: does everything end once when contexts are derived, entered, ended and dropped at random?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/sluice.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::context;
using sluice::context_source;
using sluice::runtime;
using sluice::status;
using sluice::task;
using sluice_test::counted;
using sluice_test::eventually;
using sluice_test::random_numbers;
using sluice_test::stress_time;

// CX-15, CX-17
TEST(ContextStress, WhatIsRegisteredEitherRunsOnceOrIsStopped) {
    struct here;
    std::atomic<long> registered{0};
    std::atomic<long> ran{0};
    std::atomic<long> stopped{0};
    const stress_time time;
    {
        std::vector<std::jthread> threads;
        for (unsigned seed = 1; seed <= 3; ++seed)
            threads.emplace_back([&, seed] {
                random_numbers random{seed};
                while (time.goes_on()) {
                    const auto source = sluice::with_cancel({});
                    const auto other = sluice::with_cancel({});
                    const auto both = sluice::any_of(source, other);
                    std::vector<sluice::after_func_handle> handles;
                    for (int i = 0; i < 8; ++i) {
                        ++registered;
                        handles.push_back(
                            sluice::after_func(i % 2 ? both : source, [&ran, value = counted<here>{i}] { ++ran; }));
                    }
                    const std::jthread ending{[&] { (random.below(2) ? source : other).cancel(); }};
                    for (const auto& h : handles)
                        if (h.stop()) ++stopped;
                }
            });
    }
    EXPECT_TRUE(eventually([&] { return ran + stopped == registered; }));
    EXPECT_TRUE(eventually([&] { return counted<here>::live() == 0; }));
}

// Runs of tasks that register for the end of a context which ends while their run does.
TEST(ContextStress, WhatIsRegisteredRunsOnceThoughItsRunEnds) {
    std::atomic<long> registered{0};
    std::atomic<long> ran{0};
    for (const stress_time time; time.goes_on();) {
        const auto source = sluice::with_cancel({});
        const auto main = [](context c, std::atomic<long>& all, std::atomic<long>& to) -> task<> {
            for (int i = 0; i < 4; ++i) {
                ++all;
                if (i % 2) {
                    static_cast<void>(sluice::after_func(c, [&to] { ++to; }));
                } else {
                    const auto f = [&to]() -> task<> {
                        ++to;
                        co_return;
                    };
                    static_cast<void>(sluice::after_func(c, f));
                }
            }
            co_await sluice::yield();
        };
        const std::jthread ending{[&] { source.cancel(); }};
        sluice::run(sluice_test::workers(2), main, source.get(), std::ref(registered), std::ref(ran));
    }
    EXPECT_TRUE(eventually([&] { return ran == registered; }));
}

// TI-01, TI-02: one controls, all receive; a tick that is due before the last reset never comes after it.
TEST(ContextStress, TickersAreResetWhileTheyTickForThreadsAndTasks) {
    std::atomic<sluice::clock::rep> reset_at{sluice::clock::now().time_since_epoch().count()};
    const sluice::ticker ticks{50us};
    std::atomic<long> received{0};
    std::atomic<long> stale{0};
    std::mutex between;
    const stress_time time;
    {
        std::jthread receiving{[&] {
            while (time.goes_on()) {
                // Received and compared with no reset in between.
                const std::lock_guard still{between};
                const auto tick = ticks.ticks().try_receive();
                if (!tick) continue;
                ++received;
                if (tick->time_since_epoch().count() < reset_at) ++stale;
            }
        }};
        runtime rt{sluice_test::workers(2)};
        const auto in_task = [](sluice::receiver<sluice::clock::time_point> from, std::atomic<long>& to) -> task<> {
            for (;;) {
                const auto v = co_await sluice::timeout(1ms, from.async_receive());
                if (v) ++to;
                else if (v == status::closed) co_return;
            }
        };
        auto h = rt.go(in_task, ticks.ticks(), std::ref(received));
        for (random_numbers random{1}; time.goes_on();) {
            {
                const std::lock_guard nobody{between};
                if (random.below(3) == 0) ticks.stop();
                reset_at = sluice::clock::now().time_since_epoch().count();
                ticks.reset(std::chrono::microseconds{10 + random.below(80)});
            }
            if (random.below(2)) std::this_thread::sleep_for(std::chrono::microseconds{random.below(150)});
        }
        h.cancel();
        EXPECT_THROW(h.get(), canceled);
    }
    EXPECT_EQ(stale, 0);
    EXPECT_GT(received, 0);
}

task<> wander(channel<int> never, unsigned seed, int depth);

task<> one_step(channel<int> never, unsigned seed, int depth) {
    random_numbers random{seed};
    const auto kind = random.below(5);
    const auto limit = std::chrono::microseconds{random.below(200)};
    if (depth == 0 || kind == 0) {
        static_cast<void>(co_await sluice::timeout(limit, never.async_receive()));
    } else if (kind == 1) {
        static_cast<void>(co_await sluice::timeout(limit, wander(never, seed + 1, depth - 1)));
    } else if (kind == 2) {
        const auto source = sluice::with_timeout(sluice::current_context(), limit);
        co_await sluice::under(source, wander(never, seed + 2, depth - 1));
    } else if (kind == 3) {
        const auto a = sluice::with_timeout({}, limit);
        const auto both = sluice::any_of(a, sluice::current_context());
        co_await sluice::under(both, wander(never, seed + 3, depth - 1));
    } else {
        const status end = co_await sluice::shielded(sluice::timeout(limit, wander(never, seed + 4, depth - 1)));
        static_cast<void>(end);
    }
}

// Ends by a limit somewhere in it, or with its task.
task<> wander(channel<int> never, unsigned seed, int depth) {
    for (unsigned i = 0; i < 3; ++i) co_await one_step(never, seed * 31 + i, depth);
    static_cast<void>(co_await never.async_receive());
}

// A scope that is left restores what was around it, however it was ended: the task still ends with its handle.
TEST(ContextStress, ScopesOfAllKindsNestAndEndWhileTheirTasksAreCancelled) {
    const channel<int> never{0};
    runtime rt{sluice_test::workers(2)};
    unsigned seed = 1;
    for (const stress_time time; time.goes_on();) {
        std::vector<sluice::join_handle<void>> all;
        for (int i = 0; i < 20; ++i) {
            const auto f = [](channel<int> ch, unsigned s) -> task<> {
                for (;; ++s) static_cast<void>(co_await sluice::timeout(500us, wander(ch, s, 3)));
            };
            all.push_back(rt.go(f, never, ++seed));
        }
        std::this_thread::sleep_for(std::chrono::microseconds{seed % 3'000});
        for (auto& h : all) h.cancel();
        for (auto& h : all) EXPECT_THROW(h.get(), canceled);
    }
}

// CX-21
TEST(ContextStress, TreesWithTwoParentsEndWhileTheyGrow) {
    unsigned round = 0;
    for (const stress_time time; time.goes_on(); ++round) {
        const auto a = sluice::with_cancel({});
        const auto b = sluice::with_cancel({});
        std::atomic<int> begun{0};
        std::vector<context> seen[2];
        {
            std::vector<std::jthread> growing;
            for (unsigned t = 0; t < 2; ++t)
                growing.emplace_back([&, t] {
                    random_numbers random{round * 2 + t + 1};
                    std::vector<context_source> mine;
                    mine.push_back(sluice::any_of(t ? a : b, t ? b : a));
                    ++begun;
                    for (int i = 0; i < 30; ++i) {
                        const context& from = mine[random.next() % mine.size()];
                        const context& also = mine[random.next() % mine.size()];
                        mine.push_back(random.below(2) ? sluice::any_of(from, also) : sluice::with_timeout(from, 1h));
                        seen[t].push_back(mine.back());
                    }
                    while (!a.get().done() && !b.get().done()) std::this_thread::yield();
                    for (const auto& s : mine) EXPECT_TRUE(eventually([&] { return s.get().done(); }));
                });
            while (begun < 2) std::this_thread::yield();
            (round % 2 ? a : b).cancel();
        }
        for (const auto& s : seen)
            for (const auto& c : s) ASSERT_TRUE(c.done());
    }
}

}  // namespace
