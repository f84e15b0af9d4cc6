// SPDX-License-Identifier: BSL-1.0
// shared_mutex_test.cpp: do readers share it, is a writer alone, and does nobody starve?

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <sluice/runtime.hpp>
#include <sluice/select.hpp>
#include <sluice/shared_mutex.hpp>
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
using sluice::runtime;
using sluice::shared_mutex;
using sluice::task;

// As start_locking, shared.
template <class Callers>
auto start_reading(Callers& by, shared_mutex& m, inside& in, int number = 0, sluice::context until = {}) {
    return by.start(
        [](shared_mutex* of, inside* i, int n, sluice::context u) {
            if (!of->lock_shared(u)) return false;
            i->enter(n);
            eventually([&] { return i->may_leave.load(); });
            of->unlock_shared();
            return true;
        },
        [](shared_mutex* of, inside* i, int n, sluice::context u) -> task<bool> {
            const auto guard = co_await of->async_lock_shared(u);
            if (!guard) co_return false;
            i->enter(n);
            while (!i->may_leave) co_await sluice::sleep_for(50us);
            co_return true;
        },
        &m, &in, number, std::move(until));
}

TEST(SharedMutex, IsLockedByTheGuardsOfTheStandardLibrary) {
    shared_mutex m;
    {
        const std::shared_lock one{m};
        const std::shared_lock two{m, std::try_to_lock};
        EXPECT_TRUE(two.owns_lock());
        EXPECT_EQ(m.readers(), 2u);
        EXPECT_FALSE(std::unique_lock(m, std::try_to_lock).owns_lock());
        EXPECT_FALSE(std::unique_lock(m, 1ms).owns_lock());
    }
    {
        const std::lock_guard alone{m};
        EXPECT_FALSE(m.try_lock_shared());
        EXPECT_FALSE(std::shared_lock(m, 1ms).owns_lock());
        EXPECT_FALSE(std::shared_lock(m, std::chrono::system_clock::now() + 1ms).owns_lock());
        EXPECT_FALSE(m.lock_shared_until(sluice::clock::now() + 1ms));
    }
    EXPECT_FALSE(m.is_locked());
    EXPECT_EQ(m.waiting(), 0u);
}

TEST(SharedMutex, AStopRequestedBeforeWinsOverAFreeLock) {
    shared_mutex m;
    std::stop_source source;
    source.request_stop();
    EXPECT_FALSE(m.lock_shared(source.get_token()));
    EXPECT_FALSE(m.is_locked());
}

TEST(SharedMutex, NobodyReadsWhatIsBeingWritten) {
    runtime rt{workers(2)};
    shared_mutex m;
    int a = 0;
    int b = 0;
    const auto writes = [](shared_mutex& of, int& x, int& y) -> task<> {
        for (int i = 0; i < 500; ++i) {
            const auto guard = co_await of.async_lock();
            ++x;
            co_await sluice::yield();
            ++y;
        }
    };
    const auto reads = [](shared_mutex& of, int& x, int& y) -> task<bool> {
        bool same = true;
        for (int i = 0; i < 500; ++i) {
            const auto guard = co_await of.async_lock_shared();
            same = same && x == y;
            if (i % 8 == 0) co_await sluice::yield();
        }
        co_return same;
    };
    auto w = rt.go(writes, std::ref(m), std::ref(a), std::ref(b));
    auto r = rt.go(reads, std::ref(m), std::ref(a), std::ref(b));
    for (int i = 0; i < 500; ++i) {
        {
            const std::shared_lock guard{m};
            EXPECT_EQ(a, b);
        }
        const std::lock_guard guard{m};
        ++a;
        ++b;
    }
    w.get();
    EXPECT_TRUE(r.get());
    EXPECT_EQ(a, 1'000);
    EXPECT_EQ(b, 1'000);
}

template <class Callers>
class SharedMutexLockedBy : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(SharedMutexLockedBy, both_callers, caller_names);

TYPED_TEST(SharedMutexLockedBy, ManyReadTogether) {
    shared_mutex m;
    inside in;
    auto one = start_reading(this->by, m, in);
    auto two = start_reading(this->by, m, in);
    EXPECT_TRUE(eventually([&] { return in.count == 2; }));
    EXPECT_EQ(m.readers(), 2u);
    in.may_leave = true;
    EXPECT_TRUE(one.get());
    EXPECT_TRUE(two.get());
    EXPECT_FALSE(m.is_locked());
}

TYPED_TEST(SharedMutexLockedBy, ReadersBehindAWaitingWriterWait) {
    shared_mutex m;
    inside writers;
    inside readers;
    m.lock_shared();
    auto writer = start_locking(this->by, m, writers);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    EXPECT_FALSE(m.try_lock_shared()) << "a writer waits";
    auto reader = start_reading(this->by, m, readers);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 2; }));
    m.unlock_shared();
    ASSERT_TRUE(eventually([&] { return writers.count == 1; }));
    EXPECT_EQ(readers.count, 0);
    EXPECT_EQ(m.waiting(), 1u);
    writers.may_leave = readers.may_leave = true;
    EXPECT_TRUE(writer.get());
    EXPECT_TRUE(reader.get());
}

