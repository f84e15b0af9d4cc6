// SPDX-License-Identifier: BSL-1.0
// throwing_values_test.cpp: what is left behind when copying or moving a value throws, in whatever form of an operation?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <iterator>
#include <optional>
#include <ranges>
#include <vector>

#include "../support/busy_worker.hpp"
#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

using value = counted<struct values>;

struct thrown {};

/// Throws when the number of operations that `fuse` allows is used up.
struct fused {
    explicit fused(int v) : number{v} {}
    fused(const fused& other) : number{other.number}, alive{(burn(copy_fuse), value{})} {}
    fused(fused&& other) : number{other.number}, alive{(burn(move_fuse), value{})} { other.number = -1; }
    fused& operator=(const fused&) = default;
    fused& operator=(fused&&) = default;

    int number;
    value alive{};

    static void burn(int& fuse) {
        if (fuse >= 0 && fuse-- == 0) throw thrown{};
    }
    inline static int copy_fuse = -1;
    inline static int move_fuse = -1;
};

class ThrowingValues : public testing::Test {
protected:
    ~ThrowingValues() override {
        fused::copy_fuse = fused::move_fuse = -1;
        EXPECT_EQ(value::live(), 0);
    }
};

// T17, T55
TEST_F(ThrowingValues, ACopyThatThrowsReachesTheSenderAndNothingHasChanged) {
    const channel<fused> ch{2};
    const fused mine{1};
    ASSERT_TRUE(ch.send(mine));
    fused::copy_fuse = 0;
    EXPECT_THROW(static_cast<void>(ch.send(mine)), thrown);
    EXPECT_EQ(ch.size(), 1u);
    EXPECT_TRUE(ch.send(mine));  // no lock was left held
    EXPECT_EQ(ch.receive()->number, 1);
    EXPECT_EQ(ch.receive()->number, 1);
}

// T17
TEST_F(ThrowingValues, AMoveThatThrowsReachesTheSenderAndNothingHasChanged) {
    const channel<fused> ch{2};
    fused mine{1};
    fused::move_fuse = 0;
    EXPECT_THROW(static_cast<void>(ch.send(std::move(mine))), thrown);
    EXPECT_EQ(mine.number, 1);
    EXPECT_EQ(ch.size(), 0u);
    EXPECT_TRUE(ch.send(std::move(mine)));
    EXPECT_EQ(ch.receive()->number, 1);
}

// T17: in the buffer and between waiters the boxes move, not the values.
TEST_F(ThrowingValues, BetweenSenderAndReceiverNoMoveOfTheValueHappens) {
    for (const auto& ch : {channel<fused>{0}, channel<fused>{2}, channel<fused>{sluice::unbounded}}) {
        threads by;
        auto sending = by.start(
            [](channel<fused> c) {
                for (int i = 0; i < 50; ++i)
                    if (!c.send(fused{i})) return false;
                return true;
            },
            0, ch);
        for (int i = 0; i < 50; ++i) ASSERT_EQ(ch.receive()->number, i);
        EXPECT_TRUE(sending.get());
    }
}

// CH-28
TEST_F(ThrowingValues, ABoxedValueThatCouldNotBeSentReturnsToItsOwner) {
    const channel<fused> full{0};
    const channel<fused> closed{1};
    closed.close();
    fused mine{9};
    EXPECT_EQ(full.try_send(std::move(mine)).why(), status::full);
    EXPECT_EQ(mine.number, 9);
    EXPECT_EQ(closed.send(std::move(mine)).why(), status::closed);
    EXPECT_EQ(mine.number, 9);
    EXPECT_EQ(full.send_for(std::move(mine), 1ms).why(), status::timed_out);
    EXPECT_EQ(mine.number, 9);
}

// CH-28, SE-23
TEST_F(ThrowingValues, ABoxedValueOfACaseThatDidNotFireReturnsToItsOwner) {
    const channel<fused> full{0};
    fused mine{9};
    EXPECT_EQ(sluice::select(sluice::on_send(full, std::move(mine)), sluice::otherwise), 1u);
    EXPECT_EQ(mine.number, 9);
    EXPECT_EQ(sluice::select(sluice::on_send(full, std::move(mine)), sluice::on_timeout(1ms)), 1u);
    EXPECT_EQ(mine.number, 9);
}

