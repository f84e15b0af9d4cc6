// SPDX-License-Identifier: BSL-1.0
// result_group_test.cpp: does each result come once, in the order that was asked for, and none too many?

#include <sluice/result_group.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/scope.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>

#include "../support/broken_contract.hpp"
#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::context;
using sluice::received;
using sluice::result_group;
using sluice::status;
using sluice::task;
using sluice_test::both_callers;
using sluice_test::caller_names;
using sluice_test::counted;
using sluice_test::eventually;

struct failure : std::runtime_error {
    failure() : std::runtime_error{"failure"} {}
};

task<int> give(int value) { co_return value; }
task<int> give_after(channel<void> go_on, int value) {
    static_cast<void>(co_await go_on.async_receive());
    co_return value;
}
task<int> fail() {
    co_await sluice::yield();
    throw failure{};
}
task<int> never() {
    co_await sluice::sleep_for(1h);
    co_return 0;
}
template <class T>
bool all_ended(const result_group<T>& g) {
    return g.count() == 0;
}

/// Three tasks of which each ends when its channel is closed.
struct three {
    three() {
        for (int i = 0; const auto& ch : go_on) EXPECT_TRUE(group.go(give_after, ch, i++));
    }
    std::vector<channel<void>> go_on{channel<void>{0}, channel<void>{0}, channel<void>{0}};
    result_group<int> group;
};

template <class Callers>
class ResultGroupUsedBy : public testing::Test {
protected:
    template <class T>
    auto start_wait(result_group<T>& g) {
        return callers.start(
            [](result_group<T>* group) { return group->wait(); },
            [](result_group<T>* group) -> task<std::vector<T>> { co_return co_await group->async_wait(); }, &g);
    }
    template <class T>
    auto start_next(result_group<T>& g, context until = {}) {
        return callers.start(
            [](result_group<T>* group, context u) { return group->next(u); },
            [](result_group<T>* group, context u) -> task<received<T>> { co_return co_await group->async_next(u); }, &g,
            std::move(until));
    }
    // All results, one by one.
    auto start_drain(result_group<int>& g) {
        return callers.start(
            [](result_group<int>* group) {
                std::vector<int> all;
                while (auto r = group->next()) all.push_back(*r);
                return all;
            },
            [](result_group<int>* group) -> task<std::vector<int>> {
                std::vector<int> all;
                for (;;) {
                    auto r = co_await group->async_next();
                    if (!r) break;
                    all.push_back(*r);
                }
                co_return all;
            },
            &g);
    }
    Callers callers;
};
TYPED_TEST_SUITE(ResultGroupUsedBy, both_callers, caller_names);

// --- the order of the starts ----------------------------------------------------------------------------------------

TYPED_TEST(ResultGroupUsedBy, TheWaitGivesAllInTheOrderOfTheirStarts) {
    three t;
    auto all = this->start_wait(t.group);
    for (const int i : {2, 0, 1}) t.go_on[static_cast<std::size_t>(i)].close();
    EXPECT_EQ(all.get(), (std::vector{0, 1, 2}));
}

TYPED_TEST(ResultGroupUsedBy, TheWaitThrowsTheFirstError) {
    result_group<int> group;
    group.go(give, 1);
    group.go(never);
    group.go(fail);
    auto all = this->start_wait(group);
    EXPECT_THROW(all.get(), failure);
    EXPECT_EQ(group.errors().size(), 1u);
}

TEST(ResultGroup, OfNoTasksHasNoResults) {
    result_group<int> group;
    EXPECT_TRUE(group.wait().empty());
    EXPECT_EQ(group.next(), status::closed);
    EXPECT_EQ(group.try_next(), status::closed);
}

TEST(ResultGroup, AWaitWithATimeOrAContextGivesNothingWhenItEndsFirst) {
    three t;
    EXPECT_FALSE(t.group.wait_for(0s));
    auto source = sluice::with_cancel(context::background());
    source.cancel();
    EXPECT_FALSE(t.group.wait(source.get()));
    for (auto& ch : t.go_on) ch.close();
    const auto all = t.group.wait_for(sluice_test::patience);
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, (std::vector{0, 1, 2}));
}

