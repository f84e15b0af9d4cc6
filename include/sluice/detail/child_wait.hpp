// SPDX-License-Identifier: BSL-1.0
// child_wait.hpp: how does a task await what takes several waits, one after the other?
//
// As a coroutine of its own, which the task awaits as a child. It is made when it is awaited and not before.
#pragma once

#include "../task.hpp"

namespace sluice::detail {

template <class T>
class child_wait {
public:
    child_wait(task<T> child, task_state& self)
        : child_{std::move(child)}, inner_{transformed(std::move(child_), self)} {}
    child_wait(const child_wait&) = delete;
    child_wait& operator=(const child_wait&) = delete;

    bool await_ready() const noexcept { return inner_.await_ready(); }
    void await_suspend(std::coroutine_handle<> frame) noexcept { inner_.await_suspend(frame); }
    T await_resume() { return inner_.await_resume(); }

private:
    static child_awaiter<T> transformed(task<T>&& child, task_state& self) noexcept {
        promise_base p;
        p.self = &self;
        return p.await_transform(std::move(child));
    }

    task<T> child_;
    child_awaiter<T> inner_;
};

}  // namespace sluice::detail
