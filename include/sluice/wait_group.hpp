// SPDX-License-Identifier: BSL-1.0
// wait_group.hpp: when have all of them ended?
#pragma once

#include "context.hpp"
#include "detail/group_core.hpp"
#include "runtime.hpp"

namespace sluice {

/// Counts things that have begun and not ended, and waits until there are none; it also starts tasks of its own.
///
/// Reusable: after a wait it counts again. A failure cancels nothing; `wait` rethrows the first exception of a task
/// that `go` started.
/// Cancellation: a wait that is cancelled passes the cancellation on to the tasks that `go` started, ends after they
///     have, and then throws `canceled`; what was only added is not waited for then.
/// Memory: what was done before a `done` is visible after the wait that it lets go.
/// Thread safety: all members from any thread. An `add` from zero while others wait may or may not be waited for.
/// Preconditions: none of its own tasks waits for it without a limit, or destroys it.
/// Destruction: cancels and joins what `go` started (blocking; in a coroutine wait first). Precondition: nothing added
///     is left undone. A waiter may destroy the group at once.
///
///     sluice::wait_group scanners;
///     for (int s = 0; s < 10; ++s) scanners.go(scan, s, items);
///     co_await scanners.async_wait();
class wait_group : public detail::starting<wait_group> {
public:
    wait_group() = default;

    class ticket_type;

    /// Counts `n` more.
    void add(std::size_t n = 1) noexcept { core_.add(n); }
    /// Counts one less. Precondition: an `add` before.
    void done(detail::place at = detail::place::current()) { core_.done(at); }
    /// Counts one more until the ticket goes.
    [[nodiscard]] ticket_type ticket();

    /// Starts `f(args...)` as `sluice::go` does, under the group's context, and counts it until it has ended.
    /// In full: `template <class F, class... Args> void go(F&& f, Args&&... args)`.
    using detail::starting<wait_group>::go;
    /// `f` is called with every exception of a task other than `canceled`, as soon as it leaves the task, on the thread that
    /// ran it; the wait tells only the first, and only at the end. Replaces the one before. An exception of `f` ends the run.
    /// Call it before the first start: a task that has ended by then has told nobody.
    void on_exception(std::function<void(std::exception_ptr)> f) { core_.on_exception(std::move(f)); }
    /// Cancels the tasks that `go` started.
    void cancel() noexcept { core_.cancel(nullptr); }

    std::size_t count() const noexcept { return core_.count(); }

    /// Returns when the count is zero. Blocks the thread. Throws the first exception of a task of the group.
    void wait(detail::place at = detail::place::current()) {
        core_.expect_a_waiter_from_outside(detail::this_thread_state().task, at);
        detail::group_operation op{core_, at};
        detail::block_joining(op);
    }
    /// As above; false when `until` ended first. Nothing is cancelled then.
    [[nodiscard]] bool wait(const context& until, detail::place at = detail::place::current()) {
        return wait_until(detail::context_access::node(until), detail::no_deadline, at);
    }
    /// False when the count was not zero for so long.
    template <class Rep, class Period>
    [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current()) {
        return wait_until(nullptr, detail::deadline_after(d), at);
    }
    /// `co_await group.async_wait()`.
    [[nodiscard]] auto async_wait(detail::place at = detail::place::current()) {
        return detail::group_operation{core_, at};
    }

private:
    friend class sized_wait_group;
    friend class detail::starting<wait_group>;

    template <class F, class... Args>
    void go_at(detail::place at, F&& f, Args&&... args) {
        core_.go(core_, at, std::forward<F>(f), std::forward<Args>(args)...);
    }

    bool wait_until(detail::context_node* until, detail::time_point deadline, detail::place at) {
        return detail::wait_early(detail::group_operation{core_, at}, core_, until, deadline);
    }

    detail::group_core core_;
};

/// One count of a wait group, given back when it goes. Move-only.
class [[nodiscard]] wait_group::ticket_type {
public:
    explicit ticket_type(wait_group& of) noexcept : of_{&of} { of.add(); }
    ticket_type(ticket_type&& other) noexcept : of_{std::exchange(other.of_, nullptr)} {}
    ticket_type& operator=(ticket_type&& other) noexcept {
        if (this != &other) {
            if (of_) of_->done();
            of_ = std::exchange(other.of_, nullptr);
        }
        return *this;
    }
    ~ticket_type() {
        if (of_) of_->done();
    }

private:
    wait_group* of_;
};

inline wait_group::ticket_type wait_group::ticket() { return ticket_type{*this}; }

}  // namespace sluice
