// SPDX-License-Identifier: BSL-1.0
// worker_pool_test.cpp: is each job that was accepted run once, by few at a time, and told of when it is not?

#include <sluice/worker_pool.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sluice/gtest.hpp>
#include <sluice/select.hpp>

#include "../support/broken_contract.hpp"
#include "../support/counted.hpp"
#include "../support/sanitized.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::join_handle;
using sluice::received;
using sluice::status;
using sluice::task;
using sluice::worker_pool;
using sluice_test::counted;

constexpr std::uint64_t runs = static_cast<std::uint64_t>(sluice_test::many(1000));

task<int> after_a_second(int value) {
    co_await sluice::sleep_for(1s);
    co_return value;
}
int length(const std::string& text) { return static_cast<int>(text.size()); }

/// How the await of a handle ended.
template <class R>
task<std::string> end_of(join_handle<R> h) {
    std::string how = "value";
    try {
        static_cast<void>(co_await h);
    } catch (const canceled&) {
        how = "canceled";
    } catch (const std::exception& e) {
        how = e.what();
    }
    co_return how;
}

struct failure : std::runtime_error {
    failure() : std::runtime_error{"failure"} {}
};

// --- running ------------------------------------------------------------------------------------------------------------

SIMULATED_TEST(WorkerPool, RunsPlainFunctionsCoroutinesAndBlockingOnes, {.runs = runs}) {
    for (const bool on_threads : {false, true}) {
        worker_pool pool{{.tasks = on_threads ? 0u : 2u, .threads = on_threads ? 2u : 0u, .queue = 3}};
        const std::string text = "four";
        auto plain = co_await pool.async_submit(length, text);
        auto coroutine = co_await pool.async_submit(after_a_second, 7);
        auto blocks = co_await pool.async_submit(sluice::blocking(length), text);
        auto member = co_await pool.async_submit(&std::string::size, text);
        auto nothing = co_await pool.async_submit([] {});
        EXPECT_EQ(co_await *plain, 4);
        EXPECT_EQ(co_await *coroutine, 7);
        EXPECT_EQ(co_await *blocks, 4);
        EXPECT_EQ(co_await *member, 4u);
        co_await *nothing;
        const auto end = co_await pool.async_stop();
        EXPECT_TRUE(end.all_done());
    }
}

SIMULATED_TEST(WorkerPool, RunsAtMostAsManyAsItHasWorkersAndInTheOrderOfTheSubmits, {.runs = runs}) {
    worker_pool pool{{.tasks = 2, .queue = 8}};
    int now = 0;
    int most = 0;
    std::vector<int> begun;
    const auto job = [&](int i) -> task<> {
        begun.push_back(i);
        most = std::max(most, ++now);
        co_await sluice::sleep_for(1s);
        --now;
    };
    const auto before = sluice::clock::now();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(co_await pool.async_submit(job, i));
    const auto end = co_await pool.async_drain(1min);
    EXPECT_EQ(end.done, 10u);
    EXPECT_EQ(most, 2);
    EXPECT_EQ(sluice::clock::now() - before, 5s);
    // Two workers begin at the same time: neighbours may change places.
    for (int i = 0; i < 10; ++i) EXPECT_LE(std::abs(begun.at(static_cast<std::size_t>(i)) - i), 1);
}

SIMULATED_TEST(WorkerPool, OneWorkerKeepsTheOrder, {.runs = runs}) {
    worker_pool pool{{.tasks = 1, .queue = 4}};
    std::vector<int> ran;
    const auto job = [&](int i) -> task<> {
        co_await sluice::yield();
        ran.push_back(i);
    };
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(pool.try_submit(job, i));
    static_cast<void>(co_await pool.async_drain(1s));
    EXPECT_EQ(ran, (std::vector{0, 1, 2, 3, 4}));
}

