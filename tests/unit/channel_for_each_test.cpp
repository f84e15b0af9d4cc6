// SPDX-License-Identifier: BSL-1.0
// channel_for_each_test.cpp: which values does for_each call its function with, and how does it end?

#include <sluice/channel.hpp>
#include <sluice/timer.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::context;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

using value = counted<struct for_each>;

struct failure : std::runtime_error {
    failure() : std::runtime_error{"failed"} {}
};

/// A closed channel with these values in it.
channel<int> filled(const std::vector<int>& values, std::exception_ptr error = nullptr) {
    const channel<int> ch{values.size()};
    EXPECT_EQ(ch.send_all(values), values.size());
    ch.close(std::move(error));
    return ch;
}

// --- what both forms do -------------------------------------------------------------------------------------------------

template <class Callers>
class ForEachBy : public testing::Test {
protected:
    // Collects what comes; throws `failure` at the value 13.
    auto start(channel<int> ch, std::vector<int>* into, context until) {
        return by.start([](channel<int> c, std::vector<int>* all, context u) { return c.for_each(u, taker{all}); },
                        [](channel<int> c, std::vector<int>* all, context u) -> task<status> {
                            taker f{all};
                            co_return co_await c.async_for_each(u, f);
                        },
                        std::move(ch), into, std::move(until));
    }
    auto start(channel<int> ch, std::vector<int>* into) {
        return by.start([](channel<int> c, std::vector<int>* all) { return c.for_each(taker{all}); },
                        [](channel<int> c, std::vector<int>* all) -> task<status> {
                            co_return co_await c.async_for_each(taker{all});
                        },
                        std::move(ch), into);
    }
    struct taker {
        std::vector<int>* all;
        int operator()(int v) const {
            if (v == 13) throw failure{};
            all->push_back(v);
            return v;  // ignored
        }
    };
    Callers by;
};
TYPED_TEST_SUITE(ForEachBy, both_callers, caller_names);

// CH-18, CL-01
TYPED_TEST(ForEachBy, TakesEveryValueInOrderUntilTheChannelIsClosedAndDrained) {
    std::vector<int> seen;
    const channel<int> ch{2};
    auto visiting = this->start(ch, &seen);
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3, 4}), 4u);
    ch.close();
    EXPECT_EQ(visiting.get(), status::closed);
    EXPECT_EQ(seen, (std::vector{1, 2, 3, 4}));
}

TYPED_TEST(ForEachBy, WithAContextThatDoesNotEndItIsTheSame) {
    std::vector<int> seen;
    EXPECT_EQ(this->start(filled({1, 2, 3}), &seen, context{}).get(), status::closed);
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
}

TYPED_TEST(ForEachBy, TheNamedContextEndsItByValue) {
    std::vector<int> seen;
    const channel<int> ch{2};
    const auto stop = sluice::with_cancel({});
    auto visiting = this->start(ch, &seen, stop.get());
    ASSERT_TRUE(ch.send(1));
    eventually([&] { return receivers_waiting(ch) == 1; });
    stop.cancel();
    EXPECT_EQ(visiting.get(), status::canceled);
    EXPECT_EQ(seen, std::vector{1});
    EXPECT_TRUE(nobody_waits(ch));
}

TYPED_TEST(ForEachBy, AContextThatHasEndedWinsOverValuesThatAreThere) {
    std::vector<int> seen;
    const auto stop = sluice::with_cancel({});
    stop.cancel();
    const auto ch = filled({1, 2});
    EXPECT_EQ(this->start(ch, &seen, stop.get()).get(), status::canceled);
    EXPECT_TRUE(seen.empty());
    EXPECT_EQ(ch.size(), 2u);
}

// CL-11
TYPED_TEST(ForEachBy, TheErrorOfTheCloseIsThrownAfterTheLastValue) {
    std::vector<int> seen;
    auto visiting = this->start(filled({1, 2}, std::make_exception_ptr(failure{})), &seen);
    EXPECT_THROW(visiting.get(), failure);
    EXPECT_EQ(seen, (std::vector{1, 2}));
}

TYPED_TEST(ForEachBy, WhatTheFunctionThrowsIsThrownAndTheOtherValuesStay) {
    std::vector<int> seen;
    const auto ch = filled({1, 13, 3});
    auto visiting = this->start(ch, &seen);
    EXPECT_THROW(visiting.get(), failure);
    EXPECT_EQ(seen, std::vector{1});
    EXPECT_EQ(*ch.receive(), 3);
}

// --- kinds of functions, values and handles -----------------------------------------------------------------------------

TEST(ForEach, GivesTheValueAwayAndDestroysItOnce) {
    {
        const channel<value> ch{3};
        for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.emplace(i));
        ch.close();
        std::vector<value> kept;
        EXPECT_EQ(ch.for_each([&](value&& v) { kept.push_back(std::move(v)); }), status::closed);
        EXPECT_EQ(kept.size(), 3u);
        EXPECT_EQ(value::copies(), 0);
    }
    EXPECT_EQ(value::live(), 0);
}

