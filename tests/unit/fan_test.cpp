// SPDX-License-Identifier: BSL-1.0
// fan_test.cpp: is each item worked on once, and does the end of either side reach all that was started?

#include <sluice/fan.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/gtest.hpp>
#include <sluice/timer.hpp>

#include "../support/broken_contract.hpp"
#include "../support/sanitized.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::channel;
using sluice::receiver;
using sluice::task;
using sluice_test::many;

task<> send_up_to(sluice::sender<int> out, int last) {
    for (int i = 1; i <= last; ++i)
        if (!co_await out.async_send(i)) co_return;
}
receiver<int> numbers(int last) {
    auto [out, in] = sluice::make_channel<int>(4);
    sluice::go(send_up_to, std::move(out), last);
    return std::move(in);
}
task<long> sum_of(receiver<int> in) {
    long sum = 0;
    while (auto v = co_await in.async_receive()) sum += *v;
    co_return sum;
}
int twice(int n) { return 2 * n; }
task<int> twice_later(int n) {
    co_await sluice::sleep_for(std::chrono::seconds{sluice::testing::choose(3)});
    co_return 2 * n;
}

// PL-01
SIMULATED_TEST(FanOut, GivesTheResultOfEachItemOnce) {
    const sluice::testing::leak_check nothing_is_left;
    EXPECT_EQ(co_await sum_of(sluice::fan_out(numbers(40), 3, twice)), 40 * 41);
    EXPECT_EQ(co_await sum_of(sluice::fan_out(numbers(40), 3, twice_later)), 40 * 41);
    EXPECT_EQ(co_await sum_of(sluice::fan_out(numbers(40), sluice::unlimited, twice_later)), 40 * 41);
}

// PL-05
SIMULATED_TEST(FanOut, OfWidthOneWorksStrictlyOneAfterTheOther) {
    std::vector<int> seen;
    const auto note = [&seen](int n) -> task<int> {
        co_await sluice::yield();
        seen.push_back(n);
        co_return n;
    };
    co_await sum_of(sluice::fan_out(numbers(20), 1, note));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i + 1);
}

// PL-04
SIMULATED_TEST(FanOut, ClosesWithTheFirstErrorAfterAllHaveEnded) {
    const sluice::testing::leak_check nothing_is_left;
    const auto fail = [](int n) -> task<int> {
        co_await sluice::yield();
        if (n == 5) throw std::runtime_error{"five"};
        co_return n;
    };
    const auto [out, in] = sluice::make_channel<int>(10);
    for (int i = 1; i <= 10; ++i) static_cast<void>(co_await out.async_send(i));
    const auto results = sluice::fan_out(in, 3, fail);
    auto v = co_await results.async_receive();
    while (v) v = co_await results.async_receive();
    EXPECT_TRUE(v.error());
    EXPECT_TRUE(out.is_closed());
}

// PL-02
SIMULATED_TEST(FanOut, AConsumerThatLeavesEndsTheWorkersAndTheInput) {
    const sluice::testing::leak_check nothing_is_left;
    const auto [out, in] = sluice::make_channel<int>(0);
    {
        const auto chained = sluice::ordered(sluice::fan_out(in, 3, twice), 2, twice_later);
        static_cast<void>(co_await out.async_send(1));
        static_cast<void>(co_await chained.async_receive());
    }
    co_await sluice::sleep_for(10s);
    EXPECT_TRUE(out.is_closed());
}

// PL-03
SIMULATED_TEST(Ordered, GivesTheResultsInTheOrderOfTheInput) {
    const sluice::testing::leak_check nothing_is_left;
    const auto results = sluice::ordered(numbers(30), 4, twice_later);
    for (int i = 1; i <= 30; ++i) EXPECT_EQ((co_await results.async_receive()).value(), 2 * i);
    EXPECT_FALSE(co_await results.async_receive());
}

// PL-04
SIMULATED_TEST(Ordered, TellsTheFirstErrorInTheOrderOfTheInputAfterTheResultsBeforeIt) {
    const auto fail = [](int n) -> task<int> {
        co_await sluice::sleep_for(std::chrono::seconds{10 - n});
        if (n >= 3) throw n;
        co_return n;
    };
    const auto results = sluice::ordered(numbers(8), 4, fail);
    EXPECT_EQ((co_await results.async_receive()).value(), 1);
    EXPECT_EQ((co_await results.async_receive()).value(), 2);
    int error = 0;
    try {
        (co_await results.async_receive()).value();
    } catch (int n) {
        error = n;
    }
    EXPECT_EQ(error, 3);
}

