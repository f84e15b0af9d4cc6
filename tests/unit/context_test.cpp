// SPDX-License-Identifier: BSL-1.0
// context_test.cpp: when does a context end, why, and which waits end with it?

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/sluice.hpp>

#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::context;
using sluice::context_error;
using sluice::context_source;
using sluice::runtime;
using sluice::status;
using sluice::task;
using sluice_test::eventually;
using sluice_test::receivers_waiting;

struct reason : std::runtime_error {
    explicit reason(int n) : std::runtime_error{"a reason"}, number{n} {}
    int number;
};
std::exception_ptr because(int n) { return std::make_exception_ptr(reason{n}); }
// The number of the reason in `cause`; 0: there is none.
int number_of(const std::exception_ptr& cause) {
    if (!cause) return 0;
    try {
        std::rethrow_exception(cause);
    } catch (const reason& r) {
        return r.number;
    }
}

bool somebody_waits_for(const runtime& rt, const std::string& what) {
    std::ostringstream out;
    rt.dump(out);
    return out.str().find("waits for " + what) != std::string::npos;
}

std::size_t children_of(const context& c) {
    auto* const n = sluice::detail::context_access::node(c);
    const sluice::detail::hold guard{n->mutex};
    std::size_t count = 0;
    for (auto* child = n->first_child; child; child = child->next_sibling) ++count;
    return count;
}

struct colour {
    using type = std::string;
};
struct size {
    using type = int;
};
struct other_size {
    using type = int;
};

// --- the tree ------------------------------------------------------------------------------------------------------

// CX-01
TEST(Context, TheBackgroundNeverEndsAndHoldsNothing) {
    const context c = context::background();
    EXPECT_FALSE(c.done());
    EXPECT_EQ(c.error(), context_error::none);
    EXPECT_EQ(c.cause(), nullptr);
    EXPECT_FALSE(c.deadline());
    EXPECT_FALSE(c.stop_token().stop_possible());
    EXPECT_EQ(c.value<colour>(), nullptr);
    EXPECT_EQ(c, context{});
}

// CX-02
TEST(Context, CancelEndsEveryDescendantBeforeItReturns) {
    const auto root = sluice::with_cancel({});
    std::vector<context_source> all;
    all.push_back(sluice::with_cancel(root));
    for (std::size_t i = 0; i < 100; ++i) all.push_back(sluice::with_cancel(all[i / 2]));
    const context valued = sluice::with_value<size>(all.back(), 3);
    root.cancel();
    for (const auto& s : all) EXPECT_EQ(s.get().error(), context_error::canceled);
    EXPECT_TRUE(valued.done());
}

// CX-02: a child that has ended has a parent that has ended.
TEST(Context, AParentEndsBeforeItsChildren) {
    for (int i = 0; i < 100; ++i) {
        const auto root = sluice::with_cancel({});
        const auto middle = sluice::with_cancel(root);
        const auto leaf = sluice::with_cancel(middle);
        std::jthread canceling{[&] { root.cancel(); }};
        while (!leaf.get().done()) {}
        ASSERT_TRUE(middle.get().done());
        ASSERT_TRUE(root.get().done());
    }
}

// CX-03
TEST(Context, WhoSeesTheEndSeesTheCauseAndTheToken) {
    for (int i = 0; i < 100; ++i) {
        const auto source = sluice::with_cancel({});
        std::jthread canceling{[&] { source.cancel(because(i + 1)); }};
        while (!source.get().done()) {}
        ASSERT_EQ(number_of(source.get().cause()), i + 1);
        ASSERT_TRUE(source.get().stop_token().stop_requested() ||
                    eventually([&] { return source.get().stop_token().stop_requested(); }));
    }
}

// CX-23: this would hang.
TEST(Context, IsAskedWithoutItsLock) {
    const auto source = sluice::with_timeout(sluice::with_value<size>({}, 1), 1h);
    const context c = source;
    const sluice::detail::hold guard{sluice::detail::context_access::node(c)->mutex};
    EXPECT_FALSE(c.done());
    EXPECT_EQ(c.error(), context_error::none);
    EXPECT_EQ(c.cause(), nullptr);
    EXPECT_TRUE(c.deadline());
    EXPECT_EQ(*c.value<size>(), 1);
}

// CX-04
TEST(Context, TheFirstOfManyCancelsWins) {
    const auto source = sluice::with_cancel({});
    source.cancel(because(1));
    source.cancel(because(2));
    source.cancel();
    EXPECT_EQ(number_of(source.get().cause()), 1);

    const auto contended = sluice::with_cancel({});
    {
        std::vector<std::jthread> threads;
        for (int i = 1; i <= 4; ++i) threads.emplace_back([&, i] { contended.cancel(because(i)); });
    }
    const int winner = number_of(contended.get().cause());
    EXPECT_GE(winner, 1);
    EXPECT_LE(winner, 4);
    EXPECT_EQ(number_of(contended.get().cause()), winner);
}

// CX-02, CX-04
TEST(Context, EveryCancelReturnsAfterTheEndOfAllDescendantsAlsoOneThatCameSecond) {
    for (int round = 0; round < 300; ++round) {
        const auto root = sluice::with_cancel({});
        std::vector<sluice::context_source> chain;
        for (int i = 0; i < 30; ++i) chain.push_back(sluice::with_cancel(i == 0 ? root.get() : chain.back().get()));
        std::atomic<int> arrived{0};
        std::atomic<int> late{0};
        const auto cancel_and_look = [&](const sluice::context_source& which) {
            arrived.fetch_add(1);
            while (arrived.load() < 3) {}
            which.cancel();
            if (!chain.back().get().done()) late.fetch_add(1);
        };
        {
            const std::jthread first{cancel_and_look, std::cref(root)};
            const std::jthread second{cancel_and_look, std::cref(root)};
            cancel_and_look(chain[10]);
        }
        ASSERT_EQ(late.load(), 0) << "round " << round;
    }
}

// CX-05
TEST(Context, CancelOfAChildLeavesTheParentAndTheSiblings) {
    const auto root = sluice::with_cancel({});
    const auto child = sluice::with_cancel(root);
    const auto sibling = sluice::with_cancel(root);
    child.cancel();
    EXPECT_TRUE(child.get().done());
    EXPECT_FALSE(root.get().done());
    EXPECT_FALSE(sibling.get().done());
}

