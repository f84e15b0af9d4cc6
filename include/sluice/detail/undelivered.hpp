// SPDX-License-Identifier: BSL-1.0
// undelivered.hpp: who is told of a value that is destroyed unreceived?
//
// U1  A handler is set once, at any time, and lives as long as its channel: whoever may use the channel may use the
//     handler without a lock.
// U2  It is called outside every lock, with the value as an rvalue, just before the value is destroyed.
// U3  Its exceptions can be given to nobody, since values are destroyed in destructors and in the calls of others. They
//     go where the exception of a task goes that nobody awaits.
#pragma once

#include <functional>
#include <utility>

#include "task_end.hpp"

namespace sluice::detail {

template <class T>
class undelivered_handler {
public:
    undelivered_handler() noexcept = default;
    undelivered_handler(const undelivered_handler&) = delete;
    undelivered_handler& operator=(const undelivered_handler&) = delete;
    virtual ~undelivered_handler() = default;
    virtual void tell(T&& value) noexcept = 0;
};

template <class T, class F>
class undelivered_call final : public undelivered_handler<T> {
public:
    template <class G>
    explicit undelivered_call(G&& f) : f_(std::forward<G>(f)) {}
    void tell(T&& value) noexcept override {
        try {
            static_cast<void>(std::invoke(f_, std::move(value)));
        } catch (...) {
            const auto error = std::current_exception();
            if (!is_canceled(error)) runtime_core::unclaimed(error, "on_undelivered ended with an exception");
        }
    }

private:
    F f_;
};

}  // namespace sluice::detail
