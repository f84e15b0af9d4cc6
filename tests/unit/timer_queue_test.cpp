// SPDX-License-Identifier: BSL-1.0
// timer_queue_test.cpp: whose time has come, in which order, and who is left alone after a removal?

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include <sluice/detail/scheduler.hpp>
#include <sluice/runtime.hpp>

#include "../support/random_numbers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::detail::no_deadline;
using sluice::detail::parker;
using sluice::detail::timer_node;
using sluice::detail::timer_queue;
using sluice::detail::wake_chain;
using time_point = std::chrono::steady_clock::time_point;
namespace claim = sluice::detail::claim;

// A waiter that waits, a timer for it, and the queue's answer.
struct sleeper {
    explicit sleeper(time_point at) {
        who.park_on(&wake);
        const auto turn = who.prepare(0);
        who.publish(turn);
        node.who = &who;
        node.turn = claim::with_state(turn, claim::timed_out);
        node.at = at;
    }
    bool timed_out() const { return (who.word() & claim::state_mask) == claim::timed_out; }

    parker wake;
    sluice::detail::waiter who{sluice::detail::wake_by::unparking};
    timer_node node;
};

class TimerQueue : public ::testing::Test {
protected:
    static void count_earlier(void* self) noexcept { ++static_cast<TimerQueue*>(self)->announced; }
    static void note_nothing(void*) noexcept {}
    // A queue's memory is kept for the next one made, so one heir serves all tests.
    static timer_queue& heir() {
        static timer_queue& all = timer_queue::make(&note_nothing, nullptr);
        return all;
    }
    ~TimerQueue() override {
        for (auto& s : sleepers) timer_queue::remove(s.node);
        queue.retire(heir());
    }

    // How many waiters were due.
    std::size_t fire(time_point now) {
        wake_chain woken;
        EXPECT_EQ(queue.fire(now, woken), nullptr);
        woken.wake_all();
        std::size_t count = 0;
        for (const auto& s : sleepers)
            if (s.timed_out()) ++count;
        return count;
    }
    sleeper& add(std::chrono::nanoseconds after) {
        sleepers.emplace_back(start + after);
        queue.add(sleepers.back().node);
        return sleepers.back();
    }

    std::atomic<int> announced{0};
    timer_queue& queue = timer_queue::make(&count_earlier, this);
    const time_point start = time_point{1h};
    std::deque<sleeper> sleepers;
};

TEST_F(TimerQueue, IsEmptyAtFirst) {
    EXPECT_EQ(queue.earliest(), no_deadline);
    EXPECT_FALSE(queue.is_due(start));
    EXPECT_EQ(fire(start), 0u);
}

TEST_F(TimerQueue, FiresWhatIsDueAndNoMore) {
    add(3s);
    add(1s);
    add(2s);
    EXPECT_EQ(queue.earliest(), start + 1s);
    EXPECT_FALSE(queue.is_due(start + 1s - 1ns));
    EXPECT_TRUE(queue.is_due(start + 1s));
    EXPECT_EQ(fire(start + 1s), 1u);
    EXPECT_EQ(queue.earliest(), start + 2s);
    EXPECT_EQ(fire(start + 5s), 3u);
    EXPECT_EQ(queue.earliest(), no_deadline);
}

TEST_F(TimerQueue, TellsWhenATimerBecameTheEarliest) {
    add(3s);
    EXPECT_EQ(announced, 1);
    add(4s);
    EXPECT_EQ(announced, 1);
    add(2s);
    EXPECT_EQ(announced, 2);
}

