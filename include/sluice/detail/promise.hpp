// SPDX-License-Identifier: BSL-1.0
// promise.hpp: what is a task's coroutine made of?
//
// A coroutine of ours belongs to the task that runs it (`self`) and, when awaited, to the coroutine that goes on after
// it (`continuation`). Neither a child's start nor its end resumes anything by itself: both leave the next frame in
// the loop's hand (task_state.hpp, running), so any depth and any number of awaits runs on one flat stack.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <utility>

#include "await.hpp"
#include "call_site.hpp"
#include "expect.hpp"
#include "foreign_awaitable.hpp"

namespace sluice {

template <class T>
class task;

namespace detail {

/// One that does not know where it is awaited until it is.
template <class A>
concept placed_awaitable = task_awaitable<A> && requires(A&& a, task_state& self, place at) { a.for_task(self, at); };

/// A value, an exception or nothing yet.
template <class T>
class result_box {
public:
    using stored = std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<T>, T>;

    result_box() noexcept {}
    result_box(const result_box&) = delete;
    result_box& operator=(const result_box&) = delete;
    ~result_box() {
        if (state_ == state::value) std::destroy_at(std::addressof(value_));
        else if (state_ == state::error) std::destroy_at(std::addressof(error_));
    }

    template <class U>
    void set_value(U&& v) {
        if constexpr (std::is_reference_v<T>) std::construct_at(std::addressof(value_), std::addressof(v));
        else std::construct_at(std::addressof(value_), std::forward<U>(v));
        state_ = state::value;
    }
    void set_error(std::exception_ptr e) noexcept {
        std::construct_at(std::addressof(error_), std::move(e));
        state_ = state::error;
    }
    /// The value, or throws the exception. Precondition: there is one of them.
    T take() {
        if (state_ == state::error) std::rethrow_exception(error_);
        if constexpr (std::is_reference_v<T>) return static_cast<T>(*value_);
        else return std::move(value_);
    }
    std::exception_ptr error() const noexcept { return state_ == state::error ? error_ : nullptr; }
    /// Takes over what `other` has; a move that throws becomes the exception.
    void adopt(result_box& other) noexcept {
        if (other.state_ == state::error) return set_error(std::move(other.error_));
        if (other.state_ != state::value) return;
        try {
            std::construct_at(std::addressof(value_), std::move(other.value_));
            state_ = state::value;
        } catch (...) {
            set_error(std::current_exception());
        }
    }

private:
    enum class state : std::uint8_t { nothing, value, error };
    union {
        stored value_;
        std::exception_ptr error_;
    };
    state state_ = state::nothing;
};

template <>
class result_box<void> {
public:
    void set_value() noexcept {}
    void set_error(std::exception_ptr e) noexcept { error_ = std::move(e); }
    void take() const {
        if (error_) std::rethrow_exception(error_);
    }
    std::exception_ptr error() const noexcept { return error_; }
    void adopt(result_box& other) noexcept { error_ = std::move(other.error_); }

private:
    std::exception_ptr error_;
};

template <class T>
class task_promise;
template <class F, class R, class... Args>
class started_task;

/// Awaits a child: the loop goes on with it, and after its end with us.
template <class T>
class child_awaiter {
public:
    child_awaiter(std::coroutine_handle<task_promise<T>> child, task_state& self) noexcept
        : child_{child}, self_{self} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> parent) noexcept {
        auto& p = child_.promise();
        p.self = &self_;
        p.continuation = parent;
        self_.loop->next = child_;
    }
    T await_resume() { return child_.promise().result.take(); }

private:
    std::coroutine_handle<task_promise<T>> child_;
    task_state& self_;
};

class promise_base : public pooled_frame {
public:
    class final_awaiter {
    public:
        final_awaiter() noexcept {}
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> h) const noexcept {
            promise_base& p = h.promise();
            running& loop = *p.self->loop;
            if (p.continuation) {
                loop.next = p.continuation;
            } else {
                // The task destroys the frame, not the frame itself.
                p.self->suspend_at(h);
                loop.ended = p.self;
            }
        }
        void await_resume() const noexcept {}
    };

