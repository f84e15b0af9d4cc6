// SPDX-License-Identifier: BSL-1.0
// monitor.hpp: what goes wrong in a runtime while nobody of it looks?
//
// One thread of each runtime looks at it from outside and sleeps when there is nothing to see. What it remembers from
// look to look is its own: nobody else reads it, and no lock guards it. What it finds out, it does through the
// scheduler, whose numbers (S1 to S5, R1) are those of scheduler.hpp and runtime_life.hpp.
// V1  It looks every millisecond while any worker is busy: at timers nobody had time for, and at workers that hold ready
//     tasks behind one that has been running since the last look, which an idle worker may take, run-next included.
// V2  A worker whose thread sleeps in the kernel while it runs a task is held by a call that blocks: the task is not
//     ours to move, but a spare worker steals what else is there. As many spare workers serve as workers are held.
// V3  When all workers of a run have been idle for a while, it looks whether any task can still be woken. All tasks
//     that live must wait, and have waited at one moment: two walks over them find the same words. A claimed task does
//     not wait any more, so who is about to wake one is seen. It looks again, ever more rarely, while it finds tasks
//     that run in threads, timers, or somebody outside (outside.hpp). A run, or a call of runtime::run, has a thread
//     that waits for a main task: it is no outside, as long as that task waits too. If no such thread waits, nobody could
//     be told, and the look is left out. Once the main task has ended, its thread may do anything.
// V4  Now and then, when all workers are idle for a moment, it looks for suspicions (suspicions.hpp).
// V5  It has no caller to throw at. What it has no memory for is done at a later look, or not told.
#pragma once

#include "report.hpp"
#include "runtime_life.hpp"
#include "scheduler.hpp"
#include "suspicions.hpp"
#include "task_end.hpp"

namespace sluice::detail {

class monitor {
public:
    explicit monitor(runtime_core& of) : core_{of}, workers_(of.workers_.size()), suspicions_{of} {
        changing_.reserve(workers_.size());
    }
    monitor(const monitor&) = delete;
    monitor& operator=(const monitor&) = delete;

    /// The thread's work, until the runtime stops.
    void watch() noexcept {
        unsigned quiet = 0;
        auto quiet_since = std::chrono::steady_clock::now();
        for (;;) {
            {
                const hold guard{core_.mutex_};
                if (core_.stopping_) return;
                quiet = core_.idle_.size() == core_.serving_ ? quiet + 1 : 0;
                core_.monitor_sleeps_ = quiet > 10;
            }
            if (quiet == 0) suspicions_.begin_again();
            else if (suspicions_.next() <= std::chrono::steady_clock::now()) look_for_suspicions();
            if (quiet > 10) {
                const auto again = std::min(look_for_a_deadlock(quiet_since), suspicions_.next());
                if (!core_.monitor_parker_.park_until(again)) {
                    const hold guard{core_.mutex_};
                    if (std::exchange(core_.monitor_sleeps_, false)) continue;  // nobody has woken us: still quiet
                }
                quiet = 0;
                suspicions_.begin_again();
                continue;
            }
            quiet_since = std::chrono::steady_clock::now();
            coarse_clock::set(quiet_since);
            core_.monitor_tick_.park_until(std::chrono::steady_clock::now() + std::chrono::milliseconds{1});
            if (quiet) continue;
            core_.fire_timers();
            look_for_stuck_workers();
            look_for_held_workers();
        }
    }

private:
    struct watched {
        std::uint32_t turn = 0;  // when last looked whether it is stuck
        std::uint32_t progress = 0;
        unsigned looks_without_progress = 0;
        unsigned asleep = 0;  // looks in a row
        bool is_held = false;
    };

    void look_for_stuck_workers() noexcept {
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            worker& w = *core_.workers_[i];
            const auto now = w.progress.load(std::memory_order_relaxed);
            if (std::exchange(workers_[i].turn, now) == now && w.has_ready() &&
                core_.idle_count_.load(std::memory_order_relaxed) > 0) {
                w.is_stuck.store(true, std::memory_order_relaxed);
                core_.wake_one();
            }
        }
    }

    // --- held workers (V2) ----------------------------------------------------------------------------------------

    static constexpr unsigned patience = 5;  // looks, one a millisecond, before the kernel is asked
    static constexpr unsigned certain = 6;   // times asleep

