// SPDX-License-Identifier: BSL-1.0
// select_test.cpp: how does a select wait, and what do its cases do?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "../support/busy_worker.hpp"
#include "../support/callers.hpp"
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

/// A channel that holds as many values as it can.
channel<int> filled(std::size_t capacity) {
    channel<int> ch{capacity};
    while (ch.try_send(1)) {}
    return ch;
}

// --- what the cases do ------------------------------------------------------------------------------------------------

TEST(Select, AReceiveCaseStoresItsResultWhereItIsWanted) {
    const channel<int> ch{4};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3, 4}), 4u);
    sluice::received<int> received;
    std::optional<int> optional;
    int handled = 0;
    EXPECT_EQ(sluice::select(on_receive(ch, received)), 0u);
    EXPECT_EQ(sluice::select(on_receive(ch, optional)), 0u);
    EXPECT_EQ(sluice::select(on_receive(ch, [&](sluice::received<int> v) { handled = *v; })), 0u);
    EXPECT_EQ(sluice::select(on_receive(ch)), 0u);
    EXPECT_EQ(*received, 1);
    EXPECT_EQ(optional, 2);
    EXPECT_EQ(handled, 3);
    EXPECT_EQ(ch.size(), 0u);
}

TEST(Select, ASendCaseTellsHowItEnded) {
    const channel<int> ch{3};
    sluice::sent into = status::full;
    status handled = status::full;
    EXPECT_EQ(sluice::select(on_send(ch, 1)), 0u);
    EXPECT_EQ(sluice::select(on_send(ch, 2, into)), 0u);
    EXPECT_EQ(sluice::select(on_send(ch, 3, [&](sluice::sent s) { handled = s.why(); })), 0u);
    EXPECT_EQ(into.why(), status::ok);
    EXPECT_EQ(handled, status::ok);
    EXPECT_EQ(ch.receive_some(3), (std::vector{1, 2, 3}));
}

TEST(Select, AnyOperationMayBeACase) {
    const channel<int> ch{2};
    sluice::sent sent = status::full;
    std::optional<int> got;
    EXPECT_EQ(sluice::select(sluice::on(ch.async_send(5), sent)), 0u);
    EXPECT_EQ(sluice::select(sluice::on(ch.async_receive(), got)), 0u);
    EXPECT_TRUE(sent);
    EXPECT_EQ(got, 5);
}

TEST(Select, AHandlerOfTheOtherCasesRunsIfTheyFire) {
    const channel<int> ch{0};
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    std::string ran;
    EXPECT_EQ(sluice::select(on_receive(ch), sluice::otherwise_do([&] { ran += "otherwise "; })), 1u);
    EXPECT_EQ(sluice::select(on_receive(ch), sluice::on_timeout(1ms, [&] { ran += "timeout "; })), 1u);
    EXPECT_EQ(sluice::select(on_receive(ch), sluice::on_done(ended, [&] { ran += "done "; })), 1u);
    EXPECT_EQ(sluice::select(on_receive(ch), sluice::on_deadline(sluice::clock::now(), [&] { ran += "deadline"; })),
              1u);
    EXPECT_EQ(ran, "otherwise timeout done deadline");
}

// SE-18; C++ leaves the order open
TEST(Select, OperandsAndValuesAreEvaluatedOnceAlsoForCasesThatDoNotFire) {
    const channel<int> a{1};
    const channel<int> b{0};
    std::multiset<std::string> evaluated;
    const auto operand = [&](const char* name, const channel<int>& ch) -> const channel<int>& {
        evaluated.insert(name);
        return ch;
    };
    const auto number = [&](const char* name) {
        evaluated.insert(name);
        return 1;
    };
    EXPECT_EQ(sluice::select(on_receive(operand("a", a)), on_send(operand("b", b), number("1")),
                             on_send(operand("c", a), number("2"))),
              2u);
    EXPECT_EQ(evaluated, (std::multiset<std::string>{"1", "2", "a", "b", "c"}));
}

// T18
TEST(Select, AHandlerMayUseTheChannelsOfTheSelect) {
    const channel<int> ch{2};
    ASSERT_TRUE(ch.send(1));
    sluice::select(on_receive(ch,
                              [&](sluice::received<int> v) {
                                  EXPECT_TRUE(ch.try_send(*v + 1));
                                  EXPECT_EQ(
                                      sluice::select(on_receive(ch, [&](sluice::received<int> w) { EXPECT_EQ(*w, 2); }),
                                                     on_send(channel<int>{}, 1)),
                                      0u);
                              }),
                   on_send(channel<int>{}, 1));
    EXPECT_EQ(ch.size(), 0u);
}

