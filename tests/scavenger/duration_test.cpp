// SPDX-License-Identifier: BSL-1.0
// duration_test.cpp: is a span of time read as it was meant?
#include "duration.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace {

using namespace scavenger;
using namespace std::chrono_literals;

TEST(ParseDuration, UnderstandsEachUnit) {
    EXPECT_EQ(parse_duration("7ns"), 7ns);
    EXPECT_EQ(parse_duration("7us"), 7us);
    EXPECT_EQ(parse_duration("5ms"), 5ms);
    EXPECT_EQ(parse_duration("90s"), 90s);
    EXPECT_EQ(parse_duration("14m"), 14min);
    EXPECT_EQ(parse_duration("48h"), 48h);
    EXPECT_EQ(parse_duration("2d"), 48h);
    EXPECT_EQ(parse_duration("0"), 0ns);
    EXPECT_EQ(parse_duration("0s"), 0ns);
}

TEST(ParseDuration, AddsTermsAndFractions) {
    EXPECT_EQ(parse_duration("1m30s"), 90s);
    EXPECT_EQ(parse_duration("1h0m0.5s"), 1h + 500ms);
    EXPECT_EQ(parse_duration("1.5ms"), 1500us);
    EXPECT_EQ(parse_duration("0.1s"), 100ms);
    EXPECT_EQ(parse_duration("1.1s"), 1100ms);
    EXPECT_EQ(parse_duration("0.000000001s"), 1ns);
    EXPECT_EQ(parse_duration("106751d"), 106751 * 24h);
}

TEST(ParseDuration, RefusesEverythingElse) {
    for (const char* text : {"",
                             " ",
                             "5",
                             "ms",
                             "5 ms",
                             " 5ms",
                             "5ms ",
                             "-5ms",
                             "+5ms",
                             ".5s",
                             "5.s",
                             "1e3s",
                             "5msx",
                             "5w",
                             "5.5.5s",
                             "0x5s",
                             "5MS",
                             "one hour",
                             "106752d",
                             "99999999999999999999s",
                             "9223372036854775808ns"})
        EXPECT_FALSE(parse_duration(text).has_value()) << text;
}

TEST(FormatDuration, FitsTheSizeOfTheSpan) {
    EXPECT_EQ(format_duration(850us), "850 us");
    EXPECT_EQ(format_duration(5200us), "5.2 ms");
    EXPECT_EQ(format_duration(1050ms), "1.05 s");
    EXPECT_EQ(format_duration(125s), "2 m 05 s");
    EXPECT_EQ(format_duration(3h + 4min), "3 h 04 m");
}

}  // namespace
