// SPDX-License-Identifier: BSL-1.0
// foreign_batches_test.cpp: does a foreign coroutine await what waits several times, or has cases that come and go?

#include <sluice/sluice.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::context;
using sluice::received;
using namespace sluice_test;
using namespace std::chrono_literals;

constexpr std::size_t not_yet = 99;

class ForeignBatches : public testing::Test {
protected:
    ticket_queue queue;
    const channel<int> ch{1};
    std::size_t count = not_yet;
};

foreign send_all(ticket_queue&, channel<int> ch, std::vector<int> values, context until, std::size_t& count) {
    count = co_await ch.async_send_all(values, until);
}

TEST_F(ForeignBatches, GoesOnWhenTheWholeRangeIsSent) {
    const foreign sends = send_all(queue, ch, {0, 1, 2, 3, 4}, {}, count);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(count, i < 4 ? not_yet : 5u);
        EXPECT_EQ(*ch.try_receive(), i);
        while (queue.run_one()) {}
    }
    EXPECT_TRUE(sends.has_ended());
    EXPECT_GT(queue.added(), 1u);
}

TEST_F(ForeignBatches, TellsHowManyWereSentBeforeTheClose) {
    const foreign sends = send_all(queue, ch, {0, 1, 2, 3, 4}, {}, count);
    EXPECT_EQ(*ch.try_receive(), 0);
    while (queue.run_one()) {}
    ch.close();
    while (queue.run_one()) {}
    EXPECT_EQ(count, 2u);
}

TEST_F(ForeignBatches, TellsHowManyWereSentBeforeItsContextEnded) {
    const auto stop = sluice::with_cancel({});
    const foreign sends = send_all(queue, ch, {0, 1, 2, 3, 4}, stop, count);
    EXPECT_EQ(*ch.try_receive(), 0);
    while (queue.run_one()) {}
    stop.cancel();
    while (queue.run_one()) {}
    EXPECT_EQ(count, 2u);
    EXPECT_TRUE(nobody_waits(ch));
}

// The channel is full, so the elements are made one by one, each where the coroutine belongs.
TEST_F(ForeignBatches, WhatTheRangeThrowsIsThrownInTheCoroutine) {
    const auto body = [](ticket_queue&, channel<int> c, std::string& said) -> foreign {
        const auto fail_at_3 = [](int i) { return i < 3 ? i : throw std::runtime_error{"no fourth"}; };
        auto values = std::views::iota(0, 5) | std::views::transform(fail_at_3);
        try {
            static_cast<void>(co_await c.async_send_all(values));
        } catch (const std::runtime_error& e) {
            said = e.what();
        }
    };
    std::string said;
    EXPECT_TRUE(ch.try_send(-1));
    const foreign sends = body(queue, ch, said);
    for (int i = -1; i < 2; ++i) {
        EXPECT_TRUE(said.empty());
        EXPECT_EQ(*ch.try_receive(), i);
        while (queue.run_one()) {}
    }
    EXPECT_EQ(said, "no fourth");
    EXPECT_EQ(*ch.try_receive(), 2);
}

// T27, MX-05: between two of its waits, in one, or woken from one.
TEST_F(ForeignBatches, AFrameDestroyedInTheMiddleLeavesNothing) {
    struct tag {};
    using value = counted<tag>;
    const auto body = [](ticket_queue&, channel<value> c) -> foreign {
        std::vector<value> values(5);
        static_cast<void>(co_await c.async_send_all(std::move(values)));
        ADD_FAILURE() << "it went on";
    };
    for (const bool woken : {false, true}) {
        for (int taken = 0; taken < 3; ++taken) {
            const channel<value> values{1};
            foreign sends = body(queue, values);
            for (int i = 0; i < taken; ++i) {
                EXPECT_TRUE(values.try_receive());
                while (queue.run_one()) {}
            }
            if (woken) {
                EXPECT_TRUE(values.try_receive());
            }
            sends.destroy();
            EXPECT_TRUE(nobody_waits(values));
            EXPECT_EQ(values.size(), 1u);
            while (queue.run_one()) {}
        }
        EXPECT_EQ(value::live(), 0);
    }
}

