// SPDX-License-Identifier: BSL-1.0
// channel_values_test.cpp: what happens to the values on their way: who owns them, who destroys them, and what if they throw?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/busy_worker.hpp"
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

// --- kinds of values --------------------------------------------------------------------------------------------------

TEST(ChannelValues, MoveOnlyOnesTravel) {
    const channel<std::unique_ptr<int>> ch{1};
    ASSERT_TRUE(ch.send(std::make_unique<int>(1)));
    EXPECT_EQ(**ch.receive(), 1);
    threads by;
    auto sending = start_send(by, ch, std::make_unique<int>(2));
    EXPECT_EQ(**ch.receive(), 2);
    EXPECT_EQ(sending.get().left, nullptr);
}

struct without_default {
    explicit without_default(int v) : value{v} {}
    int value;
};

// T17
TEST(ChannelValues, TheyNeedNoDefaultConstructor) {
    const channel<without_default> ch{2};
    ASSERT_TRUE(ch.send(without_default{1}));
    ASSERT_TRUE(ch.try_send(without_default{2}));
    EXPECT_EQ(ch.receive()->value, 1);
    EXPECT_EQ(ch.receive_some(1).front().value, 2);
}

// T17
struct alignas(64) over_aligned {
    int value = 0;
    bool is_aligned() const { return reinterpret_cast<std::uintptr_t>(this) % alignof(over_aligned) == 0; }
};

TEST(ChannelValues, OverAlignedOnesAreAlignedInBuffersAndBlockingForms) {
    for (const std::size_t capacity : {0u, 3u}) {
        const channel<over_aligned> ch{capacity};
        threads by;
        auto sending = by.start(
            [](channel<over_aligned> c) {
                for (int i = 0; i < 20; ++i)
                    if (!c.send(over_aligned{i})) return false;
                return true;
            },
            0, ch);
        for (int i = 0; i < 20; ++i) {
            const auto v = ch.receive();
            EXPECT_TRUE(v->is_aligned());
            EXPECT_EQ(v->value, i);
        }
        EXPECT_TRUE(sending.get());
    }
    const channel<over_aligned> growing{sluice::unbounded};
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(growing.send(over_aligned{i}));
    for (const auto& v : growing.receive_some(100)) EXPECT_TRUE(v.is_aligned());
}

TEST(ChannelValues, WhatAValueIsMadeOfMayBeSentForIt) {
    const channel<std::string> ch{2};
    ASSERT_TRUE(ch.send("literal"));
    ASSERT_TRUE(ch.try_send(std::string_view{"view"}));
    EXPECT_EQ(*ch.receive(), "literal");
    EXPECT_EQ(*ch.receive(), "view");
}

TEST(ChannelValues, AReceivedOneConvertsToAnOptional) {
    const channel<std::unique_ptr<int>> ch{1};
    std::optional<std::unique_ptr<int>> nothing = ch.try_receive();
    EXPECT_FALSE(nothing.has_value());
    ASSERT_TRUE(ch.send(std::make_unique<int>(4)));
    std::optional<std::unique_ptr<int>> something = ch.try_receive();
    EXPECT_EQ(**something, 4);
}

// CH-13
TEST(ChannelOfVoid, CarriesSignals) {
    const channel<void> ch{2};
    EXPECT_EQ(ch.try_receive().why(), status::empty);
    ASSERT_TRUE(ch.send());
    ASSERT_TRUE(ch.try_send());
    EXPECT_EQ(ch.try_send().why(), status::full);
    EXPECT_EQ(ch.size(), 2u);
    EXPECT_TRUE(ch.receive());
    ch.close();
    EXPECT_TRUE(ch.receive());
    EXPECT_EQ(ch.receive().why(), status::closed);
    EXPECT_EQ(ch.send().why(), status::closed);
}

// CH-13
TEST(ChannelOfVoid, SignalsATaskThatWaits) {
    sluice::runtime rt;
    const sluice::channel<void> there{0};
    const sluice::channel<void> back{0};
    auto h = rt.go(
        [](sluice::receiver<void> in, sluice::sender<void> out) -> task<bool> {
            const auto came = co_await in.async_receive();
            co_return came&& co_await out.async_send();
        },
        sluice::receiver<void>{there}, sluice::sender<void>{back});
    ASSERT_TRUE(there.send());
    EXPECT_TRUE(back.receive());
    EXPECT_TRUE(h.get());
}

