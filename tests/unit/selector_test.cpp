// SPDX-License-Identifier: BSL-1.0
// selector_test.cpp: how does a selector wait, and what becomes of its cases when they fire?

#include <sluice/select.hpp>
#include <sluice/selector.hpp>

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

#include "../support/broken_contract.hpp"
#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::received;
using sluice::selector;
using sluice::sent;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

template <class Callers>
class SelectorUsedBy : public testing::Test {
protected:
    auto start_select(selector& s) {
        return by.start([](selector* of) { return of->select(); },
                        [](selector* of) -> task<selector::id> { co_return co_await of->async_select(); }, &s);
    }
    auto start_select_for(selector& s, std::chrono::milliseconds d) {
        return by.start([](selector* of, std::chrono::milliseconds t) { return of->select_for(t); },
                        [](selector* of, std::chrono::milliseconds t) -> task<selector::id> {
                            co_return co_await sluice::timeout(t, of->async_select());
                        },
                        &s, d);
    }

    Callers by;
};
TYPED_TEST_SUITE(SelectorUsedBy, both_callers, caller_names);

// --- waiting ----------------------------------------------------------------------------------------------------------

// SE-05
TYPED_TEST(SelectorUsedBy, WaitsOnAllAndTellsWhichCaseFired) {
    const channel<int> a{0};
    const channel<int> b{0};
    selector s;
    received<int> v;
    s.add(on_receive(a, v));
    const auto of_b = s.add(on_receive(b, v));
    auto selecting = this->start_select(s);
    eventually([&] { return receivers_waiting(a) == 1 && receivers_waiting(b) == 1; });
    EXPECT_FALSE(selecting.done());
    ASSERT_TRUE(b.try_send(7));
    EXPECT_EQ(selecting.get(), of_b);
    EXPECT_EQ(*v, 7);
    EXPECT_TRUE(nobody_waits(a));
}

TYPED_TEST(SelectorUsedBy, FiresWithoutWaitingWhatIsReady) {
    const channel<int> a{1};
    const channel<int> b{1};
    selector s;
    received<int> v;
    const auto of_a = s.add(on_receive(a, v));
    s.add(on_receive(b, v));
    ASSERT_TRUE(a.try_send(1));
    EXPECT_EQ(this->start_select(s).get(), of_a);
    EXPECT_EQ(*v, 1);
}

TYPED_TEST(SelectorUsedBy, ReceivesAgainAndAgainUntilTheClosedChannelIsRemoved) {
    const channel<int> a{8};
    const channel<int> b{8};
    EXPECT_EQ(a.send_all(std::vector{1, 2, 3}), 3u);
    EXPECT_EQ(b.send_all(std::vector{10, 20}), 2u);
    a.close();
    b.close(std::make_exception_ptr(std::runtime_error{"broken"}));
    selector s;
    received<int> v;
    s.add(on_receive(a, v));
    const auto of_b = s.add(on_receive(b, v));
    int sum = 0;
    int errors = 0;
    while (!s.empty()) {
        const auto id = this->start_select(s).get();
        if (v) {
            sum += *v;
            continue;
        }
        EXPECT_EQ(v.why(), status::closed);
        EXPECT_EQ(v.error() != nullptr, id == of_b);
        errors += v.error() != nullptr;
        EXPECT_TRUE(s.remove(id));
    }
    EXPECT_EQ(sum, 36);
    EXPECT_EQ(errors, 1);
}

TYPED_TEST(SelectorUsedBy, EndsByTimeWithoutAnEffect) {
    const channel<int> a{0};
    selector s;
    s.add(on_receive(a));
    EXPECT_FALSE(this->start_select_for(s, 2ms).get());
    EXPECT_TRUE(nobody_waits(a));
    EXPECT_EQ(s.size(), 1u);
    auto selecting = this->start_select_for(s, 1h);
    eventually([&] { return receivers_waiting(a) == 1; });
    ASSERT_TRUE(a.try_send(1));
    EXPECT_TRUE(selecting.get());
}

