// SPDX-License-Identifier: BSL-1.0
// broadcast_test.cpp: does every value get to all who listen or to none, and does each learn what it missed?

#include <sluice/broadcast.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/errgroup.hpp>
#include <sluice/gtest.hpp>
#include <sluice/scope.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>

#include "../support/broken_contract.hpp"
#include "../support/counted.hpp"
#include "../support/value_kinds.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::broadcast;
using sluice::overflow;
using sluice::receiver;
using sluice::sleep_for;
using sluice::status;
using sluice::task;
using sluice::tell_missed;
using sluice::with_missed;
using ints = std::vector<int>;
using value = sluice_test::counted<struct of_a_broadcast>;

task<> publish_all(broadcast<int>& to, int from, int count) {
    for (int i = from; i < from + count; ++i) {
        const auto sent = co_await to.async_publish(i);
        if (!sent) co_return;
    }
}
template <class T>
task<std::vector<T>> all_of(receiver<T> in) {
    std::vector<T> all;
    while (auto v = co_await in.async_receive()) all.push_back(std::move(*v));
    co_return all;
}
ints count_up(int from, int count) {
    ints all;
    for (int i = from; i < from + count; ++i) all.push_back(i);
    return all;
}

// PL-12
SIMULATED_TEST(Broadcast, GivesEveryValueToAllInTheSameOrder) {
    const sluice::testing::leak_check nothing_is_left;
    broadcast<int> values;
    auto one = sluice::go(all_of<int>, values.subscribe(overflow::wait, 1));
    auto other = sluice::go(all_of<int>, values.subscribe(overflow::wait, 3));
    auto told = sluice::go(all_of<with_missed<int>>, values.subscribe(tell_missed, 100));
    {
        auto low = sluice::go(publish_all, std::ref(values), 0, 10);
        auto high = sluice::go(publish_all, std::ref(values), 100, 10);
        co_await low;
        co_await high;
    }
    EXPECT_TRUE(values.close());
    EXPECT_FALSE(values.close());
    const ints seen = co_await one;
    EXPECT_EQ(seen.size(), 20u);
    EXPECT_EQ(seen, co_await other);
    ints told_values;
    for (const auto& [v, missed] : co_await told) {
        told_values.push_back(v);
        EXPECT_EQ(missed, 0u);
    }
    EXPECT_EQ(seen, told_values);
    int last_low = -1;
    int last_high = 99;
    for (const int v : seen) EXPECT_EQ(v, v < 100 ? ++last_low : ++last_high);
}

task<> come_and_go(broadcast<int>& values) {
    for (int round = 0; round < 3; ++round) {
        const auto in = values.subscribe(overflow::wait, 2);
        int last = -1;
        for (int i = 0; i < 3; ++i) {
            const auto v = co_await in.async_receive();
            if (!v) co_return;
            EXPECT_TRUE(last < 0 || *v == last + 1);
            last = *v;
        }
    }
}
// Whoever comes gets all values from then on, and whoever goes holds up nobody.
SIMULATED_TEST(Broadcast, HasSubscribersThatComeAndGo) {
    const sluice::testing::leak_check nothing_is_left;
    broadcast<int> values;
    auto stays = sluice::go(all_of<int>, values.subscribe(overflow::wait, 1));
    auto first = sluice::go(come_and_go, std::ref(values));
    auto second = sluice::go(come_and_go, std::ref(values));
    co_await publish_all(values, 0, 25);
    values.close();
    EXPECT_EQ(co_await stays, count_up(0, 25));
    co_await first;
    co_await second;
    EXPECT_EQ(values.subscribers(), 0u);
}

TEST(Broadcast, ToNobodyIsPublishedToo) {
    broadcast<int> values;
    EXPECT_TRUE(values.publish(1));
    EXPECT_TRUE(values.try_publish(2));
    const auto in = values.subscribe(overflow::wait, 4);
    EXPECT_EQ(in.try_receive(), status::empty);
    EXPECT_EQ(values.subscribers(), 1u);
}

SIMULATED_TEST(Broadcast, IsAsFastAsTheSlowestThatWantsAllValues) {
    broadcast<int> values;
    const auto dropping = values.subscribe(overflow::drop_oldest, 1);
    const auto slow = [](receiver<int> in) -> task<int> {
        int count = 0;
        for (;;) {
            const auto v = co_await in.async_receive();
            if (!v) co_return count;
            ++count;
            co_await sleep_for(1s);
        }
    };
    auto reading = sluice::go(slow, values.subscribe(overflow::wait, 2));
    const auto began = sluice::clock::now();
    co_await publish_all(values, 0, 10);
    // One is worked on and two are buffered when the last has got in.
    EXPECT_EQ(sluice::clock::now() - began, 7s);
    values.close();
    EXPECT_EQ(co_await reading, 10);
    EXPECT_EQ(dropping.dropped(), 9u);
}

