// SPDX-License-Identifier: BSL-1.0
// groups_test.cpp: are those that were started joined, limited, cancelled and asked for their results on every schedule?
#include <set>
#include <vector>

#include "explored.hpp"

namespace {

using namespace sluice_test;

TEST(WaitGroupSchedules, AWaitEndsWhenAllHaveAndNotBefore) {
    const auto program = []() -> task<void> {
        int ended = 0;
        sluice::wait_group all;
        for (int i = 0; i < 3; ++i) {
            all.go([&]() -> task<void> {
                co_await sluice::yield();
                all.go([&]() -> task<void> {  // one more, of one that is counted
                    co_await sluice::yield();
                    ++ended;
                });
                ++ended;
            });
            all.go([&] { ++ended; });
        }
        sluice::wait_group others;
        for (int i = 0; i < 2; ++i)
            others.go([&]() -> task<void> {
                co_await all.async_wait();
                must(ended == 9, "a wait has ended early");
            });
        others.go([&] {
            all.wait();
            must(ended == 9, "a wait has ended early");
        });
        co_await others.async_wait();
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(WaitGroupSchedules, WhatWasAddedIsWaitedForOnEverySchedule) {
    expect_on_every_schedule([]() -> task<void> {
        sluice::wait_group added;
        added.add(2);
        int ended = 0;
        sluice::wait_group all;
        for (int i = 0; i < 2; ++i)
            all.go([&]() -> task<void> {
                co_await sluice::yield();
                ++ended;
                added.done();
            });
        co_await added.async_wait();
        must(ended == 2, "a wait has ended early");
        co_await all.async_wait();
    });
}

TEST(WaitGroupSchedules, ACancelledWaitEndsAfterTheTasks) {
    expect_on_many_schedules([]() -> task<void> {
        int alive = 0;
        auto h = sluice::go([&]() -> task<void> {
            sluice::wait_group all;
            for (int i = 0; i < 3; ++i)
                all.go([&]() -> task<void> {
                    ++alive;
                    struct leave {
                        ~leave() { --from; }
                        int& from;
                    } const leaving{alive};
                    co_await sluice::sleep_for(1h);
                });
            try {
                co_await all.async_wait();
            } catch (const sluice::canceled&) {
                must(alive == 0 && all.count() == 0, "the wait has ended before the tasks");
                throw;
            }
        });
        co_await sluice::yield();
        h.cancel();
        try {
            co_await h;
            must(false, "it was cancelled");
        } catch (const sluice::canceled&) {}
    });
}

TEST(SizedWaitGroupSchedules, NeverMoreThanTheLimitAndAllAreDone) {
    const auto program = []() -> task<void> {
        int inside = 0;
        int done = 0;
        int started = 0;
        sluice::sized_wait_group all{2};
        const auto work = [&]() -> task<void> {
            struct leave {
                ~leave() { --from; }
                int& from;
            } const leaving{inside};
            must(++inside <= 2, "more than the limit");
            co_await sluice::yield();
            ++done;
        };
        sluice::wait_group starters;
        for (int s = 0; s < 2; ++s)
            starters.go([&]() -> task<void> {
                for (int i = 0; i < 3; ++i) {
                    co_await all.async_go(work);
                    ++started;
                }
            });
        co_await starters.async_wait();
        co_await all.async_wait();
        must(all.count() == 0 && done <= started && inside == 0, "one lives after the wait");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_cancelled());
    expect_on_many_schedules(program, some_late());
}

TEST(ErrgroupSchedules, TheFirstErrorCancelsTheOthersAndIsTheOneThrown) {
    const auto program = []() -> task<void> {
        int first = -1;
        int alive = 0;
        sluice::errgroup all;
        for (int i = 0; i < 4; ++i)
            all.go([&, i]() -> task<void> {
                ++alive;
                struct leave {
                    ~leave() { --from; }
                    int& from;
                } const leaving{alive};
                for (int k = 0; k < i % 2; ++k) co_await sluice::yield();
                if (i == 3) co_await sluice::sleep_for(1h);
                if (first < 0) first = i;
                throw i;
            });
        try {
            co_await all.async_wait();
            must(false, "it has thrown nothing");
        } catch (const int thrown) {
            must(thrown == first, "it has thrown another error than the first");
        }
        must(alive == 0, "one lives after the wait");
        must(first != 3, "one was not cancelled");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(ErrgroupSchedules, AStartThatWaitsForASlotIsReleasedByTheEnd) {
    expect_on_many_schedules([]() -> task<void> {
        int begun = 0;
        int told = 0;
        sluice::errgroup all;
        all.set_limit(1);
        const auto fails = [&]() -> task<void> {
            ++begun;
            co_await sluice::yield();
            throw 1;
        };
        sluice::wait_group starters;
        for (int i = 0; i < 3; ++i)
            starters.go([&]() -> task<void> {
                const bool is_started = co_await all.async_go(fails);
                if (is_started) ++told;
            });
        co_await starters.async_wait();
        try {
            co_await all.async_wait();
            must(false, "it has thrown nothing");
        } catch (const int) {}
        must(told >= 1 && begun >= 1 && begun <= told, "started and told differ");
    });
}

TEST(ResultGroupSchedules, AllResultsInTheOrderOfTheStarts) {
    const auto program = []() -> task<void> {
        sluice::result_group<int> all;
        for (int i = 0; i < 4; ++i) {
            if (i % 2 == 0)
                all.go([i]() -> task<int> {
                    for (int k = i; k < 4; ++k) co_await sluice::yield();
                    co_return i;
                });
            else all.go([i] { return i; });
        }
        const auto results = co_await all.async_wait();
        must(results == std::vector<int>({0, 1, 2, 3}), "out of order, or lost");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(ResultGroupSchedules, NextGivesEachResultOnceAndThenTheEnd) {
    const auto program = []() -> task<void> {
        sluice::result_group<int> all;
        std::multiset<int> given;  // all, unless some are cancelled
        std::multiset<int> got;
        for (int i = 0; i < 4; ++i)
            all.go([&given, i]() -> task<int> {
                co_await sluice::yield();
                given.insert(i);
                co_return i;
            });
        sluice::wait_group takers;
        for (int t = 0; t < 2; ++t)
            takers.go([&]() -> task<void> {
                for (;;) {
                    const auto one = co_await all.async_next();
                    if (!one) co_return;
                    got.insert(*one);
                }
            });
        co_await takers.async_wait();
        const auto rest = co_await all.async_wait();
        got.insert(rest.begin(), rest.end());
        must(got == given, "a result was lost or doubled");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_cancelled());
}

TEST(ScopeSchedules, JoinsOnEveryWayOut) {
    const auto program = [](int way) -> task<void> {
        int alive = 0;
        const auto body = [&](sluice::errgroup& all) -> task<int> {
            for (int i = 0; i < 2; ++i)
                all.go([&]() -> task<void> {
                    ++alive;
                    struct leave {
                        ~leave() { --from; }
                        int& from;
                    } const leaving{alive};
                    co_await sluice::sleep_for(1s);
                });
            if (way == 2) all.go([]() -> task<void> { throw std::runtime_error{"a task"}; });
            co_await sluice::yield();
            if (way == 1) throw std::runtime_error{"the body"};
            co_return 7;
        };
        bool has_thrown = false;
        try {
            const int result = co_await sluice::scope(body);
            must(result == 7, "another result");
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        must(alive == 0, "one lives after the scope");
        must(has_thrown == (way != 0), "an error was lost");
    };
    for (int way = 0; way < 3; ++way) {
        expect_on_many_schedules([&] { return program(way); });
        expect_on_many_schedules([&] { return program(way); }, some_late());
    }
}

TEST(ScopeSchedules, ACancelledScopeLeavesNothing) {
    expect_on_many_schedules(
        []() -> task<void> {
            const sluice::testing::leak_check nothing_is_left;
            for (int i = 0; i < 3; ++i) {
                auto h = sluice::go([]() -> task<void> {
                    const auto body = [](sluice::errgroup& all) -> task<void> {
                        for (int k = 0; k < 3; ++k) all.go([]() -> task<void> { co_await sluice::sleep_for(1h); });
                        co_await sluice::yield();
                    };
                    co_await sluice::scope(body);
                });
                try {
                    co_await h;
                } catch (const sluice::canceled&) {}
            }
        },
        {.cancel = 0.2});
}

TEST(JoinSchedules, AJoinGivesTheResultOrTheCancellationAfterTheEnd) {
    const auto program = []() -> task<void> {
        int alive = 0;
        const auto work = [&]() -> task<int> {
            ++alive;
            struct leave {
                ~leave() { --from; }
                int& from;
            } const leaving{alive};
            co_await sluice::yield();
            co_return 3;
        };
        auto one = sluice::go(work);
        auto other = sluice::go(work);
        auto cancels = sluice::go([&]() -> task<void> {
            co_await sluice::yield();
            other.cancel();
        });
        must(co_await one == 3, "another result");
        bool was_canceled = false;
        int got = 0;
        try {
            got = co_await other;
        } catch (const sluice::canceled&) {
            was_canceled = true;
        }
        must(was_canceled != (got == 3), "neither a result nor a cancellation, or both");
        must(alive == 0, "a task lives after its join");
        co_await cancels;
    };
    expect_on_many_schedules(program);
    expect_on_every_schedule(program);
}

TEST(JoinSchedules, ABlockingCallableIsJoinedLikeATask) {
    expect_on_many_schedules([]() -> task<void> {
        sluice::channel<int> ch{0};
        auto doubles = sluice::go([ch]() mutable {
            const auto v = ch.receive();
            return 2 * *v;
        });
        auto sends = sluice::go([ch]() mutable { return static_cast<bool>(ch.send(21)); });
        const auto more = [] { return 1; };
        const int one = co_await sluice::blocking(more);
        const int two = co_await doubles;
        const bool sent = co_await sends;
        must(one == 1 && two == 42 && sent, "another result");
    });
}

}  // namespace
