// SPDX-License-Identifier: BSL-1.0
// leaked_permit.hpp: who gives up takes the permit with him.
//
// Wrong: a connection is taken from the pool, and given back after the query; but not when the query took too long. The
//     pool is empty some day.
// Known from: "connection pool exhausted" in the night; `acquire`, early `return`, no `release`.
// Repair: a guard gives it back on every way out.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> leaked_permit() {
    sluice::semaphore connections{1};
    service database;
    const auto ask = [&]() -> task<void> {
        co_await database.call();
        co_await database.call();
    };
    const auto query = [&]() -> task<void> {
        if constexpr (V == version::repaired) {
            const auto mine = co_await connections.async_hold();
            static_cast<void>(co_await sluice::timeout(1s, ask()));
        } else {
            co_await connections.async_acquire();
            const auto answer = co_await sluice::timeout(1s, ask());
            if (answer != sluice::status::ok) co_return;
            connections.release();
        }
    };
    sluice::wait_group clients;
    for (int i = 0; i < 3; ++i) clients.go(query);
    co_await clients.async_wait();
    co_await connections.async_acquire();
    connections.release();
}

}  // namespace planted
