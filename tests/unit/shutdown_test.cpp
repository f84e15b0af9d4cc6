// SPDX-License-Identifier: BSL-1.0
// shutdown_test.cpp: do the phases come in order, each in its time, and is what was cut short told?

#include <sluice/shutdown.hpp>

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>

#include <sluice/gtest.hpp>

#include "../support/broken_contract.hpp"
#include "../support/counted.hpp"
#include "../support/sanitized.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::shutdown;
using sluice::task;

constexpr std::uint64_t runs = static_cast<std::uint64_t>(sluice_test::many(1000));

task<> one_second() { co_await sluice::sleep_for(1s); }
task<> an_hour() { co_await sluice::sleep_for(1h); }
task<> end_late() { co_await sluice::shielded(sluice::sleep_for(5s)); }
int block() {
    static_cast<void>(sluice::after(1s).receive());
    return 1;
}
void fail() { throw std::runtime_error{"failure"}; }

SIMULATED_TEST(Shutdown, RunsItsPhasesInOrderWhateverTheirKind, {.runs = runs}) {
    std::string order;
    shutdown down;
    down.phase("plain", 1s, [&] { order += "a"; })
        .phase("coroutine", 5s,
               [&]() -> task<int> {
                   co_await sluice::sleep_for(1s);
                   order += "b";
                   co_return 1;
               })
        .phase("blocking", 5s, sluice::blocking(block))
        .phase("context", 5s, [&](const sluice::context& ctx) { order += ctx.deadline() ? "d" : "?"; });
    down.request();
    const auto report = co_await down.async_run();
    EXPECT_EQ(order, "abd");
    EXPECT_TRUE(report.all_done()) << report.text();
    EXPECT_EQ(report.text(), "plain: done after 0 ms\ncoroutine: done after 1000 ms\nblocking: done after 1000 ms\n"
                             "context: done after 0 ms\n");
}

SIMULATED_TEST(Shutdown, AFailureOrAnOverrunDoesNotKeepTheNextFromBeginning, {.runs = runs}) {
    int told = 0;
    shutdown down{{.grace = 2s}};
    down.phase("fails", 1s, fail)
        .phase("overruns", 3s, an_hour)
        .phase("hangs", 1s, end_late)
        .phase("last", 2s, one_second)
        .on_phase([&](const sluice::phase_result&) { ++told; });
    down.request();
    const auto before = sluice::clock::now();
    const auto report = co_await down.async_run();
    EXPECT_EQ(report.text(),
              "fails: failed after 0 ms: failure\noverruns: timed out after 3000 ms\nhangs: stuck after 3000 ms\n"
              "last: done after 1000 ms\n");
    EXPECT_EQ(sluice::clock::now() - before, 8s);  // what was stuck has been joined
    EXPECT_EQ(told, 4);
    EXPECT_FALSE(report.all_done());
}

SIMULATED_TEST(Shutdown, HurryCancelsThePhaseThatRunsAndSkipsTheRest, {.runs = runs}) {
    shutdown down;
    down.phase("first", 1min, one_second).phase("second", 1min, an_hour).phase("third", 1min, one_second);
    auto runs_now = sluice::go([&]() -> task<std::string> {
        const auto report = co_await down.async_run();
        EXPECT_TRUE(report.hurried);
        co_return report.text();
    });
    co_await sluice::sleep_for(1s);
    down.request();
    co_await sluice::sleep_for(3s);
    down.hurry();
    EXPECT_EQ(co_await runs_now, "first: done after 1000 ms\nsecond: interrupted after 2000 ms\nthird: skipped\n");
}

SIMULATED_TEST(Shutdown, BeginsWithTheEndOfAContext, {.runs = runs}) {
    const auto limit = sluice::with_timeout(sluice::context::background(), 10s);
    shutdown down;
    down.on_done(limit).phase("only", 5s, one_second);
    const auto before = sluice::clock::now();
    EXPECT_TRUE((co_await down.async_run()).all_done());
    EXPECT_EQ(sluice::clock::now() - before, 11s);
}

