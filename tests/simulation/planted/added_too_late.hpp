// SPDX-License-Identifier: BSL-1.0
// added_too_late.hpp: nobody was counted yet, so nobody was waited for.
//
// Wrong: the task counts itself, when it has found its file. Who waits before that waits for nothing.
// Known from: the most frequent mistake with Go's WaitGroup (`wg.Add(1)` inside of the goroutine).
// Repair: count first, then start.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> added_too_late() {
    std::atomic<int> saved{0};
    service disk;
    sluice::wait_group counted;
    sluice::wait_group started;  // joins it in any case: this is about what `counted` tells
    if (V == version::repaired) counted.add();
    started.go([&]() -> task<void> {
        co_await disk.call();
        if (V == version::planted) counted.add();
        co_await disk.call();
        saved.fetch_add(1);
        counted.done();
    });
    co_await later();
    co_await counted.async_wait();
    const int seen = saved.load();
    co_await started.async_wait();
    expect(seen == 1, "the program would have ended before the file was saved");
}

}  // namespace planted
