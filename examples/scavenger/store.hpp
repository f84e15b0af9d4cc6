// SPDX-License-Identifier: BSL-1.0
// store.hpp: what does the scavenger need of a database?
//
// Shaped after DynamoDB, so that a store on its client slots in: paged scans of numbered segments, a filter applied by
// the store, conditional deletes, and errors by class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <sluice/task.hpp>

#include "item.hpp"
#include "store_error.hpp"

namespace scavenger {

/// One answer to a scan.
struct page {
    std::vector<item> items;      // the completed ones among those examined, in the order of their keys
    std::size_t examined = 0;     // by the store, before its filter
    std::optional<key> last_key;  // where the next page starts; none: the segment ends here
};

/// A table of workers' records somewhere. Requests fail with `store_error`.
///
/// Thread safety: all requests from any task, any number at a time. The store outlives its requests.
class store {
public:
    store() = default;
    store(const store&) = delete;
    store& operator=(const store&) = delete;
    virtual ~store() = default;

    /// Examines at most `limit` entries of the segment behind `start_key` and answers with the completed ones,
    /// those whose `Completed` is the number 1 or the string "1".
    virtual sluice::task<page> scan(std::size_t segment, std::size_t total_segments, std::optional<key> start_key,
                                    std::size_t limit) = 0;

    /// Deletes the entry if it still is as it was scanned: completed, with the same `StartExecutionTime`. It is gone
    /// for good when the task ends; otherwise the task throws, with `condition_failed` if the entry has changed.
    virtual sluice::task<> remove(item target) = 0;

    /// About how many entries there are, for the progress line; nothing if that is not cheap to know.
    virtual sluice::task<std::optional<std::uint64_t>> approximate_count() = 0;
};

}  // namespace scavenger