TEST(ChannelOfVoid, ASignalEndsByTimeAndByAContextAsAValueDoes) {
    const channel<void> ch{1};
    auto stop = sluice::with_cancel(sluice::context::background());
    ASSERT_TRUE(ch.send_for(std::chrono::milliseconds{1}));
    EXPECT_EQ(ch.send_for(std::chrono::milliseconds{1}).why(), status::timed_out);
    EXPECT_EQ(ch.send_until(std::chrono::steady_clock::now()).why(), status::timed_out);
    stop.cancel();
    EXPECT_EQ(ch.send(stop.get()).why(), status::canceled);
    EXPECT_EQ(ch.size(), 1u);
}

// --- who owns a value -----------------------------------------------------------------------------------------------

using value = counted<struct values>;

class OwnedValues : public testing::Test {
protected:
    OwnedValues() { value::reset_copies(); }
    ~OwnedValues() override { EXPECT_EQ(value::live(), 0); }
};

// CH-22
TEST_F(OwnedValues, WhatNobodyReceivedGoesWithTheChannel) {
    {
        const channel<value> ch{4};
        for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.send(value{i}));
        ASSERT_TRUE(ch.receive());
        EXPECT_EQ(value::live(), 2);
    }
    EXPECT_EQ(value::live(), 0);
    {
        const channel<value> growing{sluice::unbounded};
        for (int i = 0; i < 50; ++i) ASSERT_TRUE(growing.send(value{i}));
    }
    EXPECT_EQ(value::live(), 0);
}

// CH-23
TEST_F(OwnedValues, WhatIsBufferedGoesWithTheLastReceiverAtOnce) {
    auto [in, out] = sluice::make_channel<value>(3);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(in.send(value{i}));
    EXPECT_EQ(value::live(), 3);
    out = {};
    EXPECT_EQ(value::live(), 0);
}

TEST_F(OwnedValues, WhatDropOldestDropsIsDestroyedInTheSend) {
    const channel<value> ch{1, sluice::overflow::drop_oldest};
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(ch.send(value{i}));
        EXPECT_EQ(value::live(), 1);
    }
}

TEST_F(OwnedValues, ASentRvalueIsNeverCopied) {
    for (const std::size_t capacity : {0u, 1u}) {
        const channel<value> ch{capacity};
        threads by;
        auto sending = start_send(by, ch, value{3});
        EXPECT_EQ(ch.receive()->value(), 3);
        EXPECT_TRUE(sending.get().left.is_moved_from());
    }
    EXPECT_EQ(value::copies(), 0);
}

TEST_F(OwnedValues, ASentLvalueIsCopiedOnceAndKept) {
    const channel<value> ch{1};
    const value mine{3};
    ASSERT_TRUE(ch.send(mine));
    EXPECT_EQ(mine.value(), 3);
    EXPECT_EQ(value::copies(), 1);
    EXPECT_EQ(ch.receive()->value(), 3);
    EXPECT_EQ(value::copies(), 1);
}

// CH-28
TEST_F(OwnedValues, AnRvalueThatCouldNotBeSentIsUnmovedWhateverTheReason) {
    const channel<value> full{0};
    const channel<value> closed{1};
    closed.close();
    const channel<value> refusing{1, sluice::overflow::drop_newest};
    ASSERT_TRUE(refusing.send(value{1}));
    const auto ended = sluice::with_cancel({});
    ended.cancel();

    value mine{9};
    EXPECT_EQ(full.try_send(std::move(mine)).why(), status::full);
    EXPECT_EQ(closed.try_send(std::move(mine)).why(), status::closed);
    EXPECT_EQ(closed.send(std::move(mine)).why(), status::closed);
    EXPECT_EQ(refusing.send(std::move(mine)).why(), status::full);
    EXPECT_EQ(full.send_for(std::move(mine), 1ms).why(), status::timed_out);
    EXPECT_EQ(full.send(std::move(mine), ended.get()).why(), status::canceled);
    EXPECT_EQ(channel<value>{}.try_send(std::move(mine)).why(), status::full);
    const auto fired = sluice::select(sluice::on_send(full, std::move(mine)), sluice::otherwise);
    EXPECT_EQ(fired, 1u);
    EXPECT_EQ(mine.value(), 9);
}

// CH-28
TEST_F(OwnedValues, ASendThatTheSurroundingCancellationEndedLeavesTheValueUnmoved) {
    sluice::runtime rt;
    const channel<value> ch{0};
    auto h = rt.go(
        [](channel<value> c) -> task<int> {
            value mine{9};
            try {
                static_cast<void>(co_await c.async_send(std::move(mine)));
            } catch (const sluice::canceled&) {}
            co_return mine.value();
        },
        ch);
    eventually([&] { return senders_waiting(ch) == 1; });
    h.cancel();
    EXPECT_EQ(h.get(), 9);
}

