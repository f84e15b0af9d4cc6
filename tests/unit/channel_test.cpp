// SPDX-License-Identifier: BSL-1.0
// channel_test.cpp: how do values get through a channel, and who waits for whom?

#include <sluice/channel.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "../support/broken_contract.hpp"
#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::status;
using namespace sluice_test;
using namespace std::chrono_literals;

// --- what a channel is --------------------------------------------------------------------------------------------

// CH-01
TEST(Channel, ANegativeCapacityBreaksTheContract) {
    const auto negative = static_cast<std::size_t>(-1);
    EXPECT_TRUE(breaks_contract([&] { channel<int>{negative}; }));
    EXPECT_TRUE(breaks_contract([&] { channel<int>(negative, sluice::overflow::drop_oldest); }));
    const auto violation = violation_of([&] { static_cast<void>(sluice::make_channel<int>(negative)); });
    ASSERT_TRUE(violation);
    EXPECT_EQ(violation->where.line(), unsigned{__LINE__} - 2);
}

// CH-01
TEST(Channel, ACapacityBeyondAllMemoryFailsAtOnce) {
    EXPECT_THROW(channel<std::string>{static_cast<std::size_t>(-1) / 2}, std::bad_alloc);
}

// CH-02
TEST(Channel, AFreshOneIsEmptyAndKnowsItsCapacity) {
    for (const std::size_t capacity : {0u, 1u, 7u}) {
        const channel<int> ch{capacity};
        EXPECT_EQ(ch.size(), 0u);
        EXPECT_EQ(ch.capacity(), capacity);
        EXPECT_FALSE(ch.is_closed());
        EXPECT_TRUE(ch);
    }
}

// CH-03
TEST(Channel, TheSizeIsTheNumberOfBufferedValues) {
    const channel<int> ch{3};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.try_send(i));
    EXPECT_EQ(ch.size(), 3u);
    ASSERT_TRUE(ch.try_receive());
    EXPECT_EQ(ch.size(), 2u);
}

// CH-05
TEST(Channel, TryReceiveOfAnEmptyOneSaysEmpty) {
    EXPECT_EQ(channel<int>{0}.try_receive().why(), status::empty);
    EXPECT_EQ(channel<int>{2}.try_receive().why(), status::empty);
    EXPECT_EQ(channel<int>{sluice::unbounded}.try_receive().why(), status::empty);
}

// CH-07
TEST(Channel, TrySendIntoAFullOneSaysFull) {
    EXPECT_EQ(channel<int>{0}.try_send(1).why(), status::full);
    const channel<int> ch{1};
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(ch.try_send(2).why(), status::full);
    EXPECT_EQ(*ch.try_receive(), 1);
    EXPECT_EQ(ch.try_receive().why(), status::empty);
}

TEST(Channel, CopiesOfAHandleAreTheSameChannel) {
    const channel<int> a{1};
    const channel<int> b{a};
    const channel<int> other{1};
    EXPECT_EQ(a, b);
    EXPECT_NE(a, other);
    EXPECT_EQ((std::unordered_set<channel<int>>{a, b, other}.size()), 2u);
    ASSERT_TRUE(a.try_send(5));
    EXPECT_EQ(*b.try_receive(), 5);
}

TEST(Channel, TheHalvesOfAChannelWorkOnIt) {
    const channel<int> ch{1};
    const sluice::sender<int> in{ch};
    const sluice::receiver<int> out{ch};
    ASSERT_TRUE(in.try_send(3));
    EXPECT_EQ(out.size(), 1u);
    EXPECT_EQ(*out.receive(), 3);
    EXPECT_FALSE(sluice::sender<int>{});
    EXPECT_FALSE(sluice::receiver<int>{});
}

// T20: a ring of three seen from every starting point, many times over. It counts by what it holds: nothing overflows.
TEST(Channel, ValuesLeaveInTheirOrderWhereverTheRingBegins) {
    const channel<int> ch{3};
    int in = 0;
    int out = 0;
    for (int round = 0; round < 1000; ++round) {
        for (int i = 0; i <= round % 3; ++i) ASSERT_TRUE(ch.try_send(in++));
        while (const auto v = ch.try_receive()) ASSERT_EQ(*v, out++);
    }
    EXPECT_EQ(in, out);
}

