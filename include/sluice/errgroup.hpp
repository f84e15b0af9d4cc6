// SPDX-License-Identifier: BSL-1.0
// errgroup.hpp: which of the tasks that work together failed, and have all ended?
//
// E1  Counted first, then given a slot, then started: a wait never ends between the three.
// E2  The first error is stored before it cancels the group, so who sees the group end sees why.
// E3  A task of the group that waits for a slot holds one itself. When all tasks of the group do, none will come free:
//     the last of them is told instead of waiting (nested_).
#pragma once

#include <atomic>
#include <exception>
#include <string>
#include <tuple>
#include <vector>

#include "sized_wait_group.hpp"

namespace sluice {

template <class T>
class result_group;

namespace detail {
template <class By, class F, class... Args>
class errgroup_start;
class errgroup_wait;
template <class T>
class result_slot;
template <class T>
class next_operation;
}  // namespace detail

/// Tasks that end together: the first error cancels the others, and the wait rethrows it.
///
/// For one piece of work; a new one gets a new group. Its context is below the given one, or below that of the task
/// that made it, and ends with the first error, with `cancel`, and when a wait has returned.
/// Cancellation: a wait that is cancelled passes that on to the tasks, ends after they have, and then throws `canceled`.
///     A start that waits for a slot is released by the end of the group, and starts nothing.
/// Memory: what a task did is visible after the wait.
/// Thread safety: all members from any thread.
/// Destruction: cancels the tasks and joins them (blocking; in a coroutine wait first, or use `scope`).
/// Preconditions: none of its own tasks waits for it without a limit, or destroys it.
///
///     sluice::errgroup all;
///     for (const auto& url : urls) all.go(fetch, url);
///     co_await all.async_wait();                         // throws the first error, after all have ended
class errgroup final : private detail::group_link, public detail::starting<errgroup> {
public:
    /// Below the context of the running task, or the background.
    errgroup() = default;
    explicit errgroup(const context& parent) : group_{retained(parent)} {}
    errgroup(const errgroup&) = delete;
    errgroup& operator=(const errgroup&) = delete;

    /// Starts `f(args...)`, as `sluice::go` does, under the group's context, when there is a slot. Blocks the thread until
    /// then. False: the group has ended, and `f` was not started.
    /// Throws: `deadlock_error` if every task of the group waits for a slot of it; what copying `f` and `args` throws.
    /// In full: `template <class F, class... Args> bool go(F&& f, Args&&... args)`.
    using detail::starting<errgroup>::go;
    /// Starts it if there is a slot now and the group has not ended.
    template <class F, class... Args>
        requires detail::startable<F, Args...>
    bool try_go(F&& f, Args&&... args) {
        return try_go_by(*this, std::forward<F>(f), std::forward<Args>(args)...);
    }
    /// `co_await group.async_go(f, args...)`: waits for a slot, then starts; false as for `go`. The arguments are copied or
    /// moved into the task when it starts, and live until then.
    template <class F, class... Args>
        requires detail::startable<F, Args...>
    [[nodiscard]] auto async_go(F&& f SLUICE_LIFETIMEBOUND, Args&&... args SLUICE_LIFETIMEBOUND) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return detail::errgroup_start<errgroup, F, Args...>{*this, *this, std::forward<F>(f),
                                                            std::forward<Args>(args)...};
    }

    /// At most `n` at a time from now on; more that run already go on. Precondition: `n > 0`.
    void set_limit(std::size_t n, detail::place at = detail::place::current()) {
        SLUICE_EXPECT_AT(n > 0, "a limit of 0 lets nothing run; use `unlimited` for no limit", at);
        slots_.set_permits(n, at);
    }
    void set_limit(unlimited_t) { slots_.set_permits(no_limit); }

    /// `f` is called with every exception of a task other than `canceled`, as soon as it leaves the task, before
    /// the others are cancelled, on the thread that ran it; the wait tells only the first, and only at the end. Replaces the one before. An exception of `f` ends the run.
    /// Call it before the first start: a task that has ended by then has told nobody.
    void on_exception(std::function<void(std::exception_ptr)> f) { group_.on_exception(std::move(f)); }

    /// The context of the group's tasks.
    context get_context() {
        detail::context_node& node = group_.own_node();
        detail::context_tree::retain(&node);
        return detail::context_access::adopt(&node);
    }
    /// Ends the group: its tasks are cancelled, and no more are started.
    void cancel() noexcept { cancel(nullptr); }
    /// As above, and tells why.
    void cancel(std::exception_ptr cause) noexcept { group_.cancel(std::move(cause)); }

    /// How many tasks have been started, or wait for a slot, and have not ended.
    std::size_t count() const noexcept { return group_.count(); }

