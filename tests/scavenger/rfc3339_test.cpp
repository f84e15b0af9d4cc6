// SPDX-License-Identifier: BSL-1.0
// rfc3339_test.cpp: is every timestamp read as the instant it names, and nothing else read as one?
#include "rfc3339.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace scavenger;

instant at(std::int64_t seconds, std::uint32_t nanoseconds = 0) {
    return {std::chrono::sys_seconds{std::chrono::seconds{seconds}}, nanoseconds};
}

struct named {
    const char* text;
    instant when;
};

class ValidTimes : public testing::TestWithParam<named> {};

TEST_P(ValidTimes, AreRead) {
    const auto read = parse_rfc3339(GetParam().text);
    ASSERT_TRUE(read.has_value()) << GetParam().text;
    EXPECT_EQ(*read, GetParam().when) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(Basics, ValidTimes,
                         testing::Values(named{"1970-01-01T00:00:00Z", at(0)},           //
                                         named{"2026-11-20T12:00:00Z", at(1795176000)},  //
                                         named{"1985-04-12T23:20:50.52Z", at(482196050, 520000000)},
                                         named{"1990-12-31T15:59:59-08:00", at(662687999)},  //
                                         named{"1937-01-01T12:00:27.87+00:20", at(-1041337173, 870000000)},
                                         named{"2026-11-20t12:00:00z", at(1795176000)},  //
                                         named{"1969-12-31T23:59:59.5Z", at(-1, 500000000)}));

INSTANTIATE_TEST_SUITE_P(Offsets, ValidTimes,
                         testing::Values(named{"1970-01-01T05:45:00+05:45", at(0)},  //
                                         named{"1969-12-31T12:00:00-12:00", at(0)},  //
                                         named{"1970-01-01T14:00:00+14:00", at(0)},  //
                                         named{"1970-01-01T00:00:00-00:00", at(0)},  //
                                         named{"1970-01-01T23:59:00+23:59", at(0)},  //
                                         named{"1969-12-31T00:01:00-23:59", at(0)},  //
                                         named{"2024-02-29T23:30:00-01:00", at(1709253000)}));

INSTANTIATE_TEST_SUITE_P(Fractions, ValidTimes,
                         testing::Values(named{"1970-01-01T00:00:00.0Z", at(0)},             //
                                         named{"1970-01-01T00:00:00.1Z", at(0, 100000000)},  //
                                         named{"1970-01-01T00:00:00.000000001Z", at(0, 1)},  //
                                         named{"1970-01-01T00:00:00.1234567890000Z", at(0, 123456789)},
                                         named{"1970-01-01T00:00:00.12345678900001Z", at(0, 123456790)},
                                         named{"1970-01-01T00:00:00.9999999991+00:00", at(1)},
                                         named{"2026-12-31T23:59:59.9999999999Z", at(1798761600)}));

INSTANTIATE_TEST_SUITE_P(Calendar, ValidTimes,
                         testing::Values(named{"2024-02-29T00:00:00Z", at(1709164800)},    //
                                         named{"2000-02-29T00:00:00Z", at(951782400)},     //
                                         named{"0001-01-01T00:00:00Z", at(-62135596800)},  //
                                         named{"0000-02-29T00:00:00Z", at(-62162121600)},  //
                                         named{"9999-12-31T23:59:59Z", at(253402300799)}));

// A leap second names the instant of the second behind it.
INSTANTIATE_TEST_SUITE_P(LeapSeconds, ValidTimes,
                         testing::Values(named{"1990-12-31T23:59:60Z", at(662688000)},       //
                                         named{"1990-12-31T15:59:60-08:00", at(662688000)},  //
                                         named{"2017-01-01T05:29:60.5+05:30", at(1483228800, 500000000)},
                                         named{"2015-06-30T23:59:60Z", at(1435708800)}));

class InvalidTimes : public testing::TestWithParam<std::string> {};

TEST_P(InvalidTimes, AreRefused) { EXPECT_FALSE(parse_rfc3339(GetParam()).has_value()) << GetParam(); }

INSTANTIATE_TEST_SUITE_P(Shape, InvalidTimes,
                         testing::Values("", " ", "T", "not a time", "2026-11-20", "2026-11-20T12:00:00",
                                         "2026-11-20T12:00Z", "2026-11-20 12:00:00Z", " 2026-11-20T12:00:00Z",
                                         "2026-11-20T12:00:00Z ", "2026-11-20T12:00:00ZZ", "2026-11-20T12:00:00.Z",
                                         "2026-11-20T12:00:00,5Z", "2026-11-20T12:00:00.5", "26-11-20T12:00:00Z",
                                         "02026-11-20T12:00:00Z", "2026-1-20T12:00:00Z", "2026/11/20T12:00:00Z",
                                         "20261120T120000Z", "+2026-11-20T12:00:00Z", "-026-11-20T12:00:00Z",
                                         "2026-11-20T12:00:00+1:00", "2026-11-20T12:00:00+0100",
                                         "2026-11-20T12:00:00+01", "2026-11-20T12:00:00 +01:00",
                                         "2026-11-20T12:00:00+01:00Z", "2026-11-20T1 :00:00Z", "2026-11-20T12:00:+1Z",
                                         "1795176000", "2026-W47-5T12:00:00Z",
                                         "2026-11-20T12:00:00\xe2\x88\x92"
                                         "01:00"));

INSTANTIATE_TEST_SUITE_P(Ranges, InvalidTimes,
                         testing::Values("2026-00-20T12:00:00Z", "2026-13-20T12:00:00Z", "2026-11-00T12:00:00Z",
                                         "2026-11-31T12:00:00Z", "2026-02-29T12:00:00Z", "1900-02-29T12:00:00Z",
                                         "2026-02-30T12:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T12:60:00Z",
                                         "2026-11-20T12:00:61Z", "2026-11-20T12:00:00+24:00",
                                         "2026-11-20T12:00:00+01:60"));

INSTANTIATE_TEST_SUITE_P(LeapSecondsElsewhere, InvalidTimes,
                         testing::Values("2026-11-20T12:00:60Z", "2026-11-20T23:59:60Z", "2026-12-31T22:59:60Z",
                                         "2026-12-31T23:59:60+01:00", "2026-12-31T23:58:60Z"));

TEST(Rfc3339, RefusesATextWithANullCharacter) {
    EXPECT_FALSE(parse_rfc3339(std::string_view{"2026-11-20T12:00:00Z\0", 21}).has_value());
    EXPECT_FALSE(parse_rfc3339(std::string_view{"2026-11-20T12:00:0\0Z", 20}).has_value());
}

TEST(Rfc3339, AgreesWithTheSystemOnEveryDayOfFourCenturies) {
    // Counted here by months and leap years alone.
    std::int64_t days = 0;
    for (int year = 1970; year < 2370; ++year) {
        const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; ++month) {
            const int length =
                month == 2 ? (leap ? 29 : 28) : (month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31);
            for (int day = 1; day <= 31; ++day) {
                char text[40];
                std::snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", year, month, day);
                const auto read = parse_rfc3339(text);
                ASSERT_EQ(read.has_value(), day <= length) << text;
                if (!read) continue;
                ASSERT_EQ(*read, at(days * 86400)) << text;
                ASSERT_EQ(format_rfc3339(*read), text);
                ++days;
            }
        }
    }
}

