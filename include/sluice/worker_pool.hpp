// SPDX-License-Identifier: BSL-1.0
// worker_pool.hpp: how do a few workers do the work of many, who wait when there is too much of it?
#pragma once

#include <chrono>
#include <stdexcept>

#include "detail/worker_pool_core.hpp"
#include "runtime.hpp"
#include "timer.hpp"

namespace sluice {

/// How a pool shall be: `worker_pool{{.tasks = 4, .queue = 100}}` or `worker_pool{{.threads = 4, .queue = 100}}`.
struct worker_pool_options {
    /// Jobs that run at a time, on the workers of the runtime: for coroutines, and for functions that are quick.
    std::size_t tasks = 0;
    /// Jobs that run at a time, functions each on a thread that may block: for files, databases, other libraries.
    std::size_t threads = 0;
    /// Jobs that wait at most; the next submit waits itself. 0: a submit waits for a worker.
    std::size_t queue = 0;
};

/// What became of the jobs of a pool since its `drain` or `stop` was called.
struct drain_report {
    std::size_t done = 0;         ///< ran to their own end
    std::size_t interrupted = 0;  ///< had begun, and ended by being cancelled
    std::size_t dropped = 0;      ///< were queued and never began
    /// Whether nothing was lost.
    bool all_done() const noexcept { return interrupted == 0 && dropped == 0; }
};

/// What a submit to a pool that accepts no more work ends with, when its value is asked for all the same.
class pool_closed : public std::runtime_error {
public:
    pool_closed() : std::runtime_error{"sluice: this worker pool accepts no more work: it was drained or stopped"} {}
};

/// What a submit gives: the handle of the job, or why there is none.
///
/// It is a `received<join_handle<R>>` and does what the handle does, so that who knows that the pool is open need not ask.
/// Without a handle, what needs one throws: `pool_closed`, or `std::bad_optional_access` for `full` and `timed_out`.
template <class R>
class [[nodiscard]] submitted : public received<join_handle<R>>, public detail::awaitable_tag {
public:
    using received<join_handle<R>>::received;

    /// The job's result, or throws what the job threw. Blocks the thread; in a coroutine `co_await` this.
    R get(detail::place at = detail::place::current()) { return this->value().get(at); }
    /// Whether there was a job and it has ended.
    bool done() const noexcept { return this->has_value() && (*this)->done(); }
    /// Asks the job to end, if there is one.
    void cancel() const noexcept {
        if (this->has_value()) (*this)->cancel();
    }
    operator join_handle<R>() && { return std::move(*this).value(); }

    /// For promises: see detail/promise.hpp, for those of other libraries detail/foreign_awaiter.hpp.
    auto for_task(detail::task_state& self, detail::place at = detail::place::current()) {
        return this->value().for_task(self, at);
    }
    auto for_foreign() { return this->value().for_foreign(); }
};

namespace detail {
template <class F, class... Args>
class submit_operation;
template <class F, class... Args>
concept submittable = stage_callable<std::decay_t<F>, std::decay_t<Args>...>;
}  // namespace detail

/// A fixed number of workers and a bounded queue of jobs for them. The queue is served in order of the submits.
///
/// A job is a task: its handle is a `join_handle`, to be awaited, selected on, asked by `get()`, and cancelled, also while
/// the job is queued. A dropped handle lets the job go on; an exception that nobody asks for ends the run, as with `go`.
/// A job runs in the runtime of its submitter, under the pool's context, which is below that of the task that made the
/// pool. `f` is a plain function or a coroutine; `blocking(f)`, for an `f` with arguments, runs on a thread in a pool of tasks too.
/// Blocking: `submit` waits while the queue is full: that is the backpressure. Who submits first is let in first.
/// Cancellation: a submit that is cancelled has started nothing. When the pool's context ends, queued jobs end with
///     `canceled` without having begun, running ones at their next wait.
/// Thread safety: all members from any thread; construction and destruction must be alone.
/// Destruction: stops and joins (blocking; in a coroutine `co_await pool.async_stop()` first).
/// Memory: at most `workers + queue` jobs exist, each with its callable and arguments.
/// Preconditions: none of its own jobs drains, stops or destroys it. If its jobs submit to it and wait for that, the queue has
///     room for all of them, or all of them wait for each other.
///
///     sluice::worker_pool thumbnails{{.threads = 4, .queue = 100}};
///     auto made = thumbnails.submit(scale, picture);            // waits for room
///     if (!made) return;                                        // closed
///     image small = made.get();                                 // or co_await made
class worker_pool {
public:
    using options = worker_pool_options;

