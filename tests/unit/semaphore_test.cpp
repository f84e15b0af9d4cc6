// SPDX-License-Identifier: BSL-1.0
// semaphore_test.cpp: who gets a permit, who is next, and is a permit ever lost?

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <sluice/context.hpp>
#include <sluice/runtime.hpp>
#include <sluice/semaphore.hpp>
#include <sluice/timer.hpp>

#include "../support/broken_contract.hpp"
#include "../support/eventually.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::permit;
using sluice::runtime;
using sluice::semaphore;
using sluice::task;
using sluice_test::eventually;

sluice::run_options one_worker() {
    sluice::run_options options;
    options.workers = 1;
    return options;
}

// A thread that acquires and tells when it has.
class acquiring {
public:
    acquiring(semaphore& s, std::size_t n)
        : thread_{[this, &s, n] {
              s.acquire(n);
              got_ = true;
          }} {}
    bool got() const { return got_; }
    void join() { thread_.join(); }

private:
    std::atomic<bool> got_{false};
    std::jthread thread_;
};

task<> acquire_and_tell(semaphore& s, std::size_t n, std::atomic<bool>& got) {
    co_await s.async_acquire(n);
    got = true;
}

// --- taking and giving ---------------------------------------------------------------------------------------------

// SM-03
TEST(Semaphore, GivesFreePermitsAtOnce) {
    semaphore s{3};
    s.acquire();
    s.acquire(2);
    EXPECT_EQ(s.available(), 0u);
    s.release(3);
    EXPECT_EQ(s.available(), 3u);
}

TEST(Semaphore, TryAcquireTakesWhatIsFree) {
    semaphore s{2};
    EXPECT_TRUE(s.try_acquire(2));
    EXPECT_FALSE(s.try_acquire());
    s.release();
    EXPECT_TRUE(s.try_acquire());
}

// SM-02
TEST(Semaphore, OfSizeZeroGivesNothingToWhoWantsNothing) {
    semaphore s{0};
    EXPECT_TRUE(s.try_acquire(0));
    EXPECT_FALSE(s.try_acquire(1));
}

// SM-04
TEST(Semaphore, TryAcquireDoesNotOvertakeTheQueue) {
    semaphore s{3};
    s.acquire(2);
    acquiring large{s, 3};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    EXPECT_FALSE(s.try_acquire(1));
    EXPECT_FALSE(s.try_acquire(0));
    s.release(2);
    large.join();
    EXPECT_TRUE(large.got());
}

// SM-05
TEST(Semaphore, GrantsInTheOrderOfArrivalWhileTheFirstFits) {
    semaphore s{10};
    s.acquire(10);
    acquiring first{s, 2};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    acquiring second{s, 5};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    acquiring third{s, 1};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 3; }));
    s.release(4);  // enough for the first and the third, but the second is before it
    first.join();
    EXPECT_EQ(s.waiting(), 2u);
    EXPECT_EQ(s.available(), 2u);
    EXPECT_FALSE(third.got());
    s.release(4);
    second.join();
    third.join();
    EXPECT_EQ(s.available(), 0u);
}

// SM-05, T33
TEST(Semaphore, LetsALargeRequestInAmongManySmallOnes) {
    runtime rt;
    semaphore s{4};
    std::atomic<bool> stop{false};
    const auto small = [](semaphore& of, std::atomic<bool>& end) -> task<> {
        while (!end) {
            co_await of.async_acquire();
            co_await sluice::yield();
            of.release();
        }
    };
    std::vector<sluice::join_handle<void>> all;
    for (int i = 0; i < 8; ++i) all.push_back(rt.go(small, std::ref(s), std::ref(stop)));
    for (int i = 0; i < 100; ++i) {
        s.acquire(4);
        s.release(4);
    }
    stop = true;
    for (auto& h : all) h.get();
    EXPECT_EQ(s.available(), 4u);
}