TEST(Channel, AnUnboundedOneTakesEverySendAndKeepsTheOrder) {
    const channel<int> ch{sluice::unbounded};
    EXPECT_EQ(ch.capacity(), static_cast<std::size_t>(-1));
    int in = 0;
    int out = 0;
    for (int round = 0; round < 200; ++round) {  // grows with its first value anywhere in the ring
        for (int i = 0; i < 7; ++i) ASSERT_TRUE(ch.send(in++));
        for (int i = 0; i < 5; ++i) ASSERT_EQ(*ch.try_receive(), out++);
    }
    EXPECT_EQ(ch.size(), static_cast<std::size_t>(in - out));
    while (const auto v = ch.try_receive()) ASSERT_EQ(*v, out++);
    EXPECT_EQ(in, out);
}

TEST(Channel, DropOldestTakesEverySendAndCountsWhatItDropped) {
    const channel<int> ch{2, sluice::overflow::drop_oldest};
    for (int i = 1; i <= 5; ++i) ASSERT_TRUE(ch.send(i));
    EXPECT_EQ(ch.dropped(), 3u);
    EXPECT_EQ(*ch.try_receive(), 4);
    EXPECT_EQ(*ch.try_receive(), 5);
}

TEST(Channel, DropNewestEndsASendThatFindsNoRoomWithFull) {
    const channel<std::string> ch{1, sluice::overflow::drop_newest};
    ASSERT_TRUE(ch.send("kept"));
    std::string unwanted(100, 'x');
    EXPECT_EQ(ch.send(std::move(unwanted)).why(), status::full);
    EXPECT_EQ(unwanted, std::string(100, 'x'));
    EXPECT_EQ(*ch.try_receive(), "kept");
    EXPECT_EQ(ch.dropped(), 0u);
}

// --- several at once ------------------------------------------------------------------------------------------------

TEST(Channel, ReceiveSomeTakesWhatIsThereUpToTheMost) {
    const channel<int> ch{8};
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(ch.try_send(i));
    EXPECT_EQ(ch.receive_some(3), (std::vector{0, 1, 2}));
    EXPECT_EQ(ch.try_receive_some(9), (std::vector{3, 4}));
    EXPECT_TRUE(ch.try_receive_some(9).empty());
}

TEST(Channel, ReceiveSomeOfNoValuesBreaksTheContract) {
    EXPECT_TRUE(breaks_contract([] { static_cast<void>(channel<int>{1}.receive_some(0)); }));
}

TEST(Channel, SendAllSendsTheElementsInOrderUntilOneCannotBeSent) {
    const channel<int> ch{8};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3}), 3u);
    ch.close();
    EXPECT_EQ(ch.send_all(std::vector{4}), 0u);
    EXPECT_EQ(ch.receive_some(8), (std::vector{1, 2, 3}));
}

// --- nil ------------------------------------------------------------------------------------------------------------

// CH-14
TEST(NilChannel, IsNeverReady) {
    const channel<int> nil;
    EXPECT_FALSE(nil);
    EXPECT_EQ(nil.size(), 0u);
    EXPECT_EQ(nil.capacity(), 0u);
    EXPECT_FALSE(nil.is_closed());
    EXPECT_EQ(nil.try_send(1).why(), status::full);
    EXPECT_EQ(nil.try_receive().why(), status::empty);
    EXPECT_TRUE(nil.try_receive_some(3).empty());
    EXPECT_EQ(nil.send_for(1, 1ms).why(), status::timed_out);
    EXPECT_EQ(nil.receive_for(1ms).why(), status::timed_out);
}

// CH-15
TEST(NilChannel, ClosingItBreaksTheContract) {
    EXPECT_TRUE(breaks_contract([] { channel<int>{}.close(); }));
    EXPECT_TRUE(breaks_contract([] { sluice::sender<int>{}.close(); }));
    EXPECT_TRUE(breaks_contract([] { sluice::receiver<int>{}.cancel(); }));
}