TEST(Select, WaitsForGroupsPermitsAndTasksToo) {
    const channel<int> never{0};
    sluice::wait_group group;
    EXPECT_EQ(sluice::select(on_receive(never), sluice::on_wait(group)), 1u);
    sluice::semaphore permits{2};
    EXPECT_EQ(sluice::select(on_receive(never), sluice::on_acquire(permits, 2)), 1u);
    EXPECT_EQ(permits.available(), 0u);
    EXPECT_EQ(sluice::select(sluice::on_acquire(permits), sluice::on_timeout(1ms)), 1u);
    EXPECT_EQ(permits.waiting(), 0u);
    permits.release(2);
    sluice::runtime rt;
    auto h = rt.go([] { return 5; });
    EXPECT_EQ(sluice::select(on_receive(never), sluice::on_join(h)), 1u);
    EXPECT_EQ(h.get(), 5);
}

// --- waiting: for threads and for tasks -----------------------------------------------------------------------------

/// What fired, and what it received.
struct outcome {
    std::size_t fired;
    sluice::received<int> value;
};

template <class Callers>
class SelectCalledBy : public testing::Test {
protected:
    /// Receives from a (cases 0 and 1) or b (case 2), or ends with the context (case 3).
    auto start_select(channel<int> a, channel<int> b, sluice::context until = {}) {
        return by.start(
            [](channel<int> x, channel<int> y, sluice::context u) {
                sluice::received<int> v;
                const auto fired =
                    sluice::select(on_receive(x, v), on_receive(x, v), on_receive(y, v), sluice::on_done(u));
                return outcome{fired, std::move(v)};
            },
            [](channel<int> x, channel<int> y, sluice::context u) -> task<outcome> {
                sluice::received<int> v;
                const auto fired = co_await sluice::async_select(on_receive(x, v), on_receive(x, v), on_receive(y, v),
                                                                 sluice::on_done(u));
                co_return outcome{fired, std::move(v)};
            },
            a, b, until);
    }

    /// Sends to a (case 0) or b (case 1).
    auto start_sends(channel<int> a, channel<int> b) {
        return by.start(
            [](channel<int> x, channel<int> y) {
                sluice::sent s = status::full;
                const auto fired = sluice::select(on_send(x, 1, s), on_send(y, 2, s));
                return std::pair{fired, s.why()};
            },
            [](channel<int> x, channel<int> y) -> task<std::pair<std::size_t, status>> {
                sluice::sent s = status::full;
                const auto fired = co_await sluice::async_select(on_send(x, 1, s), on_send(y, 2, s));
                co_return std::pair{fired, s.why()};
            },
            a, b);
    }

    Callers by;
};
TYPED_TEST_SUITE(SelectCalledBy, both_callers, caller_names);

// SE-05, SE-06
TYPED_TEST(SelectCalledBy, WaitsOnAllAndTheFirstToComeFires) {
    const channel<int> a{0};
    const channel<int> b{0};
    auto selecting = this->start_select(a, b);
    eventually([&] { return receivers_waiting(a) == 2 && receivers_waiting(b) == 1; });
    EXPECT_FALSE(selecting.done());
    auto behind = start_receive(this->by, a);
    eventually([&] { return receivers_waiting(a) == 3; });
    ASSERT_TRUE(b.try_send(7));
    const auto end = selecting.get();
    EXPECT_EQ(end.fired, 2u);
    EXPECT_EQ(*end.value, 7);
    EXPECT_EQ(receivers_waiting(a), 1u);
    ASSERT_TRUE(a.try_send(8));  // the next one in the queue of `a` gets it
    EXPECT_EQ(*behind.get(), 8);
}

// SE-05
TYPED_TEST(SelectCalledBy, WaitsToSendAndTheFirstThatReceivesGetsTheValue) {
    const channel<int> a{0};
    const auto b = filled(1);
    auto selecting = this->start_sends(a, b);
    eventually([&] { return senders_waiting(a) == 1 && senders_waiting(b) == 1; });
    EXPECT_EQ(*b.receive(), 1);
    EXPECT_EQ(selecting.get(), (std::pair{std::size_t{1}, status::ok}));
    EXPECT_TRUE(nobody_waits(a));
    EXPECT_EQ(*b.receive(), 2);
}

