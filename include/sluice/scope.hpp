// SPDX-License-Identifier: BSL-1.0
// scope.hpp: how does a coroutine join what it has started on every way out, without blocking a thread?
//
// A destructor cannot suspend, so that of a group blocks its worker. A scope is a task that owns the group, awaits the
// body, and joins the group before it ends, whatever the body did.
#pragma once

#include "errgroup.hpp"
#include "task.hpp"

namespace sluice {

namespace detail {

template <class Group, class F>
using scope_result = typename task_result<std::invoke_result_t<std::decay_t<F>&, Group&>>::type;

template <class Group>
void end_early(Group& group, const std::exception_ptr& why) noexcept {
    if constexpr (requires { group.cancel(why); }) group.cancel(why);
    else group.cancel();
}

}  // namespace detail

/// Makes a group, awaits `f(group)`, joins the group, and gives what `f` gave.
///
/// If `f` throws, the group is cancelled first. The body of an `errgroup` runs under the group's context. All that the group started has ended when this returns or throws.
/// Throws: the first error of an `errgroup`, which is also why its body was cancelled; else what `f` throws; else what
///     the wait of the group throws.
/// Cancellation: passed on to the group's tasks; `canceled` comes after they have ended.
///
///     co_await sluice::scope([&](sluice::errgroup& all) -> sluice::task<> {
///         for (const auto& url : urls) co_await all.async_go(fetch, url);
///     });
template <class Group = errgroup, class F, class... Args>
    requires std::constructible_from<Group, Args...> &&
             detail::task_result<std::invoke_result_t<std::decay_t<F>&, Group&>>::is_task
[[nodiscard]] auto scope(F&& f, Args&&... for_group) {
    static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
    using result = detail::scope_result<Group, F>;
    // The parameters live in the coroutine's frame.
    return [](std::decay_t<F> body, std::decay_t<Args>... of_group) -> task<result> {
        Group group(std::move(of_group)...);
        detail::result_box<result> box;
        std::exception_ptr thrown;
        try {
            auto running = std::invoke(body, group);
            if constexpr (requires { group.get_context(); }) {
                const context inside = group.get_context();
                if constexpr (std::is_void_v<result>) co_await under(inside, std::move(running));
                else box.set_value(co_await under(inside, std::move(running)));
            } else {
                if constexpr (std::is_void_v<result>) co_await std::move(running);
                else box.set_value(co_await std::move(running));
            }
        } catch (...) {
            thrown = std::current_exception();
            detail::end_early(group, detail::is_canceled(thrown) ? nullptr : thrown);
        }
        std::exception_ptr failed;
        try {
            static_cast<void>(co_await group.async_wait());
        } catch (...) {
            failed = std::current_exception();
        }
        if (failed && (!thrown || detail::is_canceled(thrown))) std::rethrow_exception(failed);
        if (thrown) std::rethrow_exception(thrown);
        co_return box.take();
    }(std::forward<F>(f), std::forward<Args>(for_group)...);
}

}  // namespace sluice
