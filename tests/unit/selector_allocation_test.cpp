// SPDX-License-Identifier: BSL-1.0
// selector_allocation_test.cpp: does a selector ask for memory while it selects?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <vector>

#include "../support/counted_allocations.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::received;
using sluice::selector;
using sluice::task;
using namespace sluice_test;

constexpr int rounds = 100;

/// Selects so often, and answers each time: so it waits in turn with who sends. Tells how many allocations that took.
task<long> select_and_answer(selector& s, channel<int> answers) {
    long before = 0;
    for (int i = 0; i < rounds; ++i) {
        if (i == 10) before = allocations();  // what is made once has been made
        static_cast<void>(co_await s.async_select());
        static_cast<void>(co_await answers.async_send(i));
    }
    co_return allocations() - before;
}

TEST(SelectorAllocation, ATaskSelectsWithoutAny) {
    std::vector<channel<int>> all;
    for (int i = 0; i < 100; ++i) all.emplace_back(0);
    const channel<int> answers{0};
    selector s;
    received<int> v;
    for (const auto& ch : all) s.add(on_receive(ch, v));
    sluice::runtime rt{workers(1)};  // so it is always the same thread
    auto selecting = rt.go(select_and_answer, std::ref(s), answers);
    for (int i = 0; i < rounds; ++i) {
        ASSERT_TRUE(all[static_cast<std::size_t>(i)].send(i));
        EXPECT_EQ(*answers.receive(), i);
    }
    EXPECT_EQ(selecting.get(), 0);
}

TEST(SelectorAllocation, AThreadSelectsWithoutAny) {
    const channel<int> quiet{0};
    const channel<int> busy{1};
    selector s;
    received<int> v;
    s.add(on_receive(quiet, v));
    s.add(on_receive(busy, v));
    s.select_for(std::chrono::milliseconds{1});
    const long before = allocations();
    for (int i = 0; i < rounds; ++i) {
        static_cast<void>(busy.try_send(i));
        s.select();
        s.select_for(std::chrono::microseconds{1});  // waits
    }
    EXPECT_EQ(allocations() - before, 0);
}

// A send case comes and goes, one block a case.
TEST(SelectorAllocation, ACaseTakesOneBlock) {
    const channel<int> ch{1};
    selector s;
    s.add(on_receive(ch));
    s.add(sluice::on_send(ch, 0));
    s.select();
    s.select();
    const long before = allocations();
    for (int i = 0; i < rounds; ++i) {
        s.add(sluice::on_send(ch, i));
        s.select();
        s.select();
    }
    EXPECT_EQ(allocations() - before, rounds);
}

}  // namespace
