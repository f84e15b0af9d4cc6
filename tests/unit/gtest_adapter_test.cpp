// SPDX-License-Identifier: BSL-1.0
// gtest_adapter_test.cpp: do tests of GoogleTest explore programs, and fail where and as they should?
#include <sluice/gtest.hpp>
#include <sluice/sluice.hpp>

#include <cstdlib>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using sluice::task;
using sluice::testing::explored;

// --- programs -----------------------------------------------------------------------------------------------------

task<void> lost_update() {
    int count = 0;
    sluice::wait_group both;
    for (int i = 0; i < 2; ++i)
        both.go([&]() -> task<void> {
            const int seen = count;
            co_await sluice::yield();
            count = seen + 1;
        });
    co_await both.async_wait();
    EXPECT_EQ(count, 2);
}

task<void> expects_in_a_child() {
    auto child = sluice::go([]() -> task<void> {
        co_await sluice::yield();
        EXPECT_EQ(1, 2) << "in the child";
        co_await sluice::sleep_for(1h);
        EXPECT_EQ(3, 4) << "an hour later";
    });
    co_await child;
}

task<void> expects_in_a_thread() {
    const auto blocks = [] { EXPECT_TRUE(false) << "in a thread of the simulation"; };
    co_await sluice::blocking(blocks);
}

void asserts() {
    sluice::channel<int> never{0};
    ASSERT_TRUE(never.receive_for(1h)) << "nobody sends";
    FAIL() << "not reached";
}

task<void> expects_while_it_is_cancelled() {
    sluice::go([]() -> task<void> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const sluice::canceled&) {
            EXPECT_TRUE(false) << "while it ended";
            throw;
        }
    });
    co_await sluice::yield();
}

task<void> deadlock() {
    const sluice::channel<int> nobody_sends{0};
    static_cast<void>(co_await nobody_sends.async_receive());
}

// --- helpers ------------------------------------------------------------------------------------------------------

/// Says something in the environment while it lives.
class variable {
public:
    variable(const char* name, const std::string& value) : name_{name} {
        if (const char* const was = std::getenv(name)) before_ = was;
        setenv(name, value.c_str(), 1);
    }
    ~variable() {
        if (before_) setenv(name_, before_->c_str(), 1);
        else unsetenv(name_);
    }
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;

private:
    const char* name_;
    std::optional<std::string> before_;
};

/// Whoever runs these tests may have set them.
struct GtestAdapter : testing::Test {
    variable runs{"SLUICE_TEST_RUNS", ""};
    variable seed{"SLUICE_TEST_SEED", ""};
    variable replay{"SLUICE_TEST_REPLAY", ""};
};

bool contains(const testing::AssertionResult& result, const std::string& what) {
    return std::string{result.message()}.find(what) != std::string::npos;
}

std::string replay_in(const std::string& text) {
    const std::string before = "SLUICE_TEST_REPLAY=";
    const auto at = text.find(before);
    if (at == text.npos) return {};
    const auto begin = at + before.size();
    return text.substr(begin, text.find(' ', begin) - begin);
}
std::string steps_in(const std::string& text) { return text.substr(text.find("\nits steps:\n")); }

// --- tests that are explored --------------------------------------------------------------------------------------

SIMULATED_TEST(SimulatedTest, RunsACoroutineInVirtualTime) {
    const auto began = sluice::clock::now();
    co_await sluice::sleep_for(48h);
    EXPECT_EQ(sluice::clock::now() - began, 48h);
}

SIMULATED_BLOCKING_TEST(SimulatedTest, RunsAPlainBody) {
    sluice::channel<int> ch{0};
    auto sender = sluice::go([ch] { EXPECT_TRUE(ch.send(3)); });
    const auto received = ch.receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(*received, 3);
    sender.get();
}

SIMULATED_TEST(SimulatedTest, TakesOptions, {.runs = 20, .chaos = {.fail = 1}}) {
    auto child = sluice::go([]() -> task<void> { co_await sluice::sleep_for(1h), co_await sluice::sleep_for(1h); });
    EXPECT_THROW(child.get(), sluice::testing::injected_failure);
    co_return;
}

