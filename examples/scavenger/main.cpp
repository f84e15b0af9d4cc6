// SPDX-License-Identifier: BSL-1.0
// main.cpp: which command runs, and with which exit code does it end?
//
//     0 done    1 failed    2 wrong usage    3 stopped early, by the deadline or a signal
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "generate.hpp"
#include "run_command.hpp"
#include "settings.hpp"
#include "summary.hpp"
#include "table_command.hpp"

namespace {

using namespace scavenger;

int execute(const run_settings& asked) { return run_command(asked); }

int execute(const table_settings& asked) { return table_command(asked); }

int execute(const generate_settings& asked) {
    generate_table(asked.file, asked.table, record_source{asked.items, asked.keep, asked.seed, asked.now});
    fmt::print("{} items in table {} of {}, {} of them to be kept by a run at {}\n", grouped(asked.items), asked.table,
               asked.file, grouped(asked.keep), format_rfc3339(asked.now));
    return 0;
}

int execute(const show_help& asked) {
    fmt::print("{}", asked.text);
    return 0;
}

}  // namespace

int main(int count, char** values) {
    try {
        const std::vector<std::string> arguments(values + 1, values + count);
        const environment variable = [](const char* name) -> const char* { return std::getenv(name); };
        const command asked = parse_command_line(arguments, variable);
        return std::visit([](const auto& settings) { return execute(settings); }, asked);
    } catch (const usage_error& error) {
        fmt::print(stderr, "scavenger: {}\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        fmt::print(stderr, "scavenger: {}\n", error.what());
        return 1;
    }
}