SIMULATED_TEST(Broadcast, AValueThatHasToWaitHasGotToNobodyAndMayBeTakenBack) {
    broadcast<value> values;
    const auto full = values.subscribe(overflow::wait, 1);
    const auto empty = values.subscribe(overflow::wait, 4);
    const auto told = values.subscribe(tell_missed, 1);
    static_cast<void>(co_await values.async_publish(value{1}));
    static_cast<void>(co_await empty.async_receive());
    static_cast<void>(co_await told.async_receive());

    value kept{2};
    auto until = sluice::with_timeout(sluice::current_context(), 3s);
    const auto named = co_await values.async_publish(std::move(kept), until.get());
    EXPECT_EQ(named, status::canceled);
    EXPECT_EQ(values.try_publish(std::move(kept)), status::full);
    EXPECT_EQ(values.publish_for(std::move(kept), 1s), status::timed_out);
    std::stop_source stop;
    stop.request_stop();
    const auto stopped = co_await values.async_publish(std::move(kept), stop.get_token());
    EXPECT_EQ(stopped, status::canceled);

    const auto publish = [](broadcast<value>& to, value& v) -> task<> {
        static_cast<void>(co_await to.async_publish(std::move(v)));
    };
    auto publishing = sluice::go(publish, std::ref(values), std::ref(kept));
    co_await sleep_for(1s);
    publishing.cancel();
    bool was_canceled = false;
    try {
        co_await publishing;
    } catch (const sluice::canceled&) {
        was_canceled = true;
    }
    EXPECT_TRUE(was_canceled);
    EXPECT_FALSE(kept.is_moved_from());
    EXPECT_EQ(empty.size(), 0u);
    EXPECT_EQ(told.size(), 0u);
    EXPECT_EQ(full.size(), 1u);

    static_cast<void>(co_await full.async_receive());
    EXPECT_TRUE(values.try_publish(std::move(kept)));
    EXPECT_EQ(empty.size(), 1u);
}

SIMULATED_TEST(Broadcast, ASubscriberThatLeavesLetsAWaitingPublisherGoOn) {
    broadcast<int> values;
    const auto stays = values.subscribe(overflow::wait, 9);
    std::optional<receiver<int>> goes = values.subscribe(overflow::wait, 1);
    const auto cancels = values.subscribe(overflow::wait, 1);
    auto publishing = sluice::go(publish_all, std::ref(values), 0, 3);
    co_await sleep_for(1s);
    EXPECT_EQ(stays.size(), 1u);
    goes.reset();
    co_await sleep_for(1s);
    EXPECT_EQ(stays.size(), 1u);
    cancels.cancel();
    co_await publishing;
    EXPECT_EQ(stays.size(), 3u);
    EXPECT_EQ(values.subscribers(), 1u);
}

SIMULATED_TEST(Broadcast, PublishersThatWaitAreServedInTheOrderOfTheirArrival) {
    broadcast<int> values;
    const auto in = values.subscribe(overflow::wait, 1);
    co_await publish_all(values, 0, 1);
    std::deque<sluice::join_handle<void>> waiting;
    for (int i = 1; i <= 4; ++i) {
        waiting.push_back(sluice::go(publish_all, std::ref(values), i, 1));
        co_await sleep_for(1s);
    }
    for (int i = 0; i <= 4; ++i) {
        EXPECT_EQ((co_await in.async_receive()).value(), i);
        EXPECT_EQ(values.try_publish(100), i < 4 ? status::full : status::ok);  // nobody overtakes
    }
    for (auto& w : waiting) co_await w;
}

SIMULATED_TEST(Broadcast, WhoLeavesTheLineKeepsNobodyOut) {
    broadcast<int> values;
    const auto in = values.subscribe(overflow::wait, 1);
    co_await publish_all(values, 0, 1);
    auto first = sluice::go(publish_all, std::ref(values), 1, 1);
    auto second = sluice::go(publish_all, std::ref(values), 2, 1);
    co_await sluice::yield();
    const auto take = [](receiver<int> from) -> task<> { static_cast<void>(co_await from.async_receive()); };
    auto taking = sluice::go(take, in);
    auto taking_too = sluice::go(take, in);
    co_await sluice::yield();
    second.cancel();
    try {
        co_await second;
    } catch (const sluice::canceled&) {}
    co_await first;
    taking_too.cancel();
    co_await sleep_for(1s);
    while (in.try_receive()) {}
    EXPECT_TRUE(values.try_publish(3));
}

