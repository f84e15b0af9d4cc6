// SPDX-License-Identifier: BSL-1.0
// options_test.cpp: does a run or a runtime do what its options say?
//
// Who else may wake tasks is shown by deadlock_test.cpp, what is suspected and when by suspicion_test.cpp.

#include <sluice/options.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/timer.hpp>

#include "../support/eventually.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::channel;
using sluice::run_options;
using sluice::runtime;
using sluice::runtime_options;
using sluice::task;
using sluice_test::eventually;

/// Keeps what the diagnostics say.
class listener {
public:
    std::function<void(std::string_view)> sink() {
        return [this](std::string_view text) {
            const std::lock_guard guard{mutex_};
            texts_.emplace_back(text);
        };
    }
    std::vector<std::string> texts() const {
        const std::lock_guard guard{mutex_};
        return texts_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> texts_;
};

TEST(Options, OfARunAndOfARuntimeAreTheSameType) { EXPECT_TRUE((std::is_same_v<run_options, runtime_options>)); }

TEST(Options, AreAnAggregateOfWhichEachMayBeNamed) {
    const run_options o{.workers = 3, .max_threads = 50, .grace = 2s, .suspect_after = 1min, .ready_budget = 5};
    EXPECT_EQ(o.workers, 3u);
    EXPECT_EQ(o.may_wake, sluice::outside::detect);
    EXPECT_EQ(o.max_threads, 50u);
    EXPECT_EQ(o.grace, 2s);
    EXPECT_EQ(o.suspect_after, 1min);
    EXPECT_EQ(o.ready_budget, 5u);
}

TEST(Options, WithoutANumberOfWorkersThereIsOneForEachCore) {
    const runtime rt;
    EXPECT_EQ(rt.metrics().workers, std::max(1u, std::thread::hardware_concurrency()));
}

TEST(Options, SoManyWorkersAsTheySayRunTasksAtOnce) {
    runtime rt{{.workers = 3}};
    EXPECT_EQ(rt.metrics().workers, 3u);
    std::atomic<int> at_once{0};
    const auto meet = [&]() -> task<> {
        ++at_once;
        while (at_once < 3) std::this_thread::yield();
        co_return;
    };
    auto a = rt.go(meet);
    auto b = rt.go(meet);
    auto c = rt.go(meet);
    a.get();
    b.get();
    c.get();
}

TEST(Options, NoMoreThreadsThanTheySayRunCallables) {
    listener all;
    std::atomic<int> at_once{0};
    std::atomic<int> most{0};
    {
        runtime rt{{.workers = 1, .max_threads = 3, .diagnostics = all.sink()}};
        const auto count = [&] {
            const int now = ++at_once;
            int seen = most;
            while (now > seen && !most.compare_exchange_weak(seen, now)) {}
            std::this_thread::sleep_for(1ms);
            --at_once;
        };
        std::vector<sluice::join_handle<void>> handles;
        for (int i = 0; i < 20; ++i) handles.push_back(rt.go(count));
        for (auto& h : handles) h.get();
    }
    EXPECT_LE(most, 2);  // one thread is the worker's
    ASSERT_FALSE(all.texts().empty());
    EXPECT_NE(all.texts().front().find("all 3 threads are in use"), std::string::npos);
}

TEST(Options, WhatDoesNotEndIsReportedAfterTheGraceTheySay) {
    listener all;
    std::atomic<bool> has_begun{false};
    std::atomic<bool> go_on{false};
    const auto main = [&]() -> task<> {
        const auto stubborn = [&] {
            has_begun = true;
            while (!go_on) std::this_thread::yield();
        };
        sluice::go(stubborn);
        while (!has_begun) co_await sluice::yield();
    };
    std::jthread when_reported{[&] {
        eventually([&] { return all.texts().size() >= 2; });  // again and again
        go_on = true;
    }};
    const auto begin = std::chrono::steady_clock::now();
    sluice::run({.grace = 5ms, .diagnostics = all.sink()}, main);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 10ms);
    for (const auto& text : all.texts()) EXPECT_NE(text.find("the run has ended, but"), std::string::npos) << text;
}