// CH-28
TEST_F(ThrowingValues, ABoxedValueReturnsToItsOwnerWhenTheSurroundingCancellationEndsTheSend) {
    sluice::runtime rt;
    const channel<fused> ch{0};
    auto h = rt.go(
        [](channel<fused> c) -> task<int> {
            fused mine{9};
            try {
                static_cast<void>(co_await c.async_send(std::move(mine)));
            } catch (const sluice::canceled&) {}
            co_return mine.number;
        },
        ch);
    eventually([&] { return senders_waiting(ch) == 1; });
    h.cancel();
    EXPECT_EQ(h.get(), 9);
}

// T17, T55: the value's own move into the caller's hands throws.
TEST_F(ThrowingValues, AMoveThatThrowsInAReceiveReachesTheReceiverAndLeavesNoLockHeld) {
    const channel<fused> ch{3};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.send(fused{i}));
    fused::move_fuse = 0;
    EXPECT_THROW(static_cast<void>(ch.receive()), thrown);
    EXPECT_EQ(ch.receive()->number, 1);
    EXPECT_EQ(ch.size(), 1u);
}

// T17, T55
TEST_F(ThrowingValues, AMoveThatThrowsInAReceiveOfSeveralReachesTheReceiverAndLeavesNoLockHeld) {
    const channel<fused> ch{4};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.send(fused{i}));
    fused::move_fuse = 1;
    EXPECT_THROW(static_cast<void>(ch.receive_some(3)), thrown);
    fused::move_fuse = 0;
    if (ch.size() != 0) {
        EXPECT_THROW(static_cast<void>(ch.try_receive_some(3)), thrown);
    }
    fused::move_fuse = -1;
    EXPECT_TRUE(ch.send(fused{7}));
}

// T55: a case's handler throws; the value is the handler's.
TEST_F(ThrowingValues, AHandlerThatThrowsLeavesTheChannelUsable) {
    const channel<value> ch{2};
    ASSERT_TRUE(ch.send(value{1}));
    ASSERT_TRUE(ch.send(value{2}));
    const auto failing = [](sluice::received<value>) { throw thrown{}; };
    EXPECT_THROW(sluice::select(sluice::on_receive(ch, failing)), thrown);
    EXPECT_EQ(value::live(), 1);
    EXPECT_EQ(ch.receive()->value(), 2);
}

// --- every form -----------------------------------------------------------------------------------------------------------

using call_on = std::function<void(const channel<fused>&, fused&)>;

std::vector<call_on> copying_sends() {
    using ch = const channel<fused>&;
    return {
        [](ch c, fused& v) { static_cast<void>(c.send(v)); },
        [](ch c, fused& v) { static_cast<void>(c.send(v, sluice::context{})); },
        [](ch c, fused& v) { static_cast<void>(c.send(v, std::stop_token{})); },
        [](ch c, fused& v) { static_cast<void>(c.send_for(v, 1h)); },
        [](ch c, fused& v) { static_cast<void>(c.send_until(v, sluice::clock::now())); },
        [](ch c, fused& v) { static_cast<void>(c.try_send(v)); },
        [](ch c, fused& v) { c.send_all(std::ranges::subrange{&v, &v + 1}); },
        [](ch c, fused& v) { sluice::select(on_send(c, v), sluice::otherwise); },
        [](ch c, fused& v) { sluice::select(on_receive(channel<fused>{}), on_send(c, v, [](sluice::sent) {})); },
    };
}

std::vector<call_on> moving_sends() {
    using ch = const channel<fused>&;
    return {
        [](ch c, fused& v) { static_cast<void>(c.send(std::move(v))); },
        [](ch c, fused& v) { static_cast<void>(c.send(std::move(v), sluice::context{})); },
        [](ch c, fused& v) { static_cast<void>(c.send(std::move(v), std::stop_token{})); },
        [](ch c, fused& v) { static_cast<void>(c.send_for(std::move(v), 1h)); },
        [](ch c, fused& v) { static_cast<void>(c.send_until(std::move(v), sluice::clock::now())); },
        [](ch c, fused& v) { static_cast<void>(c.try_send(std::move(v))); },
        [](ch c, fused& v) { c.send_all(std::ranges::subrange{std::move_iterator{&v}, std::move_iterator{&v + 1}}); },
        [](ch c, fused& v) { sluice::select(on_send(c, std::move(v)), sluice::otherwise); },
        [](ch c, fused& v) {
            sluice::select(on_receive(channel<fused>{}), on_send(c, std::move(v), [](sluice::sent) {}));
        },
    };
}

