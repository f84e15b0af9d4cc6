// SPDX-License-Identifier: BSL-1.0
// settings_test.cpp: does each setting reach its place, and does each bad one get one clear line?
#include "settings.hpp"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace scavenger;
using namespace std::chrono_literals;

using variables = std::map<std::string, std::string>;

command parse(const std::vector<std::string>& arguments, const variables& set = {}) {
    const environment variable = [&](const char* name) -> const char* {
        const auto found = set.find(name);
        return found == set.end() ? nullptr : found->second.c_str();
    };
    return parse_command_line(arguments, variable);
}

run_settings parse_run(std::vector<std::string> arguments, const variables& set = {}) {
    arguments.insert(arguments.begin(), {"run", "--db", "w.db"});
    return std::get<run_settings>(parse(arguments, set));
}

/// The complaint about the arguments, or nothing if there is none.
std::string complaint(const std::vector<std::string>& arguments, const variables& set = {}) {
    try {
        parse(arguments, set);
    } catch (const usage_error& error) {
        return error.what();
    }
    return "";
}

TEST(Settings, HaveTheDocumentedDefaults) {
    const auto run = parse_run({});
    EXPECT_EQ(run.file, "w.db");
    EXPECT_EQ(run.table, "Workers");
    EXPECT_EQ(run.segments, 10U);
    EXPECT_EQ(run.deleters, 100U);
    EXPECT_EQ(run.page_size, 1000U);
    EXPECT_EQ(run.age_hours, 48);
    EXPECT_EQ(run.deadline, 14min);
    EXPECT_EQ(run.latency, 0ns);
    EXPECT_FALSE(run.dry_run || run.strict || run.json);
}

TEST(Settings, ComeFromFlags) {
    const auto run = parse_run({"--table",
                                "T",
                                "--segments",
                                "3",
                                "--deleters=7",
                                "--page",
                                "9",
                                "--age",
                                "3d",
                                "--now",
                                "2026-11-20T13:00:00.5+01:00",
                                "--deadline",
                                "1m30s",
                                "--latency",
                                "5ms",
                                "--store",
                                "sqlite",
                                "--dry-run",
                                "--strict",
                                "--json"});
    EXPECT_EQ(run.table, "T");
    EXPECT_EQ(run.segments, 3U);
    EXPECT_EQ(run.deleters, 7U);
    EXPECT_EQ(run.page_size, 9U);
    EXPECT_EQ(run.age_hours, 72);
    EXPECT_EQ(format_rfc3339(run.now), "2026-11-20T12:00:00.5Z");
    EXPECT_EQ(run.deadline, 90s);
    EXPECT_EQ(run.latency, 5ms);
    EXPECT_TRUE(run.dry_run && run.strict && run.json);
}

TEST(Settings, ComeFromTheEnvironmentUnlessAFlagIsGiven) {
    const variables set{{"WorkersTableName", "Old"}, {"TotalSegments", "5"}, {"MaxDelRoutines", "6"}};
    const auto run = parse_run({}, set);
    EXPECT_EQ(run.table, "Old");
    EXPECT_EQ(run.segments, 5U);
    EXPECT_EQ(run.deleters, 6U);
    const auto flags = parse_run({"--table", "New", "--segments", "50", "--deleters", "60"}, set);
    EXPECT_EQ(flags.table, "New");
    EXPECT_EQ(flags.segments, 50U);
    EXPECT_EQ(flags.deleters, 60U);
}

TEST(Settings, ABadValueIsOneLineThatNamesTheSettingAndTheValue) {
    const std::vector<std::pair<std::string, std::vector<std::string>>> bad{
        {"--segments", {"0", "-1", "+3", "3.5", "ten", "", " 3", "3 ", "10001", "99999999999999999999"}},
        {"--deleters", {"0", "-1", "x", "100001"}},
        {"--page", {"0", "-1", "x", "1000001"}},
        {"--age", {"48", "90m", "-48h", "two days", "", "48h1ns"}},
        {"--now", {"yesterday", "2026-11-20", "2026-02-30T00:00:00Z", ""}},
        {"--deadline", {"0", "0s", "-1m", "14", "soon"}},
        {"--latency", {"-5ms", "5", "fast", "2h"}},
        {"--store", {"dynamo", ""}},
        {"--table", {"", "a\nb"}},
    };
    for (const auto& [flag, values] : bad)
        for (const auto& value : values) {
            const auto line = complaint({"run", "--db", "w.db", flag + "=" + value});
            if (value.empty() && line.empty()) ADD_FAILURE() << flag << " accepts an empty value";
            EXPECT_NE(line.find(flag), std::string::npos) << flag << " = '" << value << "': " << line;
            EXPECT_EQ(line.find('\n'), std::string::npos) << line;
        }
}

TEST(Settings, ABadEnvironmentVariableIsNamedItself) {
    for (const char* name : {"TotalSegments", "MaxDelRoutines"})
        for (const char* value : {"", "0", "-1", "many", "1 000"}) {
            const auto line = complaint({"run", "--db", "w.db"}, {{name, value}});
            EXPECT_NE(line.find(name), std::string::npos) << value;
        }
    EXPECT_NE(complaint({"run", "--db", "w.db"}, {{"WorkersTableName", ""}}).find("WorkersTableName"),
              std::string::npos);
}

TEST(Settings, MissingOrUnknownPartsAreRefused) {
    EXPECT_NE(complaint({}), "");
    EXPECT_NE(complaint({"fly"}), "");
    EXPECT_NE(complaint({"run"}).find("--db"), std::string::npos);
    EXPECT_NE(complaint({"generate"}).find("--db"), std::string::npos);
    EXPECT_NE(complaint({"run", "--db"}), "");
    EXPECT_NE(complaint({"run", "--db", "w.db", "--fast"}).find("--fast"), std::string::npos);
    EXPECT_NE(complaint({"run", "--db", "w.db", "left over"}), "");
    EXPECT_NE(complaint({"run", "--db", "w.db", "--page", "1", "--page", "2"}), "");
}

TEST(Settings, OfGenerateAreChecked) {
    const auto made = std::get<generate_settings>(
        parse({"generate", "--db", "w.db", "--items", "50", "--keep", "20", "--seed", "3"}));
    EXPECT_EQ(made.items, 50U);
    EXPECT_EQ(made.keep, 20U);
    EXPECT_EQ(made.seed, 3U);
    EXPECT_NE(complaint({"generate", "--db", "w.db", "--items", "50", "--keep", "51"}).find("--keep"),
              std::string::npos);
    EXPECT_NE(complaint({"generate", "--db", "w.db", "--seed", "-1"}).find("--seed"), std::string::npos);
}

TEST(Settings, HelpIsNoError) {
    EXPECT_TRUE(std::holds_alternative<show_help>(parse({"--help"})));
    EXPECT_TRUE(std::holds_alternative<show_help>(parse({"run", "--help"})));
}

}  // namespace
