// SPDX-License-Identifier: BSL-1.0
// condition_test.cpp: does a wait for a condition miss nothing, and is the lock held on every way out?

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/condition.hpp>
#include <sluice/runtime.hpp>

#include "../support/broken_contract.hpp"
#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::canceled;
using sluice::condition;
using sluice::mutex;
using sluice::runtime;
using sluice::task;

// A number under a lock that others wait to be large enough.
struct gauge {
    mutex m;
    condition changed;
    int level = 0;  // guarded by m

    void set(int to) {
        const std::lock_guard guard{m};
        level = to;
    }
};

enum class end : std::uint8_t { fulfilled, gave_up, was_canceled };

// What a wait ended with, and whether its lock was held then.
struct outcome {
    end how;
    bool held;
};

// Waits until the level is at least `least`, takes that much away, and tells how it ended.
template <class Callers>
auto start_wait(Callers& by, gauge& g, int least, std::optional<sluice::context> until = {}) {
    return by.start(
        [](gauge* of, int n, std::optional<sluice::context> u) {
            std::unique_lock guard{of->m};
            const auto enough = [&] { return of->level >= n; };
            bool is = true;
            try {
                if (u) is = of->changed.wait(guard, enough, *u);
                else of->changed.wait(guard, enough);
            } catch (const canceled&) {
                return outcome{end::was_canceled, guard.owns_lock() && of->m.is_locked()};
            }
            if (is) of->level -= n;
            return outcome{is ? end::fulfilled : end::gave_up, guard.owns_lock() && of->m.is_locked()};
        },
        [](gauge* of, int n, std::optional<sluice::context> u) -> task<outcome> {
            const auto guard = co_await of->m.async_lock();
            const auto enough = [&] { return of->level >= n; };
            bool is = true;
            try {
                if (u) is = co_await of->changed.async_wait(guard, enough, *u);
                else is = co_await of->changed.async_wait(guard, enough);
            } catch (const canceled&) {
                co_return outcome{end::was_canceled, guard.owns_lock() && of->m.is_locked()};
            }
            if (is) of->level -= n;
            co_return outcome{is ? end::fulfilled : end::gave_up, guard.owns_lock() && of->m.is_locked()};
        },
        &g, least, std::move(until));
}

template <class Callers>
class ConditionWaitOf : public testing::Test {
protected:
    gauge on;
    Callers by;
};
TYPED_TEST_SUITE(ConditionWaitOf, both_callers, caller_names);

// --- waiting and notifying -----------------------------------------------------------------------------------------

TYPED_TEST(ConditionWaitOf, ReturnsAtOnceWhenItHoldsAlready) {
    this->on.level = 1;
    const outcome o = start_wait(this->by, this->on, 1).get();
    EXPECT_EQ(o.how, end::fulfilled);
    EXPECT_TRUE(o.held);
    EXPECT_FALSE(this->on.m.is_locked());
}

TYPED_TEST(ConditionWaitOf, LetsTheLockGoUntilItIsNotifiedAndHoldsItAfterwards) {
    auto& g = this->on;
    auto waiting = start_wait(this->by, g, 1);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1 && !g.m.is_locked(); }));
    g.set(1);
    g.changed.notify_one();
    const outcome o = waiting.get();
    EXPECT_EQ(o.how, end::fulfilled);
    EXPECT_TRUE(o.held);
    EXPECT_FALSE(g.m.is_locked());
}

TYPED_TEST(ConditionWaitOf, WaitsOnWhenItIsNotifiedAndDoesNotHold) {
    auto& g = this->on;
    auto waiting = start_wait(this->by, g, 2);
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
        g.changed.notify_all();
    }
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    g.set(2);
    g.changed.notify_one();
    EXPECT_EQ(waiting.get().how, end::fulfilled);
}

