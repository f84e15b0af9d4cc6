// SPDX-License-Identifier: BSL-1.0
// scheduler.hpp: which thread runs which ready task, and when does a thread sleep?
//
// S1  A ready task is in exactly one place: a run-next slot, one of a worker's queues, the shared queue, or the queue of
//     what was spawned and had no room there. The latter are taken as if they had been spawned just now, newest first:
//     a worker walks a tree depth first, so a million leaves need memory for a branch. For the oldest, see worker.hpp.
// S2  A worker is served by one thread at a time. A thread that is about to block in one of our blocking forms gives
//     its worker to another thread (a stand-in) and finishes its task without one.
// S3  `mutex_` guards the shared queue, the idle list and the life of the runtime against wakers from outside: a
//     waker pushes and picks an idle worker under it, and afterwards touches that worker only, which cannot end
//     before it has been unparked.
// S4  A worker that finds nothing enters the idle list under `mutex_` and looks at the shared queue and the timers
//     there, so a push from outside either finds it in the list or is found by it. A push by a worker to its own
//     queue needs no such care: that worker itself is awake, and monitor.hpp repairs what parallelism is lost.
// S5  No worker is woken for a single ready task its owner will run next; work moves when there is a queue to move.
#pragma once

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../options.hpp"
#include "context_tree.hpp"
#include "elastic_threads.hpp"
#include "expect.hpp"
#include "outside.hpp"
#include "process_timers.hpp"
#include "run_queue.hpp"
#include "serving_thread.hpp"
#include "simulated.hpp"
#include "worker.hpp"

namespace sluice {

namespace detail {

/// The way into a runtime for those who may come after its end (runtime_life.hpp, R2).
struct runtime_gate {
    lock mutex;
    runtime_core* runtime;
};

class runtime_core {
public:
    /// `is_run`: there is a main task, whose caller an exception that nobody awaits can be thrown to.
    /// `in`: it runs the tasks; there are no workers and no monitor.
    explicit runtime_core(runtime_options options, bool is_run = false, simulated* in = nullptr)
        : options_{std::move(options)},
          is_run_{is_run},
          simulation_{in},
          is_nested_{this_thread_state().runtime != nullptr},
          timers_{timer_queue::make(&earlier_timer, this)},
          threads_{options_.max_threads, options_.pin_workers ? &cores_ : nullptr} {
        begin(in);
    }
    ~runtime_core() { stop(); }
    runtime_core(const runtime_core&) = delete;
    runtime_core& operator=(const runtime_core&) = delete;

    // --- starting and scheduling ----------------------------------------------------------------------------------

    /// A new task, counted; `t` is owned by the runtime from here on.
    void spawn(task_state& t) {
        auto& me = this_thread_state();
        if (me.worker && &me.worker->runtime == this) {
            worker& w = *me.worker;
            w.count(w.started_tasks);
            push(w, w.spawned, t);
        } else {
            outside_started_.fetch_add(1, std::memory_order_release);
            inject(t);
        }
    }

    /// A new blocking callable on an elastic thread.
    void spawn_callable(task_state& t) {
        t.is_callable = true;
        outside_started_.fetch_add(1, std::memory_order_release);
        if (simulation_) return simulation_->make_ready(t);
        try {
            tell_if_queued(threads_.submit({&callable_job, &t}));
        } catch (...) {
            outside_ended_.fetch_add(1, std::memory_order_release);
            throw;
        }
    }

    /// A claimed task that may go on (the wake of waiter.hpp, W3).
    void make_ready(task_state& t) noexcept { make_ready(t, this_thread_state()); }
    void make_ready(task_state& t, thread_state& me) noexcept {
        if (!me.worker || &me.worker->runtime != this) return inject(t);
        worker& w = *me.worker;
        if (task_state* const displaced = w.put_next(t)) push(w, w.woken, *displaced);
    }

    /// One of several that become ready together, oldest first: behind those that are ready already.
    void make_ready_last(task_state& t) noexcept {
        auto& me = this_thread_state();
        if (me.worker && &me.worker->runtime == this) push(*me.worker, me.worker->woken, t);
        else inject(t);
    }

