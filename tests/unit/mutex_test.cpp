// SPDX-License-Identifier: BSL-1.0
// mutex_test.cpp: is one alone inside, who is next, and is the lock ever lost?

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stop_token>
#include <thread>
#include <vector>

#include <sluice/mutex.hpp>
#include <sluice/runtime.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>

#include "../support/broken_contract.hpp"
#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/lock_callers.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::canceled;
using sluice::mutex;
using sluice::runtime;
using sluice::task;

task<> lock_and_tell(mutex& m, std::atomic<bool>& got) {
    const auto guard = co_await m.async_lock();
    got = true;
}

// --- one alone -----------------------------------------------------------------------------------------------------

TEST(Mutex, IsLockedByTheGuardsOfTheStandardLibrary) {
    mutex a;
    mutex b;
    {
        const std::lock_guard guard{a};
        EXPECT_TRUE(a.is_locked());
        EXPECT_FALSE(std::unique_lock(a, std::try_to_lock).owns_lock());
    }
    {
        const std::scoped_lock both{a, b};
        EXPECT_TRUE(a.is_locked() && b.is_locked());
    }
    {
        std::unique_lock guard{a, 1h};
        EXPECT_TRUE(guard.owns_lock());
        const std::unique_lock late{a, std::chrono::steady_clock::now() + 1ms};
        EXPECT_FALSE(late.owns_lock());
        const std::unique_lock by_the_wall{a, std::chrono::system_clock::now() + 1ms};
        EXPECT_FALSE(by_the_wall.owns_lock());
        guard.unlock();
        EXPECT_FALSE(a.is_locked());
    }
    EXPECT_FALSE(a.is_locked() || b.is_locked());
}

TEST(Mutex, TryLockTakesItOnlyWhenNobodyHoldsIt) {
    mutex m;
    EXPECT_TRUE(m.try_lock());
    EXPECT_FALSE(m.try_lock());
    m.unlock();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

TEST(Mutex, KeepsThreadsAndTasksOut) {
    runtime rt{workers(2)};
    mutex m;
    int inside = 0;
    const auto f = [](mutex& of, int& count) -> task<> {
        for (int i = 0; i < 2'000; ++i) {
            const auto guard = co_await of.async_lock();
            const int before = count;
            if (i % 16 == 0) co_await sluice::yield();
            count = before + 1;
        }
    };
    auto a = rt.go(f, std::ref(m), std::ref(inside));
    auto b = rt.go(f, std::ref(m), std::ref(inside));
    for (int i = 0; i < 2'000; ++i) {
        const std::lock_guard guard{m};
        ++inside;
    }
    a.get();
    b.get();
    EXPECT_EQ(inside, 6'000);
}

TEST(Mutex, IsHeldAcrossAwaitsAndUnlockedInWhateverThreadTheTaskIs) {
    runtime rt{workers(2)};
    mutex m;
    const auto f = [](mutex& of) -> task<bool> {
        const auto guard = co_await of.async_lock();
        const auto before = std::this_thread::get_id();
        for (int i = 0; i < 50 && before == std::this_thread::get_id(); ++i) co_await sluice::sleep_for(10us);
        co_return before != std::this_thread::get_id();
    };
    std::vector<sluice::join_handle<bool>> all;
    for (int i = 0; i < 4; ++i) all.push_back(rt.go(f, std::ref(m)));
    for (auto& h : all) static_cast<void>(h.get());
    EXPECT_FALSE(m.is_locked());
}

TEST(Mutex, MayBeUnlockedByWhoHasNotLockedIt) {
    mutex m;
    m.lock();
    std::jthread{[&] { m.unlock(); }}.join();
    EXPECT_FALSE(m.is_locked());
    auto guard = m.hold();
    std::jthread{[&] { const auto mine = std::move(guard); }}.join();
    EXPECT_FALSE(m.is_locked());
}

TEST(Mutex, MakesWhatWasDoneBeforeAnUnlockVisible) {
    mutex m;
    m.lock();
    int value = 0;
    std::jthread other{[&] {
        value = 1;
        m.unlock();
    }};
    m.lock();
    EXPECT_EQ(value, 1);
    m.unlock();
}

TEST(Mutex, ABlockingLockOnTheOnlyWorkerStarvesNobody) {
    const auto main = [](mutex& m) -> task<> {
        auto guard = co_await m.async_lock();
        auto blocking = sluice::go(
            [](mutex& of) -> task<> {
                const std::lock_guard mine{of};  // blocks its worker
                co_return;
            },
            std::ref(m));
        while (m.waiting() == 0) co_await sluice::yield();
        guard.unlock();
        co_await blocking;
    };
    mutex m;
    sluice::run(workers(1), main, std::ref(m));
    EXPECT_FALSE(m.is_locked());
}

// --- in order ------------------------------------------------------------------------------------------------------

template <class Callers>
class MutexLockedBy : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(MutexLockedBy, both_callers, caller_names);

TYPED_TEST(MutexLockedBy, IsHandedOverInTheOrderOfArrival) {
    mutex m;
    inside in;
    in.may_leave = true;
    m.lock();
    auto first = start_locking(this->by, m, in, 1);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    in.may_leave = false;
    auto second = start_locking(this->by, m, in, 2);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 2; }));
    m.unlock();
    EXPECT_FALSE(m.try_lock()) << "it is handed over and never free in between";
    ASSERT_TRUE(eventually([&] { return in.count == 1; }));
    EXPECT_EQ(in.last, 1);
    EXPECT_EQ(m.waiting(), 1u);
    in.may_leave = true;
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(second.get());
    EXPECT_EQ(in.last, 2);
    EXPECT_FALSE(m.is_locked());
}

