// SPDX-License-Identifier: BSL-1.0
// shutdown_phase.hpp: how does a shutdown keep and call the functions of its phases, whatever they are?
#pragma once

#include <functional>
#include <utility>

#include "../context.hpp"
#include "../task.hpp"
#include "stage_call.hpp"

namespace sluice::detail {

/// A phase's function, to be called once.
class phase_base {
public:
    virtual ~phase_base() = default;
    virtual task<> run(context limit) = 0;
};

/// `blocking(f)` of an `f` without arguments: has its block already, and is awaited as it is.
template <class F>
inline constexpr bool is_ready_call = false;
template <class R>
inline constexpr bool is_ready_call<blocking_operation<R>> = true;

template <class F>
concept phase_callable = is_ready_call<F> || stage_callable<F> || stage_callable<F, context>;

template <class F>
class phase_of final : public phase_base {
public:
    explicit phase_of(F f) : f_(std::move(f)) {}
    task<> run(context limit) override {
        if constexpr (is_ready_call<F>) static_cast<void>(co_await f_);
        else if constexpr (is_plain_call<F>) static_cast<void>(std::invoke(f_));
        else if constexpr (stage_callable<F>) static_cast<void>(co_await call_of(f_));
        else if constexpr (is_plain_call<F, context>) static_cast<void>(std::invoke(f_, std::move(limit)));
        else static_cast<void>(co_await call_of(f_, std::move(limit)));
        co_return;
    }

private:
    F f_;
};

}  // namespace sluice::detail
