// SPDX-License-Identifier: BSL-1.0
// checkpointer_test.cpp: does the log stay short however much is written?
#include "checkpointer.hpp"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "test_table.hpp"

namespace {

using namespace scavenger;

TEST(Checkpointer, TheLogBeginsAnewAgainAndAgain) {
    const scavenger_test::test_folder folder;
    const auto file = folder.file("w.db");
    database db{file, open_mode::create, 512};
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO t VALUES (1, '')");
    {
        checkpointer checkpoints{file, db};
        statement update{db, "UPDATE t SET text = ?1"};
        int longest = 0;
        int begun_anew = 0;
        int before = 0;
        for (int i = 0; i < 20'000; ++i) {
            const auto text = std::to_string(i);
            update.bind(1, text);
            update.run();
            checkpoints.committed();
            const int length = db.log_length();
            begun_anew += length < before ? 1 : 0;
            longest = std::max(longest, length);
            before = length;
        }
        EXPECT_GE(begun_anew, 1);
        EXPECT_LT(longest, 12'000);
    }
    statement last{db, "SELECT text FROM t"};
    ASSERT_TRUE(last.step());
    EXPECT_EQ(last.text(0), "19999");
}

TEST(Checkpointer, AReaderThatStaysHoldsBackTheLogButNotTheWriter) {
    const scavenger_test::test_folder folder;
    const auto file = folder.file("w.db");
    database db{file, open_mode::create, 512};
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO t VALUES (1, 'first')");
    database other{file, open_mode::must_exist, 512};
    statement reading{other, "SELECT text FROM t"};
    ASSERT_TRUE(reading.step());
    checkpointer checkpoints{file, db};
    statement update{db, "UPDATE t SET text = random()"};
    for (int i = 0; i < 10'000; ++i) {
        update.run();
        checkpoints.committed();
    }
    EXPECT_EQ(reading.text(0), "first");
    EXPECT_GE(db.log_length(), 10'000);
}

}  // namespace