// SM-05, MX-01
TEST(Semaphore, ServesThreadsAndTasksInOneQueue) {
    semaphore s{1};
    s.acquire();
    runtime rt;
    std::atomic<bool> task_got{false};
    auto h = rt.go(acquire_and_tell, std::ref(s), 1, std::ref(task_got));
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    acquiring thread{s, 1};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    s.release();
    h.get();
    EXPECT_FALSE(thread.got());
    s.release();
    thread.join();
}

TEST(Semaphore, MakesWhatWasDoneBeforeAReleaseVisible) {
    semaphore s{1};
    s.acquire();
    int value = 0;
    std::jthread other{[&] {
        value = 1;
        s.release();
    }};
    s.acquire();
    EXPECT_EQ(value, 1);
}

TEST(Semaphore, ExcludesAsAMutexDoes) {
    runtime rt;
    semaphore s{1};
    int inside = 0;
    const auto f = [](semaphore& of, int& count) -> task<> {
        for (int i = 0; i < 2'000; ++i) {
            co_await of.async_acquire();
            ++count;
            of.release();
        }
    };
    auto a = rt.go(f, std::ref(s), std::ref(inside));
    auto b = rt.go(f, std::ref(s), std::ref(inside));
    for (int i = 0; i < 2'000; ++i) {
        s.acquire();
        ++inside;
        s.release();
    }
    a.get();
    b.get();
    EXPECT_EQ(inside, 6'000);
}

// T34
TEST(Semaphore, MayBeReleasedInAStopCallbackInADestructorAndByAnyThread) {
    semaphore s{3};
    s.acquire(3);
    acquiring all{s, 3};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    std::stop_source source;
    const std::stop_callback in_callback{source.get_token(), [&] { s.release(); }};
    source.request_stop();
    { const permit in_destructor{s, 1}; }
    std::jthread{[&] { s.release(); }}.join();
    all.join();
}

// --- giving up -----------------------------------------------------------------------------------------------------

// SM-08
TEST(Semaphore, AStopRequestedBeforeWinsOverFreePermits) {
    semaphore s{1};
    std::stop_source source;
    source.request_stop();
    EXPECT_FALSE(s.acquire(1, source.get_token()));
    const auto ctx = sluice::with_cancel({});
    ctx.cancel();
    EXPECT_FALSE(s.acquire(1, ctx.get()));
    EXPECT_EQ(s.available(), 1u);
}

// SM-08
TEST(Semaphore, InACancelledTaskNothingIsTaken) {
    semaphore s{1};
    const auto f = [](semaphore& of) -> task<> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        co_await of.async_acquire();
    };
    runtime rt;
    auto h = rt.go(f, std::ref(s));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(s.available(), 1u);
}

TEST(Semaphore, AWaitingThreadEndsWithItsToken) {
    semaphore s{1};
    s.acquire();
    std::stop_source source;
    std::optional<bool> got;
    std::jthread t{[&] { got = s.acquire(1, source.get_token()); }};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    source.request_stop();
    t.join();
    EXPECT_EQ(got, false);
    EXPECT_EQ(s.waiting(), 0u);
}

TEST(Semaphore, AWaitingTaskEndsWithTheContextItNames) {
    semaphore s{1};
    s.acquire();
    const auto source = sluice::with_cancel({});
    const auto f = [](semaphore& of, sluice::context until) -> task<bool> {
        co_return co_await of.async_acquire(1, until);
    };
    runtime rt;
    auto h = rt.go(f, std::ref(s), source.get());
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    source.cancel();
    EXPECT_FALSE(h.get());
    EXPECT_EQ(s.waiting(), 0u);
}

TEST(Semaphore, AcquireForGivesUpAfterAWhile) {
    semaphore s{1};
    EXPECT_TRUE(s.acquire_for(1, 0ms)) << "a free permit beats an expired time";
    EXPECT_FALSE(s.acquire_for(1, 1ms));
    EXPECT_EQ(s.waiting(), 0u);
}

