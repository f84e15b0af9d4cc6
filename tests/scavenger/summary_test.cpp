// SPDX-License-Identifier: BSL-1.0
// summary_test.cpp: does the summary tell what happened, to people, programs and shells?
#include "summary.hpp"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "progress.hpp"

namespace {

using namespace scavenger;
using namespace std::chrono_literals;

summary sample() {
    summary run;
    run.table = "Workers";
    run.numbers.scanned = 130'000;
    run.numbers.matched = 127'833;
    run.numbers.too_young = 1'100;
    run.numbers.malformed = 33;
    run.numbers.deleted = 126'700;
    run.numbers.segments_done = 10;
    run.total_segments = 10;
    run.time = 1s;
    run.peak_memory_bytes = 21 * 1024 * 1024;
    return run;
}

TEST(Summary, OfACompleteRunEndsWithCodeZero) {
    const auto text = to_text(sample());
    EXPECT_EQ(exit_code(sample()), 0);
    for (const char* part : {"130,000", "126,700", "3,300", "2,167 not completed", "1,100 too young", "33 malformed",
                             "130,000 items/s", "21.0 MiB"})
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    EXPECT_EQ(text.find("stopped"), std::string::npos);
    EXPECT_EQ(text.find("would delete"), std::string::npos);
}

TEST(Summary, OfAStoppedRunSaysWhatWasNotDone) {
    auto run = sample();
    run.end.how = ending::stopped;
    run.reason = stopped_by::deadline;
    run.numbers.deleted = 6'700;
    run.numbers.segments_done = 4;
    EXPECT_EQ(exit_code(run), 3);
    const auto text = to_text(run);
    for (const char* part : {"stopped early", "deadline", "120,000 matched items were not reached", "6 of 10 segments"})
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    const auto object = to_json(run);
    EXPECT_EQ(object.at("stopped_by"), "deadline");
    EXPECT_EQ(object.at("kept").at("not_reached"), 120'000);
    EXPECT_EQ(object.at("exit_code"), 3);
}

TEST(Summary, OfAFailedRunSaysWhy) {
    auto run = sample();
    run.end = {ending::failed, "the disk is gone"};
    EXPECT_EQ(exit_code(run), 1);
    EXPECT_NE(to_text(run).find("the disk is gone"), std::string::npos);
    EXPECT_EQ(to_json(run).at("error"), "the disk is gone");
}

TEST(Summary, FailedItemsMakeARunFail) {
    auto run = sample();
    run.numbers.deleted -= 1;
    run.numbers.failed = 1;
    EXPECT_EQ(exit_code(run), 1);
}

TEST(Summary, JsonAddsUp) {
    const auto object = to_json(sample());
    const auto& kept = object.at("kept");
    std::uint64_t sum = 0;
    for (const auto& [reason, number] : kept.items())
        if (reason != "total") sum += number.get<std::uint64_t>();
    EXPECT_EQ(kept.at("total"), sum);
    EXPECT_EQ(object.at("deleted").get<std::uint64_t>() + sum, object.at("scanned"));
    EXPECT_FALSE(object.contains("error"));
    EXPECT_FALSE(object.contains("stopped_by"));
}

TEST(Summary, GroupsDigits) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
    EXPECT_EQ(grouped(1234567), "1,234,567");
}

TEST(Progress, SaysHowFarHowFastAndHowLong) {
    counts numbers;
    numbers.scanned = 40'000;
    numbers.matched = 39'000;
    numbers.deleted = 24'000;
    numbers.in_flight = 100;
    const auto line = progress_line(numbers, 100'000, 5s);
    EXPECT_EQ(line, "scanned 40,000  deleted 24,000  in flight 100  5,000 items/s  25 %, 15 s left");
    EXPECT_EQ(progress_line(numbers, std::nullopt, 5s), "scanned 40,000  deleted 24,000  in flight 100  5,000 items/s");
}

}  // namespace
