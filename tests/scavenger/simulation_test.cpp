// SPDX-License-Identifier: BSL-1.0
// simulation_test.cpp: is a run right on every schedule, and how long does a simulated one take?
//
// The flow of the other tests, on a store in memory whose latency is virtual.
#include <cinttypes>
#include <cstdio>

#include <sluice/gtest.hpp>

#include "faulty_store.hpp"
#include "generate.hpp"
#include "latency_store.hpp"
#include "memory_store.hpp"
#include "test_run.hpp"

namespace {

using namespace scavenger_test;
using namespace std::chrono_literals;
using scavenger::ending;
using scavenger::error_class;
using sluice::testing::chaos;
using sluice::testing::distribution;

// ---- one large run -------------------------------------------------------------------------------------------------

constexpr std::uint64_t many = 130'000;
constexpr std::uint64_t to_keep = 3'300;

std::vector<memory_store::entry> generated() {
    scavenger::record_source records{many, to_keep, 1, *scavenger::parse_rfc3339(now_text)};
    std::vector<memory_store::entry> entries;
    entries.reserve(many);
    for (scavenger::record made; records.next(made);)
        entries.push_back({{made.id, made.start_execution_time},
                           made.done == scavenger::completed::number_1 || made.done == scavenger::completed::text_1});
    return entries;
}

/// One request of so many cannot be served, drawn from the seed.
faulty_store::script one_fault_in(std::size_t requests, std::uint64_t seed) {
    return
        [requests, random = sluice::detail::random_bits{seed}](std::uint64_t, request) mutable -> std::optional<fault> {
            if (random.below(requests) != 0) return std::nullopt;
            return fault{random.below(2) == 0 ? error_class::throttled : error_class::internal};
        };
}

TEST(SimulatedScavenger, DeletesAHundredThousandItemsInNoTime) {
    memory_store table{generated(), 5ms};
    scavenger::plan todo;
    todo.now = *scavenger::parse_rfc3339(now_text);
    outcome result;
    const auto began = std::chrono::steady_clock::now();
    const auto run = sluice::testing::simulate({.seed = 1, .trace_steps = 0}, [&]() -> sluice::task<> {
        scavenger::tally numbers;
        faulty_store store{table, one_fault_in(100, 1)};
        result.end = co_await scavenger::scavenge(store, todo, numbers, result.told, sluice::context::background());
        result.numbers = numbers.now();
    });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    ASSERT_FALSE(run.failed()) << sluice::detail::what_of(run.error());

    std::printf(
        "%" PRIu64 " items, %zu deleters: %" PRIu64 " steps in %.2f s (%.1f million a second), %.2f s virtual\n", many,
        todo.max_deletes, run.steps(), took.count(), static_cast<double>(run.steps()) / took.count() / 1e6,
        std::chrono::duration<double>{run.elapsed()}.count());
    const auto kept = scavenger::mix_of(to_keep);
    EXPECT_EQ(result.end.how, ending::complete) << result.end.why;
    EXPECT_EQ(result.numbers.scanned, many);
    EXPECT_EQ(result.numbers.deleted, many - to_keep);
    EXPECT_EQ(result.told.deleted_keys.size(), many - to_keep);
    EXPECT_EQ(result.numbers.malformed, kept.malformed);
    EXPECT_EQ(result.numbers.too_young, kept.too_young);
    EXPECT_EQ(table.keys().size(), to_keep);
    EXPECT_GT(result.numbers.retried, 1000U);
    EXPECT_FALSE(result.told.told_twice);
    EXPECT_GT(run.elapsed(), 6s);  // 126,700 deletes of 5 ms by 100 deleters
    EXPECT_LT(run.elapsed(), 10s);
#if defined(NDEBUG)
    EXPECT_LT(took, 3s);
#endif
}

// ---- many small runs -----------------------------------------------------------------------------------------------

/// What a run has done to `table`, by an oracle that knows what the rows were made for.
void check(const std::vector<row>& rows, const memory_store& table, const outcome& run) {
    const auto left = table.keys();
    const auto& told = run.told;
    for (const auto& id : keys_that_stay(rows))
        EXPECT_TRUE(left.count(id)) << id.first << " " << id.second << " should stay";
    for (const auto& id : told.deleted_keys)
        EXPECT_FALSE(left.count(id)) << id.first << " " << id.second << " is still there";
    EXPECT_FALSE(told.told_twice);
    EXPECT_EQ(run.numbers.in_flight, 0U);
    if (run.end.how != ending::complete) return;
    for (const auto& id : keys_that(rows, fate::goes))
        EXPECT_EQ(told.deleted_keys.count(id) + told.skipped_keys.count(id) + told.failed_keys.count(id), 1U)
            << id.first << " " << id.second << " has met no fate or two";
}

/// How the runs of a test have ended; for its output.
struct endings {
    int complete = 0, stopped = 0, failed = 0;

