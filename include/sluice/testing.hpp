// SPDX-License-Identifier: BSL-1.0
// testing.hpp: how does one test concurrent code without sleeps, mocks or luck?
//
// A simulation runs a program one step at a time, on a virtual clock, with every choice that a real run leaves open
// taken from a seed. The program is compiled as it ships and includes the same headers.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "detail/simulator.hpp"
#include "linearizable.hpp"
#include "runtime.hpp"
#include "timer.hpp"

namespace sluice::detail {

/// How long to wait between two looks: hardly at first, at last a hundred times a second.
class patience {
public:
    explicit patience(clock::duration limit) : until_{deadline_after(limit)} {}
    bool are_over() const noexcept { return clock::now() >= until_; }
    bool are_long() noexcept { return ++looks_ > 100; }
    clock::duration next() noexcept {
        wait_ = std::min<clock::duration>(2 * wait_, std::chrono::milliseconds{10});
        return wait_;
    }

private:
    clock::time_point until_;
    clock::duration wait_ = std::chrono::microseconds{50};
    unsigned looks_ = 0;
};

}  // namespace sluice::detail

namespace sluice::testing {

/// What a wait throws that a simulation makes fail.
class injected_failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What lives at the end of a scope that nothing should have outlived.
class leak_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// How long something takes, drawn from the seed. The default: no time at all.
class distribution {
public:
    constexpr distribution() noexcept = default;
    /// Always `d`.
    static constexpr distribution constant(clock::duration d) noexcept { return {kind::uniform, d, d}; }
    /// Each from `least` to `most` equally likely.
    static constexpr distribution uniform(clock::duration least, clock::duration most) noexcept {
        SLUICE_EXPECT(least <= most, "a uniform distribution goes from the least to the most");
        return {kind::uniform, least, most};
    }
    /// Mostly short, now and then long.
    static constexpr distribution exponential(clock::duration mean) noexcept {
        return {kind::exponential, clock::duration::zero(), mean};
    }
    /// This one with probability `p`, otherwise no time.
    constexpr distribution with_probability(double p) const noexcept {
        distribution d = *this;
        d.probability_ *= p;
        return d;
    }

private:
    friend struct simulation_access;
    enum class kind : std::uint8_t { uniform, exponential };
    constexpr distribution(kind k, clock::duration least, clock::duration most) noexcept
        : kind_{k}, least_{least}, most_{most} {}

    clock::duration draw(detail::random_bits& random) const noexcept {
        if (probability_ < 1 && random.unit() >= probability_) return clock::duration::zero();
        const double part = kind_ == kind::uniform ? random.unit() : -std::log1p(-random.unit());
        const auto beyond = static_cast<double>((most_ - least_).count()) * part;
        return least_ + clock::duration{static_cast<clock::duration::rep>(beyond)};
    }

