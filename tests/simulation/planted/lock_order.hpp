// SPDX-License-Identifier: BSL-1.0
// lock_order.hpp: each holds what the other one wants.
//
// Wrong: a transfer locks the account it takes from, then the one it gives to. Two transfers in opposite directions wait
//     for each other.
// Known from: every bank of every textbook, and from row locks in most databases.
// Repair: one order for all locks.
#pragma once

#include "bug.hpp"

namespace planted {

struct account {
    int number;
    int balance;
    sluice::mutex mutex = {};
};

template <version V>
task<void> transfer(account& from, account& to, int amount) {
    account* first = &from;
    account* second = &to;
    if (V == version::repaired && first->number > second->number) std::swap(first, second);
    const auto one = co_await first->mutex.async_lock();
    const auto other = co_await second->mutex.async_lock();
    from.balance -= amount;
    to.balance += amount;
}

template <version V>
task<void> lock_order() {
    account yours{1, 100};
    account mine{2, 100};
    sluice::wait_group both;
    both.go([&]() -> task<void> { co_await transfer<V>(yours, mine, 30); });
    both.go([&]() -> task<void> {
        co_await later();
        co_await transfer<V>(mine, yours, 20);
    });
    co_await both.async_wait();
    expect(yours.balance == 90 && mine.balance == 110, "money was lost");
}

}  // namespace planted
