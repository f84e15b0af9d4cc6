// SPDX-License-Identifier: BSL-1.0
// selectable_test.cpp: how does one wait for a type that a user has made?

#include <sluice/select.hpp>
#include <sluice/selectable.hpp>
#include <sluice/sized_wait_group.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "../support/busy_worker.hpp"
#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/mailbox.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::context;
using sluice::on;
using sluice::on_receive;
using sluice::received;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

/// Closed, everybody waits; open, everybody passes.
class gate {
public:
    void open() {
        point_.change([this] { is_open_ = true; });
    }
    void open_and_throw() {
        point_.change([this] {
            is_open_ = true;
            throw std::runtime_error{"after the change"};
        });
    }
    auto async_wait() {
        return point_.until([this]() noexcept { return is_open_; });
    }
    std::size_t waiting() const { return point_.waiting(); }

private:
    bool is_open_ = false;
    sluice::wait_point point_;
};

// The concept, for types of one's own, for ours, and for operations.
static_assert(sluice::selectable<gate>);
static_assert(sluice::selectable<gate&>);
static_assert(sluice::selectable<sluice::wait_group>);
static_assert(sluice::selectable<sluice::sized_wait_group>);
static_assert(sluice::selectable<decltype(std::declval<gate&>().async_wait())>);
static_assert(sluice::selectable<decltype(std::declval<channel<int>&>().async_receive())>);
static_assert(sluice::selectable<decltype(std::declval<channel<int>&>().async_receive(context{}))>);
static_assert(sluice::selectable<decltype(sluice::sleep_for(1ms))>);
static_assert(!sluice::selectable<sluice::wait_point>);
static_assert(!sluice::selectable<channel<int>>);
static_assert(!sluice::selectable<int>);

/// For threads and for tasks alike.
template <class Callers>
class OwnWait : public testing::Test {
protected:
    auto start_pass(gate& g, context until = {}) {
        return by.start([](gate* at, context u) { return sluice::wait(*at, u); },
                        [](gate* at, context u) -> task<bool> {
                            const auto fired = co_await sluice::async_select(on(*at), sluice::on_done(u));
                            co_return fired == 0;
                        },
                        &g, until);
    }
    auto start_take(mailbox<int>& box) {
        return by.start([](mailbox<int>* from) { return sluice::wait(from->async_take()); },
                        [](mailbox<int>* from) -> task<received<int>> { co_return co_await from->async_take(); }, &box);
    }
    auto start_put(mailbox<int>& box, int letter) {
        return by.start([](mailbox<int>* to, int l) { return sluice::wait(to->async_put(l)); },
                        [](mailbox<int>* to, int l) -> task<bool> { co_return co_await to->async_put(l); }, &box,
                        letter);
    }

    Callers by;
};
TYPED_TEST_SUITE(OwnWait, both_callers, caller_names);

TYPED_TEST(OwnWait, EndsForAllWhenTheConditionHolds) {
    gate g;
    auto first = this->start_pass(g);
    auto second = this->start_pass(g);
    eventually([&] { return g.waiting() == 2; });
    EXPECT_FALSE(first.done() || second.done());
    g.open();
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(second.get());
    EXPECT_EQ(g.waiting(), 0u);
}

TYPED_TEST(OwnWait, IsNoWaitWhileTheConditionHolds) {
    gate g;
    g.open();
    EXPECT_TRUE(this->start_pass(g).get());
    mailbox<int> box{1};
    EXPECT_TRUE(this->start_put(box, 3).get());
    EXPECT_EQ(*this->start_take(box).get(), 3);
}

TYPED_TEST(OwnWait, GivesWhatIsTakenInOrderOfArrival) {
    mailbox<int> box{3};
    auto first = this->start_take(box);
    eventually([&] { return box.waiting() == 1; });
    auto second = this->start_take(box);
    eventually([&] { return box.waiting() == 2; });
    EXPECT_TRUE(sluice::try_now(box.async_put(1)));
    EXPECT_TRUE(sluice::try_now(box.async_put(2)));
    EXPECT_EQ(*first.get(), 1);
    EXPECT_EQ(*second.get(), 2);
}

