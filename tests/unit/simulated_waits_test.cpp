// SPDX-License-Identifier: BSL-1.0
// simulated_waits_test.cpp: which waits let virtual time go on, and what is visible after them?
#include <gtest/gtest.h>

#include <sluice/sluice.hpp>
#include <sluice/testing.hpp>

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using sluice::task;
using sluice::testing::explore;
using sluice::testing::simulate;

std::function<void(std::string_view)> silent() {
    return [](std::string_view) {};
}

/// Starts `waits` beside a task that sleeps for a day. Were the wait not durable, the clock would stand still for it.
template <class Waits>
void expect_durable(const char* what, Waits waits) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        auto run = simulate({.seed = seed, .diagnostics = silent()}, [&]() -> task<bool> {
            sluice::wait_group started;
            started.go(waits);
            co_await sluice::sleep_for(24h);
            const bool waited = started.count() == 1;
            started.cancel();
            co_await started.async_wait();
            co_return waited;
        });
        EXPECT_FALSE(run.failed()) << what << ": " << sluice::detail::what_of(run.error());
        EXPECT_TRUE(run.value()) << what << " did not wait";
        EXPECT_EQ(run.elapsed(), 24h) << what;
    }
}

// SY-02
TEST(SimulatedWait, OfATaskByAnyPrimitiveLetsTheTimeGoOn) {
    expect_durable("receive", []() -> task<void> {
        const sluice::channel<int> empty{1};
        static_cast<void>(co_await empty.async_receive());
    });
    expect_durable("send", []() -> task<void> {
        const sluice::channel<int> rendezvous{0};
        static_cast<void>(co_await rendezvous.async_send(1));
    });
    expect_durable("nil channel", []() -> task<void> {
        const sluice::channel<int> nil;
        static_cast<void>(co_await nil.async_receive());
    });
    expect_durable("select", []() -> task<void> {
        const sluice::channel<int> a{0}, b{0};
        co_await sluice::async_select(sluice::on_receive(a), sluice::on_send(b, 1));
    });
    expect_durable("semaphore", []() -> task<void> {
        sluice::semaphore one{1};
        co_await one.async_acquire();
        co_await one.async_acquire();
    });
    expect_durable("wait group", []() -> task<void> {
        sluice::wait_group others;
        others.go([]() -> task<void> { co_await sluice::sleep_for(std::chrono::years{1}); });
        co_await others.async_wait();
    });
    expect_durable("mutex", []() -> task<void> {
        sluice::mutex m;
        const auto mine = co_await m.async_lock();
        sluice::wait_group other;
        other.go([&]() -> task<void> { const auto theirs = co_await m.async_lock(); });
        co_await other.async_wait();
    });
    expect_durable("shared mutex", []() -> task<void> {
        sluice::shared_mutex m;
        const auto mine = co_await m.async_lock();
        sluice::wait_group other;
        other.go([&]() -> task<void> { const auto theirs = co_await m.async_lock_shared(); });
        co_await other.async_wait();
    });
    expect_durable("condition", []() -> task<void> {
        sluice::mutex m;
        sluice::condition never;
        const auto guard = co_await m.async_lock();
        co_await never.async_wait(guard, [] { return false; });
    });
    expect_durable("join", []() -> task<void> {
        co_await sluice::go([]() -> task<void> { co_await sluice::sleep_for(std::chrono::years{1}); });
    });
    expect_durable("context", []() -> task<void> {
        const auto source = sluice::with_cancel(sluice::context::background());
        co_await sluice::async_select(sluice::on_done(source.get()));
    });
}

// SY-02
TEST(SimulatedWait, OfABlockingCallableLetsTheTimeGoOn) {
    expect_durable("receive", [] { static_cast<void>(sluice::channel<int>{0}.receive()); });
    expect_durable("select", [] {
        const sluice::channel<int> a{0}, b{0};
        sluice::select(sluice::on_receive(a), sluice::on_receive(b));
    });
    expect_durable("wait group", [] {
        sluice::wait_group others;
        others.go([]() -> task<void> { co_await sluice::sleep_for(std::chrono::years{1}); });
        others.wait();
    });
}

// SY-04
TEST(SimulatedWait, WhatIsReadyComesBeforeTheNextTimerAndThatBeforeADeadlock) {
    auto run = simulate({.diagnostics = silent()}, []() -> task<void> {
        const sluice::channel<int> nobody_sends{0};
        int yielded = 0;
        sluice::wait_group other;
        other.go([&]() -> task<void> {
            co_await sluice::sleep_for(1h);
            EXPECT_EQ(yielded, 100);
        });
        for (; yielded < 100; ++yielded) co_await sluice::yield();
        static_cast<void>(co_await nobody_sends.async_receive());
    });
    EXPECT_THROW(run.value(), sluice::deadlock_error);
    EXPECT_EQ(run.elapsed(), 1h);
}

// SY-07
TEST(SimulatedWaitDeathTest, AThreadOutsideThatWakesATaskEndsTheProgram) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    const auto wakes_from_outside = [] {
        static_cast<void>(simulate({}, []() -> task<void> {
            const sluice::channel<int> ch{0};
            auto outside = sluice::go([ch] { std::thread{[ch] { static_cast<void>(ch.try_send(1)); }}.join(); });
            static_cast<void>(co_await ch.async_receive());
            co_await outside;
        }));
    };
    EXPECT_DEATH(for (int tries = 0; tries < 20; ++tries) wakes_from_outside(), "a thread outside of a simulation has");
}

// SY-08b
TEST(SimulatedWait, ATimeOfNothingIsReadyAtOnceAlsoAfterAReset) {
    auto run = simulate({}, []() -> task<void> {
        const auto now = sluice::after(0s);
        static_cast<void>(co_await now.async_receive());
        sluice::ticker again{1h};
        again.reset(1ns);
        static_cast<void>(co_await again.ticks().async_receive());
        co_await sluice::sleep_for(0s);
    });
    EXPECT_FALSE(run.failed()) << sluice::detail::what_of(run.error());
    EXPECT_EQ(run.elapsed(), 1ns);
}

// SY-09
TEST(SimulatedWait, WhatOthersDidBeforeIsVisibleAfterIt) {
    const auto all = explore({.runs = 200}, []() -> task<void> {
        int plain = 0;  // by tasks and by threads, without a lock: the thread sanitizer watches
        sluice::wait_group both;
        for (int i = 0; i < 3; ++i) {
            both.go([&] {
                ++plain;
                static_cast<void>(sluice::after(1s).receive());
                ++plain;
            });
            both.go([&]() -> task<void> {
                ++plain;
                co_await sluice::sleep_for(1s);
                ++plain;
            });
        }
        co_await sluice::sleep_for(500ms);
        EXPECT_EQ(plain, 6);
        co_await both.async_wait();
        EXPECT_EQ(plain, 12);
    });
    EXPECT_FALSE(all.failed()) << all.text();
}

}  // namespace