    /// Refuses a frame that g++ 12 has laid out wrongly: in a body without variables in its outermost block, an await in
    /// a condition gets a place before the promise, and nobody can resume or destroy the frame (GCC bug 106188).
    class initial_awaiter {
    public:
        initial_awaiter() noexcept {}
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> h) const noexcept {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
            if (!h.promise().is_here()) [[unlikely]]
                refuse(h.address());
#else
            static_cast<void>(h);
#endif
        }
        void await_resume() const noexcept {}

    private:
        // The promise is somewhere between the frame's address and where it was looked for, or behind.
        [[noreturn]] SLUICE_NOINLINE static void refuse(void* frame) noexcept {
            auto* at = static_cast<const promise_base*>(frame);
            while (!at->is_here()) at = reinterpret_cast<const promise_base*>(reinterpret_cast<void* const*>(at) + 1);
            SLUICE_EXPECT_AT(
                false,
                "g++ 12 miscompiles this coroutine, which awaits in a condition and has no variable in its "
                "outermost block: declare one at its top, or write `while (auto v = co_await ...)`",
                at->stands_at);
        }
    };

    promise_base() noexcept : own_address{this} {}
    initial_awaiter initial_suspend() noexcept { return {}; }
    final_awaiter final_suspend() noexcept { return {}; }

    template <task_awaitable A>
        requires(!placed_awaitable<A>)
    auto await_transform(A&& awaitable) {
        return std::forward<A>(awaitable).for_task(*self);
    }
    template <placed_awaitable A>
    auto await_transform(A&& awaitable, call_site at = called_here()) {
        return awaitable.for_task(*self, place_of(at));
    }
    template <class T>
    child_awaiter<T> await_transform(task<T>&& child) noexcept;
    template <class T>
    child_awaiter<T> await_transform(task<T>& child) noexcept = delete;  // a task is awaited once: std::move it
    template <foreign_awaitable A>
    auto await_transform(A&& awaitable, call_site at = called_here()) {
        return foreign_awaitable_awaiter<A>{std::forward<A>(awaitable), *self, place_of(at)};
    }

    /// Makes this the root frame of `t`.
    void become_root_of(task_state& t) noexcept {
        if (t.started_at.load(std::memory_order_relaxed).line() == 0)
            t.started_at.store(stands_at, std::memory_order_relaxed);
        self = &t;
        continuation = nullptr;
    }

    // Before it is started | afterwards.
    union {
        const promise_base* own_address;
        task_state* self;
    };
    union {
        place stands_at;                       // for the reports of a task whose start has no place
        std::coroutine_handle<> continuation;  // null: the root frame of a task
    };

private:
    bool is_here() const noexcept { return own_address == this; }
};

/// The awaiter of a task for anything it can await. A function, since only a promise knows.
template <class A>
auto awaiter_in(task_state& self, A&& awaitable, place at = place::current()) {
    promise_base p;
    p.self = &self;
    if constexpr (requires { p.await_transform(std::forward<A>(awaitable), at); })
        return p.await_transform(std::forward<A>(awaitable), at);
    else return p.await_transform(std::forward<A>(awaitable));
}

template <class T>
class task_promise : public promise_base {
public:
    // Not at its initial suspension, for there the place would be copied into the frame.
    task<T> get_return_object(place here = place::current()) noexcept;
    void unhandled_exception() noexcept { result.set_error(std::current_exception()); }
    template <class U = T>
        requires std::is_convertible_v<U&&, T> || std::is_constructible_v<T, U&&>
    void return_value(U&& value) {
        result.set_value(std::forward<U>(value));
    }
    result_box<T> result;
};

template <>
class task_promise<void> : public promise_base {
public:
    task<void> get_return_object(place here = place::current()) noexcept;
    void unhandled_exception() noexcept { result.set_error(std::current_exception()); }
    void return_void() noexcept {}
    result_box<void> result;
};

}  // namespace detail
}  // namespace sluice
