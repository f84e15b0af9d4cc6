// SPDX-License-Identifier: BSL-1.0
// retry.hpp: when is a call that has failed made again?
//
// After a failure these are asked in turn; the first that says no makes the failure the end:
//   attempts   has it been made as often as it may?
//   retry_if   is it a failure that another attempt may cure? `canceled` never is
//   deadline   is there time for the pause before the surrounding context ends?
//   budget     have the callers together made few enough attempts again? Asked last, for a yes takes a token
#pragma once

#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "detail/about_errors.hpp"
#include "detail/called.hpp"
#include "detail/choices.hpp"
#include "detail/random.hpp"
#include "detail/surrounding.hpp"
#include "runtime.hpp"
#include "sized_wait_group.hpp"
#include "timer.hpp"

namespace sluice {

/// What chance makes of a pause, so that callers refused together do not come back together.
enum class jitter : std::uint8_t {
    none,   ///< the whole pause
    equal,  ///< at least half of it
    full    ///< anything from nothing to the whole: the least work for a backend that many ask
};

/// How long to wait before the next attempt: `first`, and after each failure `factor` times as long, up to `longest`.
///
/// The jitters are those of M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
/// Thread safety: as an `int`.
///
///     sluice::backoff{100ms, 2, 10s}.next(3)   // 0 to 400 ms
class backoff {
public:
    /// Preconditions: `first` is not negative, `factor` at least 1, `longest` not below `first`.
    template <class Rep, class Period>
    backoff(std::chrono::duration<Rep, Period> first, double factor, clock::duration longest,
            sluice::jitter chance = jitter::full, detail::place at = detail::place::current())
        : first_{std::chrono::ceil<clock::duration>(first)}, longest_{longest}, factor_{factor}, jitter_{chance} {
        SLUICE_EXPECT_AT(first >= first.zero(), "a pause between attempts is not negative", at);
        SLUICE_EXPECT_AT(factor >= 1 && std::isfinite(factor), "pauses do not become shorter: the factor is at least 1",
                         at);
        SLUICE_EXPECT_AT(longest >= first_, "the longest pause is not below the first", at);
    }

    /// Up to 10 s, or to `first` if that is more.
    template <class Rep, class Period>
    backoff(std::chrono::duration<Rep, Period> first, double factor = 2,
            detail::place at = detail::place::current())  // by any duration
        : backoff{first, factor,
                  std::max(std::chrono::ceil<clock::duration>(first), clock::duration{std::chrono::seconds{10}}),
                  jitter::full, at} {}
    /// 100 ms, doubled up to 10 s, with full jitter.
    backoff() : backoff{std::chrono::milliseconds{100}} {}

    /// The pause behind the `failures`-th failure in a row, before chance has a say. Precondition: `failures > 0`.
    clock::duration whole(std::size_t failures) const noexcept {
        const double wanted =
            static_cast<double>(first_.count()) * std::pow(factor_, static_cast<double>(failures - 1));
        if (!(wanted < static_cast<double>(longest_.count()))) return longest_;  // a zero times infinity, too
        return clock::duration{static_cast<clock::duration::rep>(wanted)};
    }
    /// The same with jitter. In a simulation the seed decides, between 16 lengths, so that all can be tried.
    clock::duration next(std::size_t failures) const noexcept {
        const auto all = whole(failures);
        if (jitter_ == jitter::none) return all;
        const auto least = jitter_ == jitter::full ? all.zero() : all / 2;
        return least +
               clock::duration{static_cast<clock::duration::rep>(static_cast<double>((all - least).count()) * share())};
    }

private:
    static double share() noexcept {
        if (auto* const in = detail::this_thread_state().simulation) return static_cast<double>(in->choose(16)) / 15;
        return static_cast<double>(detail::next_random()) / 0xffffffffu;
    }

