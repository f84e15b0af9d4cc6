// SPDX-License-Identifier: BSL-1.0
// wait_group_test.cpp: when does a wait for a group end, and what becomes of what the group has started?

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/runtime.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::runtime;
using sluice::task;
using sluice::wait_group;
using sluice_test::eventually;
using sluice_test::receivers_waiting;

struct failure : std::runtime_error {
    explicit failure(int n) : std::runtime_error{"a task failed"}, number{n} {}
    int number;
};

task<> add_one(std::atomic<int>& n) {
    ++n;
    co_return;
}
task<> receive_one(channel<int> ch) { static_cast<void>(co_await ch.async_receive()); }
task<> fail_after(channel<int> gate, int number) {
    static_cast<void>(co_await gate.async_receive());
    throw failure{number};
}
task<> note_cancellation(std::atomic<int>& noted) {
    try {
        co_await sluice::sleep_for(1h);
    } catch (const canceled&) {
        ++noted;
        throw;
    }
}
task<> wait_for(wait_group& g) { co_await g.async_wait(); }

// --- counting ------------------------------------------------------------------------------------------------------

// WG-01, T30
TEST(WaitGroup, WithNothingToWaitForWaitsNot) {
    wait_group g;
    g.wait();
    EXPECT_EQ(g.count(), 0u);
    EXPECT_TRUE(g.wait_for(0ms));
    EXPECT_TRUE(g.wait(sluice::context{}));
    sluice::run(wait_for, std::ref(g));
}

// WG-02: threads and tasks alike.
TEST(WaitGroup, TheLastDoneLetsAllWaitersGo) {
    wait_group g;
    g.add(3);
    runtime rt;
    std::vector<sluice::join_handle<void>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(rt.go(wait_for, std::ref(g)));
    std::atomic<int> gone{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] {
            g.wait();
            ++gone;
        });
    g.done();
    g.done();
    EXPECT_EQ(gone, 0);
    EXPECT_EQ(g.count(), 1u);
    g.done();
    for (auto& t : threads) t.join();
    for (auto& h : tasks) h.get();
    EXPECT_EQ(gone, 3);
}

// WG-05
TEST(WaitGroup, CountsAgainAfterAWait) {
    wait_group g;
    std::atomic<int> n{0};
    for (int round = 1; round <= 100; ++round) {
        for (int i = 0; i < 3; ++i) g.go(add_one, std::ref(n));
        g.wait();
        ASSERT_EQ(n, 3 * round);
    }
}

// WG-06, T30
TEST(WaitGroup, TakesMoreWhileOthersWait) {
    wait_group g;
    g.add();
    std::atomic<bool> gone{false};
    std::jthread waiting{[&] {
        g.wait();
        gone = true;
    }};
    g.add();
    g.done();
    EXPECT_FALSE(gone);
    g.done();
    waiting.join();
}

// WG-06
TEST(WaitGroup, TakesMoreFromItsOwnTasks) {
    struct tree {
        static task<> grow(wait_group& g, int depth, std::atomic<int>& n) {
            ++n;
            if (depth == 0) co_return;
            g.go(&tree::grow, std::ref(g), depth - 1, std::ref(n));
            g.go(&tree::grow, std::ref(g), depth - 1, std::ref(n));
        }
    };
    wait_group g;
    std::atomic<int> n{0};
    g.go(&tree::grow, std::ref(g), 10, std::ref(n));
    g.wait();
    EXPECT_EQ(n, 2047);
}

// WG-08
TEST(WaitGroup, MakesWhatWasDoneBeforeADoneVisible) {
    wait_group g;
    g.add();
    int value = 0;
    std::jthread other{[&] {
        value = 1;
        g.done();
    }};
    g.wait();
    EXPECT_EQ(value, 1);
}

TEST(WaitGroup, ATicketCountsUntilItGoes) {
    wait_group g;
    {
        auto a = g.ticket();
        auto b = g.ticket();
        EXPECT_EQ(g.count(), 2u);
        const auto moved = std::move(a);
        EXPECT_EQ(g.count(), 2u);
        b = g.ticket();
        EXPECT_EQ(g.count(), 2u);
    }
    EXPECT_EQ(g.count(), 0u);
}

