// SPDX-License-Identifier: BSL-1.0
// timer.hpp: how does one wait for a moment, or no longer than for a while?
#pragma once

#include <chrono>

#include "detail/await.hpp"
#include "detail/deadline.hpp"
#include "detail/stepwise.hpp"

namespace sluice {

/// The clock of all deadlines. Time points are those of `std::chrono::steady_clock`.
struct clock {
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_steady = true;
    static time_point now() noexcept { return std::chrono::steady_clock::now(); }
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

/// `co_await timeout(50ms, ch.async_receive())`: the operation's own result, with `timed_out` when the time was up.
/// A result is never lost: the operation either took effect or did not.
template <class Rep, class Period, class Op>
    requires detail::task_awaitable<Op> && requires(std::remove_cvref_t<Op>& op) { op.ended_by(status::timed_out); }
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, Op&& operation) {
    return detail::ended_early<std::remove_cvref_t<Op>>{std::forward<Op>(operation), nullptr,
                                                        detail::deadline_after(d)};
}

template <class Rep, class Period, class Op>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, detail::ended_early<Op>&& operation) {
    return std::move(operation).limited_to(detail::deadline_after(d));
}

template <class Rep, class Period, class Op>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, detail::stepwise<Op>&& operation) {
    return std::move(operation).limited_to(detail::deadline_after(d));
}

}  // namespace sluice
