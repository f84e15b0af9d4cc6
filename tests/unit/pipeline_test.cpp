// SPDX-License-Identifier: BSL-1.0
// pipeline_test.cpp: does a pipeline pass on every value once, in its order, and leave nothing behind however it ends?
#include <sluice/pipeline.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include <sluice/gtest.hpp>

#include "../support/broken_contract.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::batch;
using sluice::buffer;
using sluice::channel;
using sluice::clock;
using sluice::collect;
using sluice::filter;
using sluice::for_each;
using sluice::from;
using sluice::in_flight;
using sluice::ordered;
using sluice::reduce;
using sluice::sleep_for;
using sluice::take;
using sluice::task;
using sluice::transform;
using sluice::unbatch;
using sluice::unordered;
using ints = std::vector<int>;

// Counts those that have not been moved from.
class value {
public:
    explicit value(int number = 0) noexcept : number_{number} { ++live_; }
    value(const value& other) noexcept : number_{other.number_} {
        if (number_ != moved) ++live_;
        ++copies_;
    }
    value(value&& other) noexcept : number_{std::exchange(other.number_, moved)} {}
    value& operator=(value&& other) noexcept {
        if (this == &other) return *this;
        if (number_ != moved) --live_;
        number_ = std::exchange(other.number_, moved);
        return *this;
    }
    ~value() {
        if (number_ != moved) --live_;
    }

    int number() const noexcept { return number_; }
    static int live() noexcept { return live_; }
    static int copies() noexcept { return copies_; }
    static void reset_copies() noexcept { copies_ = 0; }

private:
    static constexpr int moved = -1;
    int number_;
    inline static std::atomic<int> live_{0};
    inline static std::atomic<int> copies_{0};
};

// 0, 1, 2 ... below `end`.
auto count_to(int end) {
    return [next = 0, end]() mutable { return next < end ? std::optional<int>{next++} : std::nullopt; };
}
auto count_for_ever() {
    return [next = 0]() mutable { return std::optional<int>{next++}; };
}
ints numbers(int end) {
    ints all(static_cast<std::size_t>(end));
    std::iota(all.begin(), all.end(), 0);
    return all;
}
int twice(int v) { return 2 * v; }
task<int> twice_later(int v) {
    co_await sluice::yield();
    co_return 2 * v;
}
// The larger, the sooner it is done, within groups of seven.
task<int> out_of_order(int v) {
    co_await sleep_for(std::chrono::milliseconds{7 - v % 7});
    co_return v;
}

// --- stages -----------------------------------------------------------------------------------------------------------

TEST(Pipeline, GivesAThreadWhatItsStagesMake) {
    auto pipe = from({1, 2, 3, 4}) | transform(twice) | filter([](int v) { return v != 4; }) | collect();
    EXPECT_EQ(pipe.run(), (ints{2, 6, 8}));
}

SIMULATED_TEST(Pipeline, GivesATaskWhatItsStagesMake, {.runs = 50}) {
    auto pipe = from({1, 2, 3}) | transform(twice_later) | transform(sluice::blocking(twice)) | collect();
    const ints got = co_await pipe;
    EXPECT_EQ(got, (ints{4, 8, 12}));
}

TEST(Pipeline, TakesStagesThatWereJoinedBefore) {
    const auto clean = filter([](int v) { return v % 2 == 1; }) | transform(twice);
    EXPECT_EQ((from({1, 2, 3}) | clean | collect()).run(), (ints{2, 6}));
    EXPECT_EQ((from({5}) | clean | clean | collect()).run(), ints{});
}

TEST(Pipeline, RefersToAnLvalueRangeAndTakesOverAnRvalue) {
    std::vector<value> values(3);
    value::reset_copies();
    (from(values) | for_each([](const value&) {})).run();
    EXPECT_EQ(value::copies(), 3);
    value::reset_copies();
    (from(std::move(values)) | for_each([](const value&) {})).run();
    EXPECT_EQ(value::copies(), 0);
}

