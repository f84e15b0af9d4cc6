// SPDX-License-Identifier: BSL-1.0
// locks_test.cpp: do semaphores, locks, conditions and calls that are made once keep their promises on every schedule?
#include <algorithm>
#include <deque>
#include <vector>

#include "explored.hpp"

namespace {

using namespace sluice_test;

// Who came in which order, and who was let in. The code before an await and the beginning of the wait are one step.
struct queue_order {
    std::vector<int> arrived;
    std::vector<int> entered;
    void check() const { must(arrived == entered, "somebody was overtaken"); }
};

// --- semaphore ------------------------------------------------------------------------------------------------------

TEST(SemaphoreSchedules, NeverLetsInMoreThanItHasAndGetsAllBack) {
    const auto program = []() -> task<void> {
        sluice::semaphore permits{3};
        std::size_t inside = 0;
        sluice::wait_group all;
        for (std::size_t n = 1; n <= 3; ++n) {
            all.go([&, n]() -> task<void> {
                for (int i = 0; i < 3; ++i) {
                    const auto mine = co_await permits.async_hold(n);
                    inside += n;
                    must(inside <= 3, "more are inside than there are permits");
                    struct leave {
                        ~leave() { from -= n; }
                        std::size_t& from;
                        std::size_t n;
                    } const leaving{inside, n};
                    co_await sluice::yield();
                }
            });
            all.go([&, n] {
                const auto mine = permits.hold(n);
                inside += n;
                must(inside <= 3, "more are inside than there are permits");
                inside -= n;
            });
        }
        co_await all.async_wait();
        must(permits.available() == 3 && permits.waiting() == 0, "a permit was lost");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_cancelled());
    expect_on_many_schedules(program, some_late());
}

// SM-03
TEST(SemaphoreSchedules, ServesInArrivalOrder) {
    expect_on_many_schedules([]() -> task<void> {
        sluice::semaphore permits{2};
        queue_order order;
        sluice::wait_group all;
        for (int i = 0; i < 4; ++i)
            all.go([&, i]() -> task<void> {
                co_await sluice::yield();
                order.arrived.push_back(i);
                const auto mine = co_await permits.async_hold(2);
                order.entered.push_back(i);
                co_await sluice::yield();
            });
        co_await all.async_wait();
        order.check();
    });
}

// T31, T33
TEST(SemaphoreSchedules, ABigRequestIsNotOvertakenByLaterSmallOnes) {
    expect_on_many_schedules([]() -> task<void> {
        sluice::semaphore permits{2};
        bool waits = false;
        sluice::wait_group all;
        for (int i = 0; i < 2; ++i)
            all.go([&]() -> task<void> {
                for (int k = 0; k < 4; ++k) {
                    const bool came_later = waits;
                    const auto mine = co_await permits.async_hold();
                    must(!came_later || !waits, "a small one that came later was let in first");
                    co_await sluice::yield();
                }
            });
        all.go([&]() -> task<void> {
            co_await sluice::yield();
            waits = true;
            const auto mine = co_await permits.async_hold(2);
            waits = false;
        });
        co_await all.async_wait();
    });
}

// T31: the permit that main keeps never comes back, so nothing but the leaving lets the small one in.
TEST(SemaphoreSchedules, ABigRequestThatLeavesLetsTheSmallOneBehindItIn) {
    for (const bool is_cancelled : {true, false})
        expect_on_every_schedule([is_cancelled]() -> task<void> {
            sluice::semaphore permits{2};
            const auto kept = co_await permits.async_hold();
            auto big = sluice::go([&]() -> task<void> {
                const bool got_in = co_await sluice::timeout(1s, permits.async_acquire(2));
                must(!got_in, "there are not so many");
            });
            auto small = sluice::go([&]() -> task<void> { const auto mine = co_await permits.async_hold(); });
            co_await sluice::yield();
            if (is_cancelled) big.cancel();
            co_await small;
            try {
                co_await big;
            } catch (const sluice::canceled&) {}
            must(permits.available() == 1 && permits.waiting() == 0, "a permit was lost");
        });
}

// T32
TEST(SemaphoreSchedules, APermitThatMeetsACancelIsNotLost) {
    expect_on_every_schedule([]() -> task<void> {
        sluice::semaphore permits{1};
        co_await permits.async_acquire();
        auto waiter = sluice::go([&]() -> task<void> { const auto mine = co_await permits.async_hold(); });
        auto canceler = sluice::go([&]() -> task<void> {
            co_await sluice::yield();
            waiter.cancel();
        });
        co_await sluice::yield();
        permits.release();
        co_await canceler;
        try {
            co_await waiter;
        } catch (const sluice::canceled&) {}
        must(permits.available() == 1 && permits.waiting() == 0, "the permit was lost");
    });
}

// --- mutex ----------------------------------------------------------------------------------------------------------

TEST(MutexSchedules, OneIsInsideAndNobodyIsOvertaken) {
    const auto program = []() -> task<void> {
        sluice::mutex m;
        queue_order order;
        int inside = 0;
        sluice::wait_group all;
        for (int i = 0; i < 3; ++i)
            all.go([&, i]() -> task<void> {
                co_await sluice::yield();
                order.arrived.push_back(i);
                const auto guard = co_await m.async_lock();
                order.entered.push_back(i);
                must(++inside == 1, "two are inside");
                co_await sluice::yield();
                --inside;
            });
        all.go([&] {
            order.arrived.push_back(9);
            const std::lock_guard guard{m};
            order.entered.push_back(9);
            must(++inside == 1, "two are inside");
            --inside;
        });
        co_await all.async_wait();
        order.check();
        must(!m.is_locked(), "it is locked for ever");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(MutexSchedules, OneIsInsideOnEverySchedule) {
    expect_on_every_schedule([]() -> task<void> {
        sluice::mutex m;
        int count = 0;
        sluice::wait_group all;
        for (int i = 0; i < 3; ++i)
            all.go([&]() -> task<void> {
                const auto guard = co_await m.async_lock();
                const int seen = count;
                co_await sluice::yield();
                count = seen + 1;
            });
        co_await all.async_wait();
        must(count == 3, "an update was lost");
    });
}

TEST(MutexSchedules, WhoGivesUpOrIsCancelledLeavesItUsable) {
    const auto program = []() -> task<void> {
        sluice::mutex m;
        int inside = 0;
        sluice::wait_group all;
        for (int i = 0; i < 4; ++i)
            all.go([&]() -> task<void> {
                for (int k = 0; k < 3; ++k) {
                    const auto guard = co_await sluice::timeout(1s, m.async_lock());
                    if (!guard) continue;
                    must(++inside == 1, "two are inside");
                    struct leave {
                        ~leave() { --from; }
                        int& from;
                    } const leaving{inside};
                    co_await sluice::sleep_for(600ms);
                }
            });
        co_await all.async_wait();
        must(!m.is_locked() && m.waiting() == 0, "it is locked for ever");
    };
    expect_on_many_schedules(program, some_cancelled());
    expect_on_many_schedules(program, some_late());
}

// --- shared_mutex ---------------------------------------------------------------------------------------------------

TEST(SharedMutexSchedules, ReadersShareWritersAreAloneAndAreNotOvertaken) {
    const auto program = []() -> task<void> {
        sluice::shared_mutex m;
        int readers = 0;
        int writers = 0;
        int writers_waiting = 0;
        int written = 0;
        sluice::wait_group all;
        for (int i = 0; i < 3; ++i)
            all.go([&]() -> task<void> {
                for (int k = 0; k < 2; ++k) {
                    const int after_writers = writers_waiting == 0 ? 0 : written + writers_waiting;
                    const auto guard = co_await m.async_lock_shared();
                    must(written >= after_writers, "a reader has overtaken a writer");
                    ++readers;
                    must(writers == 0, "one reads while another writes");
                    co_await sluice::yield();
                    --readers;
                }
            });
        for (int i = 0; i < 2; ++i)
            all.go([&]() -> task<void> {
                co_await sluice::yield();
                ++writers_waiting;
                const auto guard = co_await m.async_lock();
                --writers_waiting;
                must(++writers == 1 && readers == 0, "a writer is not alone");
                ++written;
                co_await sluice::yield();
                --writers;
            });
        co_await all.async_wait();
        must(!m.is_locked() && m.readers() == 0, "it is locked for ever");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(SharedMutexSchedules, AWriterThatIsCancelledLetsTheReadersBehindItIn) {
    expect_on_every_schedule([]() -> task<void> {
        sluice::shared_mutex m;
        auto first = co_await m.async_lock_shared();
        auto writer = sluice::go([&]() -> task<void> { const auto guard = co_await m.async_lock(); });
        auto reader = sluice::go([&]() -> task<void> { const auto guard = co_await m.async_lock_shared(); });
        co_await sluice::yield();
        writer.cancel();
        co_await reader;  // never comes in if it stays behind the writer
        first.unlock();
        try {
            co_await writer;
        } catch (const sluice::canceled&) {}
        must(!m.is_locked() && m.readers() == 0, "it is locked for ever");
    });
}

// --- condition ------------------------------------------------------------------------------------------------------

TEST(ConditionSchedules, ABoundedBufferLosesNothing) {
    const auto program = []() -> task<void> {
        sluice::mutex m;
        sluice::condition has_room;
        sluice::condition has_some;
        std::deque<int> buffer;  // at most one; guarded by m
        int sum = 0;
        sluice::wait_group all;
        for (int p = 0; p < 2; ++p) {
            all.go([&]() -> task<void> {
                for (int i = 1; i <= 2; ++i) {
                    auto guard = co_await m.async_lock();
                    const auto fits = [&] { return buffer.empty(); };
                    co_await has_room.async_wait(guard, fits);
                    buffer.push_back(i);
                    must(buffer.size() == 1, "the predicate does not hold after the wait");
                    has_some.notify_one();
                }
            });
            all.go([&] {
                for (int i = 1; i <= 2; ++i) {
                    auto guard = m.hold();
                    has_some.wait(guard, [&] { return !buffer.empty(); });
                    sum += buffer.front();
                    buffer.pop_front();
                    has_room.notify_one();
                }
            });
        }
        co_await all.async_wait();
        must(sum == 6, "a value was lost");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(ConditionSchedules, NoNotificationIsMissedOnEverySchedule) {
    expect_on_every_schedule([]() -> task<void> {
        sluice::mutex m;
        sluice::condition changed;
        int ready = 0;
        sluice::wait_group all;
        for (int i = 0; i < 2; ++i) {
            all.go([&]() -> task<void> {
                auto guard = co_await m.async_lock();
                const auto is_ready = [&] { return ready > 0; };
                co_await changed.async_wait(guard, is_ready);
                --ready;
            });
            all.go([&]() -> task<void> {
                {
                    const auto guard = co_await m.async_lock();
                    ++ready;
                }
                changed.notify_one();
            });
        }
        co_await all.async_wait();
        must(ready == 0, "one was not taken");
    });
}

TEST(ConditionSchedules, ANotificationThatMeetsACancelGoesToTheNext) {
    expect_on_many_schedules([]() -> task<void> {
        sluice::mutex m;
        sluice::condition changed;
        int tokens = 0;
        int taken = 0;
        const auto take = [&]() -> task<void> {
            auto guard = co_await m.async_lock();
            const auto is_there = [&] { return tokens > 0; };
            co_await changed.async_wait(guard, is_there);
            must(static_cast<bool>(guard), "the lock is held afterwards");
            --tokens;
            ++taken;
        };
        auto first = sluice::go(take);
        auto second = sluice::go(take);
        auto cancels = sluice::go([&]() -> task<void> {
            co_await sluice::yield();
            first.cancel();
        });
        {
            const auto guard = co_await m.async_lock();
            ++tokens;
        }
        changed.notify_one();
        co_await cancels;
        bool was_canceled = false;
        try {
            co_await first;
        } catch (const sluice::canceled&) {
            was_canceled = true;
        }
        if (!was_canceled) {
            {
                const auto guard = co_await m.async_lock();
                ++tokens;
            }
            changed.notify_one();
        }
        co_await second;  // a deadlock if the notification is lost
        must(taken == (was_canceled ? 1 : 2) && tokens == 0 && !m.is_locked(), "a token was lost");
    });
}

// --- once, singleflight ---------------------------------------------------------------------------------------------

TEST(OnceSchedules, ItIsDoneOnceAndAllSeeIt) {
    const auto program = []() -> task<void> {
        sluice::once opened;
        int begun = 0;
        int done = 0;
        sluice::wait_group all;
        for (int i = 0; i < 3; ++i) {
            all.go([&]() -> task<void> {
                const auto open = [&]() -> task<void> {
                    ++begun;
                    must(begun == done + 1, "two do it at a time");
                    co_await sluice::yield();
                    ++done;
                };
                co_await opened.async_call(open);
                must(done == 1, "it is not done when a call returns");
            });
            all.go([&] {
                opened.call([&] { must(++begun == ++done, "two do it at a time"); });
                must(done == 1, "it is not done when a call returns");
            });
        }
        co_await all.async_wait();
        must(opened.done() && done == 1, "it was done once");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(OnceSchedules, WhenOneFailsOrIsCancelledAnotherDoesIt) {
    const auto program = [](bool fails) -> task<void> {
        sluice::once opened;
        int tries = 0;
        int inside = 0;
        int done = 0;
        sluice::wait_group all;
        for (int i = 0; i < 4; ++i)
            all.go([&]() -> task<void> {
                const auto open = [&]() -> task<void> {
                    must(++inside == 1, "two do it at a time");
                    struct leave {
                        ~leave() { --from; }
                        int& from;
                    } const leaving{inside};
                    co_await sluice::yield();
                    if (fails && ++tries <= 2) throw std::runtime_error{"not yet"};
                    ++done;
                };
                try {
                    co_await opened.async_call(open);
                    must(done == 1, "it is not done when a call returns");
                } catch (const std::runtime_error&) {}
            });
        co_await all.async_wait();
        must(done == (opened.done() ? 1 : 0), "it was done, and is not known to be");
        must(!fails || done == 1, "the others did not try");
        must(opened.waiting() == 0, "one waits for ever");
    };
    expect_on_many_schedules([&] { return program(true); });
    expect_on_many_schedules([&] { return program(false); }, some_cancelled());
}

TEST(SingleflightSchedules, OneCallAtATimeForAKeyAndAllGetItsResult) {
    const auto program = []() -> task<void> {
        int inside = 0;
        int calls = 0;
        sluice::singleflight<int, int> flights;
        const auto load = [&]() -> task<int> {
            must(++inside == 1, "two calls for one key at a time");
            struct leave {
                ~leave() { --from; }
                int& from;
            } const leaving{inside};
            const int number = ++calls;
            co_await sluice::sleep_for(1s);
            co_return number;
        };
        sluice::wait_group all;
        for (int i = 0; i < 4; ++i)
            all.go([&]() -> task<void> {
                const int before = calls;
                const auto one = co_await flights.async_run(7, load);
                must(one.value >= std::max(before, 1) && one.value <= calls, "a result of a call that had ended");
            });
        all.go([&] {
            const auto one = flights.run(7, load);
            must(one.value >= 1, "no result");
        });
        co_await all.async_wait();
        must(flights.in_flight() == 0, "a call is under way for ever");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(SingleflightSchedules, WhoLeavesDoesNotDisturbTheOthers) {
    expect_on_many_schedules([]() -> task<void> {
        int begun = 0;
        int ended = 0;
        sluice::singleflight<int, int> flights;
        const auto load = [&]() -> task<int> {
            ++begun;
            struct leave {
                ~leave() { ++of; }
                int& of;
            } const leaving{ended};
            co_await sluice::sleep_for(1s);
            co_return 5;
        };
        const auto ask = [&]() -> task<void> {
            const auto one = co_await flights.async_run(7, load);
            must(one.value == 5, "a wrong result");
        };
        auto stays = sluice::go(ask);
        auto leaves = sluice::go(ask);
        co_await sluice::yield();
        leaves.cancel();
        co_await stays;
        try {
            co_await leaves;
        } catch (const sluice::canceled&) {}
        while (flights.in_flight() > 0) co_await sluice::yield();
        must(begun <= 2 && begun >= 1, "too many calls");
    });
}

}  // namespace