SIMULATED_BLOCKING_TEST(WorkerPool, BlocksAThreadForEachJobInAPoolOfThreads, {.runs = runs}) {
    worker_pool pool{{.threads = 3, .queue = 3}};
    const auto block = [](int i) {
        static_cast<void>(sluice::after(1s).receive());
        return i;
    };
    const auto before = sluice::clock::now();
    std::vector<received<join_handle<int>>> handles;
    for (int i = 0; i < 6; ++i) handles.push_back(pool.submit(block, i));
    for (int i = 0; i < 6; ++i) EXPECT_EQ(handles.at(static_cast<std::size_t>(i))->get(), i);
    EXPECT_EQ(sluice::clock::now() - before, 2s);
    EXPECT_TRUE(pool.drain(0s).all_done());
}

SIMULATED_TEST(WorkerPool, WhatASubmitGivesDoesWhatItsHandleDoes, {.runs = 100}) {
    worker_pool pool{2, 4};
    EXPECT_EQ(pool.workers(), 2u);
    auto awaited = co_await pool.async_submit(after_a_second, 1);
    EXPECT_FALSE(awaited.done());
    EXPECT_EQ(co_await awaited, 1);
    EXPECT_TRUE(awaited.done());
    join_handle<int> taken = co_await pool.async_submit(after_a_second, 2);
    EXPECT_EQ(co_await taken, 2);
    auto cut_short = co_await pool.async_submit(after_a_second, 3);
    cut_short.cancel();
    bool is_canceled = false;
    try {
        static_cast<void>(co_await cut_short);
    } catch (const canceled&) {
        is_canceled = true;
    }
    EXPECT_TRUE(is_canceled);
    static_cast<void>(co_await pool.async_stop());
}

SIMULATED_BLOCKING_TEST(WorkerPool, AThreadAsksWhatASubmitGivesForTheResult, {.runs = 100}) {
    worker_pool pool{{.threads = 1}};
    const auto four = [] { return 4; };
    auto made = pool.submit(four);
    EXPECT_EQ(made.get(), 4);
    static_cast<void>(pool.stop());
    auto refused = pool.submit(four);
    refused.cancel();
    EXPECT_FALSE(refused.done());
    EXPECT_THROW(refused.get(), sluice::pool_closed);
    EXPECT_THROW(static_cast<void>(join_handle<int>{std::move(refused)}), sluice::pool_closed);
}

SIMULATED_TEST(WorkerPool, GivesWhatCanOnlyBeMovedAndTakesIt, {.runs = 10}) {
    worker_pool pool{{.tasks = 1}};
    const auto job = [](std::unique_ptr<int> p) { return std::make_unique<int>(*p + 1); };
    auto one = std::make_unique<int>(1);
    auto h = co_await pool.async_submit(job, std::move(one));
    EXPECT_EQ(*(co_await *h), 2);
    EXPECT_EQ(one, nullptr);
}

struct tenant {
    using type = std::string;
};
SIMULATED_TEST(WorkerPool, RunsJobsUnderTheContextThatItWasMadeUnder, {.runs = 10}) {
    const auto ctx = sluice::with_value<tenant>(sluice::current_context(), "ours");
    worker_pool pool{{.threads = 1}, ctx};
    const auto whose = [] { return *sluice::current_context().value<tenant>(); };
    auto h = co_await pool.async_submit(whose);
    EXPECT_EQ(co_await *h, "ours");
}

// --- backpressure -------------------------------------------------------------------------------------------------------

SIMULATED_TEST(WorkerPool, ASubmitWaitsForRoomInTheOrderOfArrival, {.runs = runs}) {
    worker_pool pool{{.tasks = 1, .queue = 1}};
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(co_await pool.async_submit(after_a_second, i));
    EXPECT_EQ(pool.queued(), 1u);
    const auto before = sluice::clock::now();
    std::vector<int> let_in;
    sluice::wait_group submitters;
    for (int i = 0; i < 3; ++i) {
        submitters.go([&, i]() -> task<> {
            EXPECT_TRUE(co_await pool.async_submit(after_a_second, i));
            let_in.push_back(i);
            EXPECT_LE(pool.queued(), 1u);
        });
        co_await sluice::sleep_for(1ms);
    }
    co_await submitters.async_wait();
    EXPECT_EQ(let_in, (std::vector{0, 1, 2}));
    EXPECT_EQ(sluice::clock::now() - before, 3s);
    static_cast<void>(co_await pool.async_drain(1min));
}