TEST(ResultGroup, WhatANextHasGivenIsNotAmongTheResultsOfTheWait) {
    three t;
    t.go_on[1].close();
    EXPECT_EQ(t.group.next().value(), 1);
    t.go_on[0].close();
    t.go_on[2].close();
    EXPECT_EQ(t.group.wait(), (std::vector{0, 2}));
    EXPECT_EQ(t.group.next(), status::closed);
}

TEST(ResultGroup, ResultsOfThoseThatDidNotFailAreThereAfterTheWaitHasThrown) {
    result_group<int> group;
    group.go(give, 4);
    ASSERT_TRUE(eventually([&] { return all_ended(group); }));
    group.go(fail);
    EXPECT_THROW(group.wait(), failure);
    EXPECT_EQ(group.try_next().value(), 4);
    EXPECT_EQ(group.try_next(), status::closed);
}

// --- the order of the ends ------------------------------------------------------------------------------------------

TYPED_TEST(ResultGroupUsedBy, NextGivesThemAsTheyEnd) {
    three t;
    for (const int i : {2, 0, 1}) {
        auto one = this->start_next(t.group);
        t.go_on[static_cast<std::size_t>(i)].close();
        EXPECT_EQ(one.get().value(), i);
    }
    EXPECT_EQ(this->start_next(t.group).get(), status::closed);
}

TYPED_TEST(ResultGroupUsedBy, EveryWaiterHearsOfTheEnd) {
    three t;
    auto first = this->start_drain(t.group);
    auto second = this->start_drain(t.group);
    for (auto& ch : t.go_on) ch.close();
    EXPECT_EQ(first.get().size() + second.get().size(), 3u);
}

TYPED_TEST(ResultGroupUsedBy, NextTellsAtTheEndWhichErrorThereWas) {
    result_group<int> group;
    group.go(never);
    group.go(fail);
    const auto r = this->start_next(group).get();
    EXPECT_EQ(r, status::closed);
    EXPECT_THROW(static_cast<void>(r.value()), failure);
}

TYPED_TEST(ResultGroupUsedBy, AContextEndsANextByValueAndTakesNothing) {
    three t;
    auto source = sluice::with_cancel(context::background());
    auto one = this->start_next(t.group, source.get());
    source.cancel();
    EXPECT_EQ(one.get(), status::canceled);
    for (auto& ch : t.go_on) ch.close();
    EXPECT_EQ(t.group.wait().size(), 3u);
}

TEST(ResultGroup, ARangeForGivesThemAsTheyEndAndThrowsTheErrorLast) {
    three t;
    t.go_on[2].close();
    std::vector<int> seen;
    for (const int value : t.group) {
        seen.push_back(value);
        if (value == 2) t.go_on[0].close();
        if (value == 0) t.go_on[1].close();
    }
    EXPECT_EQ(seen, (std::vector{2, 0, 1}));

    result_group<int> failing;
    failing.go(give, 1);
    ASSERT_TRUE(eventually([&] { return all_ended(failing); }));
    failing.go(fail);
    seen.clear();
    const auto loop = [&] {
        for (const int value : failing) seen.push_back(value);
    };
    EXPECT_THROW(loop(), failure);
    EXPECT_EQ(seen, std::vector{1});
}

TEST(ResultGroup, ARangeForMayBeLeftEarly) {
    result_group<int> group;
    group.go(give, 1);
    group.go(never);
    for (const int value : group) {
        EXPECT_EQ(value, 1);
        break;
    }
}

TEST(ResultGroup, NextForGivesUpAfterAWhile) {
    three t;
    EXPECT_EQ(t.group.next_for(0s), status::timed_out);
    EXPECT_EQ(t.group.try_next(), status::empty);
    t.go_on[0].close();
    EXPECT_EQ(t.group.next_for(sluice_test::patience).value(), 0);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(t.group.next(stop.get_token()), status::canceled);
}

TEST(ResultGroup, MoreMayBeStartedAfterTheEndWasTold) {
    result_group<int> group;
    group.go(give, 1);
    EXPECT_EQ(group.next().value(), 1);
    EXPECT_EQ(group.next(), status::closed);
    group.go(give, 2);
    EXPECT_EQ(group.next().value(), 2);
}