// --- what an exploration does -------------------------------------------------------------------------------------

TEST_F(GtestAdapter, AProgramThatHoldsPasses) {
    int runs_made = 0;
    EXPECT_SIMULATED([&] { ++runs_made; });
    EXPECT_EQ(runs_made, 1000);
    ASSERT_SIMULATED({.runs = 17}, [&] { ++runs_made; });
    EXPECT_EQ(runs_made, 1017);
}

TEST_F(GtestAdapter, TheEnvironmentSaysHowManyRuns) {
    const variable few{"SLUICE_TEST_RUNS", "5"};
    int runs_made = 0;
    EXPECT_SIMULATED({.runs = 17}, [&] { ++runs_made; });
    EXPECT_EQ(runs_made, 5);
}

TEST_F(GtestAdapter, TheEnvironmentSaysTheFirstSeed) {
    const variable first{"SLUICE_TEST_SEED", "42"};
    EXPECT_TRUE(contains(explored(deadlock), "SLUICE_TEST_REPLAY=random:42 "));
    const variable any{"SLUICE_TEST_SEED", "random"};
    EXPECT_NE(replay_in(explored(deadlock).message()), replay_in(explored(deadlock).message()));
}

TEST_F(GtestAdapter, WhatIsNoNumberFails) {
    const variable wrong{"SLUICE_TEST_RUNS", "many"};
    EXPECT_TRUE(contains(explored([] {}), "SLUICE_TEST_RUNS=many is no number"));
}

TEST_F(GtestAdapter, WhatIsNoReplayFails) {
    const variable wrong{"SLUICE_TEST_REPLAY", "yesterday"};
    EXPECT_TRUE(contains(explored([] {}), "\"yesterday\" is no replay"));
}

// --- failures -----------------------------------------------------------------------------------------------------

TEST_F(GtestAdapter, AFailureIsOneOfTheTestAndNamesTheExpectation) {
    EXPECT_NONFATAL_FAILURE(EXPECT_SIMULATED(lost_update), "count");
    EXPECT_FATAL_FAILURE(ASSERT_SIMULATED(lost_update), "count");
    EXPECT_NONFATAL_FAILURE(EXPECT_SIMULATED(deadlock) << "of a channel", "of a channel");
}

TEST_F(GtestAdapter, AFailureTellsHowToReplayIt) {
    const auto result = explored({.preemptions = 0}, lost_update);
    EXPECT_FALSE(result);
    EXPECT_TRUE(contains(result, " --gtest_filter=GtestAdapter.AFailureTellsHowToReplayIt,")) << result.message();
    EXPECT_TRUE(contains(result, "task 1 starts task 2")) << result.message();
    EXPECT_TRUE(contains(result, "gtest_adapter_test.cpp:")) << result.message();
}

TEST_F(GtestAdapter, AReplayFailsTheSameWay) {
    for (const unsigned preemptions : {0u, 3u}) {
        const auto result = explored({.preemptions = preemptions}, lost_update);
        const variable that_run{"SLUICE_TEST_REPLAY", replay_in(result.message())};
        const auto again = explored({.preemptions = preemptions}, lost_update);
        EXPECT_FALSE(again);
        EXPECT_EQ(steps_in(again.message()), steps_in(result.message()));
    }
}

TEST_F(GtestAdapter, AReplayThatDoesNotFailPassesAndSaysSo) {
    const variable that_run{"SLUICE_TEST_REPLAY", "random:1"};
    std::string told;
    sluice::testing::exploration_options options;
    options.diagnostics = [&](std::string_view text) { told += text; };
    int runs_made = 0;
    EXPECT_SIMULATED(options, [&] { ++runs_made; });
    EXPECT_EQ(runs_made, 1);
    EXPECT_EQ(told, "sluice: the replay random:1 did not fail\n");
}

TEST_F(GtestAdapter, AnExpectationOfAnyTaskFailsItsRunWhichEndsAtItsNextStep) {
    const auto result = explored(expects_in_a_child);
    EXPECT_FALSE(result);
    EXPECT_TRUE(contains(result, "Run 1 of 1000 failed")) << result.message();
    EXPECT_TRUE(contains(result, "in the child")) << result.message();
    EXPECT_TRUE(contains(result, "task 2 fails the run")) << result.message();
    EXPECT_FALSE(contains(result, "an hour later")) << result.message();
}

