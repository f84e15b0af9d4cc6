// SPDX-License-Identifier: BSL-1.0
// semaphore.hpp: who may hold a permit now, and who is next?
#pragma once

#include "context.hpp"
#include "detail/acquire.hpp"

namespace sluice {

class permit;

/// A weighted semaphore; threads and coroutines are served in arrival order.
///
/// Use it to bound work in flight. To hand over values use `channel`; to wait for an end, `wait_group`.
/// Fairness: strict FIFO. Small requests do not overtake a large one, so none starves; a request for more than all
///     permits holds nobody up and waits for its context alone.
/// Cancellation: a stop requested before the call wins over free permits. Who leaves the queue lets the next one in.
/// Nobody is asked who took the permits that he gives back, and it is not closed: end the context of those who wait.
/// Precondition everywhere: a number of permits is not negative.
/// Thread safety: all members from any thread; construction and destruction must be alone.
/// Memory: what was done before a `release` is visible to whom it let in.
/// Complexity: O(1), and O(k) for a release that lets k in.
///
///     sluice::semaphore slots{3};
///     auto p = co_await slots.async_hold();   // given back when p goes
class semaphore {
public:
    /// Starts with all `permits` free.
    explicit semaphore(std::size_t permits, detail::place at = detail::place::current())
        : core_{checked(permits, at)} {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;

    /// Takes `n` permits. Blocks the thread until they are free.
    void acquire(std::size_t n = 1, detail::place at = detail::place::current()) {
        static_cast<void>(detail::block(detail::acquire_operation{core_, checked(n, at), at}));
    }
    /// As above; false, holding none, when `until` ended first.
    [[nodiscard]] bool acquire(std::size_t n, const context& until, detail::place at = detail::place::current()) {
        return bounded(n, until, detail::no_deadline, at).block();
    }
    [[nodiscard]] bool acquire(std::size_t n, std::stop_token until, detail::place at = detail::place::current()) {
        return acquire(n, context::from(std::move(until)), at);
    }
    /// Takes `n` permits if they are free and nobody waits for some.
    [[nodiscard]] bool try_acquire(std::size_t n = 1, detail::place at = detail::place::current()) {
        return detail::attempt(detail::acquire_operation{core_, checked(n, at), at}, status::empty);
    }
    /// False, holding none, when they were not free for so long.
    template <class Rep, class Period>
    [[nodiscard]] bool acquire_for(std::size_t n, std::chrono::duration<Rep, Period> d,
                                   detail::place at = detail::place::current()) {
        return bounded(n, {}, detail::deadline_after(d), at).block();
    }
    /// `co_await slots.async_acquire(n)`; true.
    [[nodiscard]] auto async_acquire(std::size_t n = 1, detail::place at = detail::place::current()) {
        return detail::acquire_operation{core_, checked(n, at), at};
    }
    [[nodiscard]] auto async_acquire(std::size_t n, const context& until, detail::place at = detail::place::current()) {
        return bounded(n, until, detail::no_deadline, at);
    }
    /// Gives `n` permits back and lets in all they suffice for. Precondition: at least `n` are taken.
    void release(std::size_t n = 1, detail::place at = detail::place::current()) { core_.release(n, at); }

    /// Takes `n` permits and gives them back when the guard goes. Blocks the thread.
    [[nodiscard]] permit hold(std::size_t n = 1, detail::place at = detail::place::current());
    /// `permit p = co_await slots.async_hold(n);`
    [[nodiscard]] auto async_hold(std::size_t n = 1, detail::place at = detail::place::current());

    /// Changes how many permits there are in all. Fewer than are taken: the next ones given back are withheld.
    void set_permits(std::size_t permits, detail::place at = detail::place::current()) {
        core_.set_permits(checked(permits, at));
    }
    /// How many are free, and how many wait: snapshots, for tests and metrics.
    std::size_t available() const { return core_.available(); }
    std::size_t waiting() const { return core_.waiting(); }

private:
    friend class sized_wait_group;
    detail::ended_early<detail::acquire_operation> bounded(std::size_t n, const context& until,
                                                           detail::time_point deadline, detail::place at) {
        return {detail::acquire_operation{core_, checked(n, at), at}, detail::context_access::node(until), deadline};
    }
    static std::size_t checked(std::size_t n, detail::place at) {
        SLUICE_EXPECT_AT(n <= static_cast<std::size_t>(-1) / 2, "a number of permits is not negative", at);
        return n;
    }
    detail::permit_core core_;
};

/// Permits that are given back when it goes. Move-only.
class [[nodiscard]] permit {
public:
    permit() noexcept = default;
    permit(semaphore& of, std::size_t n) noexcept : of_{&of}, count_{n} {}
    permit(permit&& other) noexcept : of_{std::exchange(other.of_, nullptr)}, count_{other.count_} {}
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            give_back();
            of_ = std::exchange(other.of_, nullptr);
            count_ = other.count_;
        }
        return *this;
    }
    ~permit() { give_back(); }
    /// Gives the permits back now.
    void give_back() noexcept {
        if (of_) std::exchange(of_, nullptr)->release(count_);
    }

private:
    semaphore* of_ = nullptr;
    std::size_t count_ = 0;
};

namespace detail {

/// An acquire whose result is the guard.
class hold_operation : public acquire_operation {
public:
    hold_operation(semaphore& of, permit_core& core, std::size_t n, place at) noexcept
        : acquire_operation{core, n, at}, of_{&of}, count_{n} {}
    permit result() noexcept {
        granted = false;
        return permit{*of_, count_};
    }
    auto for_task(task_state& self) noexcept { return task_awaiter<hold_operation>{*this, self}; }

private:
    semaphore* of_;
    std::size_t count_;
};

}  // namespace detail

inline permit semaphore::hold(std::size_t n, detail::place at) {
    acquire(n, at);
    return permit{*this, n};
}
inline auto semaphore::async_hold(std::size_t n, detail::place at) {
    return detail::hold_operation{*this, core_, checked(n, at), at};
}

}  // namespace sluice