TEST(ResultGroup, TheEndIsNotToldWhileSomebodyWaitsForASlotToStartOne) {
    three t;
    t.group.set_limit(1);
    std::jthread starter{[&] { EXPECT_TRUE(t.group.go(give, 3)); }};
    ASSERT_TRUE(eventually([&] { return t.group.count() == 4; }));
    for (auto& ch : t.go_on) ch.close();
    int last = -1;
    int all = 0;
    for (const int value : t.group) {
        last = value;
        ++all;
    }
    EXPECT_EQ(all, 4);
    EXPECT_EQ(last, 3);
}

// --- starts ---------------------------------------------------------------------------------------------------------

TEST(ResultGroup, PlainCallablesAndOthersWhoseResultsMakeOneCanBeMixed) {
    result_group<std::string> group;
    group.go([] { return "callable"; });
    group.go([](std::string s) -> task<std::string> { co_return s; }, "task");
    static std::string lasting{"reference"};
    group.go([]() -> task<std::string&> { co_return lasting; });
    EXPECT_EQ(group.wait(), (std::vector<std::string>{"callable", "task", "reference"}));
    EXPECT_EQ(lasting, "reference");
}

TEST(ResultGroup, AtItsLimitTryGoStartsNothingAndAsyncGoWaits) {
    three t;
    t.group.set_limit(3);
    EXPECT_FALSE(t.group.try_go(give, 3));
    EXPECT_TRUE(sluice::run(
        [](three* all) -> task<bool> {
            const auto unblock = [](channel<void> ch) { ch.close(); };
            auto h = sluice::go(unblock, all->go_on[1]);
            const bool started = co_await all->group.async_go(give, 3);
            co_await h;
            co_return started;
        },
        &t));
    t.go_on[0].close();
    t.go_on[2].close();
    EXPECT_EQ(t.group.wait(), (std::vector{0, 1, 2, 3}));
}

TEST(ResultGroup, AfterItsEndNothingIsStarted) {
    result_group<int> group;
    group.cancel();
    EXPECT_FALSE(group.go(give, 1));
    EXPECT_FALSE(group.try_go(give, 1));
    EXPECT_FALSE(
        sluice::run([](result_group<int>* g) -> task<bool> { co_return co_await g->async_go(give, 1); }, &group));
    EXPECT_TRUE(group.wait().empty());
}

TEST(ResultGroup, AStartThatThrowsLeavesNoResultToWaitFor) {
    struct throws_when_copied {
        throws_when_copied() = default;
        throws_when_copied(const throws_when_copied&) { throw failure{}; }
        int operator()() const { return 1; }
    };
    result_group<int> group;
    const throws_when_copied f;
    EXPECT_THROW(group.go(f), failure);
    EXPECT_EQ(group.next(), status::closed);
    EXPECT_TRUE(group.wait().empty());
}

TEST(ResultGroup, ATaskOfAFullGroupThatStartsAnotherIsToldOfTheDeadlock) {
    result_group<int> group;
    group.set_limit(1);
    group.go([&]() -> task<int> { co_return co_await group.async_go(give, 1) ? 1 : 0; });
    EXPECT_THROW(group.wait(), sluice::deadlock_error);
}

TEST(ResultGroup, ALimitOfZeroBreaksTheContract) {
    result_group<int> group;
    EXPECT_TRUE(sluice_test::breaks_contract([&] { group.set_limit(0); }));
}

// --- values ---------------------------------------------------------------------------------------------------------

class number {
public:
    explicit number(int n) : n_{std::make_unique<int>(n)} {}
    int get() const { return *n_; }

private:
    std::unique_ptr<int> n_;  // move-only, and no default constructor
};

TYPED_TEST(ResultGroupUsedBy, ResultsMayBeMoveOnlyAndWithoutADefault) {
    result_group<number> group;
    for (const int i : {1, 2}) group.go([](int n) -> task<number> { co_return number{n}; }, i);
    auto one = this->start_next(group).get();
    ASSERT_TRUE(one);
    auto rest = this->start_wait(group).get();
    ASSERT_EQ(rest.size(), 1u);
    EXPECT_EQ(one->get() + rest[0].get(), 3);
}

TEST(ResultGroup, DestroysEachResultOnceWhoeverTakesIt) {
    using value = counted<struct results>;
    {
        result_group<value> group;
        for (int i = 0; i < 10; ++i) group.go([](int n) -> task<value> { co_return value{n}; }, i);
        EXPECT_TRUE(group.next());
        EXPECT_TRUE(group.next());
        ASSERT_TRUE(eventually([&] { return all_ended(group); }));
        EXPECT_TRUE(eventually([] { return value::live() == 8; }));  // shells go with the blocks of their tasks
    }
    EXPECT_TRUE(eventually([] { return value::live() == 0; }));
}

