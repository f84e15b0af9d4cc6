// SPDX-License-Identifier: BSL-1.0
// errgroup_test.cpp: does the first error end the others, and is nothing lost of the rest?

#include <sluice/errgroup.hpp>

#include <sluice/testing.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>

#include "../support/broken_contract.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::context;
using sluice::context_error;
using sluice::errgroup;
using sluice::task;
using sluice_test::breaks_contract;
using sluice_test::eventually;
using sluice_test::receivers_waiting;

struct failure : std::runtime_error {
    explicit failure(int n) : std::runtime_error{"failure"}, number{n} {}
    int number;
};
int number_of(const std::exception_ptr& error) {
    try {
        if (error) std::rethrow_exception(error);
    } catch (const failure& f) {
        return f.number;
    } catch (...) {
        return -1;
    }
    return 0;
}
template <class F>
int thrown_by(F&& f) {
    try {
        f();
    } catch (...) {
        return number_of(std::current_exception());
    }
    return 0;
}

task<> fail(int number) {
    co_await sluice::yield();
    throw failure{number};
}
task<> fail_after(channel<int> go_on, int number) {
    static_cast<void>(co_await go_on.async_receive());
    throw failure{number};
}
task<> wait_for_the_end() { co_await sluice::sleep_for(1h); }
task<> nothing() { co_return; }

// Waits until cancelled, and tells.
task<> note_the_end(std::atomic<int>* ended) {
    try {
        co_await sluice::sleep_for(1h);
    } catch (const canceled&) {
        ++*ended;
        throw;
    }
}

// --- errors ---------------------------------------------------------------------------------------------------------

// EG-01
TEST(Errgroup, WithoutAContextTheFirstErrorCancelsTheOthersToo) {
    errgroup group;
    std::atomic<int> ended{0};
    group.go(note_the_end, &ended);
    group.go(note_the_end, &ended);
    group.go(fail, 1);
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 1);
    EXPECT_LE(ended, 2);  // one that had not begun does not begin
    EXPECT_TRUE(group.get_context().done());
}

// EG-02, T37
TEST(Errgroup, RethrowsTheErrorThatCameFirstInTimeNotInOrder) {
    errgroup group;
    const channel<int> go_on{0};
    group.go(fail_after, go_on, 1);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(go_on) == 1; }));
    group.go([&]() -> task<> {
        throw failure{2};
        co_return;
    });
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 2);
}

// EG-03
TEST(Errgroup, ItsContextEndsWithTheFirstErrorAsTheCause) {
    errgroup group;
    const context ctx = group.get_context();
    EXPECT_FALSE(ctx.done());
    group.go(fail, 3);
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 3);
    EXPECT_EQ(ctx.error(), context_error::canceled);
    EXPECT_EQ(number_of(ctx.cause()), 3);
}

// EG-03
TEST(Errgroup, ItsContextEndsWhenAWaitReturnsEvenOfAnEmptyGroup) {
    errgroup group;
    const context ctx = group.get_context();
    group.wait();
    EXPECT_TRUE(ctx.done());
    EXPECT_EQ(ctx.cause(), nullptr);
    errgroup unasked;
    unasked.wait();
    EXPECT_TRUE(unasked.get_context().done());
}

// EG-04
TEST(Errgroup, WaitsForAllAfterAnErrorToo) {
    errgroup group;
    std::atomic<bool> is_over{false};
    const channel<int> begun{1};
    group.go([&]() -> task<> {
        static_cast<void>(begun.try_send(1));
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        // It takes its time, whatever its context says.
        for (int i = 0; i < 100; ++i) co_await sluice::shielded(sluice::yield());
        is_over = true;
    });
    static_cast<void>(begun.receive());
    group.go(fail, 1);
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 1);
    EXPECT_TRUE(is_over);
}

