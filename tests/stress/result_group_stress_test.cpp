// SPDX-License-Identifier: BSL-1.0
// result_group_stress_test.cpp: does each result reach one of many takers, however starts, ends and cancellations fall?

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include <sluice/result_group.hpp>
#include <sluice/timer.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::result_group;
using sluice::task;
using sluice_test::eventually;
using sluice_test::stress_time;
using value = sluice_test::counted<struct stressed>;

constexpr int each = 50;

task<value> give(int n) {
    if (n % 3 == 0) co_await sluice::yield();
    co_return value{n};
}

// Adds up what it gets until it is cancelled or there is no more.
task<> take(result_group<value>& from, std::atomic<int>& sum) {
    for (;;) {
        auto one = co_await from.async_next();
        if (!one) co_return;
        sum += one->value();
    }
}

TEST(ResultGroupStress, EveryResultIsTakenOnceByThreadsTasksAndTheWait) {
    sluice::runtime rt{sluice_test::workers(2)};
    for (const stress_time time; time.goes_on();) {
        std::atomic<int> sum{0};
        {
            result_group<value> group;
            auto patient = rt.go(take, std::ref(group), std::ref(sum));
            auto canceled = rt.go(take, std::ref(group), std::ref(sum));
            {
                const std::jthread starter{[&] {
                    for (int i = 1; i <= each; ++i) EXPECT_TRUE(group.go(give, i));
                }};
                const std::jthread hasty{[&] {
                    for (int i = 0; i < each / 2; ++i)
                        if (auto one = group.next_for(10us)) sum += one->value();
                    canceled.cancel();
                }};
            }
            patient.get();
            try {
                canceled.get();
            } catch (const sluice::canceled&) {}
            for (const value& v : group.wait()) sum += v.value();
        }
        ASSERT_EQ(sum, each * (each + 1) / 2);
        ASSERT_TRUE(eventually([] { return value::live() == 0; }));  // shells go with the blocks of their tasks
    }
}

// The wait may end, and the group go, while the last task is just leaving.
TEST(ResultGroupStress, MayGoAtOnceWhenTheLastResultHasCome) {
    sluice::runtime rt{sluice_test::workers(2)};
    for (const stress_time time; time.goes_on();) {
        result_group<value> group;
        rt.run(
            [](result_group<value>* g) -> task<> {
                for (int i = 0; i < 3; ++i) g->go(give, i);
                for (;;) {
                    auto one = co_await g->async_next();
                    if (!one) break;
                }
            },
            &group);
    }
    EXPECT_TRUE(eventually([] { return value::live() == 0; }));
}

}  // namespace