    /// Precondition: one of `tasks` and `threads` is positive, and the other is 0.
    explicit worker_pool(options how, detail::place at = detail::place::current())
        : core_{workers_of(how, at), how.queue, how.threads > 0, detail::own_context::of_current_task()} {}
    /// Its jobs run below `parent`, and it is closed when that ends.
    worker_pool(options how, const context& parent, detail::place at = detail::place::current())
        : core_{workers_of(how, at), how.queue, how.threads > 0, retained(parent)} {}
    /// So many jobs at a time as tasks, and so many that wait.
    worker_pool(std::size_t tasks, std::size_t queue, detail::place at = detail::place::current())
        : worker_pool{options{.tasks = tasks, .queue = queue}, at} {}
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;

    // --- submitting -----------------------------------------------------------------------------------------------------
    // `f` and its arguments are copied or moved into the job when it is let in, and are unmoved if it is not. Each gives a
    // `submitted<R>`: the handle, or why there is none.

    /// Starts `f(args...)` as a job when there is room; blocks the thread until then. `closed`: the pool accepts no more.
    template <class F>
        requires detail::submittable<F>
    auto submit(F&& f, detail::place at = detail::place::current()) {
        return operation(at, std::forward<F>(f)).block();
    }
    template <class F, class A>
        requires detail::submittable<F, A>
    auto submit(F&& f, A&& a, detail::place at = detail::place::current()) {
        return operation(at, std::forward<F>(f), std::forward<A>(a)).block();
    }
    template <class F, class... Args>
        requires(sizeof...(Args) > 1) && detail::submittable<F, Args...>
    auto submit(F&& f, Args&&... args) {
        return operation({}, std::forward<F>(f), std::forward<Args>(args)...).block();
    }

    /// `co_await pool.async_submit(f, args...)`. Refers to `f` and `args` until then. Also a case of a select, and for `timeout`.
    template <class F>
        requires detail::submittable<F>
    [[nodiscard]] auto async_submit(F&& f SLUICE_LIFETIMEBOUND, detail::place at = detail::place::current()) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return operation(at, std::forward<F>(f));
    }
    template <class F, class A>
        requires detail::submittable<F, A>
    [[nodiscard]] auto async_submit(F&& f SLUICE_LIFETIMEBOUND, A&& a SLUICE_LIFETIMEBOUND,
                                    detail::place at = detail::place::current()) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return operation(at, std::forward<F>(f), std::forward<A>(a));
    }
    template <class F, class... Args>
        requires(sizeof...(Args) > 1) && detail::submittable<F, Args...>
    [[nodiscard]] auto async_submit(F&& f SLUICE_LIFETIMEBOUND, Args&&... args SLUICE_LIFETIMEBOUND) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return operation({}, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// Starts it if there is room now; `full` or `closed` otherwise.
    template <class F, class... Args>
        requires detail::submittable<F, Args...>
    auto try_submit(F&& f, Args&&... args) {
        using op = detail::submit_operation<F, Args...>;
        op wanted{core_, detail::place{}, std::forward<F>(f), std::forward<Args>(args)...};
        if (core_.is_closed()) return wanted.ended_by(status::closed);
        return detail::attempt(std::move(wanted), status::full);
    }

    // --- ending ---------------------------------------------------------------------------------------------------------

    /// Accepts no more, lets the jobs that are there run for so long, then cancels the rest and joins them. Blocks the thread.
    ///
    /// Submits, also those that wait for room, end with `closed` from then on.
    /// Cancellation: passed on to the jobs; `canceled` comes after they have ended.
    /// Precondition: `d` is not negative. Called by none of the pool's own jobs.
    template <class Rep, class Period>
    drain_report drain(std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current()) {
        return wait(async_drain(d, at), at);
    }
    /// `co_await pool.async_drain(5s)`.
    template <class Rep, class Period>
    [[nodiscard]] task<drain_report> async_drain(std::chrono::duration<Rep, Period> d,
                                                 detail::place at = detail::place::current()) {
        SLUICE_EXPECT_AT(d >= d.zero(), "a pool is drained for a time that is not negative", at);
        core_.group.expect_a_waiter_from_outside(detail::this_thread_state().task, at);
        return end(core_, std::chrono::ceil<clock::duration>(d), true, at);
    }
    /// Accepts no more, cancels all jobs and joins them. Blocks the thread.
    SLUICE_ONLY_IF_USED
    drain_report stop(detail::place at = detail::place::current()) { return wait(async_stop(at), at); }
    /// `co_await pool.async_stop()`.
    SLUICE_ONLY_IF_USED
    [[nodiscard]] task<drain_report> async_stop(detail::place at = detail::place::current()) {
        core_.group.expect_a_waiter_from_outside(detail::this_thread_state().task, at);
        return end(core_, {}, false, at);
    }

    // --- asking; snapshots, for tests and metrics ---------------------------------------------------------------------

    /// Whether it accepts no more.
    bool is_closed() const noexcept { return core_.is_closed(); }
    /// How many jobs run, how many are queued, and how many can run at a time.
    std::size_t running() const noexcept { return core_.running(); }
    std::size_t queued() const noexcept { return core_.queued(); }
    std::size_t workers() const noexcept { return core_.workers(); }
    /// The context of its jobs.
    context get_context() { return core_.own_context(); }

private:
    static std::size_t workers_of(const options& how, detail::place at) {
        constexpr auto most = static_cast<std::size_t>(-1) / 4;
        SLUICE_EXPECT_AT(how.tasks <= most && how.threads <= most && how.queue <= most,
                         "the numbers of a worker pool are not negative", at);
        SLUICE_EXPECT_AT((how.tasks > 0) != (how.threads > 0),
                         "a worker pool has a number of tasks or of threads: set one of them, to more than 0", at);
        return how.tasks + how.threads;
    }
    static detail::context_node* retained(const context& c) noexcept {
        detail::context_tree::retain(detail::context_access::node(c));
        return detail::context_access::node(c);
    }

    template <class F, class... Args>
    auto operation(detail::place at, F&& f, Args&&... args) {
        using op = detail::submit_operation<F, Args...>;
        return detail::ended_early<op>{op{core_, at, std::forward<F>(f), std::forward<Args>(args)...},
                                       detail::context_access::node(core_.accepting.get()), detail::no_deadline};
    }

    SLUICE_ONLY_IF_USED
    static task<drain_report> end(detail::pool_core& core, clock::duration within, bool waits_first, detail::place at) {
        const auto before = core.close();
        bool in_time = false;
        std::exception_ptr ended;
        try {
            if (waits_first) in_time = co_await timeout(within, detail::group_operation{core.group, at});
        } catch (const canceled&) {
            ended = std::current_exception();
        }
        if (!in_time) {
            core.group.cancel(nullptr);
            co_await shielded(detail::group_operation{core.group, at});
        }
        if (ended) std::rethrow_exception(ended);
        const auto now = core.counts();
        co_return drain_report{now.done - before.done, now.interrupted - before.interrupted,
                               now.dropped - before.dropped};
    }

    detail::pool_core core_;
};

