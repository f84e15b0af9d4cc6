// SPDX-License-Identifier: BSL-1.0
// cancellations_test.cpp: when a cancellation meets what it cancels, has that happened or not, on every schedule?
//
// Each program has a task that waits, something that lets it go on, and a cancellation at about the same time. It has
// either got what it waited for or was cancelled, and the object is as if the other had never been.
#include <memory>
#include <set>
#include <vector>

#include "explored.hpp"

namespace {

using namespace sluice_test;
using sluice::channel;

// Cancels `victim` after some steps, and tells whether it ended cancelled.
template <class R>
task<bool> cancel_and_join(sluice::join_handle<R>& victim) {
    co_await sluice::yield();
    victim.cancel();
    try {
        static_cast<void>(co_await victim);
    } catch (const sluice::canceled&) {
        co_return true;
    }
    co_return false;
}
task<bool> cancel_and_join(sluice::join_handle<void>& victim) {
    co_await sluice::yield();
    victim.cancel();
    try {
        co_await victim;
    } catch (const sluice::canceled&) {
        co_return true;
    }
    co_return false;
}

// On every schedule, and both ends are seen.
template <class Program>
void expect_both_ends(Program program) {
    std::set<bool> seen;
    expect_on_every_schedule([&]() -> task<void> {
        const bool was_canceled = co_await program();
        seen.insert(was_canceled);
    });
    EXPECT_EQ(seen.size(), 2u);
}

class CancelOfAChannelOf : public testing::TestWithParam<std::size_t> {};

TEST_P(CancelOfAChannelOf, AReceiveHasReceivedOrLeftTheValueThere) {
    expect_both_ends([]() -> task<bool> {
        channel<int> ch{GetParam()};
        int got = 0;
        auto victim = sluice::go([&]() -> task<void> {
            const auto v = co_await ch.async_receive();
            if (v) ++got;
        });
        auto sender = sluice::go([&]() -> task<bool> {
            const auto one = co_await sluice::timeout(1s, ch.async_send(1));
            co_return static_cast<bool>(one);
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        const bool sent = co_await sender;
        must(was_canceled == (got == 0), "it was cancelled and has received, or neither");
        const bool rest = static_cast<bool>(ch.try_receive());
        must(sent == (got == 1 || rest) && !(rest && got == 1), "the value was lost or doubled");
        co_return was_canceled;
    });
}

TEST_P(CancelOfAChannelOf, ASendHasSentOrLeftTheValueUntouched) {
    expect_both_ends([]() -> task<bool> {
        channel<std::unique_ptr<int>> ch{GetParam()};
        for (std::size_t i = 0; i < GetParam(); ++i) must(static_cast<bool>(ch.try_send(nullptr)), "there is room");
        auto value = std::make_unique<int>(7);
        auto victim = sluice::go(
            [&]() -> task<void> { must(static_cast<bool>(co_await ch.async_send(std::move(value))), "it is open"); });
        int got = 0;
        auto receiver = sluice::go([&]() -> task<void> {
            for (;;) {
                const auto one = co_await sluice::timeout(1s, ch.async_receive());
                if (!one) co_return;
                if (*one) ++got;
            }
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        co_await receiver;
        must(was_canceled == (got == 0), "it was cancelled and has sent, or neither");
        must(was_canceled == static_cast<bool>(value), "the value is not where it should be");
        co_return was_canceled;
    });
}

TEST_P(CancelOfAChannelOf, ASelectHasDoneOneCaseOrNone) {
    expect_both_ends([]() -> task<bool> {
        channel<int> in{GetParam()};
        channel<int> out{GetParam()};
        for (std::size_t i = 0; i < GetParam(); ++i) must(static_cast<bool>(out.try_send(0)), "there is room");
        int done = 0;
        auto victim = sluice::go([&]() -> task<void> {
            co_await sluice::async_select(sluice::on_receive(in), sluice::on_send(out, 7));
            ++done;
        });
        auto partner = sluice::go([&]() -> task<int> {
            const auto sent = co_await sluice::timeout(1s, in.async_send(1));
            co_return sent ? 1 : 0;
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        const int sent = co_await partner;
        must(was_canceled == (done == 0), "it was cancelled and has done a case, or neither");
        const int rest = in.try_receive() ? 1 : 0;
        must(sent == done + rest, "the value was lost or doubled");
        must(out.size() == GetParam(), "a case that has not fired has sent");
        co_return was_canceled;
    });
}

INSTANTIATE_TEST_SUITE_P(Capacity, CancelOfAChannelOf, testing::Values(0u, 1u),
                         [](const auto& one) { return std::to_string(one.param); });

TEST(CancelSchedules, ABatchHasReceivedOrLeftTheValuesThere) {
    expect_both_ends([]() -> task<bool> {
        channel<int> ch{2};
        std::size_t got = 0;
        auto victim = sluice::go([&]() -> task<void> {
            const auto some = co_await ch.async_receive_some(2);
            got = some.size();
        });
        auto sender = sluice::go([&]() -> task<void> {
            for (int i = 0; i < 2; ++i) must(static_cast<bool>(co_await ch.async_send(i)), "there is room");
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        co_await sender;
        must(was_canceled == (got == 0), "it was cancelled and has received, or neither");
        must(got + ch.size() == 2, "a value was lost or doubled");
        co_return was_canceled;
    });
}

TEST(CancelSchedules, AMutexIsHeldOrFree) {
    expect_both_ends([]() -> task<bool> {
        sluice::mutex m;
        auto mine = co_await m.async_lock();
        bool held = false;
        auto victim = sluice::go([&]() -> task<void> {
            const auto guard = co_await m.async_lock();
            held = true;
        });
        auto next = sluice::go([&]() -> task<void> { const auto guard = co_await m.async_lock(); });
        co_await sluice::yield();
        mine.unlock();
        const bool was_canceled = co_await cancel_and_join(victim);
        co_await next;
        must(was_canceled != held && !m.is_locked() && m.waiting() == 0, "it was cancelled and held it, or neither");
        co_return was_canceled;
    });
}

TEST(CancelSchedules, ASharedLockIsHeldOrFree) {
    for (const bool writes : {false, true})
        expect_both_ends([writes]() -> task<bool> {
            sluice::shared_mutex m;
            auto mine = co_await m.async_lock();
            bool held = false;
            auto victim = sluice::go([&]() -> task<void> {
                if (writes) {
                    const auto guard = co_await m.async_lock();
                    held = true;
                } else {
                    const auto guard = co_await m.async_lock_shared();
                    held = true;
                }
            });
            auto next = sluice::go([&]() -> task<void> { const auto guard = co_await m.async_lock_shared(); });
            mine.unlock();
            const bool was_canceled = co_await cancel_and_join(victim);
            co_await next;
            must(was_canceled != held && !m.is_locked() && m.readers() == 0, "it is held for ever");
            co_return was_canceled;
        });
}

TEST(CancelSchedules, AConditionHoldsItsLockEitherWay) {
    expect_both_ends([]() -> task<bool> {
        sluice::mutex m;
        sluice::condition changed;
        bool ready = false;
        auto victim = sluice::go([&]() -> task<void> {
            auto guard = co_await m.async_lock();
            const auto is_ready = [&] { return ready; };
            try {
                co_await changed.async_wait(guard, is_ready);
            } catch (const sluice::canceled&) {
                must(guard.owns_lock() && m.is_locked(), "the lock is not held");
                throw;
            }
            must(guard.owns_lock() && ready, "it has not waited");
        });
        auto notifier = sluice::go([&]() -> task<void> {
            {
                const auto guard = co_await m.async_lock();
                ready = true;
            }
            changed.notify_one();
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        co_await notifier;
        must(!m.is_locked() && changed.waiting() == 0, "it waits or is locked for ever");
        co_return was_canceled;
    });
}

TEST(CancelSchedules, AnOnceIsDoneByAnother) {
    expect_both_ends([]() -> task<bool> {
        sluice::once opened;
        int done = 0;
        const auto open = [&]() -> task<void> {
            co_await sluice::yield();
            ++done;
        };
        const auto use = [&]() -> task<void> { co_await opened.async_call(open); };
        auto victim = sluice::go(use);
        auto other = sluice::go(use);
        const bool was_canceled = co_await cancel_and_join(victim);
        co_await other;
        must(done == 1 && opened.done() && opened.waiting() == 0, "it was not done once");
        co_return was_canceled;
    });
}

TEST(CancelSchedules, AFlightGoesOnForTheOther) {
    expect_both_ends([]() -> task<bool> {
        sluice::singleflight<int, int> flights;
        int begun = 0;
        const auto load = [&]() -> task<int> {
            ++begun;
            co_await sluice::yield();
            co_return 5;
        };
        const auto ask = [&]() -> task<void> {
            const auto one = co_await flights.async_run(1, load);
            must(one.value == 5, "a wrong result");
        };
        auto victim = sluice::go(ask);
        auto other = sluice::go(ask);
        const bool was_canceled = co_await cancel_and_join(victim);
        co_await other;
        must(begun == 1 || begun == 2, "it was loaded too often");
        must(flights.waiting(1) == 0, "one waits for ever");
        co_return was_canceled;
    });
}

TEST(CancelSchedules, ASlotOfAGroupIsUsedOrFree) {
    expect_both_ends([]() -> task<bool> {
        sluice::sized_wait_group all{1};
        int done = 0;
        const auto work = [&]() -> task<void> {
            co_await sluice::yield();
            ++done;
        };
        co_await all.async_go(work);
        bool started = false;
        auto victim = sluice::go([&]() -> task<void> {
            co_await all.async_go(work);
            started = true;
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        co_await all.async_wait();
        must(was_canceled != started && done == (started ? 2 : 1), "started and told differ");
        must(all.try_add(), "the slot was lost");
        all.done();
        co_return was_canceled;
    });
}

TEST(CancelSchedules, AJoinOfATaskThatEndsHasItsResultOrPassesTheCancellationOn) {
    expect_both_ends([]() -> task<bool> {
        int alive = 0;
        auto victim = sluice::go([&]() -> task<int> {
            auto inner = sluice::go([&]() -> task<int> {
                ++alive;
                struct leave {
                    ~leave() { --from; }
                    int& from;
                } const leaving{alive};
                co_await sluice::yield();
                co_return 3;
            });
            const int result = co_await inner;
            co_return result;
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        must(alive == 0, "what was joined lives after the join");
        co_return was_canceled;
    });
}

TEST(CancelSchedules, WhatIsShieldedIsDone) {
    expect_both_ends([]() -> task<bool> {
        channel<void> log{1};
        bool cleaned = false;
        bool begun = false;
        auto victim = sluice::go([&]() -> task<void> {
            begun = true;
            std::exception_ptr why;
            try {
                co_await sluice::yield();
                co_await sluice::yield();
            } catch (...) {
                why = std::current_exception();
            }
            must(static_cast<bool>(co_await sluice::shielded(log.async_send())), "it is open");
            cleaned = true;
            if (why) std::rethrow_exception(why);
        });
        const bool was_canceled = co_await cancel_and_join(victim);
        must(cleaned == begun, "the clean-up was cancelled");
        co_return was_canceled;
    });
}

// Several primitives one in the other, while anything may be cancelled or late: nothing is left of what has ended.
TEST(CancelSchedules, NothingIsLeftOfNestedWork) {
    const auto program = []() -> task<void> {
        sluice::semaphore permits{2};
        sluice::mutex m;
        channel<int> results{0};
        int sent = 0;
        int got = 0;
        {
            sluice::wait_group all;
            for (int i = 0; i < 3; ++i)
                all.go([&]() -> task<void> {
                    const auto body = [&](sluice::errgroup& inner) -> task<void> {
                        inner.set_limit(2);
                        const auto work = [&]() -> task<void> {
                            const auto permit = co_await permits.async_hold();
                            const auto guard = co_await m.async_lock();
                            const auto one = co_await sluice::timeout(1s, results.async_send(1));
                            if (one) ++sent;
                        };
                        for (int k = 0; k < 3; ++k) static_cast<void>(co_await inner.async_go(work));
                    };
                    co_await sluice::scope(body);
                });
            all.go([&]() -> task<void> {
                for (int i = 0; i < 6; ++i) {
                    const auto one = co_await sluice::timeout(1s, results.async_receive());
                    if (one) ++got;
                }
            });
            co_await all.async_wait();
        }
        must(sent == got, "a value was lost or doubled");
        must(permits.available() == 2 && permits.waiting() == 0, "a permit was lost");
        must(!m.is_locked() && m.waiting() == 0, "a lock is held for ever");
    };
    expect_on_many_schedules(program, {.cancel = 0.02});
    expect_on_many_schedules(program, {.cancel = 0.2});
    expect_on_many_schedules(program, some_late());
}

}  // namespace
