// SPDX-License-Identifier: BSL-1.0
// pipeline_flow.hpp: what passes between the stages of a pipeline?
//
// A pipeline is one nested object: each stage holds the next by value, the innermost is the sink. Values are pushed
// inwards, by the task that runs the segment in which the stage stands.
//
//   push(value, token)   hands one value on. `flow` at once if the whole way to the end of the segment is plain functions,
//                        `later` if it may have to wait. `done`: no more is wanted; what was pushed counts.
//   finish()             no more will come: stages give what they hold back. Called once, also after `done`; never after an
//                        exception or a cancellation, so that nobody takes a part for the whole.
//   flush()              hands on what the boundary at the end of the segment has gathered.
//   start(tasks)         starts the tasks of the segments behind, and gives the context of what stands before.
//
// F1  A plain push puts at most one value into a boundary; whoever pushes flushes before he waits for his next value.
// F2  Who has answered `done` ignores what is still pushed.
// F3  The context of a segment lies below that of the segment behind it: ending one ends all that stands before.
// F4  A token goes with each value and is dropped when what was made of the value has left the pipeline: that is the
//     place of one value under in_flight(n). Without in_flight it is an empty type.
#pragma once

#include <memory>
#include <optional>

#include "../errgroup.hpp"
#include "../runtime.hpp"
#include "../semaphore.hpp"
#include "../task.hpp"
#include "child_wait.hpp"
#include "portion.hpp"

namespace sluice::detail {

enum class flow : bool { done, more };

/// A flow that may have to be awaited.
class [[nodiscard]] later : public awaitable_tag {
public:
    later(flow known) noexcept : now_{known} {}
    later(task<flow> unknown) noexcept : rest_{std::move(unknown)} {}

    auto for_task(task_state& self) { return awaiter{*this, self}; }

private:
    class awaiter {
    public:
        awaiter(later& of, task_state& self) : now_{of.now_} {
            if (of.rest_) rest_.emplace(std::move(of.rest_), self);
        }
        bool await_ready() const noexcept { return !rest_ || rest_->await_ready(); }
        void await_suspend(std::coroutine_handle<> frame) noexcept { rest_->await_suspend(frame); }
        flow await_resume() { return rest_ ? rest_->await_resume() : now_; }

    private:
        std::optional<child_wait<flow>> rest_;
        flow now_;
    };

    task<flow> rest_;
    flow now_ = flow::more;
};

/// Of a stage that `Next` follows: what its push gives if its own work is plain or not.
template <bool IsPlain, class Next>
inline constexpr bool pushes_plainly = IsPlain && Next::is_plain;
template <bool IsPlain>
using pushed = std::conditional_t<IsPlain, flow, later>;

/// The tasks of a pipeline, all but the one that awaits it.
class segments {
public:
    /// Precondition: once, before all else.
    void begin(errgroup& group) noexcept { group_ = &group; }
    context whole() { return group_->get_context(); }

    template <class Body>
    void go(context inside, Body body) {
        group_->go([this, in = std::move(inside), b = std::move(body)]() mutable { return run(in, std::move(b)); });
    }
    /// Runs a segment under `inside`, whose end by the pipeline itself (F3) is a normal end. A segment that is cancelled
    /// alone, which only a simulation does, tears the whole.
    template <class Body>
    task<> run(context inside, Body body) {
        try {
            co_await under(inside, body());
        } catch (const canceled&) {
            if (whole().done()) throw;
            if (inside.done()) co_return;
            was_torn_.store(true, std::memory_order_relaxed);  // relaxed: read after the join
            group_->cancel();
            throw;
        }
    }
    /// After the join: whether it ended without a result or an error.
    bool was_torn() const noexcept { return was_torn_.load(std::memory_order_relaxed); }

private:
    errgroup* group_ = nullptr;
    std::atomic<bool> was_torn_{false};
};

struct no_token {};
using token = std::shared_ptr<const void>;

/// The token of what is made of several values.
inline no_token merged(const std::vector<no_token>&) noexcept { return {}; }
inline token merged(std::vector<token> of) { return std::make_shared<std::vector<token>>(std::move(of)); }

/// Who may enter: anybody, or as many as in_flight(n) says.
class open_door {
public:
    using token_type = no_token;
    static constexpr bool is_open = true;
    explicit open_door(std::size_t) noexcept {}
    static constexpr std::size_t width() noexcept { return static_cast<std::size_t>(-1); }
};
class counted_door {
public:
    using token_type = token;
    static constexpr bool is_open = false;
    explicit counted_door(std::size_t n) : permits_{n}, width_{n} {}
    SLUICE_ONLY_IF_USED
    task<token> enter() { co_return std::make_shared<permit>(co_await permits_.async_hold()); }
    std::size_t width() const noexcept { return width_; }

private:
    semaphore permits_;
    const std::size_t width_;
};

/// A value on its way through a channel.
template <class T, class Token>
struct carried {
    // No aggregate: g++ 12 destroys those twice in coroutines.
    carried(T v, Token m) : value(std::move(v)), mark(std::move(m)) {}
    T value;
    [[no_unique_address]] Token mark;
};

}  // namespace sluice::detail