    clock::duration first_;
    clock::duration longest_;
    double factor_;
    sluice::jitter jitter_;
};

/// How many attempts again all callers of something may make together: a share of their calls, so that they do not bury
/// under attempts what is overloaded, layer upon layer.
///
/// A bucket of tokens, full at first: each call puts `share` of a token in, each attempt again takes one, and without one
/// the failure is final. (Site Reliability Engineering, O'Reilly 2016, chapter 21, allows 10 percent; gRPC throttles by such
/// a bucket, proposal A6.)
/// Thread safety: all members from any thread; construction and destruction must be alone.
/// Complexity: O(1), lock-free.
///
///     sluice::retry_budget of_backend;   // next to the client, for all of its callers
///     auto politely = sluice::retry_policy{}.budget(of_backend);
class retry_budget {
public:
    /// At most `share` attempts again for each call, and `burst` more. Precondition: `share` is not negative and at most 1000.
    explicit retry_budget(double share = 0.1, std::size_t burst = 10, detail::place at = detail::place::current())
        : deposit_{in_parts(share, at)}, most_{static_cast<std::int64_t>(burst) * token}, parts_{most_} {
        SLUICE_EXPECT_AT(burst <= 1'000'000'000, "a burst of attempts is at most a billion", at);
    }
    retry_budget(const retry_budget&) = delete;
    retry_budget& operator=(const retry_budget&) = delete;

    /// A call is made for the first time. `retry` says so by itself.
    void note_call() noexcept {
        // relaxed: a count that publishes nothing.
        auto had = parts_.load(std::memory_order_relaxed);
        while (had < most_ &&
               !parts_.compare_exchange_weak(had, std::min(most_, had + deposit_), std::memory_order_relaxed)) {}
    }
    /// Takes a token for an attempt again, if there is one.
    [[nodiscard]] bool try_take() noexcept {
        auto had = parts_.load(std::memory_order_relaxed);
        do
            if (had < token) return false;
        while (!parts_.compare_exchange_weak(had, had - token, std::memory_order_relaxed));
        return true;
    }
    /// How many there are: a snapshot, for tests and metrics.
    double tokens() const noexcept { return static_cast<double>(parts_.load(std::memory_order_relaxed)) / token; }

private:
    static constexpr std::int64_t token = 1'000'000;
    static std::int64_t in_parts(double share, detail::place at) {
        SLUICE_EXPECT_AT(share >= 0 && share <= 1000, "the share of attempts again is not negative, and at most 1000",
                         at);
        return std::llround(share * static_cast<double>(token));
    }

    const std::int64_t deposit_;
    const std::int64_t most_;
    std::atomic<std::int64_t> parts_;  // never negative, never above most_
};

namespace detail {

/// What a policy was told, shared by its copies.
struct retry_hooks {
    using error = const std::exception_ptr&;
    std::vector<std::function<bool(error)>> retry_if;
    std::vector<std::function<std::optional<clock::duration>(error)>> delay_of;
    std::vector<std::function<void(std::size_t, error, clock::duration)>> on_retry;
};

/// Judges no result.
struct all_results_are_good {};

struct retry_access;

}  // namespace detail

/// How often, when and for what a call is made again: 4 attempts in all, pauses of `backoff{}`, after any exception.
///
/// Each member gives a policy that is like this one, but so. Copies are cheap; a policy is made once and used by many calls.
/// What it is told is called by them all, also at the same time; it may not wait.
/// Thread safety: as an `int`.
///
///     const auto politely = sluice::retry_policy{5}.backoff({20ms, 2, 1s}).budget(of_backend).retry_if(is_transient);
template <class Judge = detail::all_results_are_good>
class basic_retry_policy {
public:
    /// So many attempts, the first included. Precondition: not 0.
    basic_retry_policy(std::size_t attempts = 4, detail::place at = detail::place::current()) : attempts_{attempts} {
        SLUICE_EXPECT_AT(attempts > 0, "there is at least one attempt, the first", at);
    }
    /// As many as there is time, retries and budget for.
    basic_retry_policy(unlimited_t) noexcept : attempts_{static_cast<std::size_t>(-1)} {}