// WG-11
TEST(WaitGroup, AWaitCanEndByTimeOrContextAndCancelsNothing) {
    wait_group g;
    g.add();
    EXPECT_FALSE(g.wait_for(1ms));
    const auto source = sluice::with_cancel({});
    std::optional<bool> over;
    std::jthread waiting{[&] { over = g.wait(source.get()); }};
    source.cancel();
    waiting.join();
    EXPECT_EQ(over, false);

    const channel<int> gate{0};
    g.go(receive_one, gate);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(gate) == 1; }));
    EXPECT_FALSE(g.wait(source.get()));
    EXPECT_EQ(receivers_waiting(gate), 1u);
    static_cast<void>(gate.send(1));
    g.done();
    g.wait();
}

// T29: the waiter destroys the group as soon as it is let go, while the last done may still be returning.
TEST(WaitGroup, MayBeDestroyedByTheWaiterAtOnce) {
    for (int i = 0; i < 2'000; ++i) {
        auto g = std::make_unique<wait_group>();
        g->add();
        std::jthread last{[p = g.get()] { p->done(); }};
        if (i % 2) std::this_thread::yield();
        g->wait();
        g.reset();
    }
}

// T29
TEST(WaitGroup, MayBeDestroyedByTheWaitingTaskAtOnce) {
    const auto main = []() -> task<> {
        std::atomic<int> n{0};
        for (int i = 0; i < 5'000; ++i) {
            auto g = std::make_unique<wait_group>();
            g->go(add_one, std::ref(n));
            g->go([&n] { ++n; });
            co_await g->async_wait();
            g.reset();
        }
        EXPECT_EQ(n, 10'000);
    };
    sluice::run(main);
}

// --- starting ------------------------------------------------------------------------------------------------------

// WG-07
TEST(WaitGroup, CountsWhatItStartsUntilItHasEnded) {
    wait_group g;
    const channel<int> gate{0};
    g.go(receive_one, gate);
    g.go([gate] { static_cast<void>(gate.receive()); });
    EXPECT_EQ(g.count(), 2u);
    static_cast<void>(gate.send(1));
    static_cast<void>(gate.send(1));
    g.wait();
    EXPECT_EQ(g.count(), 0u);
}

TEST(WaitGroup, DestroysCallablesAndArgumentsBeforeTheWaitEnds) {
    struct tag {};
    using object = sluice_test::counted<tag>;
    wait_group g;
    const auto f = [](object) -> task<> { co_return; };
    for (int i = 0; i < 100; ++i) g.go(f, object{i});
    for (int i = 0; i < 20; ++i) g.go([](const object&) {}, object{i});
    g.wait();
    EXPECT_EQ(object::live(), 0);
}

TEST(WaitGroup, CountsNothingWhenAStartThrows) {
    struct not_copied {
        not_copied() = default;
        not_copied(const not_copied&) { throw failure{1}; }
    };
    wait_group g;
    const not_copied argument;
    const auto f = [](const not_copied&) -> task<> { co_return; };
    EXPECT_THROW(g.go(f, argument), failure);
    EXPECT_EQ(g.count(), 0u);
    g.wait();
}

TEST(WaitGroup, WaitRethrowsTheFirstExceptionInTime) {
    wait_group g;
    const channel<int> first{0};
    const channel<int> second{0};
    g.go(fail_after, second, 2);
    g.go(fail_after, first, 1);
    static_cast<void>(first.send(1));
    ASSERT_TRUE(eventually([&] { return g.count() == 1; }));
    static_cast<void>(second.send(1));
    try {
        g.wait();
        ADD_FAILURE() << "the exception was lost";
    } catch (const failure& f) {
        EXPECT_EQ(f.number, 1);
    }
    g.wait();  // told once
}

TEST(WaitGroup, AFailureCancelsNoOtherTask) {
    wait_group g;
    const channel<int> gate{0};
    const channel<int> failing{0};
    g.go(receive_one, gate);
    g.go(fail_after, failing, 1);
    static_cast<void>(failing.send(1));
    ASSERT_TRUE(eventually([&] { return g.count() == 1; }));
    EXPECT_TRUE(eventually([&] { return receivers_waiting(gate) == 1; }));
    static_cast<void>(gate.send(1));
    EXPECT_THROW(g.wait(), failure);
}

TEST(WaitGroup, AwaitingRethrowsToo) {
    const auto main = []() -> task<bool> {
        wait_group g;
        const channel<int> gate{1};
        static_cast<void>(co_await gate.async_send(1));
        g.go(fail_after, gate, 1);
        try {
            co_await g.async_wait();
        } catch (const failure&) {
            co_return true;
        }
        co_return false;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(WaitGroup, AnExceptionThatIsNotAskedForDoesNotEndTheRun) {
    const auto main = []() -> task<int> {
        wait_group g;
        g.go([] { throw failure{1}; });
        while (g.count() != 0) co_await sluice::yield();
        co_return 1;
    };
    EXPECT_EQ(sluice::run(main), 1);
}

// A group belongs to who made it: a helper that starts something in it may end.
TEST(WaitGroup, WhatAHelperStartsInItGoesOnWhenTheHelperEnds) {
    const auto main = []() -> task<int> {
        wait_group g;
        const channel<int> gate{0};
        std::atomic<int> done{0};
        const auto work = [](channel<int> c, std::atomic<int>& n) -> task<> {
            static_cast<void>(co_await c.async_receive());
            ++n;
        };
        const auto helper = [](wait_group& group, auto f, channel<int> c, std::atomic<int>& n) -> task<> {
            group.go(f, c, std::ref(n));
            group.go(f, c, std::ref(n));
            co_return;
        };
        auto h = sluice::go(helper, std::ref(g), work, gate, std::ref(done));
        co_await h;
        for (int i = 0; i < 2; ++i) static_cast<void>(co_await sluice::timeout(1s, gate.async_send(1)));
        co_await g.async_wait();
        co_return done.load();
    };
    EXPECT_EQ(sluice::run(main), 2);
}

TEST(WaitGroup, OutlivesTheRunItWasUsedIn) {
    wait_group g;
    const auto main = [](wait_group& group) -> task<> {
        const auto nothing = []() -> task<> { co_return; };
        group.go(nothing);
        co_await group.async_wait();
    };
    sluice::run(main, std::ref(g));
    g.cancel();
    g.wait();
}

// --- cancelling ----------------------------------------------------------------------------------------------------

TEST(WaitGroup, CancelEndsWhatItStarted) {
    wait_group g;
    std::atomic<int> noted{0};
    for (int i = 0; i < 10; ++i) g.go(note_cancellation, std::ref(noted));
    const channel<int> ch{0};
    g.go([ch] { static_cast<void>(ch.receive()); });
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    g.cancel();
    g.wait();  // a canceled of its own tasks is no failure
    EXPECT_LE(noted, 10);
    EXPECT_EQ(receivers_waiting(ch), 0u);
}

TEST(WaitGroup, AfterACancelStartsNothingThatRuns) {
    wait_group g;
    std::atomic<int> n{0};
    g.go(add_one, std::ref(n));
    g.wait();
    g.cancel();
    g.go(add_one, std::ref(n));
    g.go([&n] { ++n; });
    g.wait();
    EXPECT_EQ(n, 1);
}

TEST(WaitGroup, ACancelBeforeTheFirstStartCounts) {
    wait_group g;
    std::atomic<int> n{0};
    g.cancel();
    g.go(add_one, std::ref(n));
    g.wait();
    EXPECT_EQ(n, 0);
}

TEST(WaitGroup, EndsWithTheTaskThatUsesIt) {
    runtime rt;
    std::atomic<int> noted{0};
    const channel<int> ready{0};
    const auto parent = [](std::atomic<int>& n, channel<int> r) -> task<> {
        wait_group g;
        for (int i = 0; i < 3; ++i) g.go(note_cancellation, std::ref(n));
        static_cast<void>(co_await r.async_send(1));
        try {
            co_await g.async_wait();
        } catch (const canceled&) {
            EXPECT_EQ(g.count(), 0u) << "the wait has joined them";
            throw;
        }
    };
    auto h = rt.go(parent, std::ref(noted), ready);
    static_cast<void>(ready.receive());
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_LE(noted, 3);
}

// What only `add` has counted is not waited for then.
TEST(WaitGroup, ACancelledWaitWaitsForItsOwnTasksAlone) {
    runtime rt;
    wait_group g;
    g.add();
    const channel<int> ready{0};
    const auto parent = [](wait_group& group, channel<int> r) -> task<> {
        group.go(receive_one, r);
        co_await group.async_wait();
    };
    auto h = rt.go(parent, std::ref(g), ready);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ready) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(g.count(), 1u);
    g.done();
}

TEST(WaitGroup, ACancelledBlockingWaitJoinsItsOwnTasksBeforeItThrows) {
    runtime rt;
    std::atomic<std::size_t> left{99};
    const channel<int> ch{0};
    auto h = rt.go([&, ch] {
        wait_group g;
        g.go(receive_one, ch);
        try {
            g.wait();
        } catch (const canceled&) {
            left = g.count();
            throw;
        }
    });
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(left, 0u);
}

// A wait with a limit of its own is a wait for what the group started all the same.
TEST(WaitGroup, ACancelledBlockingWaitWithATimeJoinsItsOwnTasksBeforeItThrows) {
    runtime rt;
    std::atomic<std::size_t> left{99};
    const channel<int> ch{0};
    const auto slow_to_end = [](channel<int> c) -> task<> {
        try {
            static_cast<void>(co_await c.async_receive());
        } catch (const canceled&) {}
        co_await sluice::shielded(sluice::sleep_for(5ms));
    };
    auto h = rt.go([&, ch] {
        wait_group g;
        g.go(slow_to_end, ch);
        try {
            static_cast<void>(g.wait_for(1h));
        } catch (const canceled&) {
            left = g.count();
            throw;
        }
    });
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(left, 0u);
}

// --- its end -------------------------------------------------------------------------------------------------------

TEST(WaitGroup, ItsDestructorCancelsAndJoins) {
    std::atomic<int> noted{0};
    const channel<int> ch{0};
    {
        wait_group g;
        g.go([&noted, ch] {
            try {
                static_cast<void>(ch.receive());
            } catch (const canceled&) {
                ++noted;
            }
        });
        ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    }
    EXPECT_EQ(noted, 1);
}

TEST(WaitGroup, ItsDestructorJoinsWhileAnExceptionIsOnItsWay) {
    const auto main = []() -> task<> {
        wait_group g;
        g.go([] { throw failure{2}; });
        g.go(receive_one, channel<int>{});
        throw failure{1};
        co_return;
    };
    try {
        sluice::run(main);
        ADD_FAILURE() << "the exception was lost";
    } catch (const failure& f) {
        EXPECT_EQ(f.number, 1);
    }
}

TEST(WaitGroup, ItsDestructorJoinsInACancelledTaskOnTheOnlyWorker) {
    sluice::run_options options;
    options.workers = 1;
    runtime rt{options};
    const channel<int> ready{0};
    std::atomic<int> noted{0};
    const auto parent = [](std::atomic<int>& n, channel<int> r) -> task<> {
        wait_group g;
        g.go(note_cancellation, std::ref(n));
        static_cast<void>(co_await r.async_receive());
    };
    auto h = rt.go(parent, std::ref(noted), ready);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ready) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

// --- contracts -----------------------------------------------------------------------------------------------------

// WG-03
TEST(WaitGroupDeathTest, ADoneWithoutAnAddIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    wait_group g;
    EXPECT_DEATH(g.done(), "wait_group_test.cpp.*without an add");
}

TEST(WaitGroupDeathTest, ADoneForATaskOfTheGroupIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            wait_group g;
            g.go(receive_one, channel<int>{});
            g.done();
        },
        "without an add");
}

