// SPDX-License-Identifier: BSL-1.0
// foreign_awaiter.hpp: how does a coroutine of another library await what ours await?
//
// By `operator co_await`, which finds every awaitable by its base. An operation (await.hpp) becomes a wait of one case;
// everything else says with `for_foreign()` what is waited for: something, perhaps itself, with
//     multi_wait& wait()         prepared for arm
//     R take_result()            after it has ended
// and, if it may wait several times (stepwise.hpp), begin(), go_on() and must_wait(). Such a coroutine has no
// surrounding cancellation, also when it runs on a thread that runs one of our tasks: the wait is not that task's.
// Contexts that it names end its waits.
#pragma once

#include "awaitable.hpp"
#include "multi_wait.hpp"
#include "process_runtime.hpp"

namespace sluice::detail {

/// An operation as a wait of one case. `Op` is a reference to it, or itself.
template <class Op>
class lone_wait {
public:
    explicit lone_wait(Op&& op) noexcept : op_(std::forward<Op>(op)) {}
    multi_wait& wait() noexcept { return wait_; }
    decltype(auto) take_result() { return op_.result(); }

private:
    Op op_;
    wait_case case_ = entry_of(op_, 0);
    decltype(wait_case::guard) guard_{};
    multi_wait wait_{{&case_, 1}, {}, {&guard_, 1}};
};

template <class A>
concept has_own_wait = requires(A& a) { a.for_foreign(); };
template <class A>
concept is_operation = requires(A& a, wake_chain& woken) {
    a.guard();
    a.try_commit(woken);
    a.result();
};

/// What awaiting `a` waits for: something with `wait()` and `take_result()` that may refer to `a`.
template <class A>
decltype(auto) foreign_wait_of(A& a) {
    static_assert(has_own_wait<A> || is_operation<A>,
                  "this can be awaited in coroutines of sluice only (sluice::task)");
    static_assert(alignof(A) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                  "a coroutine's frame may not honour this alignment: send a pointer, or use the blocking form");
    if constexpr (has_own_wait<A>) return a.for_foreign();
    else return lone_wait<A&>{a};
}

template <class Wait>
concept has_steps = requires(Wait& w) {
    w.begin();
    w.go_on();
    w.must_wait();
};

/// One of its waits has ended. True: all is over; false: it must wait again.
template <class Wait>
bool is_over([[maybe_unused]] Wait& w) {
    if constexpr (has_steps<Wait>)
        while (w.go_on())
            if (w.must_wait() || !w.wait().try_now(nullptr)) return false;
    return true;
}
/// Tries without waiting. True: all is over.
template <class Wait>
bool is_over_at_once(Wait& w) {
    if constexpr (has_steps<Wait>)
        if (!w.begin()) return true;
    return w.wait().try_now(nullptr) && is_over(w);
}

/// The part of one wait that outlives its frame, as the frame sees it.
class foreign_park {
public:
    foreign_park() noexcept = default;
    foreign_park(const foreign_park&) = delete;
    foreign_park& operator=(const foreign_park&) = delete;

    /// True: it waits, and nothing of the frame may be touched any more. False: all is over.
    template <class Wait>
    bool park(Wait& w, const foreign_kind& kind, void* target, bool by_carrier) {
        do {
            if (park_once(w.wait(), kind, target, by_carrier)) return true;
        } while (!is_over(w));
        return false;
    }
    /// Whether it waits, or has been woken and not gone on.
    bool is_parked() const noexcept { return block_ != nullptr; }
    /// It goes on.
    void finish(multi_wait& w) noexcept {
        w.finish();
        std::exchange(block_, nullptr)->release();
    }
    /// The frame goes instead.
    void give_up(multi_wait& w) noexcept {
        foreign_waiter& block = *std::exchange(block_, nullptr);
        if (w.abandon()) return block.release(2);  // F3: nobody will wake it
        block.give_up();
        block.release();
    }
    /// Ends the wait as canceled, if nothing else has. It goes on as after any wake.
    void cancel(multi_wait& w) noexcept {
        foreign_waiter& block = *block_;
        if (w.try_cancel()) block.wake();
    }

private:
    bool park_once(multi_wait& w, const foreign_kind& kind, void* target, bool by_carrier) {
        task_state* const carrier = by_carrier ? process_runtime::make_carrier() : nullptr;
        try {
            block_ = new foreign_waiter{kind, target, carrier};
        } catch (...) {
            if (carrier) carrier->release();
            throw;
        }
        if (w.arm(*block_, nullptr, false)) return true;
        std::exchange(block_, nullptr)->release(2);
        return false;
    }

