// SPDX-License-Identifier: BSL-1.0
// reorder_buffer_test.cpp: does each value leave once, in order, or is somebody told why not?

#include <sluice/reorder_buffer.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../support/broken_contract.hpp"
#include "../support/counted.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::out_of_order;
using sluice::reorder_buffer;
using sluice_test::counted;

using range = std::pair<std::uint64_t, std::uint64_t>;

/// Numbers that are their own values, and what was told of them.
struct numbers {
    explicit numbers(std::size_t capacity, std::uint64_t first = 1)
        : buffer{{.first = first,
                  .capacity = capacity,
                  .missing = [this](std::uint64_t from, std::uint64_t to) { missing.emplace_back(from, to); }},
                 [](const std::uint64_t& n) { return n; },
                 [this](std::uint64_t&& n, out_of_order why) {
                     (why == out_of_order::late ? late : doubled).push_back(n);
                 }} {}
    std::vector<std::uint64_t> push(std::uint64_t n) { return buffer.push(n); }
    std::vector<std::uint64_t> push_all(std::vector<std::uint64_t> all) {
        std::vector<std::uint64_t> out;
        for (const auto n : all) buffer.push(n, [&](std::uint64_t&& one) { out.push_back(one); });
        return out;
    }

    std::vector<range> missing;
    std::vector<std::uint64_t> late;
    std::vector<std::uint64_t> doubled;
    reorder_buffer<std::uint64_t, std::uint64_t> buffer;
};
using list = std::vector<std::uint64_t>;

// --- by number ----------------------------------------------------------------------------------------------------------

TEST(ReorderBufferByNumber, GivesWhatComesInItsTurnAtOnce) {
    numbers n{3};
    EXPECT_EQ(n.push(1), (list{1}));
    EXPECT_EQ(n.push(2), (list{2}));
    EXPECT_TRUE(n.buffer.empty());
    EXPECT_EQ(n.buffer.position(), 3u);
}

TEST(ReorderBufferByNumber, HoldsWhatCameTooEarlyUntilTheMissingOneComes) {
    numbers n{3};
    EXPECT_EQ(n.push(3), (list{}));
    EXPECT_EQ(n.push(2), (list{}));
    EXPECT_EQ(n.buffer.size(), 2u);
    EXPECT_EQ(n.push(5), (list{}));
    EXPECT_EQ(n.push(1), (list{1, 2, 3}));
    EXPECT_EQ(n.push(4), (list{4, 5}));
}

TEST(ReorderBufferByNumber, TellsOfASecondCopyWhetherTheFirstWaitsOrWasReleased) {
    numbers n{3};
    EXPECT_EQ(n.push_all({1, 1, 3, 3, 2, 3}), (list{1, 2, 3}));
    EXPECT_EQ(n.doubled, (list{1, 3, 3}));
    EXPECT_EQ(n.buffer.doubled(), 3u);
    EXPECT_EQ(n.buffer.late(), 0u);
}

TEST(ReorderBufferByNumber, WhenItIsFullItGivesUpTheFirstGapAndTellsWhichNumbersAreMissing) {
    numbers n{2};
    EXPECT_EQ(n.push_all({1, 4, 6}), (list{1}));
    EXPECT_EQ(n.push(5), (list{4, 5, 6}));
    EXPECT_EQ(n.missing, (std::vector<range>{{2, 3}}));
    EXPECT_EQ(n.buffer.missing(), 2u);
    EXPECT_EQ(n.buffer.forced(), 1u);
    EXPECT_EQ(n.push(3), (list{}));  // it came after all
    EXPECT_EQ(n.late, (list{3}));
    EXPECT_EQ(n.push(4), (list{}));
    EXPECT_EQ(n.doubled, (list{4}));
}

TEST(ReorderBufferByNumber, AFlushReleasesAllAndGoesOnBehindIt) {
    numbers n{5};
    EXPECT_EQ(n.push_all({3, 7, 4}), (list{}));
    EXPECT_EQ(n.buffer.flush(), (list{3, 4, 7}));
    EXPECT_EQ(n.missing, (std::vector<range>{{1, 2}, {5, 6}}));
    EXPECT_EQ(n.push(8), (list{8}));
    EXPECT_EQ(n.push(2), (list{}));
    EXPECT_EQ(n.late, (list{2}));
    EXPECT_EQ(n.buffer.flush(), (list{}));
}

