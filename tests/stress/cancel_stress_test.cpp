// SPDX-License-Identifier: BSL-1.0
// cancel_stress_test.cpp: does every wait end exactly once, whenever the cancellation comes?

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include <sluice/sluice.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/random_numbers.hpp"
#include "../support/sanitized.hpp"
#include "../support/stress_time.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::context;
using sluice::join_handle;
using sluice::runtime;
using sluice::status;
using sluice::task;
using sluice_test::eventually;
using sluice_test::random_numbers;
using sluice_test::receivers_waiting;
using sluice_test::stress_time;

// Ends with the handle's task; true: it was cancelled.
template <class T>
bool was_canceled(join_handle<T>& h) {
    try {
        static_cast<void>(h.get());
        return false;
    } catch (const canceled&) {
        return true;
    }
}
template <>
bool was_canceled(join_handle<void>& h) {
    try {
        h.get();
        return false;
    } catch (const canceled&) {
        return true;
    }
}

constexpr int many_parked = sluice_test::many(100'000);

struct parked_tag {};

task<> park(channel<int> ch, std::atomic<int>& ended) {
    const sluice_test::counted<parked_tag> mine{1};
    try {
        static_cast<void>(co_await ch.async_receive());
    } catch (const canceled&) {
        ++ended;
    }
}

// MX-08: each leaves the queue in constant time, or this would take minutes.
TEST(CancelStress, AHundredThousandParkedTasksEndTogether) {
    std::atomic<int> ended{0};
    const channel<int> ch{0};
    constexpr int many = many_parked;
    {
        runtime rt;
        const auto start = [](channel<int> c, std::atomic<int>& e) -> task<> {
            for (int i = 0; i < many; ++i) sluice::go(park, c, std::ref(e));
            co_return;
        };
        rt.run(start, ch, std::ref(ended));
        ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == many; }));
    }
    EXPECT_EQ(ended, many);
    EXPECT_TRUE(sluice_test::nobody_waits(ch));
    EXPECT_EQ(sluice_test::counted<parked_tag>::live(), 0);
}

// MX-08
TEST(CancelStress, AHundredThousandParkedTasksOfAGroupEndTogether) {
    std::atomic<int> ended{0};
    const channel<int> ch{0};
    constexpr int many = many_parked;
    sluice::wait_group g;
    for (int i = 0; i < many; ++i) g.go(park, ch, std::ref(ended));
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == many; }));
    g.cancel();
    g.wait();
    EXPECT_EQ(ended, many);
    EXPECT_TRUE(sluice_test::nobody_waits(ch));
}

// MX-08: each on a channel of its own.
TEST(CancelStress, AHundredThousandParkedTasksOnAsManyChannelsEndTogether) {
    std::atomic<int> ended{0};
    std::vector<channel<int>> all;
    for (int i = 0; i < many_parked; ++i) all.emplace_back(0);
    {
        sluice::wait_group g;
        for (const auto& ch : all) g.go(park, ch, std::ref(ended));
        for (const auto& ch : all) ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
        g.cancel();
        g.wait();
    }
    EXPECT_EQ(ended, many_parked);
    for (const auto& ch : all) ASSERT_TRUE(sluice_test::nobody_waits(ch));
    EXPECT_EQ(sluice_test::counted<parked_tag>::live(), 0);
}

task<> park_in_a_select(std::vector<channel<int>>& of, std::atomic<int>& ended) {
    const sluice_test::counted<parked_tag> mine{1};
    try {
        static_cast<void>(co_await sluice::async_select(sluice::on_receive(of[0]), sluice::on_receive(of[1]),
                                                        sluice::on_receive(of[2]), sluice::on_send(of[3], 1)));
    } catch (const canceled&) {
        ++ended;
    }
}

