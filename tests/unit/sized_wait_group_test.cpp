// SPDX-License-Identifier: BSL-1.0
// sized_wait_group_test.cpp: are there never more at a time than the limit says, and is all of it waited for?

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/runtime.hpp>
#include <sluice/sized_wait_group.hpp>
#include <sluice/timer.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::runtime;
using sluice::sized_wait_group;
using sluice::task;
using sluice_test::eventually;
using sluice_test::receivers_waiting;

// Notes how many were inside at the same time.
class gauge {
public:
    void enter() {
        const int now = ++inside_;
        int most = most_.load();
        while (now > most && !most_.compare_exchange_weak(most, now)) {}
        ++entered_;
    }
    void leave() { --inside_; }
    int most() const { return most_; }
    int entered() const { return entered_; }

private:
    std::atomic<int> inside_{0};
    std::atomic<int> most_{0};
    std::atomic<int> entered_{0};
};

task<> pass(gauge& g) {
    g.enter();
    co_await sluice::yield();
    g.leave();
}
task<> receive_one(channel<int> ch) { static_cast<void>(co_await ch.async_receive()); }

// --- the limit -----------------------------------------------------------------------------------------------------

// SW-02
TEST(SizedWaitGroup, NeverLetsMoreTasksRunThanItsLimit) {
    gauge inside;
    const auto main = [](gauge& g) -> task<> {
        sized_wait_group group{4};
        for (int i = 0; i < 10'000; ++i) co_await group.async_go(pass, std::ref(g));
        co_await group.async_wait();
        EXPECT_EQ(group.count(), 0u);
    };
    sluice::run(main, std::ref(inside));
    EXPECT_EQ(inside.entered(), 10'000);
    EXPECT_LE(inside.most(), 4);
    EXPECT_GE(inside.most(), 2);
}

// SW-02
TEST(SizedWaitGroup, NeverLetsMoreStartFromManyThreadsThanItsLimit) {
    gauge inside;
    sized_wait_group group{3};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 200; ++i) group.go(pass, std::ref(inside));
            });
    }
    group.wait();
    EXPECT_EQ(inside.entered(), 600);
    EXPECT_LE(inside.most(), 3);
}

// SW-02
TEST(SizedWaitGroup, NeverLetsMoreAddThanItsLimit) {
    gauge inside;
    sized_wait_group group{2};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 200; ++i) {
                    group.add();
                    inside.enter();
                    inside.leave();
                    group.done();
                }
            });
    }
    group.wait();
    EXPECT_EQ(inside.entered(), 800);
    EXPECT_LE(inside.most(), 2);
}

// SW-03
TEST(SizedWaitGroup, AnAddToAFullGroupWaitsForADone) {
    sized_wait_group group{1};
    group.add();
    std::atomic<bool> in{false};
    std::jthread second{[&] {
        group.add();
        in = true;
    }};
    ASSERT_TRUE(eventually([&] { return group.count() == 2; }));
    EXPECT_FALSE(in);
    group.done();
    second.join();
    group.done();
    group.wait();
}

TEST(SizedWaitGroup, AnAsyncAddToAFullGroupWaitsForADone) {
    const auto main = []() -> task<> {
        sized_wait_group group{1};
        co_await group.async_add();
        const auto second = [](sized_wait_group& g, bool& in) -> task<> {
            co_await g.async_add();
            in = true;
        };
        bool in = false;
        auto h = sluice::go(second, std::ref(group), std::ref(in));
        while (group.count() != 2) co_await sluice::yield();
        for (int i = 0; i < 100; ++i) co_await sluice::yield();
        EXPECT_EQ(group.count(), 2u);
        group.done();
        co_await h;
        EXPECT_TRUE(in);
        group.done();
        co_await group.async_wait();
    };
    sluice::run(main);
}

TEST(SizedWaitGroup, TryAddAndTryGoSayWhetherThereWasASlot) {
    sized_wait_group group{1};
    const channel<int> gate{0};
    EXPECT_TRUE(group.try_add());
    EXPECT_FALSE(group.try_add());
    EXPECT_FALSE(group.try_go(receive_one, gate));
    EXPECT_EQ(group.count(), 1u);
    group.done();
    EXPECT_TRUE(group.try_go(receive_one, gate));
    EXPECT_FALSE(group.try_add());
    static_cast<void>(gate.send(1));
    group.wait();
    EXPECT_TRUE(group.try_add());
    group.done();
}

