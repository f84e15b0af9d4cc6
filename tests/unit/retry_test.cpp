// SPDX-License-Identifier: BSL-1.0
// retry_test.cpp: is a call made again when that may help, and only then, and in time?

#include <sluice/retry.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sluice/circuit_breaker.hpp>
#include <sluice/gtest.hpp>
#include <sluice/pipeline.hpp>
#include <sluice/race.hpp>
#include <sluice/rate_limiter.hpp>

#include "../support/broken_contract.hpp"
#include "../support/counted.hpp"
#include "../support/sanitized.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::backoff;
using sluice::canceled;
using sluice::clock;
using sluice::jitter;
using sluice::retry;
using sluice::retry_budget;
using sluice::retry_policy;
using sluice::sleep_for;
using sluice::status;
using sluice::task;
using sluice::wait;
using sluice_test::breaks_contract;
using sluice_test::counted;

using value = counted<struct of_a_retry>;
using durations = std::vector<clock::duration>;

struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct transient : failure {
    using failure::failure;
};
struct busy : std::runtime_error {
    explicit busy(clock::duration asked) : std::runtime_error{"busy"}, retry_after{asked} {}
    clock::duration retry_after;
};

/// Fails so often, then gives how often it was called.
struct failing {
    explicit failing(int failures, clock::duration took = {}) : left{failures}, takes{took} {}
    task<int> operator()() {
        ++calls;
        if (takes > takes.zero()) co_await sleep_for(takes);
        if (left-- > 0) throw transient{"failure " + std::to_string(calls)};
        co_return calls;
    }
    int left;
    clock::duration takes;
    int calls = 0;
};

const backoff even{1s, 1, 1s, jitter::none};

template <class T>
task<std::string> thrown_by(task<T> of) {
    std::string said = "nothing";
    try {
        static_cast<void>(co_await std::move(of));
    } catch (const std::exception& e) {
        said = e.what();
    } catch (const canceled&) {
        said = "canceled";
    }
    co_return said;
}

// --- how often and when -----------------------------------------------------------------------------------------------

SIMULATED_TEST(Retry, ASuccessIsGivenAtOnce, {.runs = 50}) {
    failing f{0};
    const auto began = clock::now();
    const int calls = co_await retry(retry_policy{}, std::ref(f));
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(clock::now(), began);
}

SIMULATED_TEST(Retry, AFailureIsFollowedByAPauseAndAnotherAttempt, {.runs = 50}) {
    failing f{2, 1s};
    const auto began = clock::now();
    const int calls = co_await retry(retry_policy{}.backoff({10s, 3, 1h, jitter::none}), std::ref(f));
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(clock::now() - began, 1s + 10s + 1s + 30s + 1s);
}

SIMULATED_TEST(Retry, TheLastAttemptsErrorIsThrownItself, {.runs = 50}) {
    failing f{9};
    const auto began = clock::now();
    const std::string said = co_await thrown_by(retry(retry_policy{3}.backoff(even), std::ref(f)));
    EXPECT_EQ(said, "failure 3");
    EXPECT_EQ(clock::now() - began, 2s);
}

SIMULATED_TEST(Retry, BracesGiveTheNumberOfAttempts, {.runs = 20}) {
    failing f{9};
    const std::string said = co_await thrown_by(retry({2}, std::ref(f)));
    EXPECT_EQ(said, "failure 2");
    failing one{1};
    const int calls = co_await retry({}, std::ref(one));
    EXPECT_EQ(calls, 2);
}

SIMULATED_TEST(Retry, WithoutALimitItGoesOn, {.runs = 5}) {
    failing f{1000};
    const int calls = co_await retry(retry_policy{sluice::unlimited}.backoff(0s), std::ref(f));
    EXPECT_EQ(calls, 1001);
}

TEST(Backoff, GrowsByItsFactorUpToTheLongest) {
    const backoff b{100ms, 2, 1s};
    const durations wanted{100ms, 200ms, 400ms, 800ms, 1s, 1s};
    for (std::size_t i = 0; i != wanted.size(); ++i) EXPECT_EQ(b.whole(i + 1), wanted[i]);
    EXPECT_EQ(b.whole(1'000'000), 1s);
    EXPECT_EQ((backoff{0s, 2, 1s}).whole(5), 0s);
    EXPECT_EQ((backoff{1s, 1, clock::duration::max()}).whole(7), 1s);
    EXPECT_EQ((backoff{1s, 9, clock::duration::max()}).whole(900), clock::duration::max());
}

