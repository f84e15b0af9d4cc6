// SPDX-License-Identifier: BSL-1.0
// lock_deadlock_test.cpp: are those who wait for each other's locks told of, and nobody else?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/mutex.hpp>
#include <sluice/runtime.hpp>
#include <sluice/shared_mutex.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

#include "support/eventually.hpp"
#include "support/random_numbers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::run_options;
using sluice::task;

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::size_t count_of(const std::string& text, std::string_view part) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

/// What a run says while `main` runs; nobody is judged, so circles are all that can be told.
class listener {
public:
    run_options options(unsigned workers = 2) {
        run_options o;
        o.workers = workers;
        o.may_wake = sluice::outside::any;
        o.diagnostics = [this](std::string_view text) {
            const std::lock_guard guard{mutex_};
            said_ += text;
        };
        return o;
    }
    std::string said() {
        const std::lock_guard guard{mutex_};
        return said_;
    }
    bool heard(std::string_view part) { return contains(said(), part); }

private:
    std::mutex mutex_;
    std::string said_;
};

std::string line_of(std::uint_least32_t line) { return std::string{__FILE__} + ":" + std::to_string(line); }

// --- circles --------------------------------------------------------------------------------------------------------

TEST(LockDeadlock, ALockTakenTwiceByOneTaskIsToldWithBothPlacesAtOnce) {
    listener all;
    std::atomic<std::uint_least32_t> first{0};
    std::atomic<std::uint_least32_t> second{0};
    const auto main = [&]() -> task<> {
        sluice::mutex m;
        const auto twice = [&]() -> task<> {
            sluice::name_task("twice");
            first = std::source_location::current().line() + 1;
            const auto outer = co_await m.async_lock();
            second = std::source_location::current().line() + 1;
            const auto inner = co_await m.async_lock();
        };
        auto stuck = sluice::go(twice);
        // This task can go on all the time, so the run as a whole is not stuck.
        while (!all.heard("sluice: deadlock")) co_await sluice::yield();
        stuck.cancel();
        EXPECT_THROW(co_await stuck, sluice::canceled);
    };
    sluice::run(all.options(), main);
    const std::string said = all.said();
    EXPECT_EQ(count_of(said, "sluice: deadlock: this waits for what it holds itself"), 1u) << said;
    EXPECT_TRUE(contains(said, "task \"twice\" started at ")) << said;
    EXPECT_TRUE(contains(said, "waits for lock at " + line_of(second))) << said;
    EXPECT_TRUE(contains(said, "taken at " + line_of(first))) << said;
}

TEST(LockDeadlock, TwoLocksInOppositeOrdersAreToldWithAllPlaces) {
    listener all;
    const auto main = [&]() -> task<> {
        sluice::mutex a;
        sluice::mutex b;
        std::atomic<int> holding{0};
        const auto both = [&](sluice::mutex& one, sluice::mutex& two, const char* name) -> task<> {
            sluice::name_task(name);
            const auto outer = co_await one.async_lock();
            ++holding;
            while (holding < 2) co_await sluice::yield();
            const auto inner = co_await two.async_lock();
        };
        auto x = sluice::go(both, std::ref(a), std::ref(b), "x");
        auto y = sluice::go(both, std::ref(b), std::ref(a), "y");
        while (!all.heard("sluice: deadlock")) co_await sluice::yield();
        x.cancel();
        EXPECT_THROW(co_await x, sluice::canceled);
        co_await y;  // it got the lock that x gave back
    };
    sluice::run(all.options(), main);
    const std::string said = all.said();
    EXPECT_EQ(count_of(said, "sluice: deadlock: these 2 wait for each other"), 1u) << said;
    EXPECT_EQ(count_of(said, "task \"x\""), 1u) << said;
    EXPECT_EQ(count_of(said, "task \"y\""), 1u) << said;
    EXPECT_EQ(count_of(said, "waits for lock at "), 2u) << said;
    EXPECT_EQ(count_of(said, "taken at "), 2u) << said;
}

TEST(LockDeadlock, AReadLockTakenAgainBehindAWaitingWriterIsTold) {
    listener all;
    const auto main = [&]() -> task<> {
        sluice::shared_mutex m;
        const auto write = [&]() -> task<> { const auto guard = co_await m.async_lock(); };
        const auto read_twice = [&]() -> task<> {
            sluice::name_task("reader");
            const auto outer = co_await m.async_lock_shared();
            sluice::wait_group writer;
            writer.go(write);
            while (m.waiting() == 0) co_await sluice::yield();
            const auto inner = co_await m.async_lock_shared();
        };
        auto stuck = sluice::go(read_twice);
        while (!all.heard("sluice: deadlock")) co_await sluice::yield();
        stuck.cancel();
        EXPECT_THROW(co_await stuck, sluice::canceled);
    };
    sluice::run(all.options(), main);
    const std::string said = all.said();
    EXPECT_TRUE(contains(said, "task \"reader\"")) << said;
    EXPECT_TRUE(contains(said, "waits for lock to read at ")) << said;
    EXPECT_TRUE(contains(said, "a writer stands in line")) << said;
}

