// SPDX-License-Identifier: BSL-1.0
// overtaking_semaphore.hpp: the small ones always fit in before the big one.
//
// Wrong: a weighted semaphore made of a mutex and a condition wakes all and lets in whoever fits. Who wants everything
//     waits as long as small ones come.
// Known from: async-lock issue 23, readers-writer locks that prefer readers, most hand-made resource pools.
// Repair: those who come later queue behind those who wait.
#pragma once

#include "bug.hpp"

namespace planted {

class greedy_semaphore {
public:
    explicit greedy_semaphore(int permits) : free_{permits} {}
    task<void> acquire(int n) {
        auto guard = co_await mutex_.async_lock();
        const auto fits = [&] { return n <= free_; };
        co_await changed_.async_wait(guard, fits);
        free_ -= n;
    }
    task<void> release(int n) {
        {
            const auto guard = co_await mutex_.async_lock();
            free_ += n;
        }
        changed_.notify_all();
    }

private:
    sluice::mutex mutex_;
    sluice::condition changed_;
    int free_;
};

class fair_semaphore {
public:
    explicit fair_semaphore(std::size_t permits) : permits_{permits} {}
    auto acquire(std::size_t n) { return permits_.async_acquire(n); }
    task<void> release(std::size_t n) {
        permits_.release(n);
        co_return;
    }

private:
    sluice::semaphore permits_;
};

template <version V>
task<void> overtaking_semaphore() {
    std::conditional_t<V == version::planted, greedy_semaphore, fair_semaphore> permits{2};
    std::atomic<bool> waits{false};
    std::atomic<int> went_before{0};
    service disk;
    sluice::wait_group all;
    for (int i = 0; i < 2; ++i)
        all.go([&]() -> task<void> {
            for (int round = 0; round < 5; ++round) {
                if (round > 0) co_await later();
                co_await permits.acquire(1);
                if (waits.load()) went_before.fetch_add(1);
                co_await disk.call();
                co_await permits.release(1);
            }
        });
    all.go([&]() -> task<void> {
        co_await later();
        waits.store(true);
        co_await permits.acquire(2);
        waits.store(false);
        co_await permits.release(2);
    });
    co_await all.async_wait();
    expect(went_before.load() <= 4, "small requests go on and on while a big one waits");
}

}  // namespace planted
