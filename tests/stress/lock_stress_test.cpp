// SPDX-License-Identifier: BSL-1.0
// lock_stress_test.cpp: is a lock or a notification ever lost when threads and tasks come, give up and are cancelled?
//
// Few checks, many rounds; SLUICE_STRESS_SECONDS says how long each test works. A hang is a failure.

#include <sluice/condition.hpp>
#include <sluice/mutex.hpp>
#include <sluice/runtime.hpp>
#include <sluice/select.hpp>
#include <sluice/shared_mutex.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::canceled;
using sluice::task;

struct guarded_counter {
    sluice::mutex m;
    sluice::mutex other;
    long value = 0;  // guarded by m
    std::atomic<long> expected{0};
    stress_time time;
};

void count_blocking(guarded_counter* c, std::uint64_t seed) {
    random_numbers random{seed};
    while (c->time.goes_on()) {
        bool mine = false;
        std::unique_lock guard{c->m, std::defer_lock};
        switch (random.below(4)) {
            case 0:
                guard.lock();
                mine = true;
                break;
            case 1: mine = guard.try_lock(); break;
            case 2: mine = guard.try_lock_for(20us); break;
            default: {
                const std::scoped_lock both{c->m, c->other};
                ++c->value;
                ++c->expected;
            }
        }
        if (!mine) continue;
        ++c->value;
        ++c->expected;
    }
}

task<> count_async(guarded_counter* c, std::uint64_t seed) {
    random_numbers random{seed};
    while (c->time.goes_on()) {
        sluice::mutex::guard guard;
        if (random.below(2) == 0) {
            guard = co_await c->m.async_lock();
        } else {
            sluice::mutex::guard unused;
            co_await sluice::async_select(sluice::on(c->m.async_lock(), guard),
                                          sluice::on(c->other.async_lock(), unused), sluice::on_timeout(20us));
        }
        if (!guard) continue;
        const long before = c->value;
        if (random.below(4) == 0) co_await sluice::yield();
        c->value = before + 1;
        ++c->expected;
    }
}

TEST(LockStress, NobodyIsInsideWithAnother) {
    guarded_counter c;
    {
        sluice::runtime rt{workers(2)};
        std::vector<sluice::join_handle<void>> tasks;
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < 4; ++i) tasks.push_back(rt.go(count_async, &c, 10 + i));
        for (std::uint64_t i = 0; i < 3; ++i) threads.emplace_back(count_blocking, &c, 20 + i);
        for (auto& t : tasks) t.get();
    }
    EXPECT_EQ(c.value, c.expected);
    EXPECT_FALSE(c.m.is_locked() || c.other.is_locked());
}

struct two_numbers {
    sluice::shared_mutex m;
    long a = 0;  // guarded by m, and equal whenever it is free
    long b = 0;
    std::atomic<bool> torn{false};
    stress_time time;
};

task<> read_and_write(two_numbers* n, std::uint64_t seed) {
    random_numbers random{seed};
    while (n->time.goes_on()) {
        if (random.below(4) == 0) {
            const auto guard = co_await n->m.async_lock();
            ++n->a;
            if (random.below(2) == 0) co_await sluice::yield();
            ++n->b;
        } else {
            const auto guard = co_await sluice::timeout(50us, n->m.async_lock_shared());
            if (guard && n->a != n->b) n->torn = true;
        }
    }
}

