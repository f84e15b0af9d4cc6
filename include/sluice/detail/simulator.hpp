// SPDX-License-Identifier: BSL-1.0
// simulator.hpp: how does a run become a function of its choices?
//
// The runtime_core of a simulation has no workers and no monitor: every task that is started or woken comes here.
//
// Z1  One thread runs at a time, the one that has the *baton*, and it alone touches the simulation. It serves the loop,
//     or it is inside a task's own code: a blocking callable, or a coroutine that uses a blocking form. The baton goes
//     from thread to thread by an unpark, so each sees what those before it did.
// Z2  A task is ready from its start, wake or yield until it is picked, once. Which one is picked is a choice, like all
//     else that a real run leaves open: which case of a select comes first, which timer of those due at one moment.
// Z3  Every operation is a step: no operation may be ready twice in a row without a pick between, so another task may
//     come first after each.
// Z4  The clock stands still while anything is ready; when nothing is, it jumps to the next timer. A timer that is due
//     is one thing more that is ready: a task that another one of the same moment has woken may go on before it fires.
// Z5  When nothing is ready and no timer is pending, those that live wait for each other. Timers that let nobody go on
//     do not count: after `most_idle_jumps` of them in a row nothing will happen any more.
// Z6  Once the main task has ended, the end of the run is one thing more that is ready. When it is picked, all that is
//     left is cancelled, as in a real run.
// Z7  What lives when nothing can happen any more is a leak. Nobody can destroy frames that others refer to, so the
//     simulation is abandoned as it is: its memory and its waiting threads stay.
// Z8  A thread that waits inside a task's code leaves its parker at the task. Who picks the task sits down among the
//     idle ones and hands the baton over; who has to wait and has the baton gives it to an idle one, or a new one.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "choices.hpp"
#include "expect.hpp"
#include "start.hpp"
#include "trace.hpp"

namespace sluice::detail {

/// What goes wrong on purpose.
struct planned_faults {
    double cancel = 0;
    double fail = 0;
    time_point::duration (*delay)(const void* of, random_bits&) noexcept = nullptr;  // null: none
    const void* delay_of = nullptr;
    std::exception_ptr failure;  // what a failing wait throws
};

class simulator final : public simulated {
public:
    simulator(path_plan plan, std::size_t lines, std::uint64_t most_steps, planned_faults faults)
        : choices_{std::move(plan)},
          trace_{lines},
          most_steps_{most_steps},
          faults_{std::move(faults)},
          luck_{choices_.plan().seed ^ 0x5851f42d4c957f2du},
          faulty_{faults_.cancel > 0 || faults_.fail > 0} {}

    /// By the caller's thread, which is in the simulation already: runs `main`, which has been started, and all it
    /// starts, until nothing is alive or nothing can happen any more.
    void run(runtime_core& core, task_state& main) {
        main_ = &main;
        caller_ = this_thread_id();
        serve(this_thread_state());
        if (abandoned_) return;
        core.shut_if_nothing_is_alive();
    }
    void serves(runtime_core& core) noexcept { core_ = &core; }

    /// Nothing can end what still lives; it must never be destroyed.
    bool is_abandoned() const noexcept { return abandoned_; }
    const choices& path() const noexcept { return choices_; }
    const trace& story() const noexcept { return trace_; }
    time_point::duration elapsed() const noexcept { return now_ - start; }

    // --- what the library asks ------------------------------------------------------------------------------------

    std::size_t choose(std::size_t n) noexcept override { return choices_.choose(n); }

    void make_ready(task_state& t) noexcept override {
        SLUICE_EXPECT(
            this_thread_state().simulation == this,
            "a thread outside of a simulation has started or woken one of its tasks; what a simulated program "
            "uses must be made and used inside of it");
        auto [at, is_new] = known_.try_emplace(&t);
        simulated_task& task = at->second;
        if (is_new) {
            task = {&t, this, ++tasks_};
            trace_.started(elapsed(), number_here(), task.number);
        }
        idle_jumps_ = 0;
        if (faults_.delay && t.started)
            if (const auto d = faults_.delay(faults_.delay_of, luck_); d > time_point::duration::zero())
                return delay(task, d);
        choices_.add(task);
    }

    void block(task_state& t) noexcept override {
        simulated_task& task = known_.at(&t);
        begin_to_wait(task);
        sit_down(task);
        tell_how_it_ended(task);
    }

    void operation_done(task_state& t) noexcept override {
        simulated_task& task = known_.at(&t);
        trace_.operated(elapsed(), task.number, trace::step::did, t);
        choices_.add(task);
        next_ = pick();
        if (next_ == &task) next_ = nullptr;
        else sit_down(task);
    }