// T24
TYPED_TEST(SelectCalledBy, ClosingOneOfTheChannelsFiresItsCaseAndUnlinksTheOthers) {
    const channel<int> a{0};
    const channel<int> b{0};
    auto selecting = this->start_select(a, b);
    eventually([&] { return receivers_waiting(a) == 2 && receivers_waiting(b) == 1; });
    b.close();
    const auto end = selecting.get();
    EXPECT_EQ(end.fired, 2u);
    EXPECT_EQ(end.value.why(), status::closed);
    EXPECT_TRUE(nobody_waits(a));
    EXPECT_EQ(a.try_send(1).why(), status::full);
}

// SE-06: both entries are on the closed channel.
TYPED_TEST(SelectCalledBy, ClosingAChannelListedTwiceFiresOneOfItsCases) {
    const channel<int> a{0};
    const channel<int> b{0};
    auto selecting = this->start_select(a, b);
    eventually([&] { return receivers_waiting(a) == 2 && receivers_waiting(b) == 1; });
    a.close();
    const auto end = selecting.get();
    EXPECT_LT(end.fired, 2u);
    EXPECT_EQ(end.value.why(), status::closed);
    EXPECT_TRUE(nobody_waits(a));
    EXPECT_TRUE(nobody_waits(b));
}

// SE-17
TYPED_TEST(SelectCalledBy, ClosingAChannelEndsAWaitingSendCase) {
    const channel<int> a{0};
    const channel<int> b{0};
    auto selecting = this->start_sends(a, b);
    eventually([&] { return senders_waiting(a) == 1 && senders_waiting(b) == 1; });
    a.close();
    EXPECT_EQ(selecting.get(), (std::pair{std::size_t{0}, status::closed}));
    EXPECT_TRUE(nobody_waits(b));
    EXPECT_EQ(b.try_receive().why(), status::empty);
}

TYPED_TEST(SelectCalledBy, TheEndOfAContextFiresItsCase) {
    const channel<int> a{0};
    const channel<int> b{0};
    const auto stop = sluice::with_cancel({});
    auto selecting = this->start_select(a, b, stop.get());
    eventually([&] { return receivers_waiting(a) == 2 && receivers_waiting(b) == 1; });
    stop.cancel();
    const auto end = selecting.get();
    EXPECT_EQ(end.fired, 3u);
    EXPECT_EQ(end.value.why(), status::empty);
    EXPECT_TRUE(nobody_waits(a) && nobody_waits(b));
}

TYPED_TEST(SelectCalledBy, ATimeFiresItsCase) {
    const channel<int> never{0};
    auto selecting = this->by.start(
        [](channel<int> c) { return sluice::select(on_receive(c), on_send(c, 1), sluice::on_timeout(2ms)); },
        [](channel<int> c) -> task<std::size_t> {
            co_return co_await sluice::async_select(on_receive(c), on_send(c, 1), sluice::on_timeout(2ms));
        },
        never);
    EXPECT_EQ(selecting.get(), 2u);
    EXPECT_TRUE(nobody_waits(never));
}

// SE-07, T22
TYPED_TEST(SelectCalledBy, SendAndReceiveOfOneRendezvousNeverMeetEachOther) {
    const channel<int> ch{0};
    auto selecting = this->by.start(
        [](channel<int> c) {
            sluice::received<int> v;
            return outcome{sluice::select(on_send(c, 1), on_receive(c, v)), std::move(v)};
        },
        [](channel<int> c) -> task<outcome> {
            sluice::received<int> v;
            const auto fired = co_await sluice::async_select(on_send(c, 1), on_receive(c, v));
            co_return outcome{fired, std::move(v)};
        },
        ch);
    eventually([&] { return senders_waiting(ch) == 1 && receivers_waiting(ch) == 1; });
    EXPECT_FALSE(selecting.done());
    ASSERT_TRUE(ch.try_send(2));
    const auto end = selecting.get();
    EXPECT_EQ(end.fired, 1u);
    EXPECT_EQ(*end.value, 2);
    EXPECT_TRUE(nobody_waits(ch));
}

// SE-30
TYPED_TEST(SelectCalledBy, AnotherSelectMayBeThePartner) {
    const channel<int> a{0};
    const channel<int> b{0};
    auto sending = this->start_sends(a, b);
    eventually([&] { return senders_waiting(a) == 1 && senders_waiting(b) == 1; });
    const auto received = this->start_select(b, a).get();
    const auto sent = sending.get();
    EXPECT_EQ(sent.second, status::ok);
    EXPECT_EQ(*received.value, sent.first == 0 ? 1 : 2);
    EXPECT_EQ(received.fired == 2, sent.first == 0);
    EXPECT_TRUE(nobody_waits(a) && nobody_waits(b));
}

