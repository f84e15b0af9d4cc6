// SPDX-License-Identifier: BSL-1.0
// circuit_breaker_test.cpp: when is a call let through, and whose end counts?

#include <sluice/circuit_breaker.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/gtest.hpp>

#include "../support/broken_contract.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::circuit_breaker;
using sluice::circuit_open;
using sluice::circuit_state;
using sluice::clock;
using sluice::task;

struct failure : std::runtime_error {
    failure() : std::runtime_error{"failure"} {}
};
enum class came { through, failed, refused };

came fails(circuit_breaker& b) {
    try {
        b.call([] { throw failure{}; });
    } catch (const failure&) {
        return came::failed;
    } catch (const circuit_open&) {
        return came::refused;
    }
    return came::through;
}
came succeeds(circuit_breaker& b) {
    try {
        EXPECT_EQ(b.call([] { return 1; }), 1);
    } catch (const circuit_open&) {
        return came::refused;
    }
    return came::through;
}
task<> fail_after(clock::duration d) {
    co_await sluice::sleep_for(d);
    throw failure{};
}

// CB-01, CB-02
TEST(CircuitBreaker, TheSixthFailureInARowOpensIt) {
    circuit_breaker b;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(fails(b), came::failed);
    EXPECT_EQ(succeeds(b), came::through);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(fails(b), came::failed);
    EXPECT_EQ(b.state(), circuit_state::open);
    EXPECT_EQ(succeeds(b), came::refused);
}

// CB-03, CB-04
SIMULATED_TEST(CircuitBreaker, AfterMoreThanItsTimeItTriesAndClosesOrOpensAgain) {
    std::vector<circuit_state> seen;
    circuit_breaker b{{.failures = 1, .open_for = 10s}};
    b.on_change([&](circuit_state, circuit_state to) { seen.push_back(to); });
    EXPECT_EQ(fails(b), came::failed);
    const auto until = clock::now() + 10s;
    co_await sluice::sleep_for(10s);
    EXPECT_EQ(b.state(), circuit_state::open);
    bool is_told = false;
    try {
        b.call([] {});
    } catch (const circuit_open& e) {
        is_told = e.until() == until;
    }
    EXPECT_TRUE(is_told);
    co_await sluice::sleep_for(1ns);
    EXPECT_EQ(b.state(), circuit_state::half_open);
    EXPECT_EQ(fails(b), came::failed);
    EXPECT_EQ(succeeds(b), came::refused);
    co_await sluice::sleep_for(11s);
    EXPECT_EQ(succeeds(b), came::through);
    using enum circuit_state;
    const std::vector<circuit_state> wanted{open, half_open, open, half_open, closed};
    EXPECT_EQ(seen, wanted);
}

// CB-04
SIMULATED_TEST(CircuitBreaker, HalfOpenLetsOnlyProbesThrough) {
    circuit_breaker b{{.failures = 1, .open_for = 1s, .probes = 2}};
    EXPECT_EQ(fails(b), came::failed);
    co_await sluice::sleep_for(2s);
    const auto slow = []() -> task<> { co_await sluice::sleep_for(1s); };
    const auto probe = [&]() -> task<> { co_await b.async_call(slow); };
    auto first = sluice::go(probe);
    auto second = sluice::go(probe);
    co_await sluice::sleep_for(500ms);
    EXPECT_EQ(succeeds(b), came::refused);
    co_await first;
    co_await second;
    EXPECT_EQ(b.state(), circuit_state::closed);
}

// CB-05
SIMULATED_TEST(CircuitBreaker, WhatBeganBeforeTheLastChangeDoesNotCount) {
    circuit_breaker b{{.failures = 1, .open_for = 1s}};
    const auto late = [] { return fail_after(5s); };
    auto old = sluice::go([&]() -> task<> { co_await b.async_call(late); });
    co_await sluice::sleep_for(1s);
    EXPECT_EQ(fails(b), came::failed);
    co_await sluice::sleep_for(2s);
    EXPECT_EQ(succeeds(b), came::through);
    bool failed = false;
    try {
        co_await old;
    } catch (const failure&) {
        failed = true;
    }
    EXPECT_TRUE(failed);
    EXPECT_EQ(b.state(), circuit_state::closed);
    EXPECT_EQ(b.counts().failures, 0u);
}

// CB-06, CB-07
SIMULATED_TEST(CircuitBreaker, ExceptionsAreFailuresAndACancellationIsNone) {
    circuit_breaker b{{.failures = 1}};
    const auto slow = [] { return fail_after(1h); };
    const auto limited = co_await sluice::timeout(1s, b.async_call(slow));
    EXPECT_EQ(limited, sluice::status::timed_out);
    EXPECT_EQ(b.state(), circuit_state::closed);
    EXPECT_EQ(b.counts().requests, 0u);
    EXPECT_EQ(fails(b), came::failed);
    EXPECT_EQ(b.state(), circuit_state::open);
}

