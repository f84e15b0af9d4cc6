// SPDX-License-Identifier: BSL-1.0
// command_line.hpp: how do the command lines of the services say a time?
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

/// `--drain 500`: milliseconds, at least `least` of them.
inline void add_milliseconds(CLI::App& to, const std::string& name, std::chrono::milliseconds& time,
                             const std::string& what, std::int64_t least = 0) {
    to.add_option_function<std::int64_t>(
          name, [&time](std::int64_t said) { time = std::chrono::milliseconds{said}; }, what + ", in milliseconds")
        ->check(CLI::Range(least, std::int64_t{3'600'000}))
        ->default_str(std::to_string(time.count()));
}