TEST(ReorderBufferByNumber, AnAdvanceGivesUpWhatIsBeforeIt) {
    numbers n{5};
    EXPECT_EQ(n.push_all({3, 6, 7}), (list{}));
    EXPECT_EQ(n.buffer.advance_to(6), (list{3, 6, 7}));
    EXPECT_EQ(n.missing, (std::vector<range>{{1, 2}, {4, 5}}));
    EXPECT_EQ(n.buffer.advance_to(2), (list{}));
    EXPECT_EQ(n.buffer.position(), 8u);
    EXPECT_EQ(n.buffer.advance_to(10), (list{}));
    EXPECT_EQ(n.missing.back(), (range{8, 9}));
}

TEST(ReorderBufferByNumber, RemembersAsManyGapsAsItHasRoomFor) {
    numbers n{1};
    for (std::uint64_t i = 2; i < 40; i += 2) static_cast<void>(n.push(i));
    static_cast<void>(n.buffer.flush());
    EXPECT_EQ(n.buffer.missing(), 19u);
    EXPECT_EQ(n.push(37), (list{}));  // remembered as given up
    EXPECT_EQ(n.push(38), (list{}));
    EXPECT_EQ(n.push(2), (list{}));  // so old that nobody can tell
    EXPECT_EQ(n.late, (list{37, 2}));
    EXPECT_EQ(n.doubled, (list{38}));
}

TEST(ReorderBufferByNumber, ComesToTheEndOfTheNumbers) {
    std::string told;
    reorder_buffer<std::uint8_t, std::uint8_t> bytes{{.first = 253, .capacity = 4},
                                                     [](const std::uint8_t& b) { return b; },
                                                     [&](std::uint8_t&&, out_of_order why) { told += to_string(why); }};
    EXPECT_TRUE(bytes.push(255).empty());
    EXPECT_TRUE(bytes.push(254).empty());
    EXPECT_EQ(bytes.push(253), (std::vector<std::uint8_t>{253, 254, 255}));
    EXPECT_TRUE(bytes.push(255).empty());
    EXPECT_TRUE(bytes.push(0).empty());
    EXPECT_EQ(told, "doubleddoubled");
}

TEST(ReorderBufferByNumber, TakesNegativeNumbersAndAMemberAsProjection) {
    struct event {
        int number;
        std::unique_ptr<int> what;
    };
    reorder_buffer<event, int> events{{.first = -1, .capacity = 2}, &event::number, [](event&&, out_of_order) {}};
    EXPECT_TRUE(events.push(event{0, nullptr}).empty());
    const auto ready = events.push(event{-1, std::make_unique<int>(7)});
    ASSERT_EQ(ready.size(), 2u);
    EXPECT_EQ(*ready.front().what, 7);
}

// --- by time ------------------------------------------------------------------------------------------------------------

using moment = std::chrono::sys_time<std::chrono::milliseconds>;
struct reading {
    int at;
    std::string what;
    friend bool operator==(const reading&, const reading&) = default;
};
moment time_of(const reading& r) { return moment{std::chrono::milliseconds{r.at}}; }

struct readings {
    readings(std::chrono::milliseconds lateness, std::size_t capacity)
        : buffer{{.lateness = lateness, .capacity = capacity}, time_of, [this](reading&& r, out_of_order why) {
                     (why == out_of_order::late ? late : doubled).push_back(r.what);
                 }} {}
    std::string push(int at, std::string what) {
        std::string ready;
        buffer.push(reading{at, std::move(what)}, [&](reading&& r) { ready += r.what; });
        return ready;
    }
    std::string flush() {
        std::string ready;
        buffer.flush([&](reading&& r) { ready += r.what; });
        return ready;
    }
    std::vector<std::string> late;
    std::vector<std::string> doubled;
    reorder_buffer<reading, moment> buffer;
};
using words = std::vector<std::string>;

TEST(ReorderBufferByTime, ReleasesWhatNothingCanStandBeforeAnyMore) {
    readings r{10ms, 100};
    EXPECT_EQ(r.push(100, "a"), "");
    EXPECT_EQ(r.push(95, "b"), "");
    EXPECT_EQ(r.push(105, "c"), "");
    EXPECT_EQ(r.push(106, "d"), "b");  // 96 is the watermark
    EXPECT_EQ(r.push(120, "e"), "acd");
    EXPECT_EQ(r.push(110, "f"), "");  // as late as it may be
    EXPECT_EQ(r.push(109, "g"), "");
    EXPECT_EQ(r.late, (words{"g"}));
    EXPECT_EQ(r.flush(), "fe");
}

