// SPDX-License-Identifier: BSL-1.0
// shutdown.hpp: how does a program end in order, each part in its time, and what was left undone?
//
//   made ──signal, request, end of a context──▶ phase 1 ──▶ phase 2 ──▶ ... ──▶ report
//                                                  └── second signal, hurry ────▶ the rest is skipped
//
// S1  A phase runs in a task of its own, under a context with its deadline, below the one that surrounds the run, and
//     ended by the second signal too. The next begins when it has ended, or when its context has ended and the grace is over.
// S2  What a phase is not given up before: it is joined before the run returns, on every way out.
// S3  Each phase is told once, in order: among those done, or among those dropped.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "channel.hpp"
#include "detail/shutdown_phase.hpp"
#include "scope.hpp"
#include "select.hpp"

namespace sluice {

/// How a phase of a shutdown ended.
enum class phase_end {
    done,       ///< by itself
    failed,     ///< by itself, with an exception
    timed_out,  ///< cancelled at its deadline, and joined
    stuck,      ///< cancelled at its deadline or by hurry, and had not ended within the grace; the next began beside it
    interrupted,  ///< cancelled by hurry, and joined
    skipped       ///< never began
};

/// The name of it, for messages.
constexpr const char* to_string(phase_end how) noexcept {
    switch (how) {
        case phase_end::done: return "done";
        case phase_end::failed: return "failed";
        case phase_end::timed_out: return "timed out";
        case phase_end::stuck: return "stuck";
        case phase_end::interrupted: return "interrupted";
        case phase_end::skipped: return "skipped";
    }
    return "?";
}

/// What became of a phase.
struct phase_result {
    std::string name;
    std::size_t position = 0;  ///< among all phases
    phase_end how = phase_end::skipped;
    clock::duration began{};   ///< so long after the request; zero if it did not
    clock::duration took{};    ///< until it ended or was given up
    std::exception_ptr error;  ///< what it threw, if it failed
};

/// What became of all of them.
struct shutdown_report {
    std::vector<phase_result> done;     ///< those that ended by themselves, also with an exception
    std::vector<phase_result> dropped;  ///< those that were cut short or never began
    std::exception_ptr cause;           ///< of the request: a `signal_received`, what `request` was given, or null
    bool hurried = false;               ///< whether it was ended at once

    /// Whether every phase ran to its end without an exception.
    bool all_done() const noexcept {
        if (!dropped.empty()) return false;
        for (const auto& one : done)
            if (one.how != phase_end::done) return false;
        return true;
    }
    /// A line for each phase, in order: `drain: timed out after 5000 ms`, for logs.
    std::string text() const;
};

/// How a shutdown shall be.
struct shutdown_options {
    /// How long a phase that was cancelled is waited for before the next one begins beside it.
    clock::duration grace = std::chrono::seconds{2};
};

/// Ends a program in ordered phases, each with a deadline: on a signal, on request, or with a context.
///
/// Stop accepting, drain what is in flight, close the consumers, close the resources: a later phase may rely on the earlier
/// ones having ended. A phase that fails is told and the next begins; one that overruns is cancelled, waited for as long as
/// the grace, told, and then the next begins all the same.
/// Signals: from `on_signal` on they do not have their default action as long as this lives. The first begins the
///     shutdown, a second one ends it at once: the phase that runs is cancelled, those behind it are skipped. Then signals have
///     their default action again: a third ends a program that hangs. Signals alone are counted, not `request`.
/// Nothing is abandoned: `run` returns after every phase has ended, also a stuck one. `on_phase` tells of it before.
/// Cancellation: `async_run` ends with its surrounding context like everything: before the request no phase runs; later the
///     one that runs is cancelled and joined and `canceled` is thrown. Where the phases shall run nonetheless, write
///     `co_await shielded(down.async_run())`.
/// Thread safety: `request`, `hurry` and `requested` from any thread; all else before the run, by one.
///
///     sluice::shutdown down;
///     down.on_signal(SIGINT, SIGTERM)
///         .phase("stop accepting", 1s, [&] { acceptor.close(); })
///         .phase("drain", 20s, [&] { return workers.async_drain(15s); })
///         .phase("close the database", 5s, sluice::blocking([&] { db.close(); }));
///     const auto report = down.run();
///     std::puts(report.text().c_str());
///     return report.all_done() ? 0 : 1;
class shutdown {
public:
    using options = shutdown_options;

    shutdown() : shutdown{options{}} {}
    /// Precondition: the grace is not negative.
    explicit shutdown(options how, detail::place at = detail::place::current()) : options_{how} {
        SLUICE_EXPECT_AT(how.grace >= how.grace.zero(), "a grace is not negative", at);
    }
    ~shutdown() { turn_->let_signals_go(); }
    shutdown(const shutdown&) = delete;
    shutdown& operator=(const shutdown&) = delete;

