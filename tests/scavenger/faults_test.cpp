// SPDX-License-Identifier: BSL-1.0
// faults_test.cpp: does a run stay right when the store fails?
#include <array>
#include <limits>

#include "faulty_store.hpp"
#include "test_run.hpp"

namespace {

using namespace scavenger_test;
using scavenger::ending;
using scavenger::error_class;

constexpr auto endless = std::numeric_limits<unsigned>::max();

std::uint64_t mixed(std::uint64_t z) {
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/// Fails about one request in three, by the seed and the request's number alone.
faulty_store::script at_random(std::uint64_t seed, std::vector<error_class> kinds) {
    return [seed, kinds = std::move(kinds)](std::uint64_t number, request) -> std::optional<fault> {
        const auto random = mixed(seed * 1'000'003 + number);
        if (random % 3 != 0) return std::nullopt;
        return fault{kinds[random / 3 % kinds.size()]};
    };
}

class RandomFaults : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomFaults, TransientOnesAreRetriedUntilAllIsDone) {
    const auto rows = small_rows(150);
    const test_table table{rows};
    auto todo = small_plan();
    todo.retries.attempts = endless;
    outcome run;
    {
        scavenger::sqlite_store good{table.file(), "Workers"};
        faulty_store store{good, at_random(GetParam(), {error_class::throttled, error_class::internal})};
        run_flow(store, todo, run);
    }
    EXPECT_GT(run.numbers.retried, 0U);
    run.numbers.retried = 0;
    expect_consistent(rows, table.keys(), run);
    expect_complete(rows, table.keys(), run);
}

TEST_P(RandomFaults, AnswersLostAfterTheDeleteAreNotToldAsDeletes) {
    const auto rows = small_rows(150);
    const test_table table{rows};
    auto todo = small_plan();
    todo.retries.attempts = endless;
    outcome run;
    {
        scavenger::sqlite_store good{table.file(), "Workers"};
        const auto seed = GetParam();
        const auto script = [seed](std::uint64_t number, request) -> std::optional<fault> {
            if (mixed(seed + number) % 3 != 0) return std::nullopt;
            return fault{error_class::internal, true};
        };
        faulty_store store{good, script};
        run_flow(store, todo, run);
    }
    EXPECT_EQ(run.end.how, ending::complete);
    expect_consistent(rows, table.keys(), run);
    EXPECT_EQ(table.keys(), keys_that_stay(rows));
    EXPECT_EQ(run.numbers.deleted + run.numbers.skipped, keys_that(rows, fate::goes).size());
}

TEST_P(RandomFaults, ThoseOfSingleItemsAreReportedAndSpareTheOthers) {
    const auto rows = small_rows(150);
    const test_table table{rows};
    outcome run;
    {
        scavenger::sqlite_store good{table.file(), "Workers"};
        const auto anything =
            at_random(GetParam(), {error_class::condition_failed, error_class::item_collection_too_large,
                                   error_class::transaction_conflict});
        const auto script = [&](std::uint64_t number, request what) {
            return what == request::remove ? anything(number, what) : std::nullopt;
        };
        faulty_store store{good, script};
        run_flow(store, small_plan(), run);
    }
    EXPECT_EQ(run.end.how, ending::complete);
    EXPECT_GT(run.numbers.skipped, 0U);
    EXPECT_GT(run.numbers.failed, 0U);
    EXPECT_EQ(run.numbers.retried, 0U);
    EXPECT_EQ(run.numbers.deleted + run.numbers.skipped + run.numbers.failed, keys_that(rows, fate::goes).size());
    EXPECT_EQ(table.keys().size() + run.numbers.deleted, rows.size());
    expect_consistent(rows, table.keys(), run);
    expect_rerun_completes(rows, table);
}

TEST_P(RandomFaults, OfAnyClassLeaveTheTableAndTheNumbersRight) {
    const auto rows = small_rows(150);
    const test_table table{rows};
    auto todo = small_plan();
    todo.retries.attempts = 3;
    outcome run;
    {
        scavenger::sqlite_store good{table.file(), "Workers"};
        // One fatal fault somewhere, and all others all the time.
        const auto others =
            at_random(GetParam(), {error_class::throttled, error_class::internal, error_class::condition_failed,
                                   error_class::item_collection_too_large, error_class::transaction_conflict});
        const auto when = 1 + mixed(GetParam()) % 100;
        const auto script = [&](std::uint64_t number, request what) {
            return number == when ? std::optional{fault{error_class::table_not_found}} : others(number, what);
        };
        faulty_store store{good, script};
        run_flow(store, todo, run);
    }
    expect_consistent(rows, table.keys(), run);
    EXPECT_EQ(table.keys().size() + run.numbers.deleted, rows.size());
    expect_rerun_completes(rows, table);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomFaults, testing::Range<std::uint64_t>(1, 21));

struct fault_case {
    const char* name;
    error_class kind;
    ending in_a_scan;    // how a run ends if all scans fail so
    ending in_a_delete;  // how a run ends if all deletes fail so
};

class EachClass : public testing::TestWithParam<fault_case> {};

TEST_P(EachClass, OfScansEndsTheRunAsDocumented) {
    const auto rows = small_rows(40);
    const test_table table{rows};
    outcome run;
    scavenger::sqlite_store good{table.file(), "Workers"};
    const auto kind = GetParam().kind;
    const auto script = [kind](std::uint64_t, request what) {
        return what == request::scan ? std::optional{fault{kind}} : std::nullopt;
    };
    faulty_store store{good, script};
    run_flow(store, small_plan(), run);
    EXPECT_EQ(run.end.how, GetParam().in_a_scan);
    EXPECT_NE(run.end.why, "");
    EXPECT_EQ(table.keys().size(), rows.size());
    expect_consistent(rows, table.keys(), run);
}

TEST_P(EachClass, OfDeletesEndsTheRunAsDocumented) {
    const auto rows = small_rows(40);
    const test_table table{rows};
    outcome run;
    scavenger::sqlite_store good{table.file(), "Workers"};
    const auto kind = GetParam().kind;
    const auto script = [kind](std::uint64_t, request what) {
        return what == request::remove ? std::optional{fault{kind}} : std::nullopt;
    };
    faulty_store store{good, script};
    run_flow(store, small_plan(), run);
    EXPECT_EQ(run.end.how, GetParam().in_a_delete);
    EXPECT_EQ(table.keys().size(), rows.size());
    EXPECT_EQ(run.numbers.deleted, 0U);
    expect_consistent(rows, table.keys(), run);
}

INSTANTIATE_TEST_SUITE_P(
    Errors, EachClass,
    testing::Values(fault_case{"throttled", error_class::throttled, ending::failed, ending::complete},
                    fault_case{"internal", error_class::internal, ending::failed, ending::complete},
                    fault_case{"table_not_found", error_class::table_not_found, ending::failed, ending::failed},
                    fault_case{"rejected", error_class::rejected, ending::failed, ending::failed},
                    fault_case{"condition_failed", error_class::condition_failed, ending::failed, ending::complete},
                    fault_case{"item_collection_too_large", error_class::item_collection_too_large, ending::failed,
                               ending::complete},
                    fault_case{"transaction_conflict", error_class::transaction_conflict, ending::failed,
                               ending::complete}),
    [](const auto& each) { return std::string{each.param.name}; });

TEST(Backoff, DoublesUpToTheLongestAndIsSpreadOverItsUpperHalf) {
    using namespace std::chrono_literals;
    scavenger::retry_policy policy;
    policy.first = 100ms;
    policy.longest = 1s;
    const std::array<std::chrono::nanoseconds, 6> whole{100ms, 200ms, 400ms, 800ms, 1s, 1s};
    for (unsigned failures = 1; failures <= whole.size(); ++failures)
        for (std::uint64_t random = 0; random < 1000; ++random) {
            const auto pause = scavenger::backoff(policy, failures, mixed(random));
            EXPECT_GE(pause, whole[failures - 1] / 2);
            EXPECT_LE(pause, whole[failures - 1]);
        }
    EXPECT_EQ(scavenger::backoff(policy, endless, 0), 500ms) << "no overflow";
}

}  // namespace