// SW-01, as the table of differences has it
TEST(SizedWaitGroup, HasNoLimitWhenToldSo) {
    sized_wait_group group{sluice::unlimited};
    const channel<int> gate{0};
    for (int i = 0; i < 100; ++i) group.go(receive_one, gate);
    EXPECT_EQ(group.count(), 100u);
    gate.close();
    group.wait();
}

// --- counted first -------------------------------------------------------------------------------------------------

// SW-06: who waits for a slot is already waited for.
TEST(SizedWaitGroup, AWaitDoesNotEndWhileSomebodyWaitsForASlot) {
    sized_wait_group group{1};
    group.add();
    std::atomic<bool> over{false};
    std::atomic<bool> finish{false};
    std::jthread second{[&] {
        group.add();
        while (!finish) std::this_thread::yield();
        EXPECT_FALSE(over);
        group.done();
    }};
    ASSERT_TRUE(eventually([&] { return group.count() == 2; }));
    std::jthread waiting{[&] {
        group.wait();
        over = true;
    }};
    group.done();
    EXPECT_FALSE(group.wait_for(1ms));
    finish = true;
    waiting.join();
    EXPECT_TRUE(over);
}

// --- giving up -----------------------------------------------------------------------------------------------------

// SW-03
TEST(SizedWaitGroup, AnAddThatWaitsEndsWithItsContextAndCountsNothing) {
    sized_wait_group group{1};
    group.add();
    const auto source = sluice::with_cancel({});
    std::optional<bool> in;
    std::jthread second{[&] { in = group.add(source.get()); }};
    ASSERT_TRUE(eventually([&] { return group.count() == 2; }));
    source.cancel();
    second.join();
    EXPECT_EQ(in, false);
    EXPECT_EQ(group.count(), 1u);
    group.done();
}