TYPED_TEST(SelectorUsedBy, WaitsOnWhatWasAddedSinceAndNotOnWhatWasRemoved) {
    const channel<int> a{0};
    const channel<int> b{0};
    const channel<int> c{0};
    selector s;
    s.add(on_receive(a));
    const auto of_b = s.add(on_receive(b));
    EXPECT_FALSE(this->start_select_for(s, 1ms).get());
    EXPECT_TRUE(s.remove(of_b));
    const auto of_c = s.add(on_receive(c));
    auto selecting = this->start_select(s);
    eventually([&] { return receivers_waiting(a) == 1 && receivers_waiting(c) == 1; });
    EXPECT_TRUE(nobody_waits(b));
    ASSERT_TRUE(c.try_send(1));
    EXPECT_EQ(selecting.get(), of_c);
    EXPECT_TRUE(nobody_waits(a));
}

// SE-07, T22
TYPED_TEST(SelectorUsedBy, SendAndReceiveOfOneRendezvousNeverMeetEachOther) {
    const channel<int> ch{0};
    selector s;
    received<int> v;
    s.add(on_send(ch, 1));
    const auto receiving = s.add(on_receive(ch, v));
    auto selecting = this->start_select(s);
    eventually([&] { return senders_waiting(ch) == 1 && receivers_waiting(ch) == 1; });
    ASSERT_TRUE(ch.try_send(2));
    EXPECT_EQ(selecting.get(), receiving);
    EXPECT_EQ(*v, 2);
    EXPECT_TRUE(nobody_waits(ch));
}

// SE-30
TYPED_TEST(SelectorUsedBy, AnotherSelectorMayBeThePartner) {
    const channel<int> a{0};
    const channel<int> b{0};
    selector sending;
    sending.add(on_send(a, 1));
    const auto to_b = sending.add(on_send(b, 2));
    auto selecting = this->start_select(sending);
    eventually([&] { return senders_waiting(a) == 1 && senders_waiting(b) == 1; });
    selector receiving;
    received<int> v;
    receiving.add(on_receive(b, v));
    receiving.select();
    EXPECT_EQ(*v, 2);
    EXPECT_EQ(selecting.get(), to_b);
    EXPECT_EQ(sending.size(), 1u);
    EXPECT_TRUE(nobody_waits(a));
}

// SE-12
TEST(SelectorInATask, WithoutCasesItWaitsUntilTheTaskIsCancelled) {
    sluice::runtime rt;
    selector s;
    const channel<int> begun{0};
    auto selecting = rt.go(
        [](selector& of, channel<int> c) -> task<> {
            static_cast<void>(co_await c.async_receive());
            static_cast<void>(co_await of.async_select());
        },
        std::ref(s), begun);
    ASSERT_TRUE(begun.send(1));
    selecting.cancel();
    EXPECT_THROW(selecting.get(), sluice::canceled);
}

TEST(SelectorInATask, MayBeUsedAgainAfterACancellation) {
    sluice::runtime rt;
    selector s;
    const channel<int> ch{1};
    const auto id = s.add(on_receive(ch));
    auto suspended = rt.go([](selector& of) -> task<> { static_cast<void>(co_await of.async_select()); }, std::ref(s));
    eventually([&] { return receivers_waiting(ch) == 1; });
    suspended.cancel();
    EXPECT_THROW(suspended.get(), sluice::canceled);
    auto blocked = rt.go([](selector& of) { of.select(); }, std::ref(s));
    eventually([&] { return receivers_waiting(ch) == 1; });
    blocked.cancel();
    EXPECT_THROW(blocked.get(), sluice::canceled);
    EXPECT_TRUE(nobody_waits(ch));
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(s.select(), id);
}