TYPED_TEST(OwnWait, ATakeLetsInWhomItMakesReady) {
    mailbox<int> box{1};
    ASSERT_TRUE(sluice::try_now(box.async_put(1)));
    auto second = this->start_put(box, 2);
    eventually([&] { return box.waiting() == 1; });
    auto third = this->start_put(box, 3);
    eventually([&] { return box.waiting() == 2; });
    EXPECT_EQ(*box.try_take(), 1);  // makes room for 2, and for no more
    EXPECT_TRUE(second.get());
    EXPECT_EQ(box.waiting(), 1u);
    EXPECT_EQ(*box.try_take(), 2);
    EXPECT_TRUE(third.get());
    EXPECT_EQ(*box.try_take(), 3);
}

TYPED_TEST(OwnWait, TheEndOfANamedContextEndsItByValue) {
    gate g;
    const auto stop = sluice::with_cancel({});
    auto waiting = this->start_pass(g, stop);
    eventually([&] { return g.waiting() == 1; });
    stop.cancel();
    EXPECT_FALSE(waiting.get());
    EXPECT_EQ(g.waiting(), 0u);
    g.open();
    EXPECT_FALSE(this->start_pass(g, stop).get());  // a requested stop wins over a condition that holds
}

TYPED_TEST(OwnWait, AsACaseOfASelectTakesOnlyWhenItFires) {
    mailbox<int> box{2};
    const channel<int> other{1};
    auto selecting = this->by.start(
        [](mailbox<int>* from, channel<int> c) {
            received<int> v;
            const auto fired = sluice::select(on(from->async_take(), v), on_receive(c));
            return std::pair{fired, std::move(v)};
        },
        [](mailbox<int>* from, channel<int> c) -> task<std::pair<std::size_t, received<int>>> {
            received<int> v;
            const auto fired = co_await sluice::async_select(on(from->async_take(), v), on_receive(c));
            co_return std::pair{fired, std::move(v)};
        },
        &box, other);
    eventually([&] { return box.waiting() == 1 && receivers_waiting(other) == 1; });
    ASSERT_TRUE(other.try_send(1));
    EXPECT_EQ(selecting.get().first, 1u);
    EXPECT_EQ(box.waiting(), 0u);
    EXPECT_TRUE(sluice::try_now(box.async_put(4)));
    EXPECT_EQ(box.size(), 1u);
}

TYPED_TEST(OwnWait, AsACaseOfASelectGivesItsResult) {
    mailbox<int> box{1};
    const channel<int> other{0};
    auto selecting = this->by.start(
        [](mailbox<int>* b, channel<int> c) {
            received<int> v;
            return std::pair{sluice::select(on_receive(c), on(b->async_take(), v)), v};
        },
        [](mailbox<int>* b, channel<int> c) -> task<std::pair<std::size_t, received<int>>> {
            received<int> v;
            const auto fired = co_await sluice::async_select(on_receive(c), on(b->async_take(), v));
            co_return std::pair{fired, v};
        },
        &box, other);
    eventually([&] { return box.waiting() == 1; });
    EXPECT_TRUE(sluice::try_now(box.async_put(7)));
    const auto [fired, v] = selecting.get();
    EXPECT_EQ(fired, 1u);
    EXPECT_EQ(*v, 7);
    EXPECT_TRUE(nobody_waits(other));
}

// SE-07 for a type of one's own: both cases stand on one point, and neither makes the other ready.
TYPED_TEST(OwnWait, TwoCasesOfOneSelectOnOnePointNeverMeetEachOther) {
    mailbox<int> box{0};
    auto selecting = this->by.start(
        [](mailbox<int>* b) {
            return sluice::select(on(b->async_put(1)), on(b->async_take()), sluice::on_timeout(5ms));
        },
        [](mailbox<int>* b) -> task<std::size_t> {
            co_return co_await sluice::async_select(on(b->async_put(1)), on(b->async_take()), sluice::on_timeout(5ms));
        },
        &box);
    EXPECT_EQ(selecting.get(), 2u);
    EXPECT_EQ(box.waiting(), 0u);
}

