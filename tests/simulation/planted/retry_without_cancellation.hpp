// SPDX-License-Identifier: BSL-1.0
// retry_without_cancellation.hpp: told to stop, it notes a failure and tries again.
//
// Wrong: the retry catches everything, the cancellation too. All its attempts end at once, and the order is put down as
//     failed for good, although nobody has refused it.
// Known from: `catch (Exception)` around a cancelled await in C#, `except BaseException` around asyncio, retry libraries.
// Repair: a cancellation is no failure; it goes through.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> retry_without_cancellation() {
    enum class order { open, paid, refused };
    std::atomic<order> state{order::open};
    service bank;
    sluice::wait_group work;
    work.go([&]() -> task<void> {
        for (int attempt = 0; attempt < 3; ++attempt) {
            try {
                co_await bank.call();
                co_await sluice::sleep_for(1us);
                state.store(order::paid);
                co_return;
            } catch (const sluice::canceled&) {
                if (V == version::repaired) throw;
            } catch (const std::exception&) {}
        }
        state.store(order::refused);
    });
    co_await later();
    work.cancel();  // the shutdown
    co_await work.async_wait();
    expect(state.load() != order::refused, "an order that nobody has refused counts as refused");
}

}  // namespace planted