SIMULATED_TEST(WorkerPool, TrySubmitSaysFullAndLeavesEverythingUnmoved, {.runs = 100}) {
    worker_pool pool{{.tasks = 1}};
    const auto keep = [](std::unique_ptr<int> p) -> task<int> {
        co_await sluice::sleep_for(1s);
        co_return *p;
    };
    EXPECT_TRUE(pool.try_submit(keep, std::make_unique<int>(1)));
    auto mine = std::make_unique<int>(2);
    const auto refused = pool.try_submit(keep, std::move(mine));
    EXPECT_EQ(refused.why(), status::full);
    EXPECT_NE(mine, nullptr);
    static_cast<void>(co_await pool.async_drain(1min));
    EXPECT_EQ(pool.try_submit(keep, std::move(mine)).why(), status::closed);
    EXPECT_NE(mine, nullptr);
}

SIMULATED_TEST(WorkerPool, ASubmitIsACaseOfASelectAndHasATimeLimit, {.runs = runs}) {
    worker_pool pool{{.tasks = 1}};
    received<join_handle<int>> h;
    const auto first =
        co_await sluice::async_select(sluice::on(pool.async_submit(after_a_second, 1), h), sluice::on_timeout(10ms));
    EXPECT_EQ(first, 0u);
    received<join_handle<int>> none;
    const auto second =
        co_await sluice::async_select(sluice::on(pool.async_submit(after_a_second, 2), none), sluice::on_timeout(10ms));
    EXPECT_EQ(second, 1u);
    EXPECT_FALSE(none);
    const auto late = co_await sluice::timeout(10ms, pool.async_submit(after_a_second, 3));
    EXPECT_EQ(late.why(), status::timed_out);
    const auto ended = co_await sluice::async_select(sluice::on_join(*h), sluice::on_timeout(10s));
    EXPECT_EQ(ended, 0u);
    EXPECT_EQ(co_await *h, 1);
}

// --- errors and cancellation ------------------------------------------------------------------------------------------

SIMULATED_TEST(WorkerPool, AnExceptionOfAJobBelongsToItsHandle, {.runs = runs}) {
    for (const bool on_threads : {false, true}) {
        worker_pool pool{{.tasks = on_threads ? 0u : 1u, .threads = on_threads ? 1u : 0u, .queue = 1}};
        auto h = co_await pool.async_submit([] { throw failure{}; });
        auto other = co_await pool.async_submit(after_a_second, 1);
        std::string what;
        try {
            co_await *h;
        } catch (const failure& e) {
            what = e.what();
        }
        EXPECT_EQ(what, "failure");
        EXPECT_EQ(co_await *other, 1);
        EXPECT_FALSE(pool.is_closed());
        EXPECT_TRUE((co_await pool.async_drain(1s)).all_done());
    }
}

TEST(WorkerPool, AnExceptionThatNobodyAsksForEndsTheRun) {
    const auto main = []() -> task<> {
        worker_pool pool{{.tasks = 1}};
        static_cast<void>(pool.submit([] { throw failure{}; }));
        co_await sluice::sleep_for(1h);
    };
    EXPECT_THROW(sluice::run(main), failure);
}

SIMULATED_TEST(WorkerPool, AQueuedJobThatIsCancelledEndsAtOnceAndMakesRoom, {.runs = runs}) {
    worker_pool pool{{.tasks = 1, .queue = 2}};
    auto first = co_await pool.async_submit(after_a_second, 1);
    auto second = co_await pool.async_submit(after_a_second, 2);
    auto third = co_await pool.async_submit(after_a_second, 3);
    const auto before = sluice::clock::now();
    second->cancel();
    const auto how = co_await end_of(*std::move(second));
    EXPECT_EQ(how, "canceled");
    EXPECT_EQ(sluice::clock::now(), before);
    EXPECT_TRUE(pool.try_submit(after_a_second, 4));
    EXPECT_EQ(co_await *third, 3);
    EXPECT_EQ(sluice::clock::now() - before, 2s);
    static_cast<void>(co_await pool.async_drain(1min));
}