TEST(WaitGroupDeathTest, ATaskThatWaitsForItsOwnGroupIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto awaits = [](wait_group& g) -> task<> { co_await g.async_wait(); };
    const auto blocks = [](wait_group& g) { g.wait(); };
    EXPECT_DEATH(
        {
            wait_group g;
            g.go(awaits, std::ref(g));
            g.wait();
        },
        "wait_group_test.cpp.*its own group");
    EXPECT_DEATH(
        {
            wait_group g;
            g.go(blocks, std::ref(g));
            g.wait();
        },
        "wait_group_test.cpp.*its own group");
}

TEST(WaitGroup, ATaskMayWaitForItsOwnGroupForAWhile) {
    wait_group g;
    std::atomic<bool> ended{true};
    g.go([&] { ended = g.wait_for(1ms); });
    g.wait();
    EXPECT_FALSE(ended);
}

TEST(WaitGroupDeathTest, DestroyingAGroupInOneOfItsOwnTasksIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            auto* const g = new wait_group;
            g->go([g]() -> task<> {
                delete g;
                co_return;
            });
            eventually([] { return false; });
        },
        "by one of its own tasks");
}

// WG-04: counted from zero while others wait: they may see the zero or the new count, and none is forgotten.
TEST(WaitGroup, AnAddFromZeroWhileOthersWaitIsEitherWaitedForOrNot) {
    for (int round = 0; round < 500; ++round) {
        wait_group g;
        g.add();
        std::jthread waits{[&] { g.wait(); }};
        std::jthread counts{[&] {
            g.done();
            g.add();
            g.done();
        }};
    }
}

