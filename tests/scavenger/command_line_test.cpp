// SPDX-License-Identifier: BSL-1.0
// command_line_test.cpp: does the program keep its promises to those who script it?
#include <algorithm>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "child_process.hpp"
#include "test_table.hpp"

namespace {

using namespace scavenger_test;

struct ended {
    int code;
    std::string output;
    std::string errors;
};

ended scavenger_with(std::vector<std::string> arguments, std::vector<std::string> variables = {}) {
    arguments.insert(arguments.begin(), SCAVENGER);
    child_process program{std::move(arguments), std::move(variables)};
    program.finish();
    return {program.exit_code, program.output, program.errors};
}

bool is_one_line(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n') == 1 && text.back() == '\n';
}

TEST(CommandLine, GenerateRunAndRunAgain) {
    const test_folder folder;
    const auto file = folder.file("w.db");
    ASSERT_EQ(
        scavenger_with({"generate", "--db", file, "--items", "5000", "--keep", "300", "--seed", "7", "--now", now_text})
            .code,
        0);

    const auto dry = scavenger_with({"run", "--db", file, "--now", now_text, "--dry-run", "--json"});
    EXPECT_EQ(dry.code, 0);
    EXPECT_EQ(nlohmann::json::parse(dry.output).at("would_delete"), 4700);
    EXPECT_EQ(nlohmann::json::parse(dry.output).at("deleted"), 0);

    const auto first = scavenger_with({"run", "--db", file, "--now", now_text, "--json"});
    EXPECT_EQ(first.code, 0) << first.errors;
    const auto summary = nlohmann::json::parse(first.output);
    EXPECT_EQ(summary.at("scanned"), 5000);
    EXPECT_EQ(summary.at("deleted"), 4700);
    EXPECT_EQ(summary.at("kept").at("total"), 300);
    EXPECT_EQ(summary.at("malformed"), 3);
    EXPECT_EQ(summary.at("reports").size(), 3U);
    EXPECT_EQ(std::count(first.errors.begin(), first.errors.end(), '\n'), 3) << first.errors;

    const auto second = scavenger_with({"run", "--db", file, "--now", now_text});
    EXPECT_EQ(second.code, 0);
    EXPECT_NE(second.output.find("deleted                 0"), std::string::npos) << second.output;
}

TEST(CommandLine, WrongUsageIsOneLineAndCodeTwo) {
    const std::vector<std::vector<std::string>> wrong{{},
                                                      {"fly"},
                                                      {"run"},
                                                      {"run", "--db", "w.db", "--segments", "0"},
                                                      {"run", "--db", "w.db", "--age", "old"},
                                                      {"run", "--db", "w.db", "--unknown"},
                                                      {"generate", "--db", "w.db", "--items", "1", "--keep", "2"},
                                                      {"table", "--latency", "x"}};
    for (const auto& arguments : wrong) {
        const auto end = scavenger_with(arguments);
        EXPECT_EQ(end.code, 2);
        EXPECT_EQ(end.output, "");
        EXPECT_TRUE(is_one_line(end.errors)) << end.errors;
    }
    const auto end = scavenger_with({"run", "--db", "w.db"}, {"MaxDelRoutines=lots"});
    EXPECT_EQ(end.code, 2);
    EXPECT_NE(end.errors.find("MaxDelRoutines"), std::string::npos);
    EXPECT_TRUE(is_one_line(end.errors)) << end.errors;
}

TEST(CommandLine, TheEnvironmentNamesTheTable) {
    const test_folder folder;
    const auto file = folder.file("w.db");
    EXPECT_EQ(
        scavenger_with({"generate", "--db", file, "--items", "10", "--keep", "1"}, {"WorkersTableName=Elsewhere"}).code,
        0);
    EXPECT_EQ(scavenger_with({"run", "--db", file}).code, 1);
    EXPECT_EQ(
        scavenger_with({"run", "--db", file}, {"WorkersTableName=Elsewhere", "TotalSegments=2", "MaxDelRoutines=3"})
            .code,
        0);
}

TEST(CommandLine, AMissingTableIsOneLineAndCodeOne) {
    const test_table table{small_rows(3)};
    const auto end = scavenger_with({"run", "--db", table.file(), "--table", "Wrokers"});
    EXPECT_EQ(end.code, 1);
    EXPECT_TRUE(is_one_line(end.errors)) << end.errors;
    EXPECT_NE(end.errors.find("Wrokers"), std::string::npos);
    EXPECT_NE(end.errors.find(table.file()), std::string::npos);
}

TEST(CommandLine, AStrictRunOverMalformedItemsFailsAndKeepsAll) {
    const auto rows = small_rows(100);
    const test_table table{rows};
    const auto end = scavenger_with({"run", "--db", table.file(), "--now", now_text, "--strict", "--segments", "1"});
    EXPECT_EQ(end.code, 1);
    EXPECT_NE(end.errors.find("malformed"), std::string::npos);
    EXPECT_EQ(table.keys().size(), rows.size());
}

TEST(CommandLine, ADeadlineStopsARunWithCodeThree) {
    const auto rows = small_rows(600);
    const test_table table{rows};
    const auto end = scavenger_with({"run", "--db", table.file(), "--now", now_text, "--latency", "20ms", "--deleters",
                                     "2", "--segments", "2", "--deadline", "200ms", "--json"});
    EXPECT_EQ(end.code, 3) << end.errors;
    const auto summary = nlohmann::json::parse(end.output);
    EXPECT_EQ(summary.at("stopped_by"), "deadline");
    EXPECT_GT(summary.at("kept").at("not_reached"), 0);
    EXPECT_EQ(table.keys().size() + summary.at("deleted").get<std::size_t>(), rows.size());
}

// ThreadSanitizer holds a signal back until the thread that got it does something it watches; a main thread that sleeps
// until the run ends does nothing. stop_test.cpp raises its signals on the spot, which works there too.
#if defined(__SANITIZE_THREAD__)
constexpr bool signals_arrive = false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool signals_arrive = false;
#else
constexpr bool signals_arrive = true;
#endif
#else
constexpr bool signals_arrive = true;
#endif

class StoppedBySignal : public testing::TestWithParam<int> {};

TEST_P(StoppedBySignal, ARunFinishesItsDeletesAndEndsWithCodeThree) {
    if (!signals_arrive) GTEST_SKIP() << "not under ThreadSanitizer";
    const auto rows = small_rows(600);
    const test_table table{rows};
    child_process program{
        {SCAVENGER, "run", "--db", table.file(), "--now", now_text, "--latency", "20ms", "--deleters", "2", "--json"}};
    while (table.keys().size() == rows.size()) std::this_thread::sleep_for(std::chrono::milliseconds{1});
    program.send_signal(GetParam());
    program.finish();
    EXPECT_EQ(program.exit_code, 3) << program.errors;
    const auto summary = nlohmann::json::parse(program.output);
    EXPECT_EQ(summary.at("stopped_by"), "signal");
    EXPECT_EQ(table.keys().size() + summary.at("deleted").get<std::size_t>(), rows.size());
    for (const auto& id : keys_that_stay(rows)) EXPECT_TRUE(table.keys().count(id));
}

INSTANTIATE_TEST_SUITE_P(Each, StoppedBySignal, testing::Values(SIGINT, SIGTERM));

TEST(CommandLine, TheTableHasALineForEachOfTheSevenSettings) {
    const auto end = scavenger_with({"table", "--items", "300", "--keep", "10", "--latency", "1ms", "--sample", "10"});
    EXPECT_EQ(end.code, 0) << end.errors;
    EXPECT_EQ(std::count(end.output.begin(), end.output.end(), '\n'), 10) << end.output;
}

}  // namespace
