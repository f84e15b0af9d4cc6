// SPDX-License-Identifier: BSL-1.0
// start.hpp: what does go() make, and what does a join handle hold?
//
// The callable and its arguments are copied or moved into the task's block before anything runs, and the coroutine is
// made from there at the first dispatch: captures live as long as the task, and a task that waits to be run has no
// frame yet. At the end the result moves into the block and the frame, the callable and the arguments go at once,
// even if a handle lives on: a sender held by an ended task does not keep its channel open.
#pragma once

#include <functional>
#include <memory>
#include <tuple>

#include "../task.hpp"

namespace sluice::detail {

/// A task with a result: what join handles refer to.
template <class R>
class result_state : public task_state {
public:
    using task_state::task_state;

    std::exception_ptr unclaimed_error() const noexcept override {
        // relaxed: asked by the last owner.
        return this->observed_.load(std::memory_order_relaxed) ? nullptr : result().error();
    }
    /// Precondition: has_ended(). To be called once.
    R take() {
        this->observed_.store(true, std::memory_order_relaxed);
        return result().take();
    }
    /// Nobody will ask for the result, and that is all right.
    void disclaim() noexcept { this->observed_.store(true, std::memory_order_relaxed); }

protected:
    virtual const result_box<R>& result() const noexcept = 0;
    result_box<R>& result() noexcept { return const_cast<result_box<R>&>(std::as_const(*this).result()); }
};

// The callable and its arguments make room for the result.
template <class F, class R, class... Args>
class started_task final : public result_state<R> {
public:
    template <class G, class... As>
    started_task(home& in, bool counts_home, place at, G&& f, As&&... args)
        : result_state<R>{in, counts_home, at}, call_{std::forward<G>(f), std::forward<As>(args)...} {
        this->has_call_ = true;
    }
    ~started_task() override {
        if (this->has_call_) std::destroy_at(std::addressof(call_));
        else std::destroy_at(std::addressof(result_));
    }

    bool start() override {
        if (!this->must_begin && this->must_stop()) {
            this->never_began_ = true;  // it never ran; its callable and arguments go in finish()
            return false;
        }
        result_box<R> got;
        try {
            // The callable stays where it is, as an lvalue: a coroutine lambda's captures are its members.
            if constexpr (task_result<result_of_call>::is_task) {
                auto coroutine =
                    std::apply([](F& f, Args&... args) { return std::invoke(f, std::move(args)...); }, call_);
                const auto root = std::exchange(coroutine.frame_, nullptr);
                if (!root) throw std::logic_error{"sluice: the callable returned an empty task"};
                root.promise().become_root_of(*this);
                this->loop->next = root;
                return true;
            } else if constexpr (std::is_void_v<R>) {
                std::apply([](F& f, Args&... args) { std::invoke(f, std::move(args)...); }, call_);
                got.set_value();
            } else {
                got.set_value(
                    std::apply([](F& f, Args&... args) -> R { return std::invoke(f, std::move(args)...); }, call_));
            }
        } catch (...) {
            got.set_error(std::current_exception());
        }
        const shield quiet{this};  // as in end_task()
        replace_call_by(got);
        return false;
    }

    std::exception_ptr finish() noexcept override {
        if (!this->has_call_) return result_.error();
        result_box<R> got;
        if (this->never_began_) got.set_error(this->cancellation());
        if constexpr (task_result<result_of_call>::is_task) {
            // The root frame has left itself here at its end (promise.hpp).
            if (void* const root = this->frame().address()) {
                const auto frame = std::coroutine_handle<task_promise<R>>::from_address(root);
                this->suspend_at(nullptr);
                got.adopt(frame.promise().result);
                frame.destroy();
            }
        }
        replace_call_by(got);
        return result_.error();
    }

private:
    using result_of_call = std::invoke_result_t<F&, Args...>;
    const result_box<R>& result() const noexcept override { return result_; }
    void replace_call_by(result_box<R>& got) noexcept {
        std::destroy_at(std::addressof(call_));
        this->has_call_ = false;
        std::construct_at(std::addressof(result_))->adopt(got);
    }

    union {
        std::tuple<F, Args...> call_;  // while has_call_
        result_box<R> result_;
    };
};

template <class F, class... Args>
using call_result = typename task_result<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>...>>::type;

template <class F, class... Args>
inline constexpr bool returns_task =
    task_result<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>...>>::is_task;

/// Makes the block of a task in `in` and gives it to its runtime. Returns it with one reference for the caller if
/// `with_handle`. Adopts one reference of `in` if `counts_home`.
template <class F, class... Args>
result_state<call_result<F, Args...>>* start_task(home& in, bool counts_home, group_link* group, bool with_handle,
                                                  place started, F&& f, Args&&... args) {
    using state = started_task<std::decay_t<F>, call_result<F, Args...>, std::decay_t<Args>...>;
    state* t = nullptr;
    try {
        t = new state{in, counts_home, started, std::forward<F>(f), std::forward<Args>(args)...};
    } catch (...) {
        if (counts_home) context_tree::release_home(in);
        throw;
    }
    t->group = group;
    t->is_at_home_of_group = group && !counts_home;
    if (with_handle) t->retain_first();
    runtime_core& rt = *in.runtime;
    if constexpr (returns_task<F, Args...>) {
        rt.spawn(*t);
    } else {
        try {
            rt.spawn_callable(*t);
        } catch (...) {
            t->leave_home();
            if (with_handle) t->release();
            t->release();
            throw;
        }
    }
    return t;
}

}  // namespace sluice::detail
