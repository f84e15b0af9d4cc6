// SPDX-License-Identifier: BSL-1.0
// lost_wake_up.hpp: who looks first and goes to sleep afterwards sleeps through what came between.
//
// Wrong: the worker finds no job, notes that it is idle, and only then waits for the bell. The bell rings for whoever
//     listens at that moment; it may ring while the note is being written.
// Known from: every hand-made condition variable; hand-made parking (`state.notify()` before `state.wait()`).
// Repair: a bell that keeps one ring.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> lost_wake_up() {
    std::atomic<int> jobs{0};
    service notes;
    sluice::channel<void> bell{V == version::planted ? 0u : 1u};
    sluice::wait_group all;
    all.go([&]() -> task<void> {
        if (jobs.load() == 0) {
            co_await notes.call();
            expect(static_cast<bool>(co_await bell.async_receive()), "the bell was closed");
        }
        expect(jobs.fetch_sub(1) > 0, "woken for nothing");
    });
    co_await later();
    jobs.fetch_add(1);
    static_cast<void>(bell.try_send());  // nobody listens: nobody needs it
    co_await all.async_wait();
}

}  // namespace planted