TEST(Semaphore, TimeoutOfAnAcquireTakesNothing) {
    semaphore s{1};
    s.acquire();
    const auto f = [](semaphore& of) -> task<bool> { co_return co_await sluice::timeout(1ms, of.async_acquire()); };
    EXPECT_FALSE(sluice::run(f, std::ref(s)));
    EXPECT_EQ(s.waiting(), 0u);
    s.release();
    EXPECT_TRUE(sluice::run(f, std::ref(s)));
}

// SM-06, T31
TEST(Semaphore, CancellingTheFirstInLineLetsTheNextOnesIn) {
    semaphore s{5};
    s.acquire(2);
    std::stop_source source;
    std::jthread large{[&] { EXPECT_FALSE(s.acquire(5, source.get_token())); }};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    acquiring small{s, 1};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    acquiring other{s, 2};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 3; }));
    source.request_stop();
    small.join();
    other.join();
    EXPECT_EQ(s.available(), 0u);
}

// SM-06, T31
TEST(Semaphore, CancellingATaskThatIsFirstInLineLetsTheNextOneIn) {
    semaphore s{5};
    s.acquire(2);
    runtime rt;
    std::atomic<bool> large_got{false};
    std::atomic<bool> small_got{false};
    auto large = rt.go(acquire_and_tell, std::ref(s), 5, std::ref(large_got));
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    auto small = rt.go(acquire_and_tell, std::ref(s), 3, std::ref(small_got));
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    large.cancel();
    EXPECT_THROW(large.get(), canceled);
    small.get();
    EXPECT_FALSE(large_got);
}