    /// Returns when all tasks have ended. Blocks the thread.
    /// Throws: the first error of a task, in time; without one, `canceled` if the parent's context has ended. After
    ///     `cancel()` alone it just returns.
    void wait(detail::place at = detail::place::current());
    /// As above; false when `until` ended first. Nothing is cancelled then.
    [[nodiscard]] bool wait(const context& until, detail::place at = detail::place::current());
    /// False when they had not ended for so long.
    template <class Rep, class Period>
    [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current());
    /// `co_await group.async_wait()`.
    [[nodiscard]] auto async_wait(detail::place at = detail::place::current());

    /// The errors so far, in time, `canceled` not among them: that is no failure.
    std::vector<std::exception_ptr> errors() const {
        const detail::hold guard{mutex_};
        return errors_;
    }

private:
    template <class By, class F, class... Args>
    friend class detail::errgroup_start;
    friend class detail::starting<errgroup>;
    friend class detail::errgroup_wait;
    template <class T>
    friend class result_group;
    template <class T>
    friend class detail::result_slot;
    template <class T>
    friend class detail::next_operation;

    static constexpr std::size_t no_limit = static_cast<std::size_t>(-1) / 2;

    static detail::context_node* retained(const context& c) noexcept {
        detail::context_tree::retain(detail::context_access::node(c));
        return detail::context_access::node(c);
    }

    // E1: one count.
    class counted {
    public:
        explicit counted(errgroup& g) noexcept : group_{g.group_} { group_.add(1); }
        ~counted() { group_.done({}); }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;

    private:
        detail::group_core& group_;
    };

    // E3
    class nested {
    public:
        nested(errgroup& g, const detail::task_state* by) : group_{g.group_.has_started(by) ? &g : nullptr} {
            if (!group_) return;
            const auto all = g.group_.own();
            if (g.nested_.fetch_add(1) + 1 < all || g.slots_.available() > 0) return;
            g.nested_.fetch_sub(1);
            throw deadlock_error{"sluice: deadlock: all " + std::to_string(all) +
                                 " tasks of an errgroup wait for a slot of that group, which only their end gives "
                                 "free; raise its limit, or start from outside of the group"};
        }
        ~nested() {
            if (group_) group_->nested_.fetch_sub(1);
        }
        nested(const nested&) = delete;
        nested& operator=(const nested&) = delete;

    private:
        errgroup* group_;
    };

    template <class F, class... Args>
    bool go_at(detail::place at, F&& f, Args&&... args) {
        return go_by(*this, at, std::forward<F>(f), std::forward<Args>(args)...);
    }
    // `By` is this group, or one made of it: `By::counted` is one count, `by.start(at, f, args...)` starts with a slot.
    template <class By, class F, class... Args>
    bool go_by(By& by, detail::place at, F&& f, Args&&... args) {
        const typename By::counted entry{by};
        const nested inside{*this, detail::this_thread_state().task};
        if (!slots_.acquire(1, get_context(), at)) return false;
        return by.start(at, std::forward<F>(f), std::forward<Args>(args)...);
    }
    template <class By, class F, class... Args>
    bool try_go_by(By& by, F&& f, Args&&... args) {
        const typename By::counted entry{by};
        if (get_context().done() || !slots_.try_acquire()) return false;
        return by.start(detail::place{}, std::forward<F>(f), std::forward<Args>(args)...);
    }

    template <class F, class... Args>
    bool start(detail::place at, F&& f, Args&&... args) {
        const auto told = [this]() noexcept -> detail::group_link& { return *this; };
        return start_told(told, at, std::forward<F>(f), std::forward<Args>(args)...);
    }
    // `told()` makes the one who is told of the end. Precondition: a slot is held.
    template <class Told, class F, class... Args>
    bool start_told(const Told& told, detail::place at, F&& f, Args&&... args) {
        if (get_context().done()) {  // with the slot of a task whose error has ended the group meanwhile
            slots_.release();
            return false;
        }
        try {
            group_.go(told(), at, std::forward<F>(f), std::forward<Args>(args)...);
        } catch (...) {
            slots_.release();
            throw;
        }
        return true;
    }

    void task_ended(detail::task_state& t, const std::exception_ptr& error) noexcept override {
        note(error);
        end_one(t);
    }
    detail::group_link* counter() noexcept override { return &group_; }
    void note(const std::exception_ptr& error) noexcept {
        if (!error || detail::is_canceled(error)) return;
        group_.tell(error);
        bool is_first = false;
        {
            const detail::hold guard{mutex_};
            is_first = !first_error_;
            if (is_first) first_error_ = error;  // E2
            try {
                errors_.push_back(error);
            } catch (const std::bad_alloc&) {}  // the first one is kept in any case
        }
        if (is_first) cancel(error);
    }
    void end_one(const detail::task_state& t) noexcept {
        slots_.release();
        group_.end_one(t, nullptr);  // last: a waiter may destroy the group
    }

