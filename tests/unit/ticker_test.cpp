// SPDX-License-Identifier: BSL-1.0
// ticker_test.cpp: when does a moment come through a channel, how often, and what is left after a stop?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/sluice.hpp>

#include "../support/broken_contract.hpp"
#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/virtual_time.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::after;
using sluice::clock;
using sluice::on_receive;
using sluice::receiver;
using sluice::runtime;
using sluice::status;
using sluice::task;
using sluice::ticker;
using namespace sluice_test;
using moments = receiver<clock::time_point>;

// Whether no timer is left that threads of no runtime have set.
bool no_timer_of_threads_is_left() {
    return sluice::detail::process_timers::queue().earliest() == sluice::detail::no_deadline;
}

// --- after ---------------------------------------------------------------------------------------------------------

template <class Callers>
struct AfterBy : testing::Test {
    Callers by;
    auto start_receive(moments m, sluice::context until = {}) {
        return by.start([](moments c, sluice::context u) { return c.receive(u); },
                        [](moments c, sluice::context u) -> task<sluice::received<clock::time_point>> {
                            co_return co_await c.async_receive(u);
                        },
                        std::move(m), std::move(until));
    }
};
TYPED_TEST_SUITE(AfterBy, both_callers, caller_names);

TYPED_TEST(AfterBy, GivesTheMomentWhenItHasCome) {
    const auto begin = clock::now();
    auto h = this->start_receive(after(5ms));
    const auto got = h.get();
    ASSERT_TRUE(got);
    EXPECT_GE(*got, begin + 5ms);
    EXPECT_LE(*got, clock::now());
}

TYPED_TEST(AfterBy, AContextEndsTheWait) {
    const auto source = sluice::with_cancel({});
    const auto never = after(1h);
    auto h = this->start_receive(never, source);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
    source.cancel();
    EXPECT_EQ(h.get(), status::canceled);
}

TYPED_TEST(AfterBy, IsACaseOfASelect) {
    const sluice::channel<int> never{0};
    auto h =
        this->by.start([](sluice::channel<int> ch) { return sluice::select(on_receive(ch), on_receive(after(2ms))); },
                       [](sluice::channel<int> ch) -> task<std::size_t> {
                           const auto time = after(2ms);
                           co_return co_await sluice::async_select(on_receive(ch), sluice::on(time.async_receive()));
                       },
                       never);
    EXPECT_EQ(h.get(), 1u);
}

// TI-10
TYPED_TEST(AfterBy, OfTwoReceiversOneGetsIt) {
    const auto moment = after(5ms);
    const moments copy = moment;
    const auto source = sluice::with_cancel({});
    auto one = this->start_receive(moment, source);
    auto other = this->start_receive(copy, source);
    ASSERT_TRUE(eventually([&] { return one.done() || other.done(); }));
    ASSERT_TRUE(eventually([&] { return receivers_waiting(moment) <= 1; }));
    EXPECT_FALSE(one.done() && other.done());
    source.cancel();
    EXPECT_NE(static_cast<bool>(one.get()), static_cast<bool>(other.get()));
}

TEST(After, IsNeitherClosedNorGivesAnythingMore) {
    in_virtual_time([] {
        const auto moment = after(1h);
        EXPECT_TRUE(moment.receive());
        EXPECT_FALSE(moment.is_closed());
        EXPECT_EQ(moment.try_receive(), status::empty);
        EXPECT_EQ(moment.receive_for(24h), status::timed_out);
    });
}

TEST(After, OfNoTimeIsReadyAtOnce) {
    EXPECT_TRUE(after(0ms).try_receive());
    EXPECT_TRUE(after(-1h).try_receive());
}

TEST(After, PastTheEndOfTimeNeverComes) { EXPECT_EQ(after(std::chrono::hours::max()).try_receive(), status::empty); }

TEST(After, KeepsItsMomentUntilItIsReceived) {
    in_virtual_time([] {
        const auto begin = clock::now();
        const auto moment = after(1h);
        sluice::wait(sluice::sleep_for(48h));
        EXPECT_EQ(moment.size(), 1u);
        EXPECT_EQ(*moment.try_receive(), begin + 1h);
    });
}