TEST_F(GtestAdapter, AnExpectationInABlockingCallFailsItsRun) {
    const auto result = explored(expects_in_a_thread);
    EXPECT_FALSE(result);
    EXPECT_TRUE(contains(result, "in a thread of the simulation")) << result.message();
}

TEST_F(GtestAdapter, AnAssertionEndsAPlainBody) {
    const auto result = explored(asserts);
    EXPECT_FALSE(result);
    EXPECT_TRUE(contains(result, "nobody sends")) << result.message();
    EXPECT_FALSE(contains(result, "not reached")) << result.message();
}

TEST_F(GtestAdapter, AnExpectationThatFailsAfterTheMainTaskFailsThatRun) {
    const auto result = explored(expects_while_it_is_cancelled);
    EXPECT_FALSE(result);
    EXPECT_TRUE(contains(result, "while it ended")) << result.message();
    const variable that_run{"SLUICE_TEST_REPLAY", replay_in(result.message())};
    EXPECT_FALSE(explored(expects_while_it_is_cancelled));
}

TEST_F(GtestAdapter, ADeadlockIsToldWithItsTasks) {
    const auto result = explored(deadlock);
    EXPECT_FALSE(result);
    EXPECT_TRUE(contains(result, "waits for receive at ")) << result.message();
}

TEST_F(GtestAdapter, SeveralExpectationsOfOneRunAreAllTold) {
    const auto result = explored([]() -> task<void> {
        EXPECT_EQ(1, 2) << "first";
        EXPECT_EQ(1, 2) << "second";
        co_return;
    });
    EXPECT_TRUE(contains(result, "first")) << result.message();
    EXPECT_TRUE(contains(result, "second")) << result.message();
    EXPECT_FALSE(contains(result, "and in the same run")) << result.message();
}

TEST_F(GtestAdapter, AnExpectationWithALaterExceptionTellsBoth) {
    const auto result = explored([]() -> task<void> {
        EXPECT_EQ(1, 2) << "the expectation";
        throw std::runtime_error{"the exception"};
        co_return;
    });
    EXPECT_TRUE(contains(result, "the expectation")) << result.message();
}

void expects_in_a_thread_outside() {
    EXPECT_SIMULATED({.runs = 1}, [] { std::thread{[] { EXPECT_TRUE(false) << "outside"; }}.join(); });
}

TEST_F(GtestAdapter, AnExpectationOfAThreadOutsideIsToldAsItsOwn) {
    EXPECT_NONFATAL_FAILURE(expects_in_a_thread_outside(), "outside");
}

TEST_F(GtestAdapter, LinesOfTheRuntimeStillReachTheDiagnostics) {
    std::string told;
    sluice::testing::exploration_options options;
    options.runs = 1;
    options.diagnostics = [&](std::string_view text) { told += text; };
    EXPECT_SIMULATED(options, []() -> task<void> {
        const auto sleeps = [] { std::this_thread::sleep_for(2500ms); };  // real time is what this is about
        co_await sluice::blocking(sleeps);
    });
    EXPECT_NE(told.find("sleeps in the kernel"), std::string::npos) << told;
}

TEST(FailSimulation, DoesNothingOutsideOfOne) {
    EXPECT_FALSE(sluice::testing::fail_simulation(std::make_exception_ptr(std::runtime_error{"nobody hears it"})));
}

TEST(FailSimulation, TheFirstOneIsTheRunsError) {
    const auto run = sluice::testing::simulate({}, []() -> task<void> {
        EXPECT_TRUE(sluice::testing::fail_simulation(std::make_exception_ptr(std::runtime_error{"first"})));
        EXPECT_TRUE(sluice::testing::fail_simulation(std::make_exception_ptr(std::runtime_error{"second"})));
        co_await sluice::sleep_for(1h);
    });
    EXPECT_EQ(sluice::detail::what_of(run.error()), "first");
    EXPECT_EQ(run.elapsed(), 0s);
}

}  // namespace
