// SPDX-License-Identifier: BSL-1.0
// closed_channel_race.hpp: it was open when I looked.
//
// Wrong: a request is accepted if the queue is open, and then sent; that the send was refused nobody sees. The customer
//     was told that it is accepted.
// Known from: `if (!queue.isShutdown()) queue.submit(...)`; `if not closed: send`, everywhere.
// Repair: the send itself tells.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> closed_channel_race() {
    sluice::channel<int> queue{4};
    service journal;
    std::atomic<int> accepted{0};
    sluice::wait_group clients;
    clients.go([&]() -> task<void> {
        if constexpr (V == version::planted) {
            if (queue.is_closed()) co_return;
            accepted.fetch_add(1);
            co_await journal.call();
            static_cast<void>(co_await queue.async_send(1));
        } else {
            co_await journal.call();
            const auto sent = co_await queue.async_send(1);
            if (sent) accepted.fetch_add(1);
        }
    });
    co_await later();
    queue.close();
    int handled = 0;
    while (const auto one = co_await queue.async_receive()) ++handled;
    co_await clients.async_wait();
    expect(handled == accepted.load(), "a request was accepted and is lost");
}

}  // namespace planted
