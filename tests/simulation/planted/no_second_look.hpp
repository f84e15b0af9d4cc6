// SPDX-License-Identifier: BSL-1.0
// no_second_look.hpp: what was true under the shared lock need not be true under the exclusive one.
//
// Wrong: it reads under the shared lock, finds the entry missing, lets go, takes the exclusive lock, and adds it. Somebody
//     else has added it in between.
// Known from: "upgrades" of `RWMutex` in Go and `shared_mutex` in C++; SELECT, then INSERT.
// Repair: look again.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> no_second_look() {
    sluice::shared_mutex mutex;
    int entries = 0;  // guarded by it
    const auto add_if_missing = [&]() -> task<void> {
        {
            const auto reading = co_await mutex.async_lock_shared();
            if (entries != 0) co_return;
        }
        const auto writing = co_await mutex.async_lock();
        if (V == version::planted || entries == 0) ++entries;
    };
    sluice::wait_group both;
    both.go(add_if_missing);
    co_await later();
    both.go(add_if_missing);
    co_await both.async_wait();
    expect(entries == 1, "it was added twice");
}

}  // namespace planted