TEST(Backoff, FullJitterIsAnythingAndEqualJitterAtLeastHalf) {
    const backoff full{1s, 1, 1s};
    const backoff equal{1s, 1, 1s, jitter::equal};
    auto least = clock::duration::max();
    auto most = clock::duration::min();
    for (int i = 0; i < 2000; ++i) {
        least = std::min(least, full.next(1));
        most = std::max(most, full.next(1));
        EXPECT_GE(full.next(1), 0s);
        EXPECT_LE(full.next(1), 1s);
        EXPECT_GE(equal.next(1), 500ms);
        EXPECT_LE(equal.next(1), 1s);
    }
    EXPECT_LT(least, 50ms);
    EXPECT_GT(most, 950ms);
}

TEST(Backoff, ASimulationMakesTheSamePausesAgain) {
    const auto pauses = [](std::uint64_t seed) {
        durations all;
        sluice::testing::simulation_options options;
        options.seed = seed;
        auto draw = [&]() -> task<> {
            for (std::size_t i = 1; i != 8; ++i) all.push_back(backoff{}.next(i));
            co_return;
        };
        sluice::testing::simulate(options, draw).value();
        return all;
    };
    EXPECT_EQ(pauses(7), pauses(7));
    EXPECT_NE(pauses(7), pauses(8));
}

// --- after what -------------------------------------------------------------------------------------------------------

SIMULATED_TEST(Retry, TheErrorDecidesByItsType, {.runs = 20}) {
    const auto policy = retry_policy{}.backoff(even).retry_if([](const transient&) { return true; });
    failing cured{1};
    const int calls = co_await retry(policy, std::ref(cured));
    EXPECT_EQ(calls, 2);
    int made = 0;
    const auto broken = [&]() -> task<> {
        ++made;
        throw failure{"broken"};
        co_return;
    };
    const std::string said = co_await thrown_by(retry(policy, broken));
    EXPECT_EQ(said, "broken");
    EXPECT_EQ(made, 1);
}

SIMULATED_TEST(Retry, OfSeveralDecisionsOneIsEnough, {.runs = 20}) {
    const auto any = retry_policy{}
                         .backoff(even)
                         .retry_if([](const busy&) { return true; })
                         .retry_if([](const std::exception_ptr& e) { return sluice::detail::what_of(e) == "mine"; });
    int made = 0;
    const auto several = [&] {
        if (++made == 1) throw failure{"mine"};
        if (made == 2) throw busy{0s};
        if (made == 3) throw failure{"not mine"};
    };
    const std::string said = co_await thrown_by(retry(any, several));
    EXPECT_EQ(said, "not mine");
}

SIMULATED_TEST(Retry, AnErrorMaySayHowLongToWait, {.runs = 20}) {
    const auto policy = retry_policy{}.backoff(even).delay_of([](const busy& b) { return b.retry_after; });
    int made = 0;
    const auto told = [&] {
        ++made;
        if (made == 1) throw busy{1h};
        if (made == 2) throw busy{-1h};
        if (made == 3) throw failure{"says nothing"};
    };
    const auto began = clock::now();
    co_await retry(policy, told);
    EXPECT_EQ(clock::now() - began, 1h + 1s);
}

SIMULATED_TEST(Retry, ABadResultIsAFailureAndTheLastOneIsGiven, {.runs = 50}) {
    int calls = 0;
    const auto status_code = [&]() -> task<int> { co_return calls < 2 ? 500 + calls++ : 200; };
    const auto bad = [](int code) { return code >= 500; };
    const auto policy = retry_policy{3}.backoff(even).retry_if_result(bad);
    const int good = co_await retry(policy, status_code);
    EXPECT_EQ(good, 200);
    const auto always = [n = 500]() mutable { return n++; };
    const int last = co_await retry(policy, always);
    EXPECT_EQ(last, 502);
}

