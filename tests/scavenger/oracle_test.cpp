// SPDX-License-Identifier: BSL-1.0
// oracle_test.cpp: does a run delete exactly what it should, however the work is divided?
#include <tuple>

#include "test_run.hpp"

namespace {

using namespace scavenger_test;

class Divided : public testing::TestWithParam<std::tuple<std::size_t, std::size_t, std::size_t>> {};

TEST_P(Divided, DeletesExactlyWhatTheOracleSays) {
    static const auto rows = small_rows(600);
    static test_table table{rows};
    table.restore();
    auto todo = small_plan();
    std::tie(todo.total_segments, todo.max_deletes, todo.page_size) = GetParam();
    scavenger::sqlite_store store{table.file(), "Workers"};

    outcome first;
    run_flow(store, todo, first);
    expect_consistent(rows, table.keys(), first);
    expect_complete(rows, table.keys(), first);

    outcome second;
    run_flow(store, todo, second);
    EXPECT_EQ(second.end.how, scavenger::ending::complete);
    EXPECT_EQ(second.numbers.deleted, 0U);
    EXPECT_EQ(second.numbers.scanned, keys_that_stay(rows).size());
    EXPECT_EQ(table.keys(), keys_that_stay(rows));
}

INSTANTIATE_TEST_SUITE_P(SegmentsDeletersAndPages, Divided,
                         testing::Combine(testing::Values(1, 3, 10, 50), testing::Values(1, 10, 100),
                                          testing::Values(1, 7, 1000)),
                         [](const auto& each) {
                             return std::to_string(std::get<0>(each.param)) + "_segments_" +
                                    std::to_string(std::get<1>(each.param)) + "_deleters_pages_of_" +
                                    std::to_string(std::get<2>(each.param));
                         });

class Sized : public testing::TestWithParam<std::size_t> {};

TEST_P(Sized, TablesOfFewRowsAreScavengedInManySegments) {
    const auto rows = small_rows(GetParam());
    const test_table table{rows};
    auto todo = small_plan();
    todo.total_segments = 10;
    todo.page_size = 1;
    scavenger::sqlite_store store{table.file(), "Workers"};
    outcome run;
    run_flow(store, todo, run);
    expect_complete(rows, table.keys(), run);
}

INSTANTIATE_TEST_SUITE_P(Rows, Sized, testing::Values(0, 1, 2, 3, 9, 10, 11, 19, 20, 21));

TEST(Flow, ADryRunDeletesNothingAndSaysWhatItWould) {
    const auto rows = small_rows(200);
    const test_table table{rows};
    auto todo = small_plan();
    todo.dry_run = true;
    scavenger::sqlite_store store{table.file(), "Workers"};
    outcome run;
    run_flow(store, todo, run);
    EXPECT_EQ(run.end.how, scavenger::ending::complete);
    EXPECT_EQ(run.numbers.would_delete, keys_that(rows, fate::goes).size());
    EXPECT_EQ(run.numbers.deleted, 0U);
    EXPECT_EQ(table.keys().size(), rows.size());
}

TEST(Flow, TheAgeIsASetting) {
    const auto rows = small_rows(200);
    const test_table table{rows};
    auto todo = small_plan();
    todo.age_hours = 24 * 365;
    scavenger::sqlite_store store{table.file(), "Workers"};
    outcome run;
    run_flow(store, todo, run);
    std::size_t older = 0;
    for (const auto& each : rows) older += each.meets == fate::goes && each.start_sql.starts_with("'2024") ? 1U : 0U;
    EXPECT_GT(older, 0U);
    EXPECT_EQ(run.numbers.deleted, older);
    expect_consistent(rows, table.keys(), run);
}

TEST(Flow, AStrictRunFailsBeforeAnythingOfTheMalformedItemsPageIsDeleted) {
    const auto rows = small_rows(200);
    const test_table table{rows};
    auto todo = small_plan();
    todo.strict = true;
    todo.total_segments = 1;
    todo.page_size = 1000;  // one page holds everything
    scavenger::sqlite_store store{table.file(), "Workers"};
    outcome run;
    run_flow(store, todo, run);
    EXPECT_EQ(run.end.how, scavenger::ending::failed);
    EXPECT_NE(run.end.why.find("malformed"), std::string::npos) << run.end.why;
    EXPECT_EQ(run.numbers.deleted, 0U);
    EXPECT_EQ(table.keys().size(), rows.size());
}

TEST(Flow, AStrictRunFailsWithAnySizeOfPage) {
    const auto rows = small_rows(200);
    test_table table{rows};
    for (const std::size_t page_size : {1U, 3U, 7U, 50U}) {
        table.restore();
        auto todo = small_plan();
        todo.strict = true;
        todo.page_size = page_size;
        scavenger::sqlite_store store{table.file(), "Workers"};
        outcome run;
        run_flow(store, todo, run);
        EXPECT_EQ(run.end.how, scavenger::ending::failed);
        expect_consistent(rows, table.keys(), run);
    }
}

}  // namespace