TYPED_TEST(OwnWait, EndsByTimeWithoutAnEffect) {
    mailbox<int> box{1};
    auto timed = this->by.start(
        [](mailbox<int>* b) { return sluice::wait(sluice::timeout(1ms, b->async_take())); },
        [](mailbox<int>* b) -> task<received<int>> { co_return co_await sluice::timeout(1ms, b->async_take()); }, &box);
    EXPECT_EQ(timed.get().why(), status::timed_out);
    EXPECT_EQ(box.waiting(), 0u);
}

TEST(OwnWaitInATask, EndsWithItsTask) {
    sluice::runtime rt;
    gate g;
    auto suspended = rt.go([](gate& at) -> task<> { co_await at.async_wait(); }, std::ref(g));
    auto blocked = rt.go([](gate& at) { sluice::wait(at); }, std::ref(g));
    eventually([&] { return g.waiting() == 2; });
    suspended.cancel();
    blocked.cancel();
    EXPECT_THROW(suspended.get(), sluice::canceled);
    EXPECT_THROW(blocked.get(), sluice::canceled);
    EXPECT_EQ(g.waiting(), 0u);
}

// T10: the waiter was cancelled, but its entry still stands in the list.
TEST(OwnWaitInATask, TakesNothingOnceItIsCancelled) {
    busy_worker one;
    mailbox<int> box{2};
    auto first = one.runtime().go([](mailbox<int>& b) -> task<received<int>> { co_return co_await b.async_take(); },
                                  std::ref(box));
    eventually([&] { return box.waiting() == 1; });
    one.occupy();
    first.cancel();
    EXPECT_TRUE(sluice::try_now(box.async_put(1)));
    EXPECT_EQ(box.size(), 1u);
    one.free_worker();
    EXPECT_THROW(static_cast<void>(first.get()), sluice::canceled);
    EXPECT_EQ(*box.try_take(), 1);
}

// Section 0: committed or untouched.
TEST(OwnWaitInATask, KeepsWhatItHasTakenWhenItIsCancelledAfterwards) {
    busy_worker one;
    mailbox<int> box{2};
    auto first = one.runtime().go([](mailbox<int>& b) -> task<received<int>> { co_return co_await b.async_take(); },
                                  std::ref(box));
    eventually([&] { return box.waiting() == 1; });
    one.occupy();
    EXPECT_TRUE(sluice::try_now(box.async_put(1)));
    EXPECT_EQ(box.size(), 0u);  // it is the waiter's, though it has not run yet
    first.cancel();
    one.free_worker();
    EXPECT_EQ(*first.get(), 1);
}

TEST(OwnWaitInATask, IsNamedInADump) {
    sluice::runtime rt;
    gate g;
    auto waiting = rt.go([](gate& at) -> task<> { co_await at.async_wait(); }, std::ref(g));
    eventually([&] { return g.waiting() == 1; });
    std::ostringstream text;
    rt.dump(text);
    EXPECT_NE(text.str().find("condition"), std::string::npos) << text.str();
    g.open();
    waiting.get();
}

TEST(WaitPoint, WhatAChangeDidBeforeItThrewCounts) {
    gate g;
    threads by;
    auto waiting = by.start([](gate* at) { return sluice::wait(*at); }, 0, &g);
    eventually([&] { return g.waiting() == 1; });
    EXPECT_THROW(g.open_and_throw(), std::runtime_error);
    EXPECT_TRUE(waiting.get());
}

TEST(WaitPoint, AChangeGivesWhatItsFunctionGave) {
    sluice::wait_point point;
    int state = 1;
    EXPECT_EQ(point.change([&] { return ++state; }), 2);
    EXPECT_EQ(&point.change([&]() -> int& { return state; }), &state);
    EXPECT_EQ(point.read([&] { return state; }), 2);
}

TEST(WaitPoint, ATakeMayLetInOneWhoCameBefore) {
    sluice::wait_point point;
    int state = 0;
    tasks by;
    const auto step = [](sluice::wait_point* p, int* s, int from, int to) -> task<bool> {
        co_return co_await p->until([=]() noexcept { return *s == from; }, [=]() noexcept { *s = to; });
    };
    auto second = by.start(0, step, &point, &state, 2, 3);
    eventually([&] { return point.waiting() == 1; });
    auto first = by.start(0, step, &point, &state, 1, 2);
    eventually([&] { return point.waiting() == 2; });
    point.change([&] { state = 1; });
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(second.get());
    EXPECT_EQ(point.read([&] { return state; }), 3);
}