TEST(WaitGroupDeathTest, DestroyingAGroupThatSomethingWasAddedToIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            wait_group g;
            g.add();
        },
        "not done");
}

// So many that starts and ends are counted apart (detail/group_core.hpp, G5).
constexpr int very_many = 3'000;

TEST(WaitGroup, AnErrorAmongVeryManyComesOutOfTheWait) {
    EXPECT_THROW(sluice::run([]() -> task<> {
                     const channel<int> gate{0};
                     wait_group all;
                     for (int i = 0; i < very_many; ++i) {
                         if (i == very_many / 2) all.go(fail_after, gate, 7);
                         else all.go(receive_one, gate);
                     }
                     gate.close();
                     co_await all.async_wait();
                 }),
                 failure);
}

TEST(WaitGroup, TheCountOfVeryManyIsExactWhenNothingMoves) {
    sluice::run([]() -> task<> {
        const channel<int> gate{0};
        wait_group all;
        for (int round = 0; round < 2; ++round) {
            for (int i = 1; i <= very_many; ++i) {
                all.go(receive_one, gate);
                EXPECT_EQ(all.count(), static_cast<std::size_t>(i));
            }
            for (int left = very_many; left > 0; left -= 100) {
                EXPECT_EQ(all.count(), static_cast<std::size_t>(left));
                for (int i = 0; i < 100; ++i) static_cast<void>(co_await gate.async_send(i));
                while (all.count() != static_cast<std::size_t>(left - 100)) co_await sluice::yield();
            }
            co_await all.async_wait();
        }
    });
}

TEST(WaitGroup, VeryManyMayLiveInOneRuntimeWhileSomeLiveInAnother) {
    runtime one;
    runtime other;
    const channel<int> gate{0};
    wait_group all;
    const auto start = [&](int count) -> task<> {
        for (int i = 0; i < count; ++i) all.go(receive_one, gate);
        co_return;
    };
    one.run(start, very_many);
    other.run(start, 300);
    EXPECT_EQ(all.count(), static_cast<std::size_t>(very_many + 300));
    gate.close();
    all.wait();
    EXPECT_EQ(all.count(), 0u);
}

TEST(WaitGroup, AGroupOfVeryManyOutlivesTheRunsItsTasksRanIn) {
    std::atomic<int> ended{0};
    wait_group all;
    for (int round = 0; round < 3; ++round) {
        sluice::run([&]() -> task<> {
            for (int i = 0; i < very_many; ++i) all.go(add_one, std::ref(ended));
            co_return;
        });
        EXPECT_EQ(all.count(), 0u);
    }
}

}  // namespace
