// SPDX-License-Identifier: BSL-1.0
// tally.hpp: what has a run done so far?
#pragma once

#include <atomic>
#include <cstdint>

namespace scavenger {

/// The numbers at one moment. At the end of a run every scanned entry has met exactly one fate:
/// `scanned == matched + those not completed` and `matched == judged() + those not reached`.
struct counts {
    std::uint64_t scanned = 0;
    std::uint64_t matched = 0;  // completed, whatever came of it
    std::uint64_t too_young = 0;
    std::uint64_t malformed = 0;
    std::uint64_t would_delete = 0;  // in a dry run
    std::uint64_t deleted = 0;
    std::uint64_t skipped = 0;  // changed or gone between scan and delete
    std::uint64_t failed = 0;
    std::uint64_t retried = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t segments_done = 0;

    std::uint64_t not_completed() const { return scanned - matched; }
    std::uint64_t judged() const { return too_young + malformed + would_delete + deleted + skipped + failed; }
    std::uint64_t not_reached() const { return matched - judged(); }
};

/// The same numbers while they change. Tasks count, others look.
struct tally {
    std::atomic<std::uint64_t> scanned = 0;
    std::atomic<std::uint64_t> matched = 0;
    std::atomic<std::uint64_t> too_young = 0;
    std::atomic<std::uint64_t> malformed = 0;
    std::atomic<std::uint64_t> would_delete = 0;
    std::atomic<std::uint64_t> deleted = 0;
    std::atomic<std::uint64_t> skipped = 0;
    std::atomic<std::uint64_t> failed = 0;
    std::atomic<std::uint64_t> retried = 0;
    std::atomic<std::uint64_t> in_flight = 0;
    std::atomic<std::uint64_t> segments_done = 0;

    /// While tasks count, the numbers may be of slightly different moments.
    counts now() const {
        return {scanned, matched, too_young, malformed, would_delete, deleted,
                skipped, failed,  retried,   in_flight, segments_done};
    }
};

}  // namespace scavenger
