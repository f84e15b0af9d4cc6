// SPDX-License-Identifier: BSL-1.0
// settings.hpp: what did the user ask for?
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "rfc3339.hpp"

namespace scavenger {

struct run_settings {
    std::string file;
    std::string table = "Workers";
    std::size_t segments = 10;
    std::size_t deleters = 100;
    std::size_t page_size = 1000;
    std::int64_t age_hours = 48;
    instant now;
    std::chrono::nanoseconds deadline = std::chrono::minutes{14};
    std::chrono::nanoseconds latency{0};
    bool dry_run = false;
    bool strict = false;
    bool json = false;
};

struct generate_settings {
    std::string file;
    std::string table = "Workers";
    std::uint64_t items = 130'000;
    std::uint64_t keep = 3'300;
    std::uint64_t seed = 7;
    instant now;
};

struct table_settings {
    std::string file;  // empty: a generated table in a temporary folder
    std::string table = "Workers";
    std::uint64_t items = 130'000;  // of the generated table, as the next two
    std::uint64_t keep = 3'300;
    std::uint64_t seed = 7;
    std::size_t page_size = 1000;
    std::int64_t age_hours = 48;
    instant now;
    std::chrono::nanoseconds latency = std::chrono::milliseconds{5};
    std::uint64_t sample = 50;  // 1/1 works on the first of so many parts of the table
};

struct show_help {
    std::string text;
};

using command = std::variant<run_settings, generate_settings, table_settings, show_help>;

/// The user's mistake, in one line that names the setting and what it may be.
class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Reads an environment variable: null if it is not set.
using environment = std::function<const char*(const char* name)>;

/// Understands the arguments behind the program's name. A flag comes before its environment variable
/// (`WorkersTableName`, `TotalSegments`, `MaxDelRoutines`), and that before the default. Throws `usage_error`.
command parse_command_line(std::vector<std::string> arguments, const environment& variable);

}  // namespace scavenger