    foreign_waiter* block_ = nullptr;
};

template <class Promise>
inline constexpr bool goes_on_by_default =
    std::is_void_v<Promise> || std::is_base_of_v<default_resumption, resumption<Promise>>;

template <class Promise>
void post_ticket(foreign_waiter& w, [[maybe_unused]] void* frame) noexcept {
    resume_ticket t = ticket_access::adopt(w);
    if constexpr (std::is_void_v<Promise>) resume_in_process_runtime(std::move(t));
    else resumption<Promise>::post(std::coroutine_handle<Promise>::from_address(frame).promise(), std::move(t));
}

template <class Promise>
inline constexpr foreign_kind coroutine_kind{
    [](foreign_waiter& w) noexcept { post_ticket<Promise>(w, w.target()); },
    [](void* frame) { std::coroutine_handle<>::from_address(frame).resume(); }};

/// What any coroutine but ours awaits an awaitable with.
template <class A>
class foreign_awaiter {
public:
    explicit foreign_awaiter(A& a) : wait_(foreign_wait_of(a)) {}
    foreign_awaiter(const foreign_awaiter&) = delete;
    foreign_awaiter& operator=(const foreign_awaiter&) = delete;
    ~foreign_awaiter() {
        if (park_.is_parked()) park_.give_up(wait_.wait());
    }

    bool await_ready() noexcept { return wait_.wait().try_now(nullptr); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> frame) {
        return park_.park(wait_, coroutine_kind<Promise>, frame.address(), goes_on_by_default<Promise>);
    }
    decltype(auto) await_resume() {
        if (park_.is_parked()) park_.finish(wait_.wait());
        return wait_.take_result();
    }

private:
    decltype(foreign_wait_of(std::declval<A&>())) wait_;
    foreign_park park_;
};

/// The same for what may wait several times: the later steps are taken where the coroutine is to be resumed, which it
/// is when all is over.
template <class A>
    requires has_steps<std::remove_reference_t<decltype(foreign_wait_of(std::declval<A&>()))>>
class foreign_awaiter<A> {
public:
    explicit foreign_awaiter(A& a) : wait_(foreign_wait_of(a)) {}
    foreign_awaiter(const foreign_awaiter&) = delete;
    foreign_awaiter& operator=(const foreign_awaiter&) = delete;
    ~foreign_awaiter() {
        if (park_.is_parked()) park_.give_up(wait_.wait());
    }

    bool await_ready() { return is_over_at_once(wait_); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> frame) {
        frame_ = frame.address();
        return park_.park(wait_, kind<Promise>, this, goes_on_by_default<Promise>);
    }
    decltype(auto) await_resume() {
        if (error_) std::rethrow_exception(error_);
        return wait_.take_result();
    }

private:
    template <class Promise>
    static void post(foreign_waiter& w) noexcept {
        post_ticket<Promise>(w, static_cast<foreign_awaiter*>(w.target())->frame_);
    }
    template <class Promise>
    static void go_on(void* awaiter) {
        auto& me = *static_cast<foreign_awaiter*>(awaiter);
        me.park_.finish(me.wait_.wait());
        try {
            if (!is_over(me.wait_) && me.park_.park(me.wait_, kind<Promise>, awaiter, goes_on_by_default<Promise>))
                return;
        } catch (...) {
            me.error_ = std::current_exception();
        }
        std::coroutine_handle<>::from_address(me.frame_).resume();
    }
    template <class Promise>
    static constexpr foreign_kind kind{&post<Promise>, &go_on<Promise>};

    decltype(foreign_wait_of(std::declval<A&>())) wait_;
    foreign_park park_;
    void* frame_ = nullptr;
    std::exception_ptr error_;
};

/// For coroutines of other libraries; the promise of a task has a way of its own.
template <task_awaitable A>
foreign_awaiter<std::remove_reference_t<A>> operator co_await(A && awaitable) {
    return foreign_awaiter<std::remove_reference_t<A>>{awaitable};
}

}  // namespace sluice::detail
