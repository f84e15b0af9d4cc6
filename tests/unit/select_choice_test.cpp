// SPDX-License-Identifier: BSL-1.0
// select_choice_test.cpp: which of the cases of a select fires?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

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

// SE-01, T23: ten sigma.
TEST(SelectChoice, AmongReadyCasesItIsUniform) {
    constexpr int trials = 10'000;
    const auto a = filled(1);
    const auto b = filled(1);
    const auto c = filled(1);
    std::array<int, 3> hits{};
    for (int i = 0; i < trials; ++i) {
        const auto fired = sluice::select(on_receive(a), on_receive(b), on_receive(c));
        ++hits[fired];
        ASSERT_TRUE((fired == 0 ? a : fired == 1 ? b : c).try_send(1));
    }
    for (const int h : hits) EXPECT_NEAR(h, trials / 3.0, 10 * std::sqrt(trials * (1 / 3.0) * (2 / 3.0)));
}

// SE-02, SE-03
TEST(SelectChoice, AChannelListedTwiceIsTwiceAsLikely) {
    constexpr int trials = 10'000;
    const auto twice = filled(1);
    const auto once = filled(1);
    int hits_of_once = 0;
    for (int i = 0; i < trials; ++i) {
        const auto fired = sluice::select(on_receive(twice), on_receive(twice), on_receive(once));
        hits_of_once += fired == 2;
        ASSERT_TRUE((fired == 2 ? once : twice).try_send(1));
    }
    EXPECT_NEAR(hits_of_once, trials / 3.0, 10 * std::sqrt(trials * (1 / 3.0) * (2 / 3.0)));
}

// SE-02: parked duplicates are as likely as ready ones.
TEST(SelectChoice, AmongWaitingCasesOfOneChannelItIsUniform) {
    constexpr int trials = 2000;
    sluice::runtime rt;
    const channel<int> ch{0};
    const channel<std::size_t> fired{0};
    auto h = rt.go(
        [](channel<int> c, channel<std::size_t> out) -> task<> {
            for (int i = 0; i < trials; ++i) {
                const auto position = co_await sluice::async_select(on_receive(c), on_receive(c), on_receive(c));
                static_cast<void>(co_await out.async_send(position));
            }
        },
        ch, fired);
    std::array<int, 3> hits{};
    for (int i = 0; i < trials; ++i) {
        eventually([&] { return receivers_waiting(ch) == 3; });
        ASSERT_TRUE(ch.try_send(1));
        ++hits[*fired.receive()];
    }
    h.get();
    for (const int n : hits) EXPECT_NEAR(n, trials / 3.0, 10 * std::sqrt(trials * (1 / 3.0) * (2 / 3.0)));
}

// SE-20
TEST(SelectChoice, WithPriorityTheFirstReadyCaseFires) {
    const auto a = filled(100);
    const auto b = filled(100);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(sluice::select(sluice::prioritized, on_receive(a), on_receive(b)), 0u);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(sluice::select(sluice::prioritized, on_receive(a), on_receive(b)), 1u);
}

// SE-21
TEST(SelectChoice, WithPriorityTheRestFiresOnlyIfNoCaseIsReady) {
    const auto a = filled(1);
    const auto past = sluice::clock::now() - 1s;
    EXPECT_EQ(sluice::select(sluice::prioritized, on_receive(channel<int>{}), on_receive(a), sluice::otherwise), 1u);
    EXPECT_EQ(sluice::select(sluice::prioritized, on_receive(a), sluice::otherwise), 1u);
    EXPECT_EQ(sluice::select(sluice::prioritized, on_receive(a), sluice::on_deadline(past)), 1u);
}

// Settled: `prioritized` is exactly the order given, `on_done` included: drain before stop.
TEST(SelectChoice, WithPriorityAStopFiresInItsTurn) {
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    const auto ch = filled(1);
    EXPECT_EQ(sluice::select(sluice::prioritized, on_receive(ch), sluice::on_done(ended)), 0u);
    EXPECT_EQ(sluice::select(sluice::prioritized, on_receive(ch), sluice::on_done(ended)), 1u);
    const auto again = filled(1);
    EXPECT_EQ(sluice::select(sluice::prioritized, sluice::on_done(ended), on_receive(again)), 0u);
}

// SE-22
TEST(SelectChoice, ARequestedStopWinsOverWhatIsReady) {
    const auto ch = filled(1);
    std::stop_source stop;
    stop.request_stop();
    for (int i = 0; i < 100; ++i)
        ASSERT_EQ(sluice::select(on_receive(ch), sluice::on_done(stop.get_token()), sluice::otherwise), 1u);
    EXPECT_EQ(ch.size(), 1u);
}

// T25; settled: a ready case beats an expired deadline.
TEST(SelectChoice, AReadyCaseWinsOverATimeThatHasPassed) {
    const auto ch = filled(100);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(sluice::select(sluice::on_timeout(0ms), on_receive(ch)), 1u);
    EXPECT_EQ(sluice::select(sluice::on_timeout(0ms), on_receive(ch)), 0u);
}