// EG-05
TEST(Errgroup, StartsNothingAfterItsEndAndSaysSo) {
    errgroup group;
    group.go(fail, 1);
    ASSERT_TRUE(eventually([&] { return group.get_context().done(); }));
    bool ran = false;
    const auto note = [&] { ran = true; };
    EXPECT_FALSE(group.go(note));
    EXPECT_FALSE(group.try_go(note));
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 1);
    EXPECT_FALSE(ran);
    EXPECT_FALSE(group.go(note));
}

// EG-06
TEST(Errgroup, AnotherWaitThrowsTheSameErrorAgain) {
    errgroup group;
    group.go(fail, 1);
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 1);
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 1);
}

TEST(Errgroup, TellsAllErrorsInTimeWithoutTheCancellations) {
    const auto fail_when_cancelled = [](int number) -> task<> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        throw failure{number};
    };
    const auto main = [&]() -> task<> {
        errgroup g;
        g.go(fail_when_cancelled, 2);
        g.go(wait_for_the_end);
        for (int i = 0; i < 20; ++i) co_await sluice::yield();  // both wait now
        g.go(fail, 1);
        try {
            co_await g.async_wait();
        } catch (const failure& f) {
            EXPECT_EQ(f.number, 1);
        }
        const auto all = g.errors();
        EXPECT_EQ(all.size(), 2u);
        EXPECT_EQ(number_of(all.front()), 1);
        EXPECT_EQ(number_of(all.back()), 2);
    };
    sluice::run(sluice::run_options{.workers = 1}, main);
}

// EG-13
TEST(Errgroup, AnErrorOfABlockingCallableCountsLikeThatOfATask) {
    errgroup group;
    group.go(wait_for_the_end);
    group.go([] { throw failure{7}; });
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 7);
}

// --- cancellation ---------------------------------------------------------------------------------------------------

TEST(Errgroup, AWaitAfterTheOwnersCancelJustReturns) {
    errgroup group;
    group.go(wait_for_the_end);
    group.cancel();
    group.wait();
    EXPECT_TRUE(group.errors().empty());
}

TEST(Errgroup, AWaitAfterTheEndOfItsParentThrowsCanceledWithItsCause) {
    const auto parent = sluice::with_cancel({});
    errgroup group{parent};
    group.go(wait_for_the_end);
    parent.cancel(std::make_exception_ptr(failure{4}));
    try {
        group.wait();
        FAIL() << "no exception";
    } catch (const canceled& c) {
        EXPECT_EQ(number_of(c.cause()), 4);
    }
}

TEST(Errgroup, AnErrorWinsOverTheEndOfItsParent) {
    const auto parent = sluice::with_cancel({});
    errgroup group{parent};
    group.go(fail, 1);
    ASSERT_TRUE(eventually([&] { return group.get_context().done(); }));
    parent.cancel();
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 1);
}

TEST(Errgroup, ItsTasksSeeTheValuesOfItsParent) {
    struct key {
        using type = int;
    };
    errgroup group{sluice::with_value<key>({}, 42)};
    std::atomic<int> seen{0};
    group.go([&]() -> task<> {
        seen = *sluice::current_context().value<key>();
        co_return;
    });
    group.wait();
    EXPECT_EQ(seen, 42);
}

TEST(Errgroup, ACancelledWaitCancelsTheTasksAndThrowsAfterTheirEnd) {
    std::atomic<int> ended{0};
    const auto main = [&]() -> task<> {
        const channel<int> begun{1};
        auto waiting = sluice::go([&]() -> task<> {
            errgroup group;
            group.go([&]() -> task<> {
                static_cast<void>(begun.try_send(1));
                co_await note_the_end(&ended);
            });
            co_await group.async_wait();
        });
        static_cast<void>(co_await begun.async_receive());
        waiting.cancel();
        bool was_canceled = false;
        try {
            co_await waiting;
        } catch (const canceled&) {
            was_canceled = true;
        }
        EXPECT_TRUE(was_canceled);
        EXPECT_EQ(ended, 1);
    };
    sluice::run(main);
}

