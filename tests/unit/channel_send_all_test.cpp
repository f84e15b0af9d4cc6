// SPDX-License-Identifier: BSL-1.0
// channel_send_all_test.cpp: what does a batch of sends do, and what is left with its owner?

#include <sluice/channel.hpp>
#include <sluice/timer.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <list>
#include <memory>
#include <numeric>
#include <ranges>
#include <span>
#include <sstream>
#include <stop_token>
#include <string>
#include <vector>

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

using value = counted<struct send_all>;

class SendAll : public testing::Test {
protected:
    SendAll() { value::reset_copies(); }
    ~SendAll() override { EXPECT_EQ(value::live(), 0); }
};

template <class Container = std::vector<value>>
Container values(int n) {
    Container all;
    for (int i = 0; i < n; ++i) all.push_back(value{i});
    return all;
}
std::vector<int> numbers(int n) {
    std::vector<int> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
}
int moved_from(const auto& range) {
    return static_cast<int>(std::ranges::count_if(range, [](const value& v) { return v.is_moved_from(); }));
}

// --- what is sent of which range --------------------------------------------------------------------------------------

TEST_F(SendAll, CopiesTheElementsOfANamedContainerOnceEach) {
    const channel<value> ch{8};
    const auto mine = values(5);
    EXPECT_EQ(ch.send_all(mine), 5u);
    EXPECT_EQ(value::copies(), 5);
    EXPECT_EQ(moved_from(mine), 0);
    for (const int i : numbers(5)) EXPECT_EQ(ch.receive()->value(), i);
}

template <class Container>
class SendAllOf : public SendAll {};
using containers = testing::Types<std::vector<value>, std::deque<value>, std::list<value>>;
TYPED_TEST_SUITE(SendAllOf, containers);

// CH-28
TYPED_TEST(SendAllOf, MovesFromTheElementsOfAnRvalueContainerThatWereSentAndFromNoOther) {
    const channel<value> ch{3};
    auto mine = values<TypeParam>(5);
    EXPECT_EQ(ch.try_send_all(std::move(mine)), 3u);
    EXPECT_EQ(mine.size(), 5u);
    EXPECT_EQ(moved_from(mine), 3);
    EXPECT_EQ(mine.back().value(), 4);
    EXPECT_EQ(value::copies(), 0);
    for (const int i : numbers(3)) EXPECT_EQ(ch.receive()->value(), i);
}

TEST_F(SendAll, CopiesTheElementsThatAnRvalueViewRefersTo) {
    const channel<value> ch{8};
    auto mine = values(4);
    EXPECT_EQ(ch.send_all(std::span{mine}), 4u);
    EXPECT_EQ(ch.send_all(mine | std::views::drop(3)), 1u);
    EXPECT_EQ(moved_from(mine), 0);
}

TEST_F(SendAll, TakesMoveOnlyElements) {
    const channel<std::unique_ptr<int>> ch{2};
    std::vector<std::unique_ptr<int>> mine;
    for (int i = 0; i < 3; ++i) mine.push_back(std::make_unique<int>(i));
    EXPECT_EQ(ch.try_send_all(std::move(mine)), 2u);
    EXPECT_EQ(mine[1], nullptr);
    EXPECT_EQ(*mine[2], 2);
}

TEST_F(SendAll, ConvertsElements) {
    const channel<std::string> ch{4};
    EXPECT_EQ(ch.send_all(std::vector{"a", "b"}), 2u);
    EXPECT_EQ(ch.send_all(std::vector<std::string_view>{"c"}), 1u);
    EXPECT_EQ(ch.receive_some(4), (std::vector<std::string>{"a", "b", "c"}));
    const channel<bool> flags{4};
    EXPECT_EQ(flags.send_all(std::vector<bool>{true, false}), 2u);
    EXPECT_EQ(flags.receive_some(4), (std::vector<bool>{true, false}));
}

TEST_F(SendAll, TakesWhatAViewComputes) {
    const channel<std::string> ch{4};
    const auto twice = [](int i) { return std::to_string(2 * i); };
    EXPECT_EQ(ch.send_all(std::views::iota(1, 4) | std::views::transform(twice)), 3u);
    EXPECT_EQ(ch.receive_some(4), (std::vector<std::string>{"2", "4", "6"}));
}

