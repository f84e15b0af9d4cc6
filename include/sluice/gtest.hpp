// SPDX-License-Identifier: BSL-1.0
// gtest.hpp: how is a test of GoogleTest explored?
//
// An adapter: no other header includes it, and it needs GoogleTest 1.10 or newer. What it does, a program can do for any
// other framework: fail_simulation for checks that do not throw, and the texts of an exploration.
//
// The environment says how long and what, so that CI may run long and a developer short:
//     SLUICE_TEST_RUNS=20000         so many runs for each exploration, instead of what the code says (1000)
//     SLUICE_TEST_SEED=42            the first seed, instead of what the code says (1); or `random`, another each time
//     SLUICE_TEST_REPLAY=random:17   this run alone, as a failure has told it; choose its test with --gtest_filter
#pragma once

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "testing.hpp"

/// Explores a program, `EXPECT_SIMULATED(program)` or `EXPECT_SIMULATED({.runs = 50, .preemptions = 2}, program)`, and
/// fails at this line if a run fails: with what went wrong, what replays it, and its steps.
///
/// A run fails as for `sluice::testing::explore`, and if an EXPECT_ or ASSERT_ fails in it, in whichever of its tasks.
/// Such a run goes on to its next step and is cancelled there. ASSERT_ returns, so a coroutine cannot use it: it throws,
/// or takes the `value()` of what it received. Expectations that hold in a run leave nothing in the report of the test;
/// those of threads outside of the simulation are told when the exploration has ended.
/// More may be streamed into it: `EXPECT_SIMULATED(program) << "with a cache of " << size`.
/// Thread safety: one exploration at a time, others wait. Precondition: not in a simulation or task.
#define EXPECT_SIMULATED(...) EXPECT_PRED_FORMAT1(::sluice::detail::as_it_is, ::sluice::testing::explored(__VA_ARGS__))

/// The same, and returns from the function if a run fails.
#define ASSERT_SIMULATED(...) ASSERT_PRED_FORMAT1(::sluice::detail::as_it_is, ::sluice::testing::explored(__VA_ARGS__))

/// A test whose body is a coroutine, a `task<void>`, and is explored.
///
/// It is called anew for each run and makes all it uses. One that awaits nothing ends with `co_return`. Options come
/// behind the name.
///
///     SIMULATED_TEST(Cache, LoadsEachKeyOnce) { ... co_await ... }
///     SIMULATED_TEST(Cache, SurvivesItsLoader, {.runs = 5000, .chaos = {.fail = 0.01}}) { ... co_await ... }
#define SIMULATED_TEST(suite, name, ...)                                                                               \
    SLUICE_SIMULATED_TEST_(::sluice::task<void>, suite, name __VA_OPT__(, ) __VA_ARGS__)

/// The same for a plain body, a function that waits by the blocking forms. It may use ASSERT_.
#define SIMULATED_BLOCKING_TEST(suite, name, ...) SLUICE_SIMULATED_TEST_(void, suite, name __VA_OPT__(, ) __VA_ARGS__)