// CH-15
TEST(NilChannel, ClosingItIsReportedWithTheCallersPlace) {
    const auto expect_here = [](auto close, unsigned line) {
        const auto violation = violation_of(close);
        ASSERT_TRUE(violation);
        EXPECT_EQ(violation->where.line(), line);
        EXPECT_STREQ(violation->where.file_name(), __FILE__);
        EXPECT_NE(std::string_view{violation->message}.find("nil"), std::string_view::npos);
    };
    const std::exception_ptr error;
    expect_here([] { channel<int>{}.close(); }, __LINE__);
    expect_here([&] { channel<int>{}.close(error); }, __LINE__);
    expect_here([] { sluice::sender<int>{}.close(); }, __LINE__);
    expect_here([&] { sluice::sender<int>{}.close(error); }, __LINE__);
    expect_here([] { sluice::receiver<int>{}.cancel(); }, __LINE__);
}

// --- waiting: for threads and for tasks -----------------------------------------------------------------------------

template <class Callers>
class ChannelCalledBy : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(ChannelCalledBy, both_callers, caller_names);

// CH-14
TYPED_TEST(ChannelCalledBy, WaitingOnNilLastsUntilTheContextEnds) {
    const auto stop = sluice::with_cancel({});
    auto receiving = start_receive(this->by, channel<int>{}, stop.get());
    auto sending = start_send(this->by, channel<int>{}, 7, stop.get());
    stop.cancel();
    EXPECT_EQ(receiving.get().why(), status::canceled);
    const auto end = sending.get();
    EXPECT_EQ(end.why, status::canceled);
    EXPECT_EQ(end.left, 7);
}

// CH-04
TYPED_TEST(ChannelCalledBy, EveryReceiverOfAnEmptyChannelWaits) {
    const channel<int> ch{2};
    auto a = start_receive(this->by, ch);
    auto b = start_receive(this->by, ch);
    auto c = start_receive(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 3; });
    EXPECT_FALSE(a.done() || b.done() || c.done());
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3}), 3u);
    EXPECT_EQ(*a.get() + *b.get() + *c.get(), 6);
}

// CH-06
TYPED_TEST(ChannelCalledBy, ASendIntoAFullChannelWaitsForRoom) {
    const channel<int> ch{1};
    ASSERT_TRUE(ch.try_send(1));
    auto sending = start_send(this->by, ch, 2);
    eventually([&] { return senders_waiting(ch) == 1; });
    EXPECT_FALSE(sending.done());
    EXPECT_EQ(*ch.receive(), 1);
    EXPECT_EQ(sending.get().why, status::ok);
    EXPECT_EQ(*ch.receive(), 2);
}

// CH-03, CH-06
TYPED_TEST(ChannelCalledBy, ASendIntoARendezvousWaitsForAReceiver) {
    const channel<int> ch{0};
    auto sending = start_send(this->by, ch, 4);
    eventually([&] { return senders_waiting(ch) == 1; });
    EXPECT_EQ(ch.size(), 0u);
    EXPECT_FALSE(sending.done());
    EXPECT_EQ(*ch.receive(), 4);
    EXPECT_EQ(sending.get().why, status::ok);
}

