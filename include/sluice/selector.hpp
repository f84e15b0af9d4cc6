// SPDX-License-Identifier: BSL-1.0
// selector.hpp: how does one wait for whichever comes first, of things that come and go?
#pragma once

#include "detail/selector_core.hpp"

namespace sluice {

/// A select whose cases are added and removed at run time, thousands of them if need be. Included by select.hpp, where
/// the cases are.
///
/// It chooses and waits exactly as `select` does: uniformly at random among ready cases, or in the order of adding when
/// made with `prioritized`; an unfired case has no effect.
/// Cases: a receive, `on_done` and `otherwise` stay until they are removed. All others are removed when they fire: a
///     send, a time, and every single operation (`on`, `on_acquire`, `on_wait`, `on_join`).
///     A case of `on_send` and `on_receive` keeps a handle of its channel, a counted one if it was given such, and
///     `on_send` owns its value, which is destroyed with the case if it was not sent. All else that a case names
///     (variables, named callables, groups, semaphores, handles) it refers to: that lives until the case is removed.
/// A closed channel: its receive case is ready in every select, with `status::closed`; remove it then.
/// Times: `on_timeout` counts from where it is written, as `on_deadline` is one moment. To limit each select by itself
///     use `select_for`.
/// Handlers run after the wait. They may add and remove cases, their own too, and select.
/// Thread safety: one thread or task at a time, and no change while it selects; to have others change it, let them send
///     what to add or remove to a channel that is a case. It is neither copied nor moved.
/// Complexity: adding and removing O(1) amortized; a select O(n), the first wait after a change O(n log n); a select
///     allocates nothing.
///
///     sluice::selector feeds;
///     sluice::received<quote> q;                                  // one variable will do for all of them
///     for (auto& feed : sources) feeds.add(on_receive(feed, q));
///     while (!feeds.empty()) {
///         const auto id = feeds.select();                         // or co_await feeds.async_select()
///         if (q) use(*q);
///         else feeds.remove(id);                                  // closed and drained
///     }
class selector {
public:
    using id = case_id;

    selector() noexcept : core_{false} {}
    /// The first ready case in the order of adding fires.
    explicit selector(prioritized_t) noexcept : core_{true} {}
    selector(const selector&) = delete;
    selector& operator=(const selector&) = delete;
    /// Destroys the cases. Precondition: it does not select, nor runs a handler of its cases.
    ~selector() = default;

    /// Adds a case, as given to `select`; returns what tells when it fires. An id is never given twice.
    /// Throws: what moving or copying the case's value throws, `std::bad_alloc`; nothing has changed then.
    /// Precondition: at most one `otherwise`; fewer than 300,000 cases.
    template <detail::select_case Case>
    id add(Case c, detail::place at = detail::place::current()) {
        return core_.add(std::make_unique<detail::held<Case>>(std::move(c)), at);
    }
    /// Removes a case. Returns whether it was there: cases that fire once are removed when they fire.
    bool remove(id which, detail::place at = detail::place::current()) { return core_.remove(which, at); }
    /// Removes all cases.
    void clear(detail::place at = detail::place::current()) { core_.clear(at); }

    /// Whether the case is there.
    bool contains(id which) const noexcept { return core_.contains(which); }
    /// How many cases there are.
    std::size_t size() const noexcept { return core_.size(); }
    bool empty() const noexcept { return size() == 0; }

    /// Waits until one case can go on, does it, and returns its id. Blocks the thread. Without a case: waits until the
    /// surrounding context ends.
    /// Cancellation: the end of the surrounding context throws `canceled`, unless a case names it with `on_done`.
    /// Throws: also what a handler throws, or the result of an operation; the case counts as having fired.
    id select(detail::place at = detail::place::current()) { return operation(detail::no_deadline, at).block(); }
    /// Does a case that is ready now; none if there is no such. Never waits.
    id try_select(detail::place at = detail::place::current()) {
        auto op = operation(detail::no_deadline, at);
        op.do_not_wait();
        return op.block();
    }
    /// As `select`; none when no case could go on for so long.
    template <class Rep, class Period>
    id select_for(std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current()) {
        return select_until(detail::deadline_after(d), at);
    }
    id select_until(std::chrono::steady_clock::time_point t, detail::place at = detail::place::current()) {
        return operation(t, at).block();
    }
    /// `co_await feeds.async_select()` gives the id; `co_await timeout(50ms, feeds.async_select())` perhaps none.
    [[nodiscard]] auto async_select(detail::place at = detail::place::current()) {
        return operation(detail::no_deadline, at);
    }

private:
    detail::selector_operation operation(detail::time_point limit, detail::place at) noexcept {
        return {core_, limit, at};
    }

    detail::selector_core core_;
};

/// `co_await timeout(50ms, feeds.async_select())`: no id when the time was up.
template <class Rep, class Period>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, detail::selector_operation&& operation) {
    return std::move(operation).limited_to(detail::deadline_after(d));
}

}  // namespace sluice
