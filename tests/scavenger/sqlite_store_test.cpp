// SPDX-License-Identifier: BSL-1.0
// sqlite_store_test.cpp: does SQLite answer scans and deletes as the interface promises?
#include "sqlite_store.hpp"

#include <vector>

#include "test_run.hpp"

namespace {

using namespace scavenger_test;
using scavenger::error_class;
using scavenger::item;
using scavenger::key;
using scavenger::page;
using scavenger::sqlite_store;
using scavenger::store_error;

page scan(scavenger::store& store, std::size_t segment, std::size_t total, const std::optional<key>& from,
          std::size_t limit) {
    return sluice::run(&scavenger::store::scan, &store, segment, total, from, limit);
}

/// Nothing if the delete succeeded, else the class of its error.
std::optional<error_class> remove(scavenger::store& store, const item& target) {
    try {
        sluice::run(&scavenger::store::remove, &store, target);
        return std::nullopt;
    } catch (const store_error& error) {
        return error.kind();
    }
}

std::vector<item> all_items(scavenger::store& store, std::size_t total, std::size_t limit) {
    std::vector<item> found;
    for (std::size_t segment = 0; segment < total; ++segment) {
        std::optional<key> from;
        do {
            page next = scan(store, segment, total, from, limit);
            EXPECT_LE(next.examined, limit);
            EXPECT_LE(next.items.size(), next.examined);
            found.insert(found.end(), next.items.begin(), next.items.end());
            from = next.last_key;
        } while (from);
    }
    return found;
}

TEST(SqliteStore, PagesOfAllSegmentsHoldEachCompletedItemOnceInOrder) {
    const auto rows = small_rows(100);
    const test_table table{rows};
    sqlite_store store{table.file(), "Workers"};
    std::size_t completed = rows.size() - keys_that(rows, fate::not_completed).size();
    for (const std::size_t total : {1U, 2U, 7U, 100U, 150U})
        for (const std::size_t limit : {1U, 2U, 99U, 100U, 101U}) {
            const auto found = all_items(store, total, limit);
            EXPECT_EQ(found.size(), completed) << total << " segments, pages of " << limit;
            EXPECT_TRUE(
                std::is_sorted(found.begin(), found.end(), [](const item& a, const item& b) { return a.id < b.id; }));
        }
}

TEST(SqliteStore, SegmentsAreOfEqualSizeWhateverTheKeys) {
    const test_table table{small_rows(100)};
    sqlite_store store{table.file(), "Workers"};
    for (std::size_t segment = 0; segment < 4; ++segment)
        EXPECT_EQ(scan(store, segment, 4, std::nullopt, 1000).examined, 25U);
}

TEST(SqliteStore, APageSaysWhereTheNextBegins) {
    const test_table table{small_rows(10)};
    sqlite_store store{table.file(), "Workers"};
    const auto first = scan(store, 0, 1, std::nullopt, 6);
    ASSERT_TRUE(first.last_key.has_value());
    EXPECT_EQ(first.examined, 6U);
    const auto second = scan(store, 0, 1, first.last_key, 6);
    EXPECT_EQ(second.examined, 4U);
    EXPECT_FALSE(second.last_key.has_value());
}

TEST(SqliteStore, CompletedMatchesTheNumberAndTheString) {
    for (const char* type :
         {"Completed", "Completed INTEGER", "Completed TEXT", "Completed NUMERIC", "Completed BLOB"}) {
        std::vector<row> rows;
        for (const char* value : {"1", "'1'", "0", "'0'", "NULL", "2", "'true'", "''", "' 1'", "-1"}) {
            row made;
            made.id = {1, std::to_string(rows.size())};
            made.start_sql = "'x'";
            made.completed_sql = value;
            rows.push_back(made);
        }
        const test_table table{
            rows, std::string{"WorkerId INTEGER NOT NULL, StartTime TEXT NOT NULL, StartExecutionTime TEXT, "
                              "EndTime TEXT, PaginationToken TEXT, "} +
                      type};
        sqlite_store store{table.file(), "Workers"};
        key_set found;
        for (const auto& each : all_items(store, 1, 1000)) found.emplace(each.id.worker_id, each.id.start_time);
        const key_set expected = std::string{type}.ends_with("INTEGER") || std::string{type}.ends_with("NUMERIC")
                                     ? key_set{{1, "0"}, {1, "1"}, {1, "8"}}
                                     // such a column turns ' 1' into the number 1
                                     : key_set{{1, "0"}, {1, "1"}};
        EXPECT_EQ(found, expected) << type;
    }
}

TEST(SqliteStore, WorksOnATableWithRowids) {
    const auto rows = small_rows(100);
    const test_table table{
        rows,
        "WorkerId INTEGER, StartTime TEXT, StartExecutionTime TEXT, EndTime TEXT, PaginationToken TEXT, Completed", ""};
    sqlite_store store{table.file(), "Workers"};
    outcome run;
    run_flow(store, small_plan(), run);
    expect_complete(rows, table.keys(), run);
}

TEST(SqliteStore, RemovesAnItemForGood) {
    const auto rows = small_rows(20);
    const test_table table{rows};
    item target;
    {
        sqlite_store store{table.file(), "Workers"};
        target = scan(store, 0, 1, std::nullopt, 1000).items.at(3);
        EXPECT_EQ(remove(store, target), std::nullopt);
        EXPECT_EQ(table.keys().count({target.id.worker_id, target.id.start_time}), 0U) << "committed before the answer";
        EXPECT_EQ(remove(store, target), error_class::condition_failed) << "it is gone";
    }
    EXPECT_EQ(table.keys().size(), rows.size() - 1);
}

TEST(SqliteStore, DoesNotRemoveAnItemThatChanged) {
    const auto rows = small_rows(20);
    const test_table table{rows};
    sqlite_store store{table.file(), "Workers"};
    const auto items = scan(store, 0, 1, std::nullopt, 1000).items;
    table.execute("UPDATE Workers SET Completed = 0");
    EXPECT_EQ(remove(store, items.at(0)), error_class::condition_failed);
    table.execute("UPDATE Workers SET Completed = 1, StartExecutionTime = '2026-11-20T11:59:59Z'");
    EXPECT_EQ(remove(store, items.at(0)), error_class::condition_failed);
    EXPECT_EQ(table.keys().size(), rows.size());
}

TEST(SqliteStore, OneRefusedDeleteSparesTheOthersOfItsTransaction) {
    const auto rows = small_rows(100);
    const test_table table{rows};
    const auto victims = keys_that(rows, fate::goes);
    const auto protected_key = *std::next(victims.begin(), 5);
    table.execute("CREATE TRIGGER guard BEFORE DELETE ON Workers WHEN OLD.StartTime = '" + protected_key.second +
                  "' BEGIN SELECT RAISE(ABORT, 'protected'); END");
    sqlite_store store{table.file(), "Workers"};
    auto todo = small_plan();
    todo.max_deletes = 100;
    outcome run;
    run_flow(store, todo, run);
    EXPECT_EQ(run.told.failed_keys, key_set{protected_key});
    EXPECT_EQ(run.numbers.deleted, victims.size() - 1);
    expect_consistent(rows, table.keys(), run);
}

TEST(SqliteStore, ATransactionThatIsRolledBackDeletesNothingAndSaysSo) {
    const auto rows = small_rows(100);
    const test_table table{rows};
    table.execute(
        "CREATE TRIGGER guard BEFORE DELETE ON Workers WHEN OLD.WorkerId > 0 BEGIN SELECT RAISE(ROLLBACK, 'no'); END");
    outcome run;
    {
        sqlite_store store{table.file(), "Workers"};
        auto todo = small_plan();
        todo.max_deletes = 100;
        run_flow(store, todo, run);
    }
    EXPECT_GT(run.numbers.failed, 0U);
    EXPECT_EQ(table.keys().size() + run.numbers.deleted, rows.size());
    expect_consistent(rows, table.keys(), run);
}

TEST(SqliteStore, WaitsForAnotherWriter) {
    const auto rows = small_rows(40);
    const test_table table{rows};
    scavenger::database other{table.file(), scavenger::open_mode::must_exist, 512};
    other.execute("BEGIN IMMEDIATE");
    sqlite_store store{table.file(), "Workers"};
    std::thread unlock{[&] {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        other.execute("COMMIT");
    }};
    outcome run;
    run_flow(store, small_plan(), run);
    unlock.join();
    expect_complete(rows, table.keys(), run);
}

std::string opening_error(const std::string& file, const std::string& table, error_class expected) {
    try {
        const sqlite_store store{file, table};
    } catch (const store_error& error) {
        EXPECT_EQ(error.kind(), expected);
        return error.what();
    }
    return "";
}

TEST(SqliteStore, NamesTheTableAndTheFileIfThereIsNoSuchTable) {
    const test_table table{small_rows(3)};
    const auto message = opening_error(table.file(), "Wrokers", error_class::table_not_found);
    EXPECT_NE(message.find("Wrokers"), std::string::npos);
    EXPECT_NE(message.find(table.file()), std::string::npos);
}

TEST(SqliteStore, DoesNotMakeAFileThatIsMissing) {
    const test_folder folder;
    const auto message = opening_error(folder.file("none.db"), "Workers", error_class::rejected);
    EXPECT_NE(message.find("none.db"), std::string::npos) << message;
    EXPECT_FALSE(std::filesystem::exists(folder.file("none.db")));
}

TEST(SqliteStore, RefusesATableWithoutTheColumns) {
    const test_folder folder;
    {
        scavenger::database db{folder.file("w.db"), scavenger::open_mode::create, 512};
        db.execute("CREATE TABLE Workers (WorkerId INTEGER, StartTime TEXT, PRIMARY KEY (WorkerId, StartTime))");
    }
    EXPECT_NE(opening_error(folder.file("w.db"), "Workers", error_class::rejected), "");
}

TEST(SqliteStore, AcceptsAnyTableName) {
    const auto rows = small_rows(10);
    const test_table table{rows};
    table.execute(R"(ALTER TABLE Workers RENAME TO "a ""b"" -- 'c'; d")");
    sqlite_store store{table.file(), R"(a "b" -- 'c'; d)"};
    EXPECT_EQ(all_items(store, 3, 2).size(), rows.size() - keys_that(rows, fate::not_completed).size());
}

}  // namespace
