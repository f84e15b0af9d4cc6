// SPDX-License-Identifier: BSL-1.0
// stale_counter.hpp: what was read before the wait is written back after it.
//
// Wrong: stock is read, the sale is noted, and what was read minus one is written. Two customers buy the same piece.
// Known from: read-modify-write over a round trip to a database; `counter = await read() + 1`. Each access is atomic.
// Repair: a lock across the whole.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> stale_counter() {
    std::atomic<int> stock{2};
    service sales;
    sluice::mutex shop;
    const auto buy = [&]() -> task<void> {
        auto guard = sluice::mutex::guard{};
        if (V == version::repaired) guard = co_await shop.async_lock();
        const int seen = stock.load();
        co_await sales.call();
        stock.store(seen - 1);
    };
    sluice::wait_group customers;
    customers.go(buy);
    co_await later();
    customers.go(buy);
    co_await customers.async_wait();
    expect(stock.load() == 0, "two have bought the same piece");
}

}  // namespace planted