    /// The pauses.
    [[nodiscard]] basic_retry_policy backoff(sluice::backoff pauses) const {
        auto changed = *this;
        changed.backoff_ = pauses;
        return changed;
    }
    /// Its callers share `all`, which lives as long as they do.
    [[nodiscard]] basic_retry_policy budget(retry_budget& all) const {
        auto changed = *this;
        changed.budget_ = &all;
        return changed;
    }
    /// After which errors: `f(const std::exception_ptr&)` or, for errors of a type and what derives from it, `f(const E&)`
    /// says true. Said more than once: if one of them says true; never: after all.
    template <class F>
    [[nodiscard]] basic_retry_policy retry_if(F&& f) const {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        auto decides = detail::about_errors<bool, std::decay_t<F>>(std::forward<F>(f), false);
        return with([&](detail::retry_hooks& h) { h.retry_if.push_back(std::move(decides)); });
    }
    /// What an error itself asks for, as a `Retry-After` or `circuit_open::until` does, in the place of a pause of the backoff:
    /// `f` as for `retry_if` gives an `std::optional<duration>`. Nothing: the backoff. Below zero: zero. Said more than once: the
    /// first that gives one.
    template <class F>
    [[nodiscard]] basic_retry_policy delay_of(F&& f) const {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        using delay = std::optional<clock::duration>;
        auto asks = detail::about_errors<delay, std::decay_t<F>>(std::forward<F>(f), delay{});
        return with([&](detail::retry_hooks& h) { h.delay_of.push_back(std::move(asks)); });
    }
    /// `f(attempt, error, delay)` is called before each pause: how many attempts were made, how the last one failed (null: by
    /// its result), and how long the pause will be. For logs and metrics.
    template <class F>
        requires std::invocable<const std::decay_t<F>&, std::size_t, const std::exception_ptr&, clock::duration>
    [[nodiscard]] basic_retry_policy on_retry(F&& f) const {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        std::decay_t<F> told(std::forward<F>(f));
        return with([&](detail::retry_hooks& h) { h.on_retry.push_back(std::move(told)); });
    }
    /// Results for which `bad(result)` says true are failures, too; the last one is given when it is the end.
    template <class F>
    [[nodiscard]] auto retry_if_result(F&& bad) const {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        static_assert(std::is_same_v<Judge, detail::all_results_are_good>, "results are judged by one function");
        return basic_retry_policy<std::decay_t<F>>{*this, std::forward<F>(bad)};
    }

private:
    friend detail::retry_access;
    template <class>
    friend class basic_retry_policy;

    template <class J>
    basic_retry_policy(const basic_retry_policy<J>& of, Judge judge)
        : attempts_{of.attempts_},
          backoff_{of.backoff_},
          budget_{of.budget_},
          hooks_{of.hooks_},
          judge_(std::move(judge)) {}

    template <class Change>
    basic_retry_policy with(const Change& change) const {
        auto hooks = hooks_ ? std::make_shared<detail::retry_hooks>(*hooks_) : std::make_shared<detail::retry_hooks>();
        change(*hooks);
        auto changed = *this;
        changed.hooks_ = std::move(hooks);
        return changed;
    }

    std::size_t attempts_;
    sluice::backoff backoff_;
    retry_budget* budget_ = nullptr;
    std::shared_ptr<const detail::retry_hooks> hooks_;
    [[no_unique_address]] Judge judge_{};
};
using retry_policy = basic_retry_policy<>;

namespace detail {

struct retry_access {
    template <class Judge>
    static void note_call(const basic_retry_policy<Judge>& p) noexcept {
        if (p.budget_) p.budget_->note_call();
    }
    template <class Judge>
    static const Judge& judge(const basic_retry_policy<Judge>& p) noexcept {
        return p.judge_;
    }

