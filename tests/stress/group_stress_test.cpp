// SPDX-License-Identifier: BSL-1.0
// group_stress_test.cpp: does a wait end exactly when all have, while several start, end, fail, cancel and wait?

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/sluice.hpp>

#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"

namespace {

using sluice::task;
using sluice::wait_group;
using sluice_test::random_numbers;
using sluice_test::stress_time;

sluice::run_options with_workers(unsigned n) {
    sluice::run_options o;
    o.workers = n;
    return o;
}

struct counts {
    std::atomic<int> started{0};
    std::atomic<int> ended{0};
};

task<> end_some_time(counts* c, unsigned yields) {
    for (unsigned i = 0; i < yields; ++i) co_await sluice::yield();
    c->ended.fetch_add(1, std::memory_order_relaxed);
}

/// A task of the group that starts more of it: the group is never empty meanwhile.
task<> start_some(wait_group* all, counts* c, unsigned seed, int count) {
    random_numbers random{seed};
    for (int i = 0; i < count; ++i) {
        c->started.fetch_add(1, std::memory_order_relaxed);
        all->go(end_some_time, c, random.below(3));
        if (random.below(64) == 0) co_await sluice::yield();
    }
    c->ended.fetch_add(1, std::memory_order_relaxed);
}

// The group goes as soon as the wait has ended: whoever ends last must not touch it any more.
TEST(GroupStress, AWaitEndsWhenAllHaveAndTheGroupMayGo) {
    const stress_time time;
    random_numbers random{1};
    while (time.goes_on())
        sluice::run(with_workers(4), [&]() -> task<> {
            counts c;
            auto all = std::make_unique<wait_group>();
            for (unsigned i = 0; i < 3; ++i) {
                ++c.started;
                all->go(start_some, all.get(), &c, random.below(1'000'000), static_cast<int>(random.below(1'500)));
            }
            co_await all->async_wait();
            all.reset();
            EXPECT_EQ(c.started.load(), c.ended.load());
        });
}

// From threads, with waits in several places.
TEST(GroupStress, ThreadsStartAndWaitForVeryMany) {
    const stress_time time;
    while (time.goes_on()) {
        counts c;
        wait_group all;
        {
            std::vector<std::jthread> threads;
            for (unsigned t = 0; t < 3; ++t)
                threads.emplace_back([&, t] {
                    random_numbers random{t + 1};
                    for (int i = 0; i < 700; ++i) {
                        ++c.started;
                        all.go(end_some_time, &c, random.below(3));
                        if (i % 300 == 0) all.wait();
                    }
                });
        }
        all.wait();
        EXPECT_EQ(c.started.load(), c.ended.load());
        EXPECT_EQ(all.count(), 0u);
    }
}

task<> fail_or_end(unsigned what) {
    if (what == 0) throw std::runtime_error{"one of many"};
    co_await sluice::yield();
}

TEST(GroupStress, OneErrorAmongVeryManyIsNeverLost) {
    const stress_time time;
    random_numbers random{7};
    while (time.goes_on())
        EXPECT_THROW(sluice::run(with_workers(3),
                                 [&]() -> task<> {
                                     wait_group all;
                                     const auto bad = random.below(1'000);
                                     for (unsigned i = 0; i < 1'000; ++i) all.go(fail_or_end, i == bad ? 0u : 1u);
                                     co_await all.async_wait();
                                 }),
                     std::runtime_error);
}

}  // namespace
