// SPDX-License-Identifier: BSL-1.0
// runtime.hpp: where do tasks run, and how does one start and join them?
#pragma once

#include <ostream>

#include "context.hpp"
#include "detail/context_scope.hpp"
#include "detail/go.hpp"
#include "detail/process_runtime.hpp"
#include "detail/signals.hpp"
#include "detail/stage_call.hpp"
#include "detail/starting.hpp"
#include "task.hpp"

namespace sluice {

/// The right to wait for a started task or callable, and to cancel it.
///
/// Dropping the handle lets the task go on; it still belongs to its run, which joins it. An exception that nobody
/// awaits ends the run with it.
/// Cancellation: a join is never abandoned. When the surrounding context ends, the cancellation is passed on to the
/// task, the join goes on until it has ended, and then throws `canceled`.
/// Thread safety: one owner; different handles from any thread.
///
///     auto h = sluice::go(load, url);       // starts now
///     page p = co_await h;                  // or h.get() from a thread
template <class R>
class join_handle : public detail::awaitable_tag {
public:
    /// Belongs to no task.
    join_handle() noexcept = default;
    join_handle(join_handle&& other) noexcept : state_{std::exchange(other.state_, nullptr)} {}
    join_handle& operator=(join_handle&& other) noexcept {
        if (this != &other) {
            drop();
            state_ = std::exchange(other.state_, nullptr);
        }
        return *this;
    }
    ~join_handle() { drop(); }

    /// False: belongs to no task.
    explicit operator bool() const noexcept { return state_ != nullptr; }

    /// The task's result, or throws what the task threw. Blocks the thread until the task has ended; `co_await` the
    /// handle in a coroutine. Precondition: it is asked for once.
    R get(detail::place at = detail::place::current()) {
        auto op = operation(at);
        return detail::block_joining(op);
    }

    /// The task's end as a case of a select or for `co_await`.
    [[nodiscard]] auto async_get(detail::place at = detail::place::current()) { return operation(at); }

    /// Whether the task has ended.
    bool done() const noexcept { return state_ && state_->has_ended(); }

    /// Asks the task to end: its waits end with `canceled`; one that has not begun will not begin.
    void cancel() const noexcept {
        if (state_) detail::request_stop(*state_);
    }

    /// For promises of other libraries: see detail/foreign_awaiter.hpp.
    auto for_foreign() { return detail::lone_wait<detail::join_operation<R>>{operation(detail::place::current())}; }
    /// For promises: see detail/promise.hpp.
    auto for_task(detail::task_state& self, detail::place at = detail::place::current()) {
        struct awaiter {
            awaiter(detail::join_operation<R> o, detail::task_state& t) noexcept : op{std::move(o)}, join{op, t} {}
            bool await_ready() noexcept { return join.await_ready(); }
            bool await_suspend(std::coroutine_handle<> h) { return join.await_suspend(h); }
            R await_resume() { return join.await_resume(); }
            detail::join_operation<R> op;
            detail::join_awaiter<detail::join_operation<R>> join;
        };
        auto op = operation(at);
        SLUICE_EXPECT(&static_cast<detail::task_state&>(*state_) != &self, "a task cannot wait for its own end");
        return awaiter{std::move(op), self};
    }

private:
    friend detail::handle_access;
    template <class F, class... Args>
    friend auto detail::go_here(detail::home_choice, detail::place, F&&, Args&&...);
    template <class Main, class F, class... Args>
    friend Main detail::run_main(runtime_options, F&&, Args&&...);
    template <class Main, class F, class... Args>
    friend Main detail::run_main_in(detail::runtime_core&, F&&, Args&&...);

    explicit join_handle(detail::result_state<R>* state) noexcept : state_{state} {}

    detail::join_operation<R> operation(detail::place at) {
        SLUICE_EXPECT_AT(state_ != nullptr, "this handle belongs to no task", at);
        return detail::join_operation<R>{*state_, at};
    }

    void drop() noexcept {
        if (auto* const s = std::exchange(state_, nullptr)) s->release();
    }

