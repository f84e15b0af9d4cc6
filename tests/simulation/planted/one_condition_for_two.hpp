// SPDX-License-Identifier: BSL-1.0
// one_condition_for_two.hpp: the wake-up went to somebody who could not use it.
//
// Wrong: a bounded buffer has one condition for "there is room" and "there is something", and wakes one. The one may be
//     of the wrong kind; it waits on, and those of the right kind were not woken.
// Known from: `notify()` instead of `notifyAll()`, in Java's first year and every year since.
// Repair: wake all, or a condition for each.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> one_condition_for_two() {
    sluice::mutex mutex;
    sluice::condition changed;
    int filled = 0;  // of one slot; guarded by it
    const auto wake = [&] {
        if (V == version::planted) changed.notify_one();
        else changed.notify_all();
    };
    const auto put = [&]() -> task<void> {
        auto guard = co_await mutex.async_lock();
        const auto has_room = [&] { return filled == 0; };
        co_await changed.async_wait(guard, has_room);
        ++filled;
        wake();
    };
    const auto take = [&]() -> task<void> {
        auto guard = co_await mutex.async_lock();
        const auto has_something = [&] { return filled == 1; };
        co_await changed.async_wait(guard, has_something);
        --filled;
        wake();
    };
    sluice::wait_group all;
    for (int i = 0; i < 3; ++i) {
        all.go(put);
        co_await later();
    }
    for (int i = 0; i < 3; ++i) {
        all.go(take);
        co_await later();
    }
    co_await all.async_wait();
    expect(filled == 0, "puts and takes do not match");
}

}  // namespace planted
