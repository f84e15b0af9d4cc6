// SPDX-License-Identifier: BSL-1.0
// key_ranges.hpp: where does each segment of the table begin and end?
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "item.hpp"
#include "sqlite.hpp"

namespace scavenger {

/// Keys from behind `after` up to and including `upto`; where a bound is missing the range is open.
struct key_range {
    std::optional<key> after;
    std::optional<key> upto;
};

/// Cuts the table into ranges with equally many rows, once for each number of segments asked for.
///
/// The ranges cover every possible key, so that a row inserted later belongs to exactly one of them as well.
/// With more segments than rows some are empty.
/// Thread safety: all members from any thread.
class key_ranges {
public:
    explicit key_ranges(std::string table) : table_(std::move(table)) {}

    /// Reads all keys through `db` when a number of segments is first asked for; others wait meanwhile.
    key_range range(database& db, std::size_t segment, std::size_t total_segments);

private:
    // The last key of every segment but the last one, which has no bound.
    std::vector<key> cut(database& db, std::size_t total_segments) const;

    const std::string table_;
    std::mutex mutex_;
    std::map<std::size_t, std::vector<key>> bounds_;  // by number of segments; guarded by mutex_
};

}  // namespace scavenger
