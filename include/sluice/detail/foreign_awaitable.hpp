// SPDX-License-Identifier: BSL-1.0
// foreign_awaitable.hpp: how does a task await an awaitable of another library?
//
// Such an awaitable resumes the coroutine that awaited it, wherever it happens to be; a task goes on in its own runtime
// only. So it is given the handle of a *bridge*, a coroutine that does nothing but wake the task.
// F1  Nobody but the bridge can end the wait: the awaitable uses the frame of the task until it has completed. The end of
//     the surrounding context is seen by the task's next wait.
// F2  The word is published before the awaitable has the bridge, so a completion that comes at once finds the task waiting;
//     afterwards nothing of the frame is touched, unless the awaitable says that it will not complete that way.
// F3  While the task waits, somebody outside of the run may wake it (outside.hpp): that is no deadlock.
// F4  The awaitable may name a coroutine to go on with instead. It is not a part of the task, which may run elsewhere
//     already, so it runs without one.
#pragma once

#include <coroutine>
#include <optional>

#include "await.hpp"
#include "outside.hpp"

namespace sluice::detail {

/// When resumed, wakes a task: the last it does.
class bridge {
public:
    class promise_type : public pooled {
    public:
        class wake_at_end {
        public:
            bool await_ready() const noexcept { return false; }
            SLUICE_NOINLINE void await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
                waiter& waits = *h.promise().who;
                if (waits.try_claim(h.promise().turn)) waits.wake();  // the frame may go with it
            }
            void await_resume() const noexcept {}
        };

        bridge get_return_object() noexcept { return bridge{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        wake_at_end final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept {}

        waiter* who = nullptr;
        ticket turn = 0;
    };

    bridge() noexcept = default;
    bridge(bridge&& other) noexcept : frame_{std::exchange(other.frame_, nullptr)} {}
    bridge& operator=(bridge&&) = delete;
    ~bridge() {
        if (frame_) frame_.destroy();
    }

    SLUICE_ONLY_IF_USED
    static bridge make() { co_return; }

    std::coroutine_handle<promise_type> handle() const noexcept { return frame_; }

private:
    explicit bridge(std::coroutine_handle<promise_type> frame) noexcept : frame_{frame} {}
    std::coroutine_handle<promise_type> frame_;
};

/// The awaiter that the language would use.
template <class A>
decltype(auto) awaiter_of(A&& a) {
    if constexpr (requires { std::forward<A>(a).operator co_await(); }) return std::forward<A>(a).operator co_await();
    else if constexpr (requires { operator co_await(std::forward<A>(a)); })
        return operator co_await(std::forward<A>(a));
    else return std::forward<A>(a);
}

template <class W>
concept foreign_awaiter_type = requires(std::remove_reference_t<W>& w, std::coroutine_handle<bridge::promise_type> h) {
    static_cast<bool>(w.await_ready());
    w.await_suspend(h);
    w.await_resume();
};

/// Can be awaited in some coroutine, but is nothing of ours.
template <class A>
concept foreign_awaitable = !task_awaitable<A> && foreign_awaiter_type<decltype(awaiter_of(std::declval<A>()))>;

template <class A>
class foreign_awaitable_awaiter {
    using inner = decltype(awaiter_of(std::declval<A>()));

public:
    foreign_awaitable_awaiter(A&& a, task_state& self, place at)
        : self_{self}, at_{at}, inner_(awaiter_of(std::forward<A>(a))) {}

    bool await_ready() {
        if (self_.must_stop()) return canceled_ = true;
        if (!inner_.await_ready()) return false;
        done_ = true;
        return --self_.loop->budget != 0;
    }

    SLUICE_NOINLINE bool await_suspend(std::coroutine_handle<> frame) {
        if (done_) {
            self_.suspend_at(frame);
            self_.loop->yielded = &self_;
            return true;
        }
        ensure_registered(self_);
        const auto on_wake = bridge_.emplace(bridge::make()).handle();
        in_flight_.emplace();
        self_.suspend_at(frame);
        self_.note_wait(wait_kind::foreign, nullptr, at_);
        const ticket turn = self_.prepare(0);  // F1
        on_wake.promise().who = &self_;
        on_wake.promise().turn = claim::for_case(turn, 0);
        self_.publish(turn);
        try {
            using suspended = decltype(inner_.await_suspend(on_wake));
            if constexpr (std::is_void_v<suspended>) {
                inner_.await_suspend(on_wake);
                return true;
            } else if constexpr (std::is_same_v<suspended, bool>) {
                return inner_.await_suspend(on_wake) || !self_.try_claim(claim::for_case(turn, 0));  // F2
            } else {
                go_on_with(inner_.await_suspend(on_wake));
                return true;
            }
        } catch (...) {
            static_cast<void>(self_.try_claim(claim::for_case(turn, 0)));
            throw;
        }
    }

    decltype(auto) await_resume() {
        in_flight_.reset();
        if (canceled_) self_.throw_canceled();
        return inner_.await_resume();
    }

private:
    // F4
    static void go_on_with(std::coroutine_handle<> other) {
        auto& me = this_thread_state();
        task_state* const task = std::exchange(me.task, nullptr);
        other.resume();
        this_thread_state().task = task;
    }

    task_state& self_;
    const place at_;
    inner inner_;  // a reference to what lives in the awaited expression, or the operator's own
    std::optional<bridge> bridge_;
    std::optional<life> in_flight_;  // F3
    bool done_ = false;
    bool canceled_ = false;
};

}  // namespace sluice::detail
