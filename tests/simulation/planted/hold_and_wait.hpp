// SPDX-License-Identifier: BSL-1.0
// hold_and_wait.hpp: all have one, and all wait for a second one.
//
// Wrong: a request needs a connection, and in the middle of it a second one. When there are as many requests as
//     connections, each holds one and waits for the other's.
// Known from: nested transactions on a connection pool; tasks of a bounded pool that wait for tasks of the same pool.
// Repair: take all at once.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> hold_and_wait() {
    sluice::semaphore connections{2};
    const auto request = [&]() -> task<void> {
        if constexpr (V == version::repaired) {
            const auto both = co_await connections.async_hold(2);
        } else {
            const auto outer = co_await connections.async_hold();
            const auto inner = co_await connections.async_hold();
        }
    };
    sluice::wait_group requests;
    requests.go(request);
    co_await later();
    requests.go(request);
    co_await requests.async_wait();
}

}  // namespace planted
