// SPDX-License-Identifier: BSL-1.0
// out_of_order_commit.hpp: the position jumps over what is not done.
//
// Wrong: messages are handled concurrently, and each commits its own position when it is done. The position says that
//     all before it are done too; after a crash the ones that were slower are never handled.
// Known from: consumers of logs (offset commits), checkpoints of scans, replication positions.
// Repair: commit the longest finished beginning.
#pragma once

#include <array>

#include "bug.hpp"

namespace planted {

template <version V>
task<void> out_of_order_commit() {
    constexpr int messages = 3;
    std::array<bool, messages> done{};
    int position = 0;  // all before it are done
    sluice::mutex progress;
    sluice::wait_group all;
    const auto handle = [&](int number) -> task<void> {
        co_await sluice::sleep_for(1us);  // handles it
        const auto guard = co_await progress.async_lock();
        done[static_cast<std::size_t>(number)] = true;
        if constexpr (V == version::planted) {
            position = number + 1;
        } else {
            while (position < messages && done[static_cast<std::size_t>(position)]) ++position;
        }
        for (int i = 0; i < position; ++i)
            expect(done[static_cast<std::size_t>(i)], "the position is behind a message that nobody has handled");
    };
    for (int number = 0; number < messages; ++number) {
        all.go(handle, number);
        co_await later();
    }
    co_await all.async_wait();
    expect(position == messages, "the position went back");
}

}  // namespace planted