TYPED_TEST(ConditionWaitOf, NotifyOneLetsTheFirstGoOnAndNotifyAllTheRest) {
    auto& g = this->on;
    auto first = start_wait(this->by, g, 1);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    auto second = start_wait(this->by, g, 1);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 2; }));
    auto third = start_wait(this->by, g, 1);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 3; }));
    g.set(3);
    g.changed.notify_one();
    EXPECT_EQ(first.get().how, end::fulfilled);
    EXPECT_EQ(g.changed.waiting(), 2u);
    g.changed.notify_all();
    EXPECT_EQ(second.get().how, end::fulfilled);
    EXPECT_EQ(third.get().how, end::fulfilled);
    EXPECT_EQ(g.level, 0);
}

TEST(Condition, NotifyingNobodyDoesNothing) {
    condition c;
    c.notify_one();
    c.notify_all();
    EXPECT_EQ(c.waiting(), 0u);
}

TEST(Condition, MayBeNotifiedUnderTheLock) {
    gauge g;
    threads by;
    auto waiting = start_wait(by, g, 1);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    {
        const std::lock_guard guard{g.m};
        g.level = 1;
        g.changed.notify_one();
    }
    EXPECT_EQ(waiting.get().how, end::fulfilled);
}

TEST(Condition, CarriesAQueueBetweenThreadsAndTasks) {
    struct {
        mutex m;
        condition filled;
        condition emptied;
        std::deque<int> queue;
    } q;
    using channel = decltype(q);
    constexpr int values = 2'000;
    runtime rt{workers(2)};
    const auto takes = [](channel* of) -> task<long> {
        long sum = 0;
        for (int i = 0; i < values; ++i) {
            const auto guard = co_await of->m.async_lock();
            co_await of->filled.async_wait(guard, [&] { return !of->queue.empty(); });
            sum += of->queue.front();
            of->queue.pop_front();
            of->emptied.notify_one();
        }
        co_return sum;
    };
    auto a = rt.go(takes, &q);
    auto b = rt.go(takes, &q);
    std::vector<std::jthread> putting;
    for (int t = 0; t < 2; ++t)
        putting.emplace_back([&] {
            for (int i = 1; i <= values; ++i) {
                std::unique_lock guard{q.m};
                q.emptied.wait(guard, [&] { return q.queue.size() < 4; });
                q.queue.push_back(i);
                q.filled.notify_one();
            }
        });
    EXPECT_EQ(a.get() + b.get(), 2L * values * (values + 1) / 2);
}

TEST(Condition, WaitsUnderASharedLock) {
    sluice::shared_mutex m;
    condition changed;
    bool ready = false;
    const auto task_waits = [](sluice::shared_mutex* of, condition* c, bool* is) -> task<std::size_t> {
        const auto guard = co_await of->async_lock_shared();
        co_await c->async_wait(guard, [=] { return *is; });
        co_return of->readers();
    };
    runtime rt{workers(1)};
    auto h = rt.go(task_waits, &m, &changed, &ready);
    ASSERT_TRUE(eventually([&] { return changed.waiting() == 1; }));
    std::jthread thread_waits{[&] {
        const std::shared_lock guard{m};
        changed.wait(guard, [&] { return ready; });
        EXPECT_GE(m.readers(), 1u);
    }};
    ASSERT_TRUE(eventually([&] { return changed.waiting() == 2 && !m.is_locked(); }));
    {
        const auto guard = m.hold();
        ready = true;
    }
    changed.notify_all();
    EXPECT_GE(h.get(), 1u);
}

// --- giving up -----------------------------------------------------------------------------------------------------

TYPED_TEST(ConditionWaitOf, EndsWithTheContextItNamesAndHoldsTheLock) {
    auto& g = this->on;
    const auto source = sluice::with_cancel({});
    auto waiting = start_wait(this->by, g, 1, source.get());
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    source.cancel();
    const outcome o = waiting.get();
    EXPECT_EQ(o.how, end::gave_up);
    EXPECT_TRUE(o.held);
    EXPECT_EQ(g.changed.waiting(), 0u);
    EXPECT_FALSE(g.m.is_locked());
}