TEST(ReorderBufferByTime, KeepsTheOrderOfArrivalAmongEqualTimes) {
    readings r{10ms, 100};
    for (const char* what : {"a", "b", "c"}) EXPECT_EQ(r.push(50, what), "");
    EXPECT_EQ(r.push(49, "0"), "");
    EXPECT_EQ(r.push(99, "z"), "0abc");
}

TEST(ReorderBufferByTime, WithoutLatenessAnEarlierOneIsLate) {
    readings r{0ms, 100};
    EXPECT_EQ(r.push(1, "a"), "");
    EXPECT_EQ(r.push(1, "b"), "");
    EXPECT_EQ(r.push(2, "c"), "ab");
    EXPECT_EQ(r.push(1, "d"), "");
    EXPECT_EQ(r.late, (words{"d"}));
}

TEST(ReorderBufferByTime, FindsDoublesWhereItIsToldWhichAreTheSame) {
    readings r{10ms, 100};
    r.buffer.doubled_if([](const reading& a, const reading& b) { return a.what == b.what; });
    EXPECT_EQ(r.push(50, "a"), "");
    EXPECT_EQ(r.push(50, "b"), "");
    EXPECT_EQ(r.push(50, "a"), "");
    EXPECT_EQ(r.push(99, "z"), "ab");
    EXPECT_EQ(r.push(50, "a"), "");  // its time has passed
    EXPECT_EQ(r.doubled, (words{"a"}));
    EXPECT_EQ(r.late, (words{"a"}));
}

TEST(ReorderBufferByTime, WhenItIsFullTheEarliestGoesBeforeItsTime) {
    readings r{1s, 2};
    EXPECT_EQ(r.push(30, "c"), "");
    EXPECT_EQ(r.push(20, "b"), "");
    EXPECT_EQ(r.push(40, "d"), "b");
    EXPECT_EQ(r.buffer.forced(), 1u);
    EXPECT_EQ(r.push(10, "a"), "");
    EXPECT_EQ(r.late, (words{"a"}));
    EXPECT_EQ(r.flush(), "cd");
}

TEST(ReorderBufferByTime, WhatWasForcedOutOrFlushedIsNotTakenTwice) {
    readings r{1s, 1};
    r.buffer.doubled_if([](const reading& a, const reading& b) { return a.what == b.what; });
    EXPECT_EQ(r.push(20, "b"), "");
    EXPECT_EQ(r.push(30, "c"), "b");
    EXPECT_EQ(r.push(20, "b"), "");
    EXPECT_EQ(r.flush(), "c");
    EXPECT_EQ(r.push(30, "c"), "");
    EXPECT_EQ(r.late, (words{"b", "c"}));
}

TEST(ReorderBufferByTime, AnAdvanceReleasesWhatIsBeforeIt) {
    readings r{1s, 10};
    EXPECT_EQ(r.push(20, "b"), "");
    EXPECT_EQ(r.push(30, "c"), "");
    const auto ready = r.buffer.advance_to(moment{30ms});
    EXPECT_EQ(ready, (std::vector<reading>{{20, "b"}}));
    EXPECT_EQ(r.push(25, "late"), "");
    EXPECT_EQ(r.late, (words{"late"}));
    EXPECT_EQ(r.push(30, "d"), "");
    EXPECT_EQ(r.flush(), "cd");
}

// --- whatever comes -----------------------------------------------------------------------------------------------------

TEST(ReorderBuffer, EachValueLeavesOnceAndReleasedOnesAreInOrder) {
    for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        std::mt19937 random{seed};
        const auto any = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random()) % below; };
        const std::size_t capacity = 1 + any(20);
        numbers n{capacity, 0};
        list sent;
        for (std::uint64_t i = 0; i < 300; ++i) {
            if (any(20) == 0) continue;  // lost
            sent.push_back(i);
            if (any(10) == 0) sent.push_back(i);  // doubled
        }
        for (std::size_t i = 0; i < sent.size(); ++i)
            std::swap(sent[i], sent[std::min(sent.size() - 1, i + any(1 + any(15)))]);
        list released;
        for (const auto one : sent) {
            n.buffer.push(one, [&](std::uint64_t&& v) { released.push_back(v); });
            ASSERT_LE(n.buffer.size(), capacity);
        }
        n.buffer.flush([&](std::uint64_t&& v) { released.push_back(v); });
        ASSERT_TRUE(std::is_sorted(released.begin(), released.end())) << "seed " << seed;
        ASSERT_EQ(std::adjacent_find(released.begin(), released.end()), released.end()) << "seed " << seed;
        ASSERT_EQ(released.size() + n.late.size() + n.doubled.size(), sent.size()) << "seed " << seed;
        // Each number up to the last is released or missing, and never both.
        list all = released;
        for (const auto& [from, to] : n.missing)
            for (auto i = from; i <= to; ++i) all.push_back(i);
        std::sort(all.begin(), all.end());
        for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], i) << "seed " << seed;
        ASSERT_EQ(all.size(), n.buffer.position()) << "seed " << seed;
    }
}

