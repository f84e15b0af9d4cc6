// SPDX-License-Identifier: BSL-1.0
#include "settings.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "duration.hpp"

namespace scavenger {
namespace {

using namespace std::chrono_literals;

// DynamoDB's own limit on segments is a million; beyond these numbers a run would only use up memory.
constexpr std::uint64_t most_segments = 10'000;
constexpr std::uint64_t most_deleters = 100'000;
constexpr std::uint64_t largest_page = 1'000'000;
constexpr std::uint64_t most_items = 1'000'000'000;
constexpr std::int64_t most_hours = 1'000'000;

// Every value arrives as text with the name of where it came from, and is judged here: so all complaints read alike.

std::uint64_t number(std::string_view source, std::string_view text, std::uint64_t least, std::uint64_t most) {
    std::uint64_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stopped != end || value < least || value > most)
        throw usage_error{fmt::format("{} must be a whole number from {} to {}, not {:?}", source, least, most, text)};
    return value;
}

std::chrono::nanoseconds duration(std::string_view source, std::string_view text, std::chrono::nanoseconds least,
                                  std::chrono::nanoseconds most) {
    const auto value = parse_duration(text);
    if (!value)
        throw usage_error{fmt::format("{} must be a duration such as 5ms, 90s, 14m or 48h, not {:?}", source, text)};
    if (*value < least || *value > most)
        throw usage_error{fmt::format("{} must be from {}ms to {}h, not {:?}", source, least / 1ms, most / 1h, text)};
    return *value;
}

std::int64_t hours(std::string_view source, std::string_view text) {
    const auto value = parse_duration(text);
    if (!value || *value % 1h != 0ns || *value / 1h > most_hours)
        throw usage_error{fmt::format("{} must be in whole hours, such as 48h or 2d, at most {}h, not {:?}", source,
                                      most_hours, text)};
    return *value / 1h;
}

instant time(std::string_view source, std::string_view text) {
    const auto value = parse_rfc3339(text);
    if (!value)
        throw usage_error{fmt::format("{} must be a time such as 2026-11-20T12:00:00Z, not {:?}", source, text)};
    return *value;
}

std::string name(std::string_view source, std::string_view text) {
    const bool plain =
        std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; });
    if (text.empty() || !plain)
        throw usage_error{fmt::format("{} must be a name without control characters, not {:?}", source, text)};
    return std::string{text};
}

/// The texts of one command's options, and where each came from.
class options {
public:
    options(CLI::App& app, const environment& variable) : app_(app), variable_(variable) {}

    void add(const std::string& flag, const std::string& type, const std::string& help) {
        app_.add_option(flag, help)->type_name(type)->expected(1);
    }

    void add_switch(const std::string& flag, const std::string& help) { app_.add_flag(flag, help); }

    bool given(const std::string& flag) const { return app_.count(flag) > 0; }

    /// Hands the flag's value, or else the variable's, to `read` together with its source.
    template <class Read>
    void get(const std::string& flag, const char* variable, Read read) const {
        if (const auto* given = app_.get_option(flag); given->count() > 0) {
            read(flag, given->results().front());
        } else if (const char* set = variable != nullptr ? variable_(variable) : nullptr) {
            read(variable, set);
        }
    }

    template <class Read>
    void get(const std::string& flag, Read read) const {
        get(flag, nullptr, read);
    }

private:
    CLI::App& app_;
    const environment& variable_;
};

void add_clock(options& all) {
    all.add("--now", "TIME", "The present, for runs that can be repeated (default: by the clock)");
}

instant clock_or_given(const options& all) {
    auto now = current_instant();
    all.get("--now", [&](auto source, auto text) { now = time(source, text); });
    return now;
}

void add_data(options& all) {
    all.add("--items", "N", "Records to make (130000)");
    all.add("--keep", "N", "How many of them a run must keep (3300)");
    all.add("--seed", "N", "The same seed makes the same records (7)");
}

template <class Settings>
void read_data(const options& all, Settings& into) {
    all.get("--items", [&](auto source, auto text) { into.items = number(source, text, 0, most_items); });
    all.get("--keep", [&](auto source, auto text) { into.keep = number(source, text, 0, most_items); });
    all.get("--seed", [&](auto source, auto text) { into.seed = number(source, text, 0, UINT64_MAX); });
    if (into.keep > into.items)
        throw usage_error{
            fmt::format("--keep must not exceed --items: {} of {} cannot be kept", into.keep, into.items)};
}

template <class Settings>
void read_table(const options& all, Settings& into) {
    all.get("--db", [&](auto source, auto text) { into.file = name(source, text); });
    all.get("--table", "WorkersTableName", [&](auto source, auto text) { into.table = name(source, text); });
}

void require_file(const std::string& file) {
    if (file.empty()) throw usage_error{"--db FILE is required: the SQLite file that holds the table"};
}

// ---- the commands --------------------------------------------------------------------------------------------------

