// SPDX-License-Identifier: BSL-1.0
// wait_list_test.cpp: how much is done to find, and to leave, one's place in a queue of waiters?
//
// Steps are counted by what may be looked at: an entry whose turn has not come has no waiter, so that a look at it
// would crash.

#include <sluice/detail/waiter.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <vector>

namespace {

using namespace sluice::detail;

/// A waiter that stands in one list.
struct entry {
    waiter who{wake_by::unparking};
    wait_node node{};

    void wait_in(wait_list& list) {
        const ticket turn = who.prepare(claim::cancellable);
        node.who = nullptr;
        node.turn = claim::for_case(turn, 0);
        list.push_back(node);
        who.publish(turn);
    }
    void may_be_looked_at() { node.who = &who; }
};

// CH-19: k waiters are dequeued in k looks, however many stand behind.
TEST(WaitList, ADequeueLooksAtTheFirstAlone) {
    std::deque<entry> all(1000);
    wait_list list;
    for (auto& e : all) e.wait_in(list);
    for (auto& e : all) {
        e.may_be_looked_at();
        ASSERT_EQ(list.claim_front(), &e.node);
        ASSERT_FALSE(e.node.is_linked());
        ASSERT_EQ(e.who.outcome(), claim::first_case);
        e.node.who = nullptr;
    }
    EXPECT_EQ(list.claim_front(), nullptr);
}

// CH-19: whose wait somebody else has ended is met once, and then never again.
TEST(WaitList, ADequeueMeetsEachDeadEntryOnce) {
    std::deque<entry> all(900);
    wait_list list;
    for (auto& e : all) e.wait_in(list);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (i % 3 != 2) {
            ASSERT_EQ(all[i].who.try_cancel(claim::cancellable), sluice::detail::cancel_look::claimed);
        }
    for (std::size_t i = 0; i < all.size(); i += 3) {
        for (std::size_t n = i; n < i + 3; ++n) all[n].may_be_looked_at();
        ASSERT_EQ(list.claim_front(), &all[i + 2].node);
        for (std::size_t n = i; n < i + 3; ++n) {
            ASSERT_FALSE(all[n].node.is_linked());
            all[n].node.who = nullptr;
        }
    }
    EXPECT_TRUE(list.empty());
}

// CH-20: leaving the middle touches the two neighbours only. What stands further off is not even a list meanwhile.
TEST(WaitList, LeavingTheMiddleTouchesTheNeighboursAlone) {
    std::deque<entry> all(9);
    wait_list list;
    for (auto& e : all) e.wait_in(list);
    struct links {
        wait_link* next;
        wait_link* prev;
    };
    std::vector<links> kept;
    const auto is_far = [](std::size_t i) { return i < 3 || i > 5; };
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto& n = all[i].node;
        kept.push_back({n.next, n.prev});
        if (is_far(i)) n.next = n.prev = nullptr;
    }
    wait_list::unlink(all[4].node);
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto& n = all[i].node;
        if (!is_far(i)) continue;
        EXPECT_EQ(n.next, nullptr);
        EXPECT_EQ(n.prev, nullptr);
        n.next = kept[i].next;
        n.prev = kept[i].prev;
    }
    EXPECT_FALSE(all[4].node.is_linked());
    EXPECT_EQ(list.size(), 8u);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i == 4) continue;
        all[i].may_be_looked_at();
        EXPECT_EQ(list.claim_front(), &all[i].node);
    }
}

// The waiters of the next ones are asked for ahead, which is no look at them.
TEST(WaitList, ClaimsAllThatStillWaitInTheirOrder) {
    std::deque<entry> all(30);
    wait_list list;
    for (auto& e : all) e.wait_in(list);
    std::vector<wait_node*> still_waiting;
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].may_be_looked_at();
        if (i % 4 == 1) {
            ASSERT_EQ(all[i].who.try_cancel(claim::cancellable), sluice::detail::cancel_look::claimed);
        } else {
            still_waiting.push_back(&all[i].node);
        }
    }
    std::vector<wait_node*> won;
    list.claim_all([&](wait_node& n, const waiter*) { won.push_back(&n); });
    EXPECT_EQ(won, still_waiting);
    EXPECT_TRUE(list.empty());
}

TEST(SmallWaitList, ServesInTheOrderOfArrivalWhoeverHasLeft) {
    for (std::size_t leaves = 0; leaves < 4; ++leaves) {
        std::deque<entry> all(4);
        small_wait_list list;
        for (auto& e : all) {
            const ticket turn = e.who.prepare(claim::cancellable);
            e.node.who = &e.who;
            e.node.turn = claim::for_case(turn, 0);
            list.push_back(e.node);
            e.who.publish(turn);
        }
        list.unlink(all[leaves].node);
        EXPECT_FALSE(all[leaves].node.is_linked());
        const std::size_t ended = (leaves + 1) % 4;  // its wait, by somebody else
        ASSERT_EQ(all[ended].who.try_cancel(claim::cancellable), sluice::detail::cancel_look::claimed);
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (i == leaves || i == ended) continue;
            EXPECT_EQ(list.claim_front(), &all[i].node);
        }
        EXPECT_EQ(list.claim_front(), nullptr);
        EXPECT_FALSE(all[ended].node.is_linked());
    }
}

TEST(SmallWaitList, IsEmptyAgainAfterItsOnlyOneHasLeft) {
    entry only;
    small_wait_list list;
    only.may_be_looked_at();
    list.push_back(only.node);
    list.unlink(only.node);
    EXPECT_EQ(list.claim_front(), nullptr);
}

/// A waiter that has waited very often.
class old_waiter : public waiter {
public:
    old_waiter() : waiter{wake_by::unparking} {}
    void grow_old() { word_.store(claim::with_state(~ticket{0}, claim::canceled)); }
};

// T20: epochs may wrap around, since no entry outlives its wait; the ring of a channel has no counters that could.
TEST(WaitList, TheLastEpochIsFollowedByTheFirst) {
    old_waiter who;
    who.grow_old();
    for (int i = 0; i < 3; ++i) {
        const ticket turn = who.prepare(i % 2 ? claim::cancellable : 0);
        EXPECT_EQ(turn & claim::state_mask, claim::idle);
        who.publish(turn);
        EXPECT_FALSE(who.try_claim(claim::for_case(turn + claim::epoch_one, 0)));
        EXPECT_FALSE(who.try_claim(claim::for_case(turn - claim::epoch_one, 0)));
        EXPECT_EQ(who.try_cancel(claim::stoppable), sluice::detail::cancel_look::not_by_this);
        EXPECT_EQ(who.try_cancel(claim::cancellable) == sluice::detail::cancel_look::claimed, i % 2 != 0);
        if (i % 2 == 0) {
            EXPECT_TRUE(who.try_claim(claim::for_case(turn, claim::most_cases)));
        }
        EXPECT_EQ(who.outcome(), i % 2 ? claim::canceled : claim::first_case + claim::most_cases);
    }
}

}  // namespace