// CX-06, T43
TEST(Context, ChildrenThatWentAreForgotten) {
    const auto root = sluice::with_cancel({});
    for (int i = 0; i < 1'000; ++i) {
        const auto child = sluice::with_cancel(root);
        const auto timed = sluice::with_timeout(child, 1h);
        const context valued = sluice::with_value<size>(timed, i);
        if (i % 2) child.cancel();
    }
    EXPECT_EQ(children_of(root), 0u);
}

// CX-06
TEST(Context, AHundredThousandDerivedAndDroppedLeaveNothing) {
    const auto root = sluice::with_cancel({});
    const auto other = sluice::with_cancel({});
    const auto main = [&]() -> task<> {
        for (int i = 0; i < 100'000; ++i) {
            switch (i % 4) {
                case 0: static_cast<void>(sluice::with_value<size>(sluice::with_cancel(root), i)); break;
                case 1: static_cast<void>(sluice::with_timeout(root, 1h + std::chrono::milliseconds{i})); break;
                case 2: static_cast<void>(sluice::any_of(root, other)); break;
                default: static_cast<void>(sluice::without_cancel(root)); break;
            }
        }
        co_return;
    };
    const auto from = sluice::detail::context_access::node(root)->references.load();
    sluice::run(main);
    EXPECT_EQ(children_of(root), 0u);
    EXPECT_EQ(sluice::detail::context_access::node(root)->references.load(), from);
    EXPECT_EQ(sluice::detail::context_access::node(other)->references.load(), 1u);
    EXPECT_EQ(sluice::detail::context_access::node(other)->callbacks, nullptr);
    EXPECT_FALSE(root.get().done());
}

// CX-07
TEST(Context, AChildOfAnEndedContextHasEndedTheSameWay) {
    const auto root = sluice::with_cancel({});
    root.cancel(because(7));
    const auto child = sluice::with_timeout(root, 1h, because(8));
    EXPECT_EQ(child.get().error(), context_error::canceled);
    EXPECT_EQ(number_of(child.get().cause()), 7);
    EXPECT_EQ(number_of(sluice::with_value<size>(root, 1).cause()), 7);
}

// CX-22: what nobody cancels ends with its source.
TEST(Context, TheDestructorOfASourceCancels) {
    context c;
    {
        const auto source = sluice::with_cancel({});
        c = source;
        EXPECT_FALSE(c.done());
    }
    EXPECT_EQ(c.error(), context_error::canceled);
    EXPECT_EQ(c.cause(), nullptr);
}

TEST(Context, AMovedSourceCancelsOnceAndAnAssignedOneFirstCancelsItsOld) {
    auto a = sluice::with_cancel({});
    const context first = a;
    auto b = std::move(a);
    EXPECT_FALSE(first.done());
    auto c = sluice::with_cancel({});
    const context second = c;
    b = std::move(c);
    EXPECT_TRUE(first.done());
    EXPECT_FALSE(second.done());
}

TEST(Context, ADescendantKeepsItsAncestorsValuesAlive) {
    context leaf;
    {
        const context valued = sluice::with_value<colour>({}, "red");
        leaf = sluice::without_cancel(sluice::with_value<size>(valued, 1));
    }
    ASSERT_NE(leaf.value<colour>(), nullptr);
    EXPECT_EQ(*leaf.value<colour>(), "red");
}