SIMULATED_TEST(Shutdown, EndsWithItsSurroundingContextUnlessShielded, {.runs = runs}) {
    for (const bool shielded : {false, true}) {
        shutdown down;
        down.phase("only", 1min, one_second);
        down.request();
        bool was_canceled = false;
        auto h = sluice::go([&]() -> task<> {
            try {
                if (shielded) EXPECT_TRUE((co_await sluice::shielded(down.async_run())).all_done());
                else static_cast<void>(co_await down.async_run());
            } catch (const canceled&) {
                was_canceled = true;
            }
        });
        co_await sluice::sleep_for(10ms);
        h.cancel();
        co_await h;
        EXPECT_EQ(was_canceled, !shielded);
    }
}

TEST(Shutdown, TheFirstSignalBeginsItAndTheSecondEndsItAtOnce) {
    shutdown down;
    down.on_signal(SIGUSR1, SIGUSR2)
        .phase("first", 1min, [] { std::raise(SIGUSR2); })
        .phase("second", 1min, an_hour)
        .phase("third", 1min, one_second);
    std::raise(SIGUSR1);
    const auto report = down.run();
    EXPECT_TRUE(report.hurried);
    EXPECT_THROW(std::rethrow_exception(report.cause), sluice::signal_received);
    EXPECT_EQ(report.dropped.back().how, sluice::phase_end::skipped);
}

// --- cancelled, failed, cut short: at every step ---------------------------------------------------------------------------

/// Says a when it begins and A when it has ended, whatever ended it; awaits three times between.
auto told_phase(std::string& log, char name) {
    return [&log, name]() -> task<> {
        struct at_end {
            ~at_end() { log += static_cast<char>(name - 'a' + 'A'); }
            std::string& log;
            char name;
        };
        log += name;
        const at_end told{log, name};
        for (int i = 0; i < 3; ++i) co_await sluice::yield();
    };
}
shutdown& with_three_phases(shutdown& down, std::string& log) {
    return down.phase("a", 1min, told_phase(log, 'a'))
        .phase("b", 1min, told_phase(log, 'b'))
        .phase("c", 1min, told_phase(log, 'c'));
}
/// Each that began has ended before the next began.
bool is_in_order(const std::string& log) { return log.size() % 2 == 0 && std::string{"aAbBcC"}.starts_with(log); }

SIMULATED_TEST(Shutdown, ACancellationAtAnyStepJoinsThePhaseThatRunsAndBeginsNoOther, {.runs = runs}) {
    for (int steps = 0; steps < 40; steps += 3) {
        std::string log;
        shutdown down;
        with_three_phases(down, log);
        auto h = sluice::go([&]() -> task<> { static_cast<void>(co_await down.async_run()); });
        for (int i = 0; i < steps; ++i) {
            if (i == 2) down.request();
            co_await sluice::yield();
        }
        h.cancel();
        bool was_canceled = false;
        try {
            co_await h;
        } catch (const canceled&) {
            was_canceled = true;
        }
        EXPECT_TRUE(is_in_order(log)) << log;
        EXPECT_TRUE(was_canceled || log == "aAbBcC") << log;
    }
}

SIMULATED_TEST(Shutdown, HurryAtAnyStepJoinsThePhaseThatRunsAndTellsOfEach, {.runs = runs}) {
    for (int steps = 0; steps < 40; steps += 3) {
        std::string log;
        std::string told;
        shutdown down;
        with_three_phases(down, log).on_phase([&](const sluice::phase_result& one) { told += one.name; });
        auto h = sluice::go([&]() -> task<std::size_t> {
            const auto report = co_await down.async_run();
            for (const auto& one : report.dropped)
                EXPECT_TRUE(one.how == sluice::phase_end::interrupted || one.how == sluice::phase_end::skipped);
            co_return report.done.size() + report.dropped.size();
        });
        down.request();
        for (int i = 0; i < steps; ++i) co_await sluice::yield();
        down.hurry();
        EXPECT_EQ(co_await h, 3u);
        EXPECT_TRUE(is_in_order(log)) << log;
        EXPECT_EQ(told, "abc");
    }
}

// Any wait may be cancelled, those of the shutdown itself too.
SIMULATED_TEST(Shutdown, WhateverWaitIsCancelledNoPhaseIsLeftRunning, {.runs = runs, .chaos = {.cancel = 0.05}}) {
    std::string log;
    {
        shutdown down{{.grace = 1s}};
        with_three_phases(down, log).phase("d", 2s, one_second);
        down.request();
        try {
            static_cast<void>(co_await down.async_run());
        } catch (const canceled&) {}
    }
    EXPECT_TRUE(is_in_order(log)) << log;
}