TEST_F(TimerQueue, FiresInTheOrderOfTimesAndOfArrivalWhereTheseAreEqual) {
    const int times[] = {5, 2, 5, 1, 2, 3};
    for (const int t : times) add(std::chrono::seconds{t});
    std::vector<std::size_t> order;
    for (int t = 1; t <= 5; ++t) {
        wake_chain woken;
        queue.fire(start + std::chrono::seconds{t}, woken);
        woken.wake_all();
        for (std::size_t i = 0; i < sleepers.size(); ++i)
            if (sleepers[i].timed_out() && std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
    }
    EXPECT_EQ(order, (std::vector<std::size_t>{3, 1, 4, 5, 0, 2}));
}

TEST_F(TimerQueue, ARemovedTimerDoesNotFire) {
    add(1s);
    auto& removed = add(2s);
    add(3s);
    EXPECT_TRUE(timer_queue::remove(removed.node));
    EXPECT_FALSE(timer_queue::remove(removed.node));
    EXPECT_EQ(fire(start + 10s), 2u);
    EXPECT_FALSE(removed.timed_out());
}

TEST_F(TimerQueue, RemovingTheEarliestShowsTheNext) {
    auto& first = add(1s);
    add(2s);
    timer_queue::remove(first.node);
    EXPECT_EQ(queue.earliest(), start + 2s);
}

TEST_F(TimerQueue, AFiredTimerIsGone) {
    auto& s = add(1s);
    fire(start + 1s);
    EXPECT_FALSE(timer_queue::remove(s.node));
}

TEST_F(TimerQueue, OneThatWasNeverAddedIsNotThere) {
    timer_node n;
    EXPECT_FALSE(timer_queue::remove(n));
}

TEST_F(TimerQueue, AWaiterSomebodyElseHasWokenIsLeftAlone) {
    auto& s = add(1s);
    ASSERT_TRUE(s.who.try_claim(claim::for_case(s.node.turn, 0)));
    EXPECT_EQ(fire(start + 1s), 0u);
    EXPECT_FALSE(s.wake.park_until(std::chrono::steady_clock::now())) << "nobody unparked it";
}

TEST_F(TimerQueue, ManyAddedAndRemovedAtRandomFireInOrder) {
    sluice_test::random_numbers random{42};
    std::vector<sleeper*> live;
    for (int i = 0; i < 5'000; ++i) {
        if (live.empty() || random.below(3) != 0) {
            live.push_back(&add(std::chrono::milliseconds{random.below(1'000)}));
        } else {
            std::swap(live[random.below(static_cast<unsigned>(live.size()))], live.back());
            ASSERT_TRUE(timer_queue::remove(live.back()->node));
            live.pop_back();
        }
        if (live.empty()) {
            ASSERT_EQ(queue.earliest(), no_deadline);
        } else if (i % 50 == 0) {
            const auto first =
                std::min_element(live.begin(), live.end(), [](auto* a, auto* b) { return a->node.at < b->node.at; });
            ASSERT_EQ(queue.earliest(), (*first)->node.at);
        }
    }
    for (int now = 0; now < 1'000; now += 100) {
        wake_chain woken;
        queue.fire(start + std::chrono::milliseconds{now}, woken);
        woken.wake_all();
        for (auto* s : live) ASSERT_EQ(s->timed_out(), s->node.at <= start + std::chrono::milliseconds{now});
    }
    fire(start + 1s);
    EXPECT_EQ(queue.earliest(), no_deadline);
}

// TI-08
TEST_F(TimerQueue, AMillionAddedAndRemovedLeaveNothing) {
    constexpr std::size_t many = 1'000'000;
    const auto nodes = std::make_unique<timer_node[]>(many);
    for (std::size_t i = 0; i < many; ++i) {
        nodes[i].at = start + std::chrono::nanoseconds{(i * 7919) % 1'000'003};
        queue.add(nodes[i]);
    }
    EXPECT_EQ(queue.earliest(), start);
    for (std::size_t i = 0; i < many; ++i) ASSERT_TRUE(timer_queue::remove(nodes[(i * 7907) % many]));
    EXPECT_EQ(queue.earliest(), no_deadline);
    EXPECT_EQ(fire(start + 1h), 0u);
}

TEST_F(TimerQueue, LeavesItsTimersToItsHeir) {
    timer_queue& dying = timer_queue::make(&count_earlier, this);
    sleepers.emplace_back(start + 1s);
    sleepers.emplace_back(start + 2s);
    dying.add(sleepers[0].node);
    dying.add(sleepers[1].node);
    dying.retire(queue);
    EXPECT_EQ(queue.earliest(), start + 1s);
    EXPECT_TRUE(timer_queue::remove(sleepers[0].node));
    EXPECT_EQ(fire(start + 2s), 1u);
}

// Q3: what is left moves to the heir, and can still be removed while it moves.
TEST_F(TimerQueue, ATimerCanBeRemovedWhileItMovesToTheHeir) {
    for (int i = 0; i < 500; ++i) {
        timer_queue& dying = timer_queue::make(&count_earlier, this);
        auto s = std::make_unique<sleeper>(start + 1s);
        dying.add(s->node);
        std::jthread removing{[&] {
            EXPECT_TRUE(timer_queue::remove(s->node));
            s.reset();
        }};
        dying.retire(queue);
        removing.join();
        ASSERT_EQ(queue.earliest(), no_deadline);
    }
}

// Q2: who has removed its timer, or found it gone, may leave at once.
TEST_F(TimerQueue, RemovingWhileFiringLeavesNothingBehind) {
    std::atomic<bool> over{false};
    std::jthread firing{[&] {
        while (!over) {
            wake_chain woken;
            queue.fire(start + 1s, woken);
            woken.wake_all();
        }
    }};
    for (int i = 0; i < 5'000; ++i) {
        auto s = std::make_unique<sleeper>(start + 1s);
        queue.add(s->node);
        if (!timer_queue::remove(s->node)) s->wake.park();  // fired: wait for its wake-up
        s.reset();
    }
    over = true;
}

}  // namespace