SIMULATED_TEST(Retry, AnAttemptThatTookTooLongIsMadeAgain, {.runs = 50}) {
    int calls = 0;
    const auto slow_at_first = [&]() -> task<int> {
        if (++calls == 1) co_await sleep_for(1h);
        co_return calls;
    };
    const auto limited = [&] { return sluice::timeout(2s, slow_at_first()); };
    const auto late = [](const sluice::received<int>& r) { return r == status::timed_out; };
    const auto began = clock::now();
    const auto got = co_await retry(retry_policy{}.backoff(even).retry_if_result(late), limited);
    EXPECT_EQ(got.value(), 2);
    EXPECT_EQ(clock::now() - began, 3s);
}

SIMULATED_TEST(Retry, TellsWhatItDoes, {.runs = 20}) {
    std::vector<std::string> log;
    const auto tell = [&log](std::size_t attempt, const std::exception_ptr& error, clock::duration delay) {
        log.push_back(std::to_string(attempt) + " " + (error ? sluice::detail::what_of(error) : "bad") + " " +
                      std::to_string(delay / 1s));
    };
    const auto policy = retry_policy{3}.backoff({1s, 2, 9s, jitter::none}).on_retry(tell);
    const auto odd = [](std::size_t attempt) -> std::size_t {
        if (attempt == 1) throw failure{"no"};
        return attempt;
    };
    const auto got = co_await retry(policy.retry_if_result([](std::size_t n) { return n < 3; }), odd);
    EXPECT_EQ(got, 3u);
    EXPECT_EQ(log, (std::vector<std::string>{"1 no 1", "2 bad 2"}));
}

// --- what is called ---------------------------------------------------------------------------------------------------

SIMULATED_TEST(Retry, CallsWhatIsPlainACoroutineOrBlocks, {.runs = 50}) {
    const auto policy = retry_policy{}.backoff(even);
    const auto plain = [](std::size_t attempt) { return attempt < 2 ? throw failure{"plain"} : attempt; };
    const auto one = co_await retry(policy, plain);
    EXPECT_EQ(one, 2u);
    const auto coroutine = [](std::size_t attempt) -> task<std::size_t> {
        co_await sluice::yield();
        if (attempt < 3) throw failure{"coroutine"};
        co_return attempt;
    };
    const auto two = co_await retry(policy, coroutine);
    EXPECT_EQ(two, 3u);
    const auto three = co_await retry(policy, sluice::blocking(plain));
    EXPECT_EQ(three, 2u);
    const auto later = [&] { return sluice::blocking(plain, std::size_t{4}); };
    const auto four = co_await retry(policy, later);
    EXPECT_EQ(four, 4u);
}

SIMULATED_TEST(Retry, GivesNothingOrAReferenceToo, {.runs = 20}) {
    int made = 0;
    const auto nothing = [&]() -> task<> {
        if (++made < 3) throw failure{"nothing"};
        co_return;
    };
    co_await retry({5}, nothing);
    EXPECT_EQ(made, 3);
    const auto reference = [&]() -> task<int&> { co_return made; };
    int& same = co_await retry({5}, reference);
    EXPECT_EQ(&same, &made);
    const auto is_three = [](const int& n) { return n == 4; };
    int& judged = co_await retry(retry_policy{2}.retry_if_result(is_three), reference);
    EXPECT_EQ(&judged, &made);
}

SIMULATED_TEST(Retry, KeepsOneResultAtATime, {.runs = 50}) {
    {
        const auto give = [](std::size_t attempt) -> task<value> {
            EXPECT_EQ(value::live(), 0);
            co_return value{static_cast<int>(attempt)};
        };
        const auto bad = [](const value& v) { return v.value() < 4; };
        const value last = co_await retry(retry_policy{4}.backoff(even).retry_if_result(bad), give);
        EXPECT_EQ(last.value(), 4);
        EXPECT_EQ(value::copies(), 0);
    }
    EXPECT_EQ(value::live(), 0);
}