TEST(Context, AVeryLongChainEndsAndGoesWithoutRecursion) {
    auto root = sluice::with_cancel({});
    context last = root;
    for (int i = 0; i < 200'000; ++i) last = sluice::with_value<size>(last, i);
    root.cancel();
    EXPECT_TRUE(last.done());
    last = {};
}

// --- causes and deadlines ------------------------------------------------------------------------------------------

// CX-12
TEST(Context, HasTheCauseItWasGiven) {
    const auto a = sluice::with_cancel({});
    a.cancel(because(1));
    EXPECT_EQ(a.get().error(), context_error::canceled);
    EXPECT_EQ(number_of(a.get().cause()), 1);
    const auto b = sluice::with_cancel({});
    b.cancel(nullptr);
    EXPECT_EQ(b.get().error(), context_error::canceled);
    EXPECT_EQ(b.get().cause(), nullptr);
}

// CX-12
TEST(Context, AChildKeepsItsOwnCauseAndElseHasTheParents) {
    const auto root = sluice::with_cancel({});
    const auto early = sluice::with_cancel(root);
    const auto late = sluice::with_cancel(root);
    early.cancel(because(1));
    root.cancel(because(2));
    EXPECT_EQ(number_of(early.get().cause()), 1);
    EXPECT_EQ(number_of(late.get().cause()), 2);
}

// CX-08
TEST(Context, KeepsAnEarlierDeadlineOfItsParent) {
    const auto now = sluice::clock::now();
    const auto root = sluice::with_deadline({}, now + 1h);
    const auto later = sluice::with_deadline(root, now + 2h);
    const auto earlier = sluice::with_deadline(root, now + 30min);
    const auto none = sluice::with_cancel(root);
    EXPECT_EQ(root.get().deadline(), now + 1h);
    EXPECT_EQ(later.get().deadline(), now + 1h);
    EXPECT_EQ(earlier.get().deadline(), now + 30min);
    EXPECT_EQ(none.get().deadline(), now + 1h);
}

// CX-08
TEST(Context, ALaterDeadlineEndsWithTheParentsAndItsCause) {
    const auto root = sluice::with_timeout({}, 2ms, because(1));
    const auto child = sluice::with_timeout(root, 1h, because(2));
    ASSERT_TRUE(eventually([&] { return child.get().done(); }));
    EXPECT_EQ(child.get().error(), context_error::deadline_exceeded);
    EXPECT_EQ(number_of(child.get().cause()), 1);
}

// CX-09
TEST(Context, ADeadlineInThePastHasEndedItAtOnce) {
    const auto c = sluice::with_deadline({}, sluice::clock::now() - 1s, because(3));
    EXPECT_EQ(c.get().error(), context_error::deadline_exceeded);
    EXPECT_EQ(number_of(c.get().cause()), 3);
    EXPECT_TRUE(sluice::with_timeout({}, 0ms).get().done());
    EXPECT_TRUE(sluice::with_timeout({}, -1h).get().done());
}

// CX-10, T43
TEST(Context, EndsAtItsDeadlineAndALaterCancelChangesNothing) {
    const auto deadline = sluice::clock::now() + 5ms;
    const auto c = sluice::with_deadline({}, deadline, because(4));
    EXPECT_FALSE(c.get().done());
    ASSERT_TRUE(eventually([&] { return c.get().done(); }));
    EXPECT_GE(sluice::clock::now(), deadline);
    c.cancel(because(5));
    EXPECT_EQ(c.get().error(), context_error::deadline_exceeded);
    EXPECT_EQ(number_of(c.get().cause()), 4);
}

// CX-10
TEST(Context, ADeadlineWithoutACauseHasNone) {
    const auto c = sluice::with_timeout({}, 1ms);
    ASSERT_TRUE(eventually([&] { return c.get().done(); }));
    EXPECT_EQ(c.get().cause(), nullptr);
}

// CX-11
TEST(Context, CancelledBeforeItsDeadlineDoesNotHaveTheDeadlinesCause) {
    const auto c = sluice::with_timeout({}, 1h, because(6));
    c.cancel();
    EXPECT_EQ(c.get().error(), context_error::canceled);
    EXPECT_EQ(c.get().cause(), nullptr);
}

TEST(Context, ADurationPastTheEndOfTimeNeverEndsIt) {
    const auto c = sluice::with_timeout({}, std::chrono::hours::max());
    EXPECT_FALSE(c.get().done());
    EXPECT_FALSE(c.get().deadline());
}

TEST(Context, ADeadlineMadeInARunEndsTheContextAfterTheRunToo) {
    const auto main = []() -> task<context_source> { co_return sluice::with_timeout({}, 20ms); };
    const context_source c = sluice::run(main);
    EXPECT_TRUE(eventually([&] { return c.get().done(); }));
    EXPECT_EQ(c.get().error(), context_error::deadline_exceeded);
}

// CX-13
TEST(Context, WithoutCancelKeepsTheValuesAlone) {
    const auto root = sluice::with_timeout(sluice::with_value<colour>({}, "blue"), 1h);
    const context c = sluice::without_cancel(root);
    root.cancel(because(1));
    EXPECT_FALSE(c.done());
    EXPECT_EQ(c.cause(), nullptr);
    EXPECT_FALSE(c.deadline());
    ASSERT_NE(c.value<colour>(), nullptr);
    EXPECT_EQ(*c.value<colour>(), "blue");
    const context of_ended = sluice::without_cancel(root);
    EXPECT_FALSE(of_ended.done());
    const auto child = sluice::with_cancel(of_ended);
    EXPECT_FALSE(child.get().done());
}

// CX-14
TEST(Context, GivesTheNearestValueOfAKey) {
    const context a = sluice::with_value<size>({}, 1);
    const context b = sluice::with_value<colour>(a, "green");
    const context c = sluice::with_value<size>(sluice::with_cancel(b), 2);
    EXPECT_EQ(*a.value<size>(), 1);
    EXPECT_EQ(*b.value<size>(), 1);
    EXPECT_EQ(*c.value<size>(), 2);
    EXPECT_EQ(*c.value<colour>(), "green");
    EXPECT_EQ(a.value<colour>(), nullptr);
}

// CX-14: keys are types; two with the same kind of value differ.
TEST(Context, KeepsKeysOfTheSameTypeOfValueApart) {
    const context c = sluice::with_value<size>({}, 1);
    EXPECT_EQ(c.value<other_size>(), nullptr);
}

// CX-21
TEST(Context, ManyLayersOfAllKindsEndTogether) {
    const auto root = sluice::with_cancel({});
    std::vector<context_source> sources;
    std::vector<context> all{root.get()};
    for (int layer = 0; layer < 25; ++layer) {
        switch (layer % 3) {
            case 0: sources.push_back(sluice::with_cancel(all.back())); break;
            case 1: sources.push_back(sluice::with_timeout(all.back(), 1h)); break;
            default: all.push_back(sluice::with_value<size>(all.back(), layer)); continue;
        }
        all.push_back(sources.back());
    }
    EXPECT_EQ(*all.back().value<size>(), 23);
    root.cancel(because(9));
    for (const auto& c : all) EXPECT_EQ(number_of(c.cause()), 9);
}

// --- two parents -----------------------------------------------------------------------------------------------------

TEST(AnyOf, EndsWithEitherAndAsThatDid) {
    for (const bool second : {false, true}) {
        const auto a = sluice::with_cancel({});
        const auto b = sluice::with_cancel({});
        const auto both = sluice::any_of(a, b);
        const auto child = sluice::with_cancel(both);
        EXPECT_FALSE(both.get().done());
        (second ? b : a).cancel(because(second ? 2 : 1));
        EXPECT_EQ(both.get().error(), context_error::canceled);
        EXPECT_EQ(number_of(both.get().cause()), second ? 2 : 1);
        EXPECT_EQ(number_of(child.get().cause()), second ? 2 : 1);
        (second ? a : b).cancel(because(3));
        EXPECT_EQ(number_of(both.get().cause()), second ? 2 : 1);
    }
}

TEST(AnyOf, EndsByItselfAndLeavesBoth) {
    const auto a = sluice::with_cancel({});
    const auto b = sluice::with_cancel({});
    const auto both = sluice::any_of(a, b);
    both.cancel(because(4));
    EXPECT_EQ(number_of(both.get().cause()), 4);
    EXPECT_FALSE(a.get().done());
    EXPECT_FALSE(b.get().done());
}

TEST(AnyOf, OfAnEndedOneHasEnded) {
    const auto a = sluice::with_cancel({});
    const auto b = sluice::with_cancel({});
    b.cancel(because(2));
    EXPECT_EQ(number_of(sluice::any_of(a, b).get().cause()), 2);
    EXPECT_EQ(number_of(sluice::any_of(b, a).get().cause()), 2);
    a.cancel(because(1));
    EXPECT_EQ(number_of(sluice::any_of(a, b).get().cause()), 1);
}

TEST(AnyOf, WithTheBackgroundIsTheOther) {
    const auto a = sluice::with_cancel({});
    const auto left = sluice::any_of(a, context{});
    const auto right = sluice::any_of(context{}, a);
    const auto neither = sluice::any_of({}, {});
    a.cancel(because(1));
    EXPECT_EQ(number_of(left.get().cause()), 1);
    EXPECT_EQ(number_of(right.get().cause()), 1);
    EXPECT_FALSE(neither.get().done());
}

TEST(AnyOf, HasTheEarlierDeadline) {
    const auto now = sluice::clock::now();
    const auto early = sluice::with_deadline({}, now + 1h);
    const auto late = sluice::with_deadline({}, now + 2h);
    const auto none = sluice::with_cancel({});
    EXPECT_EQ(sluice::any_of(early, late).get().deadline(), now + 1h);
    EXPECT_EQ(sluice::any_of(late, early).get().deadline(), now + 1h);
    EXPECT_EQ(sluice::any_of(none, late).get().deadline(), now + 2h);
    EXPECT_EQ(sluice::any_of(late, none).get().deadline(), now + 2h);
    EXPECT_FALSE(sluice::any_of(none, none).get().deadline());
}

TEST(AnyOf, EndsAtTheDeadlineOfTheSecond) {
    const auto a = sluice::with_timeout({}, 1h);
    const auto b = sluice::with_timeout({}, 2ms, because(2));
    const auto both = sluice::any_of(a, b);
    ASSERT_TRUE(eventually([&] { return both.get().done(); }));
    EXPECT_EQ(both.get().error(), context_error::deadline_exceeded);
    EXPECT_EQ(number_of(both.get().cause()), 2);
}

TEST(AnyOf, HasTheValuesOfTheFirstAndThenOfTheSecond) {
    const context a = sluice::with_value<size>(sluice::with_value<colour>({}, "red"), 1);
    const context b = sluice::with_value<other_size>(sluice::with_value<colour>({}, "blue"), 2);
    const auto both = sluice::any_of(a, b);
    const context inner = sluice::with_cancel(sluice::any_of(sluice::with_cancel({}), both));
    for (const context& c : {both.get(), inner}) {
        EXPECT_EQ(*c.value<size>(), 1);
        EXPECT_EQ(*c.value<other_size>(), 2);
        EXPECT_EQ(*c.value<colour>(), "red");
    }
    EXPECT_EQ(sluice::any_of(context{}, a).get().value<other_size>(), nullptr);
}

// CX-06
TEST(AnyOf, LeavesNothingInItsParentsAndKeepsThem) {
    const auto a = sluice::with_cancel({});
    const auto b = sluice::with_cancel({});
    for (int i = 0; i < 1'000; ++i) {
        const auto both = sluice::any_of(a, b);
        if (i % 2) both.cancel();
    }
    EXPECT_EQ(children_of(a), 0u);
    EXPECT_EQ(sluice::detail::context_access::node(b)->callbacks, nullptr);
    context kept;
    {
        const auto both = sluice::any_of(sluice::with_value<size>({}, 1), sluice::with_value<other_size>({}, 2));
        kept = both;
    }
    EXPECT_EQ(*kept.value<other_size>(), 2);
}

TEST(AnyOf, EndsOnceWhenBothEndAtTheSameTimeOrItGoes) {
    for (int i = 0; i < 300; ++i) {
        const auto a = sluice::with_cancel({});
        const auto b = sluice::with_cancel({});
        std::optional<context_source> both{sluice::any_of(a, b)};
        const context seen = *both;
        {
            const std::jthread first{[&] { a.cancel(because(1)); }};
            const std::jthread second{[&] { b.cancel(because(2)); }};
            if (i % 2) both.reset();
        }
        ASSERT_TRUE(seen.done());
        const int winner = number_of(seen.cause());
        ASSERT_TRUE(winner == 1 || winner == 2 || i % 2) << winner;
    }
}

TEST(AnyOf, EndsTheWaitsOfATaskThatNamesIt) {
    const auto main = []() -> task<status> {
        const channel<int> never{0};
        const auto a = sluice::with_cancel({});
        const auto own = sluice::any_of(a, sluice::current_context());
        const auto ending = [](context_source c) -> task<> {
            c.cancel();
            co_return;
        };
        auto b = sluice::with_cancel({});
        const auto both = sluice::any_of(own, b);
        auto h = sluice::go(ending, std::move(b));
        const auto end = co_await never.async_receive(both);
        co_await h;
        co_return end.why();
    };
    EXPECT_EQ(sluice::run(main), status::canceled);
}

// It follows the task's own context by its second parent too.
TEST(AnyOf, OfTheTasksOwnContextEndsByValue) {
    runtime rt;
    const channel<int> never{0};
    const auto f = [](channel<int> ch) -> task<status> {
        const auto other = sluice::with_cancel({});
        const auto both = sluice::any_of(other, sluice::current_context());
        const auto end = co_await ch.async_receive(both);
        co_return end.why();
    };
    auto h = rt.go(f, never);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
    h.cancel();
    EXPECT_EQ(h.get(), status::canceled);
}

// --- tokens and signals --------------------------------------------------------------------------------------------

TEST(Context, FollowsAStopToken) {
    std::stop_source source;
    const context c = context::from(source.get_token());
    EXPECT_FALSE(c.done());
    const auto child = sluice::with_cancel(c);
    source.request_stop();
    EXPECT_EQ(c.error(), context_error::canceled);
    EXPECT_TRUE(child.get().done());
}

TEST(Context, FromAStoppedTokenHasEnded) {
    std::stop_source source;
    source.request_stop();
    EXPECT_TRUE(context::from(source.get_token()).done());
}

TEST(Context, FromATokenThatCannotStopIsTheBackground) {
    EXPECT_EQ(context::from(std::stop_token{}), context::background());
}

TEST(Context, FromATokenMayGoWhileTheStopIsRequested) {
    for (int i = 0; i < 200; ++i) {
        std::stop_source source;
        std::optional<context> c{context::from(source.get_token())};
        std::jthread stopping{[&] { source.request_stop(); }};
        c.reset();
    }
}

TEST(Context, GivesATokenThatIsStoppedWhenItEnds) {
    const auto source = sluice::with_cancel({});
    const std::stop_token token = source.get().stop_token();
    EXPECT_FALSE(token.stop_requested());
    int called = 0;
    const std::stop_callback callback{token, [&] { ++called; }};
    source.cancel();
    EXPECT_TRUE(token.stop_requested());
    EXPECT_EQ(called, 1);
    EXPECT_TRUE(source.get().stop_token().stop_requested());
}

TEST(Context, AnEndedOneGivesAStoppedToken) {
    const auto source = sluice::with_cancel({});
    source.cancel();
    EXPECT_TRUE(source.get().stop_token().stop_requested());
}

// CX-20, MX-04
TEST(Context, MayBeCancelledInACallbackOfItsParentsEnd) {
    const auto root = sluice::with_cancel({});
    const auto child = sluice::with_cancel(root);
    const std::stop_callback callback{root.get().stop_token(), [&] {
                                          child.cancel();
                                          root.cancel();
                                      }};
    root.cancel();
    EXPECT_TRUE(child.get().done());
}

// T42
TEST(Context, TwoThatCancelEachOtherCrosswiseDoNotDeadlock) {
    for (int i = 0; i < 100; ++i) {
        const auto a = sluice::with_cancel({});
        const auto b = sluice::with_cancel({});
        const std::stop_callback of_a{a.get().stop_token(), [&] { b.cancel(); }};
        const std::stop_callback of_b{b.get().stop_token(), [&] { a.cancel(); }};
        std::jthread first{[&] { a.cancel(); }};
        std::jthread second{[&] { b.cancel(); }};
    }
}

// T41: it goes on elsewhere, so nobody destroys what the one who stops it is still using.
TEST(Context, ATaskMayDestroyTheStopSourceThatHasJustEndedItsWait) {
    sluice::runtime rt{sluice_test::workers(2)};
    for (int round = 0; round < 300; ++round) {
        auto source = std::make_unique<std::stop_source>();
        std::stop_source stop = *source;
        const channel<int> ch{0};
        auto waits = rt.go([&]() -> task<status> {
            const auto r = co_await ch.async_receive(source->get_token());
            source.reset();
            co_return r.why();
        });
        if (round % 2) eventually([&] { return receivers_waiting(ch) == 1; });
        stop.request_stop();
        stop = std::stop_source{};
        ASSERT_EQ(waits.get(), status::canceled);
    }
}

TEST(NotifyContext, EndsWithTheSignalAndNamesIt) {
    const auto c = sluice::notify_context({}, {SIGUSR1, SIGUSR2});
    EXPECT_FALSE(c.get().done());
    std::raise(SIGUSR2);
    ASSERT_TRUE(eventually([&] { return c.get().done(); }));
    EXPECT_EQ(c.get().error(), context_error::canceled);
    try {
        std::rethrow_exception(c.get().cause());
    } catch (const sluice::signal_received& s) {
        EXPECT_EQ(s.number(), SIGUSR2);
    }
}

TEST(NotifyContext, EndsForEverybodyWhoWatchesTheSignal) {
    const auto a = sluice::notify_context({}, {SIGUSR1});
    const auto b = sluice::notify_context({}, {SIGUSR1, SIGUSR2});
    const auto other = sluice::notify_context({}, {SIGUSR2});
    std::raise(SIGUSR1);
    ASSERT_TRUE(eventually([&] { return a.get().done() && b.get().done(); }));
    EXPECT_FALSE(other.get().done());
}

TEST(NotifyContext, EndsWithItsParentAndByItself) {
    const auto parent = sluice::with_cancel({});
    const auto c = sluice::notify_context(parent, {SIGUSR1});
    parent.cancel(because(1));
    EXPECT_EQ(number_of(c.get().cause()), 1);
    const auto d = sluice::notify_context({}, {SIGUSR1});
    d.cancel();
    EXPECT_TRUE(d.get().done());
}

void count_signal(int) {}

TEST(NotifyContext, PutsTheFormerActionBack) {
    struct sigaction mine{};
    mine.sa_handler = &count_signal;
    struct sigaction before{};
    ASSERT_EQ(::sigaction(SIGUSR1, &mine, &before), 0);
    { const auto c = sluice::notify_context({}, {SIGUSR1}); }
    struct sigaction after{};
    ASSERT_EQ(::sigaction(SIGUSR1, &before, &after), 0);
    EXPECT_EQ(after.sa_handler, &count_signal);
}

TEST(NotifyContext, ComesAndGoesOnManyThreads) {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([] {
            for (int i = 0; i < 200; ++i) {
                const auto c = sluice::notify_context({}, {SIGUSR1});
                std::this_thread::yield();
            }
        });
}

TEST(NotifyContext, EndsAWaitOfATask) {
    const auto c = sluice::notify_context({}, {SIGUSR1});
    const channel<int> ch{0};
    const auto f = [](channel<int> from, context until) -> task<status> {
        const auto v = co_await from.async_receive(until);
        co_return v.why();
    };
    runtime rt;
    auto h = rt.go(f, ch, c.get());
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    std::raise(SIGUSR1);
    EXPECT_EQ(h.get(), status::canceled);
}

// --- waits that name a context -------------------------------------------------------------------------------------

TEST(NamedContext, EndsAWaitByValue) {
    const auto source = sluice::with_cancel({});
    const channel<int> ch{0};
    status seen = status::ok;
    std::jthread t{[&] { seen = ch.receive(source.get()).why(); }};
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    source.cancel();
    t.join();
    EXPECT_EQ(seen, status::canceled);
    EXPECT_EQ(receivers_waiting(ch), 0u);
}

TEST(NamedContext, ThatHasEndedWinsOverAReadyValue) {
    const auto source = sluice::with_cancel({});
    source.cancel();
    const channel<int> ch{1};
    static_cast<void>(ch.send(1));
    EXPECT_EQ(ch.receive(source.get()), status::canceled);
    EXPECT_EQ(ch.size(), 1u);
}

TEST(NamedContext, AsyncDoneReturnsWhenItEnds) {
    const auto source = sluice::with_cancel({});
    const auto f = [](context c) -> task<bool> {
        co_await c.async_done();
        co_return c.done();
    };
    runtime rt;
    auto h = rt.go(f, source.get());
    EXPECT_FALSE(h.done());
    source.cancel();
    EXPECT_TRUE(h.get());
    EXPECT_TRUE(rt.go(f, source.get()).get()) << "of an ended one it returns at once";
}

TEST(NamedContext, AsyncDoneReturnsAtTheDeadline) {
    const auto main = []() -> task<bool> {
        const auto source = sluice::with_timeout({}, 2ms);
        co_await source.get().async_done();
        co_return source.get().error() == context_error::deadline_exceeded;
    };
    EXPECT_TRUE(sluice::run(main));
}

// Its own context named: by value, parked or not.
TEST(NamedContext, TheTasksOwnEndsByValue) {
    const channel<int> ch{0};
    std::atomic<int> by_value{0};
    const auto f = [](channel<int> from, std::atomic<int>& n) -> task<> {
        const context mine = sluice::current_context();
        const auto parked = co_await from.async_receive(mine);
        n += parked == status::canceled;
        const auto at_once = co_await from.async_receive(mine);
        n += at_once == status::canceled;
    };
    runtime rt;
    auto h = rt.go(f, ch, std::ref(by_value));
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    h.get();
    EXPECT_EQ(by_value, 2);
}

TEST(NamedContext, OneDerivedFromTheTasksOwnEndsByValueToo) {
    const channel<int> ch{0};
    const auto f = [](channel<int> from) -> task<status> {
        const auto mine = sluice::with_timeout(sluice::current_context(), 1h);
        const auto v = co_await from.async_receive(mine.get());
        co_return v.why();
    };
    runtime rt;
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_EQ(h.get(), status::canceled);
}

TEST(NamedContext, ACallablesOwnEndsByValue) {
    const channel<int> ch{0};
    runtime rt;
    auto h = rt.go([ch] {
        const context mine = sluice::current_context();
        return std::pair{ch.receive(mine).why(), ch.receive(mine).why()};
    });
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_EQ(h.get(), (std::pair{status::canceled, status::canceled}));
}

TEST(NamedContext, AnUnrelatedOneIsWatchedBesidesTheSurroundingOne) {
    const auto unrelated = sluice::with_cancel({});
    const channel<int> ch{0};
    const auto f = [](channel<int> from, context c) -> task<status> {
        const auto v = co_await from.async_receive(c);
        co_return v.why();
    };
    runtime rt;
    auto by_surrounding = rt.go(f, ch, unrelated.get());
    auto by_named = rt.go(f, ch, unrelated.get());
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 2; }));
    by_surrounding.cancel();
    EXPECT_THROW(by_surrounding.get(), canceled);
    unrelated.cancel();
    EXPECT_EQ(by_named.get(), status::canceled);
}