TEST(Mutex, ServesThreadsAndTasksInOneQueue) {
    mutex m;
    m.lock();
    runtime rt{workers(2)};
    threads by;
    inside in;
    std::atomic<bool> task_got{false};
    auto h = rt.go(lock_and_tell, std::ref(m), std::ref(task_got));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    auto thread = start_locking(by, m, in);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 2; }));
    m.unlock();
    h.get();
    EXPECT_TRUE(task_got);
    in.may_leave = true;
    EXPECT_TRUE(thread.get());
}

// --- giving up -----------------------------------------------------------------------------------------------------

TEST(Mutex, AStopRequestedBeforeWinsOverAFreeLock) {
    mutex m;
    std::stop_source source;
    source.request_stop();
    EXPECT_FALSE(m.lock(source.get_token()));
    const auto ctx = sluice::with_cancel({});
    ctx.cancel();
    EXPECT_FALSE(m.lock(ctx.get()));
    EXPECT_FALSE(m.is_locked());
    const auto f = [](mutex& of, sluice::context until) -> task<bool> {
        const auto guard = co_await of.async_lock(until);
        co_return guard.owns_lock();
    };
    EXPECT_FALSE(sluice::run(f, std::ref(m), ctx.get()));
}

TYPED_TEST(MutexLockedBy, AWaitEndsWithTheContextItNames) {
    mutex m;
    inside in;
    m.lock();
    const auto source = sluice::with_cancel({});
    auto waiting = start_locking(this->by, m, in, 1, source.get());
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    source.cancel();
    EXPECT_FALSE(waiting.get());
    EXPECT_EQ(m.waiting(), 0u);
    EXPECT_TRUE(m.is_locked());
    m.unlock();
}

TYPED_TEST(MutexLockedBy, WhoLeavesTheQueueLetsTheNextOneIn) {
    mutex m;
    inside in;
    in.may_leave = true;
    m.lock();
    const auto source = sluice::with_cancel({});
    auto first = start_locking(this->by, m, in, 1, source.get());
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    auto second = start_locking(this->by, m, in, 2);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 2; }));
    source.cancel();
    EXPECT_FALSE(first.get());
    m.unlock();
    EXPECT_TRUE(second.get());
    EXPECT_FALSE(m.is_locked());
}

TEST(Mutex, InACancelledTaskNothingIsLocked) {
    mutex m;
    const auto f = [](mutex& of) -> task<> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        const auto guard = co_await of.async_lock();
    };
    runtime rt{workers(1)};
    auto h = rt.go(f, std::ref(m));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_FALSE(m.is_locked());
}