    detail::result_state<R>* state_ = nullptr;
};

/// Names the running task or blocking callable, for reports: `name_task("scanner 3");`. Elsewhere it does nothing.
/// A later name replaces an earlier one. Throws: `std::bad_alloc`; the name is as before.
inline void name_task(std::string_view called) {
    if (auto* const t = detail::this_thread_state().task) t->give_name(called);
}

/// While one lives, somebody outside of the run may wake its tasks: then all of them waiting is no deadlock.
///
/// Needed where sluice cannot see it: another thread of the process, a signal that a context waits for and timers are
/// seen without it. Examples: a callback of the operating system that uses no thread, shared memory.
/// Thread safety: made and destroyed on any thread. Complexity: one atomic operation each.
class [[nodiscard]] external_work {
public:
    external_work() noexcept {}
    external_work(const external_work&) = delete;
    external_work& operator=(const external_work&) = delete;

private:
    detail::life guard_;
};

/// What a runtime has counted so far: a snapshot, each number taken by itself.
struct runtime_metrics {
    unsigned workers = 0;
    std::uint64_t spawned = 0;    ///< tasks and callables started
    std::uint64_t alive = 0;      ///< of these, not yet ended
    std::uint64_t parked = 0;     ///< of those, the ones that wait now
    std::uint64_t steals = 0;     ///< times a worker took work from another
    std::uint64_t stand_ins = 0;  ///< times a worker's thread blocked and another stood in
    std::size_t threads = 0;      ///< threads that exist now, idle ones included
};

/// Workers, timers and threads for tasks. Most programs use `run`, which makes one.
///
/// Destruction: cancels what is alive, joins it, and reports what does not end within the grace period.
/// Thread safety: all members from any thread; construction and destruction must be alone, the destructor not in one
///     of its own tasks.
class runtime : public detail::starting<runtime> {
public:
    explicit runtime(runtime_options options = {})
        : own_{std::make_unique<detail::runtime_core>(std::move(options))}, core_{own_.get()} {}
    ~runtime() {
        if (!own_) return;
        SLUICE_EXPECT(detail::this_thread_state().runtime != core_, "a runtime was destroyed by one of its own tasks");
        own_->close();
    }
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;

    /// Starts `f(args...)` here; see `sluice::go`.
    /// In full: `template <class F, class... Args> auto go(F&& f, Args&&... args)`.
    using detail::starting<runtime>::go;