TEST(SelectorInATask, ACaseMayNameItsContext) {
    sluice::runtime rt;
    selector s;
    const channel<int> ch{0};
    s.add(on_receive(ch));
    auto selecting = rt.go(
        [](selector& of) -> task<bool> {
            const auto done = of.add(sluice::on_done(sluice::current_context()));
            co_return co_await of.async_select() == done;
        },
        std::ref(s));
    eventually([&] { return receivers_waiting(ch) == 1; });
    selecting.cancel();
    EXPECT_TRUE(selecting.get());
}

TEST(Selector, TriesWithoutWaiting) {
    const channel<int> ch{1};
    selector s;
    EXPECT_FALSE(s.try_select());
    const auto id = s.add(on_receive(ch));
    EXPECT_FALSE(s.try_select());
    EXPECT_TRUE(nobody_waits(ch));
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(s.try_select(), id);
    EXPECT_FALSE(s.select_until(sluice::clock::now() + 1ms));
}

// SE-14
TEST(Selector, ANilChannelIsNeverChosen) {
    const channel<int> nil;
    const channel<int> ready{4};
    EXPECT_EQ(ready.send_all(std::vector{1, 2, 3, 4}), 4u);
    selector s;
    s.add(on_receive(nil));
    s.add(on_send(nil, 1));
    const auto id = s.add(on_receive(ready));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(s.select(), id);
    EXPECT_FALSE(s.select_for(1ms));
}

// SE-29
TEST(Selector, ManySelectsOnQuietChannelsLeaveNothingBehind) {
    const channel<int> quiet{0};
    const channel<int> busy{1};
    selector s;
    s.add(on_receive(quiet));
    s.add(on_send(quiet, 1));
    const auto id = s.add(on_receive(busy));
    for (int i = 0; i < 2000; ++i) {
        ASSERT_TRUE(busy.try_send(1));
        ASSERT_EQ(s.select(), id);
        ASSERT_FALSE(s.select_for(0ms));
    }
    EXPECT_FALSE(s.select_for(1ms));
    EXPECT_TRUE(nobody_waits(quiet));
    EXPECT_EQ(s.size(), 3u);
}

// SE-27
TYPED_TEST(SelectorUsedBy, TakesAsManyCasesAsGoDoes) {
    constexpr std::size_t count = 65'536;
    selector s;
    received<int> v;
    std::vector<channel<int>> all;
    std::vector<selector::id> ids;
    for (std::size_t i = 0; i < count; ++i) {
        all.emplace_back(1);
        ids.push_back(s.add(on_receive(all.back(), v)));
    }
    for (const std::size_t at : {std::size_t{0}, count / 2, count - 1}) {
        ASSERT_TRUE(all[at].try_send(static_cast<int>(at)));
        EXPECT_EQ(this->start_select(s).get(), ids[at]);
        auto selecting = this->start_select(s);
        eventually([&] { return receivers_waiting(all[at]) == 1; });
        ASSERT_TRUE(all[at].try_send(static_cast<int>(at)));
        EXPECT_EQ(selecting.get(), ids[at]);
        EXPECT_EQ(*v, static_cast<int>(at));
    }
    for (const auto& ch : all) ASSERT_TRUE(nobody_waits(ch));
}

// --- what its cases own -----------------------------------------------------------------------------------------------

TEST(Selector, ASendCaseOwnsItsValueAndIsRemovedWhenItFires) {
    using value = counted<>;
    {
        const channel<value> ch{2};
        selector s;
        value mine{5};
        sent ended = status::full;
        const auto moved = s.add(on_send(ch, std::move(mine), ended));
        EXPECT_TRUE(mine.is_moved_from());
        EXPECT_EQ(s.select(), moved);
        EXPECT_TRUE(ended);
        EXPECT_FALSE(s.contains(moved));
        value::reset_copies();
        const value kept{6};
        s.add(on_send(ch, kept));
        s.select();
        EXPECT_EQ(value::copies(), 1);
        EXPECT_EQ(kept.value(), 6);
        EXPECT_TRUE(s.empty());
        EXPECT_EQ(ch.try_receive()->value(), 5);
        EXPECT_EQ(ch.try_receive()->value(), 6);
    }
    EXPECT_EQ(value::live(), 0);
}