// EG-16
TEST(Errgroup, ItsDestructorCancelsAndJoins) {
    std::atomic<int> ended{0};
    const channel<int> begun{1};
    {
        errgroup group;
        group.go([&]() -> task<> {
            static_cast<void>(begun.try_send(1));
            co_await note_the_end(&ended);
        });
        static_cast<void>(begun.receive());
    }
    EXPECT_EQ(ended, 1);
}

// --- limits ---------------------------------------------------------------------------------------------------------

// EG-07
TEST(Errgroup, AtItsLimitTryGoStartsNothingAndGoWaits) {
    errgroup group;
    group.set_limit(1);
    const channel<int> go_on{0};
    const auto receive_one = [](channel<int> ch) -> task<> { static_cast<void>(co_await ch.async_receive()); };
    EXPECT_TRUE(group.try_go(receive_one, go_on));
    EXPECT_FALSE(group.try_go(receive_one, go_on));
    std::atomic<bool> started{false};
    std::jthread second{[&] { started = group.go(receive_one, go_on); }};
    ASSERT_TRUE(eventually([&] { return group.count() == 2; }));
    EXPECT_FALSE(started);
    EXPECT_TRUE(go_on.send(1));
    second.join();
    EXPECT_TRUE(started);
    EXPECT_TRUE(go_on.send(2));
    group.wait();
}

// EG-08
TEST(Errgroup, ANegativeLimitBreaksTheContract) {
    errgroup group;
    EXPECT_TRUE(breaks_contract([&] { group.set_limit(static_cast<std::size_t>(-1)); }));
}

// EG-08
TEST(Errgroup, ALimitOfZeroBreaksTheContract) {
    errgroup group;
    EXPECT_TRUE(breaks_contract([&] { group.set_limit(0); }));
}

// EG-09
TEST(Errgroup, ItsLimitMayChangeWhileTasksRun) {
    errgroup group;
    group.set_limit(1);
    EXPECT_TRUE(group.try_go(wait_for_the_end));
    EXPECT_FALSE(group.try_go(wait_for_the_end));
    group.set_limit(3);
    EXPECT_TRUE(group.try_go(wait_for_the_end));
    EXPECT_TRUE(group.try_go(wait_for_the_end));
    EXPECT_FALSE(group.try_go(wait_for_the_end));
    group.set_limit(sluice::unlimited);
    EXPECT_TRUE(group.try_go(wait_for_the_end));
    group.set_limit(1);
    EXPECT_FALSE(group.try_go(wait_for_the_end));
    group.cancel();
    group.wait();
}

// EG-10
TEST(Errgroup, NeverLetsMoreRunThanItsLimit) {
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    const auto main = [&]() -> task<> {
        errgroup group;
        group.set_limit(10);
        const auto work = [&]() -> task<> {
            const int now = ++inside;
            for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
            co_await sluice::yield();
            --inside;
        };
        for (int i = 0; i < 1025; ++i) {
            const bool started = co_await group.async_go(work);
            EXPECT_TRUE(started);
        }
        co_await group.async_wait();
    };
    sluice::run(main);
    EXPECT_LE(most, 10);
    EXPECT_GE(most, 2);
}

// EG-11
TEST(Errgroup, AGoThatWaitsForASlotIsReleasedByTheEndOfTheGroup) {
    errgroup group;
    group.set_limit(1);
    const channel<int> go_on{0};
    group.go(fail_after, go_on, 1);
    std::atomic<int> started{-1};
    std::jthread second{[&] { started = group.go(nothing); }};
    ASSERT_TRUE(eventually([&] { return group.count() == 2; }));
    EXPECT_TRUE(go_on.send(1));
    second.join();
    EXPECT_EQ(started, 0);
    EXPECT_EQ(thrown_by([&] { group.wait(); }), 1);
}

// EG-11
TEST(Errgroup, AnAsyncGoThatWaitsForASlotIsReleasedByTheEndOfTheGroup) {
    const auto main = []() -> task<> {
        errgroup group;
        group.set_limit(1);
        group.go(wait_for_the_end);
        auto starting =
            sluice::go([](errgroup& g) -> task<bool> { co_return co_await g.async_go(nothing); }, std::ref(group));
        while (group.count() != 2) co_await sluice::yield();
        group.cancel();
        const bool started = co_await starting;
        EXPECT_FALSE(started);
        co_await group.async_wait();
    };
    sluice::run(main);
}