    /// Runs `f(args...)` here as the main task, blocks until it has ended, and gives its result. What it started and
    /// left behind lives on until the runtime ends.
    ///
    /// Throws: what the main task throws; `deadlock_error` when all tasks of the runtime wait and nobody can wake one,
    ///     after the main task has been cancelled: see `sluice::run`. The other tasks go on waiting: the caller may know
    ///     how to wake them.
    template <class F, class... Args>
    decltype(auto) run(F&& f, Args&&... args) {
        using result = detail::call_result<F, Args...>;
        return detail::run_main_in<result>(*core_, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// Counts, and walks over the tasks that have parked: for a look now and then.
    runtime_metrics metrics() const {
        const auto ended = core_->ended_tasks();
        const auto started = core_->started_tasks();
        return {core_->worker_count(), started,         started - ended,
                core_->parked_tasks(), core_->steals(), core_->stand_ins(),
                core_->thread_count()};
    }

    /// Lists the tasks that have parked at least once: where each was started, where and for what it waits; and what each
    /// worker runs at this moment.
    void dump(std::ostream& out) const { out << core_->dump(); }

    /// The runtime of `go` from threads outside of any other; made at first need, ended at the process's exit.
    static runtime& process() {
        static runtime all{detail::process_runtime::core()};
        return all;
    }

private:
    template <class R, class F, class... Args>
    friend R detail::run_main(runtime_options, F&&, Args&&...);
    friend detail::home_choice detail::home_here();
    friend detail::runtime_core& detail::runtime_here();

    friend class detail::starting<runtime>;

    explicit runtime(detail::runtime_core& of) noexcept : core_{&of} {}

    template <class F, class... Args>
    auto go_at(detail::place at, F&& f, Args&&... args) {
        return detail::go_here({&core_->root(), false}, at, std::forward<F>(f), std::forward<Args>(args)...);
    }

    std::unique_ptr<detail::runtime_core> own_;  // null: the process's
    detail::runtime_core* core_;
};

/// While one lives, a signal of the process lists the tasks of every runtime to its diagnostics, as `runtime::dump` does,
/// and the program goes on. In Go that signal is SIGQUIT, which terminals send for Ctrl-\.
///
/// Deadlock: no life; a run in which all wait ends all the same.
/// Throws: `std::invalid_argument` if there is no such signal; `std::runtime_error` where there are no POSIX signals.
///
///     const sluice::dump_on_signal dumps{SIGQUIT};
class [[nodiscard]] dump_on_signal {
public:
    explicit dump_on_signal(int number) : watch_{detail::signal_watch::add(std::make_shared<dumps>(), {number})} {}
    dump_on_signal(const dump_on_signal&) = delete;
    dump_on_signal& operator=(const dump_on_signal&) = delete;

private:
    struct dumps final : detail::signal_listener {
        void signal_came(int number) noexcept override {
            try {
                detail::runtime_core::dump_all("sluice: signal " + std::to_string(number) + ": the tasks:\n");
            } catch (const std::bad_alloc&) {}  // what cannot be told
        }
    };

    std::shared_ptr<void> watch_;
};

/// Starts `f(args...)` and returns a handle to its end.
///
/// `f` and `args` are copied or moved into the task before it runs (use `std::ref` for references), so a lambda's
/// captures live as long as the coroutine made from it. If `f` returns a `task`, it runs on the scheduler; otherwise
/// it may block, and runs on a thread of an elastic cache.
/// The task belongs to the run of its starter and ends with the context that the starter was started under; from a
/// thread outside of any runtime, it belongs to `runtime::process()`. Cancelling the starter's handle does not reach it
/// unless the starter joins it: use a group, or pass a context, for work that shall end together.
/// Throws: what copying `f` and `args` throws, `std::bad_alloc`, `std::system_error` if no thread can be made.
template <class F>
auto go(F&& f, detail::place at = detail::place::current()) {
    return detail::go_here(detail::home_here(), at, std::forward<F>(f));
}
template <class F, class A>
    requires detail::startable<F, A>
auto go(F&& f, A&& a, detail::place at = detail::place::current()) {
    return detail::go_here(detail::home_here(), at, std::forward<F>(f), std::forward<A>(a));
}
template <class F, class A, class B>
    requires detail::startable<F, A, B>
auto go(F&& f, A&& a, B&& b, detail::place at = detail::place::current()) {
    return detail::go_here(detail::home_here(), at, std::forward<F>(f), std::forward<A>(a), std::forward<B>(b));
}
/// As above; a report then names the place of the coroutine itself, since no default argument can follow a pack.
template <class F, class... Args>
    requires(sizeof...(Args) > 2) && detail::startable<F, Args...>
auto go(F&& f, Args&&... args) {
    return detail::go_here(detail::home_here(), {}, std::forward<F>(f), std::forward<Args>(args)...);
}

/// As above, under `ctx` instead of the starter's context: the task ends with `ctx`, and with its run.
template <class F>
    requires detail::startable<F>
auto go(const context& ctx, F&& f, detail::place at = detail::place::current()) {
    return detail::go_here(detail::home_under(detail::context_access::node(ctx)), at, std::forward<F>(f));
}
template <class F, class A>
    requires detail::startable<F, A>
auto go(const context& ctx, F&& f, A&& a, detail::place at = detail::place::current()) {
    return detail::go_here(detail::home_under(detail::context_access::node(ctx)), at, std::forward<F>(f),
                           std::forward<A>(a));
}
template <class F, class... Args>
    requires(sizeof...(Args) > 1) && detail::startable<F, Args...>
auto go(const context& ctx, F&& f, Args&&... args) {
    return detail::go_here(detail::home_under(detail::context_access::node(ctx)), {}, std::forward<F>(f),
                           std::forward<Args>(args)...);
}

/// Starts a runtime, runs `f(args...)` (or the given task) as its main task and returns the result.
///
/// When the main task ends, tasks that are still alive are cancelled and joined; they outlive the main task's local
/// variables, so what they refer to lives outside, or a group in the main task joins them.
/// Throws: what the main task throws; else an exception that nobody awaited, which cancels the run; `deadlock_error`
///     when all tasks wait and nobody can wake one, after they have been cancelled: it lists where each was started,
///     where it waits and for what. Whether there is somebody outside of the run is found out, see
///     `run_options::may_wake`.
/// Blocking: the calling thread, until all has ended. What does not end within `run_options::grace` is reported with
///     the place where it waits, again and again, and never detached.
template <class F, class... Args>
    requires detail::startable<F, Args...>
decltype(auto) run(run_options options, F&& f, Args&&... args) {
    using result = detail::call_result<F, Args...>;
    return detail::run_main<result>(std::move(options), std::forward<F>(f), std::forward<Args>(args)...);
}
template <class F, class... Args>
    requires detail::startable<F, Args...>
decltype(auto) run(F&& f, Args&&... args) {
    return run(run_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}
template <class T>
T run(run_options options, task<T> main) {
    return detail::run_main<T>(std::move(options), [m = std::move(main)]() mutable { return std::move(m); });
}
template <class T>
T run(task<T> main) {
    return run(run_options{}, std::move(main));
}

/// Runs `t` as a task and gives its result: the blocking twin of `co_await`, also for the patterns, which are tasks.
///
/// In a task or callable it belongs to the same runtime and context, elsewhere to the process's.
/// Cancellation: that of the surrounding context is passed on to it; `canceled` comes after it has ended. Under a shield
///     it does not begin under that context either.
template <class T>
T wait(task<T> t, detail::place at = detail::place::current()) {
    const auto* const caller = detail::this_thread_state().task;
    const auto home = caller && caller->is_shielded() ? detail::home_under(nullptr) : detail::home_here();
    return detail::go_here(home, at, [in = std::move(t)]() mutable { return std::move(in); }).get();
}

/// Lets other ready tasks run first: `co_await yield();`.
[[nodiscard]] inline auto yield() noexcept { return detail::yield_operation{}; }

/// Runs `f(args...)` on a thread that may block and gives its result: `auto text = co_await blocking(read, path);`.
///
/// `f` and `args` are copied or moved at the call; nothing runs until it is awaited.
/// Cancellation: passed on to the callable, whose own waits end with it; the await ends after the callable has.
/// On g++ a temporary lambda with captures that need destruction must be named first (it would be destroyed twice).
template <class F, class... Args>
    requires detail::startable<F, Args...>
[[nodiscard]] auto blocking(F&& f, Args&&... args) {
    static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
    static_assert(!detail::returns_task<F, Args...>, "blocking() is for plain callables; await the task itself");
    return detail::blocking_operation<detail::call_result<F, Args...>>{
        detail::make_blocking(std::forward<F>(f), std::forward<Args>(args)...)};
}
/// For an `f` that takes arguments: marks it, for a pattern that calls it, as one that may block its thread.
template <class F>
    requires(!detail::startable<F>)
[[nodiscard]] auto blocking(F&& f) {
    static_assert(!detail::is_blocking_function<std::decay_t<F>>, "this is marked as blocking already");
    return detail::blocking_function<std::decay_t<F>>{std::forward<F>(f)};
}

/// Runs `awaitable` without the surrounding cancellation, for clean-up: `co_await shielded(ch.async_send(last));`.
template <class A>
[[nodiscard]] auto shielded(A&& awaitable) noexcept
    requires detail::awaitable_in_task<A>
{
    return detail::shielded_awaitable<A>{std::forward<A>(awaitable)};
}
/// Awaits `awaitable` under `ctx` instead of the surrounding context: `co_await under(ctx, load(url));`.
///
/// What runs meanwhile ends with `ctx`, and like everything with its task and its run; `go` hands `ctx` on, and
/// `current_context()` is below it. To end with the surrounding context too, derive `ctx` from `current_context()`.
/// Under a shield only the end of `ctx` counts: `co_await shielded(under(limit, clean_up()));`.
/// The end of `ctx` throws `canceled`, as that of the surrounding context does elsewhere. An awaitable of another library
/// is not begun under a context that has ended; once begun, it goes on to its own end.
template <class A>
[[nodiscard]] auto under(const context& ctx, A&& awaitable)
    requires detail::awaitable_in_task<A>
{
    static_assert(std::move_constructible<A>, "this awaitable cannot be moved: give it a name and await that");
    return detail::under_awaitable<A>{detail::context_access::node(ctx), std::forward<A>(awaitable)};
}
/// Calls `f` with blocking waits that the surrounding cancellation does not end.
template <class F>
    requires std::invocable<F>
decltype(auto) shielded(F&& f) {
    const detail::shield s{detail::this_thread_state().task};
    return std::invoke(std::forward<F>(f));
}

inline detail::home_choice detail::home_here() {
    auto& me = this_thread_state();
    if (me.task) return share_home_of(*me.task);
    if (home* const in = me.starts_in) {
        in->references.fetch_add(1, std::memory_order_relaxed);
        return {in, true};
    }
    return {&runtime::process().core_->root(), false};
}

inline detail::runtime_core& detail::runtime_here() {
    auto& me = this_thread_state();
    return me.task ? *me.task->where().runtime : *runtime::process().core_;
}

inline detail::home_choice detail::home_under(context_node* node) {
    runtime_core& rt = runtime_here();
    return {node ? &context_tree::home_in(*node, rt) : &rt.make_home(nullptr), true};
}

}  // namespace sluice
