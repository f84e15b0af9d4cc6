// SPDX-License-Identifier: BSL-1.0
// result_group.hpp: what did the tasks that work together find out, in the order of their starts or of their ends?
//
// An errgroup and a queue of results (detail/result_queue.hpp). The end of a task comes in this order: its error ends the
// group, its result is there, its slot and its count are given back; so who sees the last of the results sees the error.
#pragma once

#include <iterator>
#include <optional>
#include <vector>

#include "detail/result_queue.hpp"
#include "errgroup.hpp"

namespace sluice {

namespace detail {
template <class T>
class results_wait;
template <class T>
class early_results_wait;

template <class T, class F, class... Args>
concept starts_result = startable<F, Args...> && std::constructible_from<T, call_result<F, Args...>>;
}  // namespace detail

/// Tasks that each give a `T` and end together: the first error cancels the others. An `errgroup` with results.
///
/// `wait` gives all results in the order of the starts, whatever the order of the ends; `next` and a range-for give each as
/// soon as it is there. A result is given once: what `next` has given is not among those of `wait`.
/// Limits, cancellation, errors, threads and the context are as in `errgroup`.
/// Exceptions: a task whose result cannot be moved out has ended with what the move threw.
/// Destruction: cancels the tasks and joins them (blocking; in a coroutine wait first, or use `scope`); results that
///     nobody took are destroyed.
///
///     sluice::result_group<page> all;
///     for (const auto& url : urls) all.go(fetch, url);
///     std::vector<page> pages = co_await all.async_wait();      // pages[i] is that of urls[i]
template <class T>
class result_group {
    static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>>,
                  "a result_group holds values; for tasks without a result use an errgroup, for references pointers");
    static_assert(std::is_move_constructible_v<T>, "results are moved to who waits for them");

public:
    using value_type = T;

    /// Below the context of the running task, or the background.
    result_group() = default;
    explicit result_group(const context& parent) : group_{parent} {}
    result_group(const result_group&) = delete;
    result_group& operator=(const result_group&) = delete;