    /// Several that become ready together, oldest first: as above. What the worker's queue has no room for goes where
    /// everybody finds it.
    void make_ready_last(ready_chain tasks) noexcept {
        auto& me = this_thread_state();
        if (me.worker && &me.worker->runtime == this) {
            while (tasks.first && me.worker->woken.size() < run_queue::capacity - 1) {
                task_state& t = tasks.pop();
                push(*me.worker, me.worker->woken, t);
            }
        }
        if (tasks.first) inject(tasks);
    }

    /// Before the current thread blocks: somebody else serves its worker meanwhile (S2).
    static void give_away_worker(thread_state& me) noexcept {
        if (!me.worker) return;
        worker& w = *std::exchange(me.worker, nullptr);
        runtime_core& rt = w.runtime;
        rt.stand_ins_.fetch_add(1, std::memory_order_relaxed);
        w.kernel_thread.store(0, std::memory_order_relaxed);
        w.runs_nothing();
        bool has_thread = true;
        try {
            has_thread = rt.threads_.submit({&serve_job, &w});
        } catch (...) {
            me.worker = &w;  // no thread to be had: block with the worker, as the last resort
            w.begins_to_run(*me.task);
            return;
        }
        rt.tell_if_queued(has_thread);
        // relaxed: told by the first one.
        if (!rt.told_of_stand_ins_.exchange(true, std::memory_order_relaxed)) rt.tell_of_a_stand_in(*me.task);
    }

    /// A thread of a task that waits until a time by itself counts as a timer (monitor.hpp, V3).
    class timed_block {
    public:
        explicit timed_block(runtime_core* in) noexcept : in_{in} {
            if (in_) in_->timed_blocks_.fetch_add(1, std::memory_order_seq_cst);
        }
        ~timed_block() {
            if (in_) in_->timed_blocks_.fetch_sub(1, std::memory_order_seq_cst);
        }
        timed_block(const timed_block&) = delete;
        timed_block& operator=(const timed_block&) = delete;

    private:
        runtime_core* const in_;
    };

    // --- life -----------------------------------------------------------------------------------------------------

    class main_run;  // runtime_life.hpp

    home& root() noexcept { return *root_; }
    /// Adopts a reference to `under`.
    home& make_home(context_node* under) { return homes_.make(*this, under); }
    void drop_home(home& h) noexcept { homes_.drop(h); }
    const std::shared_ptr<runtime_gate>& gate() const noexcept { return gate_; }
    timer_queue& timers() noexcept { return timers_; }
    const runtime_options& options() const noexcept { return options_; }

    /// The last owner of a task has let go of its exception, or something else threw that nobody can be given.
    static void
    unclaimed(const std::exception_ptr& error,
              std::string_view what = "a task ended with an exception that nobody awaited") noexcept;  // task_end.hpp

    /// Ends the run with an exception that nobody awaited.
    void fail(const std::exception_ptr& error) noexcept;
    std::exception_ptr failure() const noexcept;
    /// Cancels what is left, waits until nothing is alive, and reports again and again what does not end. Called by
    /// one thread, not a task of this runtime.
    void close();

    std::uint64_t started_tasks() const noexcept {
        std::uint64_t sum = outside_started_.load(std::memory_order_acquire);
        for (auto& w : workers_) sum += w->started_tasks.load(std::memory_order_acquire);
        return sum;
    }
    std::uint64_t ended_tasks() const noexcept {
        std::uint64_t sum = outside_ended_.load(std::memory_order_acquire);
        for (auto& w : workers_) sum += w->ended_tasks.load(std::memory_order_acquire);
        return sum;
    }
    /// Of the tasks that live, those that wait now. Walks over all that have parked.
    std::uint64_t parked_tasks() noexcept { return look_at_all_tasks().waiting; }
    std::uint64_t steals() const noexcept {
        std::uint64_t sum = 0;
        for (auto& w : workers_) sum += w->steals.load(std::memory_order_relaxed);
        return sum;
    }
    std::uint64_t stand_ins() const noexcept { return stand_ins_.load(std::memory_order_relaxed); }
    unsigned worker_count() const noexcept { return options_.workers; }
    std::size_t thread_count() const noexcept { return threads_.thread_count(); }