TEST(Errgroup, AnAsyncGoIsEndedByTheSurroundingCancellation) {
    const auto main = []() -> task<> {
        errgroup group;
        group.set_limit(1);
        group.go(wait_for_the_end);
        auto starting =
            sluice::go([](errgroup& g) -> task<bool> { co_return co_await g.async_go(nothing); }, std::ref(group));
        while (group.count() != 2) co_await sluice::yield();
        starting.cancel();
        bool was_canceled = false;
        try {
            static_cast<void>(co_await starting);
        } catch (const canceled&) {
            was_canceled = true;
        }
        EXPECT_TRUE(was_canceled);
        EXPECT_EQ(group.count(), 1u);
        group.cancel();
        co_await group.async_wait();
    };
    sluice::run(main);
}

// EG-12
TEST(Errgroup, ATaskOfAFullGroupThatStartsAnotherIsToldOfTheDeadlock) {
    errgroup group;
    group.set_limit(1);
    group.go([&]() -> task<> {
        co_await sluice::yield();
        static_cast<void>(co_await group.async_go(nothing));
    });
    EXPECT_THROW(group.wait(), sluice::deadlock_error);
}

// EG-12
TEST(Errgroup, OnlyTheLastOfAllItsTasksIsToldAndTheOthersEnd) {
    errgroup group;
    group.set_limit(2);
    const auto start_another = [&] { group.go(nothing); };
    const channel<int> go_on{0};
    group.go([&] {
        static_cast<void>(go_on.receive());
        start_another();
    });
    group.go(start_another);
    ASSERT_TRUE(eventually([&] { return group.count() == 3; }));
    EXPECT_TRUE(go_on.send(1));
    EXPECT_THROW(group.wait(), sluice::deadlock_error);
    EXPECT_EQ(group.errors().size(), 1u);
}

// EG-12
TEST(Errgroup, ATaskThatStartsAnotherWaitsIfOneThatDoesNotWillEnd) {
    errgroup group;
    group.set_limit(2);
    const channel<int> go_on{0};
    std::atomic<bool> ran{false};
    group.go([&]() -> task<> { static_cast<void>(co_await go_on.async_receive()); });
    group.go([&]() -> task<> {
        const auto note = [&] { ran = true; };
        static_cast<void>(co_await group.async_go(note));
    });
    ASSERT_TRUE(eventually([&] { return group.count() == 3; }));
    EXPECT_TRUE(go_on.send(1));
    group.wait();
    EXPECT_TRUE(ran);
}

// --- waiting --------------------------------------------------------------------------------------------------------

TEST(Errgroup, AWaitEndsEarlyWithItsContextOrTimeAndCancelsNothing) {
    errgroup group;
    group.go(wait_for_the_end);
    const auto over = sluice::with_cancel({});
    over.cancel();
    EXPECT_FALSE(group.wait(over));
    EXPECT_FALSE(group.wait_for(1ms));
    EXPECT_FALSE(group.get_context().done());
    group.cancel();
    EXPECT_TRUE(group.wait_for(1h));
}

TEST(Errgroup, IsACaseOfASelect) {
    const auto main = []() -> task<> {
        errgroup group;
        group.go(nothing);
        bool has_ended = false;
        const auto fired = co_await sluice::async_select(sluice::on_wait(group, has_ended), sluice::on_timeout(1h));
        EXPECT_EQ(fired, 0u);
        EXPECT_TRUE(has_ended);
    };
    sluice::run(main);
}

