// SPDX-License-Identifier: BSL-1.0
// double_delivery.hpp: the worker that was given up was only slow.
//
// Wrong: a job is leased for a second. When the lease has run out another worker gets it, and in the end both commit it.
// Known from: visibility timeouts of message queues; locks with an expiry (a pause of the collector, then the write).
// Repair: the commit says what it starts from, and the store refuses the second one.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> double_delivery() {
    std::atomic<int> committed{0};
    service store;
    sluice::channel<void> done{1};
    sluice::wait_group workers;
    const auto work = [&]() -> task<void> {
        co_await store.call();
        int none = 0;
        if (V == version::planted) committed.fetch_add(1);
        else committed.compare_exchange_strong(none, 1);
        static_cast<void>(done.try_send());
    };
    for (bool is_done = false; !is_done;) {
        workers.go(work);
        const auto end = co_await sluice::timeout(1s, done.async_receive());
        is_done = static_cast<bool>(end);
    }
    co_await workers.async_wait();
    expect(committed.load() == 1, "one job was done twice");
}

}  // namespace planted