// PL-07
SIMULATED_TEST(FanIn, OneInputThatGivesNothingDelaysNobody) {
    const auto [out, silent] = sluice::make_channel<int>(0);
    const auto merged = sluice::fan_in(silent, numbers(20), numbers(20));
    long sum = 0;
    for (int i = 0; i < 40; ++i) sum += (co_await merged.async_receive()).value();
    EXPECT_EQ(sum, 20 * 21);
    out.close();
    EXPECT_FALSE(co_await merged.async_receive());
}

SIMULATED_TEST(Merger, TakesInputsThatComeAndGo) {
    auto [inputs, merged] = sluice::make_merger<int>();
    const channel<int> first{4};
    const auto id = inputs.add(first);
    static_cast<void>(co_await first.async_send(1));
    EXPECT_EQ((co_await merged.async_receive()).value(), 1);
    EXPECT_TRUE(inputs.remove(id));
    EXPECT_FALSE(inputs.remove(id));
    inputs.add(numbers(3));
    inputs.close();
    EXPECT_EQ(co_await sum_of(std::move(merged)), 6);
    EXPECT_FALSE(first.is_closed());
}

// PL-08
SIMULATED_TEST(Tee, GivesEveryItemToAllThatHaveNotLeft) {
    const sluice::testing::leak_check nothing_is_left;
    auto outs = sluice::tee(numbers(20), 3);
    outs.pop_back();
    auto other = sluice::go(sum_of, outs[1]);
    EXPECT_EQ(co_await sum_of(outs[0]), 210);
    EXPECT_EQ(co_await other, 210);
}

// PL-11
SIMULATED_TEST(RoundRobin, DealsTheItemsInTurn) {
    const auto outs = sluice::round_robin(numbers(10), 2);
    for (int i = 1; i <= 10; ++i)
        EXPECT_EQ((co_await outs[static_cast<std::size_t>((i + 1) % 2)].async_receive()).value(), i);
}

SIMULATED_TEST(Keyed, KeepsTheOrderOfEachKey) {
    const auto results = sluice::keyed(numbers(30), 3, [](int n) { return n % 5; }, twice_later);
    std::vector<int> last(5, 0);
    while (auto v = co_await results.async_receive()) {
        const int n = *v / 2;
        EXPECT_GT(n, last[static_cast<std::size_t>(n % 5)]);
        last[static_cast<std::size_t>(n % 5)] = n;
    }
    for (int k = 0; k < 5; ++k) EXPECT_GE(last[static_cast<std::size_t>(k)], 26);
}

TEST(FanOut, ServesPlainThreads) {
    long sum = 0;
    for (const int v : sluice::fan_out(numbers(1000), 4, twice)) sum += v;
    EXPECT_EQ(sum, 1000 * 1001);
}

// --- what holds for all of them -------------------------------------------------------------------------------------