    /// The tasks that have parked, a line each: number, state, where started, where and on what it waits. Then what each
    /// worker runs.
    /// `all_stand_still`: nobody can wake a task meanwhile, so what they wait on can be looked at.
    std::string dump(bool all_stand_still = false);  // report.hpp
    /// Of each runtime of the process, to its own diagnostics.
    static void dump_all(const std::string& head);  // report.hpp
    void say(std::string_view text) const { say(options_.diagnostics, text); }
    static void say(const std::function<void(std::string_view)>& diagnostics, std::string_view text) {
        if (diagnostics) diagnostics(text);
        else std::fwrite(text.data(), 1, text.size(), stderr);
    }

    /// Ends a task whose frame or callable has come to its end.
    void end_task(task_state& t) noexcept;
    void wake_joiners(task_state& t) noexcept;

    simulated* simulation() const noexcept { return simulation_; }
    /// Other runtimes need not ask any more whether anything lives here: it will never end.
    void disown() noexcept;

private:
    friend class simulator;
    friend class monitor;
    friend class suspicions;

    static void earlier_timer(void* self) noexcept {
        auto& rt = *static_cast<runtime_core*>(self);
        // A worker looks at the timers itself before it sleeps (S4); the monitor does if it runs on (V1).
        if (auto& me = this_thread_state(); me.worker && &me.worker->runtime == &rt) return;
        rt.wake_one();
    }

    // --- queues ---------------------------------------------------------------------------------------------------

    void push(worker& w, run_queue& queue, task_state& t) noexcept {
        if (!queue.try_push(t)) {
            // Full: the older half goes where everybody finds it.
            ready_chain moved;
            std::array<task_state*, 8> before{};  // near now
            queue.steal_half(w.served_by, run_queue::capacity / 2, [&](task_state& old) {
                task_state*& some_before = before[moved.count % before.size()];
                if (some_before) some_before->comes_before(&old);
                some_before = &old;
                moved.push(old);
            });
            moved.push(t);
            const hold guard{mutex_};
            (&queue == &w.spawned ? spilled_ : shared_).push(moved);
        }
        // relaxed: a missed idle worker is a missed chance that the monitor repairs (S4, S5).
        if (idle_count_.load(std::memory_order_relaxed) == 0 || searching_.load(std::memory_order_relaxed) != 0) return;
        if (&queue == &w.spawned ? w.has_spawned_to_move() : w.has_a_queue_to_move()) {
            w.has_woken_another();
            wake_one();
        }
    }

    SLUICE_NOINLINE void inject(task_state& t) noexcept {
        ready_chain one;
        one.push(t);
        inject(one);
    }
    SLUICE_NOINLINE void inject(ready_chain tasks) noexcept {
        if (simulation_) {
            while (tasks.first) simulation_->make_ready(tasks.pop());
            return;
        }
        mutex_.acquire();
        shared_.push(tasks);
        worker* const w = pick_idle();
        const bool wake_monitor = w && std::exchange(monitor_sleeps_, false);
        mutex_.release();
        if (!w) return;  // S3: nothing of the runtime is touched from here on
        if (wake_monitor) monitor_parker_.unpark();
        w->parker.unpark();
    }

    void wake_one() noexcept {
        mutex_.acquire();
        worker* const w = pick_idle();
        const bool wake_monitor = w && std::exchange(monitor_sleeps_, false);
        mutex_.release();
        if (!w) return;
        if (wake_monitor) monitor_parker_.unpark();
        w->parker.unpark();
    }

    // Precondition: the lock is held. The picked worker waits for the caller's unpark.
    worker* pick_idle() noexcept {
        if (idle_.empty()) return nullptr;
        worker* const w = idle_.back();
        idle_.pop_back();
        w->is_idle = false;
        idle_count_.store(idle_.size(), std::memory_order_relaxed);
        return w;
    }

    // --- a worker's turn ------------------------------------------------------------------------------------------

    static void serve_job(void* w) noexcept {
        auto& served = *static_cast<worker*>(w);
        served.runtime.serve(served);
    }