TEST(SelectChoice, TheEarlierOfTwoTimesFires) {
    const channel<int> never{0};
    EXPECT_EQ(sluice::select(on_receive(never), sluice::on_timeout(1h), sluice::on_timeout(1ms)), 2u);
    EXPECT_EQ(sluice::select(on_receive(never), sluice::on_timeout(1ms), sluice::on_timeout(1h)), 1u);
}

// SE-08
TEST(SelectChoice, SendAndReceiveOfOneBufferedChannelFireAsTheyCan) {
    const channel<int> ch{2};
    EXPECT_EQ(sluice::select(on_send(ch, 1), on_receive(ch)), 0u);  // empty: only the send can
    ASSERT_TRUE(ch.try_send(2));
    EXPECT_EQ(sluice::select(on_send(ch, 3), on_receive(ch)), 1u);  // full: only the receive can
}

// SE-15
TEST(SelectChoice, AClosedChannelIsOneReadyCaseAmongOthers) {
    const channel<int> closed{0};
    closed.close();
    const auto open = filled(1);
    std::array<int, 2> hits{};
    for (int i = 0; i < 1000; ++i) {
        sluice::received<int> v;
        const auto fired = sluice::select(on_receive(closed, v), on_receive(open));
        ++hits[fired];
        if (fired == 0) ASSERT_EQ(v.why(), status::closed);
        else ASSERT_TRUE(open.try_send(1));
    }
    EXPECT_GT(hits[0], 300);
    EXPECT_GT(hits[1], 300);
}

// SE-16
TEST(SelectChoice, ASendIntoAClosedChannelIsOneReadyCaseAmongOthers) {
    const channel<std::string> closed{0};
    closed.close();
    const auto open = filled(1);
    int refused = 0;
    for (int i = 0; i < 1000; ++i) {
        std::string mine(50, 'x');
        sluice::sent s = status::ok;
        if (sluice::select(on_send(closed, std::move(mine), s), on_receive(open)) == 0) {
            ++refused;
            ASSERT_EQ(s.why(), status::closed);
        } else {
            ASSERT_TRUE(open.try_send(1));
        }
        ASSERT_EQ(mine, std::string(50, 'x'));
    }
    EXPECT_GT(refused, 300);
    EXPECT_LT(refused, 700);
}

// SE-14
TEST(SelectChoice, ANilChannelIsNeverChosen) {
    const auto ch = filled(100);
    const channel<int> nil;
    for (int i = 0; i < 100; ++i) ASSERT_EQ(sluice::select(on_receive(nil), on_send(nil, 1), on_receive(ch)), 2u);
}

// SE-13
TEST(SelectChoice, NilChannelsOnlyLeaveTheRest) {
    const channel<int> nil;
    EXPECT_EQ(sluice::select(on_receive(nil), on_send(nil, 1), sluice::otherwise), 2u);
    EXPECT_EQ(sluice::select(on_receive(nil), sluice::on_timeout(1ms)), 1u);
    EXPECT_EQ(sluice::select(sluice::otherwise), 0u);
    EXPECT_EQ(sluice::select(sluice::on_timeout(1ms)), 0u);
}

// SE-23
TEST(SelectChoice, TheCasesThatDoNotFireHaveNoEffect) {
    const channel<std::string> full{0};
    const auto other = filled(3);
    const auto ready = filled(1);
    std::string mine(50, 'x');
    sluice::received<int> unset;
    for (int i = 0; i < 50; ++i) {
        const auto fired = sluice::select(sluice::prioritized, on_send(full, std::move(mine)), on_receive(ready),
                                          on_receive(other, unset), on_send(other, 5));
        ASSERT_EQ(fired, 1u);
        ASSERT_TRUE(ready.try_send(1));
    }
    EXPECT_EQ(mine, std::string(50, 'x'));
    EXPECT_EQ(other.size(), 3u);
    EXPECT_EQ(unset.why(), status::empty);
}

// T26
TEST(SelectChoice, WithOtherwiseNothingIsLeftInTheQueues) {
    const channel<int> a{0};
    const auto b = filled(1);
    EXPECT_EQ(sluice::select(on_receive(a), on_send(b, 1), on_send(a, 1), sluice::otherwise), 3u);
    EXPECT_TRUE(nobody_waits(a));
    EXPECT_TRUE(nobody_waits(b));
}

// SE-29
TEST(SelectChoice, ManySelectsOnQuietChannelsLeaveNothingBehind) {
    const channel<int> quiet{0};
    const channel<int> busy{1};
    for (int i = 0; i < 2000; ++i) {
        ASSERT_TRUE(busy.try_send(1));
        ASSERT_EQ(sluice::select(on_receive(quiet), on_receive(busy), sluice::on_timeout(1h)), 1u);
        ASSERT_EQ(sluice::select(on_receive(quiet), sluice::on_timeout(0ms)), 1u);
    }
    EXPECT_TRUE(nobody_waits(quiet));
}

}  // namespace
