// SPDX-License-Identifier: BSL-1.0
// timed_scope.hpp: how does a task limit the time of something that has no outcome "timed out" of its own?
//
// It awaits it under a context of its own with a deadline (context_scope.hpp). What was started and is joined meanwhile
// gets the end passed on and is joined first, as at any end of the surrounding context.
// Z1  The context is below the surrounding one; under a shield it has the values alone, for what is shielded may still be
//     limited.
// Z2  Timed out means: it ended with `canceled`, the deadline has passed, and nothing that surrounds it has ended. A
//     result that came all the same is the result.
#pragma once

#include "../context.hpp"
#include "../status.hpp"
#include "context_scope.hpp"

namespace sluice::detail {

/// A context for `t` alone that ends at `deadline`.
inline context_source limit_of(const task_state& t, time_point deadline) {
    context_node* const around = t.where().context;
    auto made = std::make_unique<context_node>(around);
    made->is_of_one_task = true;
    made->deadline = deadline;
    if (t.is_shielded()) {
        context_tree::retain(around);  // Z1
    } else {
        context_tree::attach(*made);
    }
    context_node& node = *made.release();
    context_source limit = context_access::source(context_access::adopt(&node));
    start_deadline(node, deadline);
    return limit;
}

template <class R>
struct timed_result {
    static_assert(!std::is_reference_v<R>, "what times out gives a value, or a pointer to one");
    using type = received<R>;
};
template <>
struct timed_result<void> {
    using type = status;
};

/// Awaits `A` until `deadline`. Lvalues are referred to.
template <class A>
class timed_awaitable : public awaitable_tag {
    using inner_awaiter = decltype(awaiter_in(std::declval<task_state&>(), std::declval<A>()));
    using inner_result = decltype(std::declval<inner_awaiter&>().await_resume());
    using result = typename timed_result<inner_result>::type;

public:
    timed_awaitable(A&& a, time_point deadline) : awaitable_(std::forward<A>(a)), deadline_{deadline} {}

    auto for_task(task_state& self) {
        // Made before the inner awaiter, since some look at the context already there.
        struct awaiter {
            awaiter(timed_awaitable& op, task_state& t)
                : limit{limit_of(t, op.deadline_)},
                  scope{t, context_access::node(limit), true},
                  inner{awaiter_in(t, std::forward<A>(op.awaitable_))},
                  self{t} {}
            bool await_ready() { return inner.await_ready(); }
            auto await_suspend(std::coroutine_handle<> h) { return inner.await_suspend(h); }
            result await_resume() {
                struct at_end {
                    context_scope& what;
                    ~at_end() { what.leave(); }
                };
                const at_end leaving{scope};
                try {
                    if constexpr (std::is_void_v<inner_result>) {
                        inner.await_resume();
                        return status::ok;
                    } else {
                        return result{std::in_place, inner.await_resume()};
                    }
                } catch (const canceled&) {
                    scope.leave();
                    if (self.must_stop()) self.throw_canceled();
                    if (limit.get().error() != context_error::deadline_exceeded) throw;
                }
                return result{status::timed_out};  // Z2
            }
            context_source limit;
            context_scope scope;
            inner_awaiter inner;
            task_state& self;
        };
        return awaiter{*this, self};
    }

private:
    A awaitable_;
    const time_point deadline_;
};

}  // namespace sluice::detail
