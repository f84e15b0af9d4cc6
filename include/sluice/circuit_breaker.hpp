// SPDX-License-Identifier: BSL-1.0
// circuit_breaker.hpp: shall one still ask who has failed again and again?
//
//   closed ──failures (or `trips`)──▶ open ──more than `open_for` later──▶ half_open ──`probes` successes in a row──▶ closed
//                                      ▲───────────────one failure────────────┘
// Each change begins a generation with counts from zero. A call belongs to the generation it began in; its end counts only
// there.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>

#include "detail/called.hpp"
#include "runtime.hpp"
#include "timer.hpp"

namespace sluice {

/// Thrown in the place of a call that a `circuit_breaker` does not let through.
class circuit_open : public std::runtime_error {
public:
    explicit circuit_open(clock::time_point until)
        : std::runtime_error{"sluice: the circuit is open: the call was not made"}, until_{until} {}
    /// From when on a call may be let through; now, if enough probes are under way.
    clock::time_point until() const noexcept { return until_; }

private:
    clock::time_point until_;
};

enum class circuit_state : std::uint8_t { closed, open, half_open };

/// What a breaker has counted since its state changed last.
struct circuit_counts {
    std::uint64_t requests = 0;
    std::uint64_t successes = 0;
    std::uint64_t failures = 0;
    std::uint64_t successes_in_a_row = 0;
    std::uint64_t failures_in_a_row = 0;
};

/// How a circuit breaker shall be. All defaults are good for a start.
struct circuit_breaker_options {
    /// So many failures in a row open it.
    std::uint64_t failures = 6;
    /// How long it stays open; after more than that it is half open.
    clock::duration open_for = std::chrono::seconds{60};
    /// Half open: so many calls are let through at most, and so many successes in a row close it.
    std::uint64_t probes = 1;
    /// Decides instead of `failures`, after each failure while it is closed; under a lock.
    std::function<bool(const circuit_counts&)> trips = {};
    /// Whether an exception counts neither way, as `canceled` always does.
    std::function<bool(const std::exception_ptr&)> is_excluded = {};
};

/// Lets calls through as long as they succeed; after failures in a row it refuses them for a while, and then tries a few.
///
/// Exceptions are failures, and go on to the caller. `canceled` and what `is_excluded` says count neither way. What began
/// before the last change of the state does not count either.
/// Thread safety: all members from any thread; construction and destruction must be alone, with no call under way.
/// Complexity: O(1), under a lock that is not held during a call.
///
///     sluice::circuit_breaker to_backend;
///     auto answer = co_await to_backend.async_call(ask);     // or to_backend.call(f) in a thread
class circuit_breaker {
public:
    explicit circuit_breaker(circuit_breaker_options options = {}, detail::place at = detail::place::current())
        : options_{std::move(options)} {
        SLUICE_EXPECT_AT(options_.failures > 0, "a breaker opens after some failures", at);
        SLUICE_EXPECT_AT(options_.probes > 0, "a breaker without probes would never close again", at);
        SLUICE_EXPECT_AT(options_.open_for >= options_.open_for.zero(), "a time to stay open is not negative", at);
    }
    circuit_breaker(const circuit_breaker&) = delete;
    circuit_breaker& operator=(const circuit_breaker&) = delete;

    /// Calls `f()` and gives its result. Blocks the thread as long as `f` does.
    /// Throws: `circuit_open`, and `f` is not called; what `f` throws.
    template <std::invocable F>
        requires(!detail::task_result<std::invoke_result_t<F>>::is_task)
    decltype(auto) call(F&& f) {
        attempt one{*this};
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
                std::invoke(std::forward<F>(f));
                one.succeeded();
            } else {
                decltype(auto) result = std::invoke(std::forward<F>(f));
                one.succeeded();
                return static_cast<std::invoke_result_t<F>>(std::forward<decltype(result)>(result));
            }
        } catch (...) {
            one.failed(std::current_exception());
            throw;
        }
    }

    /// The same as a lazy task. `f` is plain, which is called on the worker, or gives a task or one of our operations, which
    /// is awaited. It is copied or moved in.
    template <class F>
        requires detail::callable_by_pattern<std::decay_t<F>>
    [[nodiscard]] auto async_call(F&& f) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return run<std::decay_t<F>>(*this, std::forward<F>(f));
    }

    /// What it would do with a call now.
    circuit_state state() {
        changes told;
        {
            const detail::hold guard{mutex_};
            look(clock::now(), told);
        }
        tell(told);
        return told.now;
    }
    circuit_counts counts() const {
        const detail::hold guard{mutex_};
        return counts_;
    }
    /// `f(from, to)` is called after each change, by whoever made it and without a lock. Replaces the one before. What it
    /// throws is thrown to the caller, in the place of the result. Two changes may be told at the same time.
    void on_change(std::function<void(circuit_state, circuit_state)> f) {
        auto made = std::make_shared<const std::function<void(circuit_state, circuit_state)>>(std::move(f));
        const detail::hold guard{mutex_};
        on_change_.swap(made);
    }