TYPED_TEST(ConditionWaitOf, AStopRequestedBeforeWinsOverAConditionThatHolds) {
    this->on.level = 1;
    const auto source = sluice::with_cancel({});
    source.cancel();
    const outcome o = start_wait(this->by, this->on, 1, source.get()).get();
    EXPECT_EQ(o.how, end::gave_up);
    EXPECT_TRUE(o.held);
}

// A task, and a callable that blocks its thread.
TEST(Condition, TheSurroundingCancellationThrowsWithTheLockHeld) {
    gauge g;
    runtime rt{workers(2)};
    tasks as_task;
    const auto callable = [](gauge* of) {
        std::unique_lock guard{of->m};
        try {
            of->changed.wait(guard, [&] { return of->level > 0; });
        } catch (const canceled&) {
            return guard.owns_lock() && of->m.is_locked();
        }
        return false;
    };
    auto a = start_wait(as_task, g, 1);
    auto b = rt.go(callable, &g);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 2; }));
    a.cancel();
    const outcome o = a.get();
    EXPECT_EQ(o.how, end::was_canceled);
    EXPECT_TRUE(o.held);
    b.cancel();
    EXPECT_TRUE(b.get());
    EXPECT_EQ(g.changed.waiting(), 0u);
    EXPECT_FALSE(g.m.is_locked());
}

TEST(Condition, ACancelledTaskThrowsAtOnceEvenIfItHolds) {
    gauge g;
    g.level = 1;
    const auto f = [](gauge* of) -> task<int> {
        const auto guard = co_await of->m.async_lock();
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        try {
            co_await of->changed.async_wait(guard, [&] { return of->level > 0; });
        } catch (const canceled&) {
            co_return of->m.is_locked() ? 1 : 2;
        }
        co_return 3;
    };
    runtime rt{workers(1)};
    auto h = rt.go(f, &g);
    ASSERT_TRUE(eventually([&] { return g.m.is_locked(); }));
    h.cancel();
    EXPECT_EQ(h.get(), 1);
}

TYPED_TEST(ConditionWaitOf, ACancelledWaitEndsWhenItHasTheLockAgain) {
    auto& g = this->on;
    const auto source = sluice::with_cancel({});
    auto waiting = start_wait(this->by, g, 1, source.get());
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1 && !g.m.is_locked(); }));
    g.m.lock();
    source.cancel();
    ASSERT_TRUE(eventually([&] { return g.m.waiting() == 1; }));
    EXPECT_EQ(g.changed.waiting(), 0u);
    EXPECT_FALSE(waiting.done());
    g.m.unlock();
    EXPECT_TRUE(waiting.get().held);
}

TYPED_TEST(ConditionWaitOf, ANotificationAfterACancellationGoesToTheNext) {
    auto& g = this->on;
    const auto source = sluice::with_cancel({});
    auto first = start_wait(this->by, g, 1, source.get());
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    auto second = start_wait(this->by, g, 1);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 2; }));
    g.set(1);
    source.cancel();
    g.changed.notify_one();
    const outcome o = first.get();
    EXPECT_EQ(o.how, end::gave_up);
    EXPECT_EQ(second.get().how, end::fulfilled);
}

// Notified before it has begun to wait, and cancelled then: N3 in condition_core.hpp.
TEST(Condition, ANotificationThatIsNotUsedGoesToTheNext) {
    sluice::detail::condition_core core;
    std::optional<sluice::detail::condition_entry> first;
    std::optional<sluice::detail::condition_entry> second;
    first.emplace(core);
    second.emplace(core);
    core.notify(false);
    EXPECT_EQ(core.waiting(), 1u);
    first.reset();
    EXPECT_EQ(core.waiting(), 0u) << "passed on";
    second.reset();
}

