// SPDX-License-Identifier: BSL-1.0
// select_choice_test.cpp: which of the cases of a select fires?

#include <sluice/runtime.hpp>
#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

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

/// How far the hits of a case that has one chance in `of` may be from their mean, in `trials`: ten sigma.
double ten_sigma(int trials, double of) { return 10 * std::sqrt(trials * (1 / of) * (1 - 1 / of)); }

// --- how likely each case is ------------------------------------------------------------------------------------------

// SE-01
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
    for (const int h : hits) EXPECT_NEAR(h, trials / 3.0, ten_sigma(trials, 3));
}

// SE-01: a thread's first choice is as random as its later ones.
TEST(SelectChoice, ThreadsThatSelectOnceEachChooseUniformlyToo) {
    constexpr int trials = 2000;
    const auto a = filled(1);
    const auto b = filled(1);
    threads by;
    int hits = 0;
    for (int i = 0; i < trials; ++i) {
        const auto fired = start_select(by, on_receive(a), on_receive(b)).get();
        hits += fired == 0;
        ASSERT_TRUE((fired == 0 ? a : b).try_send(1));
    }
    EXPECT_NEAR(hits, trials / 2.0, ten_sigma(trials, 2));
}

// SE-01, T23: five sigma.
TEST(SelectChoice, InATaskItIsUniform) {
    constexpr int trials = 10'000;
    sluice::runtime rt;
    auto h = rt.go([]() -> task<std::array<int, 3>> {
        const std::array<channel<int>, 3> chs{filled(1), filled(1), filled(1)};
        std::array<int, 3> hits{};
        for (int i = 0; i < trials; ++i) {
            const auto fired =
                co_await sluice::async_select(on_receive(chs[0]), on_receive(chs[1]), on_receive(chs[2]));
            ++hits[fired];
            static_cast<void>(chs[fired].try_send(1));
        }
        co_return hits;
    });
    for (const int n : h.get()) EXPECT_NEAR(n, trials / 3.0, ten_sigma(trials, 3) / 2);
}

// SE-02
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
    EXPECT_NEAR(hits_of_once, trials / 3.0, ten_sigma(trials, 3));
}

// SE-03
TEST(SelectChoice, AmongFiveCasesOfOneChannelEachGetsItsShare) {
    constexpr int trials = 10'000;
    const auto ch = filled(1);
    std::array<int, 5> hits{};
    for (int i = 0; i < trials; ++i) {
        ++hits[sluice::select(on_receive(ch), on_receive(ch), on_receive(ch), on_receive(ch), on_receive(ch))];
        ASSERT_TRUE(ch.try_send(1));
    }
    for (const int n : hits) EXPECT_GE(n, trials / 5 / 2);
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
    for (const int n : hits) EXPECT_NEAR(n, trials / 3.0, ten_sigma(trials, 3));
}

// --- which case it must be: for threads and for tasks -------------------------------------------------------------------

template <class Callers>
class SelectChoiceOf : public testing::Test {
protected:
    /// Which of `cases` fires.
    template <class... Cases>
    std::size_t choose(Cases... cases) {
        return start_select(by, std::move(cases)...).get();
    }
    Callers by;
};
TYPED_TEST_SUITE(SelectChoiceOf, both_callers, caller_names);

// SE-20
TYPED_TEST(SelectChoiceOf, WithPriorityTheFirstReadyCaseFires) {
    const auto a = filled(50);
    const auto b = filled(50);
    for (int i = 0; i < 50; ++i) ASSERT_EQ(this->choose(sluice::prioritized, on_receive(a), on_receive(b)), 0u);
    for (int i = 0; i < 50; ++i) ASSERT_EQ(this->choose(sluice::prioritized, on_receive(a), on_receive(b)), 1u);
}

// SE-21
TYPED_TEST(SelectChoiceOf, WithPriorityTheRestFiresOnlyIfNoCaseIsReady) {
    const auto a = filled(1);
    const auto past = sluice::clock::now() - 1s;
    EXPECT_EQ(this->choose(sluice::prioritized, on_receive(channel<int>{}), on_receive(a), sluice::otherwise), 1u);
    EXPECT_EQ(this->choose(sluice::prioritized, on_receive(a), sluice::otherwise), 1u);
    EXPECT_EQ(this->choose(sluice::prioritized, on_receive(a), sluice::on_deadline(past)), 1u);
}

