// SPDX-License-Identifier: BSL-1.0
// after_func_test.cpp: what runs when a context ends, where, and how often?

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/sluice.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/virtual_time.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::after_func;
using sluice::after_func_handle;
using sluice::channel;
using sluice::context;
using sluice::runtime;
using sluice::task;
using sluice_test::counted;
using sluice_test::eventually;

bool has_callbacks(const context& c) {
    auto* const n = sluice::detail::context_access::node(c);
    const sluice::detail::hold guard{n->mutex};
    return n->callbacks != nullptr;
}

struct size {
    using type = int;
};

// CX-15
TEST(AfterFunc, RunsOnceAfterTheEndAndNotBefore) {
    std::atomic<int> runs{0};
    const auto source = sluice::with_cancel({});
    const auto handle = after_func(source, [&] { ++runs; });
    EXPECT_TRUE(has_callbacks(source));
    EXPECT_EQ(runs, 0);
    source.cancel();
    ASSERT_TRUE(eventually([&] { return runs == 1; }));
    source.cancel();
    EXPECT_FALSE(handle.stop());
    EXPECT_EQ(runs, 1);
}

// CX-15: the canceller goes on while the function blocks.
TEST(AfterFunc, DoesNotRunInWhoeverEndsTheContext) {
    const channel<int> go_on{0};
    std::atomic<bool> over{false};
    std::atomic<std::thread::id> ran_in{};
    const auto source = sluice::with_cancel({});
    const auto handle = after_func(source, [&] {
        ran_in = std::this_thread::get_id();
        static_cast<void>(go_on.receive());
        over = true;
    });
    source.cancel();
    EXPECT_FALSE(over);
    ASSERT_TRUE(go_on.send(1));
    ASSERT_TRUE(eventually([&] { return over.load(); }));
    EXPECT_NE(ran_in.load(), std::this_thread::get_id());
}

// CX-15
TEST(AfterFunc, RunsATaskOnTheScheduler) {
    const auto main = []() -> task<int> {
        const channel<int> out{0};
        const auto source = sluice::with_cancel({});
        const auto f = [out]() -> task<> { static_cast<void>(co_await out.async_send(7)); };
        const auto handle = after_func(source, f);
        source.cancel();
        const auto got = co_await out.async_receive();
        co_return got ? *got : 0;
    };
    EXPECT_EQ(sluice::run(sluice_test::workers(1), main), 7);
}

// CX-16
TEST(AfterFunc, OfAnEndedContextRunsAtOnce) {
    std::atomic<int> runs{0};
    const auto source = sluice::with_cancel({});
    source.cancel();
    const auto handle = after_func(source, [&] { ++runs; });
    ASSERT_TRUE(eventually([&] { return runs == 1; }));
    EXPECT_FALSE(handle.stop());
}

// CX-17
TEST(AfterFunc, StoppedBeforeTheEndNeverRunsAndGoesAtOnce) {
    struct here;
    const auto source = sluice::with_cancel({});
    std::atomic<int> runs{0};
    const auto handle = after_func(source, [&runs, value = counted<here>{1}] { ++runs; });
    EXPECT_EQ(counted<here>::live(), 1);
    EXPECT_TRUE(handle.stop());
    EXPECT_EQ(counted<here>::live(), 0);
    EXPECT_FALSE(has_callbacks(source));
    EXPECT_FALSE(handle.stop());
    source.cancel();
    EXPECT_FALSE(handle.stop());
    EXPECT_EQ(runs, 0);
}

// CX-17
TEST(AfterFunc, StopDoesNotWaitForWhatRuns) {
    const channel<int> go_on{0};
    std::atomic<bool> running{false};
    std::atomic<bool> over{false};
    const auto source = sluice::with_cancel({});
    const auto handle = after_func(source, [&] {
        running = true;
        static_cast<void>(go_on.receive());
        over = true;
    });
    source.cancel();
    ASSERT_TRUE(eventually([&] { return running.load(); }));
    EXPECT_FALSE(handle.stop());
    EXPECT_FALSE(over);
    ASSERT_TRUE(go_on.send(1));
    ASSERT_TRUE(eventually([&] { return over.load(); }));
}

