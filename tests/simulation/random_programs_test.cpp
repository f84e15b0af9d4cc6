// SPDX-License-Identifier: BSL-1.0
// random_programs_test.cpp: do the primitives keep their promises together, in programs that nobody has thought of?
//
// A seed makes a program: some tasks and threads that each do some operations on the same few objects, none without a
// limit. Each program runs on some schedules, with cancellations and delays. In the end what was sent was received, and
// every permit and lock is back.
#include <set>
#include <vector>

#include "explored.hpp"

namespace {

using namespace sluice_test;
using sluice::channel;
using sluice::timeout;

struct shared_objects {
    std::vector<channel<int>> channels{channel<int>{0}, channel<int>{1}, channel<int>{sluice::unbounded}};
    sluice::semaphore permits{2};
    sluice::mutex mutex;
    sluice::shared_mutex table;
    sluice::condition changed;
    sluice::wait_group counted;
    int level = 0;  // guarded by mutex
    int next = 0;
    std::multiset<int> sent;
    std::multiset<int> received;

    void got(const sluice::received<int>& v) {
        if (v) received.insert(*v);
    }
    void note(bool is_sent, int v) {
        if (is_sent) sent.insert(v);
    }
};

task<void> operate(shared_objects& all, std::size_t kind, std::size_t which) {
    auto& ch = all.channels[which % 3];
    auto& other = all.channels[(which + 1) % 3];
    switch (kind) {
        case 0:
        case 1: {
            const int v = ++all.next;
            const auto sent = co_await timeout(1s, ch.async_send(v));
            all.note(static_cast<bool>(sent), v);
            break;
        }
        case 2:
        case 3: {
            const auto v = co_await timeout(1s, ch.async_receive());
            all.got(v);
            break;
        }
        case 4: {
            const int v = ++all.next;
            sluice::received<int> heard;
            const auto fired = co_await sluice::async_select(sluice::on_send(ch, v), sluice::on_receive(other, heard),
                                                             sluice::on_timeout(1s));
            if (fired == 0) all.sent.insert(v);
            all.got(heard);
            break;
        }
        case 5: {
            const auto some = co_await timeout(1s, ch.async_receive());
            all.got(some);
            const auto more = ch.try_receive();
            all.got(more);
            break;
        }
        case 6: {
            bool is_mine = false;
            const auto fired = co_await sluice::async_select(sluice::on_acquire(all.permits, 1 + which % 2, is_mine),
                                                             sluice::on_timeout(1s));
            if (fired != 0) break;
            const sluice::permit mine{all.permits, 1 + which % 2};
            co_await sluice::sleep_for(300ms);
            break;
        }
        case 7: {
            const auto guard = co_await timeout(1s, all.mutex.async_lock());
            if (!guard) break;
            ++all.level;
            all.changed.notify_one();
            co_await sluice::yield();
            break;
        }
        case 8: {
            auto guard = co_await timeout(1s, all.mutex.async_lock());
            if (!guard) break;
            const auto is_high = [&] { return all.level > 0; };
            const bool was_high = co_await timeout(1s, all.changed.async_wait(guard, is_high));
            must(guard.owns_lock(), "the lock is not held after a wait for a condition");
            if (was_high) --all.level;
            break;
        }
        case 9: {
            const auto reading = co_await timeout(1s, all.table.async_lock_shared());
            if (reading) co_await sluice::sleep_for(500ms);
            break;
        }
        case 10: {
            const auto writing = co_await timeout(1s, all.table.async_lock());
            if (!writing) break;
            must(all.table.readers() == 0, "one reads while another writes");
            co_await sluice::yield();
            must(all.table.readers() == 0, "one reads while another writes");
            break;
        }
        case 11: {
            const auto work = [&, which]() -> task<void> { co_await operate(all, which % 4, which); };
            auto h = sluice::go(work);
            if (which % 2 == 0) h.cancel();
            try {
                co_await timeout(1s, h);
            } catch (const sluice::canceled&) {
                if (sluice::current_context().done()) throw;
            }
            break;
        }
        case 12: {
            const auto limit = sluice::with_timeout(sluice::current_context(), 500ms);
            const auto v = co_await ch.async_receive(limit.get());
            all.got(v);
            break;
        }
        case 13: {
            const auto ticket = all.counted.ticket();
            const auto some = co_await timeout(1s, ch.async_receive());
            all.got(some);
            break;
        }
        default: co_await timeout(1s, all.counted.async_wait()); break;
    }
}

void operate_blocking(shared_objects& all, std::size_t kind, std::size_t which) {
    auto& ch = all.channels[which % 3];
    switch (kind % 4) {
        case 0: {
            const int v = ++all.next;
            const auto sent = ch.send_for(v, 1s);
            all.note(static_cast<bool>(sent), v);
            break;
        }
        case 1: all.got(ch.receive_for(1s)); break;
        case 2:
            if (all.mutex.lock_for(1s)) all.mutex.unlock();
            break;
        default: {
            if (!all.permits.acquire_for(1, 1s)) break;
            const sluice::permit mine{all.permits, 1};
            break;
        }
    }
}

task<void> random_program(std::uint64_t seed) {
    constexpr std::size_t kinds = 15;
    sluice::detail::random_bits made{seed};
    shared_objects all;
    {
        sluice::wait_group users;
        for (auto n = 2 + made.below(4); n > 0; --n)
            users.go([&all, plan = made.next()]() -> task<void> {
                sluice::detail::random_bits draw{plan};
                for (auto steps = 1 + draw.below(6); steps > 0; --steps) {
                    const auto kind = draw.below(kinds);
                    const auto which = draw.below(6);
                    co_await operate(all, kind, which);
                }
            });
        if (made.below(3) == 0)
            users.go([&all, plan = made.next()] {
                sluice::detail::random_bits draw{plan};
                for (auto steps = 1 + draw.below(4); steps > 0; --steps) {
                    const auto kind = draw.below(kinds);
                    operate_blocking(all, kind, draw.below(6));
                }
            });
        co_await users.async_wait();
    }
    for (auto& ch : all.channels)
        while (const auto rest = ch.try_receive()) all.got(rest);
    must(all.sent == all.received, "a value was lost or doubled");
    must(all.permits.available() == 2 && all.permits.waiting() == 0, "a permit was lost");
    must(!all.mutex.is_locked() && all.mutex.waiting() == 0, "the mutex is locked for ever");
    must(!all.table.is_locked() && all.table.readers() == 0, "the shared mutex is locked for ever");
    must(all.counted.count() == 0 && all.changed.waiting() == 0, "one is counted or waits for ever");
}

void explore_programs(sluice::testing::chaos wrong) {
    constexpr std::uint64_t schedules = 10;
    const auto programs = many_runs() / 4;
    for (std::uint64_t seed = 1; seed <= programs; ++seed) {
        const auto all = sluice::testing::explore(
            {.runs = schedules, .seed = seed, .chaos = wrong, .diagnostics = [](std::string_view) {}},
            [seed] { return random_program(seed); });
        ASSERT_FALSE(all.failed()) << "program " << seed << "\n" << all.text();
    }
}

TEST(RandomPrograms, KeepAllPromises) { explore_programs({}); }
TEST(RandomPrograms, KeepAllPromisesWhenTasksAreLate) { explore_programs(some_late()); }
TEST(RandomPrograms, KeepAllPromisesWhenTasksAreCancelled) { explore_programs(some_cancelled()); }

}  // namespace