TEST(LockStress, ReadersNeverSeeAWriteHalfDoneAlsoWhenWaitsAreCancelled) {
    two_numbers n;
    {
        sluice::runtime rt{workers(2)};
        std::vector<sluice::join_handle<void>> staying;
        for (std::uint64_t i = 0; i < 3; ++i) staying.push_back(rt.go(read_and_write, &n, i));
        std::jthread reading{[&] {
            while (n.time.goes_on()) {
                const std::shared_lock guard{n.m};
                if (n.a != n.b) n.torn = true;
            }
        }};
        // One that is cancelled at any moment outside of a write.
        const auto leaving = [](two_numbers* of) -> task<> {
            for (;;) {
                {
                    const auto reads = co_await of->m.async_lock_shared();
                }
                const auto writes = co_await of->m.async_lock();
                ++of->a;
                ++of->b;
            }
        };
        random_numbers random{7};
        while (n.time.goes_on()) {
            auto h = rt.go(leaving, &n);
            for (auto spins = random.below(200); spins > 0; --spins) std::this_thread::yield();
            h.cancel();
            EXPECT_THROW(h.get(), canceled);
        }
        for (auto& h : staying) h.get();
    }
    EXPECT_FALSE(n.torn);
    EXPECT_EQ(n.a, n.b);
    EXPECT_FALSE(n.m.is_locked());
    EXPECT_EQ(n.m.waiting(), 0u);
}

struct bounded_queue {
    sluice::mutex m;
    sluice::condition filled;
    sluice::condition emptied;
    std::deque<int> values;  // guarded by m
    bool ended = false;      // guarded by m
    std::atomic<long> put{0};
    std::atomic<long> taken{0};
    stress_time time;

    void note_taken() {
        taken += values.front();
        values.pop_front();
        emptied.notify_one();
    }
};

task<> take_async(bounded_queue* q, std::uint64_t seed) {
    random_numbers random{seed};
    for (;;) {
        const auto guard = co_await q->m.async_lock();
        const auto some = [&] { return !q->values.empty() || q->ended; };
        if (random.below(3) == 0) {
            const bool is = co_await sluice::timeout(30us, q->filled.async_wait(guard, some));
            if (!is) continue;
        } else {
            co_await q->filled.async_wait(guard, some);
        }
        if (q->values.empty()) co_return;
        q->note_taken();
    }
}

void take_blocking(bounded_queue* q, std::uint64_t seed) {
    random_numbers random{seed};
    for (;;) {
        std::unique_lock guard{q->m};
        const auto some = [&] { return !q->values.empty() || q->ended; };
        if (random.below(3) == 0) {
            if (!q->filled.wait_for(guard, 30us, some)) continue;
        } else {
            q->filled.wait(guard, some);
        }
        if (q->values.empty()) return;
        q->note_taken();
    }
}

void put_blocking(bounded_queue* q, std::uint64_t seed) {
    random_numbers random{seed};
    while (q->time.goes_on()) {
        const int v = static_cast<int>(random.below(100));
        std::unique_lock guard{q->m};
        q->emptied.wait(guard, [&] { return q->values.size() < 3; });
        q->values.push_back(v);
        q->put += v;
        guard.unlock();
        q->filled.notify_one();
    }
}

// notify_one is enough for each value: one that meets a wait just ended goes to the next.
TEST(LockStress, NoNotificationIsLostAmongTimeoutsAndCancellations) {
    bounded_queue q;
    sluice::runtime rt{workers(2)};
    std::vector<sluice::join_handle<void>> taking;
    std::vector<std::jthread> threads_taking;
    for (std::uint64_t i = 0; i < 3; ++i) taking.push_back(rt.go(take_async, &q, 10 + i));
    for (std::uint64_t i = 0; i < 2; ++i) threads_taking.emplace_back(take_blocking, &q, 20 + i);
    {
        std::vector<std::jthread> putting;
        for (std::uint64_t i = 0; i < 2; ++i) putting.emplace_back(put_blocking, &q, 30 + i);
        random_numbers random{7};
        while (q.time.goes_on()) {
            auto h = rt.go(take_async, &q, random.below(1000));
            for (auto spins = random.below(100); spins > 0; --spins) std::this_thread::yield();
            h.cancel();
            try {
                h.get();
            } catch (const canceled&) {}
        }
    }
    {
        const std::lock_guard guard{q.m};
        q.ended = true;
    }
    q.filled.notify_all();
    for (auto& h : taking) h.get();
    threads_taking.clear();
    EXPECT_EQ(q.put, q.taken);
    EXPECT_FALSE(q.m.is_locked());
    EXPECT_EQ(q.filled.waiting() + q.emptied.waiting(), 0u);
}

}  // namespace