// CX-17: of a stop and an end at the same time one decides.
TEST(AfterFunc, EitherIsStoppedOrRuns) {
    for (int i = 0; i < 500; ++i) {
        std::atomic<int> runs{0};
        const auto source = sluice::with_cancel({});
        const auto handle = after_func(source, [&] { ++runs; });
        bool stopped = false;
        {
            const std::jthread ending{[&] { source.cancel(); }};
            stopped = handle.stop();
        }
        if (stopped) ASSERT_EQ(runs, 0);
        else ASSERT_TRUE(eventually([&] { return runs == 1; }));
    }
}

// CX-18
TEST(AfterFunc, SeveralOfOneContextAreIndependent) {
    std::atomic<int> ran{0};
    const auto source = sluice::with_cancel({});
    std::vector<after_func_handle> all;
    for (int i = 0; i < 10; ++i) all.push_back(after_func(source, [&ran, i] { ran += 1 << i; }));
    for (std::size_t i : {0u, 4u, 9u}) EXPECT_TRUE(all[i].stop());
    source.cancel();
    ASSERT_TRUE(eventually([&] { return ran == 0b01'1110'1110; }));
    for (const auto& h : all) EXPECT_FALSE(h.stop());
}

// CX-06
TEST(AfterFunc, ManyRegisteredAndStoppedLeaveNothing) {
    struct here;
    const auto source = sluice::with_cancel({});
    for (int i = 0; i < 1'000; ++i) {
        const auto handle = after_func(source, [value = counted<here>{i}] {});
        ASSERT_TRUE(handle.stop());
    }
    EXPECT_FALSE(has_callbacks(source));
    EXPECT_EQ(counted<here>::live(), 0);
}

TEST(AfterFunc, DroppingTheHandleLeavesItRegistered) {
    std::atomic<int> runs{0};
    const auto source = sluice::with_cancel({});
    {
        const auto dropped = after_func(source, [&] { ++runs; });
    }
    EXPECT_TRUE(has_callbacks(source));
    source.cancel();
    ASSERT_TRUE(eventually([&] { return runs == 1; }));
}

TEST(AfterFunc, ItsContextNeedNotBeHeldByAnybody) {
    std::atomic<int> runs{0};
    const auto source = sluice::with_cancel({});
    std::stop_source stop;
    {
        const auto dropped = after_func(sluice::with_value<size>(source, 1), [&] { ++runs; });
    }
    {
        const auto dropped = after_func(context::from(stop.get_token()), [&] { ++runs; });
    }
    EXPECT_EQ(runs, 0);
    source.cancel();
    ASSERT_TRUE(eventually([&] { return runs == 1; }));
    stop.request_stop();
    ASSERT_TRUE(eventually([&] { return runs == 2; }));
}

TEST(AfterFunc, OfAContextThatNeverEndsGoesWithItsHandle) {
    struct here;
    const auto source = sluice::with_cancel({});
    for (const context& never : {context{}, sluice::with_value<size>({}, 1), sluice::without_cancel(source)}) {
        auto handle = after_func(never, [value = counted<here>{1}] {});
        EXPECT_EQ(counted<here>::live(), 1);
        handle = {};
        EXPECT_EQ(counted<here>::live(), 0);
        handle = after_func(never, [value = counted<here>{1}] {});
        EXPECT_TRUE(handle.stop());
        EXPECT_FALSE(handle.stop());
        EXPECT_EQ(counted<here>::live(), 0);
    }
}

TEST(AfterFunc, RunsAtADeadlineAndAtTheEndOfAParent) {
    std::atomic<int> runs{0};
    const auto timed = sluice::with_timeout({}, 2ms);
    const auto at_deadline = after_func(timed, [&] { ++runs; });
    const auto parent = sluice::with_cancel({});
    const auto child = sluice::with_cancel(parent);
    const auto at_parents_end = after_func(child, [&] { ++runs; });
    parent.cancel();
    ASSERT_TRUE(eventually([&] { return runs == 2; }));
}