// MX-08: each with an entry in four queues.
TEST(CancelStress, AHundredThousandTasksParkedInSelectsOfFourEndTogether) {
    std::atomic<int> ended{0};
    std::vector<channel<int>> four;
    for (int i = 0; i < 4; ++i) four.emplace_back(0);
    sluice::wait_group g;
    for (int i = 0; i < many_parked; ++i) g.go(park_in_a_select, std::ref(four), std::ref(ended));
    ASSERT_TRUE(eventually([&] {
        return receivers_waiting(four[0]) == many_parked && sluice_test::senders_waiting(four[3]) == many_parked;
    }));
    g.cancel();
    g.wait();
    EXPECT_EQ(ended, many_parked);
    for (const auto& ch : four) EXPECT_TRUE(sluice_test::nobody_waits(ch));
    EXPECT_EQ(sluice_test::counted<parked_tag>::live(), 0);
}

// T40: a receive ends with the value or with the cancellation, and a value is never lost.
TEST(CancelStress, AReceiveRacingWithItsCancellationLosesNoValue) {
    runtime rt;
    const stress_time time;
    const channel<int> ch{0};
    const auto receive = [](channel<int> c) -> task<int> { co_return *co_await c.async_receive(); };
    long rounds = 0;
    long taken = 0;
    for (; time.goes_on(); ++rounds) {
        auto h = rt.go(receive, ch);
        if (rounds % 2)
            while (receivers_waiting(ch) == 0 && !h.done()) std::this_thread::yield();
        auto sender =
            rt.go([](channel<int> c) -> task<bool> { co_return static_cast<bool>(co_await c.async_send(1)); }, ch);
        h.cancel();
        const bool received = !was_canceled(h);
        if (!received) {
            ASSERT_EQ(*ch.receive(), 1);
        }
        ASSERT_TRUE(sender.get());
        taken += received;
    }
    RecordProperty("rounds", static_cast<int>(rounds));
    RecordProperty("received", static_cast<int>(taken));
    EXPECT_TRUE(sluice_test::nobody_waits(ch));
}

// T40, T32
TEST(CancelStress, AnAcquireRacingWithItsCancellationLosesNoPermit) {
    runtime rt;
    const stress_time time;
    sluice::semaphore s{2};
    const auto hold = [](sluice::semaphore& of, std::size_t n) -> task<> {
        const sluice::permit p = co_await of.async_hold(n);
        co_await sluice::yield();
    };
    random_numbers random{7};
    while (time.goes_on()) {
        std::vector<join_handle<void>> all;
        for (int i = 0; i < 8; ++i) all.push_back(rt.go(hold, std::ref(s), 1 + random.below(2)));
        for (auto& h : all)
            if (random.below(2)) h.cancel();
        for (auto& h : all) static_cast<void>(was_canceled(h));
        ASSERT_EQ(s.available(), 2u);
        ASSERT_EQ(s.waiting(), 0u);
    }
}

// T40: the timer's node goes with the frame, at whatever moment the sleep is ended.
TEST(CancelStress, ASleepCancelledAsItBeginsLeavesNoTimer) {
    runtime rt;
    const stress_time time;
    const auto sleeper = [](std::atomic<int>& begun) -> task<> {
        ++begun;
        co_await sluice::sleep_for(1h);
    };
    random_numbers random{11};
    while (time.goes_on()) {
        std::atomic<int> begun{0};
        auto h = rt.go(sleeper, std::ref(begun));
        while (begun == 0) {}
        for (unsigned spin = random.below(200); spin > 0; --spin) sluice::detail::cpu_relax();
        h.cancel();
        ASSERT_TRUE(was_canceled(h));
    }
}

// T40, T25: time, value and cancellation all at once.
TEST(CancelStress, ATimedReceiveEndsOnceWhateverComesFirst) {
    runtime rt;
    const stress_time time;
    const channel<int> ch{0};
    const auto receive = [](channel<int> c, int micros, context until) -> task<int> {
        co_await sluice::yield();
        sluice::received<int> v;
        co_await sluice::async_select(sluice::on_receive(c, v), sluice::on_done(until),
                                      sluice::on_timeout(std::chrono::microseconds{micros}));
        co_return v ? *v : 0;
    };
    long sent = 0;
    long received = 0;
    random_numbers random{13};
    while (time.goes_on()) {
        const auto source = sluice::with_timeout({}, std::chrono::microseconds{random.below(60)});
        auto h = rt.go(receive, ch, static_cast<int>(random.below(60)), source.get());
        if (random.below(3) == 0) h.cancel();
        if (ch.send_for(1, std::chrono::microseconds{random.below(60)})) ++sent;
        try {
            received += h.get();
        } catch (const canceled&) {}
    }
    EXPECT_EQ(received, sent);
    EXPECT_TRUE(sluice_test::nobody_waits(ch));
}

