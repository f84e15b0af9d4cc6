// SPDX-License-Identifier: BSL-1.0
// mixed_waiters_test.cpp: do threads and tasks wait on the same channels as equals?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <numeric>
#include <stop_token>
#include <vector>

#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

task<> send_numbers(channel<int> ch, int first, int count) {
    for (int i = 0; i < count; ++i)
        if (!co_await ch.async_send(first + i)) co_return;
}
void send_numbers_blocking(channel<int> ch, int first, int count) {
    for (int i = 0; i < count; ++i)
        if (!ch.send(first + i)) return;
}
task<std::vector<int>> receive_all(channel<int> ch) {
    std::vector<int> all;
    while (const auto v = co_await ch.async_receive()) all.push_back(*v);
    co_return all;
}
std::vector<int> receive_all_blocking(channel<int> ch) {
    std::vector<int> all;
    for (const int v : ch) all.push_back(v);
    return all;
}
std::vector<int> numbers(int count) {
    std::vector<int> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

class MixedWaiters : public testing::TestWithParam<std::size_t> {
protected:
    const channel<int> ch{GetParam()};
    sluice::runtime rt{workers(2)};
};
INSTANTIATE_TEST_SUITE_P(Capacity, MixedWaiters, testing::Values(0, 1, 2, 64), testing::PrintToStringParamName());

// MX-01
TEST_P(MixedWaiters, ATaskReceivesInOrderWhatAThreadSends) {
    auto receiving = rt.go(receive_all, ch);
    send_numbers_blocking(ch, 0, 500);
    ch.close();
    EXPECT_EQ(receiving.get(), numbers(500));
}

// MX-01
TEST_P(MixedWaiters, AThreadReceivesInOrderWhatATaskSends) {
    auto sending = rt.go(send_numbers, ch, 0, 500);
    std::vector<int> all;
    while (all.size() < 500) all.push_back(*ch.receive());
    sending.get();
    EXPECT_EQ(all, numbers(500));
}

// MX-01: each sender's values stay in order, and none is lost or doubled.
TEST_P(MixedWaiters, ThreadsAndTasksOnBothEndsLoseNothing) {
    constexpr int each = 300;
    auto collected = std::vector<std::vector<int>>{};
    {
        threads by;
        auto task_a = rt.go(receive_all, ch);
        auto task_b = rt.go(receive_all, ch);
        auto thread_a = by.start(receive_all_blocking, 0, ch);
        auto thread_b = by.start(receive_all_blocking, 0, ch);
        auto from_task_a = rt.go(send_numbers, ch, 0, each);
        auto from_task_b = rt.go(send_numbers, ch, each, each);
        auto from_thread = by.start(send_numbers_blocking, 0, ch, 2 * each, each);
        send_numbers_blocking(ch, 3 * each, each);
        from_thread.get();
        from_task_a.get();
        from_task_b.get();
        ch.close();
        collected = {task_a.get(), task_b.get(), thread_a.get(), thread_b.get()};
    }
    std::vector<int> all;
    for (const auto& part : collected) {
        for (int sender = 0; sender < 4; ++sender) {
            std::vector<int> of_one;
            std::ranges::copy_if(part, std::back_inserter(of_one), [&](int v) { return v / each == sender; });
            EXPECT_TRUE(std::ranges::is_sorted(of_one));
        }
        all.insert(all.end(), part.begin(), part.end());
    }
    std::ranges::sort(all);
    EXPECT_EQ(all, numbers(4 * each));
}

// MX-01
TEST(MixedWaiting, ThreadsAndTasksAreServedInOneQueue) {
    sluice::runtime rt{workers(2)};
    const channel<int> ch{0};
    threads by_threads;
    tasks by_tasks;
    auto first = start_receive(by_threads, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    auto second = start_receive(by_tasks, ch);
    eventually([&] { return receivers_waiting(ch) == 2; });
    auto third = start_receive(by_threads, ch);
    eventually([&] { return receivers_waiting(ch) == 3; });
    auto fourth = start_receive(by_tasks, ch);
    eventually([&] { return receivers_waiting(ch) == 4; });
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(ch.try_send(i));
    ch.close();
    EXPECT_EQ(*first.get(), 1);
    EXPECT_EQ(*second.get(), 2);
    EXPECT_EQ(*third.get(), 3);
    EXPECT_EQ(fourth.get().why(), status::closed);
}

// MX-02, T28
TEST(MixedWaiting, SelectsOfAThreadAndOfATaskShareTwoChannels) {
    constexpr int count = 2000;
    sluice::runtime rt{workers(2)};
    const channel<int> a{0};
    const channel<int> b{1};
    auto sum_of_task = rt.go(
        [](channel<int> x, channel<int> y) -> task<long> {
            long sum = 0;
            for (;;) {
                sluice::received<int> v;
                static_cast<void>(co_await sluice::async_select(on_receive(x, v), on_receive(y, v)));
                if (!v) co_return sum;
                sum += *v;
            }
        },
        a, b);
    threads by;
    auto sum_of_thread = by.start(
        [](channel<int> x, channel<int> y) {
            long sum = 0;
            for (;;) {
                sluice::received<int> v;
                sluice::select(on_receive(y, v), on_receive(x, v));
                if (!v) return sum;
                sum += *v;
            }
        },
        0, a, b);
    auto sending = rt.go(send_numbers, a, 0, count);
    for (int i = 0; i < count; ++i) sluice::select(on_send(a, i), on_send(b, i));
    sending.get();
    eventually([&] { return b.size() == 0; });
    a.close();
    b.close();
    EXPECT_EQ(sum_of_task.get() + sum_of_thread.get(), 2L * count * (count - 1) / 2);
}

// MX-03
TEST(MixedWaiting, ManyTasksOfOneWorkerPairOverOneRendezvous) {
    constexpr int tasks_of_a_kind = 1000;
    sluice::runtime rt{workers(1)};
    const channel<int> ch{0};
    std::vector<sluice::join_handle<int>> receiving;
    std::vector<sluice::join_handle<bool>> sending;
    for (int i = 0; i < tasks_of_a_kind; ++i) {
        receiving.push_back(rt.go([](channel<int> c) -> task<int> { co_return *co_await c.async_receive(); }, ch));
        sending.push_back(rt.go(
            [](channel<int> c, int v) -> task<bool> {
                const auto sent = co_await c.async_send(v);
                co_return static_cast<bool>(sent);
            },
            ch, i));
    }
    for (auto& s : sending) EXPECT_TRUE(s.get());
    long sum = 0;
    for (auto& r : receiving) sum += r.get();
    EXPECT_EQ(sum, long{tasks_of_a_kind} * (tasks_of_a_kind - 1) / 2);
    EXPECT_TRUE(nobody_waits(ch));
}

// MX-04
TEST(MixedWaiting, AStopMayBeRequestedFromTheBodyOfACase) {
    const auto stop = sluice::with_cancel({});
    const channel<int> ch{1};
    ASSERT_TRUE(ch.send(1));
    threads by;
    auto other = start_receive(by, channel<int>{}, stop.get());
    EXPECT_EQ(sluice::select(on_receive(ch, [&](sluice::received<int>) { stop.cancel(); }), sluice::on_done(stop)), 0u);
    EXPECT_EQ(other.get().why(), status::canceled);
    EXPECT_EQ(sluice::select(on_receive(ch), sluice::on_done(stop)), 1u);
}

// MX-04: who wakes one waiter asks another to stop, in a stop callback.
TEST(MixedWaiting, AStopMayBeRequestedFromACallbackThatWakesWaiters) {
    const channel<int> ch{0};
    const channel<int> never{0};
    threads by_threads;
    tasks by_tasks;
    const auto other = sluice::with_cancel({});
    auto woken = start_receive(by_tasks, ch);
    auto thread = start_receive(by_threads, never, other.get());
    auto task = start_receive(by_tasks, never, other.get());
    eventually([&] { return receivers_waiting(ch) == 1 && receivers_waiting(never) == 2; });
    std::stop_source source;
    const std::stop_callback wake_and_stop{source.get_token(), [&] {
                                               EXPECT_TRUE(ch.try_send(1));
                                               other.cancel();
                                               EXPECT_TRUE(ch.close());
                                           }};
    source.request_stop();
    EXPECT_EQ(*woken.get(), 1);
    EXPECT_EQ(thread.get().why(), status::canceled);
    EXPECT_EQ(task.get().why(), status::canceled);
    EXPECT_TRUE(nobody_waits(never));
}

// MX-04: the value that goes with the channel cancels those who wait elsewhere.
TEST(MixedWaiting, AStopMayBeRequestedFromTheDestructorOfAValue) {
    const channel<int> never{0};
    threads by_threads;
    tasks by_tasks;
    auto source = sluice::with_cancel({});
    auto thread = start_receive(by_threads, never, source.get());
    auto task = start_receive(by_tasks, never, source.get());
    eventually([&] { return receivers_waiting(never) == 2; });
    {
        const channel<sluice::context_source> ch{1};
        ASSERT_TRUE(ch.send(std::move(source)));
    }
    EXPECT_EQ(thread.get().why(), status::canceled);
    EXPECT_EQ(task.get().why(), status::canceled);
    EXPECT_TRUE(nobody_waits(never));
}

// MX-04: values destroyed by the close of their channel's last receiver.
TEST(MixedWaiting, TheDestructorOfADiscardedValueMayUseItsOwnChannel) {
    struct asks_its_channel {
        explicit asks_its_channel(channel<int>* r) noexcept : report{r} {}
        asks_its_channel(asks_its_channel&& other) noexcept
            : back{std::move(other.back)}, report{std::exchange(other.report, nullptr)} {}
        asks_its_channel& operator=(asks_its_channel&&) = delete;
        ~asks_its_channel() {
            if (report) static_cast<void>(report->try_send(static_cast<int>(back.size())));
        }
        sluice::sender<std::unique_ptr<asks_its_channel>> back;
        channel<int>* report;
    };
    channel<int> report{2};
    auto [in, out] = sluice::make_channel<std::unique_ptr<asks_its_channel>>(2);
    for (int i = 0; i < 2; ++i) {
        auto v = std::make_unique<asks_its_channel>(&report);
        v->back = in;
        ASSERT_TRUE(in.send(std::move(v)));
    }
    out = {};
    EXPECT_EQ(report.receive_some(2), (std::vector{0, 0}));
}

// MX-08: a queue that is searched for each would take 10^10 steps.
TEST(MixedWaiting, AHundredThousandWaitersOfOneChannelAreCancelledInNoTime) {
    constexpr int waiters = 100'000;
    sluice::runtime rt{workers(2)};
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    std::atomic<int> canceled{0};
    for (int i = 0; i < waiters; ++i)
        rt.go(
            [](channel<int> c, sluice::context u, std::atomic<int>* n) -> task<> {
                const auto v = co_await c.async_receive(u);
                *n += v == status::canceled;
            },
            ch, stop.get(), &canceled);
    eventually([&] { return receivers_waiting(ch) == waiters; });
    stop.cancel();
    eventually([&] { return canceled == waiters; });
    EXPECT_TRUE(nobody_waits(ch));
}

// CH-19: likewise when they are served.
TEST(MixedWaiting, AHundredThousandWaitersAreServedInArrivalOrderInNoTime) {
    constexpr int waiters = 100'000;
    sluice::runtime rt{workers(1)};
    const channel<int> ch{0};
    std::atomic<int> arrived{0};
    std::atomic<int> served_in_turn{0};
    for (int i = 0; i < waiters; ++i)
        rt.go(
            [](channel<int> c, std::atomic<int>* before, std::atomic<int>* right) -> task<> {
                const int turn = (*before)++;  // one worker: nobody comes between this and the wait
                const auto v = co_await c.async_receive();
                *right += *v == turn;
            },
            ch, &arrived, &served_in_turn);
    // Before the channel is asked, which locks it for long: the worker would wait, and get a stand-in.
    eventually([&] { return arrived == waiters; });
    eventually([&] { return receivers_waiting(ch) == waiters; });
    for (int i = 0; i < waiters; ++i) ASSERT_TRUE(ch.try_send(i));
    eventually([&] { return served_in_turn == waiters; });
}

// MX-09: the only worker blocks in a task; another thread stands in, so its partner still runs.
TEST(MixedWaiting, ABlockingFormOnTheOnlyWorkerStarvesNobody) {
    sluice::runtime rt{workers(1)};
    const channel<int> ch{0};
    const channel<int> answers{0};
    auto blocking = rt.go(
        [](channel<int> c, channel<int> out) -> task<int> {
            const int got = *c.receive();                           // blocks the worker's thread
            const int more = co_await out.async_send(got) ? 1 : 0;  // and goes on as a task
            co_return got + more;
        },
        ch, answers);
    eventually([&] { return receivers_waiting(ch) == 1; });
    auto partner = rt.go([](channel<int> c) -> task<> { static_cast<void>(co_await c.async_send(41)); }, ch);
    EXPECT_EQ(*answers.receive(), 41);
    EXPECT_EQ(blocking.get(), 42);
    partner.get();
    EXPECT_GE(rt.metrics().stand_ins, 1u);
}

}  // namespace