private:
    struct changes {
        circuit_state before = circuit_state::closed;
        circuit_state now = circuit_state::closed;
        std::shared_ptr<const std::function<void(circuit_state, circuit_state)>> to;
    };

    // A call that was let through. One that ends neither way gives its probe back.
    class attempt {
    public:
        explicit attempt(circuit_breaker& of) : of_{of}, generation_{of.begin()} {}
        ~attempt() {
            if (!ended_) of_.leave(generation_);
        }
        attempt(const attempt&) = delete;
        attempt& operator=(const attempt&) = delete;
        void succeeded() {
            ended_ = true;
            of_.end(generation_, true);
        }
        void failed(const std::exception_ptr& error) {
            if (ended_ || detail::is_canceled(error)) return;
            if (of_.options_.is_excluded && of_.options_.is_excluded(error)) return;
            ended_ = true;
            of_.end(generation_, false);
        }

    private:
        circuit_breaker& of_;
        const std::uint64_t generation_;
        bool ended_ = false;
    };

    template <class F>
    static task<detail::called_result<F>> run(circuit_breaker& of, F f) {
        using result = detail::called_result<F>;
        attempt one{of};
        detail::result_box<result> box;
        std::exception_ptr error;
        try {
            if constexpr (std::is_void_v<result>) co_await detail::called(f);
            else box.set_value(co_await detail::called(f));
        } catch (...) {
            error = std::current_exception();
        }
        if (error) {
            one.failed(error);
            std::rethrow_exception(error);
        }
        one.succeeded();
        co_return box.take();
    }

    std::uint64_t begin() {
        changes told;
        bool may = false;
        std::uint64_t generation = 0;
        clock::time_point until;
        {
            const detail::hold guard{mutex_};
            const auto now = clock::now();
            look(now, told);
            may = state_ == circuit_state::closed ||
                  (state_ == circuit_state::half_open && counts_.requests < options_.probes);
            if (may) ++counts_.requests;
            until = state_ == circuit_state::open ? open_until_ : now;
            generation = generation_;
        }
        tell(told);
        if (!may) throw circuit_open{until};
        return generation;
    }
    void end(std::uint64_t generation, bool success) {
        changes told;
        {
            const detail::hold guard{mutex_};
            const auto now = clock::now();
            look(now, told);
            if (generation == generation_) {
                if (success) note_success(told);
                else note_failure(now, told);
            }
        }
        tell(told);
    }
    void leave(std::uint64_t generation) noexcept {
        const detail::hold guard{mutex_};
        if (generation == generation_) --counts_.requests;
    }

    // Under the lock, what follows.
    void note_success(changes& told) {
        ++counts_.successes;
        ++counts_.successes_in_a_row;
        counts_.failures_in_a_row = 0;
        if (state_ == circuit_state::half_open && counts_.successes_in_a_row >= options_.probes)
            become(circuit_state::closed, told);
    }
    void note_failure(clock::time_point now, changes& told) {
        ++counts_.failures;
        ++counts_.failures_in_a_row;
        counts_.successes_in_a_row = 0;
        const bool opens = state_ == circuit_state::half_open ||
                           (options_.trips ? options_.trips(counts_) : counts_.failures_in_a_row >= options_.failures);
        if (!opens) return;
        open_until_ = now + options_.open_for;
        become(circuit_state::open, told);
    }
    void look(clock::time_point now, changes& told) {
        told.before = told.now = state_;
        if (state_ == circuit_state::open && now > open_until_) become(circuit_state::half_open, told);
    }
    void become(circuit_state to, changes& told) {
        state_ = told.now = to;
        told.to = on_change_;
        counts_ = {};
        ++generation_;
    }
    static void tell(const changes& c) {
        if (c.to && *c.to) (*c.to)(c.before, c.now);
    }

    const circuit_breaker_options options_;
    mutable detail::lock mutex_;
    circuit_state state_ = circuit_state::closed;
    circuit_counts counts_;
    std::uint64_t generation_ = 0;
    clock::time_point open_until_{};
    std::shared_ptr<const std::function<void(circuit_state, circuit_state)>> on_change_;
};

}  // namespace sluice
