// SPDX-License-Identifier: BSL-1.0
// channel_close_test.cpp: how does a channel end?

#include <sluice/channel.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::status;
using namespace sluice_test;
using namespace std::chrono_literals;

struct failure : std::runtime_error {
    failure() : std::runtime_error{"the source failed"} {}
};

// --- closing --------------------------------------------------------------------------------------------------------

// CL-01, T12
TEST(ClosedChannel, GivesWhatIsBufferedAndThenItsEndForEver) {
    const channel<int> ch{4};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3}), 3u);
    EXPECT_TRUE(ch.close());
    EXPECT_EQ(*ch.receive(), 1);
    EXPECT_EQ(*ch.try_receive(), 2);
    EXPECT_EQ(*ch.receive_for(1h), 3);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(ch.receive().why(), status::closed);
        EXPECT_EQ(ch.try_receive().why(), status::closed);
        EXPECT_EQ(ch.receive_for(1h).why(), status::closed);
        EXPECT_TRUE(ch.receive_some(2).empty());
        EXPECT_TRUE(ch.try_receive_some(2).empty());
    }
}

TEST(ClosedChannel, AnUnboundedOneDrainsToo) {
    const channel<int> ch{sluice::unbounded};
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(ch.send(i));
    ch.close();
    EXPECT_EQ(ch.send(100).why(), status::closed);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(*ch.receive(), i);
    EXPECT_EQ(ch.receive().why(), status::closed);
}

// CL-04
TEST(ClosedChannel, TakesNoValueInAnyForm) {
    const channel<int> ch{1};
    ch.close();
    EXPECT_TRUE(ch.is_closed());
    EXPECT_EQ(ch.send(1).why(), status::closed);
    EXPECT_EQ(ch.try_send(1).why(), status::closed);
    EXPECT_EQ(ch.send_for(1, 1h).why(), status::closed);
    EXPECT_EQ(ch.size(), 0u);
}

TEST(ClosedChannel, OverflowPoliciesDoNotOpenItAgain) {
    for (const auto policy : {sluice::overflow::drop_oldest, sluice::overflow::drop_newest}) {
        const channel<int> ch{1, policy};
        ASSERT_TRUE(ch.send(1));
        ch.close();
        EXPECT_EQ(ch.send(2).why(), status::closed);
        EXPECT_EQ(ch.dropped(), 0u);
        EXPECT_EQ(*ch.receive(), 1);
    }
}

// CL-05
TEST(ClosedChannel, ClosingAgainDoesNothingAndSaysSo) {
    const channel<int> ch{1};
    EXPECT_TRUE(ch.close());
    EXPECT_FALSE(ch.close());
    EXPECT_FALSE(ch.close(std::make_exception_ptr(failure{})));
    EXPECT_EQ(ch.receive().error(), nullptr);
}

// T13
TEST(ClosedChannel, OfManyClosingThreadsOneClosesIt) {
    for (int round = 0; round < 50; ++round) {
        const channel<int> ch{0};
        std::atomic<int> closers{0};
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 4; ++i) threads.emplace_back([&] { closers += ch.close(); });
        }
        ASSERT_EQ(closers, 1);
    }
}

// CL-11
TEST(ClosedChannel, ItsErrorComesAfterTheBufferedValues) {
    const channel<int> ch{1};
    ASSERT_TRUE(ch.send(1));
    ch.close(std::make_exception_ptr(failure{}));
    const auto value = ch.receive();
    EXPECT_EQ(*value, 1);
    EXPECT_EQ(value.error(), nullptr);
    auto end = ch.receive();
    EXPECT_EQ(end.why(), status::closed);
    EXPECT_NE(end.error(), nullptr);
    EXPECT_THROW(end.value(), failure);
}

TEST(ClosedChannel, AskingForTheValueThatIsNotThereThrows) {
    const channel<int> ch{1};
    ch.close();
    EXPECT_THROW(ch.receive().value(), std::bad_optional_access);
}

// CH-18
TEST(ClosedChannel, ARangeForEndsWhenItIsDrained) {
    const channel<int> ch{3};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3}), 3u);
    ch.close();
    std::vector<int> seen;
    for (const int v : ch) seen.push_back(v);
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
}

TEST(ClosedChannel, ARangeForEndsByThrowingTheErrorAfterAllValues) {
    const channel<int> ch{3};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3}), 3u);
    ch.close(std::make_exception_ptr(failure{}));
    int sum = 0;
    EXPECT_THROW(for (const int v : ch) sum += v, failure);
    EXPECT_EQ(sum, 6);
}

// T14
TEST(ClosedChannel, ARangeForMayBeLeftEarlyWhileASenderWaits) {
    const channel<int> ch{0};
    threads by;
    auto sending = start_send(by, ch, 1);
    for (const int v : ch) {
        EXPECT_EQ(v, 1);
        break;
    }
    EXPECT_EQ(sending.get().why, status::ok);
    auto left_over = start_send(by, ch, 2);
    eventually([&] { return senders_waiting(ch) == 1; });
    ch.close();
    EXPECT_EQ(left_over.get().why, status::closed);
}

