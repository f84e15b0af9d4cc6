// SPDX-License-Identifier: BSL-1.0
// selector_choice_test.cpp: which case of a selector fires, and what may its handler do?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <stdexcept>
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
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

/// A channel that holds as many values as it can.
channel<int> filled(std::size_t capacity) {
    channel<int> ch{capacity};
    while (ch.try_send(1)) {}
    return ch;
}

double ten_sigma(int trials, double share) { return 10 * std::sqrt(trials * share * (1 - share)); }

// SE-01, SE-02: ten sigma; one channel stands for two cases.
TEST(SelectorChoice, AmongReadyCasesItIsUniform) {
    constexpr int trials = 10'000;
    const auto twice = filled(2 * trials);
    const auto once = filled(2 * trials);
    selector s;
    std::map<selector::id, int> hits;
    std::vector<selector::id> gone;
    for (int i = 0; i < 8; ++i) gone.push_back(s.add(on_receive(twice)));
    hits[s.add(on_receive(twice))] = 0;
    for (const auto id : gone) EXPECT_TRUE(s.remove(id));
    hits[s.add(on_receive(twice))] = 0;
    hits[s.add(on_receive(once))] = 0;
    for (int i = 0; i < trials; ++i) ++hits[s.select()];
    ASSERT_EQ(hits.size(), 3u);
    for (const auto& [id, n] : hits) EXPECT_NEAR(n, trials / 3.0, ten_sigma(trials, 1 / 3.0));
}

// SE-02: parked duplicates are as likely as ready ones.
TEST(SelectorChoice, AmongWaitingCasesOfOneChannelItIsUniform) {
    constexpr int trials = 2000;
    sluice::runtime rt;
    const channel<int> ch{0};
    const channel<selector::id> fired{0};
    auto selecting = rt.go(
        [](channel<int> c, channel<selector::id> out) -> task<> {
            selector s;
            for (int i = 0; i < 3; ++i) s.add(on_receive(c));
            for (int i = 0; i < trials; ++i) {
                const auto id = co_await s.async_select();
                static_cast<void>(co_await out.async_send(id));
            }
        },
        ch, fired);
    std::map<selector::id, int> hits;
    for (int i = 0; i < trials; ++i) {
        eventually([&] { return receivers_waiting(ch) == 3; });
        ASSERT_TRUE(ch.try_send(1));
        ++hits[*fired.receive()];
    }
    selecting.get();
    ASSERT_EQ(hits.size(), 3u);
    for (const auto& [id, n] : hits) EXPECT_NEAR(n, trials / 3.0, ten_sigma(trials, 1 / 3.0));
}

// SE-20; slots are used again, the order is that of adding all the same.
TEST(SelectorChoice, WithPriorityTheFirstAddedOfTheReadyCasesFires) {
    const auto a = filled(2);
    const auto b = filled(2);
    const auto c = filled(2);
    selector s{sluice::prioritized};
    const auto first = s.add(on_receive(a));
    const auto second = s.add(on_receive(b));
    EXPECT_TRUE(s.remove(first));
    const auto third = s.add(on_receive(a));
    const auto fourth = s.add(on_receive(c));
    for (const auto id : {second, second, third, third, fourth, fourth}) EXPECT_EQ(s.select(), id);
}

// Settled: `prioritized` is exactly the order given, `on_done` and times included.
TEST(SelectorChoice, WithPriorityContextsAndTimesFireInTheirTurn) {
    const auto a = filled(1);
    const auto b = filled(1);
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    selector s{sluice::prioritized};
    const auto first = s.add(on_receive(a));
    const auto time = s.add(sluice::on_timeout(0ms));
    const auto done = s.add(sluice::on_done(ended));
    s.add(on_receive(b));
    EXPECT_EQ(s.select(), first);
    EXPECT_EQ(s.select(), time);
    EXPECT_EQ(s.select(), done);
    EXPECT_EQ(s.select(), done);
    EXPECT_EQ(b.size(), 1u);
}

// T25; settled: a ready case beats an expired time.
TEST(SelectorChoice, AReadyCaseWinsOverATimeThatHasPassed) {
    const auto ch = filled(50);
    selector s;
    const auto time = s.add(sluice::on_timeout(0ms));
    const auto id = s.add(on_receive(ch));
    for (int i = 0; i < 50; ++i) ASSERT_EQ(s.select(), id);
    EXPECT_EQ(s.select(), time);
}