    kind kind_ = kind::uniform;
    clock::duration least_{};
    clock::duration most_{};
    double probability_ = 1;
};

/// What goes wrong on purpose at the awaits of a simulated program, drawn from its seed. The main task is spared, and
/// blocking callables are only delayed.
struct chaos {
    double cancel = 0;        ///< probability of a task to be cancelled: before each of its steps, and in each wait
    distribution delay = {};  ///< how much later a task goes on whose wait has ended
    double fail = 0;  ///< probability of a wait to throw `injected_failure`: of the next one, and of each that lasts
};

struct simulation_options {
    /// Decides all choices.
    std::uint64_t seed = 1;
    /// Above 0: tasks have random priorities, which change so many times, instead of being picked evenly.
    unsigned preemptions = 0;
    /// What a result's or a report's `replay` says: the same run again. The seed and the preemptions do not count then.
    std::string replay = {};
    testing::chaos chaos = {};
    /// A run of more steps fails: it may wait in a circle.
    std::uint64_t max_steps = 100'000'000;
    /// How many steps the trace keeps: the last ones. 0: none.
    std::size_t trace_steps = 10'000;
    /// Of the runtime: where lines about the run go. Default: standard error.
    std::function<void(std::string_view)> diagnostics = {};
};

/// How a simulated run went.
template <class R>
class [[nodiscard]] simulation {
public:
    /// The result of the main task, or throws what the run has ended with. To be called once.
    R value() { return result_->take(); }
    /// What the run has ended with, or null.
    std::exception_ptr error() const noexcept { return result_->error(); }
    bool failed() const noexcept { return error() != nullptr; }
    /// The virtual time that passed.
    clock::duration elapsed() const noexcept { return elapsed_; }
    /// How many times a task was picked.
    std::uint64_t steps() const noexcept { return steps_; }
    /// What happened, a line a step: the same text for the same run.
    std::string trace() const { return kept_ ? kept_->story().text() : trace_; }
    /// The same for the same steps, and hardly ever for others.
    std::uint64_t fingerprint() const noexcept { return fingerprint_; }
    /// For `simulation_options::replay`.
    const std::string& replay() const noexcept { return replay_; }

private:
    friend struct simulation_access;
    std::unique_ptr<detail::result_box<R>> result_ = std::make_unique<detail::result_box<R>>();
    clock::duration elapsed_{};
    std::uint64_t steps_ = 0;
    std::uint64_t fingerprint_ = 0;
    std::string replay_;
    std::shared_ptr<detail::simulator> kept_;  // for the trace, unless it was abandoned
    std::string trace_;
};

struct exploration_options {
    /// At most so many runs.
    std::uint64_t runs = 1000;
    /// Of the first run; each later one has the next.
    std::uint64_t seed = 1;
    /// Every second run has random priorities that change so many times; 0: all runs pick evenly.
    unsigned preemptions = 3;
    /// All schedules, each once, instead of random ones: for small programs. `runs` still bounds it.
    bool everything = false;
    testing::chaos chaos = {};
    std::uint64_t max_steps = 10'000'000;
    std::size_t trace_steps = 200;
    /// Where a failure is told. Default: standard error.
    std::function<void(std::string_view)> diagnostics = {};
};

/// What many runs have shown.
class [[nodiscard]] exploration {
public:
    /// What the first run that failed has ended with, or null.
    std::exception_ptr error() const noexcept { return error_; }
    bool failed() const noexcept { return error_ != nullptr; }
    std::uint64_t runs() const noexcept { return runs_; }
    /// How many of them were different from all others.
    std::uint64_t distinct() const noexcept { return distinct_; }
    /// Whether there is no schedule that was not seen; only `everything` can tell.
    bool complete() const noexcept { return complete_; }
    /// Of the run that failed: for `simulation_options::replay`.
    const std::string& replay() const noexcept { return replay_; }
    /// Of the run that failed.
    const std::string& trace() const noexcept { return trace_; }
    /// In words: how many runs, and what the failed one did.
    const std::string& text() const noexcept { return text_; }
    /// Throws the error, if there is one.
    void check() const {
        if (error_) std::rethrow_exception(error_);
    }

private:
    friend struct simulation_access;
    std::exception_ptr error_;
    std::uint64_t runs_ = 0;
    std::uint64_t distinct_ = 0;
    bool complete_ = false;
    std::string replay_;
    std::string trace_;
    std::string text_;
};

/// Not for users.
struct simulation_access {
    struct parts {
        std::unique_ptr<detail::simulator> by;
        std::unique_ptr<detail::runtime_core> core;
    };

    static detail::planned_faults faults_of(const chaos& c) {
        constexpr auto draw = +[](const void* from, detail::random_bits& random) noexcept {
            return static_cast<const distribution*>(from)->draw(random);
        };
        return {c.cancel, c.fail, c.delay.most_ > clock::duration::zero() ? draw : nullptr, &c.delay,
                std::make_exception_ptr(injected_failure{"sluice: a failure that the simulation has injected"})};
    }

    template <class R, class F>
    static simulation<R> run(parts& p, detail::path_plan plan, const chaos& wrong, std::uint64_t max_steps,
                             std::size_t trace_steps, std::function<void(std::string_view)> diagnostics,
                             detail::place at, F&& f) {
        auto& me = detail::this_thread_state();
        SLUICE_EXPECT_AT(!me.task && !me.simulation, "a simulation is started by a plain thread, not in a task", at);
        p.by = std::make_unique<detail::simulator>(std::move(plan), trace_steps, max_steps, faults_of(wrong));
        runtime_options options;
        options.diagnostics = std::move(diagnostics);
        p.core = std::make_unique<detail::runtime_core>(std::move(options), true, p.by.get());
        p.by->serves(*p.core);
        simulation<R> out;
        {
            const inside in{me, p};
            auto* const main = detail::start_task(p.core->root(), false, nullptr, true, {}, std::forward<F>(f));
            p.by->run(*p.core, *main);
            give(out, *main, *p.core);
            main->release();
        }
        out.elapsed_ = p.by->elapsed();
        out.steps_ = p.by->path().steps();
        out.fingerprint_ = p.by->story().fingerprint();
        out.replay_ = p.by->path().text();
        return out;
    }

    /// An abandoned simulation (simulator.hpp, Z7) stays, where leak checkers find it.
    template <class R>
    static void end(simulation<R>& of, parts& p) {
        if (p.by->is_abandoned()) {
            of.trace_ = p.by->story().text();
            abandon(p);
        } else {
            p.core.reset();
            of.kept_ = std::move(p.by);
        }
    }
    static void abandon(parts& p) {
        static auto* const kept = new std::vector<parts>;
        static constinit detail::lock mutex;
        p.core->disown();
        const detail::hold guard{mutex};
        kept->push_back(std::move(p));
    }

