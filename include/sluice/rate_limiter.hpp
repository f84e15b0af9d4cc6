// SPDX-License-Identifier: BSL-1.0
// rate_limiter.hpp: may this happen now, and if not, when?
#pragma once

#include <stdexcept>
#include <string>

#include "detail/called.hpp"
#include "detail/rate.hpp"
#include "detail/surrounding.hpp"
#include "runtime.hpp"
#include "select.hpp"
#include "sized_wait_group.hpp"
#include "timer.hpp"

namespace sluice {

/// What a wait for a rate gives: whether it may happen, and if not, why.
class [[nodiscard]] granted {
public:
    constexpr granted(status why) noexcept : why_{why} {}  // as `sent`
    constexpr explicit operator bool() const noexcept { return why_ == status::ok; }
    /// `full`: more than the burst, so never; `timed_out`: not before a deadline that counts; `canceled`: the named context
    /// has ended.
    constexpr status why() const noexcept { return why_; }
    friend constexpr bool operator==(granted a, status b) noexcept { return a.why_ == b; }

private:
    status why_;
};

/// Thrown in the place of a call that a `rate_limiter` does not make: its turn would never come, or not in time.
class rate_limited : public std::runtime_error {
public:
    explicit rate_limited(status why)
        : std::runtime_error{std::string{"sluice: the rate is limited: the call was not made: "} +
                             (why == status::full ? "more than the burst" : to_string(why))},
          why_{why} {}
    /// As of `granted`.
    status why() const noexcept { return why_; }

private:
    status why_;
};

namespace detail {

/// Tokens that come at a rate, up to a burst; those promised ahead make it negative. Not for two threads at a time.
class token_bucket {
public:
    /// What was taken, and when it counts.
    struct promise {
        time_point at = no_deadline;
        double tokens = 0;
        rate by;
        status why = status::full;
    };

    token_bucket(rate r, std::size_t burst, time_point now) noexcept
        : rate_{r}, burst_{static_cast<double>(burst)}, tokens_{burst_}, last_{now} {}

    /// Takes `n` tokens, if that can be used by `latest`.
    promise take(double n, time_point now, time_point latest) noexcept {
        if (rate_.is_unlimited()) return {now, 0, rate_, status::ok};
        if (n > burst_) return {};
        advance(now);
        const time_point at = last_of(now, tokens_ + almost_nothing >= n ? 0 : (n - tokens_));
        if (at == no_deadline) return {};
        // A latest time before now: only what may happen at once.
        if (at > std::max(latest, now)) return {at, 0, rate_, status::timed_out};
        tokens_ -= n;
        last_event_ = std::max(last_event_, at);
        return {at, n, rate_, status::ok};
    }
    /// Gives back what nobody behind counts on.
    void give_back(const promise& p, time_point now) noexcept {
        if (p.why != status::ok || p.tokens <= 0 || p.at < now) return;
        const double later =
            std::max(0.0, std::chrono::duration<double>(last_event_ - p.at).count() * p.by.events_per_second());
        if (later >= p.tokens) return;
        advance(now);
        tokens_ = std::min(burst_, tokens_ + p.tokens - later);
        if (p.at == last_event_ && p.by.events_per_second() > 0) last_event_ -= duration_of(p.tokens, p.by);
    }
    void set_rate(rate r, time_point now) noexcept {
        advance(now);
        rate_ = r;
    }
    void set_burst(std::size_t burst, time_point now) noexcept {
        advance(now);
        burst_ = static_cast<double>(burst);
        tokens_ = std::min(tokens_, burst_);
    }
    double tokens(time_point now) noexcept {
        advance(now);
        return tokens_;
    }

private:
    // What sums of tenths lose.
    static constexpr double almost_nothing = 1e-9;

