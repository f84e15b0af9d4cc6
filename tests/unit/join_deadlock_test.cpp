// SPDX-License-Identifier: BSL-1.0
// join_deadlock_test.cpp: are those who wait for each other's ends told of at once, and nobody else?
//
// Nothing ends a circle of joins, not even a cancellation, so a program that has one ends when it has been told of.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>

#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/mutex.hpp>
#include <sluice/runtime.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

namespace {

using namespace std::chrono_literals;
using sluice::join_handle;
using sluice::run_options;
using sluice::task;

/// One task keeps the run busy, so that it is not dead as a whole.
task<> keep_busy() {
    for (;;) co_await sluice::yield();
}

/// A run that ends the program as soon as it tells of a deadlock, with what it says.
template <class F>
[[noreturn]] void run_until_told(F main) {
    run_options o{.workers = 2, .may_wake = sluice::outside::any};
    o.diagnostics = [](std::string_view text) {
        std::fwrite(text.data(), 1, text.size(), stderr);
        if (text.find("sluice: deadlock") != std::string_view::npos) std::_Exit(7);
    };
    const auto all = [&]() -> task<> {
        auto busy = sluice::go(keep_busy);
        co_await main();
        busy.cancel();
    };
    sluice::run(o, all);
    std::_Exit(1);
}
#define EXPECT_TOLD(main, text) EXPECT_EXIT(run_until_told(main), testing::ExitedWithCode(7), text)

/// A task that waits for the end of one whose handle it is given later.
struct seat {
    std::optional<join_handle<void>> next;
    std::atomic<bool> is_set{false};

