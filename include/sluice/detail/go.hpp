// SPDX-License-Identifier: BSL-1.0
// go.hpp: where does a started task belong, and what are the awaitables of the runtime?
#pragma once

#include "awaited_temporaries.hpp"
#include "join.hpp"
#include "monitor.hpp"
#include "report.hpp"

namespace sluice {

template <class R>
class join_handle;

namespace detail {

/// A home for a new task; `counted`: with a reference for it.
struct home_choice {
    home* in;
    bool counted;
};

/// Where the running task or callable lives; outside of any, the process's runtime.
home_choice home_here();

/// The runtime of the running task or callable; outside of any, the process's.
runtime_core& runtime_here();

/// A home below `node` (null: the background) in the runtime of the running task, or in the process's.
home_choice home_under(context_node* node);

/// Where a task started by `t` lives: in the home that `t` itself was started in, or under the context that it has
/// entered since. A context that `t` has made for itself is not handed on by `go`; whoever wants that passes it.
inline home_choice share_home_of(task_state& t) {
    home& h = t.where();
    if (h.context && h.context->is_of_one_task) {
        context_node* shared = h.context->parent;
        while (shared && shared->is_of_one_task) shared = shared->parent;
        return {shared ? &context_tree::home_in(*shared, *h.runtime) : &h.runtime->make_home(nullptr), true};
    }
    if (h.is_root) return {&h, false};
    // relaxed: made from a reference that the caller's task holds.
    h.references.fetch_add(1, std::memory_order_relaxed);
    return {&h, true};
}

template <class F, class... Args>
concept startable = requires { typename std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>...>; };

/// Makes handles elsewhere than here.
struct handle_access {
    /// Adopts the reference that was made for it.
    template <class R>
    static join_handle<R> adopt(result_state<R>* t) noexcept {
        return join_handle<R>{t};
    }
};

template <class F, class... Args>
auto go_here(home_choice where, place at, F&& f, Args&&... args) {
    using result = call_result<F, Args...>;
    return join_handle<result>{
        start_task(*where.in, where.counted, nullptr, true, at, std::forward<F>(f), std::forward<Args>(args)...)};
}

template <class R, class F, class... Args>
R run_main(runtime_options options, F&& f, Args&&... args) {
    runtime_core core{std::move(options), true};
    auto main = go_here({&core.root(), false}, {}, std::forward<F>(f), std::forward<Args>(args)...);
    const runtime_core::main_run waits{core, *main.state_};
    struct closer {
        runtime_core& core;
        ~closer() { core.close(); }
    };
    const auto rethrow_failure = [&] {
        if (const auto failure = core.failure()) std::rethrow_exception(failure);
    };
    try {
        if constexpr (std::is_void_v<R>) {
            {
                const closer at_end{core};
                main.get();
            }
            rethrow_failure();
        } else {
            struct keep {
                R value;
            };
            auto result = [&] {
                const closer at_end{core};
                return keep{main.get()};
            }();
            rethrow_failure();
            return static_cast<R&&>(result.value);
        }
    } catch (const canceled&) {
        rethrow_failure();
        throw;
    }
}

/// In a runtime that goes on afterwards.
template <class R, class F, class... Args>
R run_main_in(runtime_core& core, F&& f, Args&&... args) {
    auto main = go_here({&core.root(), false}, {}, std::forward<F>(f), std::forward<Args>(args)...);
    const runtime_core::main_run waits{core, *main.state_};
    try {
        if constexpr (std::is_void_v<R>) {
            main.get();
            waits.rethrow_deadlock();
        } else {
            struct keep {
                R value;
            };
            keep result{main.get()};
            waits.rethrow_deadlock();
            return static_cast<R&&>(result.value);
        }
    } catch (const canceled&) {
        waits.rethrow_deadlock();
        throw;
    }
}

/// `co_await yield()`.
class yield_operation : public awaitable_tag {
public:
    yield_operation() noexcept {}
    class awaiter {
    public:
        explicit awaiter(task_state& self) noexcept : self_{self} {}
        bool await_ready() const { return self_.must_stop(); }
        void await_suspend(std::coroutine_handle<> frame) noexcept {
            self_.suspend_at(frame);
            self_.loop->yielded = &self_;
        }
        void await_resume() const {
            if (self_.must_stop()) self_.throw_canceled();
        }

    private:
        task_state& self_;
    };
    awaiter for_task(task_state& self) const noexcept { return awaiter{self}; }
};

/// A callable that has its block but has not been started.
template <class R>
class blocking_operation : public awaitable_tag {
public:
    explicit blocking_operation(result_state<R>* made) noexcept : made_{made} {}
    blocking_operation(blocking_operation&& other) noexcept : made_{std::exchange(other.made_, nullptr)} {}
    ~blocking_operation() {
        if (!made_) return;
        if (!running_) {  // never awaited: the callable goes with it
            static_cast<void>(made_->finish());
            made_->leave_home();
        }
        made_->release();
    }

    class awaiter {
    public:
        awaiter(result_state<R>& made, task_state& self) noexcept : op_{made, place{}}, join_{op_, self} {}
        bool await_ready() noexcept { return join_.await_ready(); }
        bool await_suspend(std::coroutine_handle<> frame) { return join_.await_suspend(frame); }
        R await_resume() { return join_.await_resume(); }

    private:
        join_operation<R> op_;
        join_awaiter<join_operation<R>> join_;
    };

    awaiter for_task(task_state& self) {
        if (self.is_shielded()) made_->begin_shielded();          // it may live in a context that has ended
        else if (self.must_stop()) made_->mark_stop_requested();  // a stop before the call: it will not begin
        start();
        return awaiter{*made_, self};
    }
    auto for_foreign() {
        start();
        return lone_wait<join_operation<R>>{join_operation<R>{*made_, place{}}};
    }

private:
    void start() {
        made_->retain();
        try {
            made_->where().runtime->spawn_callable(*made_);
        } catch (...) {
            made_->release();
            throw;
        }
        running_ = true;
    }

    result_state<R>* made_;
    bool running_ = false;
};

template <class F, class... Args>
result_state<call_result<F, Args...>>* make_blocking(F&& f, Args&&... args) {
    using state = started_task<std::decay_t<F>, call_result<F, Args...>, std::decay_t<Args>...>;
    const home_choice where = home_here();
    return new state{*where.in, where.counted, place{}, std::forward<F>(f), std::forward<Args>(args)...};
}

/// Awaits `A` with the shield up. Lvalues are referred to, rvalues live in the awaited expression.
template <class A>
class shielded_awaitable : public awaitable_tag {
public:
    explicit shielded_awaitable(A&& a) noexcept : awaitable_{std::forward<A>(a)} {}

    auto for_task(task_state& self, place at = place::current()) {
        // The shield is up before the inner awaiter is made, since some look at the context already there.
        struct awaiter {
            awaiter(A&& a, task_state& t, place p) : up{&t}, inner{awaiter_in(t, std::forward<A>(a), p)} {}
            bool await_ready() { return inner.await_ready(); }
            auto await_suspend(std::coroutine_handle<> h) { return inner.await_suspend(h); }
            decltype(auto) await_resume() { return inner.await_resume(); }
            shield up;
            decltype(awaiter_in(std::declval<task_state&>(), std::declval<A>())) inner;
        };
        return awaiter{std::forward<A>(awaitable_), self, at};
    }
    decltype(auto) for_foreign()
        requires task_awaitable<A>
    {
        return foreign_wait_of(awaitable_);  // there is nothing to shield it from
    }

private:
    A&& awaitable_;
};

}  // namespace detail
}  // namespace sluice