// Settled: `prioritized` is exactly the order given, `on_done` included: drain before stop.
TYPED_TEST(SelectChoiceOf, WithPriorityAStopFiresInItsTurn) {
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    const auto stop = ended.get();
    const auto ch = filled(1);
    EXPECT_EQ(this->choose(sluice::prioritized, on_receive(ch), sluice::on_done(stop)), 0u);
    EXPECT_EQ(this->choose(sluice::prioritized, on_receive(ch), sluice::on_done(stop)), 1u);
    const auto again = filled(1);
    EXPECT_EQ(this->choose(sluice::prioritized, sluice::on_done(stop), on_receive(again)), 0u);
}

// SE-22
TYPED_TEST(SelectChoiceOf, ARequestedStopWinsOverWhatIsReady) {
    const auto ch = filled(1);
    std::stop_source stop;
    stop.request_stop();
    for (int i = 0; i < 50; ++i)
        ASSERT_EQ(this->choose(on_receive(ch), sluice::on_done(stop.get_token()), sluice::otherwise), 1u);
    EXPECT_EQ(ch.size(), 1u);
}

// T25; settled: a ready case beats an expired deadline.
TYPED_TEST(SelectChoiceOf, AReadyCaseWinsOverATimeThatHasPassed) {
    const auto ch = filled(50);
    for (int i = 0; i < 50; ++i) ASSERT_EQ(this->choose(sluice::on_timeout(0ms), on_receive(ch)), 1u);
    EXPECT_EQ(this->choose(sluice::on_timeout(0ms), on_receive(ch)), 0u);
}

TYPED_TEST(SelectChoiceOf, TheEarlierOfTwoTimesFires) {
    const channel<int> never{0};
    EXPECT_EQ(this->choose(on_receive(never), sluice::on_timeout(1h), sluice::on_timeout(1ms)), 2u);
    EXPECT_EQ(this->choose(on_receive(never), sluice::on_timeout(1ms), sluice::on_timeout(1h)), 1u);
}

// SE-08
TYPED_TEST(SelectChoiceOf, SendAndReceiveOfOneBufferedChannelFireAsTheyCan) {
    const channel<int> ch{2};
    const int v = 1;
    EXPECT_EQ(this->choose(on_send(ch, v), on_receive(ch)), 0u);  // empty: only the send can
    ASSERT_TRUE(ch.try_send(2));
    EXPECT_EQ(this->choose(on_send(ch, v), on_receive(ch)), 1u);  // full: only the receive can
    std::array<int, 2> hits{};
    for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(ch.size(), 1u);  // either can
        const auto fired = this->choose(on_send(ch, v), on_receive(ch));
        ++hits[fired];
        if (fired == 0) ASSERT_TRUE(ch.try_receive());
        else ASSERT_TRUE(ch.try_send(2));
    }
    EXPECT_GT(hits[0], 30);
    EXPECT_GT(hits[1], 30);
}

// SE-15
TYPED_TEST(SelectChoiceOf, AClosedChannelIsOneReadyCaseAmongOthers) {
    const channel<int> closed{0};
    closed.close();
    const auto open = filled(1);
    std::array<int, 2> hits{};
    for (int i = 0; i < 500; ++i) {
        sluice::received<int> v;
        const auto fired = this->choose(on_receive(closed, v), on_receive(open));
        ++hits[fired];
        if (fired == 0) ASSERT_EQ(v.why(), status::closed);
        else ASSERT_TRUE(open.try_send(1));
    }
    EXPECT_GT(hits[0], 125);
    EXPECT_GT(hits[1], 125);
}

// SE-16
TYPED_TEST(SelectChoiceOf, ASendIntoAClosedChannelIsOneReadyCaseAmongOthers) {
    const channel<std::string> closed{0};
    closed.close();
    const auto open = filled(1);
    int refused = 0;
    for (int i = 0; i < 500; ++i) {
        std::string mine(50, 'x');
        sluice::sent s = status::ok;
        if (this->choose(on_send(closed, std::move(mine), s), on_receive(open)) == 0) {
            ++refused;
            ASSERT_EQ(s.why(), status::closed);
        } else {
            ASSERT_TRUE(open.try_send(1));
        }
        ASSERT_EQ(mine, std::string(50, 'x'));
    }
    EXPECT_GT(refused, 125);
    EXPECT_LT(refused, 375);
}

// SE-14
TYPED_TEST(SelectChoiceOf, ANilChannelIsNeverChosen) {
    const auto ch = filled(50);
    const channel<int> nil;
    const int v = 1;
    for (int i = 0; i < 50; ++i) ASSERT_EQ(this->choose(on_receive(nil), on_send(nil, v), on_receive(ch)), 2u);
}