// T40
TEST(CancelStress, HandlesCancelledAtRandomEndEveryTaskOnce) {
    struct tag {};
    using object = sluice_test::counted<tag>;
    runtime rt;
    const stress_time time;
    const channel<int> ch{4};
    sluice::semaphore permits{3};
    const auto worker = [](channel<int> c, sluice::semaphore& s, std::uint64_t seed) -> task<> {
        const object mine{1};
        random_numbers random{seed};
        for (int i = 0; i < 50; ++i) {
            switch (random.below(7)) {
                case 0: static_cast<void>(co_await sluice::timeout(20us, c.async_send(1))); break;
                case 1: static_cast<void>(co_await sluice::timeout(20us, c.async_receive())); break;
                case 2: {
                    const sluice::permit p = co_await s.async_hold(1 + random.below(3));
                    co_await sluice::yield();
                    break;
                }
                case 3: co_await sluice::sleep_for(std::chrono::microseconds{random.below(30)}); break;
                case 4: static_cast<void>(sluice::current_context()); break;
                case 5:
                    co_await sluice::async_select(sluice::on_receive(c), sluice::on_send(c, 2),
                                                  sluice::on_timeout(10us));
                    break;
                default: co_await sluice::yield();
            }
        }
    };
    random_numbers random{17};
    while (time.goes_on()) {
        std::vector<join_handle<void>> all;
        for (int i = 0; i < 16; ++i) all.push_back(rt.go(worker, ch, std::ref(permits), random.next()));
        for (int i = 0; i < 8; ++i) all[random.below(16)].cancel();
        for (auto& h : all) static_cast<void>(was_canceled(h));
        ASSERT_EQ(permits.available(), 3u);
        ASSERT_TRUE(sluice_test::nobody_waits(ch));
    }
    EXPECT_EQ(object::live(), 0);
}

