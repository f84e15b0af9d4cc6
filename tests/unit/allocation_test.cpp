// SPDX-License-Identifier: BSL-1.0
// allocation_test.cpp: does any operation ask for memory, once its objects exist and have been used for a while?
//
// Every operation new of this program counts. What is counted here happens some thousands of times, by a thread or by a
// task, most of it waiting each time for a peer of its own kind, which sends back what it gets. Frames and contexts come
// from pools; under AddressSanitizer these are heap blocks, so that what needs one is skipped there.

#include <sluice/sluice.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "../support/allocations.hpp"
#include "../support/sanitized.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

// What allocates each time allocates in every stretch; what fills a pool or grows a heap stops doing so.
constexpr int stretches = 8;
constexpr int rounds = 250;

/// The fewest allocations of a stretch of calls.
template <class Round>
long allocations_of(Round round) {
    long fewest = std::numeric_limits<long>::max();
    for (int s = 0; s < stretches; ++s) {
        const long before = allocations();
        for (int i = 0; i < rounds; ++i) round();
        fewest = std::min(fewest, allocations() - before);
    }
    return fewest;
}

/// The same for operations that a task awaits, one or two by turns.
struct nothing_more {};
template <class First, class Second>
task<long> allocations_in_task(First first, Second second) {
    long fewest = std::numeric_limits<long>::max();
    for (int s = 0; s < stretches; ++s) {
        const long before = allocations();
        for (int i = 0; i < rounds; ++i) {
            static_cast<void>(co_await first());
            if constexpr (!std::is_same_v<Second, nothing_more>) static_cast<void>(co_await second());
        }
        fewest = std::min(fewest, allocations() - before);
    }
    co_return fewest;
}

TEST(Allocation, IsCounted) {
    EXPECT_EQ(allocations_of([] { static_cast<void>(std::string(100, 'x')); }), rounds);
    channel<int> made{0};
    EXPECT_GE(allocations_of([&] { made = channel<int>{3}; }), rounds);
}

class Allocation : public testing::TestWithParam<std::size_t> {
protected:
    /// Of a thread, while another echoes.
    template <class Round>
    long by_thread(Round round) {
        const std::jthread echo{[this] {
            while (const auto v = there.receive())
                if (!back.send(*v)) break;
        }};
        const long made = allocations_of(round);
        there.close();
        return made;
    }

    /// Of a task, while another echoes.
    template <class First, class Second = nothing_more>
    long by_task(First first, Second second = {}) {
        sluice::runtime rt{workers(2)};
        rt.go(
            [](channel<int> in, channel<int> out) -> task<> {
                while (const auto v = co_await in.async_receive()) static_cast<void>(co_await out.async_send(*v));
            },
            tasks_there, tasks_back);
        const long made = rt.run(allocations_in_task<First, Second>, first, second);
        tasks_there.close();
        return made;
    }

    const channel<int> there{GetParam()};
    const channel<int> back{GetParam()};
    const channel<int> tasks_there{GetParam()};
    const channel<int> tasks_back{GetParam()};
    const channel<int> quiet{1};
    const channel<int> also_quiet{0};
    const channel<int> nil;
    const int one = 1;
    sluice::semaphore taken{1};
    const sluice::context_source source = sluice::with_cancel({});
    std::stop_source stop;
};

INSTANTIATE_TEST_SUITE_P(Capacity, Allocation, testing::Values(0, 1, 16), testing::PrintToStringParamName());

TEST_P(Allocation, PlainOperationsMakeNone) {
    EXPECT_EQ(by_thread([&] { static_cast<void>(there.send(1)), static_cast<void>(back.receive()); }), 0);
    EXPECT_EQ(by_task([&] { return tasks_there.async_send(one); }, [&] { return tasks_back.async_receive(); }), 0);
}

TEST_P(Allocation, OperationsWithALimitOfTimeMakeNone) {
    EXPECT_EQ(by_thread([&] { static_cast<void>(there.send_for(1, 1h)), static_cast<void>(back.receive_for(1h)); }), 0);
    EXPECT_EQ(by_task([&] { return sluice::timeout(1h, tasks_there.async_send(one)); },
                      [&] { return sluice::timeout(1h, tasks_back.async_receive()); }),
              0);
}

TEST_P(Allocation, OperationsWithAContextMakeNone) {
    const sluice::context& ctx = source.get();
    EXPECT_EQ(by_thread([&] { static_cast<void>(there.send(1, ctx)), static_cast<void>(back.receive(ctx)); }), 0);
    EXPECT_EQ(by_task([&] { return tasks_there.async_send(one, ctx); }, [&] { return tasks_back.async_receive(ctx); }),
              0);
}

TEST_P(Allocation, OperationsWithAStopTokenMakeNone) {
#if SLUICE_ASAN
    GTEST_SKIP() << "a token is followed by a context, which is a heap block here";
#endif
    const auto token = stop.get_token();
    EXPECT_EQ(by_thread([&] { static_cast<void>(there.send(1, token)), static_cast<void>(back.receive(token)); }), 0);
    EXPECT_EQ(
        by_task([&] { return tasks_there.async_send(one, token); }, [&] { return tasks_back.async_receive(token); }),
        0);
}