// --- the context of a task -----------------------------------------------------------------------------------------

TEST(CurrentContext, OutsideOfATaskIsTheBackground) { EXPECT_EQ(sluice::current_context(), context::background()); }

TEST(CurrentContext, EndsWithTheHandle) {
    runtime rt;
    const channel<context> out{1};
    const auto f = [](channel<context> to) -> task<> {
        static_cast<void>(co_await to.async_send(sluice::current_context()));
        co_await sluice::sleep_for(1h);
    };
    auto h = rt.go(f, out);
    const context theirs = *out.receive();
    EXPECT_FALSE(theirs.done());
    h.cancel();
    EXPECT_TRUE(theirs.done());
    EXPECT_THROW(h.get(), canceled);
}

TEST(CurrentContext, OfATaskCancelledBeforeHasEnded) {
    runtime rt;
    const auto f = []() -> task<bool> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        co_return sluice::current_context().done();
    };
    auto h = rt.go(f);
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "time"); }));
    h.cancel();
    EXPECT_TRUE(h.get());
}

TEST(CurrentContext, OfOneTaskIsNotThatOfAnother) {
    const auto main = []() -> task<bool> {
        const auto mine = []() -> task<context> { co_return sluice::current_context(); };
        auto a = sluice::go(mine);
        auto b = sluice::go(mine);
        const context of_a = co_await a;
        const context of_b = co_await b;
        const context of_main = sluice::current_context();
        const bool same = of_main == sluice::current_context();
        co_return of_a != of_b&& of_a != of_main&& same;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(CurrentContext, EndsWithTheTask) {
    const auto mine = []() -> task<context> { co_return sluice::current_context(); };
    EXPECT_TRUE(sluice::run(mine).done());
}

TEST(CurrentContext, OfTasksOfAGroupEndsWithTheGroup) {
    sluice::wait_group g;
    const channel<context> out{2};
    const auto f = [](channel<context> to) -> task<> {
        static_cast<void>(co_await to.async_send(sluice::current_context()));
        co_await sluice::sleep_for(1h);
    };
    g.go(f, out);
    g.go([out] {
        static_cast<void>(out.send(sluice::current_context()));
        static_cast<void>(channel<int>{}.receive());
    });
    const context a = *out.receive();
    const context b = *out.receive();
    EXPECT_FALSE(a.done() || b.done());
    g.cancel();
    EXPECT_TRUE(a.done() && b.done());
    g.wait();
}

// A task asks for its context between waits it has already done: the registration moves along.
TEST(CurrentContext, AskedForAfterAWaitStillEndsTheNextWait) {
    runtime rt;
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<> {
        static_cast<void>(co_await c.async_receive());
        static_cast<void>(sluice::current_context());
        static_cast<void>(co_await c.async_receive());
    };
    auto h = rt.go(f, ch);
    static_cast<void>(ch.send(1));
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

// --- implicit cancellation -----------------------------------------------------------------------------------------

// One wait of each kind, and an object that it waits on, which must hold nothing of it afterwards.
struct objects {
    channel<int> empty{0};
    channel<int> other{0};
    sluice::semaphore taken{0};
    sluice::wait_group counted;
    context_source alive = sluice::with_cancel({});
};

using wait_function = task<> (*)(objects&);
struct kind_of_wait {
    const char* name;
    wait_function wait;
};
void PrintTo(const kind_of_wait& k, std::ostream* out) { *out << k.name; }

const kind_of_wait kinds_of_wait[] = {
    {"receive", [](objects& o) -> task<> { static_cast<void>(co_await o.empty.async_receive()); }},
    {"send", [](objects& o) -> task<> { static_cast<void>(co_await o.empty.async_send(1)); }},
    {"nil_receive", [](objects&) -> task<> { static_cast<void>(co_await channel<int>{}.async_receive()); }},
    {"receive_naming_another_context",
     [](objects& o) -> task<> { static_cast<void>(co_await o.empty.async_receive(o.alive.get())); }},
    {"timed_receive",
     [](objects& o) -> task<> { static_cast<void>(co_await sluice::timeout(1h, o.empty.async_receive())); }},
    {"select",
     [](objects& o) -> task<> {
         co_await sluice::async_select(sluice::on_receive(o.empty), sluice::on_send(o.other, 1));
     }},
    {"select_with_time_and_context",
     [](objects& o) -> task<> {
         co_await sluice::async_select(sluice::on_receive(o.empty), sluice::on_done(o.alive.get()),
                                       sluice::on_timeout(1h));
     }},
    {"select_of_nothing", [](objects&) -> task<> { co_await sluice::async_select(); }},
    {"acquire", [](objects& o) -> task<> { static_cast<void>(co_await o.taken.async_acquire()); }},
    {"acquire_too_many", [](objects& o) -> task<> { static_cast<void>(co_await o.taken.async_acquire(100)); }},
    {"hold", [](objects& o) -> task<> { static_cast<void>(co_await o.taken.async_hold()); }},
    {"group", [](objects& o) -> task<> { co_await o.counted.async_wait(); }},
    {"sleep", [](objects&) -> task<> { co_await sluice::sleep_for(1h); }},
    {"sleep_without_end", [](objects&) -> task<> { co_await sluice::sleep_until(sluice::clock::time_point::max()); }},
    {"done", [](objects& o) -> task<> { co_await o.alive.get().async_done(); }},
    {"done_of_the_background", [](objects&) -> task<> { co_await context::background().async_done(); }},
    {"join",
     [](objects& o) -> task<> {
         const auto f = [](channel<int> c) -> task<> { static_cast<void>(co_await c.async_receive()); };
         auto h = sluice::go(f, o.empty);
         co_await h;
     }},
    {"blocking_callable",
     [](objects& o) -> task<> {
         const auto f = [&o] { static_cast<void>(o.empty.receive()); };
         co_await sluice::blocking(f);
     }},
    {"blocking_receive",
     [](objects& o) -> task<> {
         static_cast<void>(o.empty.receive());
         co_return;
     }},
    {"blocking_send",
     [](objects& o) -> task<> {
         static_cast<void>(o.empty.send(1));
         co_return;
     }},
    {"blocking_acquire",
     [](objects& o) -> task<> {
         o.taken.acquire();
         co_return;
     }},
    {"blocking_group",
     [](objects& o) -> task<> {
         o.counted.wait();
         co_return;
     }},
    {"blocking_select",
     [](objects& o) -> task<> {
         sluice::select(sluice::on_receive(o.empty), sluice::on_receive(o.other), sluice::on_timeout(1h));
         co_return;
     }},
};

class ImplicitCancellation : public ::testing::TestWithParam<kind_of_wait> {
protected:
    ImplicitCancellation() { held.counted.add(); }
    ~ImplicitCancellation() override { held.counted.done(); }

    // The task has parked: it, or a task or callable it started, is listed as waiting and nobody as running.
    static bool all_wait(const runtime& rt) {
        std::ostringstream out;
        rt.dump(out);
        const std::string text = out.str();
        return text.find("waits for") != std::string::npos && text.find("runs;") == std::string::npos &&
               (text.find("waits for join") == std::string::npos || text.find("  #2 ") != std::string::npos);
    }
    void expect_nothing_left() const {
        EXPECT_TRUE(sluice_test::nobody_waits(held.empty));
        EXPECT_TRUE(sluice_test::nobody_waits(held.other));
        EXPECT_EQ(held.taken.waiting(), 0u);
    }

    objects held;
};

INSTANTIATE_TEST_SUITE_P(EveryKindOfWait, ImplicitCancellation, ::testing::ValuesIn(kinds_of_wait),
                         [](const auto& one) { return std::string{one.param.name}; });

TEST_P(ImplicitCancellation, EndsTheWaitWhenTheHandleIsCancelled) {
    runtime rt;
    auto h = rt.go(GetParam().wait, std::ref(held));
    ASSERT_TRUE(eventually([&] { return all_wait(rt); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    expect_nothing_left();
}

TEST_P(ImplicitCancellation, EndsTheWaitWhenTheTasksOwnContextEnds) {
    runtime rt;
    const auto f = [](wait_function wait, objects& o) -> task<> {
        static_cast<void>(sluice::current_context());
        co_await wait(o);
    };
    auto h = rt.go(f, GetParam().wait, std::ref(held));
    ASSERT_TRUE(eventually([&] { return all_wait(rt); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    expect_nothing_left();
}

TEST_P(ImplicitCancellation, EndsTheWaitWhenTheGroupIsCancelled) {
    std::atomic<bool> ended{false};
    const auto member = [](wait_function wait, objects& o, std::atomic<bool>& e) -> task<> {
        try {
            co_await wait(o);
        } catch (const canceled&) {
            e = true;
        }
    };
    sluice::wait_group g;
    g.go(member, GetParam().wait, std::ref(held), std::ref(ended));
    ASSERT_TRUE(eventually([&] { return all_wait(runtime::process()); }));
    g.cancel();
    g.wait();
    EXPECT_TRUE(ended);
    expect_nothing_left();
}

TEST_P(ImplicitCancellation, EndsTheWaitWhenTheRuntimeEnds) {
    std::atomic<bool> ended{false};
    const auto f = [](wait_function wait, objects& o, std::atomic<bool>& e) -> task<> {
        try {
            co_await wait(o);
        } catch (const canceled&) {
            e = true;
        }
    };
    {
        runtime rt;
        rt.go(f, GetParam().wait, std::ref(held), std::ref(ended));
        ASSERT_TRUE(eventually([&] { return all_wait(rt); }));
    }
    EXPECT_TRUE(ended);
    expect_nothing_left();
}

// In a cancelled task every wait throws at once, again and again.
TEST_P(ImplicitCancellation, ThrowsAtOnceInACancelledTask) {
    runtime rt;
    const auto f = [](wait_function wait, objects& o) -> task<int> {
        int thrown = 0;
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {
            ++thrown;
        }
        for (int i = 0; i < 2; ++i) {
            try {
                co_await wait(o);
            } catch (const canceled&) {
                ++thrown;
            }
        }
        co_return thrown;
    };
    auto h = rt.go(f, GetParam().wait, std::ref(held));
    ASSERT_TRUE(eventually([&] { return all_wait(rt); }));
    h.cancel();
    EXPECT_EQ(h.get(), 3);
    expect_nothing_left();
}

// Ready or not: the stop was there first, so nothing happens.
TEST(CancelledTask, DoesNothingThatWouldBeReady) {
    const channel<int> ch{4};
    static_cast<void>(ch.send(1));
    sluice::semaphore free{1};
    const auto f = [](channel<int> c, sluice::semaphore& s) -> task<int> {
        int thrown = 0;
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {
            ++thrown;
        }
        try {
            static_cast<void>(co_await c.async_receive());
        } catch (const canceled&) {
            ++thrown;
        }
        try {
            static_cast<void>(co_await c.async_send(2));
        } catch (const canceled&) {
            ++thrown;
        }
        try {
            static_cast<void>(co_await s.async_acquire());
        } catch (const canceled&) {
            ++thrown;
        }
        try {
            co_await sluice::async_select(sluice::on_receive(c), sluice::otherwise);
        } catch (const canceled&) {
            ++thrown;
        }
        try {
            co_await sluice::sleep_for(0ms);
        } catch (const canceled&) {
            ++thrown;
        }
        try {
            static_cast<void>(c.receive());
        } catch (const canceled&) {
            ++thrown;
        }
        co_return thrown;
    };
    runtime rt;
    auto h = rt.go(f, ch, std::ref(free));
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "time"); }));
    h.cancel();
    EXPECT_EQ(h.get(), 7);
    EXPECT_EQ(ch.size(), 1u);
    EXPECT_EQ(free.available(), 1u);
}

TEST(CancelledTask, SeesTheCause) {
    const auto main = []() -> task<int> {
        // The end of a run for a reason of its own is such a cause.
        const auto failing = []() -> task<> {
            throw reason{5};
            co_return;
        };
        sluice::go(failing);
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled& c) {
            co_return number_of(c.cause());
        }
        co_return 0;
    };
    try {
        sluice::run(main);
    } catch (const reason& r) {
        EXPECT_EQ(r.number, 5);
    }
}

TEST(CancelledTask, IsNotSwallowedByACatchOfStdException) {
    runtime rt;
    const auto f = []() -> task<> {
        for (;;) {
            try {
                co_await sluice::sleep_for(1h);
            } catch (const std::exception&) {}
        }
    };
    auto h = rt.go(f);
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "time"); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

// --- shields -------------------------------------------------------------------------------------------------------

TEST(Shielded, WaitsGoOnInACancelledTask) {
    runtime rt;
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<int> {
        try {
            co_await sluice::sleep_for(1h);
        } catch (const canceled&) {}
        const auto v = co_await sluice::shielded(c.async_receive());
        bool thrown = false;
        try {
            static_cast<void>(co_await c.async_receive());  // the shield is down again
        } catch (const canceled&) {
            thrown = true;
        }
        co_return thrown ? *v : -1;
    };
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "time"); }));
    h.cancel();
    ASSERT_TRUE(ch.send(6));
    EXPECT_EQ(h.get(), 6);
}