TEST(Selector, AValueThatIsNotSentGoesWithItsCase) {
    using value = counted<>;
    const channel<value> full{0};
    const channel<value> closed{1};
    closed.close();
    selector s;
    const auto removed = s.add(on_send(full, value{1}));
    sent ended = status::ok;
    s.add(on_send(closed, value{2}, ended));
    EXPECT_EQ(value::live(), 2);
    s.select();
    EXPECT_EQ(ended.why(), status::closed);
    EXPECT_EQ(value::live(), 1);
    EXPECT_TRUE(s.remove(removed));
    EXPECT_EQ(value::live(), 0);
    {
        selector other;
        other.add(on_send(full, value{3}));
        other.add(on_send(full, value{4}));
        other.clear();
        EXPECT_EQ(value::live(), 0);
        EXPECT_TRUE(other.empty());
        other.add(on_send(full, value{5}));
    }
    EXPECT_EQ(value::live(), 0);
}

/// Its moves may throw, so it travels in a box; too large an alignment for a coroutine's frame.
struct alignas(64) unwieldy {
    explicit unwieldy(int v) : value{v} {}
    unwieldy(unwieldy&& other) noexcept(false) : value{other.value} {}
    unwieldy& operator=(unwieldy&&) noexcept(false) = default;
    int value;
    counted<unwieldy> count{};
};

TEST(Selector, AValueWhoseMoveMayThrowOrThatIsOverAlignedIsOwnedTheSameWay) {
    {
        const channel<unwieldy> ch{1};
        selector s;
        received<unwieldy> v;
        s.add(on_send(ch, unwieldy{7}));
        s.select();
        s.add(on_receive(ch, v));
        s.select();
        EXPECT_EQ(v->value, 7);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&*v) % 64, 0u);
        s.add(on_send(ch, unwieldy{8}));
    }
    EXPECT_EQ(counted<unwieldy>::live(), 0);
}

TEST(Selector, ACaseKeepsAHandleOfItsChannel) {
    selector s;
    received<int> v;
    {
        const channel<int> gone{1};
        ASSERT_TRUE(gone.try_send(3));
        s.add(on_receive(gone, v));
    }
    s.select();
    EXPECT_EQ(*v, 3);
}

TEST(Selector, ACaseOfACountedEndKeepsTheChannelOpen) {
    auto [out, in] = sluice::make_channel<int>(1);
    selector s;
    received<int> v;
    const auto receiving = s.add(on_receive(in, v));
    in = {};
    EXPECT_TRUE(out.try_send(1));
    EXPECT_EQ(s.select(), receiving);
    EXPECT_EQ(*v, 1);
    EXPECT_TRUE(s.remove(receiving));
    EXPECT_EQ(out.try_send(2).why(), status::closed);
}

TEST(Selector, AChannelWithoutValuesIsACaseToo) {
    const channel<void> ch{1};
    selector s;
    received<void> got;
    s.add(on_send(ch));
    s.select();
    s.add(on_receive(ch, got));
    s.select();
    EXPECT_TRUE(got);
}

// --- which cases stay ---------------------------------------------------------------------------------------------------

