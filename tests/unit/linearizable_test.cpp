// SPDX-License-Identifier: BSL-1.0
// linearizable_test.cpp: does the checker accept the histories that have an order, and no others?

#include <gtest/gtest.h>

#include <compare>
#include <optional>
#include <thread>
#include <vector>

#include <sluice/linearizable.hpp>

namespace {

using namespace sluice::testing;

// --- a register ------------------------------------------------------------------------------------------------------

struct access {
    bool writes;
    int value;
};
access write(int v) { return {true, v}; }
access read() { return {false, 0}; }

/// A variable that holds 0 at first. A write returns 0.
struct variable {
    using operation = access;
    using result = int;
    using state = int;

    state initial() const { return 0; }
    std::vector<step<int, int>> apply(const int& now, const access& a) const {
        if (a.writes) return {{0, a.value}};
        return {{now, now}};
    }
};

using entry = performed<access, int>;
constexpr auto never = entry::never;

TEST(Linearizable, NothingIs) { EXPECT_TRUE(linearizable({}, variable{})); }

TEST(Linearizable, AReadSeesTheWriteBeforeIt) {
    EXPECT_TRUE(linearizable({entry{write(1), 0, 0, 1}, entry{read(), 1, 2, 3}}, variable{}));
    EXPECT_FALSE(linearizable({entry{write(1), 0, 0, 1}, entry{read(), 0, 2, 3}}, variable{}));
}

TEST(Linearizable, AReadThatOverlapsAWriteSeesTheOldOrTheNewValue) {
    for (const int seen : {0, 1})
        EXPECT_TRUE(linearizable({entry{write(1), 0, 0, 3}, entry{read(), seen, 1, 2}}, variable{}));
    EXPECT_FALSE(linearizable({entry{write(1), 0, 0, 3}, entry{read(), 2, 1, 2}}, variable{}));
}

TEST(Linearizable, TheValueDoesNotGoBack) {
    // Two reads during one write, one after the other.
    EXPECT_FALSE(linearizable({entry{write(1), 0, 0, 9}, entry{read(), 1, 1, 2}, entry{read(), 0, 3, 4}}, variable{}));
    EXPECT_TRUE(linearizable({entry{write(1), 0, 0, 9}, entry{read(), 0, 1, 2}, entry{read(), 1, 3, 4}}, variable{}));
}

TEST(Linearizable, TwoReadersAgreeOnTheOrderOfTwoWrites) {
    const std::vector<entry> writes{{write(1), 0, 0, 9}, {write(2), 0, 0, 9}};
    auto disagree = writes;
    for (const entry& e :
         {entry{read(), 1, 1, 2}, entry{read(), 2, 3, 4}, entry{read(), 2, 1, 2}, entry{read(), 1, 3, 4}})
        disagree.push_back(e);
    EXPECT_FALSE(linearizable(disagree, variable{}));
    auto agree = writes;
    for (const entry& e :
         {entry{read(), 1, 1, 2}, entry{read(), 2, 3, 4}, entry{read(), 1, 1, 2}, entry{read(), 2, 3, 4}})
        agree.push_back(e);
    EXPECT_TRUE(linearizable(agree, variable{}));
}

TEST(Linearizable, WhatHasNotReturnedMayHaveTakenEffectOrNot) {
    const entry pending{write(1), std::nullopt, 0, never};
    for (const int seen : {0, 1}) EXPECT_TRUE(linearizable({pending, entry{read(), seen, 1, 2}}, variable{}));
    EXPECT_TRUE(linearizable({pending, entry{read(), 0, 1, 2}, entry{read(), 1, 3, 4}}, variable{}));
    EXPECT_FALSE(linearizable({pending, entry{read(), 1, 1, 2}, entry{read(), 0, 3, 4}}, variable{}));
    // It was called after the read had returned.
    EXPECT_FALSE(linearizable({entry{write(1), std::nullopt, 3, never}, entry{read(), 1, 1, 2}}, variable{}));
}

TEST(Linearizable, TellsTheOrderOrTheLongestBeginningOfOne) {
    const auto good = linearizable({entry{read(), 1, 0, 3}, entry{write(1), 0, 1, 2}}, variable{});
    EXPECT_TRUE(good);
    EXPECT_EQ(good.order(), (std::vector<std::size_t>{1, 0}));
    const auto bad =
        linearizable({entry{write(1), 0, 0, 1}, entry{write(2), 0, 2, 3}, entry{read(), 1, 4, 5}}, variable{});
    EXPECT_FALSE(bad);
    EXPECT_EQ(bad.order(), (std::vector<std::size_t>{0, 1}));
}

// Twelve writes of the same value at one time: 12! orders, all of which fail at the end, but only 2^12 sets.
TEST(Linearizable, DoesNotLookAtTheSameSituationTwice) {
    std::vector<entry> history(12, entry{write(1), 0, 0, 100});
    history.push_back({read(), 2, 101, 102});
    const auto bad = linearizable(history, variable{});
    EXPECT_FALSE(bad);
    EXPECT_EQ(bad.looked_at(), 1u << 12);
}

// --- results that the model leaves open ------------------------------------------------------------------------------

/// A coin: every toss may show either side, and the state is the number of heads.
struct coin {
    struct operation {};
    using result = bool;
    using state = int;
    state initial() const { return 0; }
    std::vector<step<bool, int>> apply(const int& heads, operation) const {
        if (heads == 2) return {{false, heads}};
        return {{false, heads}, {true, heads + 1}};
    }
};

TEST(Linearizable, AnyResultThatTheModelAllowsWillDo) {
    using toss = performed<coin::operation, bool>;
    EXPECT_TRUE(linearizable({toss{{}, true, 0, 1}, toss{{}, false, 2, 3}, toss{{}, true, 4, 5}}, coin{}));
    EXPECT_FALSE(linearizable({toss{{}, true, 0, 1}, toss{{}, true, 2, 3}, toss{{}, true, 4, 5}}, coin{}));
}

// --- steps of two ----------------------------------------------------------------------------------------------------

/// Two that meet: each gets what the other brought. Nobody can do anything alone.
struct exchange_point {
    using operation = int;
    using result = int;
    struct state {
        friend auto operator<=>(const state&, const state&) = default;
    };
    state initial() const { return {}; }
    std::vector<step<int, state>> apply(const state&, int) const { return {}; }
    std::vector<step_of_two<int, state>> apply(const state&, int a, int b) const { return {{b, a, {}}}; }
};
using brought = performed<int, int>;

TEST(Linearizable, ThoseThatMeetOverlap) {
    EXPECT_TRUE(linearizable({brought{1, 2, 0, 2}, brought{2, 1, 1, 3}}, exchange_point{}));
    EXPECT_FALSE(linearizable({brought{1, 2, 0, 1}, brought{2, 1, 2, 3}}, exchange_point{}));
}

TEST(Linearizable, WhoMeetsOneDoesNotMeetAnother) {
    EXPECT_FALSE(linearizable({brought{1, 2, 0, 9}, brought{2, 1, 1, 8}, brought{3, 1, 2, 7}}, exchange_point{}));
    EXPECT_TRUE(linearizable({brought{1, 2, 0, 9}, brought{2, 1, 1, 8}, brought{3, 4, 2, 7}, brought{4, 3, 3, 6}},
                             exchange_point{}));
}

TEST(Linearizable, OneThatHasNotReturnedCanBeMet) {
    EXPECT_TRUE(linearizable({brought{1, std::nullopt, 0, never}, brought{2, 1, 1, 3}}, exchange_point{}));
    EXPECT_FALSE(linearizable({brought{1, std::nullopt, 4, never}, brought{2, 1, 1, 3}}, exchange_point{}));
}

// --- recording -------------------------------------------------------------------------------------------------------

TEST(Recording, NotesTheOrderOfCallsAndReturns) {
    recording<access, int> all{2};
    all.by(0).calls(write(1));
    all.by(1).calls(read());
    all.by(1).returns(0);
    all.by(1).calls(read());
    all.by(0).returns(0);
    const auto history = all.history();
    ASSERT_EQ(history.size(), 3u);
    EXPECT_TRUE(history[0].what.writes);
    EXPECT_LT(history[1].returned, history[2].called);
    EXPECT_LT(history[2].called, history[0].returned);
    EXPECT_FALSE(history[2].result.has_value());
    EXPECT_EQ(history[2].returned, never);
    EXPECT_EQ(overlapping_pairs(history), 2u);
}

TEST(Recording, WhatOneThreadReturnedBeforeAnotherCalledIsBeforeIt) {
    recording<access, int> all{2};
    std::atomic<bool> returned{false};
    std::jthread first{[&] {
        all.by(0).calls(write(1));
        all.by(0).returns(0);
        returned.store(true);
    }};
    while (!returned.load()) std::this_thread::yield();
    all.by(1).calls(read());
    all.by(1).returns(1);
    first.join();
    const auto history = all.history();
    EXPECT_TRUE(history[0].what.writes);
    EXPECT_EQ(overlapping_pairs(history), 0u);
}

}  // namespace