TEST(Condition, WaitForAsksALastTimeWhenTheTimeIsUp) {
    gauge g;
    std::unique_lock guard{g.m};
    EXPECT_FALSE(g.changed.wait_for(guard, 1ms, [&] { return g.level > 0; }));
    EXPECT_TRUE(guard.owns_lock() && g.m.is_locked());
    int asked = 0;
    EXPECT_TRUE(g.changed.wait_for(guard, 1ms, [&] { return ++asked == 2; }));
    EXPECT_FALSE(g.changed.wait_until(guard, sluice::clock::now() - 1ms, [] { return false; }));
    EXPECT_EQ(g.changed.waiting(), 0u);
}

TEST(Condition, AWaitEndsWithAToken) {
    gauge g;
    std::stop_source source;
    std::jthread t{[&] {
        std::unique_lock guard{g.m};
        EXPECT_FALSE(g.changed.wait(guard, [] { return false; }, source.get_token()));
        EXPECT_TRUE(g.m.is_locked());
    }};
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    source.request_stop();
    t.join();
    const auto f = [](gauge* of, std::stop_token until) -> task<bool> {
        const auto guard = co_await of->m.async_lock();
        co_return co_await of->changed.async_wait(guard, [] { return true; }, until);
    };
    EXPECT_FALSE(sluice::run(f, &g, source.get_token()));
}

TEST(Condition, ATimeoutOfAnAwaitedWaitHoldsTheLock) {
    gauge g;
    const auto f = [](gauge* of) -> task<bool> {
        const auto guard = co_await of->m.async_lock();
        const bool is = co_await sluice::timeout(1ms, of->changed.async_wait(guard, [] { return false; }));
        co_return !is && of->m.is_locked();
    };
    EXPECT_TRUE(sluice::run(f, &g));
    EXPECT_FALSE(g.m.is_locked());
}

// --- what goes wrong -----------------------------------------------------------------------------------------------

TEST(Condition, APredicateThatThrowsLeavesTheLockHeld) {
    gauge g;
    const auto f = [](gauge* of) -> task<bool> {
        const auto guard = co_await of->m.async_lock();
        int asked = 0;
        try {
            co_await of->changed.async_wait(guard, [&]() -> bool {
                if (++asked == 2) throw std::runtime_error{"broken"};
                return false;
            });
        } catch (const std::runtime_error&) {
            co_return of->m.is_locked();
        }
        co_return false;
    };
    runtime rt{workers(1)};
    auto h = rt.go(f, &g);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    g.changed.notify_one();
    EXPECT_TRUE(h.get());
    std::unique_lock guard{g.m};
    EXPECT_THROW(g.changed.wait(guard, []() -> bool { throw 1; }), int);
    EXPECT_TRUE(g.m.is_locked());
}

TEST(Condition, AGuardThatHoldsNothingIsAViolationWithTheCallersPlace) {
    gauge g;
    const std::unique_lock guard{g.m, std::defer_lock};
    const unsigned line = std::source_location::current().line() + 1;
    const auto what = violation_of([&] { g.changed.wait(guard, [] { return true; }); });
    ASSERT_TRUE(what);
    EXPECT_EQ(what->where.line(), line);
    EXPECT_TRUE(breaks_contract([&] { g.changed.wait(mutex::guard{}, [] { return true; }); }));
}

TEST(Condition, IsNamedByReports) {
    gauge g;
    runtime rt{workers(1)};
    tasks by;
    const auto f = [](gauge* of) -> task<> {
        const auto guard = co_await of->m.async_lock();
        co_await of->changed.async_wait(guard, [&] { return of->level > 0; });
    };
    auto h = rt.go(f, &g);
    ASSERT_TRUE(eventually([&] { return g.changed.waiting() == 1; }));
    std::ostringstream text;
    rt.dump(text);
    EXPECT_NE(text.str().find("condition"), std::string::npos) << text.str();
    g.set(1);
    g.changed.notify_one();
    h.get();
}

}  // namespace
