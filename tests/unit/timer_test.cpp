// SPDX-License-Identifier: BSL-1.0
// timer_test.cpp: when does a sleep end, and does a timeout ever cost a result?

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/timer.hpp>

#include "../support/eventually.hpp"
#include "../support/virtual_time.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::runtime;
using sluice::status;
using sluice::task;
using sluice_test::eventually;
using sluice_test::receivers_waiting;

sluice::run_options one_worker() {
    sluice::run_options options;
    options.workers = 1;
    return options;
}

// --- sleeping ------------------------------------------------------------------------------------------------------

TEST(Sleep, LastsAtLeastAsLongAsItSays) {
    const auto main = []() -> task<bool> {
        const auto begin = sluice::clock::now();
        co_await sluice::sleep_for(5ms);
        const auto end = sluice::clock::now();
        co_await sluice::sleep_until(end + 2ms);
        co_return end - begin >= 5ms && sluice::clock::now() >= end + 2ms;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Sleep, IntoThePastReturnsAtOnce) {
    const auto main = []() -> task<> {
        co_await sluice::sleep_for(0ms);
        co_await sluice::sleep_for(-1h);
        co_await sluice::sleep_until(sluice::clock::time_point::min());
    };
    sluice::run(main);
}

TEST(Sleep, PastTheEndOfTimeLastsUntilItIsCancelled) {
    runtime rt;
    const auto f = []() -> task<> { co_await sluice::sleep_for(std::chrono::hours::max()); };
    auto h = rt.go(f);
    EXPECT_FALSE(h.done());
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

TEST(Sleep, TakesAnyKindOfDuration) {
    const auto main = []() -> task<bool> {
        const auto begin = sluice::clock::now();
        co_await sluice::sleep_for(std::chrono::duration<double, std::milli>{2.5});
        co_return sluice::clock::now() - begin == 2500us;
    };
    EXPECT_TRUE(sluice_test::in_virtual_time(main));
}

// On one worker tasks wake in the order of their times, and of their calls where these are equal.
TEST(Sleep, SleepersWakeInTheOrderOfTheirTimes) {
    const auto main = []() -> task<std::string> {
        std::string order;
        const auto f = [](std::string& to, char name, sluice::clock::time_point until) -> task<> {
            co_await sluice::sleep_until(until);
            to += name;
        };
        const auto start = sluice::clock::now() + 20ms;
        std::vector<sluice::join_handle<void>> all;
        const int times[] = {3, 1, 4, 0, 2};
        for (const int t : times) {
            all.push_back(sluice::go(f, std::ref(order), static_cast<char>('a' + t), start + t * 1ms));
        }
        for (auto& h : all) co_await h;
        co_return order;
    };
    EXPECT_EQ(sluice::run(one_worker(), main), "abcde");
}

TEST(Sleep, ManySleepersAllWake) {
    const auto main = []() -> task<int> {
        int woken = 0;
        const auto f = [](int& n, int i) -> task<> {
            co_await sluice::sleep_for(std::chrono::microseconds{(i * 7919) % 20'000});
            ++n;
        };
        std::vector<sluice::join_handle<void>> all;
        for (int i = 0; i < 10'000; ++i) all.push_back(sluice::go(f, std::ref(woken), i));
        for (auto& h : all) co_await h;
        co_return woken;
    };
    EXPECT_EQ(sluice::run(one_worker(), main), 10'000);
}

TEST(Sleep, ManySleepersAreCancelledAndLeaveNoTimerBehind) {
    runtime rt;
    const auto f = []() -> task<> { co_await sluice::sleep_for(1h); };
    std::vector<sluice::join_handle<void>> all;
    for (int i = 0; i < 10'000; ++i) all.push_back(rt.go(f));
    for (auto& h : all) h.cancel();
    for (auto& h : all) EXPECT_THROW(h.get(), canceled);
    // With a timer left behind a later sleeper would not be the next one due.
    const auto short_sleep = []() -> task<> { co_await sluice::sleep_for(1ms); };
    rt.go(short_sleep).get();
}

TEST(Sleep, AnEarlierTimerFromAnotherThreadIsNotOverslept) {
    runtime rt;
    const auto sleep = [](sluice::clock::duration d) -> task<> { co_await sluice::sleep_for(d); };
    auto late = rt.go(sleep, 1h);
    std::this_thread::sleep_for(5ms);  // until a worker sleeps for the late one
    for (int i = 0; i < 50; ++i) rt.go(sleep, 1ms).get();
    late.cancel();
    EXPECT_THROW(late.get(), canceled);
}

// --- timeouts ------------------------------------------------------------------------------------------------------

TEST(Timeout, EndsAWaitThatTakesTooLong) {
    const auto main = []() -> task<bool> {
        const channel<int> ch{0};
        const auto received = co_await sluice::timeout(1ms, ch.async_receive());
        int value = 5;
        const auto sent = co_await sluice::timeout(1ms, ch.async_send(value));
        co_return received == status::timed_out&& sent == status::timed_out&& sluice_test::nobody_waits(ch);
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Timeout, LeavesAValueThatWasNotSentWithItsOwner) {
    const auto main = []() -> task<bool> {
        const channel<std::unique_ptr<int>> ch{0};
        auto value = std::make_unique<int>(1);
        const auto sent = co_await sluice::timeout(1ms, ch.async_send(std::move(value)));
        co_return sent == status::timed_out&& value && *value == 1;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Timeout, OfZeroStillTakesWhatIsReady) {
    const auto main = []() -> task<bool> {
        const channel<int> ch{1};
        static_cast<void>(co_await ch.async_send(4));
        const auto v = co_await sluice::timeout(0ms, ch.async_receive());
        const auto nothing = co_await sluice::timeout(0ms, ch.async_receive());
        co_return v && *v == 4 && nothing == status::timed_out;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Timeout, ThatIsNotReachedChangesNothing) {
    const auto main = []() -> task<int> {
        const channel<int> ch{0};
        const auto sender = [](channel<int> c) -> task<> {
            for (int i = 0; i < 1'000; ++i) static_cast<void>(co_await sluice::timeout(1h, c.async_send(1)));
        };
        auto h = sluice::go(sender, ch);
        int sum = 0;
        for (int i = 0; i < 1'000; ++i) {
            const auto v = co_await sluice::timeout(1h, ch.async_receive());
            sum += *v;
        }
        co_await h;
        co_return sum;
    };
    EXPECT_EQ(sluice::run(main), 1'000);
}

TEST(Timeout, EndsWithTheSurroundingContextFirst) {
    runtime rt;
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<> { static_cast<void>(co_await sluice::timeout(1h, c.async_receive())); };
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

// T9: what is sent is either received or still with the sender, however the timeouts fall.
TEST(Timeout, NeverEatsAValue) {
    const channel<int> ch{0};
    long sent_sum = 0;
    long received_sum = 0;
    std::atomic<bool> over{false};
    const auto receiver = [](channel<int> c, long& sum, std::atomic<bool>& end) -> task<> {
        for (int i = 0; !end; ++i) {
            auto v = co_await sluice::timeout(std::chrono::microseconds{i % 50}, c.async_receive());
            if (v) sum += *v;
            else if (v == status::closed) co_return;
        }
    };
    runtime rt;
    auto h = rt.go(receiver, ch, std::ref(received_sum), std::ref(over));
    const auto end = sluice::clock::now() + 300ms;
    for (int i = 1; sluice::clock::now() < end; ++i)
        if (ch.send_for(i, std::chrono::microseconds{(i * 13) % 50})) sent_sum += i;
    over = true;
    ch.close();
    h.get();
    EXPECT_EQ(received_sum, sent_sum);
    EXPECT_GT(sent_sum, 0);
}

TEST(Timeout, OfThreadsEndsABlockingWait) {
    const channel<int> ch{0};
    const auto begin = sluice::clock::now();
    EXPECT_EQ(ch.receive_for(5ms), status::timed_out);
    EXPECT_GE(sluice::clock::now() - begin, 5ms);
    EXPECT_EQ(ch.receive_until(sluice::clock::now() - 1s), status::timed_out);
    EXPECT_TRUE(sluice_test::nobody_waits(ch));
}

TEST(Clock, IsTheSteadyClock) {
    const auto before = std::chrono::steady_clock::now();
    const sluice::clock::time_point now = sluice::clock::now();
    EXPECT_LE(before, now);
    EXPECT_LE(now, std::chrono::steady_clock::now());
}

}  // namespace
