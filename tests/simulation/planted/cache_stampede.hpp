// SPDX-License-Identifier: BSL-1.0
// cache_stampede.hpp: all find the cache empty, and all run to the store.
//
// Wrong: who misses loads. While one loads, the others miss too; the store that the cache should spare gets everything.
// Known from: every cache before its first busy day ("dog-piling", "thundering herd").
// Repair: those who want the same share one load. Who comes after it looks into the cache again before it loads.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> cache_stampede() {
    service store;
    std::atomic<int> cached{0};  // 0: nothing
    sluice::singleflight<int, int> loads;
    const auto load = [&]() -> task<int> {
        if (V == version::repaired && cached.load() != 0) co_return cached.load();
        co_await store.call();
        cached.store(42);
        co_return 42;
    };
    const auto read = [&]() -> task<void> {
        int value = cached.load();
        if (value == 0) {
            if constexpr (V == version::repaired) {
                const auto flight = co_await loads.async_run(1, load);
                value = flight.value;
            } else {
                value = co_await load();
            }
        }
        expect(value == 42, "a wrong value");
    };
    sluice::wait_group readers;
    for (int i = 0; i < 3; ++i) {
        readers.go(read);
        co_await later();
    }
    co_await readers.async_wait();
    expect(store.calls() == 1, "the store was asked again for what was on its way");
}

}  // namespace planted