// Groups inside tasks that are cancelled: every member is joined before its parent has left.
TEST(CancelStress, GroupsInCancelledTasksJoinTheirMembers) {
    runtime rt;
    const stress_time time;
    std::atomic<int> alive{0};
    const auto parent = [](std::atomic<int>& n, std::uint64_t seed) -> task<> {
        struct member {
            static task<> live(std::atomic<int>& count, unsigned kind) {
                struct guard {
                    std::atomic<int>& of;
                    explicit guard(std::atomic<int>& c) : of{c} { ++of; }
                    ~guard() { --of; }
                };
                const guard inside{count};
                if (kind == 0) co_await sluice::sleep_for(1h);
                else if (kind == 1) co_await sluice::sleep_for(std::chrono::microseconds{20});
                else co_await sluice::yield();
            }
        };
        random_numbers random{seed};
        sluice::wait_group g;
        for (int i = 0; i < 5; ++i) g.go(&member::live, std::ref(n), random.below(3));
        if (random.below(2)) co_await sluice::yield();
        co_await g.async_wait();
    };
    random_numbers random{19};
    while (time.goes_on()) {
        std::vector<join_handle<void>> all;
        for (int i = 0; i < 4; ++i) all.push_back(rt.go(parent, std::ref(alive), random.next()));
        for (unsigned spin = random.below(2'000); spin > 0; --spin) sluice::detail::cpu_relax();
        for (auto& h : all) h.cancel();
        for (auto& h : all) static_cast<void>(was_canceled(h));
        ASSERT_EQ(alive, 0);
    }
}

// Joins that are cancelled pass it on, several levels deep.
TEST(CancelStress, ATreeOfJoinsIsCancelledFromItsRoot) {
    runtime rt;
    const stress_time time;
    struct tree {
        static task<> grow(int depth, std::atomic<int>& alive) {
            struct guard {
                std::atomic<int>& of;
                explicit guard(std::atomic<int>& c) : of{c} { ++of; }
                ~guard() { --of; }
            };
            const guard inside{alive};
            if (depth == 0) {
                co_await sluice::sleep_for(1h);
                co_return;
            }
            auto left = sluice::go(&tree::grow, depth - 1, std::ref(alive));
            auto right = sluice::go(&tree::grow, depth - 1, std::ref(alive));
            std::exception_ptr stopped;
            try {
                co_await left;
            } catch (const canceled&) {
                stopped = std::current_exception();
            }
            try {
                co_await right;
            } catch (const canceled&) {
                stopped = std::current_exception();
            }
            if (stopped) std::rethrow_exception(stopped);
        }
    };
    random_numbers random{23};
    while (time.goes_on()) {
        std::atomic<int> alive{0};
        auto h = rt.go(&tree::grow, 4, std::ref(alive));
        for (unsigned spin = random.below(20'000); spin > 0; --spin) sluice::detail::cpu_relax();
        h.cancel();
        ASSERT_TRUE(was_canceled(h));
        ASSERT_EQ(alive, 0);
    }
}

// T40: contexts end, are watched, derived from and dropped at the same time.
TEST(CancelStress, ContextsEndWhileTheyAreWatchedAndDerivedFrom) {
    runtime rt;
    const stress_time time;
    const auto watch = [](context c) -> task<> { co_await c.async_done(); };
    const auto derive = [](context c) -> task<> {
        for (int i = 0; i < 5; ++i) {
            const auto child = sluice::with_timeout(c, std::chrono::microseconds{i * 10});
            co_await child.get().async_done();
            c = sluice::with_cancel(c);  // ends as its source goes, which is at once
        }
    };
    while (time.goes_on()) {
        const auto source = sluice::with_cancel({});
        std::vector<join_handle<void>> all;
        for (int i = 0; i < 3; ++i) all.push_back(rt.go(watch, source.get()));
        for (int i = 0; i < 3; ++i) all.push_back(rt.go(derive, source.get()));
        source.cancel();
        for (auto& h : all) h.get();
    }
}

// T42: two contexts watched in opposite orders by waits that hold nothing else.
TEST(CancelStress, ContextsWatchedInOppositeOrdersDoNotDeadlock) {
    const stress_time time;
    const auto both = [](context first, context second, std::atomic<int>& ready) -> task<> {
        ++ready;
        while (ready < 2) {}
        co_await sluice::async_select(sluice::on_done(first), sluice::on_done(second));
    };
    sluice::run_options options;
    options.workers = 2;
    runtime rt{options};
    while (time.goes_on()) {
        const auto a = sluice::with_cancel({});
        const auto b = sluice::with_cancel({});
        std::atomic<int> ready{0};
        auto first = rt.go(both, a.get(), b.get(), std::ref(ready));
        auto second = rt.go(both, b.get(), a.get(), std::ref(ready));
        while (ready < 2) std::this_thread::yield();
        a.cancel();
        first.get();
        second.get();
    }
}

// T40: tokens of std::jthread end blocking waits just as these are won.
TEST(CancelStress, ABlockingWaitRacingWithItsTokenLosesNoValue) {
    const stress_time time;
    const channel<int> ch{0};
    std::atomic<long> received{0};
    long sent = 0;
    while (time.goes_on()) {
        std::jthread receiver{[&](std::stop_token stop) {
            while (auto v = ch.receive(stop)) received += *v;
        }};
        for (int i = 0; i < 20; ++i)
            if (ch.send_for(1, 1ms)) ++sent;
        std::jthread late{[&] {
            if (ch.send_for(0, 10us)) return;
        }};
        receiver.request_stop();
    }
    EXPECT_EQ(received, sent);
    EXPECT_TRUE(sluice_test::nobody_waits(ch));
}

}  // namespace
