// SPDX-License-Identifier: BSL-1.0
// biased_lock_test.cpp: does a lock with a favourite thread exclude all others, and change its favourite in time?

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/detail/biased_lock.hpp>

#include "../support/stress_time.hpp"

namespace {

using sluice::detail::any_lock;
using sluice::detail::biased_lock;
using sluice::detail::hold;
using sluice::detail::lock;
using sluice::detail::this_thread_id;

constexpr int enough_to_become_the_favourite = 10'000;

void use(biased_lock& l, long& count, int times) {
    for (int i = 0; i < times; ++i) {
        const hold guard{l};
        ++count;
    }
}

TEST(BiasedLock, ThreadsHaveNumbersOfTheirOwn) {
    const auto mine = this_thread_id();
    EXPECT_NE(mine, 0u);
    EXPECT_EQ(this_thread_id(), mine);
    auto other = mine;
    std::jthread{[&] { other = this_thread_id(); }}.join();
    EXPECT_NE(other, mine);
}

TEST(BiasedLock, IsTakenAwayFromAFavouriteThatIsOutside) {
    biased_lock l;
    long count = 0;
    use(l, count, enough_to_become_the_favourite);
    std::jthread{[&] { use(l, count, 1); }}.join();
    use(l, count, 1);
    EXPECT_EQ(count, enough_to_become_the_favourite + 2);
}

// B1
TEST(BiasedLock, WaitsForAFavouriteThatIsInside) {
    biased_lock l;
    long count = 0;
    use(l, count, enough_to_become_the_favourite);
    l.acquire();
    std::atomic<bool> comes{false};
    long seen = 0;
    std::jthread other{[&] {
        comes = true;
        const hold guard{l};
        seen = count;
    }};
    while (!comes) std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) {  // while the other looks, and perhaps sleeps
        ++count;
        std::this_thread::yield();
    }
    l.release();
    other.join();
    EXPECT_EQ(seen, enough_to_become_the_favourite + 1000);
}

TEST(BiasedLock, TryAcquireTakesAFreeOneOnlyWhoeverIsTheFavourite) {
    biased_lock l;
    for (const int uses_before : {0, enough_to_become_the_favourite}) {
        long count = 0;
        use(l, count, uses_before);
        EXPECT_TRUE(l.try_acquire());
        EXPECT_FALSE(l.try_acquire());
        l.release();
        std::jthread{[&] {
            EXPECT_TRUE(l.try_acquire());
            EXPECT_FALSE(l.try_acquire());
            l.release();
        }}.join();
    }
}

// B4: one thread after the other becomes the favourite; none loses a count.
TEST(BiasedLock, ChangesItsFavouriteManyTimes) {
    biased_lock l;
    long count = 0;
    for (int round = 0; round < 20; ++round)
        std::jthread{[&] { use(l, count, enough_to_become_the_favourite); }}.join();
    EXPECT_EQ(count, 20L * enough_to_become_the_favourite);
}

// A favourite in full use and others who come now and then, so that the bias is given and taken under contention.
TEST(BiasedLock, ExcludesAFavouriteAndThoseWhoCome) {
    const sluice_test::stress_time time;
    long total = 0;
    while (time.goes_on()) {
        biased_lock l;
        long count = 0;
        constexpr int visitors = 3;
        std::barrier begin{visitors + 1};
        std::vector<std::jthread> threads;
        for (int v = 0; v < visitors; ++v)
            threads.emplace_back([&] {
                begin.arrive_and_wait();
                for (int i = 0; i < 50; ++i) {
                    use(l, count, 1);
                    for (int pause = 0; pause < 200; ++pause) sluice::detail::cpu_relax();
                }
            });
        begin.arrive_and_wait();
        use(l, count, 3 * enough_to_become_the_favourite);
        threads.clear();
        EXPECT_EQ(count, 3 * enough_to_become_the_favourite + visitors * 50);
        ++total;
    }
    EXPECT_GT(total, 0);
}

// B1: with every release the bias is given and with every other thread's visit it is taken away, while threads are held
// up anywhere, since there are more of them than cores.
TEST(BiasedLock, ExcludesManyWhoAllBecomeTheFavouriteAtOnce) {
    const auto usual = std::exchange(sluice::detail::first_patience, 0);
    const sluice_test::stress_time time;
    while (time.goes_on()) {
        biased_lock l;
        long count = 0;
        constexpr int visitors = 6;
        constexpr int visits = 2'000;
        {
            std::vector<std::jthread> threads;
            for (int v = 0; v < visitors; ++v)
                threads.emplace_back([&] {
                    for (int i = 0; i < visits / 10; ++i) {
                        use(l, count, 10);
                        if (i % 8 == 0) std::this_thread::yield();
                    }
                });
        }
        ASSERT_EQ(count, visitors * visits);
    }
    sluice::detail::first_patience = usual;
}

TEST(BiasedLock, HasNoFavouriteAnyMoreWhenItsSeatsAreTaken) {
    if (!sluice::detail::has_process_barrier) GTEST_SKIP() << "B6: there are no favourites here";
    biased_lock l;
    long count = 0;
    for (unsigned i = 0; i <= sluice::detail::seats_inside; ++i)
        std::jthread{[&] {
            use(l, count, 200'000);
            const auto seat = l.acquire_as_favourite(this_thread_id());
            if (seat < sluice::detail::seats_inside) l.release_as_favourite(seat);
            EXPECT_EQ(seat, i);
        }}.join();
}

// B5: the one who takes the bias away may free the lock at once.
TEST(BiasedLock, MayBeDestroyedByTheNextHolder) {
    for (int i = 0; i < 200; ++i) {
        auto* const l = new biased_lock;
        long count = 0;
        use(*l, count, enough_to_become_the_favourite);
        l->acquire();
        std::jthread next{[l] {
            l->acquire();
            l->release();
            delete l;
        }};
        if (i % 2) std::this_thread::yield();
        l->release();
    }
}

TEST(AnyLock, IsEitherKindOrNone) {
    lock plain;
    biased_lock biased;
    EXPECT_FALSE(any_lock{});
    EXPECT_FALSE(any_lock{static_cast<biased_lock*>(nullptr)});
    for (const any_lock one : {any_lock{&plain}, any_lock{&biased}}) {
        EXPECT_TRUE(one);
        one.acquire(this_thread_id());
        one.release();
    }
    EXPECT_TRUE(plain.try_acquire());
    plain.release();
    EXPECT_NE(any_lock{&plain}, any_lock{&biased});
}

}  // namespace