TEST(Errgroup, ACallableWhoseCopyThrowsLeavesTheGroupAsItWas) {
    struct uncopyable {
        uncopyable() = default;
        uncopyable(const uncopyable&) { throw failure{5}; }
        void operator()() const {}
    };
    errgroup group;
    group.set_limit(1);
    const uncopyable f;
    EXPECT_EQ(thrown_by([&] { group.go(f); }), 5);
    EXPECT_EQ(group.count(), 0u);
    EXPECT_TRUE(group.try_go(nothing));
    group.wait();
}

// EG-04, T37
TEST(Errgroup, ManyThatFailTogetherLeaveOneFirstErrorAndNobodyRunning) {
    for (int round = 0; round < 200; ++round) {
        errgroup group;
        std::atomic<int> ended{0};
        for (int i = 1; i <= 8; ++i)
            group.go([&ended, i]() -> task<> {
                struct at_end {
                    std::atomic<int>& count;
                    ~at_end() { ++count; }
                } const note{ended};
                co_await fail(i);
            });
        const int first = thrown_by([&] { group.wait(); });
        EXPECT_GE(first, 1);
        EXPECT_EQ(number_of(group.errors().front()), first);
        EXPECT_EQ(number_of(group.get_context().cause()), first);
        const int begun = ended;
        EXPECT_GE(begun, static_cast<int>(group.errors().size()));
    }
}

// --- on_exception -----------------------------------------------------------------------------------------------------

// EG-13
TEST(ErrgroupOnException, SeesAnExceptionBeforeTheOthersAreCancelled) {
    auto run = sluice::testing::simulate({}, []() -> task<> {
        errgroup group;
        std::vector<std::string> seen;
        group.on_exception([&](const std::exception_ptr& error) {
            seen.push_back(sluice::detail::what_of(error) + (group.get_context().done() ? ", cancelled" : ", not yet"));
        });
        group.go([]() -> task<> {
            co_await sluice::sleep_for(1s);
            throw std::runtime_error{"first"};
        });
        group.go([]() -> task<> {
            try {
                co_await sluice::sleep_for(1h);
            } catch (const sluice::canceled&) {
                throw std::runtime_error{"second"};
            }
        });
        group.go([]() -> task<> { co_await sluice::sleep_for(1h); });
        EXPECT_THROW(co_await group.async_wait(), std::runtime_error);
        EXPECT_EQ(seen, (std::vector<std::string>{"first, not yet", "second, cancelled"}));
    });
    EXPECT_FALSE(run.failed()) << sluice::detail::what_of(run.error());
}

// EG-14
TEST(ErrgroupOnException, AWaitGroupTellsThemTooWithoutCancelling) {
    auto run = sluice::testing::simulate({}, []() -> task<> {
        sluice::wait_group group;
        int seen = 0;
        group.on_exception([&](const std::exception_ptr&) { ++seen; });
        for (int i = 0; i < 3; ++i)
            group.go([]() -> task<> {
                co_await sluice::yield();
                throw std::runtime_error{"one of them"};
            });
        EXPECT_THROW(co_await group.async_wait(), std::runtime_error);
        EXPECT_EQ(seen, 3);
    });
    EXPECT_FALSE(run.failed()) << sluice::detail::what_of(run.error());
}

TEST(ErrgroupOnException, WhatItThrowsEndsTheRun) {
    EXPECT_THROW(sluice::run([]() -> task<> {
                     errgroup group;
                     group.on_exception([](const std::exception_ptr&) { throw std::logic_error{"the hook"}; });
                     group.go([]() -> task<> {
                         throw std::runtime_error{"the task"};
                         co_return;
                     });
                     co_await group.async_wait();
                 }),
                 std::exception);
}

TEST(ErrgroupDeathTest, ATaskThatWaitsForItsOwnGroupIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            errgroup group;
            group.go([&]() -> task<> { co_await group.async_wait(); });
            group.wait();
        },
        "errgroup_test.cpp.*its own group");
}

TEST(ErrgroupDeathTest, DestroyingAGroupInOneOfItsOwnTasksIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            auto* const group = new errgroup;
            group->go([group] { delete group; });
            eventually([] { return false; });
        },
        "by one of its own tasks");
}

}  // namespace