// T18
TYPED_TEST(SelectCalledBy, AHandlerMaySendIntoTheChannelItHasReceivedFrom) {
    const channel<int> ch{1};
    ASSERT_TRUE(ch.send(1));
    const auto send_on = [ch](const sluice::received<int>& v) {
        EXPECT_TRUE(ch.send(*v + 1));  // there is room: its own value has left
        EXPECT_EQ(ch.try_send(0).why(), status::full);
    };
    EXPECT_EQ(sluice_test::start_select(this->by, on_receive(channel<int>{}), on_receive(ch, send_on)).get(), 1u);
    EXPECT_EQ(*ch.receive(), 2);
}

// SE-12, SE-13
TEST(SelectInATask, WithoutCasesItWaitsUntilTheTaskIsCancelled) {
    sluice::runtime rt;
    const channel<int> before{0};
    const auto check = [&](auto f) {
        auto h = rt.go(f, before);
        ASSERT_TRUE(before.send(1));
        EXPECT_FALSE(h.done());
        h.cancel();
        EXPECT_THROW(h.get(), sluice::canceled);
    };
    check([](channel<int> c) -> task<> {
        static_cast<void>(co_await c.async_receive());
        static_cast<void>(co_await sluice::async_select());
    });
    check([](channel<int> c) -> task<> {
        static_cast<void>(co_await c.async_receive());
        const channel<int> nil;
        static_cast<void>(co_await sluice::async_select(on_receive(nil), on_send(nil, 1)));
    });
    check([](channel<int> c) {
        static_cast<void>(c.receive());
        sluice::select();
    });
}

// Settled: the surrounding stop throws, also under `prioritized`; naming the own context replaces it.
TEST(SelectInATask, TheSurroundingCancellationThrowsUnlessACaseNamesIt) {
    sluice::runtime rt;
    const channel<int> ch{0};
    auto unnamed = rt.go(
        [](channel<int> c) -> task<> {
            static_cast<void>(co_await sluice::async_select(sluice::prioritized, on_receive(c), on_receive(c)));
        },
        ch);
    eventually([&] { return receivers_waiting(ch) == 2; });
    unnamed.cancel();
    EXPECT_THROW(unnamed.get(), sluice::canceled);

    auto named = rt.go(
        [](channel<int> c) -> task<std::size_t> {
            co_return co_await sluice::async_select(on_receive(c), sluice::on_done(sluice::current_context()));
        },
        ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    named.cancel();
    EXPECT_EQ(named.get(), 1u);
    EXPECT_TRUE(nobody_waits(ch));
}

// T10 for a select: its entry is dead, but still stands in the queue of the other channel.
TEST(SelectInATask, ASendPassesOverTheEntryOfASelectThatHasAlreadyFired) {
    busy_worker one;
    const channel<int> a{0};
    const channel<int> b{0};
    auto selecting = one.runtime().go(
        [](channel<int> x, channel<int> y) -> task<std::size_t> {
            co_return co_await sluice::async_select(on_receive(x), on_receive(y));
        },
        a, b);
    eventually([&] { return receivers_waiting(a) == 1 && receivers_waiting(b) == 1; });
    one.occupy();
    ASSERT_TRUE(a.try_send(1));
    EXPECT_EQ(b.try_send(2).why(), status::full);
    one.free_worker();
    EXPECT_EQ(selecting.get(), 0u);
    EXPECT_TRUE(nobody_waits(b));
}

// Section 0: committed or untouched.
TEST(SelectInATask, ACaseThatHasFiredStaysFiredWhenTheTaskIsCancelledAfterwards) {
    busy_worker one;
    const channel<int> a{0};
    const channel<int> b{0};
    auto selecting = one.runtime().go(
        [](channel<int> x, channel<int> y) -> task<int> {
            sluice::received<int> v;
            static_cast<void>(co_await sluice::async_select(on_receive(x, v), on_receive(y, v)));
            co_return *v;
        },
        a, b);
    eventually([&] { return receivers_waiting(a) == 1 && receivers_waiting(b) == 1; });
    one.occupy();
    ASSERT_TRUE(b.try_send(6));
    selecting.cancel();
    one.free_worker();
    EXPECT_EQ(selecting.get(), 6);
}

}  // namespace
