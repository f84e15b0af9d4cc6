// SPDX-License-Identifier: BSL-1.0
// once_core.hpp: who does what shall be done once, and who waits for that?
//
//   fresh ──try_take──▶ running ──succeed──▶ done
//     ▲                  │   ▲
//     └──fail, no waiter─┘   └──fail: the first waiter is chosen, and still somebody runs
//
// O1  `running` has exactly one operation that is chosen, from try_take or fail() until succeed() or fail().
// O2  There are live waiters in `running` only.
// O3  An operation that was chosen and is destroyed without a result() has failed.
#pragma once

#include "block.hpp"
#include "child_wait.hpp"

namespace sluice::detail {

class once_node : public wait_node {
public:
    bool chosen = false;
};

class once_core {
public:
    bool is_done() const noexcept {
        // acquire: what was done is visible.
        return done_.load(std::memory_order_acquire);
    }

    void succeed() noexcept {
        wake_chain woken;
        {
            const hold guard{mutex};
            // release: pairs with is_done().
            done_.store(true, std::memory_order_release);
            while (wait_node* n = waiters_.claim_front()) woken.push(*n->who);
        }
        woken.wake_all();
    }
    void fail() noexcept {
        wake_chain woken;
        {
            const hold guard{mutex};
            if (wait_node* n = waiters_.claim_front()) {
                static_cast<once_node*>(n)->chosen = true;
                woken.push(*n->who);
            } else {
                running_ = false;
            }
        }
        woken.wake_all();
    }

    // Under the lock.
    bool try_take(once_node& n) noexcept {
        if (is_done()) return true;
        if (running_) return false;
        return running_ = n.chosen = true;
    }
    void enlist(once_node& n) noexcept { waiters_.push_back(n); }

    std::size_t waiting() const noexcept {
        const hold guard{mutex};
        return waiters_.size();
    }

    mutable lock mutex;

private:
    std::atomic<bool> done_{false};
    bool running_ = false;
    wait_list waiters_;
};

enum class once_turn : std::uint8_t { done, chosen, ended };

/// Waits until it is done, or until it is one's turn to do it; who takes that result must succeed() or fail().
class once_operation : public once_node, public awaitable_tag {
public:
    once_operation(once_core& of, place at) noexcept : where{at}, of_{&of} {}
    once_operation(once_operation&&) = default;
    ~once_operation() {
        if (chosen) of_->fail();  // O3
    }

    lock* guard() noexcept { return &of_->mutex; }
    bool looks_ready() const noexcept { return true; }
    bool try_at_once(thread_id) const noexcept { return of_->is_done(); }
    bool try_commit(wake_chain&) noexcept { return of_->try_take(*this); }
    void enlist(waiter& w, ticket t) noexcept {
        who = &w;
        turn = t;
        of_->enlist(*this);
    }
    once_turn result() noexcept { return std::exchange(chosen, false) ? once_turn::chosen : once_turn::done; }
    once_turn ended_by(status) const noexcept { return once_turn::ended; }
    wait_kind kind() const noexcept { return wait_kind::condition; }
    const void* object() const noexcept { return of_; }
    auto for_task(task_state& self) noexcept { return task_awaiter<once_operation>{*this, self}; }

    place where;

protected:
    once_core& core() const noexcept { return *of_; }

private:
    once_core* of_;
};

/// The same for a plain function, which the chosen one calls when it takes the result. Refers to the function.
template <class F>
class once_call final : public once_operation {
public:
    once_call(once_core& of, F& f, place at) noexcept : once_operation{of, at}, function_{&f} {}
    bool result() {
        if (once_operation::result() == once_turn::chosen) {
            try {
                std::invoke(*function_);
            } catch (...) {
                core().fail();
                throw;
            }
            core().succeed();
        }
        return true;
    }
    bool ended_by(status) const noexcept { return false; }
    auto for_task(task_state& self) noexcept { return task_awaiter<once_call>{*this, self}; }

private:
    F* function_;
};

template <class T>
task<> without_result(task<T> t) {
    static_cast<void>(co_await std::move(t));
}

/// A function that makes a task, by reference, of any type.
class task_maker_ref {
public:
    template <class F>
        requires(!std::is_same_v<F, task_maker_ref>)
    explicit task_maker_ref(F& f) noexcept
        : function_{std::addressof(f)}, make_{[](const void* on) -> task<> {
              auto made = std::invoke(*static_cast<F*>(const_cast<void*>(on)));
              if constexpr (std::is_same_v<decltype(made), task<>>) return made;
              else return without_result(std::move(made));
          }} {}
    task<> operator()() const { return make_(function_); }

private:
    const void* function_;
    task<> (*make_)(const void*);
};

SLUICE_ONLY_IF_USED
task<bool> do_once(once_core& core, task_maker_ref f, context_node* named, place at) {
    ended_early<once_operation> waiting{{core, at}, named, no_deadline};
    const once_turn turn = co_await waiting;
    if (turn != once_turn::chosen) co_return turn == once_turn::done;
    try {
        co_await f();
    } catch (...) {
        core.fail();
        throw;
    }
    core.succeed();
    co_return true;
}

/// The same for a coroutine, which the chosen one awaits. Refers to the function that makes it.
class once_await : public awaitable_tag {
public:
    once_await(once_core& of, task_maker_ref f, context_node* named, place at) noexcept
        : core_{&of}, function_{f}, named_{named}, at_{at} {
        context_tree::retain(named_);
    }
    once_await(once_await&& other) noexcept : once_await{*other.core_, other.function_, other.named_, other.at_} {}
    once_await& operator=(once_await&&) = delete;
    ~once_await() { context_tree::release(named_); }

    SLUICE_ONLY_IF_USED
    auto for_task(task_state& self) { return child_wait<bool>{do_once(*core_, function_, named_, at_), self}; }

private:
    once_core* core_;
    task_maker_ref function_;
    context_node* named_;
    place at_;
};

}  // namespace sluice::detail
