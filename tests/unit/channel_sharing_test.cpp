// SPDX-License-Identifier: BSL-1.0
// channel_sharing_test.cpp: what do many users of one channel see of the values, and of each other?
//
// What is written and read beside the channel is no atomic: a race detector sees a missing edge.

#include <sluice/channel.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "../support/callers.hpp"

namespace {

using sluice::channel;
using sluice::status;
using sluice::task;
using namespace sluice_test;

template <class Callers>
class ChannelSharedBy : public testing::Test {
protected:
    /// Receives `count` values.
    auto start_receive_many(channel<int> ch, int count) {
        return by.start(
            [](channel<int> c, int n) {
                std::vector<int> all;
                for (int i = 0; i < n; ++i) all.push_back(*c.receive());
                return all;
            },
            [](channel<int> c, int n) -> task<std::vector<int>> {
                std::vector<int> all;
                for (int i = 0; i < n; ++i) {
                    const auto v = co_await c.async_receive();
                    all.push_back(*v);
                }
                co_return all;
            },
            std::move(ch), count);
    }
    /// Sends 0 .. count - 1; how many were sent.
    auto start_send_many(channel<int> ch, int count) {
        return by.start(
            [](channel<int> c, int n) {
                for (int i = 0; i < n; ++i)
                    if (!c.send(i)) return i;
                return n;
            },
            [](channel<int> c, int n) -> task<int> {
                for (int i = 0; i < n; ++i)
                    if (!co_await c.async_send(i)) co_return i;
                co_return n;
            },
            std::move(ch), count);
    }
    Callers by;
};
TYPED_TEST_SUITE(ChannelSharedBy, both_callers, caller_names);

// --- who gets what --------------------------------------------------------------------------------------------------------

// CH-11, T5
TYPED_TEST(ChannelSharedBy, FourSendersAndFourReceiversLoseAndDoubleNothing) {
    constexpr int each = 1000;
    for (const std::size_t capacity : {0u, 1u, 4u}) {
        const channel<int> ch{capacity};
        std::vector<decltype(this->start_send_many(ch, each))> sending;
        std::vector<decltype(this->start_receive_many(ch, each))> receiving;
        for (int i = 0; i < 4; ++i) {
            sending.push_back(this->start_send_many(ch, each));
            receiving.push_back(this->start_receive_many(ch, each));
        }
        std::array<int, each> times{};
        for (auto& r : receiving)
            for (const int v : r.get()) ++times[static_cast<std::size_t>(v)];
        for (const int n : times) ASSERT_EQ(n, 4) << "capacity " << capacity;
        for (auto& s : sending) EXPECT_EQ(s.get(), each);
        EXPECT_EQ(ch.size(), 0u);
    }
}

// --- who sees what --------------------------------------------------------------------------------------------------------

constexpr int turns = 300;
/// What the two sides of a test write for each other.
struct slate {
    std::array<int, turns> before_send{};
    std::array<int, turns> before_receive{};
    int before_close = 0;
};

// CH-16
TYPED_TEST(ChannelSharedBy, WhatWasDoneBeforeASendIsVisibleAfterItsReceive) {
    for (const std::size_t capacity : {0u, 1u, 3u}) {
        const channel<int> ch{capacity};
        slate s;
        auto sending = this->by.start(
            [](channel<int> c, slate* p) {
                for (int i = 0; i < turns; ++i) {
                    p->before_send[static_cast<std::size_t>(i)] = i + 1;
                    if (!c.send(i)) return false;
                }
                p->before_close = 7;
                return c.close();
            },
            [](channel<int> c, slate* p) -> task<bool> {
                for (int i = 0; i < turns; ++i) {
                    p->before_send[static_cast<std::size_t>(i)] = i + 1;
                    if (!co_await c.async_send(i)) co_return false;
                }
                p->before_close = 7;
                co_return c.close();
            },
            ch, &s);
        for (int i = 0; i < turns; ++i)
            ASSERT_EQ(s.before_send[static_cast<std::size_t>(*ch.receive())], i + 1) << "capacity " << capacity;
        ASSERT_EQ(ch.receive().why(), status::closed);
        EXPECT_EQ(s.before_close, 7);  // and a close, to who sees it
        EXPECT_TRUE(sending.get());
    }
}

// CH-16: the k-th receive comes before the end of the (k + capacity)-th send.
TYPED_TEST(ChannelSharedBy, WhatWasDoneBeforeAReceiveIsVisibleAfterTheSendItMakesRoomFor) {
    for (const std::size_t capacity : {0u, 1u, 3u}) {
        const channel<int> ch{capacity};
        slate s;
        auto receiving = this->by.start(
            [](channel<int> c, slate* p) {
                for (std::size_t i = 0; i < turns; ++i) {
                    p->before_receive[i] = 1;
                    if (!c.receive()) return false;
                }
                return true;
            },
            [](channel<int> c, slate* p) -> task<bool> {
                for (std::size_t i = 0; i < turns; ++i) {
                    p->before_receive[i] = 1;
                    if (!co_await c.async_receive()) co_return false;
                }
                co_return true;
            },
            ch, &s);
        for (std::size_t i = 0; i < turns; ++i) {
            ASSERT_TRUE(ch.send(0));
            if (i >= capacity) {
                ASSERT_EQ(s.before_receive[i - capacity], 1) << "capacity " << capacity;
            }
        }
        EXPECT_TRUE(receiving.get());
    }
}

// CH-16: with one slot the buffer is a mutex. The counter is no atomic: a race detector sees a missing edge.
TYPED_TEST(ChannelSharedBy, AReceiveIsVisibleToTheSendItMakesRoomFor) {
    const channel<int> slot{1};
    int guarded = 0;
    int* const p = &guarded;
    const auto start = [&] {
        return this->by.start(
            [](channel<int> s, int* n) {
                for (int i = 0; i < 500; ++i) {
                    static_cast<void>(s.send(0));
                    ++*n;
                    static_cast<void>(s.receive());
                }
                return true;
            },
            [](channel<int> s, int* n) -> sluice::task<bool> {
                for (int i = 0; i < 500; ++i) {
                    static_cast<void>(co_await s.async_send(0));
                    ++*n;
                    static_cast<void>(co_await s.async_receive());
                }
                co_return true;
            },
            slot, p);
    };
    auto a = start();
    auto b = start();
    auto c = start();
    EXPECT_TRUE(a.get() && b.get() && c.get());
    EXPECT_EQ(guarded, 1500);
}

// T19
TYPED_TEST(ChannelSharedBy, ItMayBeAskedAtAnyTime) {
    constexpr int count = 5000;
    const channel<int> ch{3};
    auto receiving = this->start_receive_many(ch, count);
    EXPECT_FALSE(ch.is_closed());
    auto sending = this->start_send_many(ch, count);
    while (!receiving.done()) {
        ASSERT_LE(ch.size(), ch.capacity());
        ASSERT_EQ(ch.dropped(), 0u);
        static_cast<void>(ch.is_closed());
    }
    EXPECT_EQ(sending.get(), count);
    EXPECT_EQ(receiving.get().size(), std::size_t{count});
}

}  // namespace