    /// Starts `f(args...)`, whose result makes a `T`, as `errgroup::go` does. False: the group has ended, and `f` was not
    /// started.
    template <class F, class... Args>
        requires detail::starts_result<T, F, Args...>
    bool go(F&& f, Args&&... args) {
        return group_.go_by(*this, detail::place{}, std::forward<F>(f), std::forward<Args>(args)...);
    }
    /// Starts it if there is a slot now and the group has not ended.
    template <class F, class... Args>
        requires detail::starts_result<T, F, Args...>
    bool try_go(F&& f, Args&&... args) {
        return group_.try_go_by(*this, std::forward<F>(f), std::forward<Args>(args)...);
    }
    /// `co_await all.async_go(f, args...)`, as `errgroup::async_go`.
    template <class F, class... Args>
        requires detail::starts_result<T, F, Args...>
    [[nodiscard]] auto async_go(F&& f SLUICE_LIFETIMEBOUND, Args&&... args SLUICE_LIFETIMEBOUND) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return detail::errgroup_start<result_group, F, Args...>{group_, *this, std::forward<F>(f),
                                                                std::forward<Args>(args)...};
    }

    /// As in `errgroup`.
    void set_limit(std::size_t n, detail::place at = detail::place::current()) { group_.set_limit(n, at); }
    void set_limit(unlimited_t none) { group_.set_limit(none); }
    context get_context() { return group_.get_context(); }
    void cancel() noexcept { group_.cancel(); }
    /// As `errgroup::on_exception`.
    void on_exception(std::function<void(std::exception_ptr)> f) { group_.on_exception(std::move(f)); }
    void cancel(std::exception_ptr cause) noexcept { group_.cancel(std::move(cause)); }
    std::size_t count() const noexcept { return group_.count(); }
    std::vector<std::exception_ptr> errors() const { return group_.errors(); }

    // --- all, in the order of the starts ------------------------------------------------------------------------------

    /// The results, once all tasks have ended. Blocks the thread.
    /// Throws: as `errgroup::wait`. The results of those that did not fail are still there then.
    std::vector<T> wait(detail::place at = detail::place::current());
    /// As above; nothing when `until` ended first. Nothing is cancelled then.
    [[nodiscard]] std::optional<std::vector<T>> wait(const context& until, detail::place at = detail::place::current());
    /// Nothing when they had not ended for so long.
    template <class Rep, class Period>
    [[nodiscard]] std::optional<std::vector<T>> wait_for(std::chrono::duration<Rep, Period> d,
                                                         detail::place at = detail::place::current());
    /// `co_await all.async_wait()`.
    [[nodiscard]] auto async_wait(detail::place at = detail::place::current());

    // --- one by one, in the order of the ends -------------------------------------------------------------------------

    /// The result that came first of those that nobody took. Blocks the thread until there is one, or all tasks have ended.
    ///
    /// Returns: without a value `closed`, when all that was started so far has ended and its results were given; the
    ///     `error()` is then what `wait` would throw, or null.
    /// Fairness: who waits is served in the order of arrival.
    received<T> next(detail::place at = detail::place::current());
    /// As above; `canceled` when `until` ended first.
    received<T> next(const context& until, detail::place at = detail::place::current());
    received<T> next(std::stop_token until, detail::place at = detail::place::current()) {
        return next(context::from(std::move(until)), at);
    }
    /// `timed_out` when there was none for so long.
    template <class Rep, class Period>
    received<T> next_for(std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current());
    /// `empty` when there is none now, and one may come.
    received<T> try_next();
    /// `co_await all.async_next()`.
    [[nodiscard]] auto async_next(detail::place at = detail::place::current());
    [[nodiscard]] auto async_next(const context& until, detail::place at = detail::place::current());

    /// `for (T& result : all)`: as `next` until the end, which throws the error if there is one. Blocks the thread.
    class iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        iterator() noexcept = default;
        explicit iterator(result_group* of) : of_{of} { advance(); }
        T& operator*() const noexcept { return *now_; }
        iterator& operator++() {
            advance();
            return *this;
        }
        void operator++(int) { advance(); }
        friend bool operator==(const iterator& it, std::default_sentinel_t) noexcept { return !it.now_; }

    private:
        void advance() {
            now_ = of_->next();
            if (const auto error = now_.error()) std::rethrow_exception(error);
        }
        result_group* of_ = nullptr;
        mutable received<T> now_;
    };
    iterator begin() { return iterator{this}; }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    template <class By, class F, class... Args>
    friend class detail::errgroup_start;
    friend class errgroup;
    friend class detail::result_slot<T>;
    friend class detail::next_operation<T>;
    friend class detail::results_wait<T>;

    // One count of the group, and a result that may come.
    class counted {
    public:
        explicit counted(result_group& g) noexcept : results_{g.results_}, entry_{g.group_} { results_.expect(); }
        ~counted() { results_.expect_no_more(); }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;

    private:
        detail::result_queue<T>& results_;
        const errgroup::counted entry_;
    };

    // Precondition: a slot of the group is held.
    template <class F, class... Args>
    bool start(detail::place at, F&& f, Args&&... args);

    detail::ended_early<detail::next_operation<T>> bounded_next(detail::context_node* until,
                                                                detail::time_point deadline, detail::place at);
    std::optional<std::vector<T>> wait_until(detail::context_node* until, detail::time_point deadline,
                                             detail::place at);

    detail::result_queue<T> results_;  // outlives the tasks
    errgroup group_;
};

namespace detail {

/// What a task of the group leaves: told of its end in the place of the errgroup.
template <class T>
class result_slot final : public result_queue<T>::slot, public group_link {
public:
    using reader = void (*)(task_state&, std::optional<T>&);

    result_slot(result_group<T>& of, reader how) noexcept : group_{&of}, read_{how} {}

    template <class R>
    static void read(task_state& t, std::optional<T>& into) {
        into.emplace(static_cast<result_state<R>&>(t).take());
    }

    void task_ended(task_state& t, const std::exception_ptr& error) noexcept override {
        result_group<T>& group = *group_;
        if (error) {
            group.group_.note(error);
        } else {
            try {
                read_(t, this->value);
            } catch (...) {
                this->value.reset();
                group.group_.note(std::current_exception());
            }
        }
        group.results_.ended(*this);  // from here on it belongs to who takes it
        group.group_.end_one(t);      // last: a waiter may destroy the group
    }
    group_link* counter() noexcept override { return &group_->group_.group_; }

private:
    result_group<T>* const group_;
    const reader read_;
};

/// Waits for one result, or that none will come.
template <class T>
class next_operation final : public point_node, public awaitable_tag {
    using slot = typename result_queue<T>::slot;

public:
    next_operation(result_group<T>& of, place at) noexcept : where{at}, of_{&of} {}
    // Moved only before it waits.
    next_operation(next_operation&& other) noexcept : where{other.where}, of_{other.of_} {}
    ~next_operation() {
        if (granted_) of_->results_.give_back(*granted_);
    }

