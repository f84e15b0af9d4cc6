// SPDX-License-Identifier: BSL-1.0
// worker.hpp: what does one worker hold, and what does it run next?
//
// A worker is a set of queues, not a thread: the thread that serves it may change (scheduler.hpp, S2).
// Order: run-next (the partner of a handoff), then woken tasks oldest first, then spawned tasks newest first (depth
// first, bounded memory). Every 61st turn the other ends and the shared queue come first, so that nothing starves.
#pragma once

#include "random.hpp"
#include "run_queue.hpp"

namespace sluice::detail {

class alignas(cache_line) worker {
public:
    /// `seed` 0: the thread that serves it keeps its own generator for shuffles.
    worker(runtime_core& in, unsigned number, std::uint32_t seed) noexcept
        : runtime{in}, index{number}, seed_{seed}, random_{mixed(number + seed)} {}

    static constexpr unsigned fairness = 61;

    /// Takes the next task of this worker's own.
    task_state* take_own() noexcept {
        if (chain_ < fairness) {
            if (auto* t = take_next()) {
                ++chain_;
                return t;
            }
        }
        chain_ = 0;
        if (auto* t = woken.pop_oldest(served_by)) return t;
        if (auto* t = spawned.pop_newest(served_by)) return t;
        return take_next();
    }

    /// Owner: whether the oldest spawned task shall come first for once, so that it does not starve. It may be the root
    /// of a large tree, and many trees at a time need memory like a breadth-first walk: so not more than one a millisecond.
    bool may_take_oldest_spawned(time_point now) noexcept {
        if (now - took_oldest_at_ < std::chrono::milliseconds{1}) return false;
        took_oldest_at_ = now;
        return true;
    }

    /// Owner: what is ready next; what was there before goes behind the others that were woken, or is returned.
    task_state* put_next(task_state& t) noexcept {
        // Only the owner fills the slot, so an empty one stays empty. release: the frame must be visible to a thief.
        if (!run_next_.load(std::memory_order_relaxed)) {
            run_next_.store(&t, std::memory_order_release);
            return nullptr;
        }
        return exchange_next(&t);
    }

    task_state* take_next() noexcept {
        return run_next_.load(std::memory_order_relaxed) ? exchange_next(nullptr) : nullptr;
    }

    /// Thief, of a worker that was stuck.
    task_state* steal_next() noexcept {
        if (!thieves_.try_acquire()) return nullptr;
        task_state* t = nullptr;
        if (run_next_.load(std::memory_order_relaxed)) {
            thief_at_next_.store(true, std::memory_order_seq_cst);
            heavy_barrier();
            if (!at_next_.load(std::memory_order_seq_cst)) t = run_next_.exchange(nullptr, std::memory_order_acq_rel);
            thief_at_next_.store(false, std::memory_order_release);
        }
        thieves_.release();
        return t;
    }

    /// Whether what was woken here would wait so long for its turn that moving some of it pays.
    bool has_a_queue_to_move() const noexcept { return has_work_for(worth_moving_ns); }
    /// The same, of a thief who is awake already.
    bool has_a_queue_to_steal() const noexcept { return has_work_for(worth_stealing_ns); }

    /// Owner: whether it pays to wake an idle worker for what was spawned here. What it takes is not known before it runs,
    /// so also a little is worth it, but for small steps not again and again.
    bool has_spawned_to_move() const noexcept {
        const std::uint32_t waiting = spawned.size();
        if (waiting < 2) return false;
        const std::uint64_t step = step_ns.load(std::memory_order_relaxed);
        return waiting >= worth_moving || step == 0 || waiting * step >= worth_moving_ns ||
               (turn - woke_at_) * step >= rest_ns;
    }
    void has_woken_another() noexcept { woke_at_ = turn; }

    /// Now and then: how long a step takes.
    void measure_steps(time_point now) noexcept {
        if (measured_at_ != time_point{}) {
            const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now - measured_at_).count();
            const auto mean = static_cast<std::uint64_t>(ns) / fairness;
            step_ns.store(static_cast<std::uint32_t>(std::min<std::uint64_t>(mean, longest_step)),
                          std::memory_order_relaxed);
        }
        measured_at_ = now;
    }