std::vector<call_on> receives() {
    using ch = const channel<fused>&;
    return {
        [](ch c, fused&) { static_cast<void>(c.receive()); },
        [](ch c, fused&) { static_cast<void>(c.receive(sluice::context{})); },
        [](ch c, fused&) { static_cast<void>(c.receive(std::stop_token{})); },
        [](ch c, fused&) { static_cast<void>(c.receive_for(1h)); },
        [](ch c, fused&) { static_cast<void>(c.receive_until(sluice::clock::now())); },
        [](ch c, fused&) { static_cast<void>(c.try_receive()); },
        [](ch c, fused&) { static_cast<void>(c.receive_some(1)); },
        [](ch c, fused&) { static_cast<void>(c.try_receive_some(1)); },
        [](ch c, fused&) { static_cast<void>(c.begin()); },
        [](ch c, fused&) { sluice::select(on_receive(c), sluice::otherwise); },
        [](ch c, fused&) {
            sluice::received<fused> v;
            sluice::select(on_receive(c, v), sluice::on_timeout(1h));
        },
        [](ch c, fused&) {
            std::optional<fused> v;
            sluice::select(on_receive(c, v), on_receive(channel<fused>{}));
        },
        [](ch c, fused&) { sluice::select(on_receive(c, [](const sluice::received<fused>&) {})); },
    };
}

// T17, T55
TEST_F(ThrowingValues, NoFormOfSendingKeepsAnythingOfACopyThatThrew) {
    const channel<fused> ch{2};
    fused mine{1};
    for (const auto& send : copying_sends()) {
        fused::copy_fuse = 0;
        EXPECT_THROW(send(ch, mine), thrown);
        EXPECT_EQ(ch.size(), 0u);
        EXPECT_EQ(mine.number, 1);
        EXPECT_TRUE(nobody_waits(ch));
        ASSERT_NO_THROW(send(ch, mine));
        EXPECT_EQ(ch.try_receive()->number, 1);
    }
}

// T17, T55
TEST_F(ThrowingValues, NoFormOfSendingKeepsAnythingOfAMoveThatThrew) {
    const channel<fused> ch{2};
    for (const auto& send : moving_sends()) {
        fused mine{1};
        fused::move_fuse = 0;
        EXPECT_THROW(send(ch, mine), thrown);
        EXPECT_EQ(ch.size(), 0u);
        EXPECT_EQ(mine.number, 1);
        EXPECT_TRUE(nobody_waits(ch));
        ASSERT_NO_THROW(send(ch, mine));
        EXPECT_EQ(mine.number, -1);
        EXPECT_EQ(ch.try_receive()->number, 1);
    }
}

// T17, T55
TEST_F(ThrowingValues, NoFormOfReceivingLosesMoreThanTheValueWhoseMoveThrew) {
    const channel<fused> ch{2};
    fused unused{0};
    for (const auto& receive : receives()) {
        ASSERT_TRUE(ch.send(fused{1}));
        ASSERT_TRUE(ch.send(fused{2}));
        fused::move_fuse = 0;
        EXPECT_THROW(receive(ch, unused), thrown);
        EXPECT_TRUE(nobody_waits(ch));
        EXPECT_EQ(ch.size(), 1u);
        EXPECT_EQ(ch.try_receive()->number, 2);
    }
}

// T17: a box that was made for one case returns to its owner when the value of another case throws.
TEST_F(ThrowingValues, AnotherCasesValueIsUntouchedWhenMakingACaseThrows) {
    const channel<fused> ch{2};
    fused a{1};
    fused b{2};
    fused::move_fuse = 1;
    EXPECT_THROW(sluice::select(on_send(ch, std::move(a)), on_send(ch, std::move(b))), thrown);
    EXPECT_EQ(a.number, 1);
    EXPECT_EQ(b.number, 2);
    EXPECT_EQ(ch.size(), 0u);
}

