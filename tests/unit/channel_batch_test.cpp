// SPDX-License-Identifier: BSL-1.0
// channel_batch_test.cpp: how do batches of sends and receives get on with tasks, with each other, and with time?

#include <sluice/select.hpp>
#include <sluice/timer.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <ranges>
#include <stop_token>
#include <vector>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

using value = counted<struct batches>;

std::vector<value> values(int n, int from = 0) {
    std::vector<value> all;
    for (int i = 0; i < n; ++i) all.push_back(value{from + i});
    return all;
}

class Batch : public testing::Test {
protected:
    ~Batch() override { EXPECT_EQ(value::live(), 0); }
};

// --- receive_some: how a wait ends --------------------------------------------------------------------------------------

TEST_F(Batch, AReceiveOfSomeGivesNoneWhenTimeOrContextEndItFirst) {
    const channel<int> ch{4};
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    std::stop_source stop;
    stop.request_stop();
    EXPECT_TRUE(ch.receive_some_for(3, 1ms).empty());
    EXPECT_TRUE(ch.receive_some_until(3, std::chrono::steady_clock::now()).empty());
    ASSERT_TRUE(ch.send(1));
    EXPECT_TRUE(ch.receive_some(3, ended.get()).empty());
    EXPECT_TRUE(ch.receive_some(3, stop.get_token()).empty());
    EXPECT_EQ(ch.size(), 1u);
    EXPECT_EQ(ch.receive_some(3, sluice::context{}), std::vector{1});
}

TEST_F(Batch, AReceiveOfSomeTakesWhatIsThereWithinItsTime) {
    const channel<int> ch{4};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3}), 3u);
    EXPECT_EQ(ch.receive_some_for(2, 1h), (std::vector{1, 2}));
    EXPECT_EQ(ch.receive_some_until(2, std::chrono::steady_clock::now()), std::vector{3});
}

TEST_F(Batch, OfNilNothingIsReceived) {
    EXPECT_TRUE(channel<int>{}.try_receive_some(3).empty());
    EXPECT_TRUE(channel<int>{}.receive_some_for(3, 1ms).empty());
    EXPECT_TRUE(channel<int>{4}.try_receive_some(0).empty());
}

// CH-09
TEST_F(Batch, AReceiveOfSomeEmptiesTheBufferAndTheLineOfSendersInOrder) {
    const channel<int> ch{3};
    EXPECT_EQ(ch.send_all(std::vector{0, 1, 2}), 3u);
    threads by;
    std::vector<decltype(start_send(by, ch, 0))> waiting;
    for (int i = 3; i < 8; ++i) {
        waiting.push_back(start_send(by, ch, i));
        eventually([&] { return senders_waiting(ch) == waiting.size(); });
    }
    EXPECT_EQ(ch.try_receive_some(10), (std::vector{0, 1, 2, 3, 4, 5, 6, 7}));
    for (auto& w : waiting) EXPECT_EQ(w.get().why, status::ok);
}

TEST_F(Batch, AReceiveOfSomeIsACaseOfASelect) {
    const channel<int> ch{4};
    std::vector<int> some;
    EXPECT_EQ(sluice::select(sluice::on(ch.async_receive_some(3), some), sluice::otherwise), 1u);
    EXPECT_EQ(ch.send_all(std::vector{1, 2}), 2u);
    EXPECT_EQ(sluice::select(sluice::on(ch.async_receive_some(3), some), sluice::otherwise), 0u);
    EXPECT_EQ(some, (std::vector{1, 2}));
}

// MX-05
TEST_F(Batch, OfAReceiveOfSomeThatNobodyAskedForTheValuesAreToldOf) {
    std::vector<int> told;
    const channel<value> ch{4};
    ch.on_undelivered([&](value&& v) { told.push_back(v.value()); });
    EXPECT_EQ(ch.send_all(values(3)), 3u);
    {
        auto receiving = ch.async_receive_some(2);
        ASSERT_TRUE(sluice::detail::try_once(receiving));
    }
    EXPECT_EQ(told, (std::vector{0, 1}));
    EXPECT_EQ(ch.receive()->value(), 2);
}

template <class Callers>
class BatchBy : public Batch {
protected:
    Callers by;
};
TYPED_TEST_SUITE(BatchBy, both_callers, caller_names);

