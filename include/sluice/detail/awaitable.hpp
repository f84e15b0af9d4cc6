// SPDX-License-Identifier: BSL-1.0
// awaitable.hpp: what can be awaited?
#pragma once

#include <concepts>
#include <type_traits>

namespace sluice::detail {

/// Base of everything that can be awaited. It has `for_task(task_state&)`, which gives the awaiter of a task of ours;
/// coroutines of other libraries await it by `operator co_await` (foreign_awaiter.hpp).
struct awaitable_tag {};

template <class A>
concept task_awaitable = std::derived_from<std::remove_cvref_t<A>, awaitable_tag>;

}  // namespace sluice::detail
