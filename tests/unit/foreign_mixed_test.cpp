// SPDX-License-Identifier: BSL-1.0
// foreign_mixed_test.cpp: do threads, tasks and foreign coroutines wait on the same channels as equals?

#include <sluice/sluice.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <numeric>
#include <thread>
#include <vector>

#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::task;
using namespace sluice_test;

using done = std::atomic<bool>;

foreign send_numbers(ticket_queue&, channel<int> ch, int first, int count, done& d) {
    for (int i = 0; i < count; ++i)
        if (!co_await ch.async_send(first + i)) break;
    d = true;
}
foreign receive_all(ticket_queue&, channel<int> ch, std::vector<int>& all, done& d) {
    while (const auto v = co_await ch.async_receive()) all.push_back(*v);
    d = true;
}
task<> send_numbers_in_task(channel<int> ch, int first, int count) {
    for (int i = 0; i < count; ++i)
        if (!co_await ch.async_send(first + i)) co_return;
}
task<std::vector<int>> receive_all_in_task(channel<int> ch) {
    std::vector<int> all;
    while (const auto v = co_await ch.async_receive()) all.push_back(*v);
    co_return all;
}
std::vector<int> numbers(int count) {
    std::vector<int> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
}
void expect_done(const done& d) {
    eventually([&] { return d.load(); });
}

class ForeignMixed : public testing::TestWithParam<std::size_t> {
protected:
    const channel<int> ch{GetParam()};
    std::vector<foreign> coroutines;
    std::vector<int> received;
    done first{false};
    done second{false};
    own_thread executor;  // joined before the coroutines go
};
INSTANTIATE_TEST_SUITE_P(Capacity, ForeignMixed, testing::Values(0, 1, 2, 64), testing::PrintToStringParamName());

// MX-01
TEST_P(ForeignMixed, AForeignCoroutineReceivesInOrderWhatAThreadSends) {
    coroutines.push_back(receive_all(executor, ch, received, first));
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(ch.send(i));
    ch.close();
    expect_done(first);
    EXPECT_EQ(received, numbers(500));
}

// MX-01
TEST_P(ForeignMixed, AThreadReceivesInOrderWhatAForeignCoroutineSends) {
    coroutines.push_back(send_numbers(executor, ch, 0, 500, first));
    for (int i = 0; i < 500; ++i) received.push_back(*ch.receive());
    EXPECT_EQ(received, numbers(500));
    expect_done(first);
}

// MX-01
TEST_P(ForeignMixed, AForeignCoroutineReceivesInOrderWhatATaskSends) {
    sluice::runtime rt{workers(1)};
    coroutines.push_back(receive_all(executor, ch, received, first));
    auto sending = rt.go(send_numbers_in_task, ch, 0, 500);
    sending.get();
    ch.close();
    expect_done(first);
    EXPECT_EQ(received, numbers(500));
}

// MX-03: two coroutines of one executor meet on one channel.
TEST_P(ForeignMixed, TwoCoroutinesOfOneExecutorMeet) {
    coroutines.push_back(receive_all(executor, ch, received, first));
    coroutines.push_back(send_numbers(executor, ch, 0, 500, second));
    expect_done(second);
    ch.close();
    expect_done(first);
    EXPECT_EQ(received, numbers(500));
}

// MX-01: each sender's values stay in order, and none is lost or doubled.
TEST_P(ForeignMixed, AllKindsOnBothEndsLoseNothing) {
    constexpr int each = 300;
    std::vector<std::vector<int>> parts;
    std::vector<int> by_thread;
    sluice::runtime rt{workers(1)};
    auto in_task = rt.go(receive_all_in_task, ch);
    coroutines.push_back(receive_all(executor, ch, received, first));
    std::jthread thread{[&] {
        for (const int v : ch) by_thread.push_back(v);
    }};
    auto from_task = rt.go(send_numbers_in_task, ch, 0, each);
    coroutines.push_back(send_numbers(executor, ch, each, each, second));
    for (int i = 0; i < each; ++i) ASSERT_TRUE(ch.send(2 * each + i));
    from_task.get();
    expect_done(second);
    ch.close();
    thread.join();
    expect_done(first);
    parts = {in_task.get(), received, by_thread};
    std::vector<int> all;
    for (const auto& part : parts) {
        for (int sender = 0; sender < 3; ++sender) {
            std::vector<int> of_one;
            std::ranges::copy_if(part, std::back_inserter(of_one), [&](int v) { return v / each == sender; });
            EXPECT_TRUE(std::ranges::is_sorted(of_one));
        }
        all.insert(all.end(), part.begin(), part.end());
    }
    std::ranges::sort(all);
    EXPECT_EQ(all, numbers(3 * each));
}

// Sends `count` numbers and receives as many, on whichever channel lets it.
foreign trade(ticket_queue&, channel<int> a, channel<int> b, int count, long& sum, done& d) {
    int to_send = count;
    int to_receive = count;
    while (to_send + to_receive > 0) {
        sluice::received<int> got;
        const channel<int> sending = to_send > 0 ? a : channel<int>{};
        const channel<int> receiving = to_receive > 0 ? b : channel<int>{};
        if (co_await sluice::async_select(on_send(sending, to_send), on_receive(receiving, got)) == 0) --to_send;
        else --to_receive, sum += *got;
    }
    d = true;
}

// MX-02: a thread and a foreign coroutine select on the same two channels, each sending where the other receives.
TEST_P(ForeignMixed, SelectsOfAThreadAndAForeignCoroutineMeet) {
    constexpr int count = 1000;
    const channel<int> other{GetParam()};
    long sum = 0;
    coroutines.push_back(trade(executor, ch, other, count, sum, first));
    long mine = 0;
    int to_send = count;
    int to_receive = count;
    while (to_send + to_receive > 0) {
        sluice::received<int> got;
        const channel<int> sending = to_send > 0 ? other : channel<int>{};
        const channel<int> receiving = to_receive > 0 ? ch : channel<int>{};
        if (sluice::select(on_send(sending, to_send), on_receive(receiving, got)) == 0) --to_send;
        else --to_receive, mine += *got;
    }
    expect_done(first);
    EXPECT_EQ(sum, count * (count + 1) / 2);
    EXPECT_EQ(mine, count * (count + 1) / 2);
    EXPECT_TRUE(nobody_waits(ch) && nobody_waits(other));
}

// MX-06: the sender's end and the last handle of the receiver go at the same moment.
TEST_P(ForeignMixed, TheWokenOneMayDropTheLastHandle) {
    const auto drain = [](ticket_queue&, sluice::receiver<int> in, done& d) -> foreign {
        while (co_await in.async_receive()) {}
        in = {};
        d = true;
    };
    for (int i = 0; i < 200; ++i) {
        auto [out, in] = sluice::make_channel<int>(GetParam());
        first = false;
        coroutines.push_back(drain(executor, std::move(in), first));
        EXPECT_TRUE(out.send(1));
        out = {};
        expect_done(first);
    }
}

}  // namespace
