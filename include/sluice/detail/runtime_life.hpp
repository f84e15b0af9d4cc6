// SPDX-License-Identifier: BSL-1.0
// runtime_life.hpp: how does a runtime begin and end?
//
//   begin ──▶ runs ──close──▶ all is cancelled ──nothing alive, gate shut──▶ closed ──stop──▶ threads joined
//
// R1  alive = started - ended, summed over all counters, the ended ones first: equal sums prove that nothing was
//     alive in between (the counters only grow, and who starts a task does so before it or its starter ends).
// R2  The gate outlives the runtime. Who holds its lock and finds the runtime there may start something in it: close()
//     takes the runtime out under that lock, and only when nothing is alive.
#pragma once

#include "scheduler.hpp"

namespace sluice::detail {

/// A thread that waits for the end of a main task, from its start on; for the monitor (V3). The caller has its handle.
class runtime_core::main_run {
public:
    main_run(runtime_core& in, task_state& main) noexcept
        : in_{in}, main_{main}, is_in_a_task_{this_thread_state().runtime != nullptr} {
        const hold guard{in_.mutex_};
        next_ = std::exchange(in_.runs_, this);
        if (std::exchange(in_.monitor_sleeps_, false)) in_.monitor_parker_.unpark();
    }
    ~main_run() {
        const hold guard{in_.mutex_};
        main_run** at = &in_.runs_;
        while (*at != this) at = &(*at)->next_;
        *at = next_;
    }
    main_run(const main_run&) = delete;
    main_run& operator=(const main_run&) = delete;

    void rethrow_deadlock() const {
        std::exception_ptr deadlock;
        {
            const hold guard{in_.mutex_};
            deadlock = deadlock_;
        }
        if (deadlock) std::rethrow_exception(deadlock);
    }

private:
    friend class monitor;

    runtime_core& in_;
    task_state& main_;
    const bool is_in_a_task_;      // its thread may wake others
    main_run* next_;               // under the runtime's lock
    std::exception_ptr deadlock_;  // likewise: it has been judged
    bool is_stopped_ = false;      // of the monitor
};

inline void runtime_core::begin(simulated* in) {
    gate_->runtime = this;
    SLUICE_EXPECT(in || !this_thread_state().simulation,
                  "a runtime starts threads of its own, which a simulation cannot order: use `go` and await there");
    if (in) options_.workers = 0;
    else if (options_.workers == 0) options_.workers = std::max(1u, std::thread::hardware_concurrency());
    if (options_.ready_budget == 0) options_.ready_budget = 1;
    static_cast<void>(process_timers::queue());  // made before us, so it is there when a static runtime ends
    auto* const root = new context_node{nullptr};
    root_ = &make_home(root);
    root_->is_root = true;
    root->homes = root_;
    idle_.reserve(2 * std::size_t{options_.workers});
    // As many spare ones again (monitor.hpp, V2).
    for (unsigned i = 0; i < 2 * options_.workers; ++i)
        workers_.push_back(std::make_unique<worker>(*this, i, options_.seed));
    serving_ = known_ = options_.workers;
    try {
        {
            auto& known = all_cores();
            const hold guard{known.mutex};
            known.cores.push_back(this);
        }
        for (unsigned i = 0; i < options_.workers; ++i) {
            workers_[i]->serves = true;
            threads_.submit({&serve_job, workers_[i].get()});
        }
        if (!in) start_monitor();
    } catch (...) {
        stop();
        throw;
    }
}

inline void runtime_core::fail(const std::exception_ptr& error) noexcept {
    {
        const hold guard{mutex_};
        if (failure_) return;
        failure_ = error;
    }
    context_tree::cancel(*root_->context, context_error::canceled, error);
}

inline std::exception_ptr runtime_core::failure() const noexcept {
    const hold guard{mutex_};
    return failure_;
}

inline void runtime_core::close() {
    cancel_everything();
    auto next_report = std::chrono::steady_clock::now() + options_.grace;
    while (!shut_if_nothing_is_alive()) {
        {
            const hold guard{mutex_};
            closer_waits_ = true;
        }
        if (!nothing_alive() && !closer_.park_until(next_report)) {
            report("sluice: the run has ended, but these tasks have not (they were cancelled):\n");
            next_report = std::chrono::steady_clock::now() + options_.grace;
        }
        const hold guard{mutex_};
        closer_waits_ = false;
    }
}

inline bool runtime_core::shut_if_nothing_is_alive() noexcept {
    if (!nothing_alive()) return false;
    const hold guard{gate_->mutex};
    if (!nothing_alive()) return false;
    gate_->runtime = nullptr;  // R2
    return true;
}

inline void runtime_core::cancel_everything() noexcept {
    context_tree::cancel(*root_->context, context_error::canceled, failure());
    wake_chain woken;
    homes_.close(woken);
    woken.wake_all();
}

inline void runtime_core::disown() noexcept {
    auto& known = all_cores();
    const hold guard{known.mutex};
    std::erase(known.cores, this);
}

inline void runtime_core::stop() noexcept {
    disown();
    std::vector<worker*> idle;
    {
        const hold guard{mutex_};
        stopping_ = true;
        monitor_sleeps_ = false;
        while (auto* w = pick_idle()) idle.push_back(w);
    }
    for (auto* w : idle) w->parker.unpark();
    monitor_parker_.unpark();
    monitor_tick_.unpark();
    if (monitor_.joinable()) monitor_.join();
    threads_.join();
    auto* const root_context = root_->context;
    {
        const hold guard{root_context->mutex};
        root_context->homes = nullptr;  // every other home of this runtime went with its last task
    }
    drop_home(*root_);
    context_tree::release(root_context);
    timers_.retire(process_timers::queue());
}

}  // namespace sluice::detail
