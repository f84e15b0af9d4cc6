// SPDX-License-Identifier: BSL-1.0
// lock_test.cpp: does the small mutex exclude, hand over what was written, and let every waiter in?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <sluice/detail/lock.hpp>

#include "../support/eventually.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::detail::hold;
using sluice::detail::lock;

TEST(Lock, IsFourBytes) { EXPECT_EQ(sizeof(lock), 4u); }

TEST(Lock, TryAcquireTakesAFreeOneOnly) {
    lock l;
    EXPECT_TRUE(l.try_acquire());
    EXPECT_FALSE(l.try_acquire());
    l.release();
    EXPECT_TRUE(l.try_acquire());
    l.release();
}

TEST(Lock, HoldLetsGoAtItsEndOrBefore) {
    lock l;
    {
        const hold guard{l};
        EXPECT_FALSE(l.try_acquire());
    }
    EXPECT_TRUE(l.try_acquire());
    l.release();
    {
        hold guard{l};
        guard.release();
        EXPECT_TRUE(l.try_acquire());  // and the end of `guard` does not let go a second time
    }
    EXPECT_FALSE(l.try_acquire());
    l.release();
}

// L1
TEST(Lock, ExcludesAndShowsWhatTheLastHolderWrote) {
    lock l;
    long count = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 50'000; ++i) {
                    const hold guard{l};
                    ++count;
                }
            });
    }
    EXPECT_EQ(count, 200'000);
}

// L3, L5: held long enough for all to sleep; each release must wake the next one.
TEST(Lock, WakesEverySleeper) {
    lock l;
    std::atomic<int> in{0};
    std::atomic<int> begun{0};
    std::vector<std::jthread> threads;
    l.acquire();
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&] {
            ++begun;
            const hold guard{l};
            ++in;
        });
    ASSERT_TRUE(sluice_test::eventually([&] { return begun == 8; }));
    std::this_thread::sleep_for(2ms);  // most likely asleep by now; right either way
    EXPECT_EQ(in, 0);
    l.release();
    for (auto& t : threads) t.join();
    EXPECT_EQ(in, 8);
}

// L4: the next holder may destroy the lock's owner at once.
TEST(Lock, MayBeDestroyedByTheNextHolder) {
    for (int i = 0; i < 500; ++i) {
        auto* const l = new lock;
        l->acquire();
        std::jthread next{[l] {
            l->acquire();
            l->release();
        }};
        if (i % 2) std::this_thread::yield();
        l->release();
        next.join();
        delete l;
    }
}

}  // namespace