TYPED_TEST(SharedMutexLockedBy, AWriterLetsTheReadersInARowInTogetherButNotPastTheNextWriter) {
    shared_mutex m;
    inside readers;
    inside writers;
    inside last;
    m.lock();
    auto one = start_reading(this->by, m, readers);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    auto two = start_reading(this->by, m, readers);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 2; }));
    auto writer = start_locking(this->by, m, writers);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 3; }));
    auto three = start_reading(this->by, m, last);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 4; }));
    m.unlock();
    ASSERT_TRUE(eventually([&] { return readers.count == 2; }));
    EXPECT_EQ(m.waiting(), 2u);
    EXPECT_EQ(last.count, 0);
    last.may_leave = writers.may_leave = readers.may_leave = true;
    EXPECT_TRUE(one.get() && two.get() && writer.get() && three.get());
    EXPECT_FALSE(m.is_locked());
}

TYPED_TEST(SharedMutexLockedBy, AWriterThatGivesUpLetsTheReadersBehindItIn) {
    shared_mutex m;
    inside in;
    m.lock_shared();
    const auto source = sluice::with_cancel({});
    auto writer = start_locking(this->by, m, in, 1, source.get());
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    auto reader = start_reading(this->by, m, in, 2);
    ASSERT_TRUE(eventually([&] { return m.waiting() == 2; }));
    source.cancel();
    EXPECT_FALSE(writer.get());
    EXPECT_TRUE(eventually([&] { return in.last == 2; }));
    EXPECT_EQ(m.readers(), 2u);
    in.may_leave = true;
    EXPECT_TRUE(reader.get());
    m.unlock_shared();
}

TYPED_TEST(SharedMutexLockedBy, AReaderEndsWithTheContextItNames) {
    shared_mutex m;
    inside in;
    m.lock();
    const auto source = sluice::with_cancel({});
    auto reader = start_reading(this->by, m, in, 1, source.get());
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    source.cancel();
    EXPECT_FALSE(reader.get());
    EXPECT_EQ(m.waiting(), 0u);
    m.unlock();
    EXPECT_FALSE(m.is_locked());
}

TYPED_TEST(SharedMutexLockedBy, ASelectStoresTheSharedGuard) {
    shared_mutex m;
    m.lock();
    shared_mutex::shared_guard guard;
    sluice::channel<int> never{0};
    auto selecting = start_select(this->by, sluice::on(m.async_lock_shared(), guard), sluice::on_receive(never));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    m.unlock();
    EXPECT_EQ(selecting.get(), 0u);
    EXPECT_TRUE(guard.owns_lock());
    EXPECT_EQ(m.readers(), 1u);
}

// T33 for a shared mutex.
TEST(SharedMutex, AWriterGetsInAmongManyReaders) {
    runtime rt{workers(2)};
    shared_mutex m;
    std::atomic<bool> stop{false};
    const auto reads = [](shared_mutex& of, std::atomic<bool>& end) -> task<> {
        while (!end) {
            const auto guard = co_await of.async_lock_shared();
            co_await sluice::yield();
        }
    };
    std::vector<sluice::join_handle<void>> all;
    for (int i = 0; i < 8; ++i) all.push_back(rt.go(reads, std::ref(m), std::ref(stop)));
    for (int i = 0; i < 100; ++i) {
        const auto guard = m.hold();
        EXPECT_EQ(m.readers(), 0u);
    }
    stop = true;
    for (auto& h : all) h.get();
}

TEST(SharedMutex, AReadingTaskEndsWithItsOwnCancellation) {
    shared_mutex m;
    runtime rt{workers(1)};
    const auto f = [](shared_mutex& of) -> task<> {
        const auto guard = co_await of.async_lock_shared();
        co_await sluice::sleep_for(1h);
    };
    auto inside = rt.go(f, std::ref(m));
    ASSERT_TRUE(eventually([&] { return m.readers() == 1; }));
    inside.cancel();
    EXPECT_THROW(inside.get(), canceled);
    EXPECT_FALSE(m.is_locked());
    m.lock();
    auto waiting = rt.go(f, std::ref(m));
    ASSERT_TRUE(eventually([&] { return m.waiting() == 1; }));
    waiting.cancel();
    EXPECT_THROW(waiting.get(), canceled);
    m.unlock();
    EXPECT_FALSE(m.is_locked());
}

TEST(SharedMutex, IsSharedWithACoroutineOfAnotherLibrary) {
    shared_mutex m;
    m.lock();
    ticket_queue queue;
    const auto body = [](ticket_queue&, shared_mutex& of, std::size_t& seen) -> foreign {
        const auto guard = co_await of.async_lock_shared();
        seen = of.readers();
    };
    std::size_t seen = 0;
    foreign waits = body(queue, m, seen);
    m.unlock();
    ASSERT_TRUE(queue.run_one());
    EXPECT_EQ(seen, 1u);
    EXPECT_FALSE(m.is_locked());
}

TEST(SharedMutex, NotesTheWriterAndWhereItWasLocked) {
    shared_mutex m;
    const unsigned line = std::source_location::current().line() + 1;
    auto guard = m.hold();
    EXPECT_EQ(sluice::detail::lock_access::core(m).holder().at.line(), line);
    guard.unlock();
    const auto reading = m.hold_shared();
    EXPECT_EQ(sluice::detail::lock_access::core(m).holder().thread, 0u);
}

TEST(SharedMutex, UnlockingWhatIsNotLockedThatWayIsReported) {
    shared_mutex m;
    EXPECT_TRUE(breaks_contract([&] { m.unlock(); }));
    EXPECT_TRUE(breaks_contract([&] { m.unlock_shared(); }));
    m.lock_shared();
    EXPECT_TRUE(breaks_contract([&] { m.unlock(); }));
    m.unlock_shared();
    m.lock();
    EXPECT_TRUE(breaks_contract([&] { m.unlock_shared(); }));
    m.unlock();
}

}  // namespace