TEST(ReorderBuffer, EventsThatAreLateWithinTheBoundComeOutSortedAndWhole) {
    for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        std::mt19937 random{seed};
        readings r{50ms, 1000};
        std::vector<std::pair<int, int>> arriving;  // when it arrives, when it was
        for (int i = 0; i < 300; ++i) {
            const int at = static_cast<int>(random() % 1000);
            arriving.emplace_back(at + static_cast<int>(random() % 51), at);
        }
        std::sort(arriving.begin(), arriving.end());
        std::vector<int> released;
        const auto out = [&](reading&& one) { released.push_back(one.at); };
        for (const auto& [when, at] : arriving) r.buffer.push(reading{at, "x"}, out);
        r.buffer.flush(out);
        EXPECT_TRUE(std::is_sorted(released.begin(), released.end())) << "seed " << seed;
        EXPECT_EQ(released.size(), 300u) << "seed " << seed;
    }
}

struct value_tag;
using value = counted<value_tag>;

TEST(ReorderBuffer, KeepsNoMoreValuesThanItsCapacity) {
    {
        reorder_buffer<value, int> buffer{{.first = 0, .capacity = 5}, &value::value, [](value&&, out_of_order) {}};
        for (int i = 1; i < 100; ++i) {
            static_cast<void>(buffer.push(value{i % 7 == 0 ? 0 : i}));
            EXPECT_LE(value::live(), 5);
        }
    }
    EXPECT_EQ(value::live(), 0);
}

TEST(ReorderBuffer, AnExceptionOfWhoTakesLosesNothingElse) {
    numbers n{10};
    EXPECT_EQ(n.push_all({2, 3, 4}), (list{}));
    list got;
    const auto takes = [&](std::uint64_t&& v) {
        if (v == 3) throw std::runtime_error{"no"};
        got.push_back(v);
    };
    EXPECT_THROW(n.buffer.push(1, takes), std::runtime_error);
    EXPECT_EQ(got, (list{1, 2}));
    n.buffer.push(6, takes);  // the others go on with whatever comes next
    EXPECT_EQ(got, (list{1, 2, 4}));
    EXPECT_EQ(n.push_all({3, 5}), (list{5, 6}));
    EXPECT_EQ(n.doubled, (list{3}));
}

TEST(ReorderBuffer, AnExceptionOfWhoIsToldOfMissingOnesKeepsTheValues) {
    bool throws = true;
    reorder_buffer<int, int> buffer{{.first = 0,
                                     .capacity = 1,
                                     .missing =
                                         [&](int, int) {
                                             if (std::exchange(throws, false)) throw std::runtime_error{"no"};
                                         }},
                                    [](const int& i) { return i; },
                                    [](int&&, out_of_order) {}};
    EXPECT_TRUE(buffer.push(1).empty());
    EXPECT_THROW(static_cast<void>(buffer.push(3)), std::runtime_error);
    EXPECT_EQ(buffer.push(2), (std::vector{1, 2, 3}));
}

TEST(ReorderBuffer, WhatMakesNoSenseBreaksTheContract) {
    using sluice_test::breaks_contract;
    const auto same = [](const int& i) { return i; };
    const auto late = [](int&&, out_of_order) {};
    using buffer = reorder_buffer<int, int>;
    EXPECT_TRUE(breaks_contract([&] { buffer b({}, same, late); }));
    EXPECT_TRUE(breaks_contract([&] { buffer b({.capacity = 1}, nullptr, late); }));
    EXPECT_TRUE(breaks_contract([&] { buffer b({.capacity = 1}, same, nullptr); }));
    const auto told = sluice_test::violation_of([&] { readings r(-1ms, 1); });
    ASSERT_TRUE(told);
    EXPECT_EQ(std::string_view{told->message}, "a lateness is not negative");
}

}  // namespace
