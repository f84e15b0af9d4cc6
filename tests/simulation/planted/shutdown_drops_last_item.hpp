// SPDX-License-Identifier: BSL-1.0
// shutdown_drops_last_item.hpp: quit came, and there was one left.
//
// Wrong: the worker selects over its jobs and a signal to quit. When both are there, it takes either.
// Known from: `select { case <-quit: return; case j := <-jobs: ... }` in most Go services.
// Repair: closing the jobs is the signal; what is buffered is still received.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> shutdown_drops_last_item() {
    sluice::channel<int> jobs{8};
    sluice::channel<void> quit{0};
    service store;
    sluice::wait_group worker;
    worker.go([&]() -> task<void> {
        for (;;) {
            sluice::received<int> job;
            const auto fired = co_await sluice::async_select(sluice::on_receive(jobs, job), sluice::on_receive(quit));
            if (fired == 1 || !job) co_return;
            co_await store.call();
        }
    });
    for (int i = 0; i < 2; ++i) {
        co_await later();
        expect(static_cast<bool>(co_await jobs.async_send(i)), "it is open");
    }
    if constexpr (V == version::planted) quit.close();
    else jobs.close();
    co_await worker.async_wait();
    expect(store.calls() == 2, "the last job was dropped");
}

}  // namespace planted