TEST(ResultGroup, AResultWhoseMoveThrowsIsAnErrorOfItsTask) {
    struct throws_when_moved {
        explicit throws_when_moved(int) {}
        throws_when_moved(throws_when_moved&&) { throw failure{}; }
    };
    result_group<throws_when_moved> group;
    group.go([]() -> task<int> { co_return 1; });  // makes one, which then cannot be moved out
    ASSERT_TRUE(eventually([&] { return all_ended(group); }));
    EXPECT_THROW(static_cast<void>(group.next()), failure);
    EXPECT_EQ(group.next(), status::closed);
}

TEST(ResultGroup, AResultThatCannotBeMadeIsAnErrorOfItsTask) {
    struct made_of_positive {
        made_of_positive(int n) {
            if (n < 0) throw failure{};
        }
    };
    result_group<made_of_positive> group;
    group.go(give, -1);
    EXPECT_THROW(group.wait(), failure);
    EXPECT_EQ(group.errors().size(), 1u);
}

// --- cancellation ---------------------------------------------------------------------------------------------------

TEST(ResultGroup, AfterItsOwnersCancelTheResultsThatCameAreThere) {
    result_group<int> group;
    group.go(give, 1);
    ASSERT_TRUE(eventually([&] { return all_ended(group); }));
    group.go(never);
    group.cancel();
    EXPECT_EQ(group.wait(), std::vector{1});
}

TEST(ResultGroup, TheEndOfItsParentIsAnErrorForNextToo) {
    auto parent = sluice::with_cancel(context::background());
    result_group<int> group{parent.get()};
    group.go(never);
    parent.cancel();
    const auto r = group.next();
    EXPECT_EQ(r, status::closed);
    EXPECT_THROW(static_cast<void>(r.value()), canceled);
    EXPECT_THROW(group.wait(), canceled);
}

TEST(ResultGroup, ACancelledNextTakesNothingAndThrows) {
    three t;
    sluice::run(
        [](three* all) -> task<> {
            auto h = sluice::go([](three* a) -> task<int> { co_return (co_await a->group.async_next()).value(); }, all);
            co_await sluice::yield();
            h.cancel();
            bool threw = false;
            try {
                static_cast<void>(co_await h);
            } catch (const canceled&) {
                threw = true;
            }
            EXPECT_TRUE(threw);
        },
        &t);
    for (auto& ch : t.go_on) ch.close();
    EXPECT_EQ(t.group.wait().size(), 3u);
}

task<int> sleep_and_tell(channel<void> begun, std::atomic<int>* ended) {
    begun.close();
    try {
        co_await sluice::sleep_for(1h);
    } catch (const canceled&) {
        ++*ended;
        throw;
    }
    co_return 1;
}
task<> wait_for_one_that_sleeps(channel<void> begun, std::atomic<int>* ended) {
    result_group<int> group;
    group.go(sleep_and_tell, begun, ended);
    try {
        static_cast<void>(co_await group.async_wait());
    } catch (const canceled&) {
        EXPECT_EQ(*ended, 1);
        throw;
    }
}

TEST(ResultGroup, ACancelledWaitJoinsTheTasksBeforeItThrows) {
    std::atomic<int> ended{0};
    const channel<void> begun{0};
    sluice::runtime rt;
    auto waits = rt.go(wait_for_one_that_sleeps, begun, &ended);
    static_cast<void>(begun.receive());
    waits.cancel();
    EXPECT_THROW(waits.get(), canceled);
}

TEST(ResultGroup, ItsDestructorCancelsAndJoins) {
    std::atomic<int> ended{0};
    {
        result_group<int> group;
        const channel<void> begun{0};
        group.go(sleep_and_tell, begun, &ended);
        static_cast<void>(begun.receive());
    }
    EXPECT_EQ(ended, 1);
}

// --- with the rest --------------------------------------------------------------------------------------------------