TEST_F(SendAll, ReadsASinglePassRangeNoFurtherThanTheElementThatCouldNotBeSent) {
    std::vector<std::string> told;
    const channel<std::string> ch{2};
    ch.on_undelivered([&](std::string&& s) { told.push_back(s); });
    std::istringstream words{"one two three four five"};
    EXPECT_EQ(ch.try_send_all(std::views::istream<std::string>(words)), 2u);
    EXPECT_EQ(told, std::vector<std::string>{"three"});
    std::string next;
    words >> next;
    EXPECT_EQ(next, "four");
}

TEST_F(SendAll, AnEmptyRangeIsSentAtOnceWhateverTheChannel) {
    const channel<int> full{0};
    const channel<int> closed{1};
    closed.close();
    for (const auto& ch : {full, closed, channel<int>{}}) {
        EXPECT_EQ(ch.send_all(std::vector<int>{}), 0u);
        EXPECT_EQ(ch.try_send_all(std::vector<int>{}), 0u);
        EXPECT_EQ(sluice::run(
                      [](channel<int> c) -> task<std::size_t> {
                          const std::vector<int> none;
                          co_return co_await c.async_send_all(none);
                      },
                      ch),
                  0u);
    }
}

// --- where it ends ----------------------------------------------------------------------------------------------------

TEST_F(SendAll, StopsWhereTheChannelTakesNoMore) {
    const channel<int> closed{4};
    closed.close();
    EXPECT_EQ(closed.send_all(numbers(3)), 0u);
    const channel<int> refusing{2, sluice::overflow::drop_newest};
    EXPECT_EQ(refusing.send_all(numbers(5)), 2u);
    const channel<int> full{2};
    EXPECT_EQ(full.try_send_all(numbers(5)), 2u);
    EXPECT_EQ(full.try_send_all(numbers(5)), 0u);
    EXPECT_EQ(channel<int>{}.try_send_all(numbers(5)), 0u);
    EXPECT_EQ(full.send_all_for(numbers(5), 1ms), 0u);
    EXPECT_EQ(full.send_all_until(numbers(5), std::chrono::steady_clock::now()), 0u);
}

TEST_F(SendAll, IntoAChannelThatDropsTheOldestSendsAllAndTellsOfTheDropped) {
    std::vector<int> told;
    const channel<value> ch{2, sluice::overflow::drop_oldest};
    ch.on_undelivered([&](value&& v) { told.push_back(v.value()); });
    EXPECT_EQ(ch.send_all(values(5)), 5u);
    EXPECT_EQ(told, (std::vector{0, 1, 2}));
    EXPECT_EQ(ch.dropped(), 3u);
    EXPECT_EQ(ch.receive()->value(), 3);
    EXPECT_EQ(ch.receive()->value(), 4);
}

TEST_F(SendAll, AStopRequestedBeforeTheCallWinsOverRoom) {
    const channel<int> ch{8};
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(ch.send_all(numbers(3), ended.get()), 0u);
    EXPECT_EQ(ch.send_all(numbers(3), stop.get_token()), 0u);
    EXPECT_EQ(ch.size(), 0u);
}

TEST_F(SendAll, AnEndlessRangeEndsWithItsTime) {
    const channel<int> ch{sluice::unbounded};
    EXPECT_GT(ch.send_all_for(std::views::iota(0), 1ms), 0u);
}

// --- nothing of the user's runs under the lock, and what throws ---------------------------------------------------------

struct thrown {};

/// Its copies look whether the channel is locked, and throw when their number is used up.
struct watchful {
    explicit watchful(int v) : number{v} {}
    watchful(const watchful& other) : number{other.number} {
        look();
        if (copies_left >= 0 && copies_left-- == 0) throw thrown{};
    }
    watchful(watchful&& other) noexcept : number{std::exchange(other.number, -1)} {}
    watchful& operator=(const watchful&) = default;
    watchful& operator=(watchful&&) = default;
    ~watchful() {
        if (number != -1) look();
    }
    static void look() {
        if (!watched) return;
        const bool is_free = watched->core()->mutex.try_acquire();
        EXPECT_TRUE(is_free);
        if (is_free) watched->core()->mutex.release();
    }
    int number;
    inline static const channel<watchful>* watched = nullptr;
    inline static int copies_left = -1;
};