    void serve(worker& w) noexcept {
        const serving_thread looks{options_.name, w.index, options_.pin_workers ? &cores_ : nullptr};
        auto& me = this_thread_state();
        me.worker = &w;
        me.runtime = this;
        running loop;
        loop.thread = w.served_by = this_thread_id();
        w.kernel_thread.store(this_kernel_thread(), std::memory_order_relaxed);
        loop.on = &me;
        w.seed_thread();
        coarse_clock::set();
        while (me.worker == &w) {  // S2
            if (task_state* const t = find(w)) run(*t, loop, me);
            else if (!sleep(w)) break;
            else w.begin_steps();
        }
        me.worker = nullptr;
        me.runtime = nullptr;
        const hold guard{mutex_};
        all_idle();  // a task that had given its worker away may have been the last: the closer counts again
    }

    task_state* find(worker& w) noexcept {
        w.progress.store(++w.turn, std::memory_order_relaxed);
        if (w.turn % worker::fairness == 0) {
            const auto now = std::chrono::steady_clock::now();
            w.measure_steps(now);
            coarse_clock::set(now);
            fire_timers([&] { return now; });
            if (auto* t = take_shared(w)) return t;
            if (w.may_take_oldest_spawned(now)) {
                if (auto* t = take_spilled(w, 1)) return t;
                if (auto* t = w.spawned.pop_oldest(w.served_by)) return t;
            } else if (auto* t = take_spawned(w)) {
                return t;
            }
        } else if (w.somebody_yielded) {
            w.somebody_yielded = false;
            if (auto* t = take_spawned(w)) return t;
        }
        if (auto* t = w.take_own()) return t;
        if (auto* t = take_shared(w)) return t;
        if (auto* t = take_spawned(w)) return t;
        if (fire_timers())
            if (auto* t = w.take_own()) return t;
        return steal(w);
    }

    task_state* take_shared(worker& w) noexcept {
        if (shared_.size.load(std::memory_order_relaxed) == 0) return nullptr;
        const hold guard{mutex_};
        task_state* const first = shared_.pop();
        if (!first) return nullptr;
        // A fair share at once, so that the lock is not taken for each.
        std::size_t more = std::min<std::size_t>(shared_.size.load(std::memory_order_relaxed) / options_.workers, 32);
        for (; more > 0; --more) {
            task_state* const t = shared_.pop();
            if (!t) break;
            if (!w.woken.try_push(*t)) {
                shared_.push(*t);
                break;
            }
        }
        return first;
    }

    task_state* take_spawned(worker& w) noexcept {
        if (auto* t = w.spawned.pop_newest(w.served_by)) return t;
        return take_spilled(w, run_queue::capacity / 8);
    }

    // They are spawned tasks again, of which the newest comes first: so each tree is walked depth first.
    task_state* take_spilled(worker& w, std::size_t most) noexcept {
        if (spilled_.size.load(std::memory_order_relaxed) == 0) return nullptr;
        const hold guard{mutex_};
        task_state* last = spilled_.pop();
        while (last && --most > 0 && !spilled_.empty() && w.spawned.try_push(*last)) last = spilled_.pop();
        return last;
    }