TEST_F(ForeignBatches, ATimeLimitEndsTheBatchAndTellsHowManyWereSent) {
    const auto body = [](ticket_queue&, channel<int> c, std::size_t& sent) -> foreign {
        std::vector<int> values(5);
        sent = co_await sluice::timeout(1ms, c.async_send_all(values));
    };
    const foreign sends = body(queue, ch, count);
    eventually([&] {
        queue.run_one();
        return count != not_yet;
    });
    EXPECT_EQ(count, 1u);
    EXPECT_TRUE(nobody_waits(ch));
}

// MX-05: each form once as the temporary of a co_await, with values that count themselves.
TEST_F(ForeignBatches, NoValueIsCopiedOrLeftBehindByWhatIsAwaited) {
    struct tag {};
    using value = counted<tag>;
    const auto send = [](ticket_queue&, channel<value> c) -> foreign {
        std::vector<value> values(6);
        EXPECT_EQ(co_await c.async_send_all(std::move(values)), 6u);
    };
    const auto receive = [](ticket_queue&, channel<value> c, std::size_t& taken) -> foreign {
        taken = (co_await c.async_receive_some(2)).size();
        received<value> got;
        sluice::selector selector;
        selector.add(sluice::on_receive(c, got));
        while (taken < 6) {
            EXPECT_TRUE(co_await selector.async_select());
            EXPECT_TRUE(got);
            ++taken;
        }
    };
    for (const bool receiver_waits : {false, true}) {
        const channel<value> values{0};
        count = 0;
        foreign first = receiver_waits ? receive(queue, values, count) : send(queue, values);
        foreign second = receiver_waits ? send(queue, values) : receive(queue, values, count);
        while (queue.run_one()) {}
        EXPECT_TRUE(first.has_ended() && second.has_ended());
        EXPECT_EQ(count, 6u);
    }
    EXPECT_EQ(value::live(), 0);
    EXPECT_EQ(value::copies(), 0);
}

// MX-01: through the workers of the process.
TEST_F(ForeignBatches, BatchesOfSeveralCoroutinesLoseNothing) {
    const auto body = [](channel<int> c, std::atomic<int>& alive) -> fire_and_forget {
        std::vector<int> values(1000);
        std::iota(values.begin(), values.end(), 1);
        EXPECT_EQ(co_await c.async_send_all(values), 1000u);
        if (--alive == 0) c.close();
    };
    std::atomic<int> alive{3};
    for (int i = 0; i < 3; ++i) body(ch, alive);
    long sum = 0;
    for (const int v : ch) sum += v;
    EXPECT_EQ(sum, 3 * 500'500);
}

TEST_F(ForeignBatches, ASelectorIsAwaited) {
    const auto body = [](ticket_queue&, sluice::selector& s, int& fired) -> foreign {
        for (int i = 0; i < 2; ++i) {
            EXPECT_TRUE(co_await s.async_select());
            ++fired;
        }
    };
    const channel<int> other{0};
    sluice::selector selector;
    received<int> got;
    received<int> got_too;
    selector.add(sluice::on_receive(ch, got));
    selector.add(sluice::on_receive(other, got_too));
    int fired = 0;
    {
        const foreign selects = body(queue, selector, fired);
        EXPECT_TRUE(ch.try_send(1));
        EXPECT_TRUE(queue.run_one());
        EXPECT_EQ(fired, 1);
        EXPECT_EQ(*got, 1);
        EXPECT_EQ(receivers_waiting(other), 1u);
    }
    EXPECT_TRUE(nobody_waits(ch) && nobody_waits(other));
    EXPECT_TRUE(other.try_send(2) == sluice::status::full);
    EXPECT_TRUE(ch.try_send(3));
    EXPECT_TRUE(selector.select());  // usable again
    EXPECT_EQ(*got, 3);
}

}  // namespace
