// SPDX-License-Identifier: BSL-1.0
// refused_memory_test.cpp: what holds when the system refuses memory at a bad moment?

#include <gtest/gtest.h>

#include <sluice/mutex.hpp>
#include <sluice/runtime.hpp>

#include "../support/refused_memory.hpp"

namespace {

using sluice::task;
using namespace sluice_test;

class RefusedMemory : public testing::Test {
protected:
    void SetUp() override {
        if (!can_refuse_memory) GTEST_SKIP() << "the thread sanitizer does not let operator new be replaced";
    }
};

TEST_F(RefusedMemory, AJoinByWhoHoldsALockStillWaitsForTheEnd) {
    const auto main = []() -> task<> {
        sluice::mutex m;
        const auto held = co_await m.async_lock();
        bool is_joined = false;
        const auto child = [&]() -> task<int> {
            while (!is_joined) co_await sluice::yield();
            refuse_memory(false);
            co_return 7;
        };
        auto h = sluice::go(child);
        co_await sluice::yield();  // it has begun
        const long before = refusals_so_far();
        is_joined = true;
        refuse_memory(true);
        const int result = co_await h;
        EXPECT_EQ(result, 7);
        EXPECT_GT(refusals_so_far(), before);
    };
    sluice::run({.workers = 1}, main);
}

}  // namespace