// CB-07
TEST(CircuitBreaker, WhatIsExcludedCountsNeitherWay) {
    circuit_breaker b{{.failures = 1, .is_excluded = [](const std::exception_ptr&) { return true; }}};
    EXPECT_EQ(fails(b), came::failed);
    EXPECT_EQ(b.state(), circuit_state::closed);
}

// CB-06
SIMULATED_TEST(CircuitBreaker, AwaitsWhateverACallGives, {.runs = 50}) {
    circuit_breaker b{{.failures = 1}};
    const auto slow = []() -> task<int> {
        co_await sluice::sleep_for(1s);
        co_return 3;
    };
    const int plain = co_await b.async_call([] { return 1; });
    EXPECT_EQ(plain, 1);
    const int later = co_await b.async_call(slow);
    EXPECT_EQ(later, 3);
    const auto in_time = co_await b.async_call([&] { return sluice::timeout(2s, slow()); });
    EXPECT_EQ(in_time.value(), 3);
    const auto fails = [] { return sluice::blocking([] { throw failure{}; }); };
    bool failed = false;
    try {
        co_await b.async_call(fails);
    } catch (const failure&) {
        failed = true;
    }
    EXPECT_TRUE(failed);
    EXPECT_EQ(b.state(), circuit_state::open);
}

// CB-06
SIMULATED_TEST(CircuitBreaker, WhatItsFunctionsThrowReachesTheCallerAndNoProbeIsLost, {.runs = 20}) {
    bool throws = false;
    const auto perhaps = [&throws](const char* what) {
        if (throws) throw std::logic_error{what};
        return false;
    };
    circuit_breaker b{{.failures = 1,
                       .open_for = 1s,
                       .trips = [&](const sluice::circuit_counts&) { return !perhaps("trips"); },
                       .is_excluded = [&](const std::exception_ptr&) { return perhaps("is_excluded"); }}};
    EXPECT_EQ(fails(b), came::failed);
    co_await sluice::sleep_for(2s);
    throws = true;
    EXPECT_THROW(fails(b), std::logic_error);
    EXPECT_EQ(b.state(), circuit_state::half_open);
    b.on_change([](circuit_state, circuit_state) { throw std::logic_error{"on_change"}; });
    EXPECT_THROW(succeeds(b), std::logic_error);
    EXPECT_EQ(b.state(), circuit_state::closed);
}

task<> come_and_go(circuit_breaker* b, int* inside) {
    const auto odd = [inside]() -> task<> {
        struct presence {
            explicit presence(int& count) : n{count} { ++n; }
            ~presence() { --n; }
            presence(const presence&) = delete;
            presence& operator=(const presence&) = delete;
            int& n;
        };
        const presence here{*inside};
        co_await sluice::sleep_for(100ms);
        if (sluice::testing::choose(2) == 0) throw failure{};
    };
    for (int i = 0; i < 5; ++i) {
        try {
            co_await b->async_call(odd);
        } catch (const failure&) {
        } catch (const circuit_open&) {}
        co_await sluice::sleep_for(300ms);
    }
}

void closes_in_the_end(sluice::testing::chaos wrong) {
    const auto main = []() -> task<> {
        circuit_breaker b{{.failures = 2, .open_for = 500ms, .probes = 2}};
        int inside = 0;
        std::vector<sluice::join_handle<void>> all;
        for (int i = 0; i < 4; ++i) all.push_back(sluice::go(come_and_go, &b, &inside));
        for (auto& one : all) {
            try {
                co_await one;
            } catch (...) {}
        }
        EXPECT_EQ(inside, 0);
        co_await sluice::sleep_for(1s);
        EXPECT_EQ(succeeds(b), came::through);
        EXPECT_EQ(succeeds(b), came::through);
        EXPECT_EQ(b.state(), circuit_state::closed);
    };
    sluice::testing::exploration_options often;
    often.chaos = wrong;
    EXPECT_SIMULATED(often, main);
}

// CB-04, CB-07
TEST(CircuitBreaker, LosesNoProbeWhoeverIsCanceled) { closes_in_the_end(sluice::testing::chaos{.cancel = 0.1}); }

// CB-04, CB-06
TEST(CircuitBreaker, LosesNoProbeWhateverFails) { closes_in_the_end(sluice::testing::chaos{.fail = 0.1}); }

TEST(CircuitBreaker, ThreadsShareIt) {
    circuit_breaker b{{.failures = 3, .open_for = 1us, .probes = 2}};
    {
        std::vector<std::jthread> callers;
        for (int t = 0; t < 4; ++t)
            callers.emplace_back([&b, t] {
                for (int i = 0; i < 500; ++i) static_cast<void>((i / 5 + t) % 2 == 0 ? fails(b) : succeeds(b));
            });
    }
    for (int i = 0; i < 1000 && b.state() != circuit_state::closed; ++i) static_cast<void>(succeeds(b));
    EXPECT_EQ(b.state(), circuit_state::closed);
}

TEST(CircuitBreaker, WithoutProbesBreaksTheContract) {
    EXPECT_TRUE(sluice_test::breaks_contract([] { circuit_breaker b{{.probes = 0}}; }));
}

}  // namespace
