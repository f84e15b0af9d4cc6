// SPDX-License-Identifier: BSL-1.0
// generate_test.cpp: does a generated table hold what it was asked to hold?
#include "generate.hpp"

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "sqlite.hpp"
#include "test_table.hpp"

namespace {

using namespace scavenger;

const instant now = *parse_rfc3339(scavenger_test::now_text);

std::vector<record> made(std::uint64_t items, std::uint64_t keep, std::uint64_t seed) {
    record_source source{items, keep, seed, now};
    std::vector<record> all;
    for (record next; source.next(next);) all.push_back(next);
    return all;
}

bool is_completed(const record& row) { return row.done == completed::number_1 || row.done == completed::text_1; }

class Generated : public testing::TestWithParam<std::tuple<std::uint64_t, std::uint64_t>> {};

TEST_P(Generated, RecordsAreKeptForTheReasonsAskedFor) {
    const auto [items, keep] = GetParam();
    kept_mix found{0, 0, 0};
    std::uint64_t deleted = 0;
    for (const auto& row : made(items, keep, 7)) {
        const auto start = parse_rfc3339(row.start_execution_time);
        if (!is_completed(row)) {
            ++found.not_completed;
        } else if (!start) {
            ++found.malformed;
        } else if (whole_hours(*start, now) < 48) {
            ++found.too_young;
        } else {
            ++deleted;
        }
    }
    const auto expected = mix_of(keep);
    EXPECT_EQ(expected.malformed + expected.too_young + expected.not_completed, keep);
    EXPECT_EQ(found.malformed, expected.malformed);
    EXPECT_EQ(found.too_young, expected.too_young);
    EXPECT_EQ(found.not_completed, expected.not_completed);
    EXPECT_EQ(deleted, items - keep);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Generated,
                         testing::Values(std::tuple{130'000, 3'300}, std::tuple{1000, 1000}, std::tuple{1000, 0},
                                         std::tuple{3, 3}, std::tuple{2, 1}, std::tuple{1, 1}, std::tuple{0, 0}));

TEST(Generate, KeysAscendAndDiffer) {
    const auto all = made(10'000, 100, 1);
    for (std::size_t i = 1; i < all.size(); ++i) ASSERT_LT(all[i - 1].id, all[i].id);
}

TEST(Generate, TheSeedDecides) {
    const auto first = made(500, 50, 1);
    const auto again = made(500, 50, 1);
    const auto other = made(500, 50, 2);
    int differences = 0;
    for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_EQ(first[i].id, again[i].id);
        EXPECT_EQ(first[i].start_execution_time, again[i].start_execution_time);
        EXPECT_EQ(first[i].pagination_token, again[i].pagination_token);
        differences += first[i].pagination_token != other[i].pagination_token;
    }
    EXPECT_GT(differences, 400);
}

TEST(Generate, TheDataOfASeedDoNotChangeBetweenVersionsOrPlatforms) {
    const auto all = made(130'000, 3'300, 7);
    std::uint64_t sum = 0;  // FNV-1a over all the texts
    const auto add = [&](const std::string& text) {
        for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    };
    for (const auto& row : all) {
        add(row.id.start_time);
        add(row.start_execution_time);
        add(row.end_time);
        add(row.pagination_token);
        add(std::to_string(static_cast<int>(row.done)));
    }
    EXPECT_EQ(sum, 5516772024310209178U);
}

TEST(Generate, BothWaysOfSayingCompletedOccur) {
    const scavenger_test::test_folder folder;
    const auto file = folder.file("w.db");
    generate_table(file, "Workers", record_source{1000, 100, 3, now});
    database db{file, open_mode::must_exist, 512};
    statement count{
        db, "SELECT count(*), sum(typeof(Completed) = 'integer' AND Completed = 1), sum(typeof(Completed) = 'text' AND "
            "Completed = '1') FROM Workers"};
    ASSERT_TRUE(count.step());
    EXPECT_EQ(count.integer(0), 1000);
    EXPECT_GT(count.integer(1), 300);
    EXPECT_GT(count.integer(2), 300);
}

TEST(Generate, ReplacesATableOfThatNameAndNoOther) {
    const scavenger_test::test_folder folder;
    const auto file = folder.file("w.db");
    generate_table(file, "Workers", record_source{100, 10, 3, now});
    generate_table(file, "Others", record_source{30, 3, 3, now});
    generate_table(file, "Workers", record_source{50, 5, 3, now});
    database db{file, open_mode::must_exist, 512};
    statement count{db, "SELECT (SELECT count(*) FROM Workers), (SELECT count(*) FROM Others)"};
    ASSERT_TRUE(count.step());
    EXPECT_EQ(count.integer(0), 50);
    EXPECT_EQ(count.integer(1), 30);
}

}  // namespace