TEST_F(SendAll, CopiesConversionsAndDroppedValuesKeepClearOfTheLock) {
    const std::vector<watchful> mine(100, watchful{1});
    for (const auto& ch : {channel<watchful>{200}, channel<watchful>{3, sluice::overflow::drop_oldest}}) {
        watchful::watched = &ch;
        EXPECT_EQ(ch.send_all(mine), 100u);
        EXPECT_EQ(ch.send_all(mine | std::views::filter([](const watchful& w) {
                                  watchful::look();
                                  return w.number == 1;
                              })),
                  100u);
        sluice::receiver<watchful>{ch}.cancel();
        watchful::watched = nullptr;
    }
}

// T17, T55
TEST_F(SendAll, ACopyThatThrowsReachesTheSenderWhenThoseBeforeItHaveBeenSent) {
    const std::vector<watchful> mine(10, watchful{1});
    for (const int before : {0, 3, 9}) {
        const channel<watchful> ch{64};
        watchful::copies_left = before;
        EXPECT_THROW(ch.send_all(mine), thrown);
        watchful::copies_left = -1;
        EXPECT_EQ(ch.size(), static_cast<std::size_t>(before));
    }
}

// T17
TEST_F(SendAll, ACopyThatThrowsIsNotMissedWhenThereIsNoRoomForThoseBefore) {
    const std::vector<watchful> mine(10, watchful{1});
    const channel<watchful> ch{2};
    watchful::copies_left = 3;
    EXPECT_EQ(ch.try_send_all(mine), 2u);  // the element whose copy throws was not reached
    watchful::copies_left = -1;
}

/// Its move may throw, so it travels in a box.
struct boxed {
    explicit boxed(int v) : inner{v} {}
    boxed(boxed&& other) : inner{std::move(other.inner)} {}
    boxed& operator=(boxed&&) = default;
    value inner;
};

// CH-28
TEST_F(SendAll, BoxedElementsThatWereNotSentReturnToTheirContainer) {
    const channel<boxed> ch{3};
    std::vector<boxed> mine;
    for (int i = 0; i < 5; ++i) mine.emplace_back(i);
    EXPECT_EQ(ch.try_send_all(std::move(mine)), 3u);
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(mine[i].inner.value(), i < 3 ? -1 : static_cast<int>(i));
}

// --- waiting, threads and tasks ---------------------------------------------------------------------------------------

template <class Callers>
class SendAllBy : public SendAll {
protected:
    template <class Range>
    auto start_send_all(channel<typename Range::value_type> ch, Range range, sluice::context until = {}) {
        struct end {
            std::size_t count;
            Range left;
        };
        using handle = decltype(ch);
        return by.start(
            [](handle c, Range r, sluice::context u) {
                const std::size_t n = c.send_all(std::move(r), u);
                return end{n, std::move(r)};
            },
            [](handle c, Range r, sluice::context u) -> task<end> {
                const std::size_t n = co_await c.async_send_all(std::move(r), u);
                co_return end{n, std::move(r)};
            },
            std::move(ch), std::move(range), std::move(until));
    }
    Callers by;
};
TYPED_TEST_SUITE(SendAllBy, both_callers, caller_names);

TYPED_TEST(SendAllBy, SendsEveryKindOfRangeInOrderAtEveryCapacity) {
    const auto through = [&]<class Range>(Range range, std::size_t capacity) {
        const channel<typename Range::value_type> ch = capacity < 100
                                                           ? channel<typename Range::value_type>{capacity}
                                                           : channel<typename Range::value_type>{sluice::unbounded};
        auto sending = this->start_send_all(ch, std::move(range));
        int next = 0;
        for (; next < 300; ++next) {
            const auto v = ch.receive();
            if constexpr (std::is_same_v<typename Range::value_type, boxed>) ASSERT_EQ(v->inner.value(), next);
            else ASSERT_EQ(v->value(), next);
        }
        EXPECT_EQ(sending.get().count, 300u);
    };
    for (const std::size_t capacity : {0u, 1u, 7u, 64u, 100u}) {
        SCOPED_TRACE(capacity);
        through(values(300), capacity);
        through(values<std::list<value>>(300), capacity);
        std::vector<boxed> in_boxes;
        for (int i = 0; i < 300; ++i) in_boxes.emplace_back(i);
        through(std::move(in_boxes), capacity);
    }
}