TEST(ForEach, OfSignalsCallsTheFunctionWithNothing) {
    const channel<void> ch{3};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.send());
    ch.close();
    int count = 0;
    const auto add = [&] { ++count; };
    EXPECT_EQ(ch.for_each(add), status::closed);
    EXPECT_EQ(sluice::run([](channel<void> c,
                             const decltype(add)* f) -> task<status> { co_return co_await c.async_for_each(*f); },
                          ch, &add),
              status::closed);
    EXPECT_EQ(count, 3);
}

TEST(ForEach, EndsWithAStopToken) {
    const auto ch = filled({1, 2, 3});
    std::stop_source stop;
    const auto stop_at_two = [&](int v) {
        if (v == 2) stop.request_stop();
    };
    EXPECT_EQ(ch.for_each(stop.get_token(), stop_at_two), status::canceled);
    EXPECT_EQ(ch.size(), 1u);
    EXPECT_EQ(sluice::run([](channel<int> c, std::stop_token ended)
                              -> task<status> { co_return co_await c.async_for_each(ended, [](int) {}); },
                          ch, stop.get_token()),
              status::canceled);
}

TEST(ForEach, IsDoneByReceivers) {
    auto [in, out] = sluice::make_channel<int>(4);
    EXPECT_EQ(in.send_all(std::vector{1, 2, 3}), 3u);
    in = {};
    int sum = 0;
    EXPECT_EQ(out.for_each([&](int v) { sum += v; }), status::closed);
    EXPECT_EQ(sum, 6);
}

// The task holds a handle: the receiver that it was made from may go.
TEST(ForEach, ATaskKeepsItsReceiverCountedUntilItHasEnded) {
    auto [in, out] = sluice::make_channel<int>(1);
    sluice::runtime rt;
    std::vector<int> seen;
    auto h = rt.go(
        [](sluice::receiver<int> from, std::vector<int>* all) -> task<status> {
            const auto take = [all](int v) { all->push_back(v); };
            auto visiting = from.async_for_each(take);
            from = {};
            co_return co_await std::move(visiting);
        },
        std::exchange(out, {}), &seen);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(in.send(i));
    in = {};
    EXPECT_EQ(h.get(), status::closed);
    EXPECT_EQ(seen.size(), 20u);
}

// --- coroutines for each value --------------------------------------------------------------------------------------------

TEST(AsyncForEach, AwaitsTheTaskOfEachValueBeforeItTakesTheNext) {
    const auto run_it = []() -> task<std::vector<int>> {
        std::vector<int> order;
        const auto source = filled({1, 2, 3});
        const auto slowly = [&](int v) -> task<> {
            order.push_back(v);
            co_await sluice::yield();
            order.push_back(-v);
        };
        EXPECT_EQ(co_await source.async_for_each(slowly), status::closed);
        co_return order;
    };
    EXPECT_EQ(sluice::run(run_it), (std::vector{1, -1, 2, -2, 3, -3}));
}

TEST(AsyncForEach, ACoroutineMayTakeTheValueByReferenceAndItLivesUntilTheCoroutineHasEnded) {
    const auto run_it = []() -> task<std::string> {
        const channel<std::string> source{1};
        EXPECT_TRUE(source.send(std::string(100, 'x')));
        source.close();
        std::string seen;
        const auto later = [&](std::string&& v) -> task<int> {
            co_await sluice::yield();
            seen = std::move(v);
            co_return 1;
        };
        EXPECT_EQ(co_await source.async_for_each(later), status::closed);
        co_return seen;
    };
    EXPECT_EQ(sluice::run(run_it), std::string(100, 'x'));
}

TEST(AsyncForEach, WhatTheCoroutineThrowsIsThrown) {
    const auto ch = filled({1, 2});
    const auto run_it = [](channel<int> source) -> task<status> {
        const auto fail = [](int) -> task<> {
            throw failure{};
            co_return;
        };
        co_return co_await source.async_for_each(fail);
    };
    EXPECT_THROW(sluice::run(run_it, ch), failure);
    EXPECT_EQ(ch.size(), 1u);
}

TEST(AsyncForEach, TheEndOfTheSurroundingContextThrows) {
    sluice::runtime rt;
    const channel<int> ch{0};
    auto h = rt.go([](channel<int> c) -> task<status> { co_return co_await c.async_for_each([](int) {}); }, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    h.cancel();
    EXPECT_THROW(h.get(), sluice::canceled);
    EXPECT_TRUE(nobody_waits(ch));
}

template <class F, class Handle = channel<int>>
concept can_visit = requires(const Handle& ch, F f) { ch.for_each(f); };
static_assert(can_visit<void (*)(int)> && can_visit<void (*)(int&&)> && can_visit<void (*)(const int&)>);
static_assert(!can_visit<void (*)()> && !can_visit<void (*)(std::string)> && !can_visit<void (*)(int&)>);
static_assert(!can_visit<void (*)(int), sluice::sender<int>>, "a sender receives nothing");

}  // namespace
