// SPDX-License-Identifier: BSL-1.0
// summary.hpp: what is told at the end of a run?
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "scavenge.hpp"
#include "tally.hpp"

namespace scavenger {

enum class stopped_by { nothing, deadline, signal };

struct summary {
    std::string table;
    verdict end;
    stopped_by reason = stopped_by::nothing;
    counts numbers;
    std::size_t total_segments = 0;
    bool dry_run = false;
    std::chrono::nanoseconds time{0};
    std::uint64_t peak_memory_bytes = 0;

    double items_per_second() const;
};

/// 0 done, 1 failed, also for single items, 3 stopped early.
int exit_code(const summary& run);

/// For people: several lines.
std::string to_text(const summary& run);

/// For programs: the same facts as one object. `kept` counts what the run left alone, by reason.
nlohmann::json to_json(const summary& run);

/// 1234567 as `1,234,567`.
std::string grouped(std::uint64_t number);

}  // namespace scavenger