TEST(After, ReceivedBySomebodyWhoCancelsComesNoMore) {
    in_virtual_time([] {
        const auto moment = after(1h);
        moment.cancel();
        EXPECT_EQ(moment.receive(), status::closed);
        sluice::wait(sluice::sleep_for(3h));
        EXPECT_EQ(moment.receive(), status::closed);
    });
}

// TI-08
TEST(After, ManyInASelectLoopLeaveNothing) {
    ASSERT_TRUE(eventually(no_timer_of_threads_is_left));
    const sluice::channel<int> ready{1};
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_TRUE(ready.send(i));
        ASSERT_EQ(sluice::select(on_receive(ready), on_receive(after(1h))), 0u);
        ASSERT_TRUE(no_timer_of_threads_is_left());
    }
}

TEST(After, AHundredThousandThatAreDroppedInAnyOrderLeaveNothing) {
    ASSERT_TRUE(eventually(no_timer_of_threads_is_left));
    std::vector<moments> all;
    for (int i = 0; i < 100'000; ++i) all.push_back(after(1h + std::chrono::milliseconds{(i * 7919) % 100'003}));
    EXPECT_FALSE(no_timer_of_threads_is_left());
    for (std::size_t i = 0; i < all.size(); ++i) all[(i * 7907) % all.size()] = moments{};
    EXPECT_TRUE(no_timer_of_threads_is_left());
}

TEST(After, ComesThoughItsRunHasEnded) {
    const auto main = []() -> task<moments> { co_return after(10ms); };
    EXPECT_TRUE(sluice::run(main).receive());
}

TEST(After, MayGoWhileItsTimeComes) {
    runtime rt{workers(2)};
    const auto f = [](int n) -> task<> {
        for (int i = 0; i < 200; ++i) {
            const auto moment = after(std::chrono::microseconds{(i * n) % 50});
            co_await sluice::sleep_for(std::chrono::microseconds{i % 30});
        }
    };
    std::vector<sluice::join_handle<void>> all;
    for (int i = 1; i <= 4; ++i) all.push_back(rt.go(f, i));
    for (auto& h : all) h.get();
}

// --- ticker --------------------------------------------------------------------------------------------------------

// TI-05
TEST(Ticker, TicksOnTheGridOfItsStart) {
    const ticker t{2ms};
    const auto first = t.ticks().receive();
    ASSERT_TRUE(first);
    for (int i = 0; i < 10; ++i) {
        const auto next = t.ticks().receive();
        ASSERT_TRUE(next);
        EXPECT_LE(*next, clock::now());
        EXPECT_GT(*next, *first);
        EXPECT_EQ((*next - *first) % 2ms, clock::duration::zero());
    }
}

// TI-05, TI-07: what was missed is skipped, and the grid stays.
TEST(Ticker, ASlowReceiverFindsOneTickWithItsTimeAndTheNextOnTheGrid) {
    in_virtual_time([] {
        const auto begin = clock::now();
        const ticker t{2ms};
        sluice::wait(sluice::sleep_for(21ms));
        EXPECT_EQ(t.ticks().size(), 1u);
        EXPECT_EQ(*t.ticks().try_receive(), begin + 2ms);
        EXPECT_EQ(*t.ticks().receive(), begin + 22ms);
    });
}

TEST(Ticker, TicksForATaskAndForASelect) {
    const auto main = []() -> task<int> {
        const ticker t{1ms};
        const auto ticks = t.ticks();
        int count = 0;
        for (int i = 0; i < 3; ++i) {
            const auto due = co_await ticks.async_receive();
            count += due ? 1 : 0;
        }
        const std::size_t fired = co_await sluice::async_select(on_receive(ticks), sluice::on_timeout(1h));
        co_return fired == 0 ? count + 1 : 0;
    };
    EXPECT_EQ(sluice::run(workers(1), main), 4);
}

// TI-01, TI-06
TEST(Ticker, AfterAStopNoTickComesAndTheChannelIsOpen) {
    const ticker t{1ms};
    ASSERT_TRUE(eventually([&] { return t.ticks().size() == 1; }));
    t.stop();
    EXPECT_EQ(t.ticks().size(), 0u);
    EXPECT_EQ(t.ticks().receive_for(5ms), status::timed_out);
    EXPECT_FALSE(t.ticks().is_closed());
    t.stop();
    t.reset(1ms);
    EXPECT_TRUE(t.ticks().receive());
}