    // After all have ended.
    void finish() {
        const std::exception_ptr error = end_error();
        cancel();
        if (error) std::rethrow_exception(error);
    }
    // What a wait throws after all have ended.
    std::exception_ptr end_error() const {
        {
            const detail::hold guard{mutex_};
            if (first_error_) return first_error_;
        }
        const detail::context_node* const parent = group_.parent();
        if (!parent || parent->error() == context_error::none) return nullptr;
        return std::make_exception_ptr(canceled{parent->cause});
    }

    bool wait_until(detail::context_node* until, detail::time_point deadline, detail::place at);

    mutable detail::lock mutex_;
    std::exception_ptr first_error_;
    std::vector<std::exception_ptr> errors_;
    std::atomic<std::size_t> nested_{0};
    semaphore slots_{no_limit};
    detail::group_core group_;
};

namespace detail {

/// Waits until the count is zero and tells how the group ended. A joinable (join.hpp).
class errgroup_wait : public group_operation {
public:
    errgroup_wait(errgroup& g, place at) noexcept : group_operation{g.group_, at}, group_{&g} {}
    bool result() const {
        group_->finish();
        return true;
    }
    auto for_task(task_state& self) {
        expect_from_outside(self);
        return join_awaiter<errgroup_wait>{*this, self};
    }

private:
    errgroup* group_;
};

/// Waits for a slot and then starts; refers to the callable and the arguments until then.
template <class By, class F, class... Args>
class errgroup_start : public awaitable_tag {
    using slot_wait = ended_early<acquire_operation>;

    struct request {
        request(errgroup_start& s, const task_state* by)
            : start{s},
              entry{*s.by_},
              inside{*s.group_, by},
              ctx{s.group_->get_context()},
              slot{s.group_->slots_.async_acquire(1, ctx, s.at_)} {}
        bool end(bool has_slot) { return has_slot && start.run(); }

        errgroup_start& start;
        typename By::counted entry;
        errgroup::nested inside;
        context ctx;
        slot_wait slot;
    };

public:
    errgroup_start(errgroup& g, By& by, F&& f, Args&&... args) noexcept
        : group_{&g}, by_{&by}, call_{std::forward<F>(f), std::forward<Args>(args)...} {}

    auto for_task(task_state& self, place at = place::current()) {
        at_ = at;
        struct awaiter {
            awaiter(errgroup_start& s, task_state& t) : wanted{s, &t}, inner{wanted.slot.for_task(t)} {}
            bool await_ready() { return inner.await_ready(); }
            bool await_suspend(std::coroutine_handle<> h) { return inner.await_suspend(h); }
            bool await_resume() { return wanted.end(inner.await_resume()); }
            request wanted;
            multi_awaiter<slot_wait> inner;
        };
        return awaiter{*this, self};
    }
    auto for_foreign() {
        struct foreign_request : request {
            explicit foreign_request(errgroup_start& s) : request{s, nullptr} {}
            multi_wait& wait() noexcept { return this->slot.wait(); }
            bool take_result() { return this->end(this->slot.take_result()); }
        };
        return foreign_request{*this};
    }

private:
    // With a slot.
    bool run() {
        return std::apply([this](auto&&... parts) { return by_->start(at_, std::forward<decltype(parts)>(parts)...); },
                          std::move(call_));
    }

    errgroup* group_;
    By* by_;
    place at_{};
    std::tuple<F&&, Args&&...> call_;
};

}  // namespace detail

inline void errgroup::wait(detail::place at) {
    group_.expect_a_waiter_from_outside(detail::this_thread_state().task, at);
    detail::errgroup_wait op{*this, at};
    detail::block_joining(op);
}
inline bool errgroup::wait(const context& until, detail::place at) {
    return wait_until(detail::context_access::node(until), detail::no_deadline, at);
}
template <class Rep, class Period>
bool errgroup::wait_for(std::chrono::duration<Rep, Period> d, detail::place at) {
    return wait_until(nullptr, detail::deadline_after(d), at);
}
inline auto errgroup::async_wait(detail::place at) { return detail::errgroup_wait{*this, at}; }

inline bool errgroup::wait_until(detail::context_node* until, detail::time_point deadline, detail::place at) {
    return detail::wait_early(detail::errgroup_wait{*this, at}, group_, until, deadline);
}

}  // namespace sluice