    void begin_steps() noexcept { measured_at_ = {}; }

    bool has_ready() const noexcept {
        return run_next_.load(std::memory_order_relaxed) || woken.size() || spawned.size();
    }

    std::uint32_t random() noexcept { return next_of(random_); }
    /// By the thread that begins to serve it.
    void seed_thread() const noexcept {
        if (seed_) seed_random(mixed(seed_) + index);
    }

    void begins_to_run(const task_state& t) noexcept {
        // relaxed: a report looks twice.
        runs.store(t.started_at.load(std::memory_order_relaxed), std::memory_order_relaxed);
        runs_now.store(&t, std::memory_order_relaxed);
    }
    void runs_nothing() noexcept { runs_now.store(nullptr, std::memory_order_relaxed); }

    // Counted by the thread that serves the worker, read by others: no read-modify-write is needed.
    void count(std::atomic<std::uint64_t>& counter) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    runtime_core& runtime;
    const unsigned index;
    thread_id served_by = 0;
    std::uint32_t turn = 0;
    bool somebody_yielded = false;           // to the woken, whom it stands behind, and to one spawned task
    std::atomic<std::uint32_t> progress{0};  // the turn, for the monitor
    std::atomic<bool> is_stuck{false};       // the monitor: all that is ready here may be stolen
    std::atomic<std::uint32_t> step_ns{0};   // how long a step took lately
    std::atomic<std::uint64_t> started_tasks{0};
    std::atomic<std::uint64_t> ended_tasks{0};
    std::atomic<std::uint64_t> steals{0};
    bool is_idle = false;               // under the runtime's lock
    bool serves = false;                // likewise: a thread serves it, or will
    bool retires = false;               // likewise: shall not sleep, but end its service
    std::atomic<int> kernel_thread{0};  // that serves it, for the monitor
    // Of the task that runs now or ran last, for the monitor and reports: where it was started, and which it is: an
    // address, never followed; null: none.
    std::atomic<place> runs{};
    std::atomic<const task_state*> runs_now{nullptr};
    std::atomic<std::uint32_t> runs_since{0};  // coarse_clock, of the monitor: when it last saw another turn
    class parker parker;                       // of whichever thread serves the worker

    run_queue woken;
    run_queue spawned;

private:
    // Owner. A thief comes rarely, so he pays for both (asymmetric.hpp): he says so and looks whether we are at it; we
    // say that we are at it and look for a thief.
    SLUICE_ALWAYS_INLINE task_state* exchange_next(task_state* t) noexcept {
        task_state* before = nullptr;
        announce(at_next_, true);
        if (thief_at_next_.load(std::memory_order_seq_cst)) [[unlikely]] {
            before = run_next_.exchange(t, std::memory_order_acq_rel);
        } else {
            before = run_next_.load(std::memory_order_relaxed);
            run_next_.store(t, std::memory_order_release);
        }
        at_next_.store(false, std::memory_order_release);
        return before;
    }

    bool has_work_for(std::uint32_t ns) const noexcept {
        const std::uint32_t waiting = woken.size();
        return waiting >= worth_moving || std::uint64_t{waiting} * step_ns.load(std::memory_order_relaxed) >= ns;
    }

    static constexpr std::uint32_t worth_moving = 16;
    static constexpr std::uint32_t worth_moving_ns = 30'000;
    static constexpr std::uint32_t worth_stealing_ns = 4'000;
    static constexpr std::uint32_t rest_ns = 200'000;  // between wakes for little
    static constexpr std::uint64_t longest_step = 1'000'000;

    std::atomic<task_state*> run_next_{nullptr};
    time_point measured_at_{};
    time_point took_oldest_at_{};
    std::uint32_t woke_at_ = 0;  // a turn
    std::atomic<bool> at_next_{false};
    std::atomic<bool> thief_at_next_{false};
    lock thieves_;
    unsigned chain_ = 0;  // run-next resumes in a row
    const std::uint32_t seed_;
    std::uint32_t random_;
};

}  // namespace sluice::detail