TEST(Options, TheDiagnosticsGetAWholeTextACall) {
    listener all;
    const auto main = []() -> task<> {
        const channel<int> ch{0};
        auto h = sluice::go([ch] { static_cast<void>(ch.send(1)); });
        static_cast<void>(ch.receive());
        co_await h;
    };
    sluice::run({.workers = 1, .diagnostics = all.sink()}, main);
    for (const auto& text : all.texts()) {
        EXPECT_EQ(text.find("sluice: "), 0u) << text;
        EXPECT_EQ(text.back(), '\n') << text;
    }
}

TEST(Options, ABudgetOfOneMakesEachOperationASuspension) {
    const auto steps_of = [](unsigned budget) {
        std::atomic<int> steps{0};
        run_options o{.workers = 1, .ready_budget = budget};
        o.before_step = [&] { ++steps; };
        sluice::run(o, []() -> task<> {
            const channel<int> ch{1};
            for (int i = 0; i < 50; ++i) {
                static_cast<void>(co_await ch.async_send(i));
                static_cast<void>(co_await ch.async_receive());
            }
        });
        return steps.load();
    };
    EXPECT_EQ(steps_of(1), 101);  // the first one, and one after each of 100 operations
    EXPECT_EQ(steps_of(10), 11);
    EXPECT_EQ(steps_of(1000), 1);
    EXPECT_EQ(steps_of(0), steps_of(1));
}

TEST(Options, WhatIsCalledBeforeEachStepIsCalledInAWorker) {
    std::atomic<int> steps{0};
    std::atomic<bool> is_always_a_worker{true};
    run_options o{.workers = 2};
    o.before_step = [&] {
        ++steps;
        if (!sluice::detail::this_thread_state().worker) is_always_a_worker = false;
    };
    sluice::run(o, []() -> task<> {
        auto h = sluice::go([]() -> task<> { co_await sluice::yield(); });
        co_await h;
    });
    EXPECT_GE(steps, 3);
    EXPECT_TRUE(is_always_a_worker);
}

#if defined(__linux__)
std::string name_of_this_thread() {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

TEST(Options, NameTheThreadsOfWorkersWhileTheyServe) {
    EXPECT_EQ(sluice::run({.workers = 1}, []() -> task<std::string> { co_return name_of_this_thread(); }), "sluice/0");
    const run_options o{.workers = 1, .name = "a name that is too long"};
    EXPECT_EQ(sluice::run(o, []() -> task<std::string> { co_return name_of_this_thread(); }), "a name that i/0");
    // A blocking callable serves no worker.
    const auto mine = name_of_this_thread();
    EXPECT_EQ(sluice::run({.workers = 1, .name = ""}, []() -> task<std::string> { co_return name_of_this_thread(); }),
              mine);
    EXPECT_EQ(sluice::run([] { return name_of_this_thread(); }).find('/'), std::string::npos);
}

TEST(Options, PinEachWorkerToOneOfTheCoresThatTheProcessMayUse) {
    cpu_set_t allowed;
    ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    const auto cores_of_a_worker = []() -> task<int> {
        cpu_set_t mine;
        if (sched_getaffinity(0, sizeof mine, &mine) != 0) co_return 0;
        co_return CPU_COUNT(&mine);
    };
    EXPECT_EQ(sluice::run({.workers = 2, .pin_workers = true}, cores_of_a_worker), 1);
    EXPECT_EQ(sluice::run({.workers = 2}, cores_of_a_worker), CPU_COUNT(&allowed));
}

TEST(Options, AStandInIsPinnedLikeItsWorkerAndACallableIsNot) {
    cpu_set_t allowed;
    ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    const auto cores = sluice::run({.workers = 1, .pin_workers = true}, []() -> task<int> {
        const auto look = [] {
            cpu_set_t mine;
            return sched_getaffinity(0, sizeof mine, &mine) == 0 ? CPU_COUNT(&mine) : 0;
        };
        co_return co_await sluice::blocking(look);
    });
    EXPECT_EQ(cores, CPU_COUNT(&allowed));
}
#endif

}  // namespace