TEST(Selector, WhatCanFireOnceIsRemovedThen) {
    sluice::semaphore permits{1};
    sluice::wait_group group;
    sluice::runtime rt;
    auto task_handle = rt.go([] { return 5; });
    const channel<int> ch{2};
    ASSERT_TRUE(ch.try_send(1));
    selector s;
    received<int> into;
    status joined = status::empty;
    std::unordered_set<selector::id> ids;
    ids.insert(s.add(sluice::on_acquire(permits)));
    ids.insert(s.add(sluice::on_wait(group)));
    ids.insert(s.add(sluice::on_join(task_handle, joined)));
    ids.insert(s.add(sluice::on(ch.async_receive(), into)));
    ids.insert(s.add(sluice::on_timeout(1ms)));
    ids.insert(s.add(sluice::on_deadline(sluice::clock::now() + 2ms)));
    ids.insert(s.add(sluice::on(sluice::sleep_for(3ms))));
    EXPECT_EQ(ids.size(), 7u);
    while (!s.empty()) EXPECT_EQ(ids.erase(s.select()), 1u);
    EXPECT_TRUE(ids.empty());
    EXPECT_EQ(permits.available(), 0u);
    EXPECT_EQ(joined, status::ok);
    EXPECT_EQ(task_handle.get(), 5);
    EXPECT_EQ(*into, 1);
}

TEST(Selector, AnEndedContextAndOtherwiseStay) {
    const channel<int> ready{4};
    EXPECT_EQ(ready.send_all(std::vector{1, 2}), 2u);
    const auto stop = sluice::with_cancel({});
    selector s;
    s.add(on_receive(ready));
    const auto done = s.add(sluice::on_done(stop));
    const auto otherwise = s.add(sluice::otherwise);
    stop.cancel();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(s.select(), done);  // wins over what is ready
    EXPECT_TRUE(s.remove(done));
    EXPECT_NE(s.select(), otherwise);
    EXPECT_NE(s.select(), otherwise);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(s.select(), otherwise);
    EXPECT_TRUE(breaks_contract([&] { s.add(sluice::otherwise); }));
    EXPECT_TRUE(s.remove(otherwise));
    s.add(sluice::otherwise_do([] {}));
}

TEST(Selector, AnOperationWithAContextOfItsOwnFiresWhenThatEnds) {
    const channel<int> never{0};
    const auto stop = sluice::with_cancel({});
    selector s;
    received<int> with_context;
    received<int> with_time;
    const auto first = s.add(sluice::on(never.async_receive(stop), with_context));
    const auto second = s.add(sluice::on(sluice::timeout(1ms, never.async_receive()), with_time));
    EXPECT_EQ(s.select(), second);
    EXPECT_EQ(with_time.why(), status::timed_out);
    stop.cancel();
    EXPECT_EQ(s.select(), first);
    EXPECT_EQ(with_context.why(), status::canceled);
    EXPECT_TRUE(s.empty());
    EXPECT_TRUE(nobody_waits(never));
}

// The earliest of many; a later one comes to its right when that has fired.
TEST(Selector, TimesFireInTheirOrder) {
    const auto now = sluice::clock::now();
    selector s;
    const auto third = s.add(sluice::on_deadline(now + 3ms));
    const auto first = s.add(sluice::on_deadline(now + 1ms));
    const auto second = s.add(sluice::on_deadline(now + 2ms));
    EXPECT_EQ(s.select(), first);
    EXPECT_EQ(s.select(), second);
    EXPECT_EQ(s.select(), third);
}

// --- ids ----------------------------------------------------------------------------------------------------------------

TEST(Selector, AnIdIsNeverGivenTwice) {
    const channel<int> ch{0};
    selector s;
    std::unordered_set<selector::id> ids;
    EXPECT_FALSE(selector::id{});
    EXPECT_FALSE(s.contains(selector::id{}));
    EXPECT_FALSE(s.remove(selector::id{}));
    selector::id last;
    for (int i = 0; i < 1000; ++i) {
        const auto id = s.add(on_receive(ch));
        EXPECT_TRUE(ids.insert(id).second);
        EXPECT_LT(last, id);
        EXPECT_TRUE(s.contains(id));
        EXPECT_FALSE(s.contains(last));
        EXPECT_TRUE(s.remove(id));
        EXPECT_FALSE(s.remove(id));
        last = id;
    }
    EXPECT_TRUE(s.empty());
}

}  // namespace
