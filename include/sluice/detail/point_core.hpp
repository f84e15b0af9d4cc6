// SPDX-License-Identifier: BSL-1.0
// point_core.hpp: who waits for a condition of a user's own, and who may go on?
//
// A point is a lock, a state of its owner's that the lock guards, and a list of waiters, each with a condition on that
// state and perhaps a `take`, which changes it.
// U1  Whenever the lock is free, no live waiter's condition holds: who changes the state lets in whose condition holds
//     then, in order of arrival, and looks again from the front as long as a `take` has changed the state once more.
// U2  So nobody overtakes a waiter with the same condition: while he waits it does not hold for newcomers either.
// U3  A `take` runs once, under the lock, when nothing can keep its wait from ending with it: after the claim, or
//     before there was a wait. It belongs to the waiter's operation, which lives until the wake.
// U4  After the lock is released nothing of the point is touched, so who was let in may destroy it.
#pragma once

#include <concepts>
#include <optional>
#include <type_traits>

#include "../status.hpp"
#include "await.hpp"

namespace sluice::detail {

/// A waiter's entry: what it waits for, and what it does then. All members under the point's lock.
class point_node : public wait_node {
public:
    virtual bool is_ready() noexcept = 0;
    /// Returns whether the state may have changed.
    virtual bool take() noexcept = 0;

protected:
    point_node() noexcept = default;
    point_node(const point_node&) noexcept = default;
    ~point_node() = default;
};

class point_core {
public:
    /// Under the lock: restores U1.
    void let_in(wake_chain& woken) noexcept {
        for (bool changed = true; changed;) {
            changed = false;
            for (wait_node* n = waiters.front(); n;) {
                auto& one = static_cast<point_node&>(*n);
                n = waiters.after(*n);
                if (!one.is_ready()) continue;
                wait_list::unlink(one);
                if (!one.who->try_claim(one.turn)) continue;  // its wait has ended already
                changed |= one.take();
                woken.push(*one.who);
            }
        }
    }

    lock mutex;
    wait_list waiters;
};

/// Holds the lock of a point while its state is changed; lets in on the way out, also on that of an exception.
class changing {
public:
    explicit changing(point_core& p) noexcept : point_{p} { point_.mutex.acquire(); }
    ~changing() {
        wake_chain woken;
        point_.let_in(woken);
        point_.mutex.release();
        woken.wake_all();  // U4
    }
    changing(const changing&) = delete;
    changing& operator=(const changing&) = delete;

private:
    point_core& point_;
};

struct no_take {
    void operator()() const noexcept {}
};

/// Waits until `Ready` holds, then does `Take`, whose value is the result.
template <class Ready, class Take>
class until_operation final : public point_node, public awaitable_tag {
    using taken = std::invoke_result_t<Take&>;
    static constexpr bool gives_value = !std::is_void_v<taken>;
    static constexpr bool changes = !std::is_same_v<Take, no_take>;
    static_assert(std::is_nothrow_invocable_r_v<bool, Ready&>,
                  "a condition is looked at under a lock: make it noexcept, and let it return a bool");
    static_assert(std::is_nothrow_invocable_v<Take&>, "what is taken is taken under a lock: make it noexcept");
    static_assert(!gives_value || std::is_nothrow_move_constructible_v<taken>,
                  "what is taken is moved under a lock: its move must not throw");

public:
    using result_type = std::conditional_t<gives_value, received<taken>, bool>;

    until_operation(point_core& of, Ready ready, Take take, place at)
        : where{at}, of_{&of}, ready_(std::move(ready)), take_(std::move(take)) {}

    lock* guard() noexcept { return &of_->mutex; }
    bool looks_ready() const noexcept { return true; }
    bool try_commit(wake_chain& woken) noexcept {
        if (!ready_()) return false;
        if (take()) of_->let_in(woken);
        return true;
    }
    void enlist(waiter& w, ticket t) noexcept { wait_in(of_->waiters, w, t); }
    result_type result() {
        if constexpr (gives_value) return result_type{std::in_place, std::move(*value_)};
        else return true;
    }
    result_type ended_by([[maybe_unused]] status why) noexcept {
        if constexpr (gives_value) return result_type{why};
        else return false;
    }
    wait_kind kind() const noexcept { return wait_kind::condition; }
    const void* object() const noexcept { return of_; }
    auto for_task(task_state& self) noexcept { return task_awaiter<until_operation>{*this, self}; }

    bool is_ready() noexcept override { return ready_(); }
    bool take() noexcept override {
        if constexpr (gives_value) value_.emplace(take_());
        else take_();
        return changes;
    }

    place where;

private:
    struct nothing {};
    point_core* of_;
    [[no_unique_address]] Ready ready_;
    [[no_unique_address]] Take take_;
    [[no_unique_address]] std::conditional_t<gives_value, std::optional<taken>, nothing> value_;
};

}  // namespace sluice::detail