    template <class F>
    static exploration explore(const exploration_options& options, detail::place at, F& f);

private:
    struct inside {
        inside(detail::thread_state& t, parts& p) noexcept : me{t}, before{t.runtime} {
            me.runtime = p.core.get();
            me.simulation = p.by.get();
        }
        ~inside() {
            me.simulation = nullptr;
            me.runtime = before;
        }
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;
        detail::thread_state& me;
        detail::runtime_core* const before;
    };

    template <class R, class State>
    static void give(simulation<R>& out, State& main, detail::runtime_core& core) {
        const auto failure = core.failure();
        if (failure) {
            main.disclaim();
            return out.result_->set_error(failure);
        }
        try {
            if constexpr (std::is_void_v<R>) {
                main.take();
                out.result_->set_value();
            } else {
                out.result_->set_value(main.take());
            }
        } catch (...) {
            out.result_->set_error(std::current_exception());
        }
    }
};

/// One of `n`, from 0: in a simulation the seed decides, and `everything` tries all; elsewhere it is by chance. For what a
/// simulated program itself leaves open: which backend answers, whether a disk is full. Precondition: `n > 0`.
inline std::size_t choose(std::size_t n) noexcept {
    if (auto* const in = detail::this_thread_state().simulation) return in->choose(n);
    return static_cast<std::size_t>(std::uint64_t{detail::next_random()} * n >> 32);
}

/// Runs `f` as the main task of a simulation, and gives what came of it.
///
/// One thing happens at a time: a task runs to its next operation, then the seed decides which ready task runs on; also
/// which case of a select comes first, and which of the timers that are due at one moment. `clock` and `wall_clock` tell
/// a virtual time, which stands still while anything can run and then jumps to the next timer. A blocking callable gets
/// a thread, and runs while all others stand still until it waits by an operation of ours. When all tasks wait and there
/// is no timer, the run ends with `deadlock_error`, at once; likewise when what the main task has left behind does not
/// end though cancelled.
/// The result of `f`, or what the run has ended with, is in what is returned; nothing is thrown for it.
/// What the program uses, it makes inside. A thread of its own, coroutines of other libraries and contexts that end with
/// a signal are outside of a simulation. `std::chrono::steady_clock::now()` is real; say `sluice::clock::now()`.
/// Preconditions: called by a plain thread, not in a task. Thread safety: several threads may simulate at a time.
/// Throws: `std::invalid_argument` for a replay that is none; `std::bad_alloc`.
///
///     auto run = sluice::testing::simulate({.seed = 7}, retries_three_times);
///     run.value();                      // throws what the program threw
///     // run.elapsed() == 3s, though it took a moment
template <class F>
    requires detail::startable<F>
auto simulate(const simulation_options& options, F&& f, detail::place at = detail::place::current())
    -> simulation<detail::call_result<F>> {
    detail::path_plan plan;
    if (options.replay.empty()) {
        plan.seed = options.seed;
        if (options.preemptions) {
            plan.how = detail::exploring::by_priority;
            plan.changes = options.preemptions;
        }
    } else if (auto told = detail::path_plan::of(options.replay)) {
        plan = std::move(*told);
    } else {
        throw std::invalid_argument{"sluice: \"" + options.replay + "\" is no replay of a simulation"};
    }
    simulation_access::parts p;
    auto out = simulation_access::run<detail::call_result<F>>(p, std::move(plan), options.chaos, options.max_steps,
                                                              options.trace_steps, options.diagnostics, at,
                                                              std::forward<F>(f));
    simulation_access::end(out, p);
    return out;
}

/// Simulates `f` many times, each time on another schedule, until a run fails.
///
/// A run fails if it ends with an exception: of the program, a deadlock or a leak. The failure is told with the text that
/// replays it: `simulate({.replay = "..."}, f)` does exactly the same again (with the same `chaos`).
/// Half of the runs pick the next task evenly, half by random priorities with a bounded number of changes, which find
/// bugs that need tasks to be far apart.
/// `f` is called anew for each run, and must begin from the same state each time.
///
///     auto all = sluice::testing::explore({.runs = 1000}, transfer_money);
///     if (all.failed()) ...             // all.replay()
template <class F>
    requires detail::startable<F>
exploration explore(const exploration_options& options, F&& f, detail::place at = detail::place::current()) {
    return simulation_access::explore(options, at, f);
}

template <class F>
exploration simulation_access::explore(const exploration_options& options, detail::place at, F& f) {
    using result = detail::call_result<F&>;
    exploration all;
    std::unordered_set<std::uint64_t> seen;
    std::uint64_t length = 100;
    std::vector<std::uint32_t> begin;
    for (std::uint64_t i = 0; i < options.runs; ++i) {
        detail::path_plan plan;
        plan.seed = options.seed + i;
        if (options.everything) {
            plan.how = detail::exploring::everything;
            plan.seed = options.seed;
            plan.begin = begin;
        } else if (options.preemptions && i % 2 == 1) {
            plan.how = detail::exploring::by_priority;
            plan.changes = options.preemptions;
            plan.length = length;
        }
        parts p;
        auto one = run<result>(p, std::move(plan), options.chaos, options.max_steps, options.trace_steps,
                               options.diagnostics, at, std::ref(f));
        ++all.runs_;
        length = std::max<std::uint64_t>(one.steps(), 1);
        seen.insert(p.by->path().fingerprint());
        const auto next = p.by->path().next_path();
        if (one.failed()) {
            all.error_ = one.error();
            all.replay_ = one.replay();
            all.trace_ = p.by->story().text();
            if (p.by->is_abandoned()) abandon(p);
            break;
        }
        if (!options.everything) continue;
        if (!next) {
            all.complete_ = true;
            break;
        }
        begin = *next;
    }
    all.distinct_ = seen.size();
    all.text_ = "sluice: " + std::to_string(all.runs_) + " runs, " + std::to_string(all.distinct_) +
                " of them different" + (all.complete_ ? ", and there are no others" : "") + "\n";
    if (all.failed()) {
        all.text_ += "  the last one failed: " + detail::what_of(all.error_) + "\n  again: simulate({.replay = \"" +
                     all.replay_ + "\"}, ...)\n  its steps:\n" + all.trace_;
        detail::runtime_core::say(options.diagnostics, all.text_);
    }
    return all;
}

/// Fails the simulated run that the caller is part of: it goes on to its next step, and ends there with `error`, its
/// tasks cancelled. For checks that do not throw, such as those of a test framework. The first one counts.
/// Returns: whether there is a run; outside of a simulation nothing happens.
inline bool fail_simulation(std::exception_ptr error) noexcept {
    auto* const here = detail::this_thread_state().simulation;
    if (here) here->fail(std::move(error));
    return here != nullptr;
}

/// Waits until `holds()` is true, for at most `limit`; tells whether it came true. Blocks the thread; a coroutine
/// awaits `async_eventually`. In a simulation the time is virtual.
template <class Predicate>
bool eventually(Predicate holds, clock::duration limit = std::chrono::seconds{10}) {
    detail::patience waits{limit};
    while (!holds()) {
        if (waits.are_over()) return false;
        if (waits.are_long()) static_cast<void>(after(waits.next()).receive());
        else std::this_thread::yield();
    }
    return true;
}
template <class Predicate>
task<bool> async_eventually(Predicate holds, clock::duration limit = std::chrono::seconds{10}) {
    detail::patience waits{limit};
    while (!holds()) {
        if (waits.are_over()) co_return false;
        if (waits.are_long()) co_await sleep_for(waits.next());
        else co_await yield();
    }
    co_return true;
}

/// Nothing that was started in its scope may live at the end of it.
///
/// What a task, or a thread outside of any task, starts while one of these lives in it, and what that starts in turn, is
/// counted here, by a context of its own: so tests that run beside each other do not disturb each other.
/// The destructor throws `leak_error`, unless an exception is on its way already; it does not wait.
/// What lives is cancelled then. Preconditions: destroyed by the task or thread that made it, the last one first.
///
///     {
///         sluice::testing::leak_check nothing_is_left;
///         download(urls);
///     }
class leak_check {
public:
    explicit leak_check(detail::place at = detail::place::current())
        : at_{at}, source_{with_cancel(current_context())} {
        auto* const node = detail::context_access::node(source_.get());
        auto& me = detail::this_thread_state();
        if (me.task) {
            scope_.emplace(*me.task, node, false);
        } else {
            home_ = &detail::context_tree::home_in(*node, detail::runtime_here());
            before_ = std::exchange(me.starts_in, home_);
        }
    }
    leak_check(const leak_check&) = delete;
    leak_check& operator=(const leak_check&) = delete;
    ~leak_check() noexcept(false) {
        scope_.reset();
        if (home_) {
            detail::this_thread_state().starts_in = before_;
            detail::context_tree::release_home(*home_);
        }
        const auto alive = detail::context_tree::tasks_below(*detail::context_access::node(source_.get()));
        if (alive == 0) return;
        source_.cancel();
        if (std::uncaught_exceptions() == 0)
            throw leak_error{"sluice: " + std::to_string(alive) + " tasks started in the scope of the leak_check at " +
                             detail::to_string(at_) + " live at its end"};
    }

private:
    detail::place at_;
    context_source source_;
    std::optional<detail::context_scope> scope_;
    detail::home* home_ = nullptr;
    detail::home* before_ = nullptr;
};

}  // namespace sluice::testing
