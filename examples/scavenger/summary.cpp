// SPDX-License-Identifier: BSL-1.0
#include "summary.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "duration.hpp"

namespace scavenger {
namespace {

constexpr double mib = 1024.0 * 1024.0;

std::string_view name_of(stopped_by reason) {
    switch (reason) {
        case stopped_by::nothing: return "nothing";
        case stopped_by::deadline: return "deadline";
        case stopped_by::signal: return "signal";
    }
    return "";
}

/// Why entries are still in the table, in words.
std::string reasons(const counts& numbers) {
    const std::vector<std::pair<std::uint64_t, std::string_view>> all{
        {numbers.not_completed(), "not completed"},
        {numbers.too_young, "too young"},
        {numbers.malformed, "malformed"},
        {numbers.skipped, "changed or gone"},
        {numbers.failed, "failed"},
        {numbers.would_delete, "only a dry run"},
        {numbers.not_reached(), "not reached"},
    };
    std::string text;
    for (const auto& [number, reason] : all)
        if (number != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(number), reason);
    return text;
}

std::string ending_line(const summary& run) {
    const auto left = run.total_segments - run.numbers.segments_done;
    const auto open = fmt::format("{} matched items were not reached, {} of {} segments were not scanned to their end",
                                  grouped(run.numbers.not_reached()), left, run.total_segments);
    switch (run.end.how) {
        case ending::complete: return "";
        case ending::failed: return fmt::format("failed         {}\n               {}\n", run.end.why, open);
        case ending::stopped: return fmt::format("stopped early  by the {}: {}\n", name_of(run.reason), open);
    }
    return "";
}

}  // namespace

double summary::items_per_second() const {
    const double seconds = std::chrono::duration<double>(time).count();
    return seconds > 0 ? static_cast<double>(numbers.scanned) / seconds : 0;
}

int exit_code(const summary& run) {
    if (run.end.how == ending::failed) return 1;
    if (run.end.how == ending::stopped) return 3;
    return run.numbers.failed == 0 ? 0 : 1;
}

std::string to_text(const summary& run) {
    const auto& n = run.numbers;
    const auto kept = n.scanned - n.deleted;
    std::string text;
    const auto line = [&](std::string_view name, std::uint64_t number, std::string_view note = "") {
        text += fmt::format("{:<13}{:>12}{}{}\n", name, grouped(number), note.empty() ? "" : "  ", note);
    };
    line("scanned", n.scanned);
    line("matched", n.matched, "completed");
    if (run.dry_run) line("would delete", n.would_delete);
    line("deleted", n.deleted);
    line("kept", kept, reasons(n));
    line("malformed", n.malformed);
    line("retried", n.retried);
    line("failed", n.failed);
    text += fmt::format("{:<13}{:>12}  {} items/s\n", "time", format_duration(run.time),
                        grouped(static_cast<std::uint64_t>(run.items_per_second())));
    text += fmt::format("{:<13}{:>8.1f} MiB\n", "peak memory", static_cast<double>(run.peak_memory_bytes) / mib);
    return text + ending_line(run);
}

nlohmann::json to_json(const summary& run) {
    const auto& n = run.numbers;
    nlohmann::json kept{
        {"total", n.scanned - n.deleted}, {"not_completed", n.not_completed()}, {"too_young", n.too_young},
        {"malformed", n.malformed},       {"changed_or_gone", n.skipped},       {"failed", n.failed},
        {"dry_run", n.would_delete},      {"not_reached", n.not_reached()},
    };
    nlohmann::json result{
        {"table", run.table},
        {"dry_run", run.dry_run},
        {"scanned", n.scanned},
        {"matched", n.matched},
        {"deleted", n.deleted},
        {"would_delete", n.would_delete},
        {"kept", std::move(kept)},
        {"malformed", n.malformed},
        {"retried", n.retried},
        {"failed", n.failed},
        {"segments", run.total_segments},
        {"segments_done", n.segments_done},
        {"seconds", std::chrono::duration<double>(run.time).count()},
        {"items_per_second", run.items_per_second()},
        {"peak_memory_bytes", run.peak_memory_bytes},
        {"exit_code", exit_code(run)},
    };
    if (run.end.how == ending::stopped) result["stopped_by"] = name_of(run.reason);
    if (run.end.how == ending::failed) result["error"] = run.end.why;
    return result;
}

std::string grouped(std::uint64_t number) {
    auto text = std::to_string(number);
    for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > 0; i -= 3)
        text.insert(static_cast<std::size_t>(i), 1, ',');
    return text;
}

}  // namespace scavenger