// SE-23
TEST(SelectorChoice, TheCasesThatDoNotFireHaveNoEffect) {
    const channel<int> full{0};
    const auto other = filled(3);
    const auto ready = filled(50);
    selector s{sluice::prioritized};
    received<int> unset;
    const auto sending = s.add(on_send(full, 1));
    const auto id = s.add(on_receive(ready));
    s.add(on_receive(other, unset));
    for (int i = 0; i < 50; ++i) ASSERT_EQ(s.select(), id);
    EXPECT_TRUE(s.contains(sending));
    EXPECT_EQ(other.size(), 3u);
    EXPECT_EQ(unset.why(), sluice::status::empty);
}

// --- handlers -------------------------------------------------------------------------------------------------------

TEST(SelectorHandlers, MayRemoveTheirOwnCaseAndLiveOn) {
    using value = counted<struct in_handler>;
    {
        const auto ch = filled(1);
        selector s;
        selector::id own;
        int seen = 0;
        own = s.add(on_receive(ch, [&s, &own, &seen, kept = value{4}](received<int>) {
            EXPECT_TRUE(s.remove(own));
            EXPECT_TRUE(s.empty());
            seen = kept.value();
        }));
        EXPECT_EQ(s.select(), own);
        EXPECT_EQ(seen, 4);
        EXPECT_EQ(value::live(), 0);
    }
    EXPECT_EQ(value::live(), 0);
}

TEST(SelectorHandlers, MayAddCases) {
    const channel<int> ch{4};
    selector s;
    int sent_again = 0;
    const auto again = [&](auto& self) -> void {
        if (++sent_again < 3) s.add(on_send(ch, sent_again, [&] { self(self); }));
    };
    s.add(on_send(ch, 0, [&] { again(again); }));
    while (!s.empty()) s.select();
    EXPECT_EQ(ch.try_receive_some(9), (std::vector{0, 1, 2}));
}

TEST(SelectorHandlers, MaySelectInTheirTurnAndThenRemoveTheCaseThatStillRuns) {
    using value = counted<struct nested>;
    const channel<int> ch{4};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3}), 3u);
    selector s;
    selector::id own;
    std::vector<int> seen;
    own = s.add(on_receive(ch, [&, kept = value{1}](received<int> v) {
        seen.push_back(*v);
        if (*v < 3) s.select();
        else EXPECT_TRUE(s.remove(own));
        EXPECT_EQ(kept.value(), 1);
        EXPECT_EQ(value::live(), 1);  // until the outermost has returned
    }));
    EXPECT_EQ(s.select(), own);
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
    EXPECT_EQ(value::live(), 0);
}

TEST(SelectorHandlers, AnExceptionOfAHandlerLeavesTheSelectorInOrder) {
    const auto ch = filled(2);
    const channel<int> out{1};
    selector s{sluice::prioritized};
    const auto sending = s.add(on_send(out, 1, [] { throw std::runtime_error{"sent"}; }));
    const auto receiving = s.add(on_receive(ch, [] { throw std::runtime_error{"received"}; }));
    EXPECT_THROW(s.select(), std::runtime_error);
    EXPECT_FALSE(s.contains(sending));
    EXPECT_EQ(out.size(), 1u);
    EXPECT_THROW(s.select(), std::runtime_error);
    EXPECT_THROW(s.select(), std::runtime_error);
    EXPECT_TRUE(s.contains(receiving));
    EXPECT_EQ(ch.size(), 0u);
}

TEST(SelectorHandlers, AFailedGroupThrowsOutOfTheSelectOnce) {
    sluice::wait_group group;
    group.go([] { throw std::runtime_error{"failed"}; });
    selector s;
    s.add(sluice::on_wait(group));
    EXPECT_THROW(s.select(), std::runtime_error);
    EXPECT_TRUE(s.empty());
}

// --- misuse ---------------------------------------------------------------------------------------------------------

TEST(SelectorMisuse, ChangingOrUsingItWhileItSelectsBreaksTheContract) {
    const channel<int> ch{0};
    selector s;
    const auto id = s.add(on_receive(ch));
    threads by;
    auto selecting = by.start([](selector* of) { return of->select(); }, 0, &s);
    eventually([&] { return receivers_waiting(ch) == 1; });
    EXPECT_TRUE(breaks_contract([&] { s.add(on_receive(ch)); }));
    EXPECT_TRUE(breaks_contract([&] { s.remove(id); }));
    EXPECT_TRUE(breaks_contract([&] { s.clear(); }));
    EXPECT_TRUE(breaks_contract([&] { s.select(); }));
    EXPECT_TRUE(breaks_contract([&] { s.try_select(); }));
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(selecting.get(), id);
    EXPECT_TRUE(s.remove(id));
}

}  // namespace
