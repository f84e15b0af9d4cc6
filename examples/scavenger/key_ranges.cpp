// SPDX-License-Identifier: BSL-1.0
#include "key_ranges.hpp"

#include <cstdint>
#include <limits>

#include <fmt/format.h>

namespace scavenger {

key_range key_ranges::range(database& db, std::size_t segment, std::size_t total_segments) {
    const std::scoped_lock lock{mutex_};
    auto found = bounds_.find(total_segments);
    if (found == bounds_.end()) found = bounds_.emplace(total_segments, cut(db, total_segments)).first;
    const auto& bounds = found->second;

    key_range result;
    if (segment > 0) result.after = bounds[segment - 1];
    if (segment < bounds.size()) result.upto = bounds[segment];
    return result;
}

std::vector<key> key_ranges::cut(database& db, std::size_t total_segments) const {
    std::vector<key> bounds;
    if (total_segments == 1) return bounds;
    const auto table = sql_name(table_);
    statement count{db, fmt::format("SELECT count(*) FROM {}", table)};
    count.step();
    const auto rows = static_cast<std::size_t>(count.integer(0));
    count.reset();

    // One pass: each bound is found by skipping a segment's rows from the bound before it.
    statement skip{db, fmt::format("SELECT WorkerId, StartTime FROM {} WHERE (WorkerId, StartTime) > (?1, ?2) "
                                   "ORDER BY WorkerId, StartTime LIMIT 1 OFFSET ?3",
                                   table)};
    key last{std::numeric_limits<std::int64_t>::min(), ""};
    std::size_t passed = 0;
    for (std::size_t segment = 1; segment < total_segments; ++segment) {
        const auto until = rows * segment / total_segments;
        if (until > passed) {
            skip.bind(1, last.worker_id);
            skip.bind(2, last.start_time);
            skip.bind(3, static_cast<std::int64_t>(until - passed - 1));
            key next = last;  // stays so if rows went away meanwhile
            if (skip.step()) next = {skip.integer(0), std::string{skip.text(1)}};
            skip.reset();  // before `last`, which it is bound to, changes
            last = std::move(next);
            passed = until;
        }
        bounds.push_back(last);
    }
    return bounds;
}

}  // namespace scavenger
