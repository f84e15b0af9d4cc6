// SPDX-License-Identifier: BSL-1.0
// singleflight_stress_test.cpp: does everybody get a value when callers come, leave and forget at any moment?
//
// Few checks, many rounds; SLUICE_STRESS_SECONDS says how long each test works. A hang is a failure.

#include <sluice/once.hpp>
#include <sluice/select.hpp>
#include <sluice/singleflight.hpp>
#include <sluice/timer.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "../support/counted.hpp"
#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::canceled;
using sluice::task;

using value = counted<struct stress_value>;

// Of each key at most two calls run at a time unless somebody forgets: one, and one that was left by all and ends.
struct shared_service {
    sluice::singleflight<int, value> flights;
    std::atomic<int> wrong{0};
    std::atomic<long> answered{0};
    stress_time time;

    task<value> compute(int key) {
        for (int i = 0; i < 3; ++i) co_await sluice::yield();
        co_await sluice::sleep_for(10us);
        co_return value{key};
    }
    void check(int key, const value& v) {
        if (v.value() != key) ++wrong;
        ++answered;
    }
};

task<> ask_async(shared_service* s, std::uint64_t seed) {
    random_numbers random{seed};
    while (s->time.goes_on()) {
        const int key = static_cast<int>(random.below(3));
        const auto f = [s, key] { return s->compute(key); };
        switch (random.below(4)) {
            case 0: {
                const auto got = co_await sluice::timeout(15us, s->flights.async_run(key, f));
                if (got) s->check(key, got->value);
                break;
            }
            case 1: {
                const auto take = [&](const auto& got) { s->check(key, got.value); };
                co_await sluice::async_select(sluice::on(s->flights.async_run(key, f), take), sluice::on_timeout(15us));
                break;
            }
            case 2:
                if (random.below(8) == 0) s->flights.forget(key);
                s->flights.forget_unshared(key);
                break;
            default: {
                const auto got = co_await s->flights.async_run(key, f);
                s->check(key, got.value);
            }
        }
    }
}

void ask_blocking(shared_service* s, std::uint64_t seed) {
    random_numbers random{seed};
    while (s->time.goes_on()) {
        const int key = static_cast<int>(random.below(3));
        const auto f = [s, key] { return s->compute(key); };
        if (random.below(2) == 0) {
            const auto got = s->flights.run_for(key, 20us, f);
            if (got) s->check(key, got->value);
        } else {
            s->check(key, s->flights.run(key, f).value);
        }
    }
}

// SF-07
TEST(SingleflightStress, WhoStaysGetsAValueWhoeverLeaves) {
    {
        shared_service s;
        sluice::runtime rt{workers(2)};
        std::vector<sluice::join_handle<void>> staying;
        for (std::uint64_t i = 0; i < 4; ++i) staying.push_back(rt.go(ask_async, &s, 10 + i));
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < 2; ++i) threads.emplace_back(ask_blocking, &s, 20 + i);
        random_numbers random{7};
        while (s.time.goes_on()) {
            auto h = rt.go(ask_async, &s, random.below(1'000));
            for (auto spins = random.below(100); spins > 0; --spins) std::this_thread::yield();
            h.cancel();
            try {
                h.get();
            } catch (const canceled&) {}
        }
        for (auto& h : staying) h.get();
        threads.clear();
        EXPECT_EQ(s.wrong, 0);
        EXPECT_GT(s.answered, 0);
        EXPECT_EQ(s.flights.in_flight(), 0u);
    }
    EXPECT_EQ(value::live(), 0);
}

// T29 for a singleflight: the last who got its value destroys it.
TEST(SingleflightStress, WhoHasTheValueMayDestroyItAtOnce) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    const auto ask = [](std::shared_ptr<sluice::singleflight<int, int>> s) -> task<> {
        const auto f = []() -> task<int> {
            co_await sluice::yield();
            co_return 1;
        };
        static_cast<void>(co_await s->async_run(1, f));
    };
    while (time.goes_on()) {
        auto s = std::make_shared<sluice::singleflight<int, int>>();
        auto a = rt.go(ask, s);
        auto b = rt.go(ask, s);
        EXPECT_EQ(s->run(1, [] { return 1; }).value, 1);
        s.reset();
        a.get();
        b.get();
    }
}

// Each once is done once although those who do it are cancelled or throw at any moment.
TEST(OnceStress, IsDoneOnceAmongCancellationsAndExceptions) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    random_numbers random{7};
    while (time.goes_on()) {
        sluice::once o;
        std::atomic<int> begun{0};
        std::atomic<int> done{0};
        const auto attempt = [&]() -> task<> {
            const int number = begun++;
            co_await sluice::yield();
            if (number == 1) throw 1;
            ++done;
        };
        const auto call = [](sluice::once* of, auto* f) -> task<> {
            for (bool is_done = false; !is_done;) {
                try {
                    is_done = co_await of->async_call(*f);
                } catch (int) {}
            }
        };
        std::vector<sluice::join_handle<void>> callers;
        for (int i = 0; i < 4; ++i) callers.push_back(rt.go(call, &o, &attempt));
        for (auto spins = random.below(20); spins > 0; --spins) std::this_thread::yield();
        callers[random.below(2)].cancel();
        for (auto& h : callers) {
            try {
                h.get();
            } catch (const canceled&) {}
        }
        ASSERT_EQ(done, 1);
        ASSERT_TRUE(o.done());
        ASSERT_EQ(o.waiting(), 0u);
    }
}

}  // namespace