// CH-08
TYPED_TEST(ChannelCalledBy, ASendToAWaitingReceiverPassesTheBufferBy) {
    const channel<int> ch{4};
    auto receiving = start_receive(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    ASSERT_TRUE(ch.try_send(9));
    EXPECT_EQ(ch.size(), 0u);
    EXPECT_EQ(*receiving.get(), 9);
}

// CH-09
TYPED_TEST(ChannelCalledBy, AReceiveFromAFullBufferLetsTheFirstWaitingSenderIn) {
    const channel<int> ch{2};
    ASSERT_TRUE(ch.try_send(1));
    ASSERT_TRUE(ch.try_send(2));
    auto third = start_send(this->by, ch, 3);
    eventually([&] { return senders_waiting(ch) == 1; });
    auto fourth = start_send(this->by, ch, 4);
    eventually([&] { return senders_waiting(ch) == 2; });
    EXPECT_EQ(*ch.receive(), 1);
    EXPECT_EQ(third.get().why, status::ok);
    EXPECT_EQ(senders_waiting(ch), 1u);
    EXPECT_EQ(ch.size(), 2u);
    EXPECT_EQ(ch.receive_some(5), (std::vector{2, 3, 4}));
    EXPECT_EQ(fourth.get().why, status::ok);
}

// CH-12, T11
TYPED_TEST(ChannelCalledBy, ReceiversAreServedInArrivalOrder) {
    const channel<int> ch{2};
    std::vector<decltype(start_receive(this->by, ch))> waiting;
    for (std::size_t i = 0; i < 5; ++i) {
        waiting.push_back(start_receive(this->by, ch));
        eventually([&] { return receivers_waiting(ch) == i + 1; });
    }
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(ch.try_send(i));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(*waiting[static_cast<std::size_t>(i)].get(), i);
}

// T11
TYPED_TEST(ChannelCalledBy, SendersAreServedInArrivalOrder) {
    const channel<int> ch{0};
    std::vector<decltype(start_send(this->by, ch, 0))> waiting;
    for (int i = 0; i < 5; ++i) {
        waiting.push_back(start_send(this->by, ch, i));
        eventually([&] { return senders_waiting(ch) == waiting.size(); });
    }
    for (int i = 0; i < 5; ++i) EXPECT_EQ(*ch.receive(), i);
    for (auto& w : waiting) EXPECT_EQ(w.get().why, status::ok);
}

// T7
TYPED_TEST(ChannelCalledBy, TrySendServesAWaitingReceiver) {
    const channel<int> ch{0};
    auto receiving = start_receive(this->by, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    EXPECT_TRUE(ch.try_send(5));
    EXPECT_EQ(*receiving.get(), 5);
}

// T7
TYPED_TEST(ChannelCalledBy, TryReceiveServesAWaitingSender) {
    const channel<int> ch{0};
    auto sending = start_send(this->by, ch, 5);
    eventually([&] { return senders_waiting(ch) == 1; });
    EXPECT_EQ(*ch.try_receive(), 5);
    EXPECT_EQ(sending.get().why, status::ok);
}

TYPED_TEST(ChannelCalledBy, ReceiveSomeWaitsForTheFirstValueOnly) {
    const channel<int> ch{4};
    auto receiving = this->by.start(
        [](channel<int> c) { return c.receive_some(4); },
        [](channel<int> c) -> sluice::task<std::vector<int>> { co_return co_await c.async_receive_some(4); }, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(receiving.get(), std::vector{1});
}

TYPED_TEST(ChannelCalledBy, ReceiveSomeTakesTheValuesOfWaitingSendersToo) {
    const channel<int> ch{0};
    auto a = start_send(this->by, ch, 1);
    eventually([&] { return senders_waiting(ch) == 1; });
    auto b = start_send(this->by, ch, 2);
    eventually([&] { return senders_waiting(ch) == 2; });
    EXPECT_EQ(ch.receive_some(5), (std::vector{1, 2}));
    EXPECT_EQ(a.get().why, status::ok);
    EXPECT_EQ(b.get().why, status::ok);
}

// CH-10
TYPED_TEST(ChannelCalledBy, OneSenderAndOneReceiverKeepTheOrderAtEveryCapacity) {
    for (std::size_t capacity = 0; capacity <= 200; capacity += capacity < 5 ? 1 : 13) {
        const channel<int> ch{capacity};
        auto sending = this->by.start(
            [](channel<int> c) {
                for (int i = 0; i < 100; ++i)
                    if (!c.send(i)) return false;
                return true;
            },
            [](channel<int> c) -> sluice::task<bool> {
                for (int i = 0; i < 100; ++i)
                    if (!co_await c.async_send(i)) co_return false;
                co_return true;
            },
            ch);
        for (int i = 0; i < 100; ++i) ASSERT_EQ(*ch.receive(), i) << "capacity " << capacity;
        EXPECT_TRUE(sending.get());
    }
}

// CH-21
TEST(Channel, AChainOfTenThousandTasksPassesAValueFromEndToEnd) {
    sluice::runtime rt;
    constexpr int links = 10'000;
    const channel<int> leftmost{0};
    channel<int> left = leftmost;
    for (int i = 0; i < links; ++i) {
        const channel<int> right{0};
        rt.go(
            [](channel<int> to, channel<int> from) -> sluice::task<> {
                const int v = *co_await from.async_receive();
                static_cast<void>(co_await to.async_send(v + 1));
            },
            left, right);
        left = right;
    }
    ASSERT_TRUE(left.send(1));
    EXPECT_EQ(*leftmost.receive(), links + 1);
}

}  // namespace
