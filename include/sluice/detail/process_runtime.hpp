// SPDX-License-Identifier: BSL-1.0
// process_runtime.hpp: which runtime serves whoever has none, and how does it resume coroutines of others?
//
// Made at first need, ended at the process's exit. Coroutines of other libraries whose owner has not said where they
// go on are resumed by its workers: by a carrier, a task that does nothing else. The carrier is made when the coroutine
// suspends, so that a wake never allocates and never fails.
// R1  The gate outlives the runtime. Who adds a carrier holds it and has seen that the runtime has not ended, so a
//     wake by a late static destructor finds either a runtime or the end of it.
#pragma once

#include "../resumption.hpp"
#include "monitor.hpp"
#include "report.hpp"
#include "task_end.hpp"

namespace sluice::detail {

class resumption_carrier final : public task_state {
public:
    resumption_carrier(home& in, resume_ticket t) noexcept : task_state{in, false, place{}}, ticket_{std::move(t)} {}

    void carry(resume_ticket t) noexcept { ticket_ = std::move(t); }

    bool start() override {
        // Even if the runtime ends: the coroutine is not one of its tasks.
        try {
            std::exchange(ticket_, {}).resume();
        } catch (...) {
            error_ = std::current_exception();
        }
        return false;
    }
    std::exception_ptr finish() noexcept override { return error_; }
    std::exception_ptr unclaimed_error() const noexcept override { return error_; }

private:
    resume_ticket ticket_;
    std::exception_ptr error_;
};

class process_runtime {
public:
    static runtime_core& core() {
        static owner all;
        return all.core;
    }

    /// Not started yet; null: the process is at its end.
    static resumption_carrier* make_carrier() {
        const hold open{gate().mutex};
        return gate().ended ? nullptr : new resumption_carrier{core().root(), {}};
    }

    static void resume(resume_ticket t) noexcept {
        foreign_waiter* const of = ticket_access::waiter(t);
        if (!of) return;
        auto* carrier = static_cast<resumption_carrier*>(of->take_carrier());
        if (!carrier) carrier = make_carrier();
        if (!carrier) return;
        carrier->carry(std::move(t));
        if (!with_core([&](runtime_core& rt) noexcept { rt.spawn(*carrier); })) carrier->release();
    }

    /// Calls `f(core)` while the runtime cannot end. False: it has ended.
    template <class F>
    static bool with_core(F&& f) {
        const hold open{gate().mutex};
        if (gate().ended) return false;
        f(core());
        return true;
    }

private:
    struct owner {
        runtime_core core{runtime_options{}};
        ~owner() {
            {
                const hold close{gate().mutex};
                gate().ended = true;
            }
            core.close();
        }
    };
    struct gate_state {
        lock mutex;
        bool ended = false;
    };
    static gate_state& gate() noexcept {
        static auto* const all = new gate_state;  // immortal: R1
        return *all;
    }
};

inline void resume_in_process_runtime(resume_ticket t) noexcept { process_runtime::resume(std::move(t)); }

}  // namespace sluice::detail
