// SPDX-License-Identifier: BSL-1.0
// item.hpp: what is an entry of the workers' table?
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace scavenger {

/// Both parts of the table's primary key, ordered as the table orders them.
struct key {
    std::int64_t worker_id = 0;
    std::string start_time;

    friend auto operator<=>(const key&, const key&) = default;
};

/// What a scan reads of an entry: enough to judge its age and to name it in a delete.
struct item {
    key id;
    std::string start_execution_time;  // as written, perhaps malformed; empty stands for null too

    friend bool operator==(const item&, const item&) = default;
};

/// `WorkerId 17, StartTime "2026-11-20T12:00:00Z"`, with whatever does not print escaped.
std::string describe(const key& id);

}  // namespace scavenger