TEST(Mutex, AWaitingTaskEndsWithItsOwnCancellation) {
    mutex m;
    m.lock();
    runtime rt{workers(1)};
    std::atomic<bool> got{false};
    auto h = rt.go(lock_and_tell, std::ref(m), std::ref(got));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_FALSE(got);
    EXPECT_EQ(m.waiting(), 0u);
    m.unlock();
    EXPECT_FALSE(m.is_locked());
}

TEST(Mutex, ABlockingCallableEndsWithItsHandleAndHoldsNothing) {
    mutex m;
    m.lock();
    runtime rt{workers(1)};
    auto h = rt.go([](mutex& of) { const std::lock_guard guard{of}; }, std::ref(m));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    m.unlock();
    EXPECT_FALSE(m.is_locked());
}

TEST(Mutex, LockForGivesUpAfterAWhile) {
    mutex m;
    EXPECT_TRUE(m.lock_for(0ms)) << "a free lock beats an expired time";
    EXPECT_FALSE(m.lock_for(1ms));
    EXPECT_FALSE(m.lock_until(sluice::clock::now() + 1ms));
    EXPECT_EQ(m.waiting(), 0u);
    m.unlock();
}

TEST(Mutex, ATimeoutOfALockHoldsNothing) {
    mutex m;
    m.lock();
    const auto f = [](mutex& of) -> task<bool> {
        const auto guard = co_await sluice::timeout(1ms, of.async_lock());
        co_return guard.owns_lock();
    };
    EXPECT_FALSE(sluice::run(f, std::ref(m)));
    m.unlock();
    EXPECT_TRUE(sluice::run(f, std::ref(m)));
    EXPECT_FALSE(m.is_locked());
}

// T32 for a mutex: every round cancels just when the lock may be on its way.
TEST(Mutex, ALockForSomebodyCancelledAtThatMomentIsNotLost) {
    runtime rt{workers(2)};
    mutex m;
    const auto f = [](mutex& of) -> task<> {
        const auto guard = co_await of.async_lock();
        co_await sluice::yield();
    };
    for (int i = 0; i < 1'000; ++i) {
        m.lock();
        auto a = rt.go(f, std::ref(m));
        auto b = rt.go(f, std::ref(m));
        if (i % 2 == 0)
            while (m.waiting() != 2) std::this_thread::yield();
        std::jthread unlocking{[&] { m.unlock(); }};
        a.cancel();
        try {
            a.get();
        } catch (const canceled&) {}
        unlocking.join();
        b.get();
        ASSERT_FALSE(m.is_locked()) << "in round " << i;
    }
}

// --- select --------------------------------------------------------------------------------------------------------

TYPED_TEST(MutexLockedBy, ASelectStoresTheGuardOfTheCaseThatFires) {
    mutex m;
    mutex other;
    other.lock();
    mutex::guard guard;
    EXPECT_EQ(start_select(this->by, sluice::on(m.async_lock(), guard), sluice::on(other.async_lock())).get(), 0u);
    EXPECT_TRUE(guard.owns_lock());
    EXPECT_TRUE(m.is_locked());
    EXPECT_EQ(other.waiting(), 0u);
    guard.unlock();
    other.unlock();
}

TYPED_TEST(MutexLockedBy, ASelectThatWaitsIsHandedTheLock) {
    mutex m;
    m.lock();
    std::unique_lock<mutex> guard;
    sluice::channel<int> never{0};
    auto selecting = start_select(this->by, sluice::on(m.async_lock(), guard), sluice::on_receive(never));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    m.unlock();
    EXPECT_EQ(selecting.get(), 0u);
    EXPECT_TRUE(guard.owns_lock());
}

TYPED_TEST(MutexLockedBy, ASelectWhoseOtherCaseFiresHoldsNothing) {
    mutex m;
    m.lock();
    mutex::guard guard;
    sluice::channel<int> ch{1};
    auto selecting = start_select(this->by, sluice::on(m.async_lock(), guard), sluice::on_receive(ch));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(selecting.get(), 1u);
    EXPECT_EQ(m.waiting(), 0u);
    m.unlock();
    EXPECT_FALSE(m.is_locked());
}

// --- coroutines of other libraries ---------------------------------------------------------------------------------