TEST(AfterFunc, ItsWaitsGoOnAlthoughTheContextHasEnded) {
    const auto main = []() -> task<bool> {
        const channel<bool> out{0};
        const auto source = sluice::with_cancel(sluice::current_context());
        const auto f = [out]() -> task<> {
            co_await sluice::sleep_for(1h);
            static_cast<void>(co_await out.async_send(true));
        };
        const auto handle = after_func(source, f);
        source.cancel();
        co_return static_cast<bool>(co_await out.async_receive());
    };
    EXPECT_TRUE(sluice_test::in_virtual_time(main));
}

TEST(AfterFunc, BeginsEvenWhenItsRunEndsAndIsJoinedByIt) {
    std::atomic<int> ends{0};
    const auto main = [](std::atomic<int>& n) -> task<> {
        const auto f = [&n] { ++n; };
        const auto g = [&n]() -> task<> {
            ++n;
            try {
                co_await sluice::sleep_for(1h);
            } catch (const sluice::canceled&) {
                ++n;
            }
        };
        const auto one = after_func(sluice::current_context(), f);
        const auto other = after_func(sluice::current_context(), g);
        co_return;
    };
    sluice::run(main, std::ref(ends));
    EXPECT_EQ(ends, 3);
}

TEST(AfterFunc, OutlivesItsRunInTheRuntimeOfTheProcess) {
    std::atomic<int> runs{0};
    const auto source = sluice::with_cancel({});
    const auto main = [](context c, std::atomic<int>& n) -> task<after_func_handle> {
        co_return after_func(c, [&n] { ++n; });
    };
    const auto handle = sluice::run(main, source.get(), std::ref(runs));
    EXPECT_EQ(runs, 0);
    source.cancel();
    ASSERT_TRUE(eventually([&] { return runs == 1; }));
    const auto later = sluice::with_cancel({});
    const auto stopped = sluice::run(main, later.get(), std::ref(runs));
    EXPECT_TRUE(stopped.stop());
    later.cancel();
    EXPECT_EQ(runs, 1);
}

// The context ends while the run does.
TEST(AfterFunc, RunsOnceWhetherItsRunEndsFirstOrNot) {
    for (int i = 0; i < 200; ++i) {
        std::atomic<int> runs{0};
        const auto source = sluice::with_cancel({});
        const auto main = [](context c, std::atomic<int>& n) -> task<> {
            const auto handle = after_func(c, [&n] { ++n; });
            co_return;
        };
        {
            const std::jthread ending{[&] { source.cancel(); }};
            sluice::run(sluice_test::workers(1), main, source.get(), std::ref(runs));
        }
        ASSERT_TRUE(eventually([&] { return runs == 1; }));
    }
}

TEST(AfterFunc, AnExceptionEndsTheRun) {
    const auto main = []() -> task<> {
        const auto source = sluice::with_cancel({});
        const auto handle = after_func(source, [] { throw std::runtime_error{"from after_func"}; });
        source.cancel();
        co_await sluice::sleep_for(1h);
    };
    EXPECT_THROW(sluice::run(main), std::runtime_error);
}

TEST(AfterFunc, ThatCannotBeCopiedIsNotRegistered) {
    struct no_copy {
        no_copy() = default;
        no_copy(const no_copy&) { throw std::runtime_error{"no copy"}; }
        void operator()() const {}
    };
    const auto source = sluice::with_cancel({});
    const no_copy f;
    EXPECT_THROW(static_cast<void>(after_func(source, f)), std::runtime_error);
    EXPECT_FALSE(has_callbacks(source));
}

// CX-20
TEST(AfterFunc, MayEndItsOwnContextAndItsParent) {
    std::atomic<int> runs{0};
    const auto parent = sluice::with_cancel({});
    const auto child = sluice::with_cancel(parent);
    const auto handle = after_func(child, [&] {
        child.cancel();
        parent.cancel();
        ++runs;
    });
    child.cancel();
    ASSERT_TRUE(eventually([&] { return runs == 1; }));
    EXPECT_TRUE(parent.get().done());
}

}  // namespace