    // --- what it consists of --------------------------------------------------------------------------------------------

    /// One phase more, behind those before. `f()` or `f(ctx)`, with the context that has the deadline, is plain, a coroutine,
    /// or marked as `blocking(f)`. Its result is not looked at. Precondition: `limit` is positive.
    template <class Rep, class Period, class F>
        requires detail::phase_callable<std::decay_t<F>>
    shutdown& phase(std::string name, std::chrono::duration<Rep, Period> limit, F&& f,
                    detail::place at = detail::place::current()) {
        SLUICE_EXPECT_AT(limit > limit.zero(), "the time of a phase is positive", at);
        expect_before_run(at);
        phases_.push_back({std::move(name), std::chrono::ceil<clock::duration>(limit),
                           std::make_unique<detail::phase_of<std::decay_t<F>>>(std::forward<F>(f))});
        return *this;
    }
    /// The first of these signals begins it, the second ends it at once. See above.
    /// Throws: `std::invalid_argument` if there is no such signal; `std::runtime_error` where there are no POSIX signals.
    template <std::convertible_to<int>... Signals>
        requires(sizeof...(Signals) > 0)
    shutdown& on_signal(Signals... numbers) {
        SLUICE_EXPECT(!has_run_, "a shutdown is prepared before it is run");
        turn_->keep(detail::signal_watch::add(std::make_shared<listener>(turn_), {static_cast<int>(numbers)...}));
        return *this;
    }
    /// The end of `ctx` begins it, too.
    shutdown& on_done(const context& ctx, detail::place at = detail::place::current()) {
        expect_before_run(at);
        ends_.push_back(ctx);
        return *this;
    }
    /// `f` is called with the result of each phase as soon as it is known. What it throws is thrown by the run, at its end.
    shutdown& on_phase(std::function<void(const phase_result&)> f) {
        told_ = std::move(f);
        return *this;
    }

    // --- running --------------------------------------------------------------------------------------------------------

    /// Waits for the request, then runs the phases. Blocks the thread. Precondition: it is run once.
    SLUICE_ONLY_IF_USED
    shutdown_report run(detail::place at = detail::place::current()) { return wait(async_run(at), at); }
    /// `co_await down.async_run()`.
    SLUICE_ONLY_IF_USED
    [[nodiscard]] task<shutdown_report> async_run(detail::place at = detail::place::current()) {
        SLUICE_EXPECT_AT(!has_run_, "a shutdown is run once", at);
        has_run_ = true;
        return all_phases(*this);
    }

    /// Begins it, if nothing has yet.
    void request() const noexcept { request(nullptr); }
    /// As above, and tells why.
    void request(std::exception_ptr cause) const noexcept { turn_->requested.cancel(std::move(cause)); }
    /// Ends it at once, as a second signal does, and begins it if need be.
    void hurry() const noexcept {
        turn_->hurried.cancel();
        request();
    }
    /// Ends when the shutdown has been requested: for who shall not begin anything then.
    const context& requested() const noexcept { return turn_->requested.get(); }

private:
    // Shared with whoever tells of signals.
    class turn {
    public:
        context_source requested = with_cancel({});
        context_source hurried = with_cancel({});
        std::atomic<bool> has_been_told{false};

        void keep(std::shared_ptr<void> watch) {
            const detail::hold guard{mutex};
            watches.push_back(std::move(watch));
        }
        void let_signals_go() noexcept {
            std::vector<std::shared_ptr<void>> gone;  // outside of the lock
            const detail::hold guard{mutex};
            gone.swap(watches);
        }

    private:
        detail::lock mutex;
        std::vector<std::shared_ptr<void>> watches;  // which share this
    };
    class listener final : public detail::signal_listener {
    public:
        explicit listener(std::shared_ptr<turn> t) noexcept : turn_{std::move(t)} {}
        void signal_came(int number) noexcept override {
            const auto cause = std::make_exception_ptr(signal_received{number});
            // relaxed: one thread tells of signals.
            const bool is_second = turn_->has_been_told.exchange(true, std::memory_order_relaxed);
            // First of all: who runs on because of it may rely on the default action being back.
            if (is_second) turn_->let_signals_go();
            (is_second ? turn_->hurried : turn_->requested).cancel(cause);
        }

    private:
        const std::shared_ptr<turn> turn_;
        const detail::life may_come_;
    };