TEST(LockDeadlock, AJoinOfATaskThatWaitsForALockOfTheJoinerIsTold) {
    listener all;
    const auto main = [&]() -> task<> {
        sluice::mutex m;
        const auto lock = [&]() -> task<> {
            sluice::name_task("joined");
            const auto guard = co_await m.async_lock();
        };
        const auto hold_and_join = [&]() -> task<> {
            sluice::name_task("joiner");
            const auto guard = co_await m.async_lock();
            auto h = sluice::go(lock);
            co_await h;
        };
        auto stuck = sluice::go(hold_and_join);
        while (!all.heard("sluice: deadlock")) co_await sluice::yield();
        stuck.cancel();
        EXPECT_THROW(co_await stuck, sluice::canceled);
    };
    sluice::run(all.options(), main);
    const std::string said = all.said();
    EXPECT_TRUE(contains(said, "these 2 wait for each other")) << said;
    EXPECT_TRUE(contains(said, "waits for join at ")) << said;
    EXPECT_TRUE(contains(said, "task \"joined\"")) << said;
    EXPECT_TRUE(contains(said, "task \"joiner\"")) << said;
}

TEST(LockDeadlock, ManyMembersOfAGroupThatWantALockOfWhoWaitsForThemAreToldOnce) {
    listener all;
    const auto main = [&]() -> task<> {
        sluice::mutex m;
        const auto member = [&]() -> task<> { const auto guard = co_await m.async_lock(); };
        const auto hold_and_wait = [&]() -> task<> {
            sluice::name_task("holder");
            const auto guard = co_await m.async_lock();
            sluice::wait_group group;
            for (int i = 0; i < 50; ++i) group.go(member);
            co_await group.async_wait();
        };
        auto stuck = sluice::go(hold_and_wait);
        while (m.waiting() != 50) co_await sluice::yield();
        stuck.cancel();
        EXPECT_THROW(co_await stuck, sluice::canceled);
    };
    sluice::run(all.options(1), main);  // one worker: the holder waits before its members begin
    const std::string said = all.said();
    EXPECT_EQ(count_of(said, "sluice: deadlock: these 2 wait for each other"), 1u) << said;
    EXPECT_EQ(count_of(said, "task \"holder\""), 1u) << said;
}

TEST(LockDeadlock, ThreadsAreToldOfLikeTasks) {
    testing::internal::CaptureStderr();
    sluice::mutex m;
    std::jthread twice{[&] {
        m.lock();
        m.lock();
        m.unlock();
    }};
    ASSERT_TRUE(sluice_test::eventually([&] { return m.waiting() == 1; }));
    m.unlock();  // for the thread: anybody may
    twice.join();
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(contains(said, "sluice: deadlock: this waits for what it holds itself")) << said;
    EXPECT_TRUE(contains(said, "  thread\n      waits for lock at ")) << said;
}

TEST(LockDeadlock, ThreeThreadsInACircleAreToldOnce) {
    testing::internal::CaptureStderr();
    sluice::mutex locks[3];
    std::atomic<int> holding{0};
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < 3; ++i)
            threads.emplace_back([&, i] {
                locks[i].lock();
                ++holding;
                while (holding < 3) std::this_thread::yield();
                locks[(i + 1) % 3].lock();
                locks[(i + 1) % 3].unlock();
                if (i != 0) locks[i].unlock();
            });
        ASSERT_TRUE(sluice_test::eventually(
            [&] { return locks[0].waiting() == 1 && locks[1].waiting() == 1 && locks[2].waiting() == 1; }));
        locks[0].unlock();  // for the first thread: anybody may
    }
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(count_of(said, "sluice: deadlock: these 3 wait for each other"), 1u) << said;
}

TEST(LockDeadlock, TheReportOfARunTellsWhereALockWasTaken) {
    std::uint_least32_t line = 0;
    const auto main = [&]() -> task<> {
        sluice::mutex m;
        line = std::source_location::current().line() + 1;
        const auto outer = co_await m.async_lock();
        const auto inner = co_await m.async_lock();
    };
    std::string report;
    try {
        sluice::run(run_options{.diagnostics = [](std::string_view) {}}, main);
    } catch (const sluice::deadlock_error& e) {
        report = e.what();
    }
    EXPECT_TRUE(contains(report, "waits for lock at ")) << report;
    EXPECT_TRUE(contains(report, "taken at " + line_of(line))) << report;
}

// --- none -----------------------------------------------------------------------------------------------------------

TEST(LockDeadlock, AWaitWithALimitIsNone) {
    listener all;
    const auto main = [&]() -> task<> {
        sluice::mutex m;
        const auto outer = co_await m.async_lock();
        const auto limit = sluice::with_timeout(sluice::current_context(), 5ms);
        const auto inner = co_await m.async_lock(limit.get());
        EXPECT_FALSE(inner);
        EXPECT_FALSE(m.lock_for(5ms));
    };
    sluice::run(all.options(), main);
    EXPECT_FALSE(all.heard("sluice: deadlock")) << all.said();
}

TEST(LockDeadlock, ManyWhoTakeLocksInOneOrderAreNone) {
    listener all;
    const auto main = [&]() -> task<> {
        constexpr unsigned count = 4;
        sluice::mutex locks[count];
        sluice::shared_mutex shared[count];
        const auto work = [&](std::uint64_t seed) -> task<> {
            sluice_test::random_numbers draw{seed};
            for (int round = 0; round < 300; ++round) {
                const unsigned i = draw.below(count);
                const unsigned j = i + draw.below(count - i);
                const auto one = co_await locks[i].async_lock();
                const auto reading = co_await shared[i].async_lock_shared();
                if (draw.below(2)) co_await sluice::yield();
                if (j != i) {
                    const auto two = co_await locks[j].async_lock();
                    const auto writing = co_await shared[j].async_lock();
                    co_await sluice::yield();
                }
            }
        };
        sluice::wait_group workers;
        for (std::uint64_t seed = 1; seed <= 12; ++seed) workers.go(work, seed);
        co_await workers.async_wait();
    };
    sluice::run(all.options(), main);
    EXPECT_FALSE(all.heard("sluice: deadlock")) << all.said();
}

}  // namespace
