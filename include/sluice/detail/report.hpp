// SPDX-License-Identifier: BSL-1.0
// report.hpp: what can be told about the tasks of a runtime?
//
// Reads only words kept in each task, under the registry's shard lock, while the tasks run on: a line whose claim
// word changed in between is marked as moving.
#pragma once

#include <string>
#include <string_view>

#include "object_names.hpp"
#include "scheduler.hpp"

namespace sluice::detail {

/// The name of a function as it stands in the source. Of a coroutine `f(int)` g++ says `void f(f(int)::_Z1fi.Frame*)`.
inline std::string_view readable(std::string_view function) {
    constexpr std::string_view prefix = "void ";
    const std::size_t end = function.rfind("::_Z");
    if (!function.ends_with(".Frame*)") || end == std::string_view::npos || !function.starts_with(prefix))
        return function;
    const std::string_view both = function.substr(prefix.size(), end - prefix.size());
    for (std::size_t at = both.find('('); at != std::string_view::npos; at = both.find('(', at + 1)) {
        constexpr std::string_view call = "::operator()";
        std::string_view name = both.substr(0, at);
        if (name.ends_with(call)) name.remove_suffix(call.size());
        const std::string_view full = both.substr(at + 1);
        if (!name.empty() && full.starts_with(name)) return full;
    }
    return function;
}

inline std::string to_string(place p) {
    if (p.line() == 0) return "a place not known";
    return std::string{p.file_name()} + ":" + std::to_string(p.line()) + " (" +
           std::string{readable(p.function_name())} + ")";
}

inline void describe(const task_state& t, std::size_t number, std::string& out) {
    const ticket before = t.word();
    const auto kind = t.waits_kind.load(std::memory_order_relaxed);
    const place at = t.waits_at.load(std::memory_order_relaxed);
    // What a task waits on lives as long as it waits: if it still does afterwards, the name was that of the right one.
    const std::string name = object_name::of(t.waits_on.load(std::memory_order_relaxed));
    const bool waits = (before & claim::state_mask) == claim::waiting && t.word() == before;
    const std::string called = object_name::of(&t);
    out += "  #" + std::to_string(number) + (t.is_callable ? " callable" : " task") +
           (called.empty() ? "" : " \"" + called + "\"") + " started at " +
           to_string(t.started_at.load(std::memory_order_relaxed)) +
           (waits ? "\n      waits for " : "\n      runs; waited last for ") + to_string(kind) +
           (waits && !name.empty() ? " on \"" + name + "\" at " : " at ") + to_string(at) + "\n";
}

inline std::string runtime_core::dump() {
    std::string out;
    std::size_t number = 0;
    {
        const hold guard{homes_mutex_};
        for (home* h = homes_; h; h = h->next_of_runtime)
            h->for_each_task([&](task_state& t) { describe(t, ++number, out); });
    }
    const auto ended = ended_tasks();
    const auto alive = started_tasks() - ended;
    out += "  " + std::to_string(number) + " listed have parked at least once; " + std::to_string(alive) +
           " alive in all\n";
    return out;
}

}  // namespace sluice::detail