TEST_P(Allocation, SelectsOfTwoCasesMakeNone) {
    const auto by = [&](const auto& select, const auto& in, const auto& out) {
        return std::pair{[&] { return select(on_send(in, one), on_receive(quiet)); },
                         [&] { return select(on_receive(quiet), on_receive(out)); }};
    };
    const auto blocking = [](auto&&... cases) { return sluice::select(std::move(cases)...); };
    const auto awaited = [](auto&&... cases) { return sluice::async_select(std::move(cases)...); };
    const auto [send, receive] = by(blocking, there, back);
    EXPECT_EQ(by_thread([&] { send(), receive(); }), 0);
    const auto [async_send, async_receive] = by(awaited, tasks_there, tasks_back);
    EXPECT_EQ(by_task(async_send, async_receive), 0);
}

TEST_P(Allocation, SelectsOfEightCasesOfAllKindsMakeNone) {
    using namespace sluice;
    ASSERT_TRUE(taken.try_acquire());
    wait_group group;
    group.add();
    sent gone = status::full;
    received<int> got;
    const auto by = [&](const auto& select, const auto& in, const auto& out) {
        return std::pair{[&] {
                             return select(on_send(in, one, gone), on_receive(quiet), on_receive(also_quiet, got),
                                           on_send(nil, one), on_acquire(taken), on_wait(group), on_timeout(1h),
                                           on_done(source.get()));
                         },
                         [&] {
                             return select(prioritized, on_receive(quiet), on_receive(also_quiet), on_acquire(taken),
                                           on_receive(nil), on_wait(group), on_receive(out, got),
                                           on_deadline(sluice::clock::now() + 1h), on_done(source.get()));
                         }};
    };
    const auto blocking = [](auto&&... cases) { return sluice::select(std::forward<decltype(cases)>(cases)...); };
    const auto awaited = [](auto&&... cases) { return async_select(std::forward<decltype(cases)>(cases)...); };
    const auto [send, receive] = by(blocking, there, back);
    EXPECT_EQ(by_thread([&] { send(), receive(); }), 0);
    const auto [async_send, async_receive] = by(awaited, tasks_there, tasks_back);
    EXPECT_EQ(by_task(async_send, async_receive), 0);
    group.done();
}

// --- what does not wait, or in vain -----------------------------------------------------------------------------------

TEST(AllocationAtOnce, TryFormsMakeNone) {
    const channel<int> ch{2};
    EXPECT_EQ(allocations_of([&] {
                  for (int i = 0; i < 3; ++i) static_cast<void>(ch.try_send(i));
                  for (int i = 0; i < 3; ++i) static_cast<void>(ch.try_receive());
                  sluice::select(on_receive(ch), on_send(ch, 1), sluice::otherwise);
              }),
              0);
}

TEST(AllocationAtOnce, ABufferThatHasGrownMakesNone) {
    const channel<int> ch{sluice::unbounded};
    EXPECT_EQ(allocations_of([&] {
                  for (int i = 0; i < 50; ++i) static_cast<void>(ch.send(i));
                  for (int i = 0; i < 50; ++i) static_cast<void>(ch.receive());
              }),
              0);
}

TEST(AllocationAtOnce, DroppingMakesNone) {
    const channel<int> ch{2, sluice::overflow::drop_oldest};
    EXPECT_EQ(allocations_of([&] { static_cast<void>(ch.send(1)); }), 0);
}

TEST(AllocationInVain, TimesThatPassMakeNone) {
    const channel<int> ch{0};
    EXPECT_EQ(allocations_of([&] {
                  static_cast<void>(ch.receive_for(1us)), static_cast<void>(ch.send_for(1, 1us));
                  sluice::select(on_receive(ch), sluice::on_timeout(1us));
              }),
              0);
    const auto made = sluice::run(
        workers(1),
        [](const channel<int>* c) {
            const auto one = [c] { return sluice::timeout(1us, c->async_receive()); };
            const auto two = [c] { return sluice::async_select(on_receive(*c), sluice::on_timeout(1us)); };
            return allocations_in_task(one, two);
        },
        &ch);
    EXPECT_EQ(made, 0);
}

TEST(AllocationInVain, ContextsThatHaveEndedMakeNone) {
    const channel<int> ch{0};
    const auto source = sluice::with_cancel({});
    source.cancel();
    EXPECT_EQ(allocations_of([&] {
                  static_cast<void>(ch.receive(source.get()));
                  sluice::select(on_receive(ch), on_done(source.get()));
              }),
              0);
}

// --- semaphores -------------------------------------------------------------------------------------------------------

class AllocationOfPermits : public testing::Test {
public:
    sluice::semaphore go_on{0};
    sluice::semaphore done{0};
    bool over = false;
};