    task_state* steal(worker& w) noexcept {
        // relaxed: a spare worker was known before it was started.
        const std::size_t known = known_.load(std::memory_order_relaxed);
        if (known < 2) return nullptr;
        // At most half of the workers search (relaxed: a bound on effort, not on correctness).
        if (2 * searching_.load(std::memory_order_relaxed) >= known) return nullptr;
        searching_.fetch_add(1, std::memory_order_relaxed);
        task_state* found = nullptr;
        const std::size_t start = w.random() % known;
        for (std::size_t i = 0; i < known && !found; ++i) {
            worker& from = *workers_[(start + i) % known];
            if (&from != &w) found = steal_from(from, w);
        }
        searching_.fetch_sub(1, std::memory_order_relaxed);
        if (found) w.steals.store(w.steals.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return found;
    }

    static task_state* steal_from(worker& from, worker& w) noexcept {
        task_state* first = nullptr;
        const auto keep_in = [&](run_queue& mine) {
            return [&](task_state& t) {
                if (!first) first = &t;
                else mine.try_push(t);  // never full: ours was empty, and half a queue fits
            };
        };
        from.spawned.steal_half(w.served_by, run_queue::capacity / 2, keep_in(w.spawned));
        const bool is_stuck =
            from.is_stuck.load(std::memory_order_relaxed) && from.is_stuck.exchange(false, std::memory_order_relaxed);
        if (!first && (is_stuck || from.has_a_queue_to_steal()))
            from.woken.steal_half(w.served_by, run_queue::capacity / 2, keep_in(w.woken));
        if (!first && is_stuck) first = from.steal_next();
        return first;
    }

    void run(task_state& t, running& loop, thread_state& me) noexcept {
        me.task = &t;
        if (me.worker) me.worker->begins_to_run(t);
        loop.budget = options_.ready_budget;
        advance(t, loop);
        if (loop.ended) end_task(*std::exchange(loop.ended, nullptr));
        me.task = nullptr;
        if (loop.yielded) {
            make_ready_last(*std::exchange(loop.yielded, nullptr));
            if (me.worker) me.worker->somebody_yielded = true;
        }
    }

    // Until it suspends, ends or yields.
    SLUICE_ALWAYS_INLINE void advance(task_state& t, running& loop) noexcept {
        t.loop = &loop;
        if (options_.before_step) options_.before_step();
        if (!t.started) {
            t.started = true;
            if (!t.start()) loop.ended = &t;
            // A coroutine whose start had no place has brought its own.
            if (worker* const w = loop.on->worker)
                w->runs.store(t.started_at.load(std::memory_order_relaxed), std::memory_order_relaxed);
        } else if (wake_hook* const hook = t.hook(); !hook || hook->on_wake(t)) {
            loop.next = t.frame();
        }
        // Nothing of the task is touched after its frame suspended: it may run elsewhere already.
        while (loop.next) std::exchange(loop.next, nullptr).resume();
    }

    bool fire_timers() noexcept { return fire_timers(std::chrono::steady_clock::now); }

    template <class Now>
    bool fire_timers(Now now) noexcept {
        if (timers_.earliest() == no_deadline) return false;
        const auto at = now();
        if (!timers_.is_due(at)) return false;
        wake_chain woken;
        const due_timers due = timers_.fire(at, woken);
        woken.wake_all();
        context_tree::end_due(due);
        return true;
    }

    // False: the runtime stops, or has no use for this worker any more.
    bool sleep(worker& w) noexcept {
        time_point until = no_deadline;
        {
            const hold guard{mutex_};
            if (stopping_) return false;
            if (!shared_.empty() || !spilled_.empty()) return true;
            if (w.retires) {  // V2: with empty queues
                w.serves = w.retires = false;
                --serving_;
                w.kernel_thread.store(0, std::memory_order_relaxed);
                // If it has kept the time, one of those who sleep is to look at it.
                if (timers_.earliest() < keeper_until_ && !idle_.empty()) {
                    if (std::exchange(monitor_sleeps_, false)) monitor_parker_.unpark();
                    pick_idle()->parker.unpark();
                }
                return false;
            }
            // The first that sleeps past the earliest timer keeps the time; it is enough that one does.
            if (const auto earliest = timers_.earliest(); earliest < keeper_until_) until = keeper_until_ = earliest;
            idle_.push_back(&w);
            w.is_idle = true;
            idle_count_.store(idle_.size(), std::memory_order_relaxed);
            if (idle_.size() == serving_) all_idle();
        }
        const bool woken = w.parker.park_until(until);
        coarse_clock::set();
        {
            const hold guard{mutex_};
            if (until != no_deadline && keeper_until_ == until) keeper_until_ = no_deadline;
            if (woken) return true;
            if (w.is_idle) {
                idle_.erase(std::find(idle_.begin(), idle_.end(), &w));
                w.is_idle = false;
                idle_count_.store(idle_.size(), std::memory_order_relaxed);
                if (std::exchange(monitor_sleeps_, false)) monitor_parker_.unpark();
                return true;
            }
        }
        w.parker.park();  // somebody picked us and is about to unpark us
        return true;
    }

    // Precondition: the lock is held. The last busy worker has found nothing more to do.
    void all_idle() noexcept {
        if (closer_waits_) {
            closer_waits_ = false;
            closer_.unpark();
        }
    }

    // --- callables ------------------------------------------------------------------------------------------------

    static void callable_job(void* data) noexcept {
        auto& t = *static_cast<task_state*>(data);
        runtime_core& rt = *t.where().runtime;
        auto& me = this_thread_state();
        me.task = &t;
        me.runtime = &rt;
        t.started = true;
        t.start();
        rt.end_task(t);
        me.task = nullptr;
        me.runtime = nullptr;
        const hold guard{rt.mutex_};
        rt.all_idle();  // the closer counts again
    }

    // --- for the monitor ------------------------------------------------------------------------------------------

    void start_monitor();  // monitor.hpp

    struct snapshot {
        std::uint64_t waiting = 0;
        std::uint64_t words = 0;  // of all, mixed
        friend bool operator==(const snapshot&, const snapshot&) = default;
    };
    snapshot look_at_all_tasks() noexcept {
        snapshot seen;
        homes_.for_each_task([&](task_state& t) {
            const ticket word = t.word();
            seen.waiting += (word & claim::state_mask) == claim::waiting;
            seen.words += (reinterpret_cast<std::uintptr_t>(&t) ^ word) * 0x9e3779b97f4a7c15u;
        });
        return seen;
    }

    struct core_table {
        lock mutex;
        std::vector<runtime_core*> cores;
    };
    static core_table& all_cores() {
        static auto* const known = new core_table;  // immortal: a static runtime may end late
        return *known;
    }

    // --- life: runtime_life.hpp -----------------------------------------------------------------------------------

    void begin(simulated* in);
    bool shut_if_nothing_is_alive() noexcept;
    void cancel_everything() noexcept;
    void stop() noexcept;
    bool nothing_alive() const noexcept {
        const auto ended = ended_tasks();  // R1: first
        return started_tasks() == ended;
    }

    void report(std::string_view head) { say(std::string{head} + dump()); }
    // A line of diagnostics; what there is no memory for is not told.
    template <class Text>
    void tell(Text text) const noexcept {
        try {
            say(text());
        } catch (const std::bad_alloc&) {}
    }
    // Told again only after there was a thread at once.
    void tell_if_queued(bool has_thread) noexcept {
        // relaxed: a line more or less.
        if (has_thread) {
            if (told_of_limit_.load(std::memory_order_relaxed)) told_of_limit_.store(false, std::memory_order_relaxed);
        } else if (!told_of_limit_.exchange(true, std::memory_order_relaxed)) {
            tell([&] {
                return "sluice: all " + std::to_string(options_.max_threads) +
                       " threads are in use; blocking calls wait for one to end (runtime_options::max_threads)\n";
            });
        }
    }
    void tell_of_a_stand_in(const task_state& blocks) const noexcept;  // report.hpp
    void tell_of_a_held_worker(place started_at) const noexcept;       // report.hpp

    runtime_options options_;
    const bool is_run_;
    simulated* const simulation_;  // null: a real run
    const bool is_nested_;         // made by a thread that serves another runtime
    timer_queue& timers_;
    std::vector<std::unique_ptr<worker>> workers_;
    home* root_ = nullptr;

    alignas(cache_line) mutable lock mutex_;
    shared_queue shared_;
    shared_queue spilled_;  // S1: spawned tasks that their worker's queue had no room for
    std::vector<worker*> idle_;
    std::size_t serving_ = 0;  // workers, spare ones included
    bool stopping_ = false;
    bool monitor_sleeps_ = false;
    bool closer_waits_ = false;
    time_point keeper_until_ = no_deadline;
    std::exception_ptr failure_;
    main_run* runs_ = nullptr;
    std::atomic<std::size_t> idle_count_{0};
    std::atomic<std::uint32_t> searching_{0};
    std::atomic<std::size_t> known_{0};  // workers that have ever served: the first ones

    alignas(cache_line) std::atomic<std::uint64_t> outside_started_{0};
    std::atomic<std::uint64_t> outside_ended_{0};
    std::atomic<std::uint64_t> stand_ins_{0};
    std::atomic<bool> told_of_stand_ins_{false};
    std::atomic<bool> told_of_limit_{false};
    std::atomic<std::uint32_t> timed_blocks_{0};

    const std::shared_ptr<runtime_gate> gate_ = std::make_shared<runtime_gate>();

    home_list homes_;

    const allowed_cores cores_;
    parker closer_;
    parker monitor_parker_;
    parker monitor_tick_;
    std::thread monitor_;
    elastic_threads threads_;
};

}  // namespace detail
}  // namespace sluice
