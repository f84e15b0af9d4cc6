// SPDX-License-Identifier: BSL-1.0
// contexts_and_times_test.cpp: do cancellations reach whom they should, and times come when they should, on every schedule?
#include <set>
#include <vector>

#include "explored.hpp"

namespace {

using namespace sluice_test;
using sluice::clock;
using sluice::context;
using sluice::context_error;

// CX-02
TEST(ContextSchedules, ACancelHasReachedAllDescendantsWhenItReturns) {
    expect_on_many_schedules([]() -> task<void> {
        auto root = sluice::with_cancel(sluice::current_context());
        std::vector<sluice::context_source> below;
        below.push_back(sluice::with_cancel(root.get()));
        below.push_back(sluice::with_timeout(below[0].get(), 1h));
        below.push_back(sluice::any_of(below[0].get(), context::background()));
        int ended = 0;
        sluice::wait_group all;
        for (auto& one : below)
            all.go([&]() -> task<void> {
                co_await one.get().async_done();
                must(one.get().error() == context_error::canceled, "a done context has an error");
                ++ended;
            });
        all.go([&]() -> task<void> {
            co_await sluice::yield();
            root.cancel();
            for (auto& one : below) must(one.get().done(), "one below was not reached");
        });
        co_await all.async_wait();
        must(ended == 3, "one was not woken");
    });
}

TEST(ContextSchedules, AnyOfEndsWithTheFirst) {
    expect_on_many_schedules([]() -> task<void> {
        auto a = sluice::with_cancel(context::background());
        auto b = sluice::with_cancel(context::background());
        const auto both = sluice::any_of(a.get(), b.get());
        sluice::wait_group all;
        all.go([&]() -> task<void> {
            co_await sluice::yield();
            a.cancel();
            must(both.get().done(), "it was not reached");
        });
        all.go([&]() -> task<void> {
            co_await sluice::yield();
            b.cancel();
            must(both.get().done(), "it was not reached");
        });
        co_await both.get().async_done();
        must(a.get().done() || b.get().done(), "it has ended by itself");
        co_await all.async_wait();
    });
}

// CX-10: what comes first wins, and the other changes nothing.
TEST(ContextSchedules, ADeadlineAndACancelEndItOnce) {
    std::set<context_error> seen;
    const auto program = [&]() -> task<void> {
        auto limit = sluice::with_timeout(context::background(), 1s);
        sluice::wait_group all;
        all.go([&]() -> task<void> {
            co_await sluice::sleep_for(500ms);
            limit.cancel();
        });
        co_await limit.get().async_done();
        const auto first = limit.get().error();
        must(first != context_error::none, "a done context has an error");
        co_await all.async_wait();
        must(limit.get().error() == first, "its error has changed");
        seen.insert(first);
    };
    expect_on_many_schedules(program, some_late());
    EXPECT_EQ(seen, (std::set{context_error::canceled, context_error::deadline_exceeded}));
}

// CX-15, CX-16
TEST(AfterFuncSchedules, ItRunsOnceOrWasStoppedOnEverySchedule) {
    std::set<bool> seen;
    expect_on_every_schedule([&]() -> task<void> {
        auto source = sluice::with_cancel(context::background());
        int runs = 0;
        const auto handle = sluice::after_func(source.get(), [&]() -> task<void> {
            ++runs;
            co_return;
        });
        auto cancels = sluice::go([&]() -> task<void> {
            co_await sluice::yield();
            source.cancel();
        });
        co_await sluice::yield();
        const bool was_stopped = handle.stop();
        co_await cancels;
        for (int i = 0; i < 3 && !was_stopped && runs == 0; ++i) co_await sluice::sleep_for(1s);
        must(runs == (was_stopped ? 0 : 1), "it has run and was stopped, or neither");
        seen.insert(was_stopped);
    });
    EXPECT_EQ(seen.size(), 2u);
}

TEST(AfterFuncSchedules, ABlockingFunctionRunsOnce) {
    expect_on_many_schedules([]() -> task<void> {
        auto source = sluice::with_timeout(context::background(), 1s);
        int runs = 0;
        sluice::channel<void> ran{1};
        const auto handle = sluice::after_func(source.get(), [&runs, ran]() mutable {
            ++runs;
            static_cast<void>(ran.send());
        });
        auto cancels = sluice::go([&]() -> task<void> {
            co_await sluice::sleep_for(1s);
            source.cancel();
        });
        must(static_cast<bool>(co_await ran.async_receive()), "it was closed");
        co_await cancels;
        must(runs == 1 && !handle.stop(), "it has run twice, or was stopped too");
    });
}

TEST(TimeSchedules, SleepersWakeInTheOrderOfTheirTimesAndNeverEarly) {
    expect_on_many_schedules([]() -> task<void> {
        std::vector<int> woken;
        sluice::wait_group all;
        for (const int s : {3, 1, 2, 5, 4})
            all.go([&, s]() -> task<void> {
                const auto began = clock::now();
                co_await sluice::sleep_for(std::chrono::seconds{s});
                must(clock::now() - began == std::chrono::seconds{s}, "it has slept for another time");
                woken.push_back(s);
            });
        co_await all.async_wait();
        must(woken == std::vector<int>({1, 2, 3, 4, 5}), "out of order");
    });
}

TEST(TimeSchedules, AMomentComesOnceToOneOfItsReceivers) {
    expect_on_many_schedules([]() -> task<void> {
        const auto began = clock::now();
        const auto moment = sluice::after(1s);
        int got = 0;
        sluice::wait_group all;
        for (int i = 0; i < 3; ++i)
            all.go([&]() -> task<void> {
                const auto at = co_await sluice::timeout(2s, moment.async_receive());
                if (!at) co_return;
                must(*at - began == 1s, "another moment");
                ++got;
            });
        co_await all.async_wait();
        must(got == 1, "it came to nobody, or to two");
    });
}

TEST(TickerSchedules, TicksAreOnTheGridAndAtMostOneIsPending) {
    const auto program = []() -> task<void> {
        const auto began = clock::now();
        sluice::ticker every{1s};
        auto last = began;
        for (const auto pause : {0ms, 2500ms, 100ms, 0ms}) {
            co_await sluice::sleep_for(pause);
            const auto asked = clock::now();
            const auto tick = co_await every.ticks().async_receive();
            must((*tick - began) % 1s == 0s, "a tick is off the grid");
            must(*tick > last, "a tick came twice");
            must(*tick >= asked || asked - *tick < 4s, "an old tick");
            last = *tick;
        }
        every.stop();
        const auto none = co_await sluice::timeout(10s, every.ticks().async_receive());
        must(none.why() == sluice::status::timed_out, "a tick of one that was stopped");
        every.reset(3s);
        const auto reset = clock::now();
        const auto tick = co_await every.ticks().async_receive();
        must(*tick - reset == 3s, "it does not begin anew");
    };
    expect_on_many_schedules(program);
}

TEST(TimeoutSchedules, NeverEatsAValueAndEndsWhenItShould) {
    const auto program = []() -> task<void> {
        sluice::channel<int> ch{0};
        int sent = 0;
        int got = 0;
        sluice::wait_group all;
        for (int s = 0; s < 2; ++s)
            all.go([&]() -> task<void> {
                for (int i = 0; i < 3; ++i) {
                    co_await sluice::sleep_for(1s);
                    const auto one = co_await sluice::timeout(1s, ch.async_send(i));
                    if (one) ++sent;
                }
            });
        all.go([&] {
            for (int i = 0; i < 4; ++i)
                if (ch.receive_for(1s)) ++got;
        });
        all.go([&]() -> task<void> {
            for (int i = 0; i < 4; ++i) {
                const auto one = co_await sluice::timeout(1s, ch.async_receive());
                if (one) ++got;
            }
        });
        co_await all.async_wait();
        must(sent == got, "a value was eaten");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
    expect_on_many_schedules(program, some_cancelled());
}

TEST(TimeoutSchedules, OfATaskHasJoinedItWhenItEnds) {
    std::set<sluice::status> seen;
    expect_on_many_schedules([&]() -> task<void> {
        int alive = 0;
        const auto work = [&]() -> task<void> {
            ++alive;
            struct leave {
                ~leave() { --from; }
                int& from;
            } const leaving{alive};
            co_await sluice::sleep_for(1s);
            co_await sluice::yield();
        };
        const auto began = clock::now();
        const auto ended = co_await sluice::timeout(1s, work());
        must(alive == 0, "the task lives after its timeout");
        must(clock::now() - began == 1s, "it has taken another time");
        seen.insert(ended);
    });
    EXPECT_LE(seen.size(), 2u);
    EXPECT_FALSE(seen.contains(sluice::status::canceled));
}

}  // namespace
