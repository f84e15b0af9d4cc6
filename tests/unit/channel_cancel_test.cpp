// SPDX-License-Identifier: BSL-1.0
// channel_cancel_test.cpp: how does a wait on a channel end before its time?

#include <sluice/channel.hpp>
#include <sluice/timer.hpp>

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

template <class Callers>
class ChannelWaitOf : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(ChannelWaitOf, both_callers, caller_names);

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

// T16, CH-28
TYPED_TEST(ChannelWaitOf, TimesEndASendAndAReceiveAndTheValueStaysTheCallers) {
    const channel<std::string> ch{0};
    auto receiving = this->by.start([](channel<std::string> c) { return c.receive_for(1ms).why(); },
                                    [](channel<std::string> c) -> sluice::task<status> {
                                        const auto v = co_await sluice::timeout(1ms, c.async_receive());
                                        co_return v.why();
                                    },
                                    ch);
    EXPECT_EQ(receiving.get(), status::timed_out);
    auto sending = this->by.start(
        [](channel<std::string> c) {
            std::string v(50, 'x');
            const auto s = c.send_for(std::move(v), 1ms);
            return send_end<std::string>{s.why(), v};
        },
        [](channel<std::string> c) -> sluice::task<send_end<std::string>> {
            std::string v(50, 'x');
            const auto s = co_await sluice::timeout(1ms, c.async_send(std::move(v)));
            co_return send_end<std::string>{s.why(), v};
        },
        ch);
    const auto end = sending.get();
    EXPECT_EQ(end.why, status::timed_out);
    EXPECT_EQ(end.left, std::string(50, 'x'));
    EXPECT_TRUE(nobody_waits(ch));
}

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

// CH-28
TYPED_TEST(ChannelWaitOf, AStopTokenEndsASendAndAReceive) {
    const channel<int> a{0};
    const channel<int> b{0};
    std::stop_source stop;
    auto receiving = this->by.start([](channel<int> c, std::stop_token t) { return c.receive(t).why(); },
                                    [](channel<int> c, std::stop_token t) -> sluice::task<status> {
                                        const auto v = co_await c.async_receive(t);
                                        co_return v.why();
                                    },
                                    a, stop.get_token());
    auto sending = this->by.start([](channel<int> c, std::stop_token t) { return c.send(1, t).why(); },
                                  [](channel<int> c, std::stop_token t) -> sluice::task<status> {
                                      const auto s = co_await c.async_send(1, t);
                                      co_return s.why();
                                  },
                                  b, stop.get_token());
    eventually([&] { return receivers_waiting(a) == 1 && senders_waiting(b) == 1; });
    stop.request_stop();
    EXPECT_EQ(receiving.get(), status::canceled);
    EXPECT_EQ(sending.get(), status::canceled);
    EXPECT_TRUE(nobody_waits(a) && nobody_waits(b));
}

// T8: the channel is as if nobody had waited.
TYPED_TEST(ChannelWaitOf, AContextEndsAReceiveAndALaterSendDoesNotSeeIt) {
    for (const std::size_t capacity : {0u, 1u}) {
        const channel<int> ch{capacity};
        const auto stop = sluice::with_cancel({});
        auto waiting = start_receive(this->by, ch, stop.get());
        eventually([&] { return receivers_waiting(ch) == 1; });
        stop.cancel();
        EXPECT_EQ(waiting.get().why(), status::canceled);
        EXPECT_EQ(ch.try_send(1).why(), capacity == 0 ? status::full : status::ok);
        EXPECT_EQ(ch.size(), capacity);
    }
}

// CH-28
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

// CH-20
TYPED_TEST(ChannelWaitOf, ASenderInTheMiddleOfTheQueueMayGiveUp) {
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    auto first = start_send(this->by, ch, 1);
    eventually([&] { return senders_waiting(ch) == 1; });
    auto middle = start_send(this->by, ch, 2, stop.get());
    eventually([&] { return senders_waiting(ch) == 2; });
    auto last = start_send(this->by, ch, 3);
    eventually([&] { return senders_waiting(ch) == 3; });
    stop.cancel();
    EXPECT_EQ(middle.get().why, status::canceled);
    EXPECT_EQ(senders_waiting(ch), 2u);
    EXPECT_EQ(*ch.receive(), 1);
    EXPECT_EQ(*ch.receive(), 3);
    EXPECT_EQ(first.get().why, status::ok);
    EXPECT_EQ(last.get().why, status::ok);
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
TYPED_TEST(ChannelWaitOf, AWaitThatACloseHasEndedIsNotEndedAgainByACancel) {
    const channel<int> a{0};
    const channel<int> b{0};
    const auto stop = sluice::with_cancel({});
    auto sending = start_send(this->by, a, 1, stop.get());
    auto receiving = start_receive(this->by, b, stop.get());
    eventually([&] { return senders_waiting(a) == 1 && receivers_waiting(b) == 1; });
    a.close();
    b.close();
    stop.cancel();
    EXPECT_EQ(sending.get().why, status::closed);
    EXPECT_EQ(receiving.get().why(), status::closed);
}

// T4; section 0: committed or untouched
TYPED_TEST(ChannelWaitOf, AValueThatWasHandedOverIsReceivedDespiteACloseAndACancel) {
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    auto receiving = start_receive(this->by, ch, stop.get());
    eventually([&] { return receivers_waiting(ch) == 1; });
    ASSERT_TRUE(ch.try_send(8));
    ch.close();
    stop.cancel();
    EXPECT_EQ(*receiving.get(), 8);
}

// T4: the same for a value that was taken.
TYPED_TEST(ChannelWaitOf, AValueThatWasTakenIsSentDespiteACloseAndACancel) {
    const channel<int> ch{0};
    const auto stop = sluice::with_cancel({});
    auto sending = start_send(this->by, ch, 8, stop.get());
    eventually([&] { return senders_waiting(ch) == 1; });
    EXPECT_EQ(*ch.try_receive(), 8);
    ch.close();
    stop.cancel();
    EXPECT_EQ(sending.get().why, status::ok);
}

// T10
TYPED_TEST(ChannelWaitOf, ASendPassesOverAReceiverThatHasJustBeenCancelled) {
    const channel<int> ch{1};
    const auto stop = sluice::with_cancel({});
    auto cancelled = start_receive(this->by, ch, stop.get());
    eventually([&] { return receivers_waiting(ch) == 1; });
    auto next = start_receive(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 2; });
    stop.cancel();
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(*next.get(), 1);
    EXPECT_EQ(cancelled.get().why(), status::canceled);
    EXPECT_EQ(ch.size(), 0u);
}

// The same while the ended one has not run yet: its worker is busy.

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