// --- the halves of make_channel -------------------------------------------------------------------------------------

// CL-07
template <class Half>
concept can_be_closed = requires(const Half& h) { h.close(); };
static_assert(can_be_closed<sluice::sender<int>> && can_be_closed<channel<int>>);
static_assert(!can_be_closed<sluice::receiver<int>>, "a receiver says that it wants no more by cancel()");

// CL-09, CL-13
TEST(ChannelHalves, TheLastSenderToGoClosesTheChannel) {
    auto [in, out] = sluice::make_channel<int>(2);
    auto clone = in;
    ASSERT_TRUE(in.send(1));
    in = {};
    EXPECT_FALSE(out.is_closed());
    ASSERT_TRUE(clone.send(2));
    clone = {};
    EXPECT_EQ(*out.receive(), 1);
    EXPECT_EQ(*out.receive(), 2);
    EXPECT_EQ(out.receive().why(), status::closed);
}

TEST(ChannelHalves, AMovedSenderIsStillOneSender) {
    auto [in, out] = sluice::make_channel<int>(1);
    auto moved = std::move(in);
    in = std::move(moved);
    ASSERT_TRUE(in.send(1));
    EXPECT_FALSE(out.is_closed());
    in = {};
    EXPECT_TRUE(out.is_closed());
}

TEST(ChannelHalves, ACancelledReceiverWantsNoMoreValues) {
    auto [in, out] = sluice::make_channel<int>(2);
    ASSERT_TRUE(in.send(1));
    out.cancel();
    EXPECT_EQ(in.send(2).why(), status::closed);
    EXPECT_EQ(out.size(), 0u);
    EXPECT_EQ(out.receive().why(), status::closed);
}

TEST(ChannelHalves, HalvesMadeFromAChannelAreNotCounted) {
    const channel<int> ch{1};
    { const sluice::sender<int> in{ch}; }
    { const sluice::receiver<int> out{ch}; }
    EXPECT_FALSE(ch.is_closed());
}

// CL-13
TEST(ChannelHalves, ASenderInFlightKeepsItsChannelOpen) {
    sluice::receiver<std::vector<sluice::sender<int>>> out;
    auto [inner_in, inner_out] = sluice::make_channel<int>(1);
    {
        auto [in, o] = sluice::make_channel<std::vector<sluice::sender<int>>>(1);
        out = o;
        ASSERT_TRUE(in.send(std::vector{std::move(inner_in)}));
    }
    EXPECT_FALSE(inner_out.is_closed());
    ASSERT_TRUE(out.receive());
    EXPECT_TRUE(inner_out.is_closed());
}

// --- waiters, threads and tasks -------------------------------------------------------------------------------------

template <class Callers>
class ChannelEndSeenBy : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(ChannelEndSeenBy, both_callers, caller_names);

// CL-02, T3
TYPED_TEST(ChannelEndSeenBy, ClosingWakesEveryReceiver) {
    const channel<int> ch{2};
    std::vector<decltype(start_receive(this->by, ch))> waiting;
    for (int i = 0; i < 6; ++i) waiting.push_back(start_receive(this->by, ch));
    eventually([&] { return receivers_waiting(ch) == 6; });
    ch.close();
    for (auto& w : waiting) EXPECT_EQ(w.get().why(), status::closed);
    EXPECT_TRUE(nobody_waits(ch));
}