task<> fail_later() {
    co_await sluice::sleep_for(1s);
    fail();
}
void fail_with_context(const sluice::context&) { fail(); }

SIMULATED_TEST(Shutdown, AnExceptionOfAnyCallableIsToldAndKeepsNoPhaseFromRunning, {.runs = runs}) {
    int told = 0;
    shutdown down;
    down.phase("plain", 1s, fail)
        .phase("coroutine", 5s, fail_later)
        .phase("blocking", 5s, sluice::blocking(fail))
        .phase("context", 5s, fail_with_context)
        .phase("canceled", 5s, [] { throw canceled{}; })
        .phase("last", 5s, one_second)
        .on_phase([&](const sluice::phase_result& one) {
            ++told;
            EXPECT_EQ(one.how == sluice::phase_end::failed, one.name != "last");
            EXPECT_EQ(one.error != nullptr, one.name != "last");
            throw std::logic_error{"of the handler"};
        });
    down.request();
    bool is_thrown = false;
    try {
        static_cast<void>(co_await down.async_run());
    } catch (const std::logic_error&) {
        is_thrown = true;
    }
    EXPECT_TRUE(is_thrown);
    EXPECT_EQ(told, 6);
}

// --- what it holds ------------------------------------------------------------------------------------------------------

using value = sluice_test::counted<struct of_a_phase>;

SIMULATED_TEST(Shutdown, DestroysTheFunctionsOfItsPhasesOnceWhetherTheyRanOrNot, {.runs = runs}) {
    for (const bool runs_them : {false, true}) {
        {
            const value held{1};
            shutdown down;
            down.phase("plain", 1s, [held] {})
                .phase("coroutine", 1min, [held]() -> task<> { co_await sluice::sleep_for(1h); })
                .phase("skipped", 1min, [held]() -> task<> { co_return; });
            if (runs_them) {
                auto h = sluice::go([&]() -> task<> { static_cast<void>(co_await down.async_run()); });
                down.request();
                co_await sluice::sleep_for(1s);
                down.hurry();
                co_await h;
            }
        }
        EXPECT_EQ(value::live(), 0);
    }
}

TEST(Shutdown, SignalsHaveTheirOldActionAgainWhenItGoesAndAfterTheSecond) {
    static int old_action;
    old_action = 0;
    const auto before = std::signal(SIGUSR1, [](int) { ++old_action; });
    { shutdown{}.on_signal(SIGUSR1); }
    std::raise(SIGUSR1);
    EXPECT_EQ(old_action, 1);
    {
        shutdown down;
        down.on_signal(SIGUSR1).phase("first", 1min, [] { std::raise(SIGUSR1); }).phase("second", 1min, an_hour);
        std::raise(SIGUSR1);
        EXPECT_TRUE(down.run().hurried);
        std::raise(SIGUSR1);
        EXPECT_EQ(old_action, 2);
    }
    std::signal(SIGUSR1, before);
}

TEST(Shutdown, ASecondSignalCountsHoweverSoonItComes) {
    const auto before = std::signal(SIGUSR1, [](int) {});
    for (int round = 0; round < sluice_test::many(200); ++round) {
        shutdown down;
        down.on_signal(SIGUSR1).phase("only", 1min, an_hour);
        std::raise(SIGUSR1);
        std::raise(SIGUSR1);
        EXPECT_TRUE(down.run().hurried);
    }
    std::signal(SIGUSR1, before);
}

TEST(Shutdown, IsAskedForByManyThreadsAtOnceAndRunsOnce) {
    for (int round = 0; round < sluice_test::many(100); ++round) {
        int times = 0;
        shutdown down;
        down.phase("only", 1min, [&] { ++times; });
        {
            std::array<std::jthread, 3> askers;
            for (auto& each : askers) each = std::jthread{[&] { down.request(); }};
            EXPECT_TRUE(down.run().all_done());
        }
        EXPECT_EQ(times, 1);
    }
}

TEST(Shutdown, WhatMakesNoSenseBreaksTheContract) {
    using sluice_test::breaks_contract;
    EXPECT_TRUE(breaks_contract([] { shutdown down{{.grace = -1s}}; }));
    EXPECT_TRUE(breaks_contract([] {
        shutdown down;
        down.phase("no time", 0s, fail);
    }));
}

}  // namespace