SIMULATED_TEST(WorkerPool, ACancelledSubmitHasStartedNothing, {.runs = runs}) {
    worker_pool pool{{.tasks = 1}};
    auto first = co_await pool.async_submit(after_a_second, 1);
    bool ran = false;
    auto waits = sluice::go([&]() -> task<> {
        const auto job = [&] { ran = true; };
        static_cast<void>(co_await pool.async_submit(job));
    });
    co_await sluice::sleep_for(1ms);
    waits.cancel();
    const auto how = co_await end_of(std::move(waits));
    EXPECT_EQ(how, "canceled");
    EXPECT_EQ(co_await *first, 1);
    EXPECT_EQ((co_await pool.async_drain(1min)).done, 0u);
    EXPECT_FALSE(ran);
}

SIMULATED_TEST(WorkerPool, TheEndOfItsContextClosesItAndEndsItsJobs, {.runs = runs}) {
    auto source = sluice::with_cancel(sluice::current_context());
    worker_pool pool{{.tasks = 1, .queue = 1}, source};
    auto runs_now = co_await pool.async_submit(after_a_second, 1);
    auto is_queued = co_await pool.async_submit(after_a_second, 2);
    co_await sluice::yield();
    source.cancel();
    EXPECT_EQ(co_await end_of(*std::move(runs_now)), "canceled");
    EXPECT_EQ(co_await end_of(*std::move(is_queued)), "canceled");
    EXPECT_TRUE(pool.is_closed());
    EXPECT_EQ((co_await pool.async_submit(after_a_second, 3)).why(), status::closed);
}

TEST(WorkerPool, ACallableThatCannotBeCopiedInLeavesThePoolAsItWas) {
    struct copies_badly {
        copies_badly() = default;
        copies_badly(const copies_badly&) { throw failure{}; }
        int operator()() const { return 1; }
    };
    const auto main = []() -> task<> {
        worker_pool pool{{.tasks = 1}};
        const copies_badly job;
        EXPECT_THROW(static_cast<void>(pool.try_submit(job)), failure);
        EXPECT_THROW(static_cast<void>(pool.submit(job)), failure);
        EXPECT_EQ(pool.running(), 0u);
        auto h = co_await pool.async_submit(after_a_second, 1);
        h->cancel();
        EXPECT_EQ((co_await pool.async_drain(0s)).dropped, 1u);
    };
    sluice::run(sluice::run_options{.workers = 1}, main);
}

// --- the end --------------------------------------------------------------------------------------------------------------

SIMULATED_TEST(WorkerPool, ADrainLetsTheQueuedJobsEndAndAcceptsNoMore, {.runs = runs}) {
    worker_pool pool{{.tasks = 1, .queue = 2}};
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(co_await pool.async_submit(after_a_second, i));
    auto waits_for_room = sluice::go([&]() -> task<status> {
        const auto let_in = co_await pool.async_submit(after_a_second, 9);
        co_return let_in.why();
    });
    co_await sluice::sleep_for(1ms);
    const auto end = co_await pool.async_drain(10s);
    EXPECT_EQ(end.done, 3u);
    EXPECT_TRUE(end.all_done());
    EXPECT_EQ(co_await waits_for_room, status::closed);
    auto refused = co_await pool.async_submit(after_a_second, 9);
    EXPECT_EQ(refused.why(), status::closed);
    EXPECT_THROW(static_cast<void>(refused.value()), sluice::pool_closed);
    EXPECT_EQ((co_await pool.async_drain(10s)).done, 0u);  // again: nothing is left
}

SIMULATED_TEST(WorkerPool, ADrainThatIsTooShortTellsWhatItInterruptedAndDropped, {.runs = runs}) {
    worker_pool pool{{.tasks = 2, .queue = 4}};
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(co_await pool.async_submit(after_a_second, i));
    const auto before = sluice::clock::now();
    const auto end = co_await pool.async_drain(1500ms);
    EXPECT_EQ(sluice::clock::now() - before, 1500ms);
    EXPECT_EQ(end.done, 2u);
    EXPECT_EQ(end.interrupted, 2u);
    EXPECT_EQ(end.dropped, 2u);
    EXPECT_FALSE(end.all_done());
}

