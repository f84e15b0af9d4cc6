// SPDX-License-Identifier: BSL-1.0
// timer.hpp: how does one wait for a moment, or no longer than for a while?
#pragma once

#include <chrono>

#include "channel.hpp"
#include "detail/await.hpp"
#include "detail/deadline.hpp"
#include "detail/stepwise.hpp"
#include "detail/timed_channel.hpp"
#include "detail/timed_scope.hpp"
#include "task.hpp"

namespace sluice {

/// The clock of all deadlines. Time points are those of `std::chrono::steady_clock`; in a simulation it tells the virtual time.
struct clock {
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_steady = true;
    static time_point now() noexcept { return detail::now(); }
};

/// The date. Time points are those of `std::chrono::system_clock`; a simulation begins at 2000-01-01 00:00 UTC.
struct wall_clock {
    using duration = std::chrono::system_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::system_clock::time_point;
    static constexpr bool is_steady = false;
    static time_point now() noexcept {
        const auto* const in = detail::this_thread_state().simulation;
        if (!in) return std::chrono::system_clock::now();
        constexpr std::chrono::sys_days start{std::chrono::year{2000} / 1 / 1};
        return start + std::chrono::duration_cast<duration>(in->now() - detail::simulated::start);
    }
};

namespace detail {

/// Waits for a moment: no case, no watch, a deadline.
class sleep_wait : public awaitable_tag {
public:
    sleep_wait(time_point until, place at) noexcept : at_{at} { wait_.set_deadline(until, 0); }
    // Moved only before it waits.
    sleep_wait(sleep_wait&& other) noexcept : sleep_wait{other.wait_.deadline(), other.at_} {}
    sleep_wait& operator=(sleep_wait&&) = delete;
    sleep_wait& for_foreign() noexcept { return *this; }
    multi_wait& wait() noexcept { return wait_; }
    void take_result() const noexcept {}
    time_point ends_at() const noexcept { return wait_.deadline(); }
    auto for_task(task_state& self) noexcept {
        wait_.set_note(wait_kind::time, nullptr, at_);
        return multi_awaiter<sleep_wait>{*this, self};
    }

private:
    place at_;
    multi_wait wait_{{}, {}, {}};
};

}  // namespace detail

/// `co_await sleep_until(t);`. Ends early with `canceled` when the surrounding context ends.
[[nodiscard]] inline auto sleep_until(clock::time_point t, detail::place at = detail::place::current()) {
    return detail::sleep_wait{t, at};
}
/// `co_await sleep_for(5ms);`.
template <class Rep, class Period>
[[nodiscard]] auto sleep_for(std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current()) {
    return detail::sleep_wait{detail::deadline_after(d), at};
}

/// Gives one moment, the one that is `d` from now, when it has come: `on_receive(after(1s))` as a case that outlives a
/// select. Copies share it, so that one of their receives gets it. No other value comes, and it is not closed.
///
/// Nothing of it is left when the last copy has gone, whether it was received or not. For a limit of one select use
/// `on_timeout`, which needs no channel. Outside of any runtime a thread of the process keeps the time.
/// Complexity: O(log n) among n timers, and as much to let it go.
template <class Rep, class Period>
[[nodiscard]] receiver<clock::time_point> after(std::chrono::duration<Rep, Period> d,
                                                detail::place at = detail::place::current()) {
    auto* const made = new detail::timed_channel{at};
    auto moment = detail::counted_ends::receiver_of<clock::time_point>(made);
    made->start(detail::deadline_after(d), clock::duration::zero());
    return moment;
}

/// Gives a moment every `period`, on a grid that begins when it is made or reset.
///
/// At most one tick is pending: those that find it unreceived are dropped. So a receiver that was slow gets one tick at
/// once, with the time it was due at, and the next one on the grid. Ticks come from no thread or task of its own; outside
/// of any runtime a thread of the process keeps the time.
/// The destructor stops it and closes the channel: who receives then learns that no tick will come. Move-only.
/// Thread safety: `ticks`, `stop` and `reset` from any thread; the rest must be alone.
///
///     sluice::ticker every{100ms};
///     for (auto due : every.ticks()) flush(due);   // until the ticker goes
class ticker {
public:
    /// Starts it. Precondition: `period > 0`.
    template <class Rep, class Period>
    explicit ticker(std::chrono::duration<Rep, Period> period, detail::place at = detail::place::current())
        : core_{new detail::timed_channel{at}}, ticks_{detail::counted_ends::receiver_of<clock::time_point>(core_)} {
        reset(period, at);
    }
    ticker(ticker&& other) noexcept : core_{std::exchange(other.core_, nullptr)}, ticks_{std::move(other.ticks_)} {}
    ticker& operator=(ticker&& other) noexcept {
        if (this != &other) {
            end();
            core_ = std::exchange(other.core_, nullptr);
            ticks_ = std::move(other.ticks_);
        }
        return *this;
    }
    ~ticker() { end(); }