// PL-12
SIMULATED_TEST(Broadcast, EachValueTellsHowManyWereMissedJustBeforeIt) {
    broadcast<int> values;
    const auto in = values.subscribe(tell_missed, 2);
    co_await publish_all(values, 0, 7);
    auto v = co_await in.async_receive();
    EXPECT_EQ(v->value, 5);
    EXPECT_EQ(v->missed, 5u);
    co_await publish_all(values, 7, 1);
    v = co_await in.async_receive();
    EXPECT_EQ(v->value, 6);
    EXPECT_EQ(v->missed, 0u);
    co_await publish_all(values, 8, 2);
    v = co_await in.async_receive();
    EXPECT_EQ(v->value, 8);
    EXPECT_EQ(v->missed, 1u);
}

// PL-12
SIMULATED_TEST(Broadcast, WhatWasMissedAndWhatWasReceivedAreAllThereWas) {
    broadcast<int> values;
    const auto check = [](receiver<with_missed<int>> in) -> task<std::size_t> {
        std::size_t next = 0;
        for (;;) {
            const auto v = co_await in.async_receive();
            if (!v) co_return next;
            next += v->missed;
            EXPECT_EQ(static_cast<std::size_t>(v->value), next);
            ++next;
            co_await sluice::yield();
        }
    };
    auto of_one = sluice::go(check, values.subscribe(tell_missed, 1));
    auto of_three = sluice::go(check, values.subscribe(tell_missed, 3));
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(co_await values.async_publish(i));
        co_await sluice::yield();
    }
    values.close();
    EXPECT_EQ(co_await of_one, 20u);
    EXPECT_EQ(co_await of_three, 20u);
}

SIMULATED_TEST(Broadcast, ASubscriptionIsACaseOfASelect) {
    broadcast<int> values;
    const auto quiet = values.subscribe(overflow::wait, 1);
    const auto other = sluice::channel<int>{1};
    co_await publish_all(values, 7, 1);
    sluice::received<int> v;
    const auto fired = co_await sluice::async_select(sluice::on_receive(other, v), sluice::on_receive(quiet, v));
    EXPECT_EQ(fired, 1u);
    EXPECT_EQ(*v, 7);
}

SIMULATED_TEST(Broadcast, ClosingEndsPublishersAtOnceAndSubscribersAfterWhatTheyHave) {
    broadcast<value> values;
    const auto in = values.subscribe(overflow::wait, 1);
    static_cast<void>(co_await values.async_publish(value{1}));
    value first{2};
    value second{3};
    const auto publish = [](broadcast<value>& to, value& v) -> task<status> {
        const auto sent = co_await to.async_publish(std::move(v));
        co_return sent.why();
    };
    auto waits_for_room = sluice::go(publish, std::ref(values), std::ref(first));
    auto waits_for_its_turn = sluice::go(publish, std::ref(values), std::ref(second));
    co_await sleep_for(1s);
    values.close(std::make_exception_ptr(std::runtime_error{"the exchange has closed"}));
    EXPECT_EQ(co_await waits_for_room, status::closed);
    EXPECT_EQ(co_await waits_for_its_turn, status::closed);
    EXPECT_FALSE(first.is_moved_from());
    EXPECT_FALSE(second.is_moved_from());
    EXPECT_EQ(values.try_publish(first), status::closed);
    EXPECT_TRUE(values.is_closed());
    EXPECT_EQ((co_await in.async_receive()).value().value(), 1);
    const auto end = co_await in.async_receive();
    EXPECT_TRUE(end.error());
    const auto late = values.subscribe(tell_missed, 1);
    EXPECT_TRUE(late.try_receive().error());
    EXPECT_EQ(values.subscribers(), 0u);
}

TEST(Broadcast, SubscribersOutliveItAndFindTheEnd) {
    receiver<int> in;
    {
        broadcast<int> values;
        in = values.subscribe(overflow::wait, 4);
        EXPECT_TRUE(values.publish(1));
    }
    EXPECT_EQ(in.receive().value(), 1);
    EXPECT_EQ(in.receive(), status::closed);
}