TEST(WaitPoint, ANewcomerDoesNotOvertakeAWaiterWithTheSameCondition) {
    mailbox<int> box{1};
    threads by;
    auto first = by.start([](mailbox<int>* b) { return sluice::wait(b->async_take()); }, 0, &box);
    eventually([&] { return box.waiting() == 1; });
    EXPECT_TRUE(sluice::try_now(box.async_put(1)));
    EXPECT_EQ(box.try_take().why(), status::empty);
    EXPECT_EQ(*first.get(), 1);
}

TEST(WaitPoint, TakenValuesLiveAsOftenAsTheyAreThere) {
    {
        mailbox<counted<>> box{2};
        tasks by;
        auto taking = by.start(
            0, [](mailbox<counted<>>* b) -> task<int> { co_return (co_await b->async_take())->value(); }, &box);
        eventually([&] { return box.waiting() == 1; });
        EXPECT_TRUE(sluice::wait(box.async_put(counted<>{5})));
        EXPECT_EQ(taking.get(), 5);
        EXPECT_TRUE(sluice::wait(box.async_put(counted<>{6})));
        received<counted<>> into;
        EXPECT_EQ(sluice::select(on(box.async_take(), into), sluice::on_timeout(1h)), 0u);
        EXPECT_EQ(into->value(), 6);
        EXPECT_TRUE(sluice::wait(box.async_put(counted<>{7})));
    }
    EXPECT_EQ(counted<>::live(), 0);
}

// --- wait(), for every kind of operation ----------------------------------------------------------------------------

TEST(Wait, BlocksOnAnyOperation) {
    const channel<int> ch{1};
    EXPECT_TRUE(sluice::wait(ch.async_send(1)));
    EXPECT_EQ(*sluice::wait(ch.async_receive()), 1);
    const auto stop = sluice::with_cancel({});
    stop.cancel();
    EXPECT_EQ(sluice::wait(ch.async_receive(stop)).why(), status::canceled);
    EXPECT_EQ(sluice::wait(sluice::timeout(1ms, ch.async_receive())).why(), status::timed_out);
    sluice::wait(stop.get().async_done());
    const auto begin = sluice::clock::now();
    sluice::wait(sluice::sleep_for(2ms));
    EXPECT_GE(sluice::clock::now() - begin, 2ms);
    sluice::runtime rt;
    auto h = rt.go([] { return 5; });
    EXPECT_EQ(sluice::wait(h.async_get()), 5);
}

TEST(Wait, UsesANamedOperationUp) {
    const channel<std::unique_ptr<int>> ch{1};
    auto value = std::make_unique<int>(3);
    auto send = ch.async_send(std::move(value));
    EXPECT_TRUE(sluice::wait(send));
    EXPECT_FALSE(value);
}

// The wait for what was started passes the cancellation on and ends after it.
TEST(Wait, OfAGroupIsNotAbandoned) {
    sluice::runtime rt;
    std::atomic<bool> ended{false};
    const channel<int> never{0};
    auto waiting = rt.go(
        [](channel<int> c, std::atomic<bool>& e) {
            sluice::wait_group group;
            group.go(
                [](channel<int> from, std::atomic<bool>& at_end) -> task<> {
                    try {
                        static_cast<void>(co_await from.async_receive());
                    } catch (const sluice::canceled&) {
                        at_end = true;
                        throw;
                    }
                },
                c, std::ref(e));
            try {
                sluice::wait(group);
            } catch (const sluice::canceled&) {
                EXPECT_TRUE(e);
                throw;
            }
        },
        never, std::ref(ended));
    eventually([&] { return receivers_waiting(never) == 1; });
    waiting.cancel();
    EXPECT_THROW(waiting.get(), sluice::canceled);
    EXPECT_TRUE(ended);
}

TEST(TryNow, NeverWaits) {
    gate g;
    EXPECT_FALSE(sluice::try_now(g));
    g.open();
    EXPECT_TRUE(sluice::try_now(g));
    const channel<int> ch{1};
    EXPECT_EQ(sluice::try_now(ch.async_receive()).why(), status::empty);
}

}  // namespace