    void give(join_handle<void> h) {
        next = std::move(h);
        is_set = true;
    }
};
task<> join_next(seat& mine, const char* name) {
    sluice::name_task(name);
    while (!mine.is_set) co_await sluice::yield();
    co_await *mine.next;
}

class JoinDeadlock : public testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// --- circles --------------------------------------------------------------------------------------------------------

TEST_F(JoinDeadlock, TwoThatJoinEachOtherAreToldAtOnce) {
    const auto main = []() -> task<> {
        seat a;
        seat b;
        auto x = sluice::go(join_next, std::ref(a), "x");
        auto y = sluice::go(join_next, std::ref(b), "y");
        a.give(std::move(y));
        b.give(std::move(x));
        co_await keep_busy();
    };
    EXPECT_TOLD(
        main, "these 2 wait for each other:\n  task \"[xy]\" started at .*\n      waits for join at .*, of the next\n  "
              "task \"[xy]\" started at .*\n      waits for join at .*, of the next\n  the last waits for the first\n"
              "  .a join is never abandoned");
}

TEST_F(JoinDeadlock, ThreeInARingAreToldInTheOrderInWhichTheyWait) {
    const auto main = []() -> task<> {
        seat seats[3];
        auto x = sluice::go(join_next, std::ref(seats[0]), "x");
        auto y = sluice::go(join_next, std::ref(seats[1]), "y");
        auto z = sluice::go(join_next, std::ref(seats[2]), "z");
        seats[0].give(std::move(y));
        seats[1].give(std::move(z));
        seats[2].give(std::move(x));
        co_await keep_busy();
    };
    EXPECT_TOLD(main, "these 3 wait for each other:.*(\"x\".*\"y\".*\"z|\"y\".*\"z\".*\"x|\"z\".*\"x\".*\"y)\"");
}

TEST_F(JoinDeadlock, AGroupWaitedForByTheChildOfItsOwnMemberIsTold) {
    const auto main = []() -> task<> {
        sluice::wait_group group;
        const auto child = [](sluice::wait_group& g) -> task<> {
            sluice::name_task("child");
            co_await g.async_wait();
        };
        const auto member = [&]() -> task<> {
            sluice::name_task("member");
            auto h = sluice::go(child, std::ref(group));
            co_await h;
        };
        group.go(member);
        co_await group.async_wait();
    };
    EXPECT_TOLD(main, "these 2 wait for each other.*waits for group at .*, which the next is of\n");
}

TEST_F(JoinDeadlock, AMemberThatJoinsWhoWaitsForItsGroupIsTold) {
    const auto main = []() -> task<> {
        sluice::errgroup group;
        std::atomic<bool> may_join{false};
        seat target;
        const auto member = [&]() -> task<> {
            sluice::name_task("member");
            while (!may_join) co_await sluice::yield();
            co_await *target.next;
        };
        group.go(member);
        const auto waiter = [&]() -> task<> {
            sluice::name_task("waiter");
            co_await group.async_wait();
        };
        target.give(sluice::go(waiter));
        for (int i = 0; i < 100; ++i) co_await sluice::yield();  // it may wait for the group by now
        may_join = true;
        co_await keep_busy();
    };
    EXPECT_TOLD(main, "these 2 wait for each other");
}

TEST_F(JoinDeadlock, OneWhoWantsALockOfSomebodyThatWaitsForItThroughAJoinIsTold) {
    const auto main = []() -> task<> {
        sluice::mutex m;
        const auto last = [&]() -> task<> {
            sluice::name_task("last");
            const auto guard = co_await m.async_lock();
        };
        const auto between = [&]() -> task<> {  // holds no lock
            sluice::name_task("between");
            auto h = sluice::go(last);
            co_await h;
        };
        const auto guard = co_await m.async_lock();
        sluice::name_task("holder");
        auto h = sluice::go(between);
        co_await h;
    };
    EXPECT_TOLD(main, "these 3 wait for each other");
}

TEST_F(JoinDeadlock, AMemberOfAGroupThatWantsALockOfWhoWaitsForTheGroupIsTold) {
    const auto main = []() -> task<> {
        sluice::mutex m;
        sluice::wait_group group;
        const auto member = [&]() -> task<> {
            sluice::name_task("member");
            const auto guard = co_await m.async_lock();
        };
        sluice::name_task("holder");
        const auto guard = co_await m.async_lock();
        group.go(member);
        co_await group.async_wait();
    };
    EXPECT_TOLD(
        main,
        "these 2 wait for each other:\n  task \"member\" started at .*\n      waits for lock at .*\n      taken at "
        ".* by the next\n  task \"holder\" started at .*\n      waits for group at .*, which the next is of\n");
}

// --- none -----------------------------------------------------------------------------------------------------------

/// The circles that a run tells of.
template <class F>
std::string circles_in(F main) {
    std::mutex mutex;
    std::string said;
    run_options o{.workers = 2, .may_wake = sluice::outside::any};
    o.diagnostics = [&](std::string_view text) {
        const std::lock_guard guard{mutex};
        if (text.find("deadlock") != std::string_view::npos) said += text;
    };
    sluice::run(o, main);
    return said;
}

task<int> tree(int depth) {
    if (depth == 0) co_return 1;
    auto left = sluice::go(tree, depth - 1);
    auto right = sluice::go(tree, depth - 1);
    co_await sluice::yield();  // so that the children wait before
    const int l = co_await left;
    co_return l + co_await right;
}

TEST_F(JoinDeadlock, ATreeOfJoinsIsNone) {
    const auto main = []() -> task<> { EXPECT_EQ(co_await tree(10), 1024); };
    EXPECT_EQ(circles_in(main), "");
}

task<> groups(int depth) {
    if (depth <= 0) co_return;
    sluice::wait_group all;
    for (int i = 0; i < 3; ++i) all.go(groups, depth - 1);
    auto h = sluice::go(groups, depth - 2);
    co_await sluice::yield();  // so that they wait before
    co_await h;
    co_await all.async_wait();
}

TEST_F(JoinDeadlock, ATreeOfGroupsIsNone) {
    const auto main = []() -> task<> { co_await groups(6); };
    EXPECT_EQ(circles_in(main), "");
}

TEST_F(JoinDeadlock, AJoinWithALimitIsNone) {
    const auto main = []() -> task<> {
        seat a;
        seat b;
        const auto with_limit = [](seat& mine) -> task<> {
            while (!mine.is_set) co_await sluice::yield();
            static_cast<void>(co_await sluice::async_select(sluice::on_join(*mine.next), sluice::on_timeout(20ms)));
        };
        auto x = sluice::go(with_limit, std::ref(a));
        auto y = sluice::go(join_next, std::ref(b), "y");
        b.give(std::move(x));
        a.give(std::move(y));
        while (!a.next->done() || !b.next->done()) co_await sluice::sleep_for(1ms);
    };
    EXPECT_EQ(circles_in(main), "");
}

}  // namespace