TEST(Pipeline, MovesValuesThatCannotBeCopied) {
    std::vector<std::unique_ptr<int>> values;
    for (int i = 0; i < 300; ++i) values.push_back(std::make_unique<int>(i));
    auto pipe = from(std::move(values)) | buffer(4) | ordered(3, [](std::unique_ptr<int> p) { return p; }) | batch(7) |
                unbatch() | transform([](std::unique_ptr<int> p) { return *p; }) | collect();
    EXPECT_EQ(pipe.run(), numbers(300));
}

TEST(Pipeline, CallsAFunctionAsItsSourceUntilItGivesNothing) {
    EXPECT_EQ((from(count_to(4)) | collect()).run(), numbers(4));
    auto later = [next = 0]() mutable -> task<std::optional<int>> {
        co_await sluice::yield();
        co_return next < 3 ? std::optional<int>{next++} : std::nullopt;
    };
    EXPECT_EQ((from(later) | collect()).run(), numbers(3));
}

SIMULATED_TEST(Pipeline, ReceivesFromAChannelUntilItIsClosed) {
    const channel<int> ch{2};
    auto producer = sluice::go([ch]() -> task<> {
        for (int i = 0; i < 9; ++i) static_cast<void>(co_await ch.async_send(i));
        ch.close();
    });
    auto pipe = from(ch) | collect();
    EXPECT_EQ(co_await pipe, numbers(9));
    co_await producer;
}

SIMULATED_TEST(Pipeline, ThrowsTheErrorThatItsSourceWasClosedWith, {.runs = 100}) {
    const channel<int> ch{2};
    static_cast<void>(ch.try_send(1));
    ch.close(std::make_exception_ptr(std::runtime_error{"the line is cut"}));
    auto pipe = from(ch) | buffer(1) | collect();
    EXPECT_THROW(co_await pipe, std::runtime_error);
}