TEST(Shielded, AParkedWaitIsNotEndedByACancellation) {
    runtime rt;
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<int> {
        const auto v = co_await sluice::shielded(c.async_receive());
        co_return *v;
    };
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    static_cast<void>(ch.send(7));
    EXPECT_EQ(h.get(), 7);
}

// --- a wait that names the task's own context ---

task<> wait_naming(context own, channel<int> ch) { static_cast<void>(co_await ch.async_receive(own)); }

TEST(NamingTheOwnContext, LeavesTheTaskToItsHandle) {
    const auto source = sluice::with_cancel(context::background());
    channel<int> ch{0};
    auto h = sluice::go(source.get(), wait_naming, source.get(), ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

TEST(NamingTheOwnContext, LeavesTheTaskToTheEndOfItsRun) {
    const auto source = sluice::with_cancel(context::background());
    channel<int> ch{0};
    std::string said;
    sluice::run_options options;
    options.grace = 5s;
    options.diagnostics = [&](std::string_view text) { said += text; };
    sluice::run(options, [&]() -> task<> {
        auto h = sluice::go(source.get(), wait_naming, source.get(), ch);
        while (receivers_waiting(ch) == 0) co_await sluice::yield();
    });
    EXPECT_EQ(said, "");
    EXPECT_FALSE(source.get().done());
}

TEST(Shielded, CoversEverythingInAnAwaitedTask) {
    runtime rt;
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<int> {
        const auto inner = [](channel<int> from) -> task<int> {
            const auto a = co_await from.async_receive();
            co_await sluice::yield();
            const auto b = from.receive();
            co_return *a + *b;
        };
        co_return co_await sluice::shielded(inner(c));
    };
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    static_cast<void>(ch.send(1));
    static_cast<void>(ch.send(2));
    EXPECT_EQ(h.get(), 3);
}

TEST(Shielded, CoversJoinsOfHandlesAndGroups) {
    runtime rt;
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<int> {
        const auto child = [](channel<int> from) -> task<int> { co_return *co_await from.async_receive(); };
        auto h = sluice::go(child, c);
        co_return co_await sluice::shielded(h);
    };
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    static_cast<void>(ch.send(8));
    EXPECT_EQ(h.get(), 8);
}

TEST(Shielded, CoversBlockingWaitsOfACallable) {
    runtime rt;
    const channel<int> ch{0};
    auto h = rt.go([ch] { return sluice::shielded([&] { return *ch.receive(); }); });
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    static_cast<void>(ch.send(9));
    EXPECT_EQ(h.get(), 9);
}

TEST(Shielded, LetsAnExceptionOutAndIsDownAgain) {
    runtime rt;
    const auto f = []() -> task<bool> {
        const auto failing = []() -> task<> {
            throw reason{1};
            co_return;
        };
        try {
            co_await sluice::shielded(failing());
        } catch (const reason&) {}
        co_await sluice::sleep_for(1h);
        co_return false;
    };
    auto h = rt.go(f);
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "time"); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

// Blocking waits of destructors during unwinding do not throw: the program would end.
TEST(Shielded, IsWhatDestructorsHaveWhileACancellationUnwinds) {
    struct waits_at_its_end {
        channel<int> ch;
        int* got;
        ~waits_at_its_end() { *got = *ch.receive(); }
    };
    runtime rt;
    const channel<int> ch{0};
    const auto f = [](channel<int> c, int& got) -> task<> {
        const waits_at_its_end guard{c, &got};
        co_await sluice::sleep_for(1h);
    };
    int got = 0;
    auto h = rt.go(f, ch, std::ref(got));
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "time"); }));
    h.cancel();
    static_cast<void>(ch.send(3));
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(got, 3);
}

}  // namespace
