// SPDX-License-Identifier: BSL-1.0
// context_call.hpp: who starts what was registered for the end of a context, and where does it run?
//
// The task is made when it is registered, so that the canceller has nothing to allocate: it takes the task and gives
// it to its runtime, or, if that has ended meanwhile, to the one of the process.
// A1  `task_` is taken once, by who starts it or by who stops it; that decides, and nothing else does.
// A2  References: one of the handle, one of the registration, which goes after the call or with the stop. A context
//     that can never end has no registration.
// A3  The context is referenced, so it cannot go before it has ended: the last handle of a context that a parent or a
//     token will end may go at once.
// A4  The task counts no home until it is started: it may outlive its runtime.
#pragma once

#include "go.hpp"
#include "process_runtime.hpp"

namespace sluice::detail {

class context_call final : public context_callback, public pooled {
public:
    /// Adopts `task`; references `of`.
    context_call(context_node* of, runtime_core& in, task_state& task) noexcept
        : node_{of}, gate_{in.gate()}, task_{&task} {
        context_tree::retain(node_);
    }

    /// Called once by who made it, who has the handle's reference.
    void begin() noexcept {
        if (!context_tree::can_end(node_)) return;
        references_.fetch_add(1, std::memory_order_relaxed);
        if (!context_tree::add_callback(*node_, *this)) context_ended();
    }

    /// True: this call has kept it from being started.
    bool stop() noexcept {
        task_state* const mine = take();
        if (!mine) return false;
        // Whoever has it in hand already finds that it was stopped.
        if (node_ && context_tree::remove_callback(*node_, *this)) release();
        drop(*mine);
        return true;
    }

    void context_ended() noexcept override {
        if (task_state* const mine = take()) start(*mine);
        release();
    }

    void release() noexcept {
        // acq_rel: the last one sees what the other did.
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

private:
    ~context_call() {
        if (task_state* const mine = take()) drop(*mine);  // the context can never end
        context_tree::release(node_);
    }

    // acq_rel: A1; sees the callable's construction.
    task_state* take() noexcept { return task_.exchange(nullptr, std::memory_order_acq_rel); }

    void start(task_state& t) noexcept {
        {
            const hold open{gate_->mutex};
            if (gate_->runtime) return start_in(*gate_->runtime, t);  // runtime_life.hpp, R2
        }
        if (!process_runtime::with_core([&](runtime_core& rt) noexcept { start_in(rt, t); })) drop(t);
    }
    static void start_in(runtime_core& rt, task_state& t) noexcept {
        t.move_to(rt.root());
        if (!t.is_callable) return rt.spawn(t);
        try {
            rt.spawn_callable(t);
        } catch (...) {
            rt.spawn(t);  // no thread to be had: a worker's, as the last resort
        }
    }
    static void drop(task_state& t) noexcept {
        static_cast<void>(t.finish());
        t.release();
    }

    context_node* const node_;
    const std::shared_ptr<runtime_gate> gate_;
    std::atomic<task_state*> task_;
    std::atomic<std::uint32_t> references_{1};
};

/// A task that is not started, and begins even in a run that is ending.
template <class F>
task_state* make_context_task(runtime_core& in, place at, F&& f) {
    using state = started_task<std::decay_t<F>, call_result<F>>;
    auto* const t = new state{in.root(), false, at, std::forward<F>(f)};
    t->must_begin = true;
    t->is_callable = !returns_task<F>;
    return t;
}

}  // namespace sluice::detail