TEST(Pipeline, FlattensWhatAFunctionGives) {
    auto pipe =
        from({1, 2, 3}) | sluice::flat_map([](int v) { return ints(static_cast<std::size_t>(v), v); }) | collect();
    EXPECT_EQ(pipe.run(), (ints{1, 2, 2, 3, 3, 3}));
    auto wide = from({100'000}) | sluice::flat_map(numbers) | buffer(2) | reduce(0L, std::plus<>{});
    EXPECT_EQ(wide.run(), 4'999'950'000L);
}

TEST(Pipeline, GivesWindowsOfTheNewestValues) {
    EXPECT_EQ((from(count_to(5)) | sluice::window(3) | collect()).run(),
              (std::vector<ints>{{0, 1, 2}, {1, 2, 3}, {2, 3, 4}}));
    EXPECT_EQ((from(count_to(7)) | sluice::window(2, 3) | collect()).run(), (std::vector<ints>{{0, 1}, {3, 4}}));
    EXPECT_EQ((from(count_to(2)) | sluice::window(3) | collect()).run(), std::vector<ints>{});
}

TEST(Pipeline, LetsATapSeeWhatPasses) {
    ints seen;
    EXPECT_EQ((from({1, 2}) | sluice::tap([&](int v) { seen.push_back(v); }) | transform(twice) | collect()).run(),
              (ints{2, 4}));
    EXPECT_EQ(seen, (ints{1, 2}));
}

TEST(Pipeline, ReducesAndFindsTheFirst) {
    EXPECT_EQ((from({"a", "b"}) | reduce(std::string{}, std::plus<>{})).run(), "ab");
    EXPECT_EQ((from(count_for_ever()) | filter([](int v) { return v > 40; }) | sluice::first()).run(), 41);
    EXPECT_EQ((from(ints{}) | sluice::first()).run(), std::nullopt);
}

// PL-06
TEST(Pipeline, GivesFullBatchesAndTheLastOneAsItIs) {
    EXPECT_EQ((from(count_to(5)) | batch(2) | collect()).run(), (std::vector<ints>{{0, 1}, {2, 3}, {4}}));
    EXPECT_EQ((from(ints{}) | batch(2) | collect()).run(), std::vector<ints>{});
}

// PL-06
SIMULATED_TEST(Pipeline, GivesABatchWhenItsFirstValueHasWaitedForItsTime) {
    struct given {
        ints values;
        std::chrono::milliseconds at;
    };
    const auto begin = clock::now();
    auto source = [next = 0]() mutable -> task<std::optional<int>> {
        if (next == 5) co_return std::nullopt;
        co_await sleep_for(next == 3 ? 100ms : 10ms);
        co_return next++;
    };
    std::vector<given> all;
    auto pipe = from(source) | batch(2, 50ms) | for_each([&](ints values) {
                    all.push_back({std::move(values),
                                   std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - begin)});
                });
    co_await pipe;
    // 0 and 1 at 10 and 20, 2 at 30, 3 at 130, 4 at 140.
    EXPECT_EQ(all.size(), 3U);
    EXPECT_EQ(all.at(0).values, (ints{0, 1}));
    EXPECT_EQ(all.at(0).at, 20ms);
    EXPECT_EQ(all.at(1).values, (ints{2}));
    EXPECT_EQ(all.at(1).at, 80ms);
    EXPECT_EQ(all.at(2).values, (ints{3, 4}));
    EXPECT_EQ(all.at(2).at, 140ms);
}

SIMULATED_TEST(Pipeline, ThrottlesToOneValueInADistance, {.runs = 100}) {
    const auto begin = clock::now();
    auto pipe = from(count_to(4)) | sluice::throttle(10ms) | collect();
    EXPECT_EQ(co_await pipe, numbers(4));
    EXPECT_EQ(clock::now() - begin, 30ms);
}

SIMULATED_TEST(Pipeline, ThrottlesToARate, {.runs = 100}) {
    const auto begin = clock::now();
    auto pipe = from(count_to(4)) | sluice::throttle(sluice::per_second(100)) | collect();
    EXPECT_EQ(co_await pipe, numbers(4));
    EXPECT_EQ(clock::now() - begin, 30ms);
    auto fast = from(count_to(4)) | sluice::throttle(sluice::unlimited) | collect();
    EXPECT_EQ(co_await fast, numbers(4));
    EXPECT_EQ(clock::now() - begin, 30ms);
}

SIMULATED_TEST(Pipeline, DebouncesToWhatIsFollowedByQuiet) {
    auto source = [next = 0]() mutable -> task<std::optional<int>> {
        if (next == 6) co_return std::nullopt;
        co_await sleep_for(next == 3 ? 30ms : 5ms);
        co_return next++;
    };
    auto pipe = from(source) | sluice::debounce(20ms) | collect();
    const ints got = co_await pipe;
    EXPECT_EQ(got, (ints{2, 5}));  // 3, 4 and 5 came together, and then the end
}

TEST(Pipeline, OfPlainFunctionsIsOneTask) {
    sluice::runtime rt;
    const auto before = rt.metrics().spawned;
    rt.run([]() -> task<> {
        auto pipe = from(numbers(1000)) | transform(twice) | filter([](int v) { return v % 3 == 0; }) | batch(10) |
                    unbatch() | transform(twice_later) | for_each([](int) {});
        co_await pipe;
    });
    EXPECT_EQ(rt.metrics().spawned - before, 1U);
}

// --- several at once --------------------------------------------------------------------------------------------------

// PL-01
SIMULATED_TEST(Pipeline, GivesEachValueOnceAndAllWhenUnordered) {
    auto pipe = from(count_to(12)) | unordered(3, twice_later) | collect();
    ints got = co_await pipe;
    std::ranges::sort(got);
    EXPECT_EQ(got.size(), 12U);
    for (int i = 0; i < 12; ++i) EXPECT_EQ(got.at(static_cast<std::size_t>(i)), 2 * i);
}

SIMULATED_TEST(Pipeline, RunsNoMoreAtOnceThanItsWidth, {.runs = 200}) {
    int now = 0;
    int most = 0;
    auto work = [&](int v) -> task<int> {
        most = std::max(most, ++now);
        co_await sleep_for(1ms);
        --now;
        co_return v;
    };
    auto wide = from(count_to(20)) | unordered(3, work) | collect();
    EXPECT_EQ((co_await wide).size(), 20U);
    EXPECT_EQ(most, 3);
    most = 0;
    auto in_order = from(count_to(20)) | ordered(4, work) | collect();
    EXPECT_EQ(co_await in_order, numbers(20));
    EXPECT_EQ(most, 4);
}

SIMULATED_TEST(Pipeline, StartsATaskForEachValueWhenUnlimited, {.runs = 200}) {
    const auto begin = clock::now();
    auto work = [](int v) -> task<int> {
        co_await sleep_for(1s);
        co_return v;
    };
    auto pipe = from(count_to(30)) | unordered(sluice::unlimited, work) | collect();
    EXPECT_EQ((co_await pipe).size(), 30U);
    EXPECT_EQ(clock::now() - begin, 1s);
}

// PL-03
SIMULATED_TEST(Pipeline, GivesResultsInTheOrderOfTheValues) {
    auto pipe = from(count_to(40)) | ordered(5, out_of_order) | collect();
    EXPECT_EQ(co_await pipe, numbers(40));
}

// PL-09
SIMULATED_TEST(Pipeline, CallsItsSinkInTurnWhileTheWorkIsConcurrent, {.runs = 300}) {
    int at_work = 0;
    int most_at_work = 0;
    const auto work = [&](int v) -> task<int> {
        most_at_work = std::max(most_at_work, ++at_work);
        co_await sleep_for(std::chrono::milliseconds{7 - v % 7});
        --at_work;
        co_return v;
    };
    bool is_in_sink = false;
    ints got;
    auto pipe = from(count_to(20)) | ordered(4, work) | for_each([&](int v) -> task<> {
                    EXPECT_FALSE(std::exchange(is_in_sink, true));
                    co_await sleep_for(2ms);
                    got.push_back(v);
                    is_in_sink = false;
                });
    co_await pipe;
    EXPECT_EQ(got, numbers(20));
    EXPECT_GT(most_at_work, 1);
}

// PL-04
SIMULATED_TEST(Pipeline, ThrowsTheFirstErrorInTheOrderOfTheValuesWhenOrdered) {
    auto work = [](int v) -> task<int> {
        co_await sleep_for(v == 3 ? 50ms : 1ms);
        if (v >= 3) throw std::runtime_error{std::to_string(v)};
        co_return v;
    };
    ints got;
    auto pipe = from(count_to(40)) | ordered(4, work) | for_each([&](int v) { got.push_back(v); });
    try {
        co_await pipe;
        ADD_FAILURE();
    } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "3");
    }
    EXPECT_EQ(got, numbers(3));
}