SIMULATED_TEST(WorkerPool, AStopCancelsAndJoinsAtOnce, {.runs = runs}) {
    worker_pool pool{{.tasks = 1, .queue = 1}};
    bool cleaned_up = false;
    const auto job = [&]() -> task<> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        co_await sluice::shielded(sluice::sleep_for(1s));
        cleaned_up = true;
    };
    EXPECT_TRUE(co_await pool.async_submit(job));
    EXPECT_TRUE(co_await pool.async_submit(job));
    co_await sluice::sleep_for(1ms);
    const auto end = co_await pool.async_stop();
    EXPECT_TRUE(cleaned_up);
    EXPECT_EQ(end.done, 1u);  // it came to its own end in spite of the cancellation
    EXPECT_EQ(end.dropped, 1u);
}

SIMULATED_TEST(WorkerPool, ACancelledDrainCancelsTheJobsAndThrowsAfterTheirEnd, {.runs = runs}) {
    worker_pool pool{{.tasks = 1, .queue = 1}};
    bool ended = false;
    const auto job = [&]() -> task<> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        co_await sluice::shielded(sluice::sleep_for(1s));
        ended = true;
    };
    EXPECT_TRUE(co_await pool.async_submit(job));
    auto drains = sluice::go([&]() -> task<> { static_cast<void>(co_await pool.async_drain(2h)); });
    co_await sluice::sleep_for(1s);
    drains.cancel();
    EXPECT_EQ(co_await end_of(std::move(drains)), "canceled");
    EXPECT_TRUE(ended);
}

SIMULATED_TEST(WorkerPool, ItsDestructorStopsAndJoins, {.runs = runs}) {
    int alive = 0;
    {
        worker_pool pool{{.tasks = 2, .queue = 2}};
        const auto job = [&]() -> task<> {
            struct leaves {
                ~leaves() { --of; }
                int& of;
            };
            ++alive;
            const leaves at_end{alive};
            co_await sluice::sleep_for(1h);
        };
        for (int i = 0; i < 4; ++i) EXPECT_TRUE(co_await pool.async_submit(job));
        co_await sluice::yield();
    }
    EXPECT_EQ(alive, 0);
}

SIMULATED_BLOCKING_TEST(WorkerPool, ItsBlockingFormsDoTheSame, {.runs = runs}) {
    worker_pool pool{{.threads = 1, .queue = 1}};
    auto first = pool.submit(after_a_second, 1);
    auto second = pool.submit(after_a_second, 2);
    EXPECT_EQ(second->get(), 2);
    EXPECT_EQ(first->get(), 1);
    EXPECT_TRUE(pool.submit(after_a_second, 3));
    EXPECT_EQ(pool.drain(10s).done, 1u);
    EXPECT_EQ(pool.submit(after_a_second, 4).why(), status::closed);
    EXPECT_TRUE(pool.stop().all_done());
}

// --- whatever happens ---------------------------------------------------------------------------------------------------

struct job_tag;
using value = counted<job_tag>;

// Each job that was let in is counted once at the end, and no value is left.
task<> much_work() {
    const int before = value::live();
    {
        std::size_t let_in = 0;
        std::size_t most_values = 0;
        worker_pool pool{{.tasks = 2, .queue = 2}};
        // One value a job, of which there are four, and one of each submitter.
        const auto job = [&](const value& v) -> task<int> {
            most_values = std::max(most_values, static_cast<std::size_t>(value::live() - before));
            co_await sluice::sleep_for(1s);
            if (v.value() % 5 == 4) throw failure{};
            co_return v.value();
        };
        sluice::wait_group submitters;
        std::size_t known = 0;
        const auto submit_some = [&](int from) -> task<> {
            for (int i = from; i < from + 4; ++i) {
                value v{i};
                auto h = co_await pool.async_submit(job, std::move(v));
                if (!h) co_return;
                ++let_in;
                try {
                    static_cast<void>(co_await *h);
                } catch (const failure&) {}
            }
        };
        for (int i = 0; i < 3; ++i) submitters.go(submit_some, 10 * i);
        co_await sluice::sleep_for(2500ms);
        known = let_in;
        const auto end = co_await pool.async_drain(1s);
        co_await submitters.async_wait();
        if (end.done + end.interrupted + end.dropped > known) throw std::logic_error{"more jobs than were let in"};
        if (most_values > 4 + 3) throw std::logic_error{"more values than the pool and its submitters hold"};
        if (pool.running() + pool.queued() != 0) throw std::logic_error{"a job is left"};
    }
    if (value::live() != before) throw std::logic_error{"a value is left"};
}

