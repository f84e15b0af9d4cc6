// SPDX-License-Identifier: BSL-1.0
// sized_wait_group.hpp: how are at most so many of them done at a time, and when have all ended?
#pragma once

#include "options.hpp"
#include "semaphore.hpp"
#include "wait_group.hpp"

namespace sluice {

namespace detail {
template <class F, class... Args>
class bounded_start;
}

/// A wait group with a limit: starting or adding waits for a slot, in arrival order.
///
/// Counted first, then given a slot: a wait never ends between the two.
/// Cancellation: a start that waits for a slot is released by the end of the surrounding context, and starts nothing.
/// Everything else is as in `wait_group`.
///
///     sluice::sized_wait_group deletes{100};
///     while (auto item = co_await found.async_receive())
///         co_await deletes.async_go(remove_item, std::move(*item));
///     co_await deletes.async_wait();
class sized_wait_group final : private detail::group_link, public detail::starting<sized_wait_group> {
public:
    /// At most `limit` at a time. Precondition: `limit > 0`.
    explicit sized_wait_group(std::size_t limit, detail::place at = detail::place::current()) : slots_{limit, at} {
        SLUICE_EXPECT_AT(limit > 0, "a limit of 0 lets nothing run; use `unlimited` for no limit", at);
    }
    explicit sized_wait_group(unlimited_t) : slots_{static_cast<std::size_t>(-1) / 2} {}

    /// Counts one more when there is a slot. Blocks the thread.
    void add(detail::place at = detail::place::current()) {
        counted entry{group_};
        slots_.acquire(1, at);
        entry.keep();
    }
    /// As above; false, counting nothing, when `until` ended first.
    [[nodiscard]] bool add(const context& until, detail::place at = detail::place::current()) {
        counted entry{group_};
        if (!slots_.acquire(1, until, at)) return false;
        entry.keep();
        return true;
    }
    /// Counts one more if there is a slot now.
    [[nodiscard]] bool try_add() {
        counted entry{group_};
        if (!slots_.try_acquire()) return false;
        entry.keep();
        return true;
    }
    /// `co_await group.async_add()`.
    [[nodiscard]] auto async_add(detail::place at = detail::place::current()) { return add_operation{*this, at}; }
    /// Frees a slot and counts one less. Precondition: an `add` before.
    void done(detail::place at = detail::place::current()) {
        SLUICE_EXPECT_AT(group_.count() > 0, "done() without an add() before", at);
        slots_.release(1, at);
        group_.done(at);  // last: a waiter may destroy the group
    }

    /// Starts `f(args...)` under the group's context when there is a slot. Blocks the thread until then.
    /// In full: `template <class F, class... Args> void go(F&& f, Args&&... args)`.
    using detail::starting<sized_wait_group>::go;
    /// Starts it if there is a slot now.
    template <class F, class... Args>
        requires detail::startable<F, Args...>
    [[nodiscard]] bool try_go(F&& f, Args&&... args) {
        if (!slots_.try_acquire()) return false;
        start({}, std::forward<F>(f), std::forward<Args>(args)...);
        return true;
    }
    /// `co_await group.async_go(f, args...)`: waits for a slot, then starts. The arguments are copied or moved into the
    /// task when it starts, and live until then.
    template <class F, class... Args>
        requires detail::startable<F, Args...>
    [[nodiscard]] auto async_go(F&& f SLUICE_LIFETIMEBOUND, Args&&... args SLUICE_LIFETIMEBOUND) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return detail::bounded_start<F, Args...>{*this, std::forward<F>(f), std::forward<Args>(args)...};
    }
    void cancel() noexcept { group_.cancel(); }
    /// As `wait_group::on_exception`.
    void on_exception(std::function<void(std::exception_ptr)> f) { group_.on_exception(std::move(f)); }

    std::size_t count() const noexcept { return group_.count(); }

    void wait(detail::place at = detail::place::current()) { group_.wait(at); }
    [[nodiscard]] bool wait(const context& until, detail::place at = detail::place::current()) {
        return group_.wait(until, at);
    }
    template <class Rep, class Period>
    [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current()) {
        return group_.wait_for(d, at);
    }
    [[nodiscard]] auto async_wait(detail::place at = detail::place::current()) { return group_.async_wait(at); }

private:
    template <class F, class... Args>
    friend class detail::bounded_start;
    friend class detail::starting<sized_wait_group>;