TEST(Rfc3339, WritesNoMoreDigitsThanNeeded) {
    EXPECT_EQ(format_rfc3339(at(0)), "1970-01-01T00:00:00Z");
    EXPECT_EQ(format_rfc3339(at(-1, 500000000)), "1969-12-31T23:59:59.5Z");
    EXPECT_EQ(format_rfc3339(at(1795176000, 1)), "2026-11-20T12:00:00.000000001Z");
}

TEST(WholeHours, AreRoundedDown) {
    constexpr std::int64_t hour = 3600;
    EXPECT_EQ(whole_hours(at(0), at(48 * hour)), 48);
    EXPECT_EQ(whole_hours(at(0), at(48 * hour - 1)), 47);
    EXPECT_EQ(whole_hours(at(0, 1), at(48 * hour, 0)), 47);
    EXPECT_EQ(whole_hours(at(0, 1), at(48 * hour, 1)), 48);
    EXPECT_EQ(whole_hours(at(0, 999999999), at(48 * hour, 0)), 47);
    EXPECT_EQ(whole_hours(at(0), at(0)), 0);
    EXPECT_EQ(whole_hours(at(1), at(0)), -1) << "the future is no part of the first hour";
    EXPECT_EQ(whole_hours(at(-62135596800), at(1795176000)), 17'758'548) << "no overflow over two thousand years";
}

}  // namespace