namespace detail {

/// Waits for room in a pool, and then starts a job; refers to the callable and its arguments until then.
template <class F, class... Args>
class submit_operation : public acquire_operation {
    using call = pool_call<std::decay_t<F>, std::decay_t<Args>...>;
    using outcome = submitted<stage_result<std::decay_t<F>, std::decay_t<Args>...>>;

public:
    submit_operation(pool_core& of, place at, F&& f, Args&&... args) noexcept
        : acquire_operation{of.room, 1, at}, pool_{&of}, call_{std::forward<F>(f), std::forward<Args>(args)...} {}

    outcome result() {
        granted = false;
        struct permit_back {  // P3
            ~permit_back() {
                if (of) of->room.release(1, {});
            }
            pool_core* of;
        } permit{pool_};
        auto job = std::make_unique<pool_job>(*pool_, where);
        if (!pool_->enter(*job)) return ended_by(status::closed);
        struct counted_back {
            ~counted_back() { of->group.done({}); }
            pool_core* of;
        } entry{pool_};  // P4
        result_state<stage_result<std::decay_t<F>, std::decay_t<Args>...>>* started = nullptr;
        try {
            started = std::apply(
                [&](auto&&... parts) {
                    return pool_->group.start(*job, true, where, call{*job, std::forward<decltype(parts)>(parts)...});
                },
                std::move(call_));
        } catch (...) {
            pool_->leave(*job);
            throw;
        }
        static_cast<void>(job.release());  // its task's, from here on
        permit.of = nullptr;
        return outcome{std::in_place, handle_access::adopt(started)};
    }
    outcome ended_by(status why) const {
        if (why == status::canceled || why == status::closed)
            return outcome{status::closed, std::make_exception_ptr(pool_closed{})};
        return outcome{why};
    }
    auto for_task(task_state& self) noexcept { return task_awaiter<submit_operation>{*this, self}; }

private:
    pool_core* pool_;
    std::tuple<F&&, Args&&...> call_;
};

}  // namespace detail
}  // namespace sluice