// PL-04
SIMULATED_TEST(Pipeline, ThrowsTheFirstErrorInTimeWhenUnordered, {.runs = 300}) {
    auto work = [](int v) -> task<int> {
        co_await sleep_for(v == 0 ? 50ms : 1ms);
        if (v < 2) throw std::runtime_error{std::to_string(v)};
        co_return v;
    };
    auto pipe = from(count_to(40)) | unordered(4, work) | collect();
    try {
        co_await pipe;
        ADD_FAILURE();
    } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "1");
    }
}

// PL-05
SIMULATED_TEST(Pipeline, OfWidthOneWorksStrictlyInTurn, {.runs = 200}) {
    int last = -1;  // no lock: one after the other
    auto work = [&](int v) -> task<int> {
        EXPECT_EQ(last, v - 1);
        co_await sluice::yield();
        last = v;
        co_return v;
    };
    auto pipe = from(count_to(20)) | unordered(1, work) | collect();
    EXPECT_EQ(co_await pipe, numbers(20));
}

TEST(Pipeline, SpreadsQuickAndSlowWorkOverRealWorkers) {
    std::atomic<int> calls{0};
    const auto work = [&](int v) {
        ++calls;
        return v;
    };
    ints got = (from(numbers(20'000)) | buffer(64) | unordered(8, work) | collect()).run();
    std::ranges::sort(got);
    EXPECT_EQ(got, numbers(20'000));
    EXPECT_EQ(calls, 20'000);
    EXPECT_EQ((from(numbers(20'000)) | ordered(8, work) | buffer(64) | collect()).run(), numbers(20'000));
}

// --- bounds -----------------------------------------------------------------------------------------------------------

SIMULATED_TEST(Pipeline, LetsNoMoreInThanItsBound, {.runs = 300}) {
    EXPECT_EQ(value::live(), 0);
    int most = 0;
    auto source = [&, next = 0]() mutable -> std::optional<value> {
        if (next == 60) return std::nullopt;
        most = std::max(most, value::live());
        return value{next++};
    };
    auto keep = [](value v) -> task<value> {
        co_await sleep_for(1ms);
        co_return v;
    };
    auto pipe = from(source) | in_flight(5) | unordered(4, keep) | ordered(4, keep) | buffer(3) | batch(2) |
                sluice::unbatch() | transform([](value v) { return v.number(); }) | collect();
    EXPECT_EQ((co_await pipe).size(), 60U);
    EXPECT_LE(most, 6);  // 5 in it, and the one that waits at its door
    EXPECT_EQ(value::live(), 0);
}

SIMULATED_TEST(Pipeline, HoldsNoMoreThanItsBuffersSay, {.runs = 100}) {
    EXPECT_EQ(value::live(), 0);
    int most = 0;
    auto source = [&, next = 0]() mutable -> std::optional<value> {
        if (next == 2000) return std::nullopt;
        most = std::max(most, value::live());
        return value{next++};
    };
    auto pipe = from(source) | buffer(10) | for_each([](value) -> task<> { co_await sleep_for(1ms); });
    co_await pipe;
    EXPECT_LE(most, 10 + 2 * 64);
}

// As many stand before the workers and behind them as its documentation says, and those in the workers' hands.
template <class Stage>
task<int> most_values_beside(Stage stage) {
    int most = 0;
    auto source = [&, next = 0]() mutable -> std::optional<value> {
        if (next == 3000) return std::nullopt;
        most = std::max(most, value::live());
        return value{next++};
    };
    auto pipe = from(source) | stage | for_each([](value) -> task<> { co_await sleep_for(1ms); });
    co_await pipe;
    EXPECT_EQ(value::live(), 0);
    co_return most;
}

SIMULATED_TEST(Pipeline, HoldsNoMoreBesideItsWorkersThanItSays, {.runs = 5}) {
    const auto same = [](value v) { return v; };
    const auto same_later = [](value v) -> task<value> {
        co_await sleep_for(1ms);
        co_return v;
    };
    const int in_segments = 2 * 64;  // what is about to be sent, and what was received
    const int of_plain = co_await most_values_beside(unordered(4, same));
    EXPECT_LE(of_plain, 2 * 512 + 4 * 64 + in_segments);
    const int of_plain_in_order = co_await most_values_beside(ordered(4, same));
    EXPECT_LE(of_plain_in_order, 2 * 512 + 4 * 64 + in_segments);
    const int of_coroutines = co_await most_values_beside(unordered(4, same_later));
    EXPECT_LE(of_coroutines, 2 * 64 + 4 + in_segments);
    const int of_coroutines_in_order = co_await most_values_beside(ordered(4, same_later));
    EXPECT_LE(of_coroutines_in_order, 2 * 64 + 4 + in_segments);
}

TEST(Pipeline, RefusesWhatCannotWork) {
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(batch(0)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(batch(3, 0s)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(take(0)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(in_flight(0)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(sluice::window(0)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(sluice::throttle(-1s)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(sluice::throttle(sluice::per_second(0))); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(sluice::debounce(0s)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(unordered(0, twice)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(ordered(0, twice)); }));
}

TEST(PipelineDeathTest, RefusesToRunTwice) {
    EXPECT_DEATH(
        {
            auto pipe = from({1}) | collect();
            static_cast<void>(pipe.run());
            static_cast<void>(pipe.run());
        },
        "runs once");
}

TEST(PipelineDeathTest, RefusesABoundBelowItsBatch) {
    EXPECT_DEATH((from({1, 2, 3}) | in_flight(2) | batch(3) | for_each([](const ints&) {})).run(), "never be full");
}

// --- ends -------------------------------------------------------------------------------------------------------------

// PL-02
SIMULATED_TEST(Pipeline, EndsItsSourceWhenNoMoreIsWanted) {
    auto near = from(count_for_ever()) | take(3) | collect();
    EXPECT_EQ(co_await near, numbers(3));
    auto far = from(count_for_ever()) | buffer(2) | unordered(3, twice_later) | buffer(0) | take(3) | collect();
    EXPECT_EQ((co_await far).size(), 3U);
    auto sorted = from(count_for_ever()) | ordered(3, out_of_order) | take(5) | ordered(2, out_of_order) | collect();
    EXPECT_EQ(co_await sorted, numbers(5));
}

// PL-02
SIMULATED_TEST(Pipeline, TellsTheSendersOfItsChannelThatNoMoreIsWanted, {.runs = 300}) {
    const channel<int> ch{0};
    int sent = 0;
    auto producer = sluice::go([&sent, ch]() -> task<> {
        for (;;) {
            const auto so = co_await ch.async_send(sent);
            if (!so) break;
            ++sent;
        }
    });
    auto pipe = from(ch) | buffer(0) | take(2) | collect();
    EXPECT_EQ((co_await pipe).size(), 2U);
    co_await producer;
    EXPECT_GE(sent, 2);
}

SIMULATED_TEST(Pipeline, DoesNotWaitForASourceThatGivesNothingMore, {.runs = 300}) {
    auto source = [next = 0]() mutable -> task<std::optional<int>> {
        if (next == 2) static_cast<void>(co_await sluice::channel<void>{0}.async_receive());  // for ever
        co_return next++;
    };
    auto pipe = from(source) | buffer(1) | take(2) | collect();
    EXPECT_EQ(co_await pipe, numbers(2));
}

// PL-10
SIMULATED_TEST(Pipeline, EndsWhenTheReceiverOfItsSinkGoes, {.runs = 300}) {
    auto [out, in] = sluice::make_channel<int>(1);
    auto consumer = sluice::go([got = std::move(in)]() -> task<> {
        for (int i = 0; i < 3; ++i) static_cast<void>(co_await got.async_receive());
    });
    auto pipe = from(count_for_ever()) | ordered(3, twice_later) | buffer(2) | sluice::to(std::move(out));
    co_await pipe;
    co_await consumer;
}

SIMULATED_TEST(Pipeline, ClosesTheChannelOfTheLastSenderThatItWasGiven, {.runs = 300}) {
    auto [out, in] = sluice::make_channel<int>(1);
    auto consumer = sluice::go([got = std::move(in)]() -> task<ints> {
        ints all;
        while (auto v = co_await got.async_receive()) all.push_back(*v);
        co_return all;
    });
    {
        auto pipe = from(count_to(5)) | sluice::to(std::move(out));
        co_await pipe;
    }
    EXPECT_EQ(co_await consumer, numbers(5));
}

SIMULATED_TEST(Pipeline, StopsCallingASinkThatHasHadEnough, {.runs = 100}) {
    ints got;
    auto pipe = from(count_for_ever()) | buffer(3) | batch(2) | unbatch() | sluice::for_each_while([&](int v) {
                    got.push_back(v);
                    return v < 4;
                });
    co_await pipe;
    EXPECT_EQ(got, numbers(5));
}

// Where the third value fails, and how each function fails.
template <class Make>
void expect_error_from(Make make) {
    const auto all = sluice::testing::explore({.runs = 200, .diagnostics = [](std::string_view) {}}, [&]() -> task<> {
        bool threw = false;
        try {
            auto pipe = make();
            co_await pipe;
        } catch (const std::runtime_error& e) {
            threw = std::string{e.what()} == "third";
        }
        if (!threw) throw std::logic_error{"the error was not rethrown"};
        if (value::live() != 0) throw std::logic_error{"values are left"};
    });
    EXPECT_FALSE(all.failed()) << all.text();
}
value fail_at_third(value v) {
    if (v.number() == 2) throw std::runtime_error{"third"};
    return v;
}
task<value> fail_at_third_later(value v) {
    co_await sluice::yield();
    co_return fail_at_third(std::move(v));
}
auto values_to(int end) {
    return [next = 0, end]() mutable { return next < end ? std::optional<value>{value{next++}} : std::nullopt; };
}

TEST(Pipeline, RethrowsWhatAnyOfItsFunctionsThrows) {
    const auto drop = [] { return for_each([](const value&) {}); };
    expect_error_from([&] {
        return from([next = 0]() mutable -> std::optional<value> {
                   if (next == 2) throw std::runtime_error{"third"};
                   return value{next++};
               }) |
               buffer(1) | drop();
    });
    expect_error_from([&] { return from(values_to(9)) | transform(fail_at_third) | buffer(1) | drop(); });
    expect_error_from([&] { return from(values_to(9)) | buffer(1) | transform(fail_at_third_later) | drop(); });
    expect_error_from([&] { return from(values_to(9)) | transform(sluice::blocking(fail_at_third)) | drop(); });
    expect_error_from([&] {
        return from(values_to(9)) | filter([](const value& v) {
                   if (v.number() == 2) throw std::runtime_error{"third"};
                   return true;
               }) |
               buffer(1) | drop();
    });
    expect_error_from([&] {
        return from(values_to(9)) | sluice::flat_map([](value v) {
                   std::vector<value> one;
                   one.push_back(fail_at_third(std::move(v)));
                   return one;
               }) |
               buffer(1) | drop();
    });
    expect_error_from([&] { return from(values_to(9)) | unordered(3, fail_at_third_later) | buffer(1) | drop(); });
    expect_error_from([&] { return from(values_to(9)) | unordered(3, fail_at_third) | drop(); });
    expect_error_from([&] { return from(values_to(9)) | unordered(sluice::unlimited, fail_at_third) | drop(); });
    expect_error_from(
        [&] { return from(values_to(9)) | ordered(3, fail_at_third_later) | batch(2) | unbatch() | drop(); });
    expect_error_from([&] {
        return from(values_to(9)) | unordered(2, [](value v) { return v; }) |
               for_each([](value v) { static_cast<void>(fail_at_third(std::move(v))); });
    });
    expect_error_from([&] {
        return from(values_to(9)) | buffer(2) |
               reduce(0, [](int n, value v) { return n + fail_at_third(std::move(v)).number(); });
    });
}

// Some wait of it is cancelled, another in each run; then all has ended, and no value is left or was lost twice.
TEST(Pipeline, EndsWhereverItIsCancelled) {
    const auto all = sluice::testing::explore(
        {.runs = 1000, .chaos = {.cancel = 0.05}, .diagnostics = [](std::string_view) {}}, []() -> task<> {
            auto work = [](value v) -> task<value> {
                co_await sleep_for(1ms);
                co_return v;
            };
            int got = 0;
            bool was_ended = false;
            try {
                auto pipe = from(values_to(20)) | in_flight(8) | buffer(2) | unordered(3, work) | batch(3, 5ms) |
                            unbatch() | ordered(2, work) | for_each([&](const value&) { ++got; });
                co_await pipe;
            } catch (const sluice::canceled&) {
                was_ended = true;
            }
            if (!was_ended && got != 20) throw std::logic_error{"values were lost: " + std::to_string(got)};
            if (value::live() != 0) throw std::logic_error{"values are left"};
        });
    EXPECT_FALSE(all.failed()) << all.text();
}

SIMULATED_TEST(Pipeline, EndsWithItsContext, {.runs = 300}) {
    auto pipe = from(count_for_ever()) | buffer(2) | ordered(3, out_of_order) | for_each([](int) {});
    const auto begin = clock::now();
    const auto so = co_await sluice::timeout(100ms, pipe);
    EXPECT_EQ(so, sluice::status::timed_out);
    EXPECT_EQ(clock::now() - begin, 100ms);
}

}  // namespace
