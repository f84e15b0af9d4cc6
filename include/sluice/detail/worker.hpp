// SPDX-License-Identifier: BSL-1.0
// worker.hpp: what does one worker hold, and what does it run next?
//
// A worker is a set of queues, not a thread: the thread that serves it may change (scheduler.hpp, S2).
// Order: run-next (the partner of a handoff), then woken tasks oldest first, then spawned tasks newest first (depth
// first, bounded memory). Every 61st turn the other ends and the shared queue come first, so that nothing starves.
#pragma once

#include "run_queue.hpp"

namespace sluice::detail {

class alignas(cache_line) worker {
public:
    worker(runtime_core& in, unsigned number) noexcept
        : runtime{in}, index{number}, random_{number * 2654435761u + 1} {}

    static constexpr unsigned fairness = 61;

    /// Takes the next task of this worker's own.
    task_state* take_own() noexcept {
        if (std::exchange(somebody_yielded, false))
            if (auto* t = spawned.pop_newest()) return t;
        if (chain_ < fairness) {
            if (auto* t = take_next()) {
                ++chain_;
                return t;
            }
        }
        chain_ = 0;
        if (auto* t = woken.pop_oldest()) return t;
        if (auto* t = spawned.pop_newest()) return t;
        return take_next();
    }

    task_state* take_next() noexcept {
        // relaxed: a miss is a miss; the exchange decides.
        if (!run_next.load(std::memory_order_relaxed)) return nullptr;
        // acq_rel: a thief may take it as well.
        return run_next.exchange(nullptr, std::memory_order_acq_rel);
    }

    bool has_ready() const noexcept {
        return run_next.load(std::memory_order_relaxed) || woken.size() || spawned.size();
    }

    std::uint32_t random() noexcept {  // xorshift32, Marsaglia 2003
        random_ ^= random_ << 13;
        random_ ^= random_ >> 17;
        random_ ^= random_ << 5;
        return random_;
    }

    // Counted by the thread that serves the worker, read by others: no read-modify-write is needed.
    void count(std::atomic<std::uint64_t>& counter) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    runtime_core& runtime;
    const unsigned index;
    std::atomic<task_state*> run_next{nullptr};
    std::uint32_t turn = 0;
    bool somebody_yielded = false;           // to the woken, whom it stands behind, and to one spawned task
    std::atomic<std::uint32_t> progress{0};  // the turn, for the monitor
    std::atomic<bool> next_is_stale{false};  // the monitor: run-next may be stolen
    std::atomic<std::uint64_t> started_tasks{0};
    std::atomic<std::uint64_t> ended_tasks{0};
    std::atomic<std::uint64_t> steals{0};
    bool is_idle = false;  // under the runtime's lock
    class parker parker;   // of whichever thread serves the worker

    run_queue woken;
    run_queue spawned;

private:
    unsigned chain_ = 0;  // run-next resumes in a row
    std::uint32_t random_;
};

}  // namespace sluice::detail