// SM-06, T31: between the cancellation and the leaving of the first, somebody else looks at the queue.
TEST(Semaphore, AFirstInLineWhoIsCancelledButHasNotLeftHoldsNobodyUp) {
    const auto main = []() -> task<bool> {
        semaphore s{5};
        s.acquire(2);
        std::atomic<bool> large_got{false};
        std::atomic<bool> small_got{false};
        auto large = sluice::go(acquire_and_tell, std::ref(s), 5, std::ref(large_got));
        while (s.waiting() != 1) co_await sluice::yield();
        auto small = sluice::go(acquire_and_tell, std::ref(s), 1, std::ref(small_got));
        while (s.waiting() != 2) co_await sluice::yield();
        large.cancel();                       // claimed; on the only worker it cannot have left yet
        static_cast<void>(s.try_acquire(1));  // meets the dead request
        for (int i = 0; i < 1'000 && !small_got; ++i) co_await sluice::yield();
        const bool in = small_got;
        small.cancel();
        try {
            co_await small;
        } catch (const canceled&) {}
        co_return in;
    };
    EXPECT_TRUE(sluice::run(one_worker(), main));
}

// SM-07, T32: every round cancels just when the permit may be on its way.
TEST(Semaphore, APermitForSomebodyCancelledAtThatMomentIsNotLost) {
    runtime rt;
    semaphore s{1};
    const auto f = [](semaphore& of) -> task<> {
        const permit p = co_await of.async_hold();
        co_await sluice::yield();
    };
    for (int i = 0; i < 2'000; ++i) {
        s.acquire();
        auto a = rt.go(f, std::ref(s));
        auto b = rt.go(f, std::ref(s));
        if (i % 2 == 0) {
            while (s.waiting() != 2) std::this_thread::yield();
        }
        std::jthread releasing{[&] { s.release(); }};
        a.cancel();
        try {
            a.get();
        } catch (const canceled&) {}
        releasing.join();
        b.get();
        ASSERT_EQ(s.available(), 1u) << "in round " << i;
    }
}

// --- more than there is --------------------------------------------------------------------------------------------

// SM-09
TEST(Semaphore, ARequestForMoreThanAllHoldsNobodyUp) {
    semaphore s{2};
    std::stop_source source;
    std::jthread too_large{[&] { EXPECT_FALSE(s.acquire(3, source.get_token())); }};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    EXPECT_TRUE(s.try_acquire(2));
    s.release(2);
    source.request_stop();
    too_large.join();
    EXPECT_EQ(s.waiting(), 0u);
}

// SM-09, SM-13
TEST(Semaphore, ARequestForMoreThanAllGetsInWhenThereAreMore) {
    semaphore s{2};
    acquiring large{s, 3};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    s.set_permits(3);
    large.join();
    EXPECT_EQ(s.available(), 0u);
}

// SM-13
TEST(Semaphore, MorePermitsLetWaitersIn) {
    semaphore s{1};
    s.acquire();
    acquiring next{s, 1};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    s.set_permits(2);
    next.join();
}

// SM-13
TEST(Semaphore, FewerPermitsThanTakenAreWithheldFromTheNextOnesGivenBack) {
    semaphore s{3};
    s.acquire(3);
    s.set_permits(1);
    EXPECT_EQ(s.available(), 0u);
    s.release();
    s.release();
    EXPECT_EQ(s.available(), 0u);
    s.release();
    EXPECT_EQ(s.available(), 1u);
    s.acquire();
    EXPECT_FALSE(s.try_acquire());
}

// SM-13, SM-09
TEST(Semaphore, FewerPermitsThanTheFirstInLineWantsLetTheNextOneIn) {
    semaphore s{5};
    s.acquire(2);
    std::stop_source source;
    std::jthread large{[&] { EXPECT_FALSE(s.acquire(5, source.get_token())); }};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    acquiring small{s, 1};
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    s.set_permits(4);
    small.join();
    source.request_stop();
}

// --- guards --------------------------------------------------------------------------------------------------------

TEST(Permit, GivesBackWhenItGoes) {
    semaphore s{3};
    {
        const permit p = s.hold(2);
        EXPECT_EQ(s.available(), 1u);
    }
    EXPECT_EQ(s.available(), 3u);
}

TEST(Permit, GivesBackOnceHoweverItMoves) {
    semaphore s{3};
    permit a = s.hold(1);
    permit b = std::move(a);
    a = s.hold(1);
    b = std::move(a);  // gives its own back first
    EXPECT_EQ(s.available(), 2u);
    b.give_back();
    EXPECT_EQ(s.available(), 3u);
    b.give_back();
    EXPECT_EQ(s.available(), 3u);
}

TEST(Permit, IsGivenToACoroutineAndBackWhenItIsCancelled) {
    runtime rt;
    semaphore s{1};
    const auto f = [](semaphore& of) -> task<> {
        const permit p = co_await of.async_hold();
        co_await sluice::sleep_for(1h);
    };
    auto h = rt.go(f, std::ref(s));
    ASSERT_TRUE(eventually([&] { return s.available() == 0; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(s.available(), 1u);
}

// SM-01
TEST(SemaphoreContract, ANegativeNumberOfPermitsIsAViolationInEveryCall) {
    constexpr int negative = -1;
    const auto minus_one = static_cast<std::size_t>(negative);
    semaphore s{1};
    const auto violation = sluice_test::violation_of([&] { s.acquire(minus_one); });
    ASSERT_TRUE(violation);
    EXPECT_NE(std::string{violation->where.file_name()}.find("semaphore_test.cpp"), std::string::npos);
    using sluice_test::breaks_contract;
    EXPECT_TRUE(breaks_contract([&] { const semaphore none{minus_one}; }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(s.try_acquire(minus_one)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(s.acquire(minus_one, sluice::context{})); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(s.acquire_for(minus_one, 0s)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(s.async_acquire(minus_one)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(s.async_acquire(minus_one, sluice::context{})); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(s.hold(minus_one)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(s.async_hold(minus_one)); }));
    EXPECT_TRUE(breaks_contract([&] { s.release(minus_one); }));
    EXPECT_TRUE(breaks_contract([&] { s.set_permits(minus_one); }));
    EXPECT_EQ(s.available(), 1u);
}

// SM-10
TEST(SemaphoreDeathTest, ReleasingMoreThanIsTakenIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    semaphore s{2};
    s.acquire();
    EXPECT_DEATH(s.release(2), "semaphore_test.cpp.*more permits released than are taken");
}

}  // namespace