    static std::chrono::steady_clock::duration duration_of(double tokens, rate by) noexcept {
        return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
            std::chrono::duration<double>(tokens / by.events_per_second()));
    }
    void advance(time_point now) noexcept {
        if (now <= last_) return;  // threads read the clock before they come here
        tokens_ =
            std::min(burst_, tokens_ + std::chrono::duration<double>(now - last_).count() * rate_.events_per_second());
        last_ = now;
    }
    time_point last_of(time_point now, double missing) const noexcept {
        if (missing <= 0) return now;
        if (rate_.events_per_second() <= 0) return no_deadline;
        const double seconds = missing / rate_.events_per_second();
        if (seconds >= std::chrono::duration<double>(no_deadline - now).count() / 2) return no_deadline;
        // Rounded to the nearest: a tenth of a second shall be one.
        return now + std::chrono::round<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
    }

    rate rate_;
    double burst_;
    double tokens_;
    time_point last_;
    time_point last_event_{};  // the latest that was promised
};

}  // namespace detail

/// Lets events happen at a rate, and up to `burst` of them at once after a pause: a bucket of tokens, full at first.
///
/// Who waits has been promised his turn when he came, so nobody overtakes. More than `burst` at a time never happen; at the
/// rate `unlimited` the burst does not count, and at `per_second(0)` the first `burst` are all.
/// Cancellation: who leaves gives his tokens back, less those that others behind him count on already.
/// Thread safety: all members from any thread; construction and destruction must be alone.
/// Complexity: O(1), under a lock.
///
///     sluice::rate_limiter to_backend{sluice::per_second(10), 3};
///     if (co_await to_backend.async_wait()) co_await ask(backend);
class rate_limiter {
public:
    /// Lets nothing happen.
    rate_limiter() : rate_limiter{rate{}, 0} {}
    rate_limiter(rate r, std::size_t burst) : bucket_{r, burst, clock::now()} {}
    rate_limiter(const rate_limiter&) = delete;
    rate_limiter& operator=(const rate_limiter&) = delete;

    /// Takes `n` tokens if they are there now. Never waits.
    [[nodiscard]] bool allow(std::size_t n = 1) { return take(n, {}).why == status::ok; }

    /// A promise that `n` events may happen at `act_at()`. It refers to its limiter. Move-only.
    class [[nodiscard]] reservation {
    public:
        reservation(reservation&& other) noexcept : of_{std::exchange(other.of_, nullptr)}, promise_{other.promise_} {}
        reservation& operator=(reservation&& other) noexcept {
            of_ = std::exchange(other.of_, nullptr);
            promise_ = other.promise_;
            return *this;
        }
        /// False: `n` are more than can ever happen at once.
        bool ok() const noexcept { return promise_.why == status::ok; }
        clock::time_point act_at() const noexcept { return promise_.at; }
        /// How long from now; zero if it may happen.
        clock::duration delay() const noexcept {
            if (!ok()) return clock::duration::max();
            return std::max(clock::duration::zero(), promise_.at - clock::now());
        }
        /// It will not happen: gives the tokens back, less those that later reservations count on. After `act_at()` and a
        /// second time it does nothing. Dropping a reservation gives nothing back.
        void cancel() noexcept {
            if (auto* const l = std::exchange(of_, nullptr)) l->give_back(promise_);
        }

    private:
        friend rate_limiter;
        reservation(rate_limiter* of, const detail::token_bucket::promise& p) noexcept : of_{of}, promise_{p} {}
        rate_limiter* of_;
        detail::token_bucket::promise promise_;
    };
    /// Takes `n` tokens ahead of their time.
    reservation reserve(std::size_t n = 1) { return {this, take(n, detail::no_deadline)}; }

    /// Blocks the thread until `n` events may happen.
    ///
    /// Returns: at once and without a token `full` if they never may, and `timed_out` if not before the deadline of the
    ///     surrounding context. The end of that context throws `canceled`.
    SLUICE_ONLY_IF_USED
    granted wait(std::size_t n = 1) { return sluice::wait(async_wait(n)); }
    /// As above; the deadline of `until` counts as well, and its end gives `canceled`.
    SLUICE_ONLY_IF_USED
    granted wait(std::size_t n, const context& until) { return sluice::wait(async_wait(n, until)); }

