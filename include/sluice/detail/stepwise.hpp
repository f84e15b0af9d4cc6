// SPDX-License-Identifier: BSL-1.0
// stepwise.hpp: how does one await, or block for, an operation that may have to wait several times?
//
// A *stepwise operation* is an operation (await.hpp) with two members more, both called without its guard:
//     bool go_on()        after a step, and before the first: makes the next step ready; false: it is over. May throw
//     bool must_wait()    the last try_commit did a step and then saw that the next one must wait
// A step that takes effect stays in effect, whatever ends the operation: result() tells how far it came.
//
// Y1  One co_await has one suspension, so a task takes its later steps in its wake hook: between a wake and the
//     resumption of its frame, which goes on when all steps are done. (Coroutines of others: foreign_awaiter.hpp.)
// Y2  The hook is set before the publish and cleared by the wake (as in join.hpp, J1).
// Y3  Steps that need not wait count against the task's budget; when it is used up the task yields between two steps.
#pragma once

#include "await.hpp"

namespace sluice::detail {

template <class Steps>
class stepwise_awaiter final : public wake_hook {
public:
    stepwise_awaiter(Steps& s, task_state& self) noexcept : steps_{s}, self_{self} {}

    bool await_ready() {
        state_ = steps_.begin() ? take_steps() : progress::over;
        return state_ == progress::over && !is_used_up();
    }
    bool await_suspend(std::coroutine_handle<> frame) {
        self_.suspend_at(goes_on_ = frame);
        if (state_ == progress::over) {
            steps_.wait().note_for(self_);
            self_.loop->yielded = &self_;
            return true;
        }
        ensure_registered(self_);
        return suspend();
    }
    decltype(auto) await_resume() {
        if (error_) std::rethrow_exception(error_);
        if (steps_.wait().fired() == multi_wait::canceled_position) self_.throw_canceled();
        return steps_.take_result();
    }

    bool on_wake(task_state&) override {
        self_.suspend_at(goes_on_);
        if (std::exchange(armed_, false)) {
            steps_.wait().finish();
            state_ = after_step();
        } else {
            state_ = take_steps();
        }
        return !suspend();
    }

private:
    enum class progress : std::uint8_t { over, waits, yields };

    bool is_used_up() noexcept { return --self_.loop->budget == 0; }

    progress take_steps() noexcept {
        if (!steps_.wait().try_now(&self_)) return progress::waits;
        return after_step();
    }
    // What the step that has ended leads to.
    progress after_step() noexcept {
        for (;;) {
            try {
                if (!steps_.go_on()) return progress::over;
            } catch (...) {
                error_ = std::current_exception();
                return progress::over;
            }
            if (steps_.must_wait()) return progress::waits;
            if (is_used_up()) return progress::yields;  // Y3
            if (!steps_.wait().try_now(&self_)) return progress::waits;
        }
    }
    // True: suspended, and nothing of the frame is touched any more. False: it is over.
    bool suspend() noexcept {
        while (state_ == progress::waits) {
            self_.suspend_at(*this);  // Y2
            armed_ = true;
            if (steps_.wait().arm(self_, &self_, false)) return true;
            armed_ = false;
            self_.suspend_at(goes_on_);
            state_ = after_step();
        }
        if (state_ == progress::over) return false;
        steps_.wait().note_for(self_);
        self_.suspend_at(*this);
        self_.loop->yielded = &self_;
        return true;
    }

    Steps& steps_;
    task_state& self_;
    std::coroutine_handle<> goes_on_;
    std::exception_ptr error_;
    progress state_ = progress::over;
    bool armed_ = false;
};

/// A stepwise operation, perhaps with a named context and a deadline, which end it by value.
template <class Op>
class stepwise : public awaitable_tag {
public:
    using result_type = decltype(std::declval<Op&>().result());

    stepwise(Op op, context_node* named, time_point deadline) : op_{std::move(op)}, watch_{named, 1, {}} {
        context_tree::retain(named);
        wait_.set_deadline(deadline, no_position);
        wait_.set_note(op_.kind(), op_.object(), op_.where);
    }
    // Moved only before it begins.
    stepwise(stepwise&& other) : stepwise{std::move(other.op_), other.watch_.context, other.wait_.deadline()} {}
    stepwise& operator=(stepwise&&) = delete;
    ~stepwise() { context_tree::release(watch_.context); }

    /// The same operation, ended by `deadline` as well. This one is not used any more.
    stepwise limited_to(time_point deadline) && {
        return {std::move(op_), watch_.context, std::min(deadline, wait_.deadline())};
    }

    /// Blocks the thread.
    result_type block() {
        if (begin()) {
            do block_on(wait_);
            while (go_on());
        }
        return take_result();
    }
    auto for_task(task_state& self) noexcept {
        static_assert(Op::fits_a_frame,
                      "a coroutine's frame may not honour this alignment: send a pointer, or use the blocking form");
        return stepwise_awaiter<stepwise>{*this, self};
    }

    stepwise& for_foreign() noexcept {
        static_assert(Op::fits_a_frame,
                      "a coroutine's frame may not honour this alignment: send a pointer, or use the blocking form");
        return *this;
    }

    // For the awaiters.
    multi_wait& wait() noexcept { return wait_; }
    /// Before the first step. False: there is none, and nothing to wait for.
    bool begin() { return op_.go_on() || op_.guard(); }
    /// After a step, or whatever else ended the wait. False: it is over.
    bool go_on() {
        if (wait_.fired() != 0 || !op_.go_on()) return false;
        // Something ready beats an expired deadline, but not for ever.
        return wait_.deadline() == no_deadline || now() < wait_.deadline();
    }
    bool must_wait() const noexcept { return op_.must_wait(); }
    result_type take_result() { return op_.result(); }

private:
    Op op_;
    wait_case case_ = entry_of(op_, 0);
    wait_watch watch_;
    any_lock guard_;
    multi_wait wait_{{&case_, 1}, {&watch_, 1}, {&guard_, 1}};
};

}  // namespace sluice::detail