// MX-05: handed over, and then nobody looks at it.
TEST_F(OwnedValues, AValueInTheHandsOfATaskThatEndsIsDestroyedOnce) {
    busy_worker one;
    const channel<value> ch{0};
    auto h = one.runtime().go([](channel<value> c) -> task<> { static_cast<void>(co_await c.async_receive()); }, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    one.occupy();
    ASSERT_TRUE(ch.try_send(value{1}));
    EXPECT_EQ(value::live(), 1);
    h.cancel();
    one.free_worker();
    h.get();
    EXPECT_EQ(value::live(), 0);
}

// --- nothing is lost or destroyed twice in any awaited form (compilers.md) --------------------------------------------

task<> send_in_every_form(channel<value> ch, sluice::context open) {
    value named{1};
    static_cast<void>(co_await ch.async_send(named));
    static_cast<void>(co_await ch.async_send(std::move(named)));
    static_cast<void>(co_await ch.async_send(value{2}));
    static_cast<void>(co_await ch.async_send(value{3}, open));
    static_cast<void>(co_await sluice::timeout(1h, ch.async_send(value{4})));
    static_cast<void>(co_await sluice::shielded(ch.async_send(value{5})));
    auto operation = ch.async_send(named);
    static_cast<void>(co_await operation);
    static_cast<void>(co_await sluice::async_select(sluice::on_send(ch, value{6}), sluice::on_done(open)));
    sluice::sent result = status::full;
    static_cast<void>(co_await sluice::async_select(sluice::on_send(ch, value{7}, result), sluice::on_timeout(1h)));
    static_cast<void>(
        co_await sluice::async_select(sluice::on_send(channel<value>{}, value{8}), sluice::on_send(ch, value{9})));
    ch.close();
    static_cast<void>(co_await ch.async_send(value{10}));
}

task<int> receive_in_every_form(channel<value> ch, sluice::context open) {
    int count = 0;
    const auto handler = [&count, held = value{0}](const sluice::received<value>& v) { count += static_cast<bool>(v); };
    for (;;) {
        count += static_cast<bool>(co_await ch.async_receive());
        if (const auto v = co_await ch.async_receive(open)) ++count;
        if (const auto v = co_await sluice::timeout(1h, ch.async_receive())) ++count;
        auto operation = ch.async_receive();
        if (const auto v = co_await operation) ++count;
        count += static_cast<int>((co_await ch.async_receive_some(1)).size());
        std::optional<value> maybe;
        static_cast<void>(co_await sluice::async_select(sluice::on_receive(ch, maybe), sluice::on_done(open)));
        count += maybe.has_value();
        sluice::received<value> into;
        static_cast<void>(co_await sluice::async_select(sluice::on_receive(ch, into), sluice::on_timeout(1h)));
        count += into.has_value();
        static_cast<void>(
            co_await sluice::async_select(sluice::on_receive(ch, handler), sluice::on_receive(channel<value>{})));
        if (auto last = co_await ch.async_receive(); last == status::closed) co_return count;
        else ++count;
    }
}

TEST_F(OwnedValues, EveryAwaitedFormDestroysEachValueOnce) {
    for (const std::size_t capacity : {0u, 1u, 64u}) {
        sluice::runtime rt{workers(1)};
        const channel<value> ch{capacity};
        const auto open = sluice::with_cancel({});
        auto sending = rt.go(send_in_every_form, ch, open.get());
        auto receiving = rt.go(receive_in_every_form, ch, open.get());
        EXPECT_EQ(receiving.get(), 10) << "capacity " << capacity;
        sending.get();
        EXPECT_EQ(value::live(), 0) << "capacity " << capacity;
    }
}

TEST_F(OwnedValues, EveryBlockingFormDestroysEachValueOnce) {
    const channel<value> ch{16};
    const auto open = sluice::with_cancel({});
    {
        const value named{1};
        ASSERT_TRUE(ch.send(named));
        ASSERT_TRUE(ch.send(value{2}, open.get()));
        ASSERT_TRUE(ch.send_for(value{3}, 1h));
        ASSERT_TRUE(ch.try_send(value{4}));
        EXPECT_EQ(ch.send_all(std::vector<value>(4)), 4u);
        EXPECT_EQ(sluice::select(sluice::on_send(ch, value{5}), sluice::on_done(open)), 0u);
    }
    ASSERT_TRUE(ch.receive());
    ASSERT_TRUE(ch.receive_for(1h));
    ASSERT_TRUE(ch.try_receive());
    EXPECT_EQ(ch.receive_some(2).size(), 2u);
    sluice::received<value> into;
    EXPECT_EQ(sluice::select(sluice::on_receive(ch, into), sluice::on_done(open)), 0u);
    ASSERT_TRUE(into);
    EXPECT_EQ(value::live(), 4);  // `into`, and what is left in the channel
}

}  // namespace