// TI-02
TEST(Ticker, AfterAResetNoTickOfBeforeComes) {
    const ticker t{1ms};
    ASSERT_TRUE(eventually([&] { return t.ticks().size() == 1; }));
    t.reset(1h);
    EXPECT_EQ(t.ticks().try_receive(), status::empty);
    const auto begin = clock::now();
    t.reset(3ms);
    const auto tick = t.ticks().receive();
    ASSERT_TRUE(tick);
    EXPECT_GE(*tick, begin + 3ms);
}

// TI-01, TI-02: however the stop falls between the time and its tick.
TEST(Ticker, NoTickComesAfterAStopOrOfBeforeAReset) {
    const ticker t{20us};
    const auto ticks = t.ticks();
    for (int i = 0; i < 2'000; ++i) {
        if (i % 3) {
            t.stop();
            ASSERT_EQ(ticks.try_receive(), status::empty);
        }
        const auto begin = clock::now();
        t.reset(std::chrono::microseconds{20 + i % 30});
        const auto tick = ticks.receive();
        ASSERT_TRUE(tick);
        ASSERT_GE(*tick, begin + 20us);
    }
}

TEST(Ticker, IsStoppedAndResetByManyWhileItTicks) {
    const ticker t{10us};
    {
        std::vector<std::jthread> all;
        for (int n = 0; n < 3; ++n)
            all.emplace_back([&, n] {
                for (int i = 0; i < 500; ++i) {
                    if ((i + n) % 3) t.reset(std::chrono::microseconds{5 + i % 20});
                    else t.stop();
                    static_cast<void>(t.ticks().try_receive());
                }
            });
    }
    t.reset(1ms);
    EXPECT_TRUE(t.ticks().receive());
}

TEST(Ticker, ItsEndClosesTheChannel) {
    moments ticks;
    {
        const ticker t{1ms};
        ticks = t.ticks();
        ASSERT_TRUE(eventually([&] { return ticks.size() == 1; }));
    }
    EXPECT_EQ(ticks.receive(), status::closed);
    EXPECT_TRUE(eventually(no_timer_of_threads_is_left));
}

TEST(Ticker, ItsEndEndsALoopOverItsTicks) {
    std::optional<ticker> t{std::in_place, 1ms};
    std::atomic<int> count{0};
    std::jthread looping{[&count, ticks = t->ticks()] {
        for (const auto due : ticks) count += due <= clock::now() ? 1 : 0;
    }};
    ASSERT_TRUE(eventually([&] { return count >= 3; }));
    t.reset();
}

TEST(Ticker, GoesOnWhenItIsMoved) {
    ticker a{1ms};
    const auto ticks = a.ticks();
    ticker b{std::move(a)};
    EXPECT_TRUE(ticks.receive());
    ticker c{1h};
    const auto others = c.ticks();
    c = std::move(b);
    EXPECT_EQ(others.receive(), status::closed);
    EXPECT_TRUE(ticks.receive());
    EXPECT_TRUE(c.ticks() == ticks);
}

TEST(Ticker, OfARunGoesOnAfterIt) {
    const auto main = []() -> task<ticker> {
        ticker t{1ms};
        static_cast<void>(co_await t.ticks().async_receive());
        co_return t;
    };
    const ticker t = sluice::run(main);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(t.ticks().receive());
}

TEST(Ticker, OfAPeriodPastTheEndOfTimeNeverTicks) {
    const ticker t{std::chrono::hours::max()};
    EXPECT_EQ(t.ticks().receive_for(2ms), status::timed_out);
}

// TI-06
TEST(Ticker, APeriodThatIsNotPositiveBreaksTheContract) {
    EXPECT_TRUE(breaks_contract([] { const ticker t{0ms}; }));
    EXPECT_TRUE(breaks_contract([] { const ticker t{-1ms}; }));
    const ticker t{1h};
    EXPECT_TRUE(breaks_contract([&] { t.reset(0s); }));
}

TEST(Ticker, WhoseReceiverCancelsGoesOnInVain) {
    in_virtual_time([] {
        const ticker t{1h};
        t.ticks().cancel();
        sluice::wait(sluice::sleep_for(3h));
        t.reset(1h);
        EXPECT_EQ(t.ticks().receive(), status::closed);
    });
}

}  // namespace