TEST_F(AllocationOfPermits, MakesNoneByThreads) {
    const auto source = sluice::with_cancel({});
    go_on.set_permits(1);
    done.set_permits(1);
    ASSERT_TRUE(go_on.try_acquire());
    ASSERT_TRUE(done.try_acquire());
    std::jthread other{[&] {
        for (go_on.acquire(); !over; go_on.acquire()) done.release();
    }};
    EXPECT_EQ(allocations_of([&] { go_on.release(), done.acquire(); }), 0);
    EXPECT_EQ(allocations_of([&] { go_on.release(), static_cast<void>(done.acquire_for(1, 1h)); }), 0);
    EXPECT_EQ(allocations_of([&] { go_on.release(), static_cast<void>(done.acquire(1, source.get())); }), 0);
    EXPECT_EQ(allocations_of([&] { static_cast<void>(done.acquire_for(1, 1us)); }), 0);
    EXPECT_EQ(allocations_of([&] { static_cast<void>(done.try_acquire()); }), 0);
    over = true;
    go_on.release();
    other.join();
    go_on.release();
    done.release();
    EXPECT_EQ(allocations_of([&] { const sluice::permit held = done.hold(); }), 0);
}

TEST_F(AllocationOfPermits, MakesNoneByTasks) {
    go_on.set_permits(1);
    done.set_permits(1);
    ASSERT_TRUE(go_on.try_acquire());
    ASSERT_TRUE(done.try_acquire());
    sluice::runtime rt{workers(2)};
    auto other = rt.go(
        [](AllocationOfPermits* t) -> task<> {
            for (co_await t->go_on.async_acquire(); !t->over; co_await t->go_on.async_acquire()) t->done.release();
        },
        this);
    const auto acquire = [this] {
        go_on.release();
        return done.async_acquire();
    };
    const auto acquire_with_limit = [this] {
        go_on.release();
        return sluice::timeout(1h, done.async_acquire());
    };
    EXPECT_EQ(rt.run(allocations_in_task<decltype(acquire), decltype(acquire_with_limit)>, acquire, acquire_with_limit),
              0);
    over = true;
    go_on.release();
    other.get();
    go_on.release();
    done.release();
}

// --- from the pools ---------------------------------------------------------------------------------------------------

TEST(AllocationFromPools, TasksAndTheirHandlesMakeNone) {
#if SLUICE_ASAN
    GTEST_SKIP() << "frames are heap blocks here";
#endif
    const auto child = [] { return []() -> task<int> { co_return 1; }(); };
    const auto started = [] { return sluice::go([]() -> task<int> { co_return 1; }); };
    EXPECT_EQ(sluice::run(workers(2), allocations_in_task<decltype(child), decltype(started)>, child, started), 0);
}

TEST(AllocationFromPools, ContextsMakeNone) {
#if SLUICE_ASAN
    GTEST_SKIP() << "contexts are heap blocks here";
#endif
    const auto parent = sluice::with_cancel({});
    EXPECT_EQ(allocations_of([&] {
                  const auto child = sluice::with_timeout(parent, 1h);
                  child.cancel();
              }),
              0);
}

// TI-08
TEST(AllocationFromPools, AMillionDeadlinesMadeAndDroppedMakeNoneAndLeaveNoTimer) {
#if SLUICE_ASAN
    GTEST_SKIP() << "contexts are heap blocks here";
#endif
    // A hundred at a time, each with an earlier end than the one before.
    std::vector<sluice::context_source> alive(100);
    std::chrono::nanoseconds in = 10h;
    const auto replace_all = [&] {
        for (auto& one : alive) one = sluice::with_timeout({}, in -= 1ns);
    };
    replace_all();
    replace_all();
    const long before = sluice_test::allocations();
    for (int i = 0; i < sluice_test::many(10'000); ++i) replace_all();
    EXPECT_EQ(sluice_test::allocations() - before, 0);
    alive.clear();
    EXPECT_EQ(sluice::detail::process_timers::queue().earliest(), sluice::detail::no_deadline);
}

// CX-24
TEST(AllocationFromPools, ContextsBoundToAScopeMakeNone) {
#if SLUICE_ASAN
    GTEST_SKIP() << "contexts are heap blocks here";
#endif
    struct number {
        using type = int;
    };
    const auto parent = sluice::with_cancel({});
    const auto other = sluice::with_cancel({});
    EXPECT_EQ(allocations_of([&] {
                  const auto child = sluice::with_cancel(parent);
                  const auto valued = sluice::with_value<number>(child, 1);
                  const auto timed = sluice::with_timeout(valued, 1h);
                  const auto joined = sluice::any_of(timed, other);
                  const auto free = sluice::without_cancel(joined);
              }),
              0);
    const auto call = sluice::after_func(parent, [] {});
    EXPECT_EQ(allocations_of([&] { static_cast<void>(sluice::after_func(parent, [] {}).stop()); }), 0);
}

TEST(AllocationFromPools, EnteringAContextMakesNone) {
#if SLUICE_ASAN
    GTEST_SKIP() << "contexts are heap blocks here";
#endif
    const auto source = sluice::with_cancel({});
    const auto nothing = []() -> task<> { co_return; };
    const auto entered = [&] { return sluice::under(source, nothing()); };
    const auto limited = [&] { return sluice::timeout(1h, nothing()); };
    EXPECT_EQ(sluice::run(workers(1), allocations_in_task<decltype(entered), decltype(limited)>, entered, limited), 0);
}

}  // namespace