TEST(Mutex, IsHandedToACoroutineOfAnotherLibrary) {
    mutex m;
    m.lock();
    ticket_queue queue;
    std::atomic<bool> inside{false};
    const auto body = [](ticket_queue&, mutex& of, std::atomic<bool>& in) -> foreign {
        const auto guard = co_await of.async_lock();
        in = true;
    };
    foreign waits = body(queue, m, inside);
    EXPECT_EQ(m.waiting(), 1u);
    m.unlock();
    EXPECT_TRUE(m.is_locked());
    EXPECT_EQ(sluice::detail::lock_access::core(m).holder().task, nullptr);
    ASSERT_TRUE(queue.run_one());
    EXPECT_TRUE(inside);
    EXPECT_FALSE(m.is_locked());
    EXPECT_TRUE(waits.has_ended());
}

TEST(Mutex, GoesOnToTheNextWhenTheFrameItWasHandedToIsDestroyed) {
    mutex m;
    m.lock();
    ticket_queue queue;
    const auto body = [](ticket_queue&, mutex& of) -> foreign { const auto guard = co_await of.async_lock(); };
    foreign first = body(queue, m);
    foreign second = body(queue, m);
    EXPECT_EQ(m.waiting(), 2u);
    m.unlock();
    first.destroy();
    EXPECT_EQ(m.waiting(), 0u);
    while (queue.run_one()) {}
    EXPECT_TRUE(second.has_ended());
    EXPECT_FALSE(m.is_locked());
}

// --- what reports and contracts see --------------------------------------------------------------------------------

TEST(Mutex, NotesWhoHasLockedItAndWhere) {
    mutex m;
    const auto& core = sluice::detail::lock_access::core(m);
    const unsigned line = std::source_location::current().line() + 1;
    m.lock();
    EXPECT_EQ(core.holder().task, nullptr);
    EXPECT_EQ(core.holder().thread, sluice::detail::this_thread_id());
    EXPECT_EQ(core.holder().at.line(), line);
    EXPECT_NE(std::string{core.holder().at.file_name()}.find("mutex_test.cpp"), std::string::npos);
    // A waiting task that it is handed over to.
    const auto f = [](mutex& of) -> task<bool> {
        const auto guard = co_await of.async_lock();
        co_return sluice::detail::lock_access::core(of).holder().task == sluice::detail::this_thread_state().task;
    };
    runtime rt{workers(1)};
    auto h = rt.go(f, std::ref(m));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    m.unlock();
    EXPECT_TRUE(h.get());
    ASSERT_TRUE(eventually([&] { return !m.is_locked(); }));
    EXPECT_EQ(core.holder().thread, 0u);
    EXPECT_TRUE(rt.go(f, std::ref(m)).get()) << "locked without waiting";
}

TEST(Mutex, IsNamedAsALockByReports) {
    mutex m;
    m.lock();
    runtime rt{workers(1)};
    std::atomic<bool> got{false};
    auto h = rt.go(lock_and_tell, std::ref(m), std::ref(got));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    std::ostringstream text;
    rt.dump(text);
    EXPECT_NE(text.str().find("lock"), std::string::npos) << text.str();
    EXPECT_NE(text.str().find("mutex_test.cpp"), std::string::npos) << text.str();
    m.unlock();
    h.get();
}

TEST(Mutex, UnlockingWhatIsNotLockedIsReportedWithTheCallersPlace) {
    mutex m;
    const unsigned line = std::source_location::current().line() + 1;
    const auto what = violation_of([&] { m.unlock(); });
    ASSERT_TRUE(what);
    EXPECT_EQ(what->where.line(), line);
    EXPECT_TRUE(m.try_lock()) << "it is as before";
    m.unlock();
    EXPECT_TRUE(breaks_contract([&] { m.unlock(); }));
}

TEST(MutexDeathTest, DestroyingALockedOneIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            auto m = std::make_unique<mutex>();
            m->lock();
            m.reset();
        },
        "a mutex was destroyed while it was locked");
}

// T29 for a mutex.
TEST(Mutex, WhoWasLetInMayDestroyItAtOnce) {
    for (int i = 0; i < 500; ++i) {
        auto m = std::make_unique<mutex>();
        m->lock();
        std::jthread unlocking{[of = m.get()] { of->unlock(); }};
        m->lock();
        m->unlock();
        m.reset();
    }
}

}  // namespace
