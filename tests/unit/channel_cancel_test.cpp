// SPDX-License-Identifier: BSL-1.0
// channel_cancel_test.cpp: how does a wait on a channel end before its time?

#include <sluice/channel.hpp>

#include <gtest/gtest.h>

#include <string>

#include "../support/busy_worker.hpp"
#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::status;
using namespace sluice_test;
using namespace std::chrono_literals;

// --- ends by time -----------------------------------------------------------------------------------------------------

// T16
TEST(ChannelDeadline, AReceiveEndsWhenTheTimeIsUp) {
    const channel<int> ch{1};
    EXPECT_EQ(ch.receive_for(1ms).why(), status::timed_out);
    EXPECT_EQ(ch.receive_until(std::chrono::steady_clock::now()).why(), status::timed_out);
    EXPECT_TRUE(nobody_waits(ch));
}

// CH-28
TEST(ChannelDeadline, ASendEndsWhenTheTimeIsUpAndTheValueStaysTheCallers) {
    const channel<std::string> ch{0};
    std::string value(50, 'x');
    EXPECT_EQ(ch.send_for(std::move(value), 1ms).why(), status::timed_out);
    EXPECT_EQ(value, std::string(50, 'x'));
    EXPECT_TRUE(nobody_waits(ch));
}

// T16; settled: a ready case beats an expired deadline
TEST(ChannelDeadline, WhatIsReadyWinsOverATimeThatHasPassed) {
    const channel<int> ch{1};
    const auto past = std::chrono::steady_clock::now() - 1s;
    EXPECT_TRUE(ch.send_until(1, past));
    EXPECT_EQ(*ch.receive_until(past), 1);
    EXPECT_TRUE(ch.send_for(2, 0s));
    EXPECT_EQ(*ch.receive_for(-1s), 2);
}