    lock* guard() noexcept { return &of_->results_.point.mutex; }
    bool looks_ready() const noexcept { return true; }
    bool try_commit(wake_chain&) noexcept {
        if (!is_ready()) return false;
        take();
        return true;
    }
    void enlist(waiter& w, ticket t) noexcept { wait_in(of_->results_.point.waiters, w, t); }
    received<T> result() {
        if (!granted_) return received<T>{status::closed, of_->group_.end_error()};
        const auto mine = of_->results_.take(*std::exchange(granted_, nullptr));
        return received<T>{std::in_place, std::move(*mine->value)};
    }
    received<T> ended_by(status why) const noexcept { return received<T>{why}; }
    wait_kind kind() const noexcept { return wait_kind::group; }
    const void* object() const noexcept { return of_; }
    auto for_task(task_state& self) noexcept { return task_awaiter<next_operation>{*this, self}; }

    bool is_ready() noexcept override { return of_->results_.has_news(); }
    bool take() noexcept override {
        granted_ = of_->results_.grant();
        return false;  // nothing that another could wait for has come by it
    }

    place where;

private:
    result_group<T>* of_;
    slot* granted_ = nullptr;
};

/// Waits for the end of all and gives the results. A joinable (join.hpp).
template <class T>
class results_wait : public errgroup_wait {
public:
    results_wait(result_group<T>& of, place at) noexcept : errgroup_wait{of.group_, at}, of_{&of} {}
    std::vector<T> result() const {
        static_cast<void>(errgroup_wait::result());
        return of_->results_.take_all();
    }
    auto for_task(task_state& self) {
        this->expect_from_outside(self);
        return join_awaiter<results_wait>{*this, self};
    }

private:
    result_group<T>* of_;
};

/// The same, or nothing.
template <class T>
class early_results_wait : public results_wait<T> {
public:
    using results_wait<T>::results_wait;
    std::optional<std::vector<T>> result() const { return results_wait<T>::result(); }
    std::optional<std::vector<T>> ended_by(status) const noexcept { return std::nullopt; }
};

}  // namespace detail

template <class T>
template <class F, class... Args>
bool result_group<T>::start(detail::place at, F&& f, Args&&... args) {
    using slot = detail::result_slot<T>;
    slot* made = nullptr;
    bool is_started = false;
    const auto told = [&]() -> detail::group_link& {
        made = new slot{*this, &slot::template read<detail::call_result<F, Args...>>};
        results_.add(*made);
        return *made;
    };
    try {
        is_started = group_.start_told(told, at, std::forward<F>(f), std::forward<Args>(args)...);
    } catch (...) {
        if (made) results_.ended(*made);
        throw;
    }
    return is_started;
}

template <class T>
std::vector<T> result_group<T>::wait(detail::place at) {
    group_.group_.expect_a_waiter_from_outside(detail::this_thread_state().task, at);
    detail::results_wait<T> op{*this, at};
    return detail::block_joining(op);
}
template <class T>
std::optional<std::vector<T>> result_group<T>::wait(const context& until, detail::place at) {
    return wait_until(detail::context_access::node(until), detail::no_deadline, at);
}
template <class T>
template <class Rep, class Period>
std::optional<std::vector<T>> result_group<T>::wait_for(std::chrono::duration<Rep, Period> d, detail::place at) {
    return wait_until(nullptr, detail::deadline_after(d), at);
}
template <class T>
auto result_group<T>::async_wait(detail::place at) {
    return detail::results_wait<T>{*this, at};
}
template <class T>
std::optional<std::vector<T>> result_group<T>::wait_until(detail::context_node* until, detail::time_point deadline,
                                                          detail::place at) {
    return detail::wait_early(detail::early_results_wait<T>{*this, at}, group_.group_, until, deadline);
}

template <class T>
received<T> result_group<T>::next(detail::place at) {
    return detail::block(detail::next_operation<T>{*this, at});
}
template <class T>
received<T> result_group<T>::next(const context& until, detail::place at) {
    return bounded_next(detail::context_access::node(until), detail::no_deadline, at).block();
}
template <class T>
template <class Rep, class Period>
received<T> result_group<T>::next_for(std::chrono::duration<Rep, Period> d, detail::place at) {
    return bounded_next(nullptr, detail::deadline_after(d), at).block();
}
template <class T>
received<T> result_group<T>::try_next() {
    return detail::attempt(detail::next_operation<T>{*this, {}}, status::empty);
}
template <class T>
auto result_group<T>::async_next(detail::place at) {
    return detail::next_operation<T>{*this, at};
}
template <class T>
auto result_group<T>::async_next(const context& until, detail::place at) {
    return bounded_next(detail::context_access::node(until), detail::no_deadline, at);
}
template <class T>
detail::ended_early<detail::next_operation<T>>
result_group<T>::bounded_next(detail::context_node* until, detail::time_point deadline, detail::place at) {
    return {detail::next_operation<T>{*this, at}, until, deadline};
}

}  // namespace sluice