    /// `co_await to_backend.async_wait(n)`, a task. The limiter lives until it has ended.
    SLUICE_ONLY_IF_USED
    [[nodiscard]] task<granted> async_wait(std::size_t n = 1) {
        const auto r = take(n, detail::surrounding_deadline());
        if (r.why != status::ok) co_return r.why;
        back_if_canceled back{*this, r};
        co_await sleep_until(r.at);
        back.limiter = nullptr;
        co_return status::ok;
    }
    SLUICE_ONLY_IF_USED
    [[nodiscard]] task<granted> async_wait(std::size_t n, context until) {
        if (until.done()) co_return status::canceled;
        const auto latest = until.deadline().value_or(detail::no_deadline);
        const auto r = take(n, std::min(latest, detail::surrounding_deadline()));
        if (r.why != status::ok) co_return r.why;
        back_if_canceled back{*this, r};
        const std::size_t ended = co_await async_select(on_deadline(r.at), on_done(until));
        if (ended != 0) co_return status::canceled;
        back.limiter = nullptr;
        co_return status::ok;
    }

    /// Calls `f()` when its turn has come, and gives its result. Blocks the thread for both.
    /// Throws: `rate_limited` with what `wait` gives, and `f` is not called; what `f` throws.
    template <std::invocable F>
        requires(!detail::task_result<std::invoke_result_t<F>>::is_task)
    decltype(auto) call(F&& f) {
        if (const auto got = wait(); !got) throw rate_limited{got.why()};
        return std::invoke(std::forward<F>(f));
    }
    /// The same as a lazy task. `f` is plain, which is called on the worker, or gives a task or one of our operations, which
    /// is awaited. It is copied or moved in.
    ///
    ///     co_await to_backend.async_call([&] { return ask(backend); });
    template <class F>
        requires detail::callable_by_pattern<std::decay_t<F>>
    [[nodiscard]] auto async_call(F&& f) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return run<std::decay_t<F>>(*this, std::forward<F>(f));
    }

    /// From now on; promises that were given keep their time.
    void set_rate(rate r) {
        const detail::hold guard{mutex_};
        bucket_.set_rate(r, clock::now());
    }
    /// From now on. A larger burst fills at the rate.
    void set_burst(std::size_t burst) {
        const detail::hold guard{mutex_};
        bucket_.set_burst(burst, clock::now());
    }
    /// How many tokens there are, negative if some are promised ahead: a snapshot, for tests and metrics.
    double tokens() const {
        const detail::hold guard{mutex_};
        return bucket_.tokens(clock::now());
    }

private:
    struct back_if_canceled {
        back_if_canceled(rate_limiter& of, const detail::token_bucket::promise& p) noexcept : limiter{&of}, taken{p} {}
        ~back_if_canceled() {
            if (limiter) limiter->give_back(taken);
        }
        back_if_canceled(const back_if_canceled&) = delete;
        back_if_canceled& operator=(const back_if_canceled&) = delete;
        rate_limiter* limiter;
        const detail::token_bucket::promise taken;
    };

    template <class F>
    static task<detail::called_result<F>> run(rate_limiter& of, F f) {
        const granted got = co_await of.async_wait();
        if (!got) throw rate_limited{got.why()};
        co_return co_await detail::called(f);
    }

    detail::token_bucket::promise take(std::size_t n, clock::time_point latest) {
        const auto now = clock::now();
        const detail::hold guard{mutex_};
        return bucket_.take(static_cast<double>(n), now, latest);
    }
    void give_back(const detail::token_bucket::promise& p) noexcept {
        const detail::hold guard{mutex_};
        bucket_.give_back(p, clock::now());
    }

    mutable detail::lock mutex_;
    mutable detail::token_bucket bucket_;
};

}  // namespace sluice
