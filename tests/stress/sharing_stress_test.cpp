// SPDX-License-Identifier: BSL-1.0
// sharing_stress_test.cpp: does a channel divide its values rightly when many take from it at once?
//
// Few checks, many rounds; SLUICE_STRESS_SECONDS says how long each test works. A hang is a failure.

#include <sluice/channel.hpp>

#include <gtest/gtest.h>

#include <vector>

#include "../support/callers.hpp"
#include "../support/stress_time.hpp"

namespace {

using sluice::channel;
using sluice::task;
using namespace sluice_test;

template <class Callers>
class SharingStress : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(SharingStress, both_callers, caller_names);

// CH-18
TYPED_TEST(SharingStress, TwentyThreeWorkersShareTheWorkOfOneProducer) {
    constexpr int count = 271'828;
    const channel<int> ch{16};
    const auto start = [&] {
        return this->by.start(
            [](channel<int> c) {
                long long sum = 0;
                for (const int v : c) sum += v;
                return sum;
            },
            [](channel<int> c) -> task<long long> {
                long long sum = 0;
                while (const auto v = co_await c.async_receive()) sum += *v;
                co_return sum;
            },
            ch);
    };
    std::vector<decltype(start())> workers;
    for (int i = 0; i < 23; ++i) workers.push_back(start());
    for (int i = 0; i < count; ++i) ASSERT_TRUE(ch.send(i));
    ch.close();
    long long sum = 0;
    for (auto& w : workers) sum += w.get();
    EXPECT_EQ(sum, static_cast<long long>(count) * (count - 1) / 2);
}

// CH-27
TYPED_TEST(SharingStress, WhoHasSentFindsSomethingToReceive) {
    const stress_time time;
    const channel<int> ch{4};
    const auto start = [&] {
        return this->by.start(
            [](channel<int> c, const stress_time* t) {
                long found_nothing = 0;
                while (t->goes_on())
                    for (int n = 0; n < 100; ++n) {
                        static_cast<void>(c.send(n));
                        found_nothing += !c.try_receive();
                    }
                return found_nothing;
            },
            [](channel<int> c, const stress_time* t) -> task<long> {
                long found_nothing = 0;
                while (t->goes_on())
                    for (int n = 0; n < 100; ++n) {
                        static_cast<void>(co_await c.async_send(n));
                        found_nothing += !c.try_receive();
                    }
                co_return found_nothing;
            },
            ch, &time);
    };
    std::vector<decltype(start())> all;
    for (int i = 0; i < 4; ++i) all.push_back(start());
    for (auto& a : all) EXPECT_EQ(a.get(), 0);
}

}  // namespace
