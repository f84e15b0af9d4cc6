// SPDX-License-Identifier: BSL-1.0
// task.hpp: what is a coroutine that somebody will await?
#pragma once

#include "detail/promise.hpp"

namespace sluice {

/// A lazy coroutine with a result of type `T`, which may be `void` or a reference.
///
/// Nothing of it runs until it is awaited (`co_await load(x)`), started (`go(load, x)`) or run (`run(load(x))`).
/// An awaited task runs in the task that awaits it: no queue, no switch, no stack however deep. It is awaited once.
/// Its frame, and with it its parameters, live until the `task` object is destroyed.
/// Exceptions: what its body throws, the await throws.
/// Thread safety: none; a task object has one owner.
///
///     sluice::task<int> answer() { co_return 42; }
///     sluice::task<> ask() { std::printf("%d\n", co_await answer()); }
template <class T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task() noexcept = default;
    task(task&& other) noexcept : frame_{std::exchange(other.frame_, nullptr)} {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            destroy();
            frame_ = std::exchange(other.frame_, nullptr);
        }
        return *this;
    }
    ~task() { destroy(); }

    /// False: default-constructed or moved from.
    explicit operator bool() const noexcept { return static_cast<bool>(frame_); }

private:
    friend promise_type;
    friend class detail::promise_base;
    template <class F, class R, class... Args>
    friend class detail::started_task;

    explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_{frame} {}
    void destroy() noexcept {
        if (frame_) std::exchange(frame_, nullptr).destroy();
    }

    std::coroutine_handle<promise_type> frame_;
};

namespace detail {

template <class T>
struct task_result {
    static constexpr bool is_task = false;
    using type = T;
};
template <class T>
struct task_result<task<T>> {
    static constexpr bool is_task = true;
    using type = T;
};

/// Can be awaited in a task.
template <class A>
concept awaitable_in_task = task_awaitable<A> || foreign_awaitable<A> ||
                            (task_result<std::remove_cvref_t<A>>::is_task && !std::is_lvalue_reference_v<A>);

template <class T>
task<T> task_promise<T>::get_return_object(place here) noexcept {
    std::construct_at(&this->stands_at, here);
    return task<T>{std::coroutine_handle<task_promise<T>>::from_promise(*this)};
}
inline task<void> task_promise<void>::get_return_object(place here) noexcept {
    std::construct_at(&stands_at, here);
    return task<void>{std::coroutine_handle<task_promise<void>>::from_promise(*this)};
}
template <class T>
child_awaiter<T> promise_base::await_transform(task<T>&& child) noexcept {
    return child_awaiter<T>{child.frame_, *self};
}

}  // namespace detail
}  // namespace sluice
