// SPDX-License-Identifier: BSL-1.0
// scavenge.hpp: how is a table scavenged?
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sluice/context.hpp>
#include <sluice/task.hpp>

#include "backoff.hpp"
#include "item.hpp"
#include "rfc3339.hpp"
#include "store.hpp"
#include "tally.hpp"

namespace scavenger {

/// What to do.
struct plan {
    std::size_t total_segments = 10;
    std::size_t max_deletes = 100;  // in flight
    std::size_t page_size = 1000;
    std::int64_t age_hours = 48;  // whole hours since StartExecutionTime, at least
    instant now;
    bool dry_run = false;
    bool strict = false;
    retry_policy retries;
};

/// Is told what happens to single entries.
///
/// Thread safety: called from any worker, several at a time. What it throws ends the program.
class observer {
public:
    virtual ~observer() = default;
    virtual void deleted(const key&) noexcept {}
    virtual void malformed(const item&) noexcept {}
    virtual void skipped(const key&) noexcept {}
    virtual void failed(const key&, const store_error&) noexcept {}
};

enum class ending { complete, stopped, failed };

struct verdict {
    ending how = ending::complete;
    std::string why;  // a run failed
};

/// Scans all segments of `table` at once and deletes what is completed and old enough.
///
/// When `stop` ends, nothing new is begun, requests in flight are finished, and the verdict is `stopped` unless there was
/// nothing left to do. The same happens after an error that no retry can cure, with the verdict `failed`.
/// Cancellation: meant to be run outside of `stop`. All arguments outlive the task.
sluice::task<verdict> scavenge(store& table, const plan& todo, tally& numbers, observer& witness, sluice::context stop);

}  // namespace scavenger