// SW-04: always, not about half of the time.
TEST(SizedWaitGroup, AContextThatHasEndedWinsOverAFreeSlot) {
    sized_wait_group group{1};
    const auto source = sluice::with_cancel({});
    source.cancel();
    for (int i = 0; i < 1'000; ++i) ASSERT_FALSE(group.add(source.get()));
    EXPECT_EQ(group.count(), 0u);
    EXPECT_TRUE(group.try_add());
    group.done();
}

TEST(SizedWaitGroup, AStartThatWaitsForASlotIsReleasedByTheSurroundingContextAndStartsNothing) {
    struct tag {};
    using object = sluice_test::counted<tag>;
    runtime rt;
    sized_wait_group group{1};
    const channel<int> gate{0};
    group.go(receive_one, gate);
    std::atomic<bool> ran{false};
    const auto starter = [](sized_wait_group& g, std::atomic<bool>& r) -> task<> {
        const auto f = [](std::atomic<bool>& flag, object) -> task<> {
            flag = true;
            co_return;
        };
        co_await g.async_go(f, std::ref(r), object{1});
    };
    auto h = rt.go(starter, std::ref(group), std::ref(ran));
    ASSERT_TRUE(eventually([&] { return group.count() == 2; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(group.count(), 1u);
    EXPECT_EQ(object::live(), 0);
    static_cast<void>(gate.send(1));
    group.wait();
    EXPECT_FALSE(ran);
}

TEST(SizedWaitGroup, ABlockingStartThatWaitsForASlotIsReleasedByTheSurroundingContext) {
    runtime rt;
    sized_wait_group group{1};
    const channel<int> gate{0};
    group.go(receive_one, gate);
    std::atomic<bool> ran{false};
    auto h = rt.go([&] { group.go([&ran] { ran = true; }); });
    ASSERT_TRUE(eventually([&] { return group.count() == 2; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(group.count(), 1u);
    static_cast<void>(gate.send(1));
    group.wait();
    EXPECT_FALSE(ran);
}

TEST(SizedWaitGroup, CancelEndsWhatItStarted) {
    sized_wait_group group{3};
    for (int i = 0; i < 3; ++i) group.go(receive_one, channel<int>{});
    group.cancel();
    group.wait();
    EXPECT_EQ(group.count(), 0u);
}

TEST(SizedWaitGroup, AWaitInACancelledTaskJoinsWhatItStarted) {
    runtime rt;
    const channel<int> ch{0};
    const auto parent = [](channel<int> c) -> task<> {
        sized_wait_group group{2};
        co_await group.async_go(receive_one, c);
        try {
            co_await group.async_wait();
        } catch (const canceled&) {
            EXPECT_EQ(group.count(), 0u);
            throw;
        }
    };
    auto h = rt.go(parent, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

// --- what it starts ------------------------------------------------------------------------------------------------

TEST(SizedWaitGroup, FreesTheSlotOfATaskThatThrowsAndRethrowsTheFirst) {
    sized_wait_group group{1};
    for (int i = 0; i < 10; ++i) group.go([] { throw std::runtime_error{"failed"}; });
    EXPECT_THROW(group.wait(), std::runtime_error);
    EXPECT_TRUE(group.try_add());
    group.done();
    group.wait();
}

TEST(SizedWaitGroup, FreesTheSlotWhenAStartThrows) {
    struct not_copied {
        not_copied() = default;
        not_copied(const not_copied&) { throw std::runtime_error{"no copy"}; }
    };
    sized_wait_group group{1};
    const not_copied argument;
    const auto f = [](const not_copied&) -> task<> { co_return; };
    EXPECT_THROW(group.go(f, argument), std::runtime_error);
    EXPECT_THROW(static_cast<void>(group.try_go(f, argument)), std::runtime_error);
    EXPECT_EQ(group.count(), 0u);
    EXPECT_TRUE(group.try_add());
    group.done();
}

struct go_tag {};
using go_object = sluice_test::counted<go_tag>;

TEST(SizedWaitGroup, MovesArgumentsIntoTheTaskWhenItStarts) {
    const auto main = []() -> task<> {
        const auto f = [](std::unique_ptr<int> p, go_object o, int& sum) -> task<> {
            sum += *p + o.value();
            co_return;
        };
        sized_wait_group group{1};
        int sum = 0;
        for (int i = 0; i < 10; ++i) {
            auto p = std::make_unique<int>(i);
            co_await group.async_go(f, std::move(p), go_object{1}, std::ref(sum));
            EXPECT_FALSE(p);
        }
        co_await group.async_wait();
        EXPECT_EQ(sum, 55);
    };
    sluice::run(main);
    EXPECT_EQ(go_object::live(), 0);
}

// T29
TEST(SizedWaitGroup, MayBeDestroyedByTheWaiterAtOnce) {
    const auto main = []() -> task<> {
        const auto f = [] {};
        for (int i = 0; i < 2'000; ++i) {
            auto group = std::make_unique<sized_wait_group>(1u);
            co_await group->async_go(f);
            co_await group->async_go(f);
            co_await group->async_wait();
            group.reset();
        }
    };
    sluice::run(main);
}

TEST(SizedWaitGroup, ItsDestructorCancelsAndJoins) {
    const channel<int> ch{0};
    {
        sized_wait_group group{2};
        group.go(receive_one, ch);
        group.go([ch] { static_cast<void>(ch.receive()); });
        ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 2; }));
    }
    EXPECT_EQ(receivers_waiting(ch), 0u);
}

// --- contracts -----------------------------------------------------------------------------------------------------

// SW-05
TEST(SizedWaitGroupDeathTest, ADoneWithoutAnAddIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    sized_wait_group group{1};
    EXPECT_DEATH(group.done(), "sized_wait_group_test.cpp.*without an add");
}

// SW-01
TEST(SizedWaitGroupDeathTest, ALimitOfZeroIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(const sized_wait_group group{0}, "sized_wait_group_test.cpp.*limit of 0");
}

TEST(SizedWaitGroupDeathTest, ATaskThatWaitsForItsOwnGroupIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            sized_wait_group g{2};
            g.go([&]() -> task<> { co_await g.async_wait(); });
            g.wait();
        },
        "its own group");
}

}  // namespace