    // Decides who is held, and lets as many spare workers serve.
    void look_for_held_workers() noexcept {
        std::size_t held = 0;
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            worker& w = *core_.workers_[i];
            watched& seen = workers_[i];
            const auto now = w.progress.load(std::memory_order_relaxed);
            if (std::exchange(seen.progress, now) != now) {
                w.runs_since.store(coarse_clock::now(), std::memory_order_relaxed);
                seen.looks_without_progress = seen.asleep = 0;
                seen.is_held = false;
                continue;
            }
            if (!seen.is_held && ++seen.looks_without_progress > patience) {
                seen.asleep = runs_asleep(w) ? seen.asleep + 1 : 0;
                if (seen.asleep == 0) seen.looks_without_progress = 0;
                seen.is_held = seen.asleep == certain && w.progress.load(std::memory_order_relaxed) == now;
                if (seen.is_held) core_.tell_of_a_held_worker(w.runs.load(std::memory_order_relaxed));
            }
            held += seen.is_held;
        }
        if (held != spares_) let_spare_workers_serve(held);
    }

    bool runs_asleep(const worker& w) noexcept {
        {
            const hold guard{core_.mutex_};
            if (!w.serves || w.is_idle) return false;
        }
        const int thread = w.kernel_thread.load(std::memory_order_relaxed);
        if (thread == 0 || !thread_sleeps(thread)) return false;
        // It may be one of our own locks that it sleeps for, whose holder has been taken from its core.
        return !lock_sleepers.any() && sleeping_for_favourites.load(std::memory_order_relaxed) == 0;
    }

    void let_spare_workers_serve(std::size_t wanted) noexcept {
        {
            const hold guard{core_.mutex_};
            if (core_.stopping_) return;
            std::size_t serve = 0;
            for (std::size_t i = core_.options_.workers; i < workers_.size(); ++i) {
                worker& w = *core_.workers_[i];
                if (serve < wanted) {
                    ++serve;
                    w.retires = false;
                    if (std::exchange(w.serves, true)) continue;
                    ++core_.serving_;
                    const std::size_t known = core_.known_.load(std::memory_order_relaxed);
                    core_.known_.store(std::max(known, i + 1), std::memory_order_relaxed);
                    changing_.push_back({&w, true});
                } else if (w.serves && !std::exchange(w.retires, true) && w.is_idle) {
                    std::erase(core_.idle_, &w);
                    w.is_idle = false;
                    core_.idle_count_.store(core_.idle_.size(), std::memory_order_relaxed);
                    changing_.push_back({&w, false});
                }
            }
            spares_ = serve;
        }
        for (const auto& [w, begins] : changing_) {
            if (begins) begin_to_serve(*w);
            else w->parker.unpark();
        }
        changing_.clear();
    }

    void begin_to_serve(worker& w) noexcept {
        core_.stand_ins_.fetch_add(1, std::memory_order_relaxed);
        bool has_thread = true;
        try {
            has_thread = core_.threads_.submit({&runtime_core::serve_job, &w});
        } catch (...) {  // no thread to be had, or no memory: tried again at the next look
            const hold guard{core_.mutex_};
            w.serves = false;
            --core_.serving_;
            spares_ = no_spares_known;
            return;
        }
        core_.tell_if_queued(has_thread);
    }
    static constexpr std::size_t no_spares_known = static_cast<std::size_t>(-1);

    // --- deadlocks (V3) -------------------------------------------------------------------------------------------

    // When to look again; no_deadline: when something has happened.
    time_point look_for_a_deadlock(time_point quiet_since) noexcept {
        if (core_.options_.may_wake == outside::any || !look_at_callers().is_somebody_open) return no_deadline;
        const auto now = std::chrono::steady_clock::now();
        const auto quiet_for = std::max<time_point::duration>(now - quiet_since, std::chrono::milliseconds{10});
        const auto later = now + std::min<time_point::duration>(quiet_for, std::chrono::seconds{1});
        const auto ended = core_.ended_tasks();  // R1
        const auto alive = core_.started_tasks() - ended;
        if (alive == 0) return no_deadline;
        const auto first = core_.look_at_all_tasks();
        if (first.waiting != alive || has_timers()) return later;
        const callers calling = look_at_callers();
        const bool is_alone =
            core_.options_.may_wake == outside::none || !somebody_outside_may_wake(calling.count, calling.is_in_a_task);
        if (core_.look_at_all_tasks() != first || core_.started_tasks() - ended != alive || calling.is_one_free)
            return later;
        const std::string which = core_.is_run_ ? "run" : "runtime";
        if (!is_alone) {
            if (quiet_for >= std::chrono::seconds{1} && !std::exchange(said_that_all_wait_, true))
                core_.tell([&] {
                    return "sluice: all " + std::to_string(alive) + " tasks of the " + which +
                           " wait; somebody outside of it may wake them, so this is no error\n";
                });
            return later;
        }
        try {
            const bool all_stand_still = !somebody_outside_may_wake(calling.count, calling.is_in_a_task);
            const std::string what = "sluice: deadlock: all " + std::to_string(alive) + " tasks of the " + which +
                                     " wait, and nobody is left who could wake one\n" + core_.dump(all_stand_still);
            auto error = std::make_exception_ptr(deadlock_error{what});
            end_runs(std::move(error));
        } catch (const std::bad_alloc&) {}  // V5
        return later;
    }

    struct callers {
        std::uint32_t count = 0;
        bool is_somebody_open = false;  // no deadlock has been found for him
        bool is_in_a_task = false;      // one of them
        bool is_one_free = false;       // his main task has ended
    };
    callers look_at_callers() noexcept {
        callers seen;
        const hold guard{core_.mutex_};
        for (const auto* r = core_.runs_; r; r = r->next_) {
            ++seen.count;
            seen.is_somebody_open |= !r->deadlock_;
            seen.is_in_a_task |= r->is_in_a_task_;
            seen.is_one_free |= r->main_.has_ended();
        }
        return seen;
    }

    // A run ends with all its tasks, a call of runtime::run with its main task.
    void end_runs(std::exception_ptr deadlock) noexcept {
        {
            const hold guard{core_.mutex_};
            for (auto* r = core_.runs_; r; r = r->next_)
                if (!r->deadlock_) r->deadlock_ = deadlock;
        }
        if (core_.is_run_) return core_.fail(told_ = std::move(deadlock));
        // Before the callers go on: the thread sanitizer does not see that the references to the error are counted.
        deadlock = nullptr;
        while (task_state* const main = next_to_stop()) {
            request_stop(*main);
            main->release();
        }
    }
    // With a reference.
    task_state* next_to_stop() noexcept {
        const hold guard{core_.mutex_};
        auto* r = core_.runs_;
        while (r && (!r->deadlock_ || r->is_stopped_)) r = r->next_;
        if (!r) return nullptr;
        r->is_stopped_ = true;
        r->main_.retain();
        return &r->main_;
    }

    void look_for_suspicions() noexcept {
        try {
            suspicions_.look();
        } catch (const std::bad_alloc&) {}  // V5
    }

    bool has_timers() const noexcept {
        return core_.timers_.earliest() != no_deadline || process_timers::has_work() ||
               core_.timed_blocks_.load(std::memory_order_seq_cst) != 0;
    }

    // `calling`: the threads that wait for the end of main tasks.
    bool somebody_outside_may_wake(std::uint32_t calling, bool is_one_in_a_task) noexcept {
        if (core_.is_nested_ || is_one_in_a_task || declared_life.load(std::memory_order_seq_cst) != 0) return true;
        auto& known = runtime_core::all_cores();
        const hold guard{known.mutex};
        for (const runtime_core* other : known.cores)
            if (other != &core_ && !other->nothing_alive()) return true;
        return may_have_other_threads(calling);
    }

    runtime_core& core_;
    std::vector<watched> workers_;  // as many as the runtime has, in its order
    struct change {
        worker* of;
        bool begins;
    };
    std::vector<change> changing_;  // of one look
    std::size_t spares_ = 0;        // workers that serve
    bool said_that_all_wait_ = false;
    std::exception_ptr told_;  // the deadlock of the run
    suspicions suspicions_;
};

inline void runtime_core::start_monitor() {
    // Made here: its memory is refused to whoever makes the runtime.
    monitor_ = std::thread{[monitor = std::make_unique<class monitor>(*this)]() noexcept {
        const our_thread counted;
        monitor->watch();
    }};
}

}  // namespace sluice::detail