TYPED_TEST(SendAllBy, CopiesANamedRangeWhileItWaits) {
    const channel<value> ch{1};
    const auto mine = values(100);
    auto sending = this->by.start([](channel<value> c, const std::vector<value>* all) { return c.send_all(*all); },
                                  [](channel<value> c, const std::vector<value>* all) -> task<std::size_t> {
                                      co_return co_await c.async_send_all(*all);
                                  },
                                  ch, &mine);
    for (const int i : numbers(100)) ASSERT_EQ(ch.receive()->value(), i);
    EXPECT_EQ(sending.get(), 100u);
    EXPECT_EQ(moved_from(mine), 0);
}

// CH-08, CH-12
TYPED_TEST(SendAllBy, ServesWaitingReceiversInTheirOrderAndThenTheBuffer) {
    const channel<int> ch{8};
    std::vector<decltype(start_receive(this->by, ch))> waiting;
    for (std::size_t i = 0; i < 4; ++i) {
        waiting.push_back(start_receive(this->by, ch));
        eventually([&] { return receivers_waiting(ch) == i + 1; });
    }
    EXPECT_EQ(this->start_send_all(ch, numbers(6)).get().count, 6u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(*waiting[static_cast<std::size_t>(i)].get(), i);
    EXPECT_EQ(ch.receive_some(8), (std::vector{4, 5}));
}

// T11
TYPED_TEST(SendAllBy, OvertakesNobodyAndWaitsInTheLineForEachElement) {
    const channel<int> ch{0};
    auto first = start_send(this->by, ch, 10);
    eventually([&] { return senders_waiting(ch) == 1; });
    auto batch = this->start_send_all(ch, std::vector{20, 21});
    eventually([&] { return senders_waiting(ch) == 2; });
    auto last = start_send(this->by, ch, 30);
    eventually([&] { return senders_waiting(ch) == 3; });
    EXPECT_EQ(*ch.receive(), 10);
    EXPECT_EQ(*ch.receive(), 20);
    eventually([&] { return senders_waiting(ch) == 2; });
    EXPECT_EQ(*ch.receive(), 30);
    EXPECT_EQ(*ch.receive(), 21);
    EXPECT_EQ(batch.get().count, 2u);
    EXPECT_EQ(first.get().why, status::ok);
    EXPECT_EQ(last.get().why, status::ok);
}

// CL-03, CH-28
TYPED_TEST(SendAllBy, AClosedChannelEndsTheWaitAndTheRestStaysWithItsOwner) {
    const channel<value> ch{2};
    auto sending = this->start_send_all(ch, values(6));
    eventually([&] { return senders_waiting(ch) == 1; });
    ASSERT_TRUE(ch.receive());
    eventually([&] { return senders_waiting(ch) == 1; });
    ch.close();
    const auto end = sending.get();
    EXPECT_EQ(end.count, 3u);
    EXPECT_EQ(moved_from(end.left), 3);
    EXPECT_EQ(end.left[3].value(), 3);
}

// CH-28
TYPED_TEST(SendAllBy, TheNamedContextEndsTheWaitAndTheRestStaysWithItsOwner) {
    const channel<value> ch{2};
    const auto stop = sluice::with_cancel({});
    auto sending = this->start_send_all(ch, values(6), stop.get());
    eventually([&] { return senders_waiting(ch) == 1; });
    stop.cancel();
    const auto end = sending.get();
    EXPECT_EQ(end.count, 2u);
    EXPECT_EQ(moved_from(end.left), 2);
    EXPECT_TRUE(nobody_waits(ch));
}

TYPED_TEST(SendAllBy, ACopyThatThrowsAfterAWaitReachesTheSenderWhenThoseBeforeItHaveBeenSent) {
    const channel<watchful> ch{1};
    const std::vector<watchful> mine(60, watchful{1});
    watchful::copies_left = 45;
    auto sending =
        this->by.start([](channel<watchful> c, const std::vector<watchful>* all) { return c.send_all(*all); },
                       [](channel<watchful> c, const std::vector<watchful>* all) -> task<std::size_t> {
                           co_return co_await c.async_send_all(*all);
                       },
                       ch, &mine);
    for (int i = 0; i < 45; ++i) ASSERT_TRUE(ch.receive());
    EXPECT_THROW(sending.get(), thrown);
    watchful::copies_left = -1;
    EXPECT_TRUE(nobody_waits(ch));
}

}  // namespace