    void throw_injected(const task_state& t) override {
        const auto at = known_.find(&t);
        if (at != known_.end() && std::exchange(at->second.fails, false)) {
            at->second.task->stop_requested_.store(false, std::memory_order_seq_cst);
            std::rethrow_exception(faults_.failure);
        }
    }

    void closed(const channel_facts& ch) noexcept override { trace_.closed(elapsed(), number_here(), ch); }
    std::uint32_t number_channel() noexcept override { return ++channels_; }

    // Nothing is cancelled before the next step: whoever calls may hold locks that a callback of the end would need.
    void fail(std::exception_ptr error) noexcept override {
        if (failing_) return;
        trace_.stepped(elapsed(), number_here(), step_kind::fails_run);
        failing_ = std::move(error);
        has_failed_ = true;
    }

private:
    using step_kind = trace::step;

    // --- the loop -------------------------------------------------------------------------------------------------

    // With the baton. Returns when all is over.
    void serve(thread_state& me) noexcept {
        running loop;
        loop.thread = this_thread_id();
        loop.on = &me;
        while (!over_) {
            simulated_task* const next = next_ ? std::exchange(next_, nullptr) : pick();
            if (!next) end_all();
            else if (next == &end_of_run_) end_run();
            else if (next->waits_with) hand_over(me, [&] { next->waits_with->unpark(); });
            else if (next->task->is_callable && !next->task->started)
                hand_over(me, [&] { on_new_thread({&callable_job, next}); });
            else step(*next, loop, me);
        }
    }
    // By the one that has the baton, which there is none of afterwards.
    void end_all() noexcept {
        over_ = true;
        const auto idle = std::exchange(idle_, {});
        for (parker* p : idle) p->unpark();
    }

    void step(simulated_task& task, running& loop, thread_state& me) noexcept {
        task_state& t = *task.task;
        tell_how_it_ended(task);
        if (faulty_ && &t != main_ && t.started) inject(task);
        me.task = &t;
        loop.budget = 1;  // Z3
        t.waits_kind.store(wait_kind::nothing, std::memory_order_relaxed);
        core_->advance(t, loop);
        if (loop.ended) {
            end(*std::exchange(loop.ended, nullptr));
        } else if (std::exchange(loop.yielded, nullptr)) {
            if (t.waits_kind.load(std::memory_order_relaxed) == wait_kind::nothing) {
                trace_.stepped(elapsed(), task.number, step_kind::yields);
                choices_.yields(task);
            } else {
                trace_.operated(elapsed(), task.number, step_kind::did, t);
            }
            settle_fault(task);
            make_ready(t);
        } else {
            begin_to_wait(task);
            settle_fault(task);
            if (faulty_ && &t != main_) interrupt(task);
        }
        me.task = nullptr;
    }

    void begin_to_wait(simulated_task& task) noexcept {
        task_state& t = *task.task;
        trace_.operated(elapsed(), task.number, step_kind::waits, t);
        t.waits_since.store(coarse_clock::of(now_), std::memory_order_relaxed);  // for reports: in virtual time
        task.waits = true;
    }
    void tell_how_it_ended(simulated_task& task) noexcept {
        if (std::exchange(task.waits, false)) trace_.went_on(elapsed(), task.number, *task.task);
    }

    void end(task_state& t) noexcept {
        simulated_task& task = known_.at(&t);
        trace_.stepped(elapsed(), task.number, step_kind::ends);
        trace_.describe_task(task.number, t);
        core_->end_task(t);
        known_.erase(&t);  // its address was not anybody else's before
    }

    void end_run() noexcept {
        trace_.stepped(elapsed(), 0, step_kind::all_cancelled);
        all_cancelled_ = true;
        core_->cancel_everything();
    }

    // Null: nothing can happen any more.
    simulated_task* pick() noexcept {
        for (;;) {
            if (std::exchange(has_failed_, false)) core_->fail(failing_);
            if (!timer_is_ready_ && core_->timers_.is_due(now_)) {
                timer_is_ready_ = true;
                choices_.add(due_timer_);
            }
            while (!delayed_.empty() && delayed_.front().until <= now_) end_delay();
            if (!main_has_ended_ && main_->has_ended()) {
                main_has_ended_ = true;
                choices_.add(end_of_run_);
            }
            if (choices_.steps() >= most_steps_) break;
            if (!choices_.none_ready()) {
                simulated_task& next = choices_.take();
                if (&next != &due_timer_) return &next;
                timer_is_ready_ = false;
                if (core_->timers_.is_due(now_)) fire_one();  // it may have been cancelled
                continue;
            }
            if (!jump() && !break_the_circle()) return nullptr;
        }
        core_->fail(std::make_exception_ptr(std::runtime_error{
            "sluice: a simulation has made " + std::to_string(most_steps_) +
            " steps and not come to its end; does it wait in a circle of yields or timers? (max_steps)\n" +
            core_->dump(true)}));
        abandon();
        return nullptr;
    }