    /// The pause behind the attempt that failed so; nothing: that is the end.
    template <class Judge>
    static std::optional<clock::duration> pause(const basic_retry_policy<Judge>& p, std::size_t attempt,
                                                const std::exception_ptr& error) {
        if (attempt == p.attempts_ || (error && !wants(p.hooks_.get(), error))) return {};
        const auto asked = delay_of(p.hooks_.get(), error);
        const auto delay = asked ? *asked : p.backoff_.next(attempt);
        const auto until = surrounding_deadline();
        if (until != no_deadline && (until <= now() || delay >= until - now())) return {};
        if (p.budget_ && !p.budget_->try_take()) return {};
        if (p.hooks_)
            for (const auto& told : p.hooks_->on_retry) told(attempt, error, delay);
        return delay;
    }

private:
    static bool wants(const retry_hooks* hooks, const std::exception_ptr& error) {
        if (is_canceled(error)) return false;
        if (!hooks || hooks->retry_if.empty()) return true;
        for (const auto& says : hooks->retry_if)
            if (says(error)) return true;
        return false;
    }
    static std::optional<clock::duration> delay_of(const retry_hooks* hooks, const std::exception_ptr& error) {
        if (hooks && error)
            for (const auto& asks : hooks->delay_of)
                if (const auto delay = asks(error)) return std::max(*delay, clock::duration::zero());
        return {};
    }
};

/// It can be called, without arguments or with the number of the attempt.
template <class F>
concept an_attempt = callable_by_pattern<F> || callable_by_pattern<F, std::size_t>;

template <class F>
auto attempt_of(F& f, std::size_t number) {
    if constexpr (callable_by_pattern<F>) return called(f);
    else return called(f, number);
}
template <class F>
using attempt_result = typename task_result<decltype(attempt_of(std::declval<F&>(), 1))>::type;

template <class Judge, class Result>
concept judges = std::same_as<Judge, all_results_are_good> ||
                 std::is_invocable_r_v<bool, const Judge&, const std::remove_reference_t<Result>&>;

template <class Judge, class F>
task<attempt_result<F>> run_retry(basic_retry_policy<Judge> policy, F f) {
    using result = attempt_result<F>;
    constexpr bool has_judge = !std::is_same_v<Judge, all_results_are_good>;
    retry_access::note_call(policy);
    for (std::size_t attempt = 1;; ++attempt) {
        std::optional<clock::duration> pause;
        {
            result_box<result> box;
            std::exception_ptr error;
            try {
                if constexpr (std::is_void_v<result>) co_await attempt_of(f, attempt);
                else box.set_value(co_await attempt_of(f, attempt));
            } catch (...) {
                error = std::current_exception();
            }
            if constexpr (has_judge) {
                if (!error) {
                    result last = box.take();
                    if (std::invoke(retry_access::judge(policy), std::as_const(last)))
                        pause = retry_access::pause(policy, attempt, nullptr);
                    if (!pause) co_return static_cast<result&&>(last);
                }
            } else {
                if (!error) co_return box.take();
            }
            if (error) {
                pause = retry_access::pause(policy, attempt, error);
                if (!pause) std::rethrow_exception(error);
            }
        }
        co_await sleep_for(*pause);
    }
}

}  // namespace detail

/// The result of `f()`, which is called again after failures as `policy` says, with a pause before each attempt.
///
/// `f` is plain, which is called on the worker, or gives a task or one of our operations, which is awaited; if it takes a
/// number, that is the attempt, from 1. It is copied or moved in. `sluice::wait(retry(policy, f))` blocks a thread instead.
/// Returns: the first result that is not bad, or the last one.
/// Throws: what the last attempt threw, itself; `canceled` at once; what a function of the policy throws.
/// Cancellation: ends a pause at once with `canceled`, as everywhere. A pause that would last to the deadline of the
///     surrounding context is not begun: the failure is the end, and is told while there is time to.
/// Memory: one result at a time.
///
///     auto ask = [&] { return sluice::timeout(1s, fetch(url)); };
///     auto late = [](const auto& answer) { return answer == sluice::status::timed_out; };
///     auto page = co_await sluice::retry(politely.retry_if_result(late), ask);
///
///     // Replicas raced behind a breaker and a rate limit, with retry, under a deadline. It captures references alone, so it may
///     // stand in an awaited expression; all it refers to lives in the coroutine that awaits.
///     auto first = co_await sluice::timeout(2s, sluice::retry(politely, [&] {
///         return limit.async_call([&] { return breaker.async_call([&] { return sluice::race(eu, us); }); });
///     }));
template <class Judge = detail::all_results_are_good, class F>
[[nodiscard]] auto retry(const basic_retry_policy<Judge>& policy, F&& f) {
    using function = std::decay_t<F>;
    constexpr bool is_done_once = detail::task_awaitable<function> || detail::task_result<function>::is_task;
    static_assert(!is_done_once, "a task or operation is done once: give a function that makes one for each attempt");
    static_assert(is_done_once || detail::an_attempt<function>,
                  "an attempt is called without arguments, or with its number: bind others in a closure");
    static_assert(is_done_once || detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
    // A refused one shall not be told a second time by what follows.
    if constexpr (!is_done_once && detail::an_attempt<function>) {
        constexpr bool fits = detail::judges<Judge, detail::attempt_result<function>>;
        static_assert(fits, "what judges results takes that of the attempt by const reference, and gives a bool");
        if constexpr (fits) return detail::run_retry<Judge, function>(policy, std::forward<F>(f));
        else return task<detail::attempt_result<function>>{};
    } else {
        return task<>{};
    }
}

}  // namespace sluice