// A value gets to all of those that want all values or to none, whoever is cancelled where.
SIMULATED_TEST(Broadcast, ACanceledPublisherHasReachedAllOrNobody, {.runs = 2000, .chaos = {.cancel = 0.05}}) {
    {
        const sluice::testing::leak_check nothing_is_left;
        broadcast<value> values;
        // Of the main task, which chaos spares.
        const auto one = values.subscribe(overflow::wait, 1);
        const auto other = values.subscribe(overflow::wait, 2);
        ints published;
        std::deque<value> kept;
        const auto publish = [](broadcast<value>& to, ints& done, value& v) -> task<> {
            const int number = v.value();
            const auto sent = co_await to.async_publish(std::move(v));
            if (sent) done.push_back(number);
        };
        const auto leave = [](broadcast<value>& from) -> task<> {
            const auto in = from.subscribe(overflow::wait, 1);
            static_cast<void>(co_await in.async_receive());
        };
        std::vector<sluice::join_handle<void>> publishers;
        std::vector<sluice::join_handle<void>> leaving;
        for (int i = 0; i < 4; ++i) {
            publishers.push_back(
                sluice::go(publish, std::ref(values), std::ref(published), std::ref(kept.emplace_back(i))));
            if (i % 2 == 0) leaving.push_back(sluice::go(leave, std::ref(values)));
        }
        const auto read = [](const receiver<value>& in, ints& into) {
            while (auto v = in.try_receive()) into.push_back(v->value());
        };
        ints of_one;
        ints of_other;
        const auto has_ended = [](const auto& h) { return h.done(); };
        while (!std::all_of(publishers.begin(), publishers.end(), has_ended)) {
            read(one, of_one);
            read(other, of_other);
            co_await sluice::yield();
        }
        values.close();
        read(one, of_one);
        read(other, of_other);
        while (!std::all_of(leaving.begin(), leaving.end(), has_ended)) co_await sluice::yield();
        EXPECT_EQ(of_one, of_other);
        for (const int n : published) EXPECT_EQ(std::count(of_one.begin(), of_one.end(), n), 1);
        for (std::size_t i = 0; i < kept.size(); ++i)
            EXPECT_EQ(std::count(of_one.begin(), of_one.end(), static_cast<int>(i)), kept[i].is_moved_from());
    }
    EXPECT_EQ(value::live(), 0);
}

// Throws when it is copied for the third time.
struct stubborn {
    explicit stubborn(int& copies_left) noexcept : left{&copies_left} {}
    stubborn(const stubborn& other) : left{other.left} {
        if (*left == 0) throw std::runtime_error{"no more copies"};
        --*left;
    }
    stubborn(stubborn&& other) noexcept : left{std::exchange(other.left, nullptr)} {}
    stubborn& operator=(stubborn&&) noexcept = default;
    int* left;
};
SIMULATED_TEST(Broadcast, AValueThatCannotBeCopiedForAllHasGotToNobody) {
    broadcast<stubborn> values;
    const auto one = values.subscribe(overflow::wait, 2);
    const auto other = values.subscribe(tell_missed, 2);
    const auto third = values.subscribe(overflow::drop_oldest, 2);
    int copies_left = 1;
    stubborn v{copies_left};
    for (int i = 0; i < 2; ++i) {
        bool has_thrown = false;
        try {
            static_cast<void>(co_await values.async_publish(std::move(v)));
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        EXPECT_TRUE(has_thrown);
        EXPECT_TRUE(v.left);
        EXPECT_EQ(one.size() + other.size() + third.size(), 0u);
    }
    copies_left = 2;
    EXPECT_TRUE(co_await values.async_publish(std::move(v)));
    EXPECT_FALSE(v.left);
    EXPECT_EQ(one.size() + other.size() + third.size(), 3u);
}

TEST(Broadcast, GivesOneOfTheSubscribersTheValueItself) {
    broadcast<value> values;
    const auto one = values.subscribe(tell_missed, 2);
    value::reset_copies();
    EXPECT_TRUE(values.publish(value{1}));
    EXPECT_EQ(value::copies(), 0);
    const auto other = values.subscribe(overflow::wait, 2);
    EXPECT_TRUE(values.publish(value{2}));
    EXPECT_EQ(value::copies(), 1);
    EXPECT_EQ(one.receive()->value.value(), 1);
    EXPECT_EQ(one.receive()->value.value(), 2);
    EXPECT_EQ(other.receive()->value(), 2);
}

// Each buffers its capacity at most; a publisher has its value, and a copy for each when there is room.
SIMULATED_TEST(Broadcast, KeepsNoMoreThanTheCapacityOfEachSubscriber) {
    {
        int most = 0;
        broadcast<value> values;
        const auto read = [](receiver<value> in, int& highest) -> task<> {
            for (;;) {
                const auto v = co_await in.async_receive();
                if (!v) co_return;
                highest = std::max(highest, value::live());
                co_await sleep_for(std::chrono::seconds{sluice::testing::choose(2)});
            }
        };
        auto one = sluice::go(read, values.subscribe(overflow::wait, 2), std::ref(most));
        auto other = sluice::go(read, values.subscribe(overflow::drop_oldest, 3), std::ref(most));
        const auto publish = [](broadcast<value>& to) -> task<> {
            for (int i = 0; i < 10; ++i) {
                value v{i};
                static_cast<void>(co_await to.async_publish(v));
            }
        };
        auto first = sluice::go(publish, std::ref(values));
        auto second = sluice::go(publish, std::ref(values));
        co_await first;
        co_await second;
        values.close();
        co_await one;
        co_await other;
        EXPECT_LE(most, 2 + 3 + 2 + 2);  // buffered, in hand of the readers, and of the publishers
    }
    EXPECT_EQ(value::live(), 0);
}

template <class T>
void carries_values_of_a_kind() {
    broadcast<T> values;
    const auto one = values.subscribe(overflow::wait, 2);
    const auto other = values.subscribe(tell_missed, 2);
    T v{7};
    EXPECT_TRUE(values.publish(v));
    EXPECT_TRUE(values.publish(std::move(v)));
    EXPECT_EQ(values.try_publish(T{8}), status::full);
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(one.receive()->number(), 7);
        EXPECT_EQ(other.receive()->value.number(), 7);
    }
}
TEST(Broadcast, CarriesValuesOfAllKindsThatCanBeCopied) {
    carries_values_of_a_kind<sluice_test::kinds::trivial>();
    carries_values_of_a_kind<sluice_test::kinds::constant>();
    carries_values_of_a_kind<sluice_test::kinds::throwing_copy>();
    carries_values_of_a_kind<sluice_test::kinds::throwing_move>();
    carries_values_of_a_kind<sluice_test::kinds::self_referential>();
    EXPECT_EQ(sluice_test::kinds::throwing_move::live(), 0);
}