    // One count, given back unless a slot came.
    class counted {
    public:
        explicit counted(wait_group& g) noexcept : group_{&g} { g.add(); }
        ~counted() {
            if (group_) group_->done();
        }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;
        void keep() noexcept { group_ = nullptr; }

    private:
        wait_group* group_;
    };

    class add_operation : public detail::awaitable_tag {
    public:
        add_operation(sized_wait_group& g, detail::place at) noexcept : group_{&g}, at_{at} {}
        auto for_task(detail::task_state& self) {
            struct awaiter {
                awaiter(sized_wait_group& g, detail::place at, detail::task_state& t)
                    : entry{g.group_}, slot{g.slots_.async_acquire(1, at)}, inner{slot.for_task(t)} {}
                bool await_ready() { return inner.await_ready(); }
                bool await_suspend(std::coroutine_handle<> h) { return inner.await_suspend(h); }
                void await_resume() {
                    static_cast<void>(inner.await_resume());
                    entry.keep();
                }
                counted entry;
                detail::acquire_operation slot;
                detail::task_awaiter<detail::acquire_operation> inner;
            };
            return awaiter{*group_, at_, self};
        }
        auto for_foreign() {
            struct slot_wait {
                slot_wait(sized_wait_group& g, detail::place at)
                    : entry{g.group_}, slot{g.slots_.async_acquire(1, at)} {}
                detail::multi_wait& wait() noexcept { return slot.wait(); }
                void take_result() {
                    static_cast<void>(slot.take_result());
                    entry.keep();
                }
                counted entry;
                detail::lone_wait<detail::acquire_operation> slot;
            };
            return slot_wait{*group_, at_};
        }

    private:
        sized_wait_group* group_;
        detail::place at_;
    };

    template <class F, class... Args>
    void go_at(detail::place at, F&& f, Args&&... args) {
        const counted entry{group_};
        slots_.acquire(1, at);
        start(at, std::forward<F>(f), std::forward<Args>(args)...);
    }
    // Precondition: a slot is held.
    template <class F, class... Args>
    void start(detail::place at, F&& f, Args&&... args) {
        try {
            group_.core_.go(*this, at, std::forward<F>(f), std::forward<Args>(args)...);
        } catch (...) {
            slots_.release();
            throw;
        }
    }
    void task_ended(detail::task_state& t, const std::exception_ptr& error) noexcept override {
        slots_.release();
        group_.core_.end_one(t, error);  // last: a waiter may destroy the group
    }
    detail::group_link* counter() noexcept override { return &group_.core_; }

    semaphore slots_;
    wait_group group_;
};

namespace detail {

/// Waits for a slot and then starts; refers to the callable and the arguments until then.
template <class F, class... Args>
class bounded_start : public awaitable_tag {
public:
    bounded_start(sized_wait_group& g, F&& f, Args&&... args) noexcept
        : group_{&g}, call_{std::forward<F>(f), std::forward<Args>(args)...} {}

    auto for_task(task_state& self, place at = place::current()) {
        at_ = at;
        struct awaiter {
            awaiter(bounded_start& s, task_state& t)
                : start{s},
                  entry{s.group_->group_},
                  slot{s.group_->slots_.async_acquire(1, s.at_)},
                  inner{slot.for_task(t)} {}
            bool await_ready() { return inner.await_ready(); }
            bool await_suspend(std::coroutine_handle<> h) { return inner.await_suspend(h); }
            void await_resume() {
                static_cast<void>(inner.await_resume());
                start.run();
            }
            bounded_start& start;
            sized_wait_group::counted entry;
            acquire_operation slot;
            task_awaiter<acquire_operation> inner;
        };
        return awaiter{*this, self};
    }
    auto for_foreign() {
        struct slot_wait {
            explicit slot_wait(bounded_start& s)
                : start{s}, entry{s.group_->group_}, slot{s.group_->slots_.async_acquire(1, place{})} {}
            multi_wait& wait() noexcept { return slot.wait(); }
            void take_result() {
                static_cast<void>(slot.take_result());
                start.run();
            }
            bounded_start& start;
            sized_wait_group::counted entry;
            lone_wait<acquire_operation> slot;
        };
        return slot_wait{*this};
    }

private:
    // With a slot.
    void run() {
        std::apply([this](auto&&... parts) { group_->start(at_, std::forward<decltype(parts)>(parts)...); },
                   std::move(call_));
    }

    sized_wait_group* group_;
    place at_{};
    std::tuple<F&&, Args&&...> call_;
};

}  // namespace detail
}  // namespace sluice
