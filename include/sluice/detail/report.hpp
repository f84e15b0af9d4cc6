// SPDX-License-Identifier: BSL-1.0
// report.hpp: what can be told about the tasks of a runtime?
//
// Reads only words kept in each task, under the registry's shard lock, while the tasks run on: a line whose claim
// word changed in between is marked as moving.
#pragma once

#include <string>

#include "object_names.hpp"
#include "scheduler.hpp"

namespace sluice::detail {

inline std::string to_string(place p) {
    if (p.line() == 0) return "a place not known";
    return std::string{p.file_name()} + ":" + std::to_string(p.line()) + " (" + p.function_name() + ")";
}

inline void describe(const task_state& t, std::size_t number, std::string& out) {
    const ticket before = t.word();
    const auto kind = t.waits_kind.load(std::memory_order_relaxed);
    const place at = t.waits_at.load(std::memory_order_relaxed);
    // What a task waits on lives as long as it waits: if it still does afterwards, the name was that of the right one.
    const std::string name = object_name::of(t.waits_on.load(std::memory_order_relaxed));
    const bool waits = (before & claim::state_mask) == claim::waiting && t.word() == before;
    out += "  #" + std::to_string(number) + (t.is_callable ? " callable" : " task") + " started at " +
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