SIMULATED_TEST(Retry, WhatAFunctionOfThePolicyThrowsIsTheEnd, {.runs = 20}) {
    const auto fails = [] { throw failure{"call"}; };
    const auto throws = [](const std::exception_ptr&) -> bool { throw failure{"retry_if"}; };
    const std::string decided = co_await thrown_by(retry(retry_policy{}.retry_if(throws), fails));
    EXPECT_EQ(decided, "retry_if");
    const auto tell = [](std::size_t, const std::exception_ptr&, clock::duration) { throw failure{"on_retry"}; };
    const std::string told = co_await thrown_by(retry(retry_policy{}.on_retry(tell), fails));
    EXPECT_EQ(told, "on_retry");
    const auto ask = [](const failure&) -> clock::duration { throw failure{"delay_of"}; };
    const std::string asked = co_await thrown_by(retry(retry_policy{}.delay_of(ask), fails));
    EXPECT_EQ(asked, "delay_of");
    const auto judge = [](int) -> bool { throw failure{"retry_if_result"}; };
    const auto gives = [] { return 1; };
    const std::string judged = co_await thrown_by(retry(retry_policy{}.retry_if_result(judge), gives));
    EXPECT_EQ(judged, "retry_if_result");
}

// --- until when -------------------------------------------------------------------------------------------------------

SIMULATED_TEST(Retry, ACancellationEndsAPauseAtOnceAndIsNotTriedAgain, {.runs = 200}) {
    failing f{9};
    auto going = sluice::go([&]() -> task<std::string> {
        co_return co_await thrown_by(retry(retry_policy{}.backoff({1h, 1, 1h, jitter::none}), std::ref(f)));
    });
    const auto began = clock::now();
    co_await sluice::yield();
    going.cancel();
    std::string said = "canceled";
    try {
        said = co_await going;
    } catch (const canceled&) {}  // before its first step
    EXPECT_EQ(said, "canceled");
    EXPECT_LE(f.calls, 1);
    EXPECT_EQ(clock::now(), began);
}

SIMULATED_TEST(Retry, ACancellationFromWithinIsNotTriedAgain, {.runs = 20}) {
    int made = 0;
    const auto ends = [&] {
        ++made;
        throw canceled{};
    };
    const std::string said = co_await thrown_by(retry(retry_policy{}, ends));
    EXPECT_EQ(said, "canceled");
    EXPECT_EQ(made, 1);
}

SIMULATED_TEST(Retry, APauseUpToTheDeadlineIsNotBegun, {.runs = 50}) {
    failing f{9};
    const auto began = clock::now();
    auto tried = retry(retry_policy{9}.backoff({1s, 2, 1h, jitter::none}), std::ref(f));
    const auto said = co_await sluice::timeout(7s, thrown_by(std::move(tried)));
    EXPECT_EQ(said.value(), "failure 3");  // after 1 s, 2 s, and not 4 s
    EXPECT_EQ(clock::now() - began, 3s);
}

SIMULATED_TEST(Retry, UnderAShieldTheDeadlineDoesNotCount, {.runs = 20}) {
    failing f{2};
    auto tried = [&]() -> task<int> {
        co_return co_await sluice::shielded(retry(retry_policy{}.backoff({1s, 2, 1h, jitter::none}), std::ref(f)));
    };
    const auto calls = co_await sluice::timeout(2s, tried());
    EXPECT_EQ(calls.value(), 3);
}

// --- the budget of all ------------------------------------------------------------------------------------------------

SIMULATED_TEST(RetryBudget, BoundsTheShareOfAttemptsAgain, {.runs = 20}) {
    retry_budget of_all{0.1, 10};
    int made = 0;
    const auto down = [&]() -> task<> {
        ++made;
        throw failure{"down"};
        co_return;
    };
    const auto policy = retry_policy{4}.backoff(0s).budget(of_all);
    for (int i = 0; i < 200; ++i) {
        const std::string said = co_await thrown_by(retry(policy, down));
        EXPECT_EQ(said, "down");
    }
    EXPECT_LE(made, 200 + 10 + 20);
    EXPECT_GE(made, 200 + 10 + 19);
    EXPECT_LT(of_all.tokens(), 1);
}

