// SPDX-License-Identifier: BSL-1.0
// timer_heap_test.cpp: in how many steps, with how much memory, and what if there is none?

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/detail/timer_heap.hpp>
#include <sluice/runtime.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

#include "../support/random_numbers.hpp"
#include "../support/refused_memory.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::detail::timer_heap;

struct node {
    std::size_t at = 0;
    std::size_t slot = 0;
    node* next_due = nullptr;
};

long comparisons = 0;
struct counted_before {
    bool operator()(const node& a, const node& b) const noexcept {
        ++comparisons;
        return a.at < b.at;
    }
};
using heap = timer_heap<node, counted_before>;

/// Calls `f` and returns how many comparisons it made.
template <class F>
long comparisons_of(F f) {
    const long before = comparisons;
    f();
    return comparisons - before;
}

constexpr std::size_t many = 1'000'000;
constexpr long levels = 11;  // of four children each, for a million

/// Adds and removes all, in the orders of `first` and `second`; returns the most comparisons of one call.
template <class First, class Second>
std::pair<long, long> most_comparisons(First first, Second second) {
    const auto nodes = std::make_unique<node[]>(many);
    heap h;
    long adding = 0;
    long removing = 0;
    for (std::size_t i = 0; i < many; ++i) {
        node& n = nodes[i];
        n.at = first(i);
        adding = std::max(adding, comparisons_of([&] { h.add(n); }));
    }
    for (std::size_t i = 0; i < many; ++i) {
        node& n = nodes[second(i)];
        removing = std::max(removing, comparisons_of([&] { h.remove(n); }));
    }
    EXPECT_TRUE(h.empty());
    return {adding, removing};
}

constexpr auto in_order = [](std::size_t i) { return i; };
constexpr auto backwards = [](std::size_t i) { return many - 1 - i; };
constexpr auto mixed = [](std::size_t i) { return i * 7919 % many; };  // each once: 7919 is prime

// TI-08
TEST(TimerHeap, EachOfAMillionTakesALogarithmicNumberOfStepsToAddAndToCancel) {
    const auto check = [](std::pair<long, long> most) {
        EXPECT_LE(most.first, levels);
        EXPECT_LE(most.second, 4 * levels + 1);
    };
    check(most_comparisons(in_order, in_order));
    check(most_comparisons(backwards, in_order));
    check(most_comparisons(mixed, mixed));
}

TEST(TimerHeap, TimeoutsThatAreCancelledTakeNextToNothing) {
    // Each later than those before, as a constant limit makes them, and gone before it is due.
    const auto nodes = std::make_unique<node[]>(many);
    heap h;
    const long all = comparisons_of([&] {
        for (std::size_t i = 0; i < many; ++i) {
            nodes[i].at = i;
            h.add(nodes[i]);
        }
        for (std::size_t i = many; i-- > 0;) h.remove(nodes[i]);
    });
    EXPECT_LE(all, 2 * static_cast<long>(many));
}

TEST(TimerHeap, GivesItsMemoryBackAfterAPeak) {
    const auto nodes = std::make_unique<node[]>(many);
    heap h;
    for (std::size_t i = 0; i < many; ++i) {
        nodes[i].at = mixed(i);
        h.add(nodes[i]);
    }
    EXPECT_GE(h.room(), many);
    for (std::size_t i = 100; i < many; ++i) h.remove(nodes[i]);
    EXPECT_LE(h.room(), 1000u);
    for (std::size_t i = 0; i < 100; ++i) h.remove(nodes[i]);
    EXPECT_LE(h.room(), 64u);
}

TEST(TimerHeap, ANumberThatGoesUpAndDownDoesNotMoveItEachTime) {
    std::vector<node> nodes(1024);
    heap h;
    for (std::size_t i = 0; i < 1024; ++i) h.add(nodes[i]);
    const auto room = h.room();
    for (int round = 0; round < 100; ++round) {
        for (std::size_t i = 300; i < 1024; ++i) h.remove(nodes[i]);
        for (std::size_t i = 300; i < 1024; ++i) h.add(nodes[i]);
        EXPECT_EQ(h.room(), room);
    }
}

// --- no memory ------------------------------------------------------------------------------------------------------

class TimerHeapWithoutMemory : public testing::Test {
protected:
    void SetUp() override {
        if (!can_refuse_memory) GTEST_SKIP() << "the thread sanitizer does not let operator new be replaced";
    }
};

TEST_F(TimerHeapWithoutMemory, TakesAllAndGivesThemInOrder) {
    std::vector<node> nodes(500);
    heap h;
    for (std::size_t i = 0; i < 100; ++i) {
        nodes[i].at = i * 7 % 500;
        h.add(nodes[i]);
    }
    refuse_memory(true);
    for (std::size_t i = 100; i < 500; ++i) {
        nodes[i].at = i * 7 % 500;
        h.add(nodes[i]);
    }
    refuse_memory(false);
    EXPECT_LT(h.room(), 500u);
    for (std::size_t expected = 0; expected < 500; ++expected) {
        node* const n = h.front();
        ASSERT_NE(n, nullptr);
        EXPECT_EQ(n->at, expected);
        h.remove(*n);
        EXPECT_EQ(n->slot, heap::absent);
    }
    EXPECT_TRUE(h.empty());
}

TEST_F(TimerHeapWithoutMemory, AnyOfThemCanBeRemoved) {
    std::vector<node> nodes(300);
    random_numbers draw{4};
    for (int round = 0; round < 20; ++round) {
        heap h;
        refuse_memory(true);
        for (std::size_t i = 0; i < 300; ++i) {
            if (i == 200) refuse_memory(false);
            nodes[i].at = i * 7 % 300;
            h.add(nodes[i]);
        }
        std::vector<std::size_t> order(300);
        for (std::size_t i = 0; i < 300; ++i) order[i] = i;
        for (std::size_t i = 299; i > 0; --i) std::swap(order[i], order[draw.below(static_cast<unsigned>(i + 1))]);
        for (const std::size_t i : order) {
            const std::size_t first = h.front()->at;
            EXPECT_LE(first, nodes[i].at);
            h.remove(nodes[i]);
        }
        EXPECT_TRUE(h.empty());
    }
}

TEST_F(TimerHeapWithoutMemory, IsEmptiedByADrain) {
    std::vector<node> nodes(300);
    heap h;
    for (std::size_t i = 0; i < 100; ++i) h.add(nodes[i]);
    refuse_memory(true);
    for (std::size_t i = 100; i < 300; ++i) h.add(nodes[i]);
    refuse_memory(false);
    std::size_t count = 0;
    h.drain([&](node&) { ++count; });
    EXPECT_EQ(count, 300u);
    EXPECT_TRUE(h.empty());
}

TEST_F(TimerHeapWithoutMemory, SleepersAndLimitsStillEnd) {
    const auto main = []() -> sluice::task<> {
        const sluice::channel<void> gate{0};
        sluice::wait_group sleepers;
        const auto sleep = [](sluice::channel<void> g, int ms) -> sluice::task<> {
            static_cast<void>(co_await g.async_receive());
            co_await sluice::sleep_for(std::chrono::milliseconds{ms});
        };
        for (int i = 0; i < 300; ++i) sleepers.go(sleep, gate, i % 7);
        while (receivers_waiting(gate) != 300) co_await sluice::yield();
        const long before = refusals_so_far();
        gate.close();
        refuse_memory(true);
        co_await sluice::sleep_for(1ms);
        refuse_memory(false);
        EXPECT_GT(refusals_so_far(), before);
        co_await sleepers.async_wait();
    };
    sluice::run({.workers = 1}, main);
}

}  // namespace
