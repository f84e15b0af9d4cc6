// SPDX-License-Identifier: BSL-1.0
#include "rfc3339.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace scavenger {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t nanoseconds_per_second = 1'000'000'000;

bool is_digit(char c) { return '0' <= c && c <= '9'; }

/// Takes a text apart from the left; after the first mismatch everything fails.
class reader {
public:
    explicit reader(std::string_view text) : rest_(text) {}

    /// Exactly `digits` digits as a number, at most `most`.
    int number(int digits, int most) {
        int value = 0;
        for (int i = 0; i < digits; ++i) {
            const char c = next();
            good_ = good_ && is_digit(c);
            value = value * 10 + (c - '0');
        }
        good_ = good_ && value <= most;
        return good_ ? value : 0;
    }

    void expect(char c) { good_ = next() == c && good_; }

    /// True and past it if the next character is `a` or `b`.
    bool accept(char a, char b) {
        if (rest_.empty() || (rest_.front() != a && rest_.front() != b)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    /// The digits that come next, perhaps none.
    std::string_view digits() {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_digit);
        const auto found = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(found.size());
        return found;
    }

    void fail() { good_ = false; }
    bool good() const { return good_; }
    bool at_end() const { return good_ && rest_.empty(); }

private:
    char next() {
        if (rest_.empty()) return '\0';
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }

    std::string_view rest_;
    bool good_ = true;
};

/// The fraction's digits in nanoseconds, rounded up; 1,000,000,000 if that carries.
std::uint32_t fraction(std::string_view digits) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 9; ++i)
        value = value * 10 + (i < digits.size() ? static_cast<std::uint32_t>(digits[i] - '0') : 0);
    const auto beyond = digits.substr(std::min<std::size_t>(9, digits.size()));
    return beyond.find_first_not_of('0') == std::string_view::npos ? value : value + 1;
}

std::chrono::minutes offset(reader& in) {
    if (in.accept('Z', 'z')) return 0min;
    const bool east = in.accept('+', '+');
    if (!east && !in.accept('-', '-')) in.fail();
    const std::chrono::hours hours{in.number(2, 23)};
    in.expect(':');
    const std::chrono::minutes minutes{in.number(2, 59)};
    return east ? hours + minutes : -(hours + minutes);
}

bool ends_a_month(std::chrono::sys_seconds minute) {
    const auto day = std::chrono::floor<std::chrono::days>(minute);
    const bool last_minute = minute - day == 23h + 59min;
    return last_minute && std::chrono::year_month_day{day + std::chrono::days{1}}.day() == std::chrono::day{1};
}

}  // namespace

std::optional<instant> parse_rfc3339(std::string_view text) {
    reader in{text};
    const std::chrono::year year{in.number(4, 9999)};
    in.expect('-');
    const std::chrono::month month{static_cast<unsigned>(in.number(2, 12))};
    in.expect('-');
    const std::chrono::day day{static_cast<unsigned>(in.number(2, 31))};
    if (!in.accept('T', 't')) return std::nullopt;
    const std::chrono::hours hour{in.number(2, 23)};
    in.expect(':');
    const std::chrono::minutes minute{in.number(2, 59)};
    in.expect(':');
    const std::chrono::seconds second{in.number(2, 60)};
    std::uint32_t nanoseconds = 0;
    if (in.accept('.', '.')) {
        const auto digits = in.digits();
        if (digits.empty()) return std::nullopt;
        nanoseconds = fraction(digits);
    }
    const auto east_of_utc = offset(in);

    const std::chrono::year_month_day date{year, month, day};
    if (!in.at_end() || !date.ok()) return std::nullopt;
    const std::chrono::sys_seconds whole_minute = std::chrono::sys_days{date} + hour + minute - east_of_utc;
    if (second == 60s && !ends_a_month(whole_minute)) return std::nullopt;

    const auto carry = nanoseconds / nanoseconds_per_second;
    return instant{whole_minute + second + std::chrono::seconds{carry}, nanoseconds % nanoseconds_per_second};
}

std::string format_rfc3339(instant when) {
    const auto day = std::chrono::floor<std::chrono::days>(when.seconds);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{when.seconds - day};
    auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                            static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                            time.hours().count(), time.minutes().count(), time.seconds().count());
    if (when.nanoseconds != 0) {
        text += fmt::format(".{:09}", when.nanoseconds);
        text.erase(text.find_last_not_of('0') + 1);
    }
    return text + 'Z';
}

std::int64_t whole_hours(instant start, instant end) {
    auto elapsed = end.seconds - start.seconds;
    if (end.nanoseconds < start.nanoseconds) elapsed -= 1s;
    return std::chrono::floor<std::chrono::hours>(elapsed).count();
}

instant current_instant() {
    const auto now = std::chrono::system_clock::now();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    return {seconds, static_cast<std::uint32_t>(std::chrono::nanoseconds{now - seconds}.count())};
}

}  // namespace scavenger