TEST(RetryBudget, IsFilledByCallsUpToItsBurst) {
    retry_budget b{0.5, 2};
    b.note_call();
    EXPECT_EQ(b.tokens(), 2);
    EXPECT_TRUE(b.try_take());
    EXPECT_TRUE(b.try_take());
    EXPECT_FALSE(b.try_take());
    b.note_call();
    EXPECT_FALSE(b.try_take());
    b.note_call();
    EXPECT_TRUE(b.try_take());
    retry_budget none{0, 0};
    none.note_call();
    EXPECT_FALSE(none.try_take());
}

SIMULATED_TEST(RetryBudget, IsNotTakenFromForAnAttemptThatIsNotMade, {.runs = 20}) {
    retry_budget of_all{0, 5};
    const auto fails = [] { throw failure{"no"}; };
    const auto policy = retry_policy{2}.backoff(1h).budget(of_all);
    static_cast<void>(co_await thrown_by(retry(policy.retry_if([](const transient&) { return true; }), fails)));
    static_cast<void>(co_await sluice::timeout(1s, thrown_by(retry(policy.backoff(even), fails))));
    EXPECT_EQ(of_all.tokens(), 5);
    static_cast<void>(co_await thrown_by(retry(policy, fails)));
    EXPECT_EQ(of_all.tokens(), 4);
}

TEST(RetryBudget, IsSharedByThreads) {
    retry_budget of_all{0.25, 8};
    std::atomic<int> again{0};
    const auto fails = [](std::size_t attempt) { throw failure{std::to_string(attempt)}; };
    const auto policy = retry_policy{sluice::unlimited}.backoff(0s).budget(of_all).on_retry(
        [&](std::size_t, const std::exception_ptr&, clock::duration) { ++again; });
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < 4; ++i)
            callers.emplace_back([&] {
                for (int n = 0; n < 100; ++n) EXPECT_THROW(wait(retry(policy, fails)), failure);
            });
    }
    EXPECT_LE(again, 8 + 100);
    EXPECT_GE(again, 100);
    EXPECT_LT(of_all.tokens(), 9);
}

// --- whatever happens -------------------------------------------------------------------------------------------------

task<> every_kind() {
    retry_budget of_all;
    int calls = 0;
    const auto odd = [&](std::size_t) -> task<value> {
        const value held{calls};
        co_await sleep_for(1s);
        if (++calls % 3 != 0) throw transient{"odd"};
        co_return value{calls};
    };
    const auto bad = [](const value& v) { return v.value() % 2 != 0; };
    const auto policy = retry_policy{5}.budget(of_all);
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(co_await retry(policy, odd));
        static_cast<void>(co_await sluice::timeout(9s, retry(policy.retry_if_result(bad), odd)));
    }
}

void nothing_is_left(sluice::testing::chaos wrong) {
    const auto main = []() -> task<> {
        for (int i = 0; i < 3; ++i) {
            auto one = sluice::go(every_kind);
            try {
                co_await one;
            } catch (...) {}
            EXPECT_EQ(value::live(), 0);
        }
    };
    sluice::testing::exploration_options often;
    often.chaos = wrong;
    EXPECT_SIMULATED(often, main);
}

TEST(Retry, LeavesNothingBehindWhateverIsCanceled) { nothing_is_left(sluice::testing::chaos{.cancel = 0.05}); }

TEST(Retry, LeavesNothingBehindWhateverFails) { nothing_is_left(sluice::testing::chaos{.fail = 0.05}); }

TEST(Retry, AThreadBlocksForIt) {
    int calls = 0;
    const auto third = [&] {
        if (++calls < 3) throw failure{"not yet"};
        return calls;
    };
    EXPECT_EQ(wait(retry(retry_policy{}.backoff(1us), third)), 3);
    EXPECT_THROW(wait(retry({1}, [] { throw failure{"no"}; })), failure);
}

// --- together with the others -----------------------------------------------------------------------------------------

/// Backends that are slow or fail as the seed says, and what is known of them.
struct backends {
    task<value> ask(int key) {
        struct presence {
            explicit presence(int& n) : count{n} { ++count; }
            ~presence() { --count; }
            presence(const presence&) = delete;
            presence& operator=(const presence&) = delete;
            int& count;
        };
        const presence here{inside};
        ++asked;
        most = std::max(most, inside);
        co_await sleep_for(10ms * sluice::testing::choose(8));
        if (sluice::testing::choose(4) == 0) throw transient{"backend"};
        co_return value{key};
    }
    int inside = 0;
    int most = 0;
    int asked = 0;
};