// Counts those that have not been moved from.
class value {
public:
    explicit value(int number = 0) noexcept : number_{number} { ++live_; }
    value(const value& other) noexcept : number_{other.number_} {
        if (number_ != moved) ++live_;
    }
    value(value&& other) noexcept : number_{std::exchange(other.number_, moved)} {}
    value& operator=(value other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~value() {
        if (number_ != moved) --live_;
    }
    int number() const noexcept { return number_; }
    static int live() noexcept { return live_; }

private:
    static constexpr int moved = -1;
    int number_;
    inline static std::atomic<int> live_{0};
};
using values = std::vector<receiver<value>>;

value same(value v) { return v; }
task<value> same_later(value v) {
    co_await sluice::sleep_for(std::chrono::milliseconds{sluice::testing::choose(3)});
    co_return v;
}
int key_of(const value& v) { return v.number() % 5; }
value fails_at_five(value v) {
    if (v.number() == 5) throw std::runtime_error{"five"};
    return v;
}
task<value> fails_at_five_later(value v) {
    co_await sluice::yield();
    co_return fails_at_five(std::move(v));
}
int key_that_fails(const value& v) { return fails_at_five(v).number(); }

template <class Receiver>
values only(Receiver out) {
    values all;
    all.push_back(std::move(out));
    return all;
}
values merged(const receiver<value>& in) {
    auto [inputs, out] = sluice::make_merger<value>();
    inputs.add(in);
    inputs.add(in);
    return only(std::move(out));
}

struct pattern {
    const char* name;
    values (*of)(const receiver<value>&);
    int most;  // how many values it holds at most, when nobody takes any
    bool is_in_order = false;
    bool copies = false;
};
std::ostream& operator<<(std::ostream& to, const pattern& p) { return to << p.name; }

// The bounds are what fan.hpp says. Those of `unlimited` are none.
constexpr int no_bound = 1'000'000;
const pattern patterns[] = {
    {"FanOut", [](const receiver<value>& in) { return only(sluice::fan_out(in, 3, same_later)); }, 3 + 3},
    {"FanOutOfPlain", [](const receiver<value>& in) { return only(sluice::fan_out(in, 3, same)); }, 3 * 2 * 16 + 64},
    {"FanOutOfBlocking", [](const receiver<value>& in) { return only(sluice::fan_out(in, 2, sluice::blocking(same))); },
     2 + 2},
    {"FanOutOfOne", [](const receiver<value>& in) { return only(sluice::fan_out(in, 1, same_later)); }, 1 + 1, true},
    {"FanOutUnlimited",
     [](const receiver<value>& in) { return only(sluice::fan_out(in, sluice::unlimited, same_later)); }, no_bound},
    {"Ordered", [](const receiver<value>& in) { return only(sluice::ordered(in, 3, same_later)); }, 3 + 3, true},
    {"OrderedOfPlain", [](const receiver<value>& in) { return only(sluice::ordered(in, 3, same)); }, 3 + 3, true},
    {"Keyed", [](const receiver<value>& in) { return only(sluice::keyed(in, 3, key_of, same_later)); },
     3 * (16 + 1) + 3 + 1},
    {"Tee", [](const receiver<value>& in) { return sluice::tee(in, 3); }, 3 + 1 + 3, true, true},
    {"RoundRobin", [](const receiver<value>& in) { return sluice::round_robin(in, 3); }, 3 + 1, true},
    {"FanIn", [](const receiver<value>& in) { return only(sluice::fan_in(in, in)); }, 2 * 16 + 16},
    {"Merger", merged, 2 * 16 + 16},
    {"Chain",
     [](const receiver<value>& in) {
         return sluice::tee(sluice::ordered(sluice::fan_in(sluice::fan_out(in, 2, same_later)), 2, same), 2);
     },
     (2 + 2) + (16 + 16) + (2 + 2) + (2 + 1 + 2), false, true},
};

class FanPattern : public testing::TestWithParam<pattern> {};
INSTANTIATE_TEST_SUITE_P(, FanPattern, testing::ValuesIn(patterns),
                         [](const auto& about) { return std::string{about.param.name}; });

// How a consumer ended, and with what.
struct consumed {
    std::vector<int> got;
    std::exception_ptr error;
    bool saw_the_end = false;
};
task<> consume(receiver<value> in, consumed& into) {
    for (;;) {
        auto v = co_await in.async_receive();
        if (!v) {
            into.error = v.error();
            into.saw_the_end = true;
            co_return;
        }
        into.got.push_back(v->number());
    }
}
task<> produce(sluice::sender<value> out, int count) {
    for (int i = 0; i < count; ++i) {
        value v{i};
        const auto sent = co_await out.async_send(std::move(v));
        if (!sent) co_return;
    }
}
// The end of a task that may have been cancelled, or made to fail.
task<> ended(sluice::join_handle<void>& h) {
    try {
        co_await h;
    } catch (const sluice::canceled&) {
    } catch (const sluice::testing::injected_failure&) {}
}

constexpr int count = 12;

// Runs a pattern from end to end and looks at what came out. `all_came`: nobody was cancelled and nothing failed.
task<> use(const pattern& p, bool all_came) {
    {
        const sluice::testing::leak_check nothing_is_left;
        auto [out, in] = sluice::make_channel<value>(2);
        // Not counted: it ends when the pattern has cancelled it.
        const receiver<value> input = std::move(in);
        auto outs = p.of(input);
        std::vector<consumed> seen(outs.size());
        std::vector<sluice::join_handle<void>> consumers;
        for (std::size_t i = 0; i < seen.size(); ++i)
            consumers.push_back(sluice::go(consume, std::move(outs[i]), std::ref(seen[i])));
        outs.clear();
        // In the main task, which chaos spares: so the source ends as it should.
        co_await produce(std::move(out), count);
        for (auto& c : consumers) co_await ended(c);
        EXPECT_TRUE(input.is_closed());

        std::vector<int> all;
        for (const consumed& one : seen) {
            EXPECT_TRUE(one.saw_the_end || !all_came);
            EXPECT_FALSE(all_came && one.error);
            EXPECT_EQ(std::set<int>(one.got.begin(), one.got.end()).size(), one.got.size());
            EXPECT_TRUE(!p.is_in_order || std::is_sorted(one.got.begin(), one.got.end()));
            all.insert(all.end(), one.got.begin(), one.got.end());
            // What is not all of it does not look like it.
            if (one.saw_the_end && !one.error && (p.copies || seen.size() == 1)) {
                EXPECT_EQ(one.got.size(), std::size_t{count});
            }
        }
        if (!p.copies) {
            EXPECT_EQ(std::set<int>(all.begin(), all.end()).size(), all.size());
        }
        if (all_came) {
            EXPECT_EQ(all.size(), std::size_t{count} * (p.copies ? seen.size() : 1));
        }
        co_await sluice::sleep_for(100s);  // those that were left behind end
    }
    EXPECT_EQ(value::live(), 0);
}

// PL-01
TEST_P(FanPattern, GivesEveryItemOnce) {
    EXPECT_SIMULATED({.runs = many(1000)}, ([p = GetParam()] { return use(p, true); }));
}

TEST_P(FanPattern, LosesNoValueAndLeavesNoTaskWhateverIsCanceled) {
    sluice::testing::exploration_options often;
    often.runs = many(1000);
    often.chaos.cancel = 0.03;
    EXPECT_SIMULATED(often, ([p = GetParam()] { return use(p, false); }));
}

TEST_P(FanPattern, LosesNoValueAndLeavesNoTaskWhateverFails) {
    sluice::testing::exploration_options often;
    often.runs = many(1000);
    often.chaos.fail = 0.03;
    EXPECT_SIMULATED(often, ([p = GetParam()] { return use(p, false); }));
}

// PL-02
TEST_P(FanPattern, EndsItsInputWhenItsConsumersLeave) {
    const auto main = [p = GetParam()]() -> task<> {
        {
            const sluice::testing::leak_check nothing_is_left;
            auto [out, in] = sluice::make_channel<value>(0);
            {
                const auto outs = p.of(in);
                auto source = sluice::go(produce, out, count);
                const std::size_t taken = sluice::testing::choose(3);
                for (std::size_t i = 0; i < taken; ++i)
                    for (const auto& one : outs) static_cast<void>(co_await one.async_receive());
                if (taken == 0) co_await sluice::yield();
            }
            co_await sluice::sleep_for(100s);
            EXPECT_TRUE(out.is_closed());
        }
        EXPECT_EQ(value::live(), 0);
    };
    EXPECT_SIMULATED({.runs = many(300)}, main);
}

TEST_P(FanPattern, EndsWithTheContextOfItsCallerAndSaysSo) {
    const auto main = [p = GetParam()]() -> task<> {
        {
            const sluice::testing::leak_check nothing_is_left;
            const auto [out, in] = sluice::make_channel<value>(2);
            values outs;
            const auto begins = [](const pattern& what, const receiver<value>& from, values& into) -> task<> {
                into = what.of(from);
                co_await sluice::sleep_for(1h);
            };
            auto caller = sluice::go(begins, std::cref(p), in, std::ref(outs));
            for (int i = 0; i < 3; ++i) {
                value v{i};
                static_cast<void>(co_await out.async_send(std::move(v)));
            }
            co_await sluice::sleep_for(10s);
            caller.cancel();
            co_await ended(caller);
            for (const auto& one : outs) {
                consumed seen;
                co_await consume(one, seen);
                EXPECT_TRUE(seen.error);
                EXPECT_LE(seen.got.size(), 3u);
            }
            co_await sluice::sleep_for(10s);
            EXPECT_TRUE(out.is_closed());
        }
        EXPECT_EQ(value::live(), 0);
    };
    EXPECT_SIMULATED({.runs = many(300)}, main);
}

TEST_P(FanPattern, PassesOnTheErrorOfItsInputBehindTheItems) {
    const auto main = [p = GetParam()]() -> task<> {
        {
            const sluice::testing::leak_check nothing_is_left;
            const auto [out, in] = sluice::make_channel<value>(4);
            const auto outs = p.of(in);
            for (int i = 0; i < 3; ++i) {
                value v{i};
                static_cast<void>(co_await out.async_send(std::move(v)));
            }
            out.close(std::make_exception_ptr(std::runtime_error{"the source has failed"}));
            std::vector<consumed> seen(outs.size());
            std::vector<sluice::join_handle<void>> consumers;
            for (std::size_t i = 0; i < seen.size(); ++i)
                consumers.push_back(sluice::go(consume, outs[i], std::ref(seen[i])));
            for (auto& c : consumers) co_await c;
            for (const consumed& one : seen) EXPECT_TRUE(one.error);
            co_await sluice::sleep_for(10s);
        }
        EXPECT_EQ(value::live(), 0);
    };
    EXPECT_SIMULATED({.runs = many(300)}, main);
}

// What a pattern holds when nobody takes anything, and when it is drained as slowly as can be.
TEST_P(FanPattern, HoldsNoMoreThanItSays) {
    const auto main = [p = GetParam()]() -> task<> {
        {
            auto [out, in] = sluice::make_channel<value>(0);
            const auto outs = p.of(in);
            auto source = sluice::go(produce, std::move(out), 1500);
            for (int i = 0; i < 20; ++i) {
                co_await sluice::sleep_for(10s);
                EXPECT_LE(value::live(), p.most + 1);  // one waits to be sent
                for (const auto& one : outs) static_cast<void>(co_await one.async_receive());
            }
        }
        co_await sluice::sleep_for(100s);
        EXPECT_EQ(value::live(), 0);
    };
    EXPECT_SIMULATED({.runs = many(100)}, main);
}

// --- errors of each function ----------------------------------------------------------------------------------------

// The first error ends the pattern: it is what each output gives in the end, and then nothing of it is left.
template <class Make>
void expect_error_from(Make make) {
    const auto main = [make]() -> task<> {
        {
            const sluice::testing::leak_check nothing_is_left;
            auto [out, in] = sluice::make_channel<value>(2);
            values outs = make(in);
            auto source = sluice::go(produce, out, count);
            std::vector<consumed> seen(outs.size());
            std::vector<sluice::join_handle<void>> consumers;
            for (std::size_t i = 0; i < seen.size(); ++i)
                consumers.push_back(sluice::go(consume, std::move(outs[i]), std::ref(seen[i])));
            for (auto& c : consumers) co_await ended(c);
            co_await ended(source);
            EXPECT_TRUE(out.is_closed());
            co_await sluice::sleep_for(10s);  // what is before the last of a chain ends by itself
            for (const consumed& one : seen) {
                std::string what;
                try {
                    if (one.error) std::rethrow_exception(one.error);
                } catch (const std::runtime_error& e) {
                    what = e.what();
                }
                EXPECT_EQ(what, "five");
                EXPECT_EQ(std::count(one.got.begin(), one.got.end(), 5), 0);
            }
        }
        EXPECT_EQ(value::live(), 0);
    };
    EXPECT_SIMULATED({.runs = many(300)}, main);
}

// PL-04
TEST(FanOut, EndsWithWhatItsFunctionThrowsOfWhateverKindItIs) {
    expect_error_from([](const receiver<value>& in) { return only(sluice::fan_out(in, 3, fails_at_five)); });
    expect_error_from([](const receiver<value>& in) { return only(sluice::fan_out(in, 3, fails_at_five_later)); });
    expect_error_from(
        [](const receiver<value>& in) { return only(sluice::fan_out(in, 2, sluice::blocking(fails_at_five))); });
    expect_error_from(
        [](const receiver<value>& in) { return only(sluice::fan_out(in, sluice::unlimited, fails_at_five_later)); });
    expect_error_from(
        [](const receiver<value>& in) { return only(sluice::fan_out(in, sluice::unlimited, fails_at_five)); });
}
// PL-04
TEST(Ordered, EndsWithWhatItsFunctionThrowsOfWhateverKindItIs) {
    expect_error_from([](const receiver<value>& in) { return only(sluice::ordered(in, 3, fails_at_five)); });
    expect_error_from([](const receiver<value>& in) { return only(sluice::ordered(in, 3, fails_at_five_later)); });
    expect_error_from(
        [](const receiver<value>& in) { return only(sluice::ordered(in, 2, sluice::blocking(fails_at_five))); });
}
TEST(Keyed, EndsWithWhatItsFunctionsThrowOfWhateverKindTheyAre) {
    expect_error_from([](const receiver<value>& in) { return only(sluice::keyed(in, 3, key_that_fails, same)); });
    expect_error_from([](const receiver<value>& in) { return only(sluice::keyed(in, 3, key_of, fails_at_five)); });
    expect_error_from(
        [](const receiver<value>& in) { return only(sluice::keyed(in, 3, key_of, fails_at_five_later)); });
    expect_error_from(
        [](const receiver<value>& in) { return only(sluice::keyed(in, 2, key_of, sluice::blocking(fails_at_five))); });
}
// An error on the way is that of each output behind it.
TEST(FanIn, AndWhatIsBehindItPassOnTheErrorOfAFunction) {
    expect_error_from([](const receiver<value>& in) {
        return only(sluice::fan_in(sluice::fan_out(in, 2, fails_at_five), sluice::fan_out(in, 2, fails_at_five_later)));
    });
    expect_error_from([](const receiver<value>& in) { return sluice::tee(sluice::fan_out(in, 2, fails_at_five), 2); });
    expect_error_from(
        [](const receiver<value>& in) { return sluice::round_robin(sluice::ordered(in, 2, fails_at_five), 2); });
}

// Cannot be copied when it is a five.
struct precious {
    explicit precious(int n) noexcept : number{n} {}
    precious(const precious& other) : number{other.number} {
        if (number == 5) throw std::runtime_error{"five"};
    }
    precious(precious&&) noexcept = default;
    precious& operator=(precious&&) noexcept = default;
    int number;
};
SIMULATED_TEST(Tee, EndsWithWhatACopyThrows) {
    const sluice::testing::leak_check nothing_is_left;
    const auto [out, in] = sluice::make_channel<precious>(10);
    for (int i = 0; i < 10; ++i) {
        precious v{i};
        static_cast<void>(co_await out.async_send(std::move(v)));
    }
    const auto outs = sluice::tee(in, 2);
    for (int i = 0; i < 5; ++i)
        for (const auto& one : outs) EXPECT_EQ((co_await one.async_receive())->number, i);
    for (const auto& one : outs) {
        const auto end = co_await one.async_receive();
        EXPECT_TRUE(end.error());
    }
    EXPECT_TRUE(out.is_closed());
}

// --- threads --------------------------------------------------------------------------------------------------------

TEST_P(FanPattern, ServesPlainThreads) {
    const pattern& p = GetParam();
    constexpr int items = 200;
    std::atomic<long> sum{0};
    std::size_t consumers = 0;
    {
        auto [out, in] = sluice::make_channel<value>(2);
        auto outs = p.of(in);
        in = {};
        consumers = outs.size();
        std::vector<std::jthread> threads;
        for (auto& one : outs)
            threads.emplace_back([&sum, from = std::move(one)] {
                for (const value& v : from) sum += v.number();
            });
        for (int i = 0; i < items; ++i) EXPECT_TRUE(out.send(value{i}));
        out.close();
    }
    EXPECT_EQ(sum, long{items} * (items - 1) / 2 * (p.copies ? static_cast<long>(consumers) : 1));
    EXPECT_EQ(value::live(), 0);
}

// --- bad use --------------------------------------------------------------------------------------------------------

TEST(Fan, OfNobodyBreaksTheContract) {
    using sluice_test::breaks_contract;
    const channel<int> in{1};
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::ordered(in, 0, twice)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::keyed(in, 0, twice, twice)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::tee(in, 0)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::round_robin(in, 0)); }));
    const auto minus_one = static_cast<std::size_t>(-1);
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::ordered(in, minus_one, twice)); }));
    const auto what = sluice_test::violation_of([&] { static_cast<void>(sluice::fan_out(in, minus_one, twice)); });
    ASSERT_TRUE(what);
    EXPECT_NE(std::string_view{what->where.file_name()}.find("fan_test.cpp"), std::string_view::npos);
}
TEST(Fan, OfNilBreaksTheContract) {
    using sluice_test::breaks_contract;
    const receiver<int> nil;
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::fan_out(nil, sluice::unlimited, twice)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::ordered(nil, 1, twice)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::keyed(nil, 1, twice, twice)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::tee(nil, 1)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::round_robin(nil, 1)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(sluice::fan_in(nil)); }));
}
TEST(FanOut, OfNobodyOrOfNilBreaksTheContract) {
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(sluice::fan_out(channel<int>{1}, 0, twice)); }));
    EXPECT_TRUE(sluice_test::breaks_contract([] { static_cast<void>(sluice::fan_out(receiver<int>{}, 1, twice)); }));
}

}  // namespace