    struct planned {
        std::string name;
        clock::duration limit;
        std::unique_ptr<detail::phase_base> call;
    };
    // A phase that has begun; lives until it is joined.
    struct begun {
        phase_end how = phase_end::done;
        std::exception_ptr error;
        const channel<void> ended{0};
    };

    void expect_before_run(detail::place at) const {
        SLUICE_EXPECT_AT(!has_run_, "a shutdown is prepared before it is run", at);
    }
    // Below the context that surrounds us; under a shield with its values alone.
    static context surrounding() {
        const auto* const task = detail::this_thread_state().task;
        context here = current_context();
        return task && task->is_shielded() ? without_cancel(here) : here;
    }

    SLUICE_ONLY_IF_USED
    static task<> run_phase(planned& what, begun& state, context limit) {
        struct told {
            ~told() { of.ended.close(); }
            begun& of;
        };
        const told at_end{state};
        try {
            co_await under(limit, what.call->run(limit));
        } catch (const canceled&) {
            state.error = std::current_exception();
            state.how = limit.done() ? phase_end::interrupted : phase_end::failed;
        } catch (...) {
            state.error = std::current_exception();
            state.how = phase_end::failed;
        }
    }

    SLUICE_ONLY_IF_USED
    static task<> wait_for_request(shutdown& me) {
        context until = me.requested();
        std::vector<context_source> joined;
        for (const auto& end : me.ends_) until = joined.emplace_back(any_of(until, end));
        co_await until.async_done();
        me.request(until.cause());
    }

    SLUICE_ONLY_IF_USED
    static task<shutdown_report> all_phases(shutdown& me) {
        const context around = surrounding();
        std::deque<begun> states;  // joined before they go
        shutdown_report report;
        std::exception_ptr wrong;
        co_await wait_for_request(me);
        report.cause = me.requested().cause();
        const auto since = clock::now();
        const auto body = [&](errgroup& all) -> task<> {
            std::size_t position = 0;
            for (planned& next : me.phases_) {
                phase_result result{next.name, position++, phase_end::skipped, {}, {}, nullptr};
                if (!me.turn_->hurried.get().done()) {
                    result.began = clock::now() - since;
                    co_await one_phase(me, next, states.emplace_back(), all, result);
                    result.took = clock::now() - since - result.began;
                    co_await yield();  // throws if that is what has ended the phase
                }
                try {
                    if (me.told_) me.told_(result);
                } catch (...) {
                    if (!wrong) wrong = std::current_exception();
                }
                const bool by_itself = result.how == phase_end::done || result.how == phase_end::failed;
                (by_itself ? report.done : report.dropped).push_back(std::move(result));
            }
        };
        co_await scope<errgroup>(body, around);
        report.hurried = me.turn_->hurried.get().done();
        if (wrong) std::rethrow_exception(wrong);
        co_return report;
    }

    // S1
    SLUICE_ONLY_IF_USED
    static task<> one_phase(shutdown& me, planned& what, begun& state, errgroup& all, phase_result& result) {
        const context_source in_time = any_of(all.get_context(), me.turn_->hurried);
        const context_source limit = with_timeout(in_time, what.limit);
        all.go(run_phase<>, std::ref(what), std::ref(state), limit.get());
        static_cast<void>(co_await state.ended.async_receive(limit));
        const bool in_a_hurry = me.turn_->hurried.get().done();
        if (!state.ended.is_closed()) {
            const auto joined = co_await timeout(me.options_.grace, state.ended.async_receive());
            if (joined.why() == status::timed_out) {
                result.how = phase_end::stuck;
                co_return;
            }
        }
        result.how = state.how;
        if (state.how == phase_end::failed) result.error = state.error;
        else if (state.how == phase_end::interrupted && !in_a_hurry) result.how = phase_end::timed_out;
    }

    const options options_;
    const std::shared_ptr<turn> turn_ = std::make_shared<turn>();
    std::vector<planned> phases_;
    std::vector<context> ends_;
    std::function<void(const phase_result&)> told_;
    bool has_run_ = false;
};

inline std::string shutdown_report::text() const {
    std::string all;
    const auto ms = [](clock::duration d) {
        return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
    };
    const auto add = [&](const phase_result& one) {
        all += one.name + ": " + to_string(one.how);
        if (one.how != phase_end::skipped) all += " after " + ms(one.took);
        if (one.error) all += ": " + detail::what_of(one.error);
        all += '\n';
    };
    auto other = dropped.begin();
    for (const auto& one : done) {
        for (; other != dropped.end() && other->position < one.position; ++other) add(*other);
        add(one);
    }
    for (; other != dropped.end(); ++other) add(*other);
    return all;
}

}  // namespace sluice