    /// Where the ticks come. Each is received once, by one of the copies.
    receiver<clock::time_point> ticks() const noexcept { return ticks_; }

    /// No tick comes any more until `reset`, and one that was pending is gone. The channel stays open.
    void stop() const noexcept {
        if (core_) core_->stop();
    }

    /// Starts it anew: the first tick is `period` from now, and none of before will come. Precondition: `period > 0`.
    template <class Rep, class Period>
    void reset(std::chrono::duration<Rep, Period> period, detail::place at = detail::place::current()) const {
        SLUICE_EXPECT_AT(core_ != nullptr, "this ticker was moved from", at);
        SLUICE_EXPECT_AT(period > period.zero(), "the period of a ticker is positive", at);
        const auto first = detail::deadline_after(period);
        core_->start(first, first == detail::no_deadline ? clock::duration::max()
                                                         : std::chrono::ceil<clock::duration>(period));
    }

private:
    void end() noexcept {
        if (!core_) return;
        core_->stop();
        core_->close(nullptr, false);
    }

    detail::timed_channel* core_;  // kept alive by ticks_
    receiver<clock::time_point> ticks_;
};

/// `co_await deadline(t, ch.async_receive())`: the operation's own result, with `timed_out` when `t` had come first.
/// A result is never lost: the operation either took effect or did not.
template <class Op>
    requires detail::task_awaitable<Op> && requires(std::remove_cvref_t<Op>& op) { op.ended_by(status::timed_out); }
[[nodiscard]] auto deadline(clock::time_point t, Op&& operation) {
    return detail::ended_early<std::remove_cvref_t<Op>>{std::forward<Op>(operation), nullptr, t};
}

template <class Op>
[[nodiscard]] auto deadline(clock::time_point t, detail::ended_early<Op>&& operation) {
    return std::move(operation).limited_to(t);
}

template <class Op>
[[nodiscard]] auto deadline(clock::time_point t, detail::stepwise<Op>&& operation) {
    return std::move(operation).limited_to(t);
}

/// `co_await deadline(t, load(url))`: what has no outcome `timed_out` of its own, above all a task, a handle, a select.
///
/// Returns: a `received<T>` with the result, or for `void` `status::ok`; `timed_out` when the time was up.
/// Cancellation: a task is awaited in the task that awaits it, whose waits throw `canceled` when the time is up; what
///     a handle belongs to is cancelled then. So it has ended when the await does. A result that came all the same is given. The end
///     of the surrounding context throws `canceled`, as everywhere; under a shield only the time counts.
/// Exceptions: what it throws otherwise is rethrown.
/// One that has passed when it is awaited still lets it go on to its first wait.
template <class A>
    requires((detail::task_awaitable<A> && !requires(std::remove_cvref_t<A>& op) { op.ended_by(status::timed_out); }) ||
             (detail::task_result<std::remove_cvref_t<A>>::is_task && !std::is_lvalue_reference_v<A>))
[[nodiscard]] auto deadline(clock::time_point t, A&& awaitable) {
    return detail::timed_awaitable<A>{std::forward<A>(awaitable), t};
}

/// `co_await timeout(50ms, load(url))`: the same for so long from this call.
template <class Rep, class Period, class A>
    requires(detail::task_awaitable<A> ||
             (detail::task_result<std::remove_cvref_t<A>>::is_task && !std::is_lvalue_reference_v<A>))
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, A&& awaitable) {
    return sluice::deadline(detail::deadline_after(d), std::forward<A>(awaitable));
}

/// Not for an awaitable of another library: it ends when it ends, and until then it uses the frame of who awaits it.
template <class Rep, class Period, detail::foreign_awaitable A>
void timeout(std::chrono::duration<Rep, Period>, A&&) {
    static_assert(!detail::foreign_awaitable<A>,
                  "sluice cannot end what another library waits for; limit it by the means of that library");
}
template <detail::foreign_awaitable A>
void deadline(clock::time_point, A&&) {
    static_assert(!detail::foreign_awaitable<A>,
                  "sluice cannot end what another library waits for; limit it by the means of that library");
}

}  // namespace sluice