// SE-12, SE-13
TYPED_TEST(SelectChoiceOf, NilChannelsOnlyLeaveTheRest) {
    const channel<int> nil;
    const int v = 1;
    EXPECT_EQ(this->choose(on_receive(nil), on_send(nil, v), sluice::otherwise), 2u);
    EXPECT_EQ(this->choose(on_receive(nil), sluice::on_timeout(1ms)), 1u);
    EXPECT_EQ(this->choose(sluice::otherwise), 0u);
    EXPECT_EQ(this->choose(sluice::on_timeout(1ms)), 0u);
}

// SE-23
TYPED_TEST(SelectChoiceOf, TheCasesThatDoNotFireHaveNoEffect) {
    const channel<std::string> full{0};
    const auto other = filled(3);
    const auto ready = filled(1);
    const int v = 5;
    std::string mine(50, 'x');
    sluice::received<int> unset;
    for (int i = 0; i < 50; ++i) {
        const auto fired = this->choose(sluice::prioritized, on_send(full, std::move(mine)), on_receive(ready),
                                        on_receive(other, unset), on_send(other, v));
        ASSERT_EQ(fired, 1u);
        ASSERT_TRUE(ready.try_send(1));
    }
    EXPECT_EQ(mine, std::string(50, 'x'));
    EXPECT_EQ(other.size(), 3u);
    EXPECT_EQ(unset.why(), status::empty);
}

// SE-04, T26
TYPED_TEST(SelectChoiceOf, WithOtherwiseNothingIsLeftInTheQueues) {
    const channel<int> a{0};
    const auto b = filled(1);
    const int v = 1;
    EXPECT_EQ(this->choose(on_receive(a), on_send(b, v), on_send(a, v), sluice::otherwise), 3u);
    EXPECT_TRUE(nobody_waits(a));
    EXPECT_TRUE(nobody_waits(b));
}

// SE-28: an operation or a case is no promise to anybody until it is waited for; one that is dropped leaves no trace.
TEST(SelectChoice, ACaseThatIsNeverSelectedHasNoEffect) {
    const channel<std::string> ch{2};
    ASSERT_TRUE(ch.send("inside"));
    std::string mine(50, 'x');
    sluice::received<std::string> into;
    {
        const auto sending = ch.async_send(std::move(mine));
        const auto receiving = ch.async_receive();
        [[maybe_unused]] const auto send_case = on_send(ch, std::move(mine));
        [[maybe_unused]] const auto receive_case = on_receive(ch, into);
        const auto selecting = sluice::async_select(on_receive(ch, into), on_send(ch, std::move(mine)));
    }
    EXPECT_EQ(mine, std::string(50, 'x'));
    EXPECT_EQ(into.why(), status::empty);
    EXPECT_EQ(ch.size(), 1u);
    EXPECT_TRUE(nobody_waits(ch));
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

// SE-29: each of them has waited.
TEST(SelectChoice, ManySelectsThatWaitedLeaveNothingBehind) {
    constexpr int rounds = 2000;
    sluice::runtime rt;
    const channel<int> quiet{0};
    const channel<int> busy{0};
    auto h = rt.go(
        [](channel<int> q, channel<int> b) -> task<> {
            for (int i = 0; i < rounds; ++i)
                static_cast<void>(co_await sluice::async_select(on_receive(q), on_send(q, 1), on_receive(b)));
        },
        quiet, busy);
    for (int i = 0; i < rounds; ++i) {
        ASSERT_TRUE(busy.send(1));
        ASSERT_LE(receivers_waiting(quiet), 1u);
        ASSERT_LE(senders_waiting(quiet), 1u);
    }
    h.get();
    EXPECT_TRUE(nobody_waits(quiet));
}

// --- seeds ------------------------------------------------------------------------------------------------------------

/// What a task on one worker with this seed chooses.
std::string choices_with(std::uint32_t seed) {
    return sluice::run({.workers = 1, .seed = seed}, []() -> task<std::string> {
        const auto a = filled(1);
        const auto b = filled(1);
        std::string chosen;
        for (int i = 0; i < 100; ++i) {
            const auto fired = co_await sluice::async_select(on_receive(a), on_receive(b));
            chosen += fired == 0 ? 'a' : 'b';
            if (!(fired == 0 ? a : b).try_send(1)) co_return "";
        }
        co_return chosen;
    });
}

// SE-33
TEST(SelectChoice, ASeedOfTheRuntimeDecidesForItsTasks) {
    EXPECT_EQ(choices_with(7), choices_with(7));
    EXPECT_NE(choices_with(7), choices_with(8));
    EXPECT_EQ(choices_with(7).size(), 100u);
}

}  // namespace