// Gives whether all keys were answered.
task<bool> all_together() {
    backends eu;
    backends us;
    sluice::rate_limiter limit{sluice::per_second(100), 10};
    sluice::circuit_breaker breaker{{.failures = 3, .open_for = 20ms}};
    const auto policy = retry_policy{4}.backoff({10ms, 2, 100ms});
    const auto began = clock::now();
    bool all_answered = false;
    {
        auto answers = sluice::from(std::vector{1, 2, 3, 4, 5, 6}) |
                       sluice::unordered(3,
                                         [&](int key) -> task<sluice::received<value>> {
                                             co_return co_await sluice::timeout(
                                                 200ms, retry(policy, [&] {
                                                     return limit.async_call([&] {
                                                         return breaker.async_call([&] {
                                                             return sluice::race([&] { return eu.ask(key); },
                                                                                 [&] { return us.ask(key); });
                                                         });
                                                     });
                                                 }));
                                         }) |
                       sluice::collect();
        try {
            const auto got = co_await answers;
            all_answered = got.size() == 6;
            for (const auto& answer : got) {
                EXPECT_TRUE(answer || answer == status::timed_out);
                all_answered &= answer.has_value();
            }
        } catch (const failure&) {  // of the last attempt for one key
        } catch (const sluice::circuit_open&) {
        } catch (const sluice::rate_limited&) {}
    }
    EXPECT_LE(clock::now() - began, 400ms);
    const double turns = 10 + 100 * std::chrono::duration<double>(clock::now() - began).count();
    EXPECT_LE(eu.asked, turns);
    EXPECT_LE(us.asked, turns);
    EXPECT_EQ(eu.inside + us.inside, 0);
    EXPECT_LE(eu.most, 3);
    EXPECT_LE(us.most, 3);
    EXPECT_LE(eu.asked, 24);
    EXPECT_EQ(value::live(), 0);
    co_return all_answered;
}

void all_hold_together(sluice::testing::chaos wrong) {
    std::atomic<int> runs{0};
    std::atomic<int> answered{0};
    const auto main = [&]() -> task<> {
        ++runs;
        auto one = sluice::go(all_together);
        try {
            if (co_await one) ++answered;
        } catch (const canceled&) {
        } catch (const sluice::testing::injected_failure&) {}
        EXPECT_EQ(value::live(), 0);
    };
    sluice::testing::exploration_options often;
    often.runs = static_cast<std::uint64_t>(sluice_test::many(1000));
    often.chaos = wrong;
    EXPECT_SIMULATED(often, main);
    EXPECT_GE(answered, runs / 10);
}

TEST(RetryOfALimitedGuardedRace, IsOneStageUnderADeadline) { all_hold_together({}); }

TEST(RetryOfALimitedGuardedRace, LeavesNothingBehindWhateverIsCanceled) {
    all_hold_together(sluice::testing::chaos{.cancel = 0.02});
}

TEST(RetryOfALimitedGuardedRace, LeavesNothingBehindWhateverFails) {
    all_hold_together(sluice::testing::chaos{.fail = 0.02});
}

// --- bad use ----------------------------------------------------------------------------------------------------------

TEST(Retry, BadPoliciesBreakTheContractAndAreToldWithTheirPlace) {
    EXPECT_TRUE(breaks_contract([] { static_cast<void>(retry_policy{0}); }));
    EXPECT_TRUE(breaks_contract([] { static_cast<void>(backoff{-1s}); }));
    EXPECT_TRUE(breaks_contract([] { static_cast<void>(backoff{1s, 0.5}); }));
    EXPECT_TRUE(breaks_contract([] { static_cast<void>(backoff{1s, 2, 500ms}); }));
    EXPECT_TRUE(breaks_contract([] { retry_budget b{-0.1}; }));
    const auto told = sluice_test::violation_of([] { static_cast<void>(retry_policy{}.backoff(-1s)); });
    ASSERT_TRUE(told);
    EXPECT_NE(std::string_view{told->where.file_name()}.find("retry_test"), std::string_view::npos);
}

}  // namespace