TEST(ChannelDeadline, ALongWaitEndsWithTheValue) {
    const channel<int> ch{0};
    threads by;
    auto waiting = by.start([](channel<int> c) { return c.receive_for(1h); }, 0, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    ASSERT_TRUE(ch.try_send(3));
    EXPECT_EQ(*waiting.get(), 3);
    auto for_ever = by.start([](channel<int> c) { return c.receive_for(std::chrono::hours::max()); }, 0, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    ASSERT_TRUE(ch.try_send(4));
    EXPECT_EQ(*for_ever.get(), 4);
}

template <class Callers>
class ChannelWaitOf : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(ChannelWaitOf, both_callers, caller_names);

// --- ends by a stop ---------------------------------------------------------------------------------------------------

// Section 0: a stop that was requested before the call wins.
TEST(ChannelStop, AStopRequestedBeforeWinsOverWhatIsReady) {
    const channel<std::string> ch{2};
    ASSERT_TRUE(ch.send("inside"));
    std::stop_source stop;
    stop.request_stop();
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    std::string value(50, 'x');
    EXPECT_EQ(ch.receive(stop.get_token()).why(), status::canceled);
    EXPECT_EQ(ch.receive(ended.get()).why(), status::canceled);
    EXPECT_EQ(ch.send(std::move(value), stop.get_token()).why(), status::canceled);
    EXPECT_EQ(ch.send(std::move(value), ended.get()).why(), status::canceled);
    EXPECT_EQ(value, std::string(50, 'x'));
    EXPECT_EQ(ch.size(), 1u);
}

TEST(ChannelStop, AStopTokenEndsAThreadsWait) {
    const channel<int> ch{0};
    std::stop_source stop;
    threads by;
    auto receiving =
        by.start([](channel<int> c, std::stop_token t) { return c.receive(t).why(); }, 0, ch, stop.get_token());
    eventually([&] { return receivers_waiting(ch) == 1; });
    stop.request_stop();
    EXPECT_EQ(receiving.get(), status::canceled);
    EXPECT_TRUE(nobody_waits(ch));
}

TYPED_TEST(ChannelWaitOf, AContextEndsAReceiveAndALaterSendDoesNotSeeIt) {
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    auto waiting = start_receive(this->by, ch, stop.get());
    eventually([&] { return receivers_waiting(ch) == 1; });
    stop.cancel();
    EXPECT_EQ(waiting.get().why(), status::canceled);
    EXPECT_EQ(ch.try_send(1).why(), status::full);
}

// CH-28, T8
TYPED_TEST(ChannelWaitOf, AContextEndsASendAndTheValueStaysTheCallers) {
    const channel<std::string> ch{1};
    ASSERT_TRUE(ch.send("first"));
    const auto stop = sluice::with_cancel({});
    auto waiting = start_send(this->by, ch, std::string(50, 'x'), stop.get());
    eventually([&] { return senders_waiting(ch) == 1; });
    stop.cancel();
    const auto end = waiting.get();
    EXPECT_EQ(end.why, status::canceled);
    EXPECT_EQ(end.left, std::string(50, 'x'));
    EXPECT_EQ(*ch.receive(), "first");
    EXPECT_TRUE(ch.try_send("next"));
}

// CH-20
TYPED_TEST(ChannelWaitOf, AReceiverInTheMiddleOfTheQueueMayGiveUp) {
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    auto first = start_receive(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    auto middle = start_receive(this->by, ch, stop.get());
    eventually([&] { return receivers_waiting(ch) == 2; });
    auto last = start_receive(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 3; });
    stop.cancel();
    EXPECT_EQ(middle.get().why(), status::canceled);
    EXPECT_EQ(receivers_waiting(ch), 2u);
    ASSERT_TRUE(ch.try_send(1));
    ASSERT_TRUE(ch.try_send(2));
    EXPECT_EQ(*first.get(), 1);
    EXPECT_EQ(*last.get(), 2);
}

sluice::task<status> receive_of(channel<int> ch) { co_return (co_await ch.async_receive()).why(); }

TEST(ChannelStop, TheEndOfTheSurroundingTaskThrowsOutOfAWait) {
    sluice::runtime rt;
    const channel<int> ch{0};
    auto h = rt.go(receive_of, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    h.cancel();
    EXPECT_THROW(h.get(), sluice::canceled);
    EXPECT_TRUE(nobody_waits(ch));
}

TEST(ChannelStop, TheEndOfTheSurroundingCallableThrowsOutOfABlockingWait) {
    sluice::runtime rt;
    const channel<int> ch{0};
    auto h = rt.go([ch] { return ch.receive().why(); });
    eventually([&] { return receivers_waiting(ch) == 1; });
    h.cancel();
    EXPECT_THROW(h.get(), sluice::canceled);
    EXPECT_TRUE(nobody_waits(ch));
}

// Settled: in a cancelled task every async_ operation throws at once, ready or not.
TEST(ChannelStop, InACancelledTaskAReadyOperationThrowsToo) {
    const channel<int> ch{2};
    const auto use_when_cancelled = [](channel<int> c) -> sluice::task<int> {
        static_cast<void>(co_await c.async_receive(sluice::current_context()));  // ended by the cancellation, by value
        static_cast<void>(c.try_send(1));
        int throws = 0;
        try {
            static_cast<void>(co_await c.async_receive());
        } catch (const sluice::canceled&) {
            ++throws;
        }
        try {
            static_cast<void>(co_await c.async_send(2));
        } catch (const sluice::canceled&) {
            ++throws;
        }
        co_return throws;
    };
    sluice::runtime rt;
    auto h = rt.go(use_when_cancelled, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    h.cancel();
    EXPECT_EQ(h.get(), 2);
    EXPECT_EQ(ch.size(), 1u);
}

// --- two ends in one moment -----------------------------------------------------------------------------------------------

// T2
TEST(ChannelRace, AWaitThatACloseHasEndedIsNotEndedAgainByACancel) {
    busy_worker one;
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    auto h = one.runtime().go(
        [](channel<int> c, sluice::context u) -> sluice::task<status> {
            co_return (co_await c.async_send(1, u)).why();
        },
        ch, stop.get());
    eventually([&] { return senders_waiting(ch) == 1; });
    one.occupy();
    ch.close();
    stop.cancel();
    h.cancel();
    one.free_worker();
    EXPECT_EQ(h.get(), status::closed);
}

// T4; section 0: committed or untouched
TEST(ChannelRace, AValueThatWasHandedOverIsReceivedDespiteACloseAndACancel) {
    busy_worker one;
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    auto h = one.runtime().go(
        [](channel<int> c, sluice::context u) -> sluice::task<int> { co_return (co_await c.async_receive(u)).value(); },
        ch, stop.get());
    eventually([&] { return receivers_waiting(ch) == 1; });
    one.occupy();
    ASSERT_TRUE(ch.try_send(8));
    ch.close();
    stop.cancel();
    h.cancel();
    one.free_worker();
    EXPECT_EQ(h.get(), 8);
}

// T10: the cancelled one has not yet run, its entry still stands in the queue.
TEST(ChannelRace, ASendPassesOverAReceiverThatHasJustBeenCancelled) {
    busy_worker one;
    const channel<int> ch{1};
    const auto stop = sluice::with_cancel({});
    auto cancelled = one.runtime().go(receive_of, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    threads by;
    auto next = start_receive(by, ch);
    eventually([&] { return receivers_waiting(ch) == 2; });
    one.occupy();
    cancelled.cancel();
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(*next.get(), 1);
    ASSERT_TRUE(ch.try_send(2));
    EXPECT_EQ(ch.size(), 1u);
    one.free_worker();
    EXPECT_THROW(cancelled.get(), sluice::canceled);
    EXPECT_EQ(*ch.receive(), 2);
}

}  // namespace