TEST(WorkerPool, LosesNothingWhateverIsCancelledAndWhatever) {
    for (const double cancel : {0.0, 0.05}) {
        const auto all = sluice::testing::explore({.runs = runs, .chaos = {.cancel = cancel}}, much_work);
        EXPECT_FALSE(all.failed()) << all.text();
    }
}

TEST(WorkerPool, ThreadsSubmitAndGet) {
    constexpr int each = sluice_test::many(2'000);
    for (const bool on_threads : {false, true}) {
        worker_pool pool{{.tasks = on_threads ? 0u : 3u, .threads = on_threads ? 3u : 0u, .queue = 5}};
        std::atomic<int> now{0};
        std::atomic<int> most{0};
        std::atomic<long> sum{0};
        {
            std::vector<std::jthread> submitters;
            for (int s = 0; s < 3; ++s)
                submitters.emplace_back([&] {
                    for (int i = 0; i < each; ++i) {
                        auto h = pool.submit(
                            [&](int v) {
                                const int alive = ++now;
                                for (int seen = most; seen < alive && !most.compare_exchange_weak(seen, alive);) {}
                                --now;
                                return v;
                            },
                            i);
                        sum += h->get();
                    }
                });
        }
        EXPECT_EQ(sum, 3L * each * (each - 1) / 2);
        EXPECT_LE(most, 3);
        const auto end = pool.drain(1min);
        EXPECT_TRUE(end.all_done());
    }
}

TEST(WorkerPool, IsStoppedWhileThreadsSubmit) {
    for (int round = 0; round < sluice_test::many(100); ++round) {
        std::atomic<int> ran{0};
        std::atomic<int> accepted{0};
        worker_pool pool{{.tasks = 2, .queue = 4}};
        std::vector<std::jthread> submitters;
        for (int s = 0; s < 2; ++s)
            submitters.emplace_back([&] {
                while (auto h = pool.submit([&] { ++ran; })) ++accepted;
            });
        while (ran < 20) std::this_thread::yield();
        static_cast<void>(pool.stop());
        const int ran_by_then = ran;
        submitters.clear();
        EXPECT_EQ(ran, ran_by_then);
        EXPECT_LE(ran, accepted);
        EXPECT_LE(accepted - ran, 6);
    }
}

TEST(WorkerPool, ASizeThatMakesNoSenseBreaksTheContract) {
    using sluice_test::breaks_contract;
    EXPECT_TRUE(breaks_contract([] { worker_pool pool{{.queue = 3}}; }));
    EXPECT_TRUE(breaks_contract([] { worker_pool pool{{.tasks = 1, .threads = 1}}; }));
    EXPECT_TRUE(breaks_contract([] { worker_pool pool{{.tasks = static_cast<std::size_t>(-1)}}; }));
    const auto told = sluice_test::violation_of([] { worker_pool pool{{}}; });
    EXPECT_NE(std::string_view{told->where.file_name()}.find("worker_pool_test"), std::string_view::npos);
    EXPECT_TRUE(breaks_contract([] {
        worker_pool pool{{.tasks = 1}};
        static_cast<void>(pool.drain(-1s));
    }));
}

TEST(WorkerPool, AJobThatWaitsForItsOwnPoolBreaksTheContract) {
    const auto main = []() -> task<> {
        worker_pool pool{{.tasks = 1}};
        const auto job = [&] { return sluice_test::breaks_contract([&] { static_cast<void>(pool.stop()); }); };
        auto h = co_await pool.async_submit(job);
        EXPECT_TRUE(co_await *h);
    };
    sluice::run(main);
}

}  // namespace