template <class Callers>
auto start_receive_some(Callers& by, channel<int> ch, sluice::context until = {}) {
    return by.start([](channel<int> c, sluice::context u) { return c.receive_some(8, u); },
                    [](channel<int> c, sluice::context u) -> task<std::vector<int>> {
                        co_return co_await c.async_receive_some(8, u);
                    },
                    std::move(ch), std::move(until));
}

TYPED_TEST(BatchBy, AReceiveOfSomeThatWaitsEndsWithItsContext) {
    const channel<int> ch{4};
    const auto stop = sluice::with_cancel({});
    auto receiving = start_receive_some(this->by, ch, stop.get());
    eventually([&] { return receivers_waiting(ch) == 1; });
    stop.cancel();
    EXPECT_TRUE(receiving.get().empty());
    EXPECT_TRUE(nobody_waits(ch));
}

// A batch is served like a row of senders and receivers of one value.
TYPED_TEST(BatchBy, AReceiveOfSomeThatWaitsTakesTheRestOfTheBatchThatEndsItsWait) {
    const channel<int> ch{4};
    auto receiving = start_receive_some(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    EXPECT_EQ(ch.try_send_all(std::vector{1, 2, 3}), 3u);
    auto all = receiving.get();
    for (const int v : ch.try_receive_some(4)) all.push_back(v);
    EXPECT_EQ(all, (std::vector{1, 2, 3}));
}

// --- tasks ------------------------------------------------------------------------------------------------------------

// CH-28
TEST_F(Batch, TheEndOfTheSurroundingContextThrowsAndTheRestIsUnmoved) {
    sluice::runtime rt;
    const channel<value> ch{2};
    auto h = rt.go(
        [](channel<value> c) -> task<int> {
            auto mine = values(6);
            try {
                static_cast<void>(co_await c.async_send_all(std::move(mine)));
            } catch (const sluice::canceled&) {}
            int left = 0;
            for (const auto& v : mine) left += !v.is_moved_from();
            co_return left;
        },
        ch);
    eventually([&] { return senders_waiting(ch) == 1; });
    h.cancel();
    EXPECT_EQ(h.get(), 4);
    EXPECT_TRUE(nobody_waits(ch));
}

TEST_F(Batch, ACancelledTaskSendsNothing) {
    sluice::runtime rt;
    const channel<int> ch{4};
    const channel<void> gate{0};
    auto h = rt.go(
        [](channel<int> c, channel<void> g) -> task<> {
            static_cast<void>(co_await sluice::shielded(g.async_receive()));
            const std::vector<int> mine{1, 2};
            static_cast<void>(co_await c.async_send_all(mine));
        },
        ch, gate);
    eventually([&] { return receivers_waiting(gate) == 1; });
    h.cancel();
    ASSERT_TRUE(gate.send());
    EXPECT_THROW(h.get(), sluice::canceled);
    EXPECT_EQ(ch.size(), 0u);
}

TEST_F(Batch, ATimeoutGivesHowManyWereSentInTime) {
    const channel<value> ch{3};
    const auto send_in_time = [](channel<value> c) -> task<std::size_t> {
        auto mine = values(5);
        const std::size_t n = co_await sluice::timeout(5ms, c.async_send_all(std::move(mine)));
        EXPECT_EQ(mine[3].value(), 3);
        co_return n;
    };
    EXPECT_EQ(sluice::run(send_in_time, ch), 3u);
    EXPECT_TRUE(nobody_waits(ch));
}

// T48
TEST_F(Batch, ABatchThatNeverWaitsLetsOtherTasksRun) {
    static std::atomic<bool> ran;
    ran = false;
    const auto send_until_the_other_ran = []() -> task<> {
        const channel<int> ch{sluice::unbounded};
        sluice::go([]() -> task<> {
            ran = true;
            co_return;
        });
        const auto not_yet = [](int) { return !ran; };
        const auto endless = std::views::iota(0) | std::views::take_while(not_yet);
        static_cast<void>(co_await ch.async_send_all(endless));
    };
    sluice::run_options one;
    one.workers = 1;
    sluice::run(one, send_until_the_other_ran);
    EXPECT_TRUE(ran);
}

// compilers.md: nothing is destroyed twice in any awaited form.
task<std::size_t> send_all_in_every_form(channel<value> ch) {
    const auto open = sluice::with_cancel({});
    std::size_t count = 0;
    const auto named = values(3);
    count += co_await ch.async_send_all(named);
    auto given = values(3, 3);
    count += co_await ch.async_send_all(std::move(given));
    count += co_await ch.async_send_all(values(3, 6));
    count += co_await ch.async_send_all(values(3, 9), open.get());
    count += co_await ch.async_send_all(values(3, 12), std::stop_token{});
    count += co_await ch.async_send_all(named | std::views::drop(1));
    count += co_await sluice::timeout(1h, ch.async_send_all(values(3, 15)));
    auto operation = ch.async_send_all(named);
    count += co_await operation;
    ch.close();
    count += co_await ch.async_send_all(values(3));
    co_return count;
}

task<std::size_t> receive_some_in_every_form(channel<value> ch) {
    const auto open = sluice::with_cancel({});
    std::size_t count = 0;
    for (;;) {
        count += (co_await ch.async_receive_some(3)).size();
        count += (co_await ch.async_receive_some(3, open.get())).size();
        count += (co_await ch.async_receive_some(3, std::stop_token{})).size();
        count += (co_await sluice::timeout(1h, ch.async_receive_some(3))).size();
        std::vector<value> some;
        static_cast<void>(
            co_await sluice::async_select(sluice::on(ch.async_receive_some(3), some), sluice::on_done(open)));
        count += some.size();
        const auto last = co_await ch.async_receive_some(3);
        if (last.empty()) co_return count;
        count += last.size();
    }
}

TEST_F(Batch, EveryAwaitedFormDestroysEachValueOnce) {
    for (const std::size_t capacity : {0u, 1u, 64u}) {
        sluice::runtime rt{workers(1)};
        const channel<value> ch{capacity};
        auto sending = rt.go(send_all_in_every_form, ch);
        auto receiving = rt.go(receive_some_in_every_form, ch);
        EXPECT_EQ(sending.get(), 23u) << "capacity " << capacity;
        EXPECT_EQ(receiving.get(), 23u) << "capacity " << capacity;
        EXPECT_EQ(value::live(), 0) << "capacity " << capacity;
    }
}

// --- all against all --------------------------------------------------------------------------------------------------

// CH-10, CH-11, MX-01: nothing is lost or doubled, and each sender's values stay in their order.
TYPED_TEST(BatchBy, BatchesAndSingleOperationsOfManyKeepEachSendersOrder) {
    static constexpr int senders = 3;
    static constexpr int each = 400;
    for (const std::size_t capacity : {0u, 1u, 5u, 64u}) {
        const channel<int> ch{capacity};
        std::vector<decltype(this->by.start([](channel<int>, int) { return 0; },
                                            [](channel<int>, int) -> task<int> { co_return 0; }, ch, 0))>
            sending;
        const auto in_batches = [](channel<int> c, int who) {
            int next = 0;
            for (int size = 1; next < each; size = size % 17 + 1) {
                const auto part = std::views::iota(next, std::min(next + size, each)) |
                                  std::views::transform([who](int i) { return who * each + i; });
                next += static_cast<int>(size % 3 ? c.send_all(part) : c.try_send_all(part));
            }
            return next;
        };
        const auto in_batches_of_a_task = [](channel<int> c, int who) -> task<int> {
            int next = 0;
            for (int size = 1; next < each; size = size % 17 + 1) {
                std::vector<int> part;
                for (int i = next; i < std::min(next + size, each); ++i) part.push_back(who * each + i);
                next += static_cast<int>(co_await c.async_send_all(part));
            }
            co_return next;
        };
        for (int who = 0; who < senders; ++who)
            sending.push_back(this->by.start(in_batches, in_batches_of_a_task, ch, who));
        std::map<int, int> next;
        int count = 0;
        const auto note = [&](int v) {
            EXPECT_EQ(v % each, next[v / each]++);
            ++count;
        };
        while (count < senders * each) {
            if (count % 3 == 0) note(*ch.receive());
            else
                for (const int v : ch.receive_some(static_cast<std::size_t>(count % 9 + 1))) note(v);
        }
        for (auto& s : sending) EXPECT_EQ(s.get(), each);
        EXPECT_TRUE(nobody_waits(ch));
        ASSERT_FALSE(this->HasFailure()) << "capacity " << capacity;
    }
}

}  // namespace
