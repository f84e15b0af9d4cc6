// SPDX-License-Identifier: BSL-1.0
// racy_lazy_init.hpp: is it there? No. Is it there now? Still no.
//
// Wrong: the connection is made by whoever first finds none. While it is being made there still is none.
// Known from: `if (!this.db) this.db = await connect()` of a thousand JavaScript programs; check-then-act everywhere.
// Repair: `once`: the others wait for the first.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> racy_lazy_init() {
    service server;
    std::atomic<bool> is_connected{false};
    sluice::once connecting;
    const auto use = [&]() -> task<void> {
        const auto connect = [&]() -> task<void> {
            co_await server.call();
            is_connected.store(true);
        };
        if constexpr (V == version::repaired) {
            co_await connecting.async_call(connect);
        } else {
            if (!is_connected.load()) co_await connect();
        }
    };
    sluice::wait_group users;
    users.go(use);
    users.go([&]() -> task<void> {
        co_await later();
        co_await use();
    });
    co_await users.async_wait();
    expect(server.calls() == 1, "two connections were made, and one is lost");
}

}  // namespace planted
