// SPDX-License-Identifier: BSL-1.0
// missing_close.hpp: the way out that forgets to say that it is the end.
//
// Wrong: a stage closes its output after the last value, but not when it gives up because the next stage is slow. Whoever
//     reads to the end of it waits for ever.
// Known from: an early `return` in a Go pipeline; a producer thread that ends with an exception.
// Repair: the end is counted: the sender closes when it goes, on every way out.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> missing_close() {
    auto [out, in] = sluice::make_channel<int>(0);
    sluice::channel<int> uncounted{0};
    if constexpr (V == version::planted) {
        out = uncounted;
        in = uncounted;
    }
    sluice::wait_group stage;
    stage.go([out = std::move(out)]() mutable -> task<void> {
        auto numbers = std::move(out);
        for (int i = 0; i < 3; ++i) {
            const auto sent = co_await sluice::timeout(1s, numbers.async_send(i));
            if (!sent) co_return;
        }
        numbers.close();
    });
    int count = 0;
    while (const auto number = co_await in.async_receive()) ++count;
    expect(count <= 3, "too many");
    co_await stage.async_wait();
}

}  // namespace planted