    void note(ending how) { ++(how == ending::complete ? complete : how == ending::stopped ? stopped : failed); }
    ~endings() { std::printf("%d complete, %d stopped, %d failed\n", complete, stopped, failed); }
};

scavenger::plan simulated_plan() {
    auto todo = small_plan();
    todo.retries.first = 10ms;
    todo.retries.longest = 1s;
    return todo;
}

/// Scavenges a small table and checks what came of it.
sluice::task<> scavenge_and_check(endings& how) {
    static const auto rows = small_rows(300);
    memory_store table{entries_of(rows), 5ms};
    const auto todo = simulated_plan();
    scavenger::tally numbers;
    outcome run;
    run.end = co_await scavenger::scavenge(table, todo, numbers, run.told, sluice::context::background());
    run.numbers = numbers.now();
    check(rows, table, run);
    how.note(run.end.how);
}

TEST(SimulatedScavenger, IsRightOnEverySchedule) {
    endings how;
    EXPECT_SIMULATED({.runs = 50}, [&] { return scavenge_and_check(how); });
}

TEST(SimulatedScavenger, IsRightHoweverSlowTheStoreIs) {
    endings how;
    const chaos slow{.delay = distribution::exponential(20ms).with_probability(0.1)};
    EXPECT_SIMULATED({.runs = 50, .chaos = slow}, [&] { return scavenge_and_check(how); });
}

TEST(SimulatedScavenger, IsRightWhenWaitsFail) {
    endings how;
    EXPECT_SIMULATED({.runs = 50, .chaos = {.fail = 0.002}}, [&] { return scavenge_and_check(how); });
}

TEST(SimulatedScavenger, IsRightWhenTasksAreCancelled) {
    endings how;
    EXPECT_SIMULATED({.runs = 50, .chaos = {.cancel = 0.002}}, [&] { return scavenge_and_check(how); });
}

TEST(SimulatedScavenger, IsRightWhenAllGoesWrong) {
    endings how;
    const chaos all{.cancel = 0.001, .delay = distribution::uniform(0ms, 10ms).with_probability(0.2), .fail = 0.001};
    EXPECT_SIMULATED({.runs = 50, .chaos = all}, [&] { return scavenge_and_check(how); });
}

TEST(SimulatedScavenger, IsRightWhenItIsStoppedAtAnyMoment) {
    endings how;
    EXPECT_SIMULATED({.runs = 20}, [&]() -> sluice::task<> {
        static const auto rows = small_rows(60);
        for (auto after = 0ms; after < 60ms; after += 1ms) {
            memory_store table{entries_of(rows), 5ms};
            const auto todo = simulated_plan();
            scavenger::tally numbers;
            outcome run;
            const auto limit = sluice::with_timeout(sluice::context::background(), after);
            run.end = co_await scavenger::scavenge(table, todo, numbers, run.told, limit.get());
            run.numbers = numbers.now();
            check(rows, table, run);
            how.note(run.end.how);
        }
    });
}

TEST(SimulatedScavenger, IsRightWhenAnswersAreLostOnEverySchedule) {
    endings how;
    EXPECT_SIMULATED({.runs = 50}, [&]() -> sluice::task<> {
        static const auto rows = small_rows(100);
        memory_store table{entries_of(rows), 5ms};
        faulty_store store{table, [](std::uint64_t number, request) -> std::optional<fault> {
                               if (number % 3 != 0) return std::nullopt;
                               return fault{error_class::internal, true};
                           }};
        const auto todo = simulated_plan();
        scavenger::tally numbers;
        outcome run;
        run.end = co_await scavenger::scavenge(store, todo, numbers, run.told, sluice::context::background());
        run.numbers = numbers.now();
        check(rows, table, run);
        EXPECT_EQ(run.end.how, ending::complete);
        EXPECT_EQ(table.keys(), keys_that_stay(rows));
        EXPECT_GT(run.numbers.skipped, 0U);
        how.note(run.end.how);
    });
}

TEST(SimulatedScavenger, DoesTheSameAgainForTheSameSeed) {
    const auto program = []() -> sluice::task<> {
        memory_store table{entries_of(small_rows(100)), 5ms};
        faulty_store store{table, one_fault_in(10, 7)};
        const auto todo = simulated_plan();
        scavenger::tally numbers;
        scavenger::observer nobody;
        static_cast<void>(co_await scavenger::scavenge(store, todo, numbers, nobody, sluice::context::background()));
        EXPECT_GT(numbers.retried, 0U);  // pauses are random
    };
    for (std::uint64_t seed = 1; seed <= 10; ++seed)
        EXPECT_EQ(sluice::testing::simulate({.seed = seed}, program).trace(),
                  sluice::testing::simulate({.seed = seed}, program).trace());
}

}  // namespace