TYPED_TEST(ChannelEndSeenBy, AWaitingReceiverGetsTheErrorOfTheClose) {
    const channel<int> ch{0};
    auto waiting = start_receive(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    ch.close(std::make_exception_ptr(failure{}));
    auto end = waiting.get();
    EXPECT_THROW(end.value(), failure);
}

// CL-03, T1
TYPED_TEST(ChannelEndSeenBy, ClosingWakesEverySenderAndTheValuesStayTheirs) {
    const channel<std::string> ch{1};
    ASSERT_TRUE(ch.send("buffered"));
    std::vector<decltype(start_send(this->by, ch, ""))> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(start_send(this->by, ch, std::string(50, 'x')));
    eventually([&] { return senders_waiting(ch) == 4; });
    ch.close();
    for (auto& w : waiting) {
        const auto end = w.get();
        EXPECT_EQ(end.why, status::closed);
        EXPECT_EQ(end.left, std::string(50, 'x'));
    }
    EXPECT_EQ(*ch.receive(), "buffered");
    EXPECT_EQ(ch.receive().why(), status::closed);
}

// CL-01, CL-08, T12
TYPED_TEST(ChannelEndSeenBy, ADrainedChannelIsClosedForEver) {
    const channel<int> ch{2};
    EXPECT_EQ(ch.send_all(std::vector{1, 2}), 2u);
    ch.close();
    EXPECT_EQ(*start_receive(this->by, ch).get(), 1);
    EXPECT_EQ(*start_receive(this->by, ch).get(), 2);
    for (int i = 0; i < 3; ++i) {
        sluice::received<int> v;
        EXPECT_EQ(start_receive(this->by, ch).get().why(), status::closed);
        EXPECT_EQ(start_select(this->by, sluice::on_receive(ch, v), sluice::otherwise).get(), 0u);
        EXPECT_EQ(v.why(), status::closed);
        EXPECT_EQ(ch.try_receive().why(), status::closed);
    }
}

// CL-04, CL-12: also where the select has an `otherwise`.
TYPED_TEST(ChannelEndSeenBy, AClosedChannelTakesNoValue) {
    const channel<std::string> ch{1};
    ch.close();
    for (int i = 0; i < 3; ++i) {
        const auto end = start_send(this->by, ch, std::string(50, 'x')).get();
        EXPECT_EQ(end.why, status::closed);
        EXPECT_EQ(end.left, std::string(50, 'x'));
        std::string mine(50, 'y');
        sluice::sent s = status::ok;
        EXPECT_EQ(start_select(this->by, sluice::on_send(ch, std::move(mine), s), sluice::otherwise).get(), 0u);
        EXPECT_EQ(s.why(), status::closed);
        EXPECT_EQ(mine, std::string(50, 'y'));
    }
    EXPECT_EQ(ch.size(), 0u);
}

// CL-09, T15
TYPED_TEST(ChannelEndSeenBy, TheLastSenderToGoEndsEveryWaitingReceiver) {
    auto [in, out] = sluice::make_channel<int>(1);
    const auto receive = [&] {
        return this->by.start([](sluice::receiver<int> r) { return r.receive().why(); },
                              [](sluice::receiver<int> r) -> sluice::task<status> {
                                  const auto v = co_await r.async_receive();
                                  co_return v.why();
                              },
                              out);
    };
    auto a = receive();
    auto b = receive();
    eventually([&] { return receivers_waiting(out) == 2; });
    auto clone = in;
    in = {};
    EXPECT_FALSE(a.done() || b.done());
    clone = {};
    EXPECT_EQ(a.get(), status::closed);
    EXPECT_EQ(b.get(), status::closed);
    EXPECT_TRUE(nobody_waits(out));
}

/// Sends a long string through one half and tells how it ended.
template <class Callers>
auto start_send_by_half(Callers& by, sluice::sender<std::string> half) {
    return by.start(
        [](sluice::sender<std::string> h) {
            std::string v(50, 'x');
            const auto s = h.send(std::move(v));
            return send_end<std::string>{s.why(), v};
        },
        [](sluice::sender<std::string> h) -> sluice::task<send_end<std::string>> {
            std::string v(50, 'x');
            const auto s = co_await h.async_send(std::move(v));
            co_return send_end<std::string>{s.why(), v};
        },
        std::move(half));
}

// CL-10, T15, CH-28
TYPED_TEST(ChannelEndSeenBy, TheLastReceiverToGoEndsEveryWaitingSender) {
    auto [in, out] = sluice::make_channel<std::string>(1);
    ASSERT_TRUE(in.send("buffered"));
    auto a = start_send_by_half(this->by, in);
    auto b = start_send_by_half(this->by, in);
    eventually([&] { return senders_waiting(in) == 2; });
    out = {};
    for (auto* const sending : {&a, &b}) {
        const auto end = sending->get();
        EXPECT_EQ(end.why, status::closed);
        EXPECT_EQ(end.left, std::string(50, 'x'));
    }
    EXPECT_EQ(in.size(), 0u);
    EXPECT_EQ(start_send_by_half(this->by, in).get().why, status::closed);
}

// CL-14
TYPED_TEST(ChannelEndSeenBy, AReceiverThatCancelsEndsTheWaitsOfBothSidesAndDiscardsWhatIsPending) {
    auto [in, out] = sluice::make_channel<std::string>(1);
    ASSERT_TRUE(in.send("buffered"));
    auto sending = start_send_by_half(this->by, in);
    eventually([&] { return senders_waiting(in) == 1; });
    out.cancel();
    EXPECT_EQ(sending.get().why, status::closed);
    EXPECT_EQ(out.receive().why(), status::closed);

    const channel<int> empty{1};
    auto receiving = start_receive(this->by, empty);
    eventually([&] { return receivers_waiting(empty) == 1; });
    sluice::receiver<int>{empty}.cancel();
    EXPECT_EQ(receiving.get().why(), status::closed);
}

// T15
TEST(ClosedChannel, AWaiterKeepsItsChannelAliveAndIsWokenByTheLastOtherHandle) {
    channel<int> ch{0};
    threads by;
    auto receiving = start_receive(by, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    const sluice::sender<int> last{std::exchange(ch, {})};
    last.close();
    EXPECT_EQ(receiving.get().why(), status::closed);
}

}  // namespace