TEST(Broadcast, ServesPlainThreads) {
    constexpr int each = 2000;
    broadcast<int> values;
    long sums[2] = {};
    long received_or_missed = 0;
    {
        std::vector<std::jthread> readers;
        for (long& sum : sums)
            readers.emplace_back([&sum, in = values.subscribe(overflow::wait, 4)] {
                for (const int v : in) sum += v;
            });
        readers.emplace_back([&received_or_missed, in = values.subscribe(tell_missed, 4)] {
            for (const auto& [v, missed] : in) received_or_missed += 1 + static_cast<long>(missed);
        });
        readers.emplace_back([in = values.subscribe(overflow::wait, 1)] {
            for (int i = 0; i < 100; ++i) static_cast<void>(in.receive());
        });  // and leaves
        {
            std::vector<std::jthread> publishers;
            for (int p = 0; p < 2; ++p)
                publishers.emplace_back([&values] {
                    for (int i = 1; i <= each; ++i) EXPECT_TRUE(values.publish(i));
                });
        }
        values.close();
    }
    EXPECT_EQ(sums[0], long{each} * (each + 1));
    EXPECT_EQ(sums[1], sums[0]);
    EXPECT_EQ(received_or_missed, 2 * each);
}

TEST(Broadcast, AThreadThatPublishesCanBeEnded) {
    broadcast<int> values;
    const auto in = values.subscribe(overflow::wait, 1);
    EXPECT_TRUE(values.publish(1));
    std::stop_source stop;
    std::jthread waiting{[&] { EXPECT_EQ(values.publish(2, stop.get_token()), status::canceled); }};
    stop.request_stop();
    waiting.join();
    EXPECT_EQ(values.publish_for(2, 1ms), status::timed_out);
    EXPECT_EQ(values.publish(2, stop.get_token()), status::canceled);
    EXPECT_EQ(in.receive().value(), 1);
    EXPECT_EQ(values.publish(2, stop.get_token()), status::canceled);  // wins over room
    EXPECT_TRUE(values.publish_for(2, 1ms));
    values.close();
    EXPECT_EQ(values.publish(3), status::closed);
}

TEST(Broadcast, ASubscriberWithoutRoomBreaksTheContract) {
    broadcast<int> values;
    EXPECT_TRUE(sluice_test::breaks_contract([&] { static_cast<void>(values.subscribe(overflow::wait, 0)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([&] { static_cast<void>(values.subscribe(tell_missed, 0)); }));
    const auto minus_one = static_cast<std::size_t>(-1);
    EXPECT_TRUE(sluice_test::breaks_contract([&] { static_cast<void>(values.subscribe(overflow::wait, minus_one)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([&] { static_cast<void>(values.subscribe(overflow::drop_newest, 1)); }));
}

}  // namespace