    // --- time (Z4) ------------------------------------------------------------------------------------------------

    struct delayed_task {
        time_point until;
        std::uint64_t order;
        simulated_task* task;
        friend bool operator>(const delayed_task& a, const delayed_task& b) noexcept {
            return a.until != b.until ? a.until > b.until : a.order > b.order;
        }
    };

    bool jump() noexcept {
        time_point next = core_->timers_.earliest();
        if (!delayed_.empty()) next = std::min(next, delayed_.front().until);
        if (next == no_deadline || ++idle_jumps_ > most_idle_jumps) return false;  // Z5
        now_ = std::max(now_, next);
        return true;
    }
    void fire_one() noexcept {
        wake_chain woken;
        const due_timers due = core_->timers_.fire_one(woken, [this](std::size_t n) { return choose(n); });
        woken.wake_all();
        context_tree::end_due(due);
    }
    void delay(simulated_task& task, time_point::duration d) {
        const auto until = d < no_deadline - now_ ? now_ + d : no_deadline;
        delayed_.push_back({until, ++delays_, &task});
        std::push_heap(delayed_.begin(), delayed_.end(), std::greater<>{});
    }
    void end_delay() {
        std::pop_heap(delayed_.begin(), delayed_.end(), std::greater<>{});
        choices_.add(*delayed_.back().task);
        delayed_.pop_back();
        idle_jumps_ = 0;
    }

    // --- when all wait (Z5, Z7) -----------------------------------------------------------------------------------

    // False: there is nothing that could be done.
    bool break_the_circle() noexcept {
        if (core_->nothing_alive()) return false;
        idle_jumps_ = 0;
        const auto ended = core_->ended_tasks();
        const auto alive = core_->started_tasks() - ended;
        if (!main_has_ended_ && !judged_) {
            judged_ = true;
            trace_.stepped(elapsed(), 0, step_kind::stuck);
            core_->fail(std::make_exception_ptr(
                deadlock_error{"sluice: deadlock: all " + std::to_string(alive) +
                               " tasks of the simulation wait, and nobody is left who could wake one (" +
                               exact_text(elapsed()) + " have passed)\n" + core_->dump(true)}));
            return true;
        }
        if (!all_cancelled_) {
            end_run();
            return true;
        }
        core_->fail(std::make_exception_ptr(
            deadlock_error{"sluice: leak: the main task of the simulation has ended, the others were cancelled, and " +
                           std::to_string(alive) + " wait for ever all the same\n" + core_->dump(true)}));
        abandon();
        return false;
    }
    void abandon() noexcept {
        abandoned_ = true;
        if (caller_is_inside_) {
            // It waits for ever in a task's own code, so there is nobody to give the result to.
            core_->say("sluice: a simulation cannot end: the thread that called it waits inside a task\n" +
                       core_->dump(true));
            std::terminate();
        }
        // Whoever lives could be described still: those that were listed keep their numbers in the trace.
        for (auto& [t, task] : known_) trace_.describe_task(task.number, *t);
    }

    // --- threads (Z1, Z8) -----------------------------------------------------------------------------------------

    // Sits down, hands the baton over, and comes back with it.
    template <class To>
    void hand_over(thread_state& me, To to) noexcept {
        parker& seat = thread_records::of(me).parker;
        idle_.push_back(&seat);
        to();
        while (!seat.park_until(std::chrono::steady_clock::now() + std::chrono::seconds{1})) look_at_who_runs();
        thread_records::settle(me);
    }
    // Inside of a task's code: gives the baton away until the task is picked.
    void sit_down(simulated_task& task) noexcept {
        auto& me = this_thread_state();
        parker& seat = thread_records::of(me).parker;
        const place was = runs_.load(std::memory_order_relaxed);
        const int thread = kernel_thread_.load(std::memory_order_relaxed);
        task.waits_with = &seat;
        const bool is_caller = this_thread_id() == caller_;
        if (is_caller) caller_is_inside_ = true;
        give_away();
        seat.park();
        if (is_caller) caller_is_inside_ = false;
        task.waits_with = nullptr;
        runs_.store(was, std::memory_order_relaxed);
        kernel_thread_.store(thread, std::memory_order_relaxed);
        thread_records::settle(me);
    }
    void give_away() noexcept {
        kernel_thread_.store(0, std::memory_order_relaxed);
        if (idle_.empty()) return on_new_thread({&loop_job, this});
        parker* const next = idle_.back();
        idle_.pop_back();
        next->unpark();
    }
    void on_new_thread(elastic_threads::job j) noexcept {
        // A thread that cannot be had ends the program here: nobody has the baton then.
        SLUICE_EXPECT(core_->threads_.submit(j), "a simulation needs more threads than runtime_options::max_threads");
    }