void add_run(options& all) {
    all.add("--db", "FILE", "The SQLite file (required)");
    all.add("--table", "NAME", "The table in it (Workers; WorkersTableName)");
    all.add("--store", "NAME", "The kind of store: sqlite, the only one yet");
    all.add("--segments", "N", "Parts scanned at the same time (10; TotalSegments)");
    all.add("--deleters", "N", "Deletes in flight at most (100; MaxDelRoutines)");
    all.add("--page", "N", "Items examined by one scan request (1000)");
    all.add("--age", "DURATION", "Delete what began so many whole hours ago or earlier (48h)");
    add_clock(all);
    all.add("--deadline", "DURATION", "Stop early when so much time has passed (14m)");
    all.add("--latency", "DURATION", "Add a simulated round trip to each request (none)");
    all.add_switch("--dry-run", "Delete nothing, only say what would be deleted");
    all.add_switch("--strict", "A malformed StartExecutionTime is fatal before anything of its page is deleted");
    all.add_switch("--json", "Print the summary as a JSON object");
}

run_settings read_run(const options& all) {
    run_settings result;
    read_table(all, result);
    all.get("--store", [&](auto source, auto text) {
        if (text != "sqlite") throw usage_error{fmt::format("{} must be sqlite, not {:?}", source, text)};
    });
    all.get("--segments", "TotalSegments",
            [&](auto source, auto text) { result.segments = number(source, text, 1, most_segments); });
    all.get("--deleters", "MaxDelRoutines",
            [&](auto source, auto text) { result.deleters = number(source, text, 1, most_deleters); });
    all.get("--page", [&](auto source, auto text) { result.page_size = number(source, text, 1, largest_page); });
    all.get("--age", [&](auto source, auto text) { result.age_hours = hours(source, text); });
    result.now = clock_or_given(all);
    all.get("--deadline", [&](auto source, auto text) { result.deadline = duration(source, text, 1ms, 1000h); });
    all.get("--latency", [&](auto source, auto text) { result.latency = duration(source, text, 0ns, 1h); });
    result.dry_run = all.given("--dry-run");
    result.strict = all.given("--strict");
    result.json = all.given("--json");
    require_file(result.file);
    return result;
}

void add_generate(options& all) {
    all.add("--db", "FILE", "The SQLite file, made if there is none (required)");
    all.add("--table", "NAME", "The table to make; one of that name is replaced (Workers; WorkersTableName)");
    add_data(all);
    add_clock(all);
}

generate_settings read_generate(const options& all) {
    generate_settings result;
    read_table(all, result);
    read_data(all, result);
    result.now = clock_or_given(all);
    require_file(result.file);
    return result;
}

void add_table(options& all) {
    all.add("--db", "FILE", "An SQLite file to run on copies of (default: a generated one in a temporary folder)");
    all.add("--table", "NAME", "The table in it (Workers; WorkersTableName)");
    add_data(all);
    all.add("--page", "N", "Items examined by one scan request (1000)");
    all.add("--age", "DURATION", "Delete what began so many whole hours ago or earlier (48h)");
    add_clock(all);
    all.add("--latency", "DURATION", "The simulated round trip of each request (5ms)");
    all.add("--sample", "N", "1/1 works on the first N-th part of the table, and its time is scaled (50)");
}

table_settings read_table_command(const options& all) {
    table_settings result;
    read_table(all, result);
    read_data(all, result);
    all.get("--page", [&](auto source, auto text) { result.page_size = number(source, text, 1, largest_page); });
    all.get("--age", [&](auto source, auto text) { result.age_hours = hours(source, text); });
    result.now = clock_or_given(all);
    all.get("--latency", [&](auto source, auto text) { result.latency = duration(source, text, 0ns, 1h); });
    all.get("--sample", [&](auto source, auto text) { result.sample = number(source, text, 1, most_items); });
    return result;
}

std::string one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
}

}  // namespace

command parse_command_line(std::vector<std::string> arguments, const environment& variable) {
    CLI::App app{"Deletes the records of completed work that began 48 hours ago or earlier.", "scavenger"};
    app.require_subcommand(0, 1);
    auto& run = *app.add_subcommand("run", "Scan a table and delete what is completed and old enough");
    auto& generate = *app.add_subcommand("generate", "Make a table to try it on");
    auto& table = *app.add_subcommand("table", "Measure seven settings over the same data");
    options run_options{run, variable};
    options generate_options{generate, variable};
    options table_options{table, variable};
    add_run(run_options);
    add_generate(generate_options);
    add_table(table_options);

    try {
        std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
        app.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
        return show_help{app.help("", CLI::AppFormatMode::Normal)};
    } catch (const CLI::ParseError& error) {
        throw usage_error{one_line(error.what())};
    }
    if (run.parsed()) return read_run(run_options);
    if (generate.parsed()) return read_generate(generate_options);
    if (table.parsed()) return read_table_command(table_options);
    throw usage_error{"a command is required: run, generate or table; --help says more"};
}

}  // namespace scavenger