#define SLUICE_SIMULATED_TEST_(returns, suite, name, ...)                                                              \
    struct suite##_##name##_simulated {                                                                                \
        static returns body();                                                                                         \
    };                                                                                                                 \
    TEST(suite, name) { EXPECT_SIMULATED(__VA_ARGS__ __VA_OPT__(, ) suite##_##name##_simulated::body); }               \
    returns suite##_##name##_simulated::body()

namespace sluice::testing {

/// What a run ends with in which an expectation of GoogleTest failed.
class expectation_failed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace sluice::testing

namespace sluice::detail {

/// What expectations report while programs are explored: of a simulation it fails the run, anything else is kept.
class caught_expectations {
public:
    caught_expectations() = default;
    caught_expectations(const caught_expectations&) = delete;
    caught_expectations& operator=(const caught_expectations&) = delete;

    // GoogleTest holds its lock here, so nothing may be done that could run a user's code.
    void take(const ::testing::TestPartResult& result) {
        const std::scoped_lock guard{mutex_};
        if (this_thread_state().simulation && !result.skipped()) {
            if (result.failed()) fail_run(result);
        } else if (!result.skipped() || !std::exchange(skipped_, true)) {
            others_.push_back(result);
        }
    }
    /// All that failed in a simulation, as GoogleTest writes it.
    std::string failures() const {
        const std::scoped_lock guard{mutex_};
        return failures_;
    }
    /// To whom it would have been told otherwise. Precondition: nothing is caught any more.
    void tell_others() const {
        for (const auto& r : others_)
            GTEST_MESSAGE_AT_(r.file_name() ? r.file_name() : "", r.line_number(), r.message(), r.type());
    }

private:
    void fail_run(const ::testing::TestPartResult& result) {
        std::ostringstream text;
        text << result;
        failures_ += text.str();
        testing::fail_simulation(std::make_exception_ptr(testing::expectation_failed{text.str()}));
    }

    mutable std::mutex mutex_;  // threads outside of the simulation report, too
    std::string failures_;
    std::vector<::testing::TestPartResult> others_;
    bool skipped_ = false;  // every run may say so
};

/// Catches them while it lives. GoogleTest asks the reporter of the thread first and then the one of all threads.
class expectation_catcher {
public:
    explicit expectation_catcher(caught_expectations& to)
        : of_all_{reporter::INTERCEPT_ALL_THREADS, to, unused_},
          of_this_thread_{reporter::INTERCEPT_ONLY_CURRENT_THREAD, to, unused_} {}

private:
    class reporter final : public ::testing::ScopedFakeTestPartResultReporter {
    public:
        reporter(InterceptMode mode, caught_expectations& to, ::testing::TestPartResultArray& unused)
            : ScopedFakeTestPartResultReporter{mode, &unused}, to_{to} {}
        void ReportTestPartResult(const ::testing::TestPartResult& result) override { to_.take(result); }

    private:
        caught_expectations& to_;
    };

    ::testing::TestPartResultArray unused_;
    reporter of_all_;
    reporter of_this_thread_;
};

/// What the environment says about explorations.
struct test_environment {
    std::optional<std::uint64_t> runs;
    std::optional<std::uint64_t> seed;
    std::string replay;

    /// Throws: `std::invalid_argument` for what is no number.
    static test_environment now() {
        test_environment here;
        here.runs = number("SLUICE_TEST_RUNS");
        if (text("SLUICE_TEST_SEED") == "random") here.seed = another_seed();
        else here.seed = number("SLUICE_TEST_SEED");
        here.replay = text("SLUICE_TEST_REPLAY");
        return here;
    }

private:
    /// Of some devices the next number has been seen to be the same: a count makes it another.
    static std::uint32_t another_seed() {
        static std::atomic<std::uint32_t> count{0};
        // relaxed: a number, no more.
        return std::random_device{}() + 0x9e3779b9u * count.fetch_add(1, std::memory_order_relaxed);
    }
    static std::string text(const char* name) {
        const char* const value = std::getenv(name);
        return value ? value : "";
    }
    static std::optional<std::uint64_t> number(const char* name) {
        const std::string all = text(name);
        if (all.empty()) return {};
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), value);
        if (error != std::errc{} || end != all.data() + all.size())
            throw std::invalid_argument{std::string{"sluice: "} + name + "=" + all + " is no number"};
        return value;
    }
};

inline ::testing::AssertionResult as_it_is(const char*, const ::testing::AssertionResult& result) { return result; }

/// What a run has ended with, and the expectations that failed in it.
inline std::string what_failed(const std::exception_ptr& error, const caught_expectations& caught) {
    const std::string what = what_of(error);
    const std::string failures = caught.failures();
    if (failures.empty()) return what + "\n";
    return failures.starts_with(what) ? failures : what + "\nand in the same run:\n" + failures;
}

/// The text of the failure; empty: none.
template <class F>
std::string failure_of_exploration(testing::exploration_options options, F& f, place at, caught_expectations& caught) {
    options.diagnostics = [given = std::move(options.diagnostics)](std::string_view text) {
        // What an exploration says at its end is told by GoogleTest.
        if (text.find("\n  again: simulate(") == text.npos) runtime_core::say(given, text);
    };
    const auto all = [&] {
        const expectation_catcher catches{caught};
        return testing::explore(options, f, at);
    }();
    if (!all.failed()) return {};
    std::string text = "Run " + std::to_string(all.runs()) + " of " + std::to_string(options.runs) +
                       " failed: " + what_failed(all.error(), caught) + "again: SLUICE_TEST_REPLAY=" + all.replay();
    if (const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info())
        text += std::string{" --gtest_filter="} + test->test_suite_name() + "." + test->name();
    return text + ", or simulate({.replay = \"" + all.replay() + "\"}, ...)\nits steps:\n" + all.trace();
}

template <class F>
std::string failure_of_replay(const std::string& replay, const testing::exploration_options& options, F& f, place at,
                              caught_expectations& caught) {
    testing::simulation_options again;
    again.replay = replay;
    again.chaos = options.chaos;
    again.max_steps = options.max_steps;
    again.diagnostics = options.diagnostics;
    const auto one = [&] {
        const expectation_catcher catches{caught};
        return testing::simulate(again, std::ref(f), at);
    }();
    if (one.failed())
        return "The replay " + replay + " failed: " + what_failed(one.error(), caught) + "its steps:\n" + one.trace();
    runtime_core::say(again.diagnostics, "sluice: the replay " + replay + " did not fail\n");
    return {};
}

}  // namespace sluice::detail

namespace sluice::testing {

/// Explores `f` as `EXPECT_SIMULATED` does, and gives what came of it as GoogleTest's own type.
template <class F>
    requires sluice::detail::startable<F>
auto explored(exploration_options options, F&& f, sluice::detail::place at = sluice::detail::place::current())
    -> ::testing::AssertionResult {
    const auto& me = sluice::detail::this_thread_state();
    SLUICE_EXPECT_AT(!me.task && !me.simulation, "a simulation is started by a plain thread, not in a task", at);
    static std::mutex one_at_a_time;
    const std::scoped_lock guard{one_at_a_time};
    sluice::detail::caught_expectations caught;
    std::string failure;
    try {
        const auto wanted = sluice::detail::test_environment::now();
        if (wanted.runs) options.runs = *wanted.runs;
        if (wanted.seed) options.seed = *wanted.seed;
        failure = wanted.replay.empty() ? sluice::detail::failure_of_exploration(std::move(options), f, at, caught)
                                        : sluice::detail::failure_of_replay(wanted.replay, options, f, at, caught);
    } catch (const std::invalid_argument& e) {
        failure = e.what();
    }
    caught.tell_others();
    return failure.empty() ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << failure;
}
template <class F>
    requires sluice::detail::startable<F>
auto explored(F&& f, sluice::detail::place at = sluice::detail::place::current()) -> ::testing::AssertionResult {
    return explored(exploration_options{}, std::forward<F>(f), at);
}

}  // namespace sluice::testing