TEST(ResultGroup, ItsWaitAndNextAreCasesOfASelect) {
    three t;
    received<int> one;
    const auto at_once = [&] { return sluice::select(sluice::on(t.group.async_next(), one), sluice::otherwise); };
    EXPECT_EQ(at_once(), 1u);
    t.go_on[1].close();
    EXPECT_EQ(sluice::select(sluice::on(t.group.async_next(), one), sluice::on_timeout(sluice_test::patience)), 0u);
    EXPECT_EQ(one.value(), 1);
    t.go_on[0].close();
    t.go_on[2].close();
    std::vector<int> rest;
    EXPECT_EQ(sluice::run(
                  [](three* all, std::vector<int>* into) -> task<std::size_t> {
                      co_return co_await sluice::async_select(sluice::on(all->group.async_wait(), *into),
                                                              sluice::on_timeout(sluice_test::patience));
                  },
                  &t, &rest),
              0u);
    EXPECT_EQ(rest, (std::vector{0, 2}));
}

TEST(ResultGroup, ATimeoutEndsANextByValue) {
    three t;
    EXPECT_EQ(sluice::run(
                  [](three* all) -> task<status> {
                      const auto r = co_await sluice::timeout(1ms, all->group.async_next());
                      co_return r.why();
                  },
                  &t),
              status::timed_out);
    for (auto& ch : t.go_on) ch.close();
}

TEST(ResultGroup, AScopeJoinsItWithoutBlocking) {
    EXPECT_EQ(sluice::run([]() -> task<int> {
                  const auto body = [](result_group<int>& all) -> task<int> {
                      for (int i = 1; i <= 3; ++i) co_await all.async_go(give, i);
                      int sum = 0;
                      for (;;) {
                          auto r = co_await all.async_next();
                          if (!r) break;
                          sum += *r;
                      }
                      co_return sum;
                  };
                  co_return co_await sluice::scope<result_group<int>>(body);
              }),
              6);
}

using sluice_test::ticket_queue;

TEST(ResultGroup, ACoroutineOfAnotherLibraryAwaitsResults) {
    using foreign = sluice_test::foreign;
    three t;
    ticket_queue queue;
    int seen = -1;
    const auto body = [](ticket_queue&, three& all, int& out) -> foreign {
        auto r = co_await all.group.async_next();
        out = r ? *r : -2;
        auto rest = co_await all.group.async_wait();
        out += 10 * static_cast<int>(rest.size());
    };
    const foreign waits = body(queue, t, seen);
    t.go_on[2].close();
    ASSERT_TRUE(eventually([&] { return queue.run_one(); }));
    EXPECT_EQ(seen, 2);
    t.go_on[0].close();
    t.go_on[1].close();
    ASSERT_TRUE(eventually([&] { return queue.run_one(); }));
    EXPECT_TRUE(waits.has_ended());
    EXPECT_EQ(seen, 22);
}

TEST(ResultGroup, AResultInTheHandsOfAFrameThatGoesIsThereForTheNext) {
    using foreign = sluice_test::foreign;
    three t;
    ticket_queue queue;
    {
        const auto body = [](ticket_queue&, three& all) -> foreign {
            static_cast<void>(co_await all.group.async_next());
        };
        const foreign waits = body(queue, t);
        t.go_on[1].close();
        ASSERT_TRUE(eventually([&] { return t.group.count() == 2; }));
        EXPECT_EQ(t.group.try_next(), status::empty);  // it is the other's
    }
    EXPECT_EQ(t.group.next().value(), 1);
    for (auto& ch : t.go_on) ch.close();
    EXPECT_EQ(t.group.wait(), (std::vector{0, 2}));
}

TEST(ResultGroupDeathTest, ATaskThatWaitsForItsOwnGroupIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto wait_inside = [] {
        result_group<int> group;
        group.go([&]() -> task<int> {
            const auto all = co_await group.async_wait();
            co_return static_cast<int>(all.size());
        });
        static_cast<void>(group.wait());
    };
    EXPECT_DEATH(wait_inside(), "result_group_test.cpp.*its own group");
}

TEST(ResultGroup, ATaskOfItMayTakeTheResultsOfTheOthers) {
    result_group<int> group;
    group.go(give, 1);
    group.go(give, 2);
    group.go([&]() -> task<int> {
        const auto a = co_await group.async_next();
        const auto b = co_await group.async_next();
        co_return *a + *b;
    });
    EXPECT_EQ(group.wait(), std::vector{3});
}

}  // namespace