    static void loop_job(void* data) noexcept {
        auto& all = *static_cast<simulator*>(data);
        auto& me = this_thread_state();
        all.enter(me);
        all.serve(me);
        leave(me);
    }
    static void callable_job(void* data) noexcept {
        auto& task = *static_cast<simulated_task*>(data);
        auto& all = *task.in;
        auto& t = *task.task;
        auto& me = this_thread_state();
        all.enter(me);
        me.task = &t;
        // relaxed: for a line in the diagnostics.
        all.runs_.store(t.started_at.load(std::memory_order_relaxed), std::memory_order_relaxed);
        all.kernel_thread_.store(this_kernel_thread(), std::memory_order_relaxed);
        t.started = true;
        t.start();
        all.end(t);
        leave(me);
        all.give_away();
    }
    void enter(thread_state& me) noexcept {
        me.runtime = core_;
        me.simulation = this;
    }
    static void leave(thread_state& me) noexcept {
        me.task = nullptr;
        me.runtime = nullptr;
        me.simulation = nullptr;
    }

    // By an idle thread, once a second of real time.
    void look_at_who_runs() noexcept {
        const int thread = kernel_thread_.load(std::memory_order_relaxed);
        if (thread == 0 || !thread_sleeps(thread) || told_of_sleep_.exchange(true, std::memory_order_relaxed)) return;
        core_->say("sluice: the simulation stands still, for the callable started at " +
                   to_string(runs_.load(std::memory_order_relaxed)) +
                   " sleeps in the kernel; in a simulation it can wait by sluice's own means only\n");
    }

    std::uint32_t number_here() const {
        const task_state* const t = this_thread_state().task;
        const auto at = t ? known_.find(t) : known_.end();
        return at == known_.end() ? 0 : at->second.number;
    }

    // --- faults ---------------------------------------------------------------------------------------------------

    void inject(simulated_task& task) noexcept {
        task_state& t = *task.task;
        if (faults_.cancel > 0 && luck_.unit() < faults_.cancel && !t.stop_requested()) {
            trace_.stepped(elapsed(), task.number, step_kind::is_cancelled);
            request_stop(t);
        } else if (faults_.fail > 0 && luck_.unit() < faults_.fail && !t.stop_requested() && !task.fails) {
            trace_.stepped(elapsed(), task.number, step_kind::fails);
            task.fails = true;
            t.mark_stop_requested();
        }
    }
    // A wait that has begun ends at once.
    void interrupt(simulated_task& task) noexcept {
        task_state& t = *task.task;
        const bool had_stopped = t.stop_requested();
        inject(task);
        if (had_stopped || !task.fails || !t.stop_requested()) return;
        if (t.try_cancel(claim::stoppable) == cancel_look::claimed) return make_ready(t);
        settle_fault(task);  // it is shielded
        task.fails = false;
    }
    // The task has come to its next wait. One that goes on until its child has ended throws afterwards.
    void settle_fault(simulated_task& task) noexcept {
        if (task.fails) task.task->stop_requested_.store(false, std::memory_order_seq_cst);
    }

    static constexpr unsigned most_idle_jumps = 300'000;

    choices choices_;
    trace trace_;
    const std::uint64_t most_steps_;
    const planned_faults faults_;
    random_bits luck_;  // of the faults: the same for all paths of a seed
    const bool faulty_;

    runtime_core* core_ = nullptr;
    task_state* main_ = nullptr;
    bool main_has_ended_ = false;
    bool judged_ = false;         // a deadlock was found
    bool has_failed_ = false;     // fail() was called since the last step
    bool all_cancelled_ = false;  // Z6
    bool abandoned_ = false;
    bool over_ = false;
    bool caller_is_inside_ = false;
    thread_id caller_ = 0;

    std::unordered_map<const task_state*, simulated_task> known_;
    simulated_task end_of_run_{nullptr, this, 0};
    simulated_task due_timer_{nullptr, this, 0xffffffffu};
    bool timer_is_ready_ = false;
    std::exception_ptr failing_;      // what fail() was called with
    simulated_task* next_ = nullptr;  // picked by a thread that could not run it
    std::vector<delayed_task> delayed_;
    std::uint64_t delays_ = 0;
    std::uint32_t tasks_ = 0;
    std::uint32_t channels_ = 0;
    unsigned idle_jumps_ = 0;

    std::vector<parker*> idle_;
    std::atomic<int> kernel_thread_{0};  // of the callable that runs; 0: none
    std::atomic<place> runs_{};          // where it was started
    std::atomic<bool> told_of_sleep_{false};
};

}  // namespace sluice::detail