/// Sends by form number `form`; tells whether that threw.
task<bool> awaited_send_throws(channel<fused> c, fused* v, int form) {
    const sluice::context open;
    try {
        if (form == 0) static_cast<void>(co_await c.async_send(*v));
        if (form == 1) static_cast<void>(co_await c.async_send(*v, open));
        if (form == 2) static_cast<void>(co_await sluice::timeout(1h, c.async_send(*v)));
        if (form == 3) static_cast<void>(co_await sluice::async_select(on_send(c, *v), sluice::on_done(open)));
        if (form == 4) static_cast<void>(co_await c.async_send(std::move(*v)));
        if (form == 5) static_cast<void>(co_await c.async_send(std::move(*v), open));
        if (form == 6) static_cast<void>(co_await sluice::timeout(1h, c.async_send(std::move(*v))));
        if (form == 7)
            static_cast<void>(co_await sluice::async_select(on_send(c, std::move(*v)), sluice::on_done(open)));
    } catch (const thrown&) {
        co_return true;
    }
    co_return false;
}

// T17, T55
TEST_F(ThrowingValues, NoAwaitedFormOfSendingKeepsAnythingOfWhatThrew) {
    sluice::runtime rt;
    const channel<fused> ch{2};
    for (int form = 0; form < 8; ++form) {
        fused mine{1};
        (form < 4 ? fused::copy_fuse : fused::move_fuse) = 0;
        EXPECT_TRUE(rt.go(awaited_send_throws, ch, &mine, form).get());
        EXPECT_EQ(ch.size(), 0u);
        EXPECT_EQ(mine.number, 1);
        EXPECT_TRUE(nobody_waits(ch));
        EXPECT_FALSE(rt.go(awaited_send_throws, ch, &mine, form).get());
        EXPECT_EQ(ch.try_receive()->number, 1);
    }
}

constexpr int awaited_receives = 7;

/// Receives by form number `form`; tells whether that threw.
task<bool> awaited_receive_throws(channel<fused> c, int form) {
    const sluice::context open;
    sluice::received<fused> v;
    std::optional<fused> maybe;
    const auto look = [](const sluice::received<fused>&) {};
    try {
        if (form == 0) static_cast<void>(co_await c.async_receive());
        if (form == 1) static_cast<void>(co_await c.async_receive(open));
        if (form == 2) static_cast<void>(co_await sluice::timeout(1h, c.async_receive()));
        if (form == 3) static_cast<void>(co_await c.async_receive_some(1));
        if (form == 4) static_cast<void>(co_await sluice::async_select(on_receive(c, v), sluice::on_done(open)));
        if (form == 5) static_cast<void>(co_await sluice::async_select(on_receive(c, maybe), sluice::on_done(open)));
        if (form == 6) static_cast<void>(co_await sluice::async_select(on_receive(c, look), sluice::on_done(open)));
    } catch (const thrown&) {
        co_return true;
    }
    co_return false;
}

// T17, T55
TEST_F(ThrowingValues, NoAwaitedFormOfReceivingLosesMoreThanTheValueWhoseMoveThrew) {
    sluice::runtime rt;
    for (int form = 0; form < awaited_receives; ++form) {
        const channel<fused> ch{2};
        ASSERT_TRUE(ch.send(fused{1}));
        ASSERT_TRUE(ch.send(fused{2}));
        fused::move_fuse = 0;
        EXPECT_TRUE(rt.go(awaited_receive_throws, ch, form).get());
        EXPECT_EQ(ch.size(), 1u);
        EXPECT_EQ(ch.try_receive()->number, 2);
    }
}

// T17, T55: the value has been handed over when its receiver runs again.
TEST_F(ThrowingValues, AMoveThatThrowsAfterAWaitReachesTheReceiverInEveryForm) {
    busy_worker one;
    for (int form = 0; form < awaited_receives; ++form) {
        const channel<fused> ch{0};
        auto waiting = one.runtime().go(awaited_receive_throws, ch, form);
        eventually([&] { return receivers_waiting(ch) == 1; });
        one.occupy();
        ASSERT_TRUE(ch.try_send(fused{1}));
        fused::move_fuse = 0;
        one.free_worker();
        EXPECT_TRUE(waiting.get());
        EXPECT_TRUE(nobody_waits(ch));
        EXPECT_EQ(ch.try_send(fused{2}).why(), status::full);
    }
}

}  // namespace
