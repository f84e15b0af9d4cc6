// SPDX-License-Identifier: BSL-1.0
// singleflight_test.cpp: do those who want the same share one call, and does nobody's leaving disturb the others?

#include <gtest/gtest.h>

#include <atomic>
#include <cctype>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sluice/select.hpp>
#include <sluice/singleflight.hpp>
#include <sluice/timer.hpp>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::canceled;
using sluice::runtime;
using sluice::singleflight;
using sluice::task;

using flights = singleflight<std::string, int>;

// What the function of a flight does, and what became of it.
struct service {
    flights pages;
    std::atomic<int> calls{0};
    std::atomic<int> ended{0};
    std::atomic<int> canceled_calls{0};
    std::atomic<bool> may_answer{false};
    std::atomic<bool> fails{false};

    std::size_t waiting() const { return pages.waiting("a"); }

    // Answers with the number of the call.
    task<int> answer() {
        const int number = ++calls;
        try {
            while (!may_answer) co_await sluice::sleep_for(50us);
        } catch (const canceled&) {
            ++canceled_calls;
            throw;
        }
        ++ended;
        if (fails) throw std::runtime_error{"no answer"};
        co_return number;
    }
    int answer_blocking() {
        const int number = ++calls;
        const auto until = sluice::current_context();
        while (!may_answer) {
            if (until.done()) {
                ++canceled_calls;
                throw canceled{};
            }
            std::this_thread::sleep_for(50us);
        }
        ++ended;
        if (fails) throw std::runtime_error{"no answer"};
        return number;
    }
};

enum class end : std::uint8_t { answered, gave_up, threw, was_canceled };

struct answer {
    end how;
    int value = 0;
    bool shared = false;
};

// Threads ask with plain functions, tasks with coroutines.
template <class Callers>
auto start_asking(Callers& by, service& s, std::optional<sluice::context> until = {}, std::string key = "a") {
    return by.start(
        [](service* of, std::optional<sluice::context> u, std::string k) {
            const auto f = [of] { return of->answer_blocking(); };
            try {
                if (!u) {
                    const auto [value, shared] = of->pages.run(k, f);
                    return answer{end::answered, value, shared};
                }
                const auto got = of->pages.run(k, f, *u);
                if (!got) return answer{end::gave_up};
                return answer{end::answered, got->value, got->shared};
            } catch (const std::runtime_error&) {
                return answer{end::threw};
            } catch (const canceled&) {
                return answer{end::was_canceled};
            }
        },
        [](service* of, std::optional<sluice::context> u, std::string k) -> task<answer> {
            const auto f = [of] { return of->answer(); };
            try {
                if (!u) {
                    const auto got = co_await of->pages.async_run(k, f);
                    co_return answer{end::answered, got.value, got.shared};
                }
                const auto got = co_await of->pages.async_run(k, f, *u);
                if (!got) co_return answer{end::gave_up};
                co_return answer{end::answered, got->value, got->shared};
            } catch (const std::runtime_error&) {
                co_return answer{end::threw};
            } catch (const canceled&) {
                co_return answer{end::was_canceled};
            }
        },
        &s, std::move(until), std::move(key));
}

template <class Callers>
class SingleflightAskedBy : public testing::Test {
protected:
    service of;
    Callers by;
};
TYPED_TEST_SUITE(SingleflightAskedBy, both_callers, caller_names);

// --- sharing -------------------------------------------------------------------------------------------------------

TYPED_TEST(SingleflightAskedBy, WhoIsAloneSharesWithNobody) {
    service& s = this->of;
    s.may_answer = true;
    const answer a = start_asking(this->by, s).get();
    EXPECT_EQ(a.how, end::answered);
    EXPECT_EQ(a.value, 1);
    EXPECT_FALSE(a.shared);
    EXPECT_EQ(start_asking(this->by, s).get().value, 2) << "nothing is kept";
    EXPECT_EQ(s.pages.in_flight(), 0u);
}

// SF-01
TYPED_TEST(SingleflightAskedBy, ManyWhoWantTheSameShareOneCall) {
    service& s = this->of;
    auto first = start_asking(this->by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    auto second = start_asking(this->by, s);
    auto third = start_asking(this->by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 3; }));
    auto other = start_asking(this->by, s, {}, "b");
    ASSERT_TRUE(eventually([&] { return s.calls == 2; }));
    EXPECT_EQ(s.pages.in_flight(), 2u);
    s.may_answer = true;
    const answer a = first.get();
    EXPECT_TRUE(a.shared) << "also for the first";
    for (auto* const h : {&second, &third}) {
        const answer b = h->get();
        EXPECT_EQ(b.value, a.value);
        EXPECT_TRUE(b.shared);
    }
    EXPECT_FALSE(other.get().shared);
    EXPECT_EQ(s.calls, 2);
    EXPECT_EQ(s.pages.in_flight(), 0u);
}

// SF-02, SF-05
TYPED_TEST(SingleflightAskedBy, AnExceptionIsGivenToAllAndNotKept) {
    service& s = this->of;
    s.fails = true;
    auto first = start_asking(this->by, s);
    auto second = start_asking(this->by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    s.may_answer = true;
    EXPECT_EQ(first.get().how, end::threw);
    EXPECT_EQ(second.get().how, end::threw);
    EXPECT_EQ(s.calls, 1);
    s.fails = false;
    EXPECT_EQ(start_asking(this->by, s).get().value, 2);
}

// SF-04
TYPED_TEST(SingleflightAskedBy, AForgottenCallGoesOnBesideTheNextOneAndDoesNotEndItsEntry) {
    service& s = this->of;
    auto first = start_asking(this->by, s);
    ASSERT_TRUE(eventually([&] { return s.calls == 1; }));
    s.pages.forget("a");
    EXPECT_EQ(s.pages.in_flight(), 0u);
    std::atomic<bool> second_may_end{false};
    const auto second_call = [&] {
        eventually([&] { return second_may_end.load(); });
        return 22;
    };
    const auto join = [&] { return s.pages.run("a", second_call).value; };
    const auto nothing = []() -> task<int> { co_return 0; };
    threads extra;
    auto second = extra.start(join, nothing);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    s.may_answer = true;
    EXPECT_EQ(first.get().value, 1);
    EXPECT_EQ(s.waiting(), 1u) << "the end of the first has not removed the second";
    auto third = extra.start(join, nothing);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    second_may_end = true;
    EXPECT_EQ(second.get(), 22);
    EXPECT_EQ(third.get(), 22);
}

// SF-08
TYPED_TEST(SingleflightAskedBy, ForgetUnsharedForgetsACallWithOneWaiterOnly) {
    service& s = this->of;
    EXPECT_FALSE(s.pages.forget_unshared("a"));
    auto first = start_asking(this->by, s);
    auto second = start_asking(this->by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    EXPECT_FALSE(s.pages.forget_unshared("a"));
    auto other = start_asking(this->by, s, {}, "b");
    ASSERT_TRUE(eventually([&] { return s.pages.waiting("b") == 1; }));
    EXPECT_TRUE(s.pages.forget_unshared("b"));
    EXPECT_EQ(s.pages.in_flight(), 1u);
    s.may_answer = true;
    EXPECT_EQ(first.get().how, end::answered);
    EXPECT_EQ(second.get().how, end::answered);
    EXPECT_EQ(other.get().how, end::answered);
}

// --- leaving -------------------------------------------------------------------------------------------------------

// SF-07
TYPED_TEST(SingleflightAskedBy, TheFirstMayLeaveAndTheOthersDoNotNotice) {
    service& s = this->of;
    const auto source = sluice::with_cancel({});
    auto first = start_asking(this->by, s, source.get());
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    auto second = start_asking(this->by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    source.cancel();
    EXPECT_EQ(first.get().how, end::gave_up);
    EXPECT_EQ(s.waiting(), 1u) << "the key stays while another waits";
    auto third = start_asking(this->by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    s.may_answer = true;
    EXPECT_EQ(second.get().value, 1);
    EXPECT_EQ(third.get().value, 1);
    EXPECT_EQ(s.canceled_calls, 0);
}

// SF-07
TYPED_TEST(SingleflightAskedBy, TheCallIsCancelledWhenTheLastLeavesAndTheNextBeginsAnother) {
    service& s = this->of;
    const auto source = sluice::with_cancel({});
    auto first = start_asking(this->by, s, source.get());
    auto second = start_asking(this->by, s, source.get());
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2 && s.calls == 1; }));
    source.cancel();
    EXPECT_EQ(first.get().how, end::gave_up);
    EXPECT_EQ(second.get().how, end::gave_up);
    EXPECT_EQ(s.pages.in_flight(), 0u);
    auto next = start_asking(this->by, s);
    EXPECT_TRUE(eventually([&] { return s.canceled_calls == 1; }));
    s.may_answer = true;
    const answer a = next.get();
    EXPECT_EQ(a.how, end::answered) << "it does not see the cancellation of the other";
    EXPECT_EQ(a.value, 2);
    EXPECT_FALSE(a.shared);
}

// SF-07
TEST(Singleflight, ATaskThatIsCancelledLeavesAndTheOthersDoNotNotice) {
    service s;
    tasks by;
    auto first = start_asking(by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 1; }));
    auto second = start_asking(by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    first.cancel();
    EXPECT_EQ(first.get().how, end::was_canceled);
    s.may_answer = true;
    EXPECT_EQ(second.get().value, 1);
}

TYPED_TEST(SingleflightAskedBy, AStopRequestedBeforeStartsNothing) {
    service& s = this->of;
    const auto source = sluice::with_cancel({});
    source.cancel();
    EXPECT_EQ(start_asking(this->by, s, source.get()).get().how, end::gave_up);
    EXPECT_EQ(s.calls, 0);
    EXPECT_EQ(s.pages.in_flight(), 0u);
}

TEST(Singleflight, RunForGivesUpAfterAWhile) {
    service s;
    EXPECT_EQ(s.pages.run_for("a", 1ms, [&] { return s.answer_blocking(); }), sluice::status::timed_out);
    EXPECT_EQ(s.pages.in_flight(), 0u);
    const auto f = [](service* of) -> task<sluice::status> {
        const auto ask = [of] { return of->answer(); };
        const auto got = co_await sluice::timeout(1ms, of->pages.async_run("a", ask));
        co_return got.why();
    };
    EXPECT_EQ(sluice::run(f, &s), sluice::status::timed_out);
    EXPECT_EQ(s.pages.in_flight(), 0u);
}

// SF-06: a function that gives up by `canceled` ends the waits of all with it.
TEST(Singleflight, AFunctionThatIsCancelledEndsAllWaits) {
    service s;
    std::atomic<bool> go_on{false};
    const auto gives_up = [&]() -> int {
        eventually([&] { return go_on.load(); });
        throw canceled{};
    };
    threads by;
    const auto ask = [&] {
        EXPECT_THROW(s.pages.run("a", gives_up), canceled);
        return 0;
    };
    const auto unused = []() -> task<int> { co_return 0; };
    auto a = by.start(ask, unused);
    auto b = by.start(ask, unused);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    go_on = true;
    a.get();
    b.get();
}

// --- select and other coroutines -----------------------------------------------------------------------------------

// SF-03
TYPED_TEST(SingleflightAskedBy, IsACaseOfASelect) {
    service& s = this->of;
    s.may_answer = true;
    const auto f = [&] { return s.answer(); };
    const std::string key = "a";
    int value = 0;
    sluice::channel<int> never{0};
    const auto into = [&](flights::result r) { value = r.value; };
    EXPECT_EQ(start_select(this->by, sluice::on(s.pages.async_run(key, f), into), sluice::on_receive(never)).get(), 0u);
    EXPECT_EQ(value, 1);
}

// SF-03
TYPED_TEST(SingleflightAskedBy, ASelectWhoseOtherCaseFiresLeaves) {
    service& s = this->of;
    const auto f = [&] { return s.answer(); };
    const std::string key = "a";
    sluice::channel<int> ch{1};
    auto selecting = start_select(this->by, sluice::on(s.pages.async_run(key, f)), sluice::on_receive(ch));
    ASSERT_TRUE(eventually([&] { return s.calls == 1; }));
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(selecting.get(), 1u);
    EXPECT_TRUE(eventually([&] { return s.canceled_calls == 1; }));
    EXPECT_EQ(s.pages.in_flight(), 0u);
}

// SF-03
TEST(Singleflight, AnOperationThatIsNeverAwaitedStartsNothing) {
    service s;
    const auto f = [&] { return s.answer(); };
    const std::string key = "a";
    { [[maybe_unused]] auto op = s.pages.async_run(key, f); }
    { [[maybe_unused]] auto op = s.pages.async_run(key, f, sluice::context{}); }
    EXPECT_EQ(s.calls, 0);
    EXPECT_EQ(s.pages.in_flight(), 0u);
}

TEST(Singleflight, IsAwaitedByACoroutineOfAnotherLibraryWhoseFrameMayGo) {
    service s;
    ticket_queue queue;
    const auto body = [](ticket_queue&, service& of, int& value) -> foreign {
        const auto f = [&of] { return of.answer(); };
        const std::string key = "a";
        const auto got = co_await of.pages.async_run(key, f);
        value = got.value;
    };
    int value = 0;
    int unused = 0;
    foreign first = body(queue, s, value);
    foreign second = body(queue, s, unused);
    EXPECT_EQ(s.waiting(), 2u);
    second.destroy();
    EXPECT_EQ(s.waiting(), 1u);
    s.may_answer = true;
    ASSERT_TRUE(eventually([&] { return queue.run_one(); }));
    EXPECT_EQ(value, 1);
}

// --- values, keys and functions ------------------------------------------------------------------------------------

// SF-08
TEST(Singleflight, ValuesKeysAndFunctionsMayBeOfAnyKind) {
    singleflight<int, void> nothing;
    int calls = 0;
    EXPECT_FALSE(nothing.run(1, [&] { ++calls; }).shared);
    EXPECT_FALSE(nothing
                     .run(1,
                          [&]() -> task<> {
                              ++calls;
                              co_return;
                          })
                     .shared);
    EXPECT_FALSE(nothing.run(1, [&] { return ++calls; }).shared) << "a value that nobody wants";
    EXPECT_EQ(calls, 3);

    struct hash_length {
        std::size_t operator()(const std::string& s) const noexcept { return s.size(); }
    };
    struct equal_length {
        bool operator()(const std::string& a, const std::string& b) const noexcept { return a.size() == b.size(); }
    };
    singleflight<std::string, std::shared_ptr<int>, hash_length, equal_length> shared;
    EXPECT_EQ(*shared.run("abc", [] { return std::make_unique<int>(7); }).value, 7);
    std::stop_source stop;
    EXPECT_EQ(*shared.run("abc", [] { return std::make_shared<int>(8); }, stop.get_token())->value, 8);
}

TEST(Singleflight, AFunctionIsMovedOnlyIfItIsCalled) {
    singleflight<int, int> s;
    auto owned = std::make_unique<int>(5);
    auto f = [p = std::move(owned)] { return *p; };
    std::stop_source stop;
    stop.request_stop();
    EXPECT_FALSE(s.run(1, std::move(f), stop.get_token()));
    EXPECT_EQ(f(), 5) << "still ours";
    EXPECT_EQ(s.run(1, std::move(f)).value, 5);
}

// Values and captures, shared and left behind.
TEST(Singleflight, KeepsNothing) {
    using value = counted<struct flight_value>;
    {
        singleflight<int, value> s;
        std::atomic<bool> may_end{false};
        const auto f = [](singleflight<int, value>* of, std::atomic<bool>* may) -> task<int> {
            const value captured{3};
            const auto compute = [captured, may]() -> task<value> {
                while (!*may) co_await sluice::sleep_for(50us);
                co_return value{captured.value()};
            };
            const auto got = co_await of->async_run(1, compute);
            co_return got.value.value();
        };
        runtime rt{workers(2)};
        auto a = rt.go(f, &s, &may_end);
        auto b = rt.go(f, &s, &may_end);
        auto c = rt.go(f, &s, &may_end);
        ASSERT_TRUE(eventually([&] { return s.waiting(1) == 3; }));
        c.cancel();
        EXPECT_THROW(c.get(), canceled);
        may_end = true;
        EXPECT_EQ(a.get(), 3);
        EXPECT_EQ(b.get(), 3);
    }
    EXPECT_EQ(value::live(), 0);
}

TEST(Singleflight, AFunctionThatCannotBeStartedIsAnExceptionOfTheCall) {
    struct does_not_copy {
        does_not_copy() = default;
        does_not_copy(const does_not_copy&) { throw std::runtime_error{"no copy"}; }
        int operator()() const { return 1; }
    };
    singleflight<int, int> s;
    const does_not_copy f;
    EXPECT_THROW(s.run(1, f), std::runtime_error);
    EXPECT_EQ(s.in_flight(), 0u);
    EXPECT_EQ(s.run(1, [] { return 2; }).value, 2);
}

// --- its end -------------------------------------------------------------------------------------------------------

TEST(Singleflight, ItsDestructorWaitsForAFunctionThatNobodyWaitsForAnyMore) {
    std::atomic<bool> may_end{false};
    std::atomic<bool> ended{false};
    {
        singleflight<int, int> s;
        EXPECT_FALSE(s.run_for(1, 1ms, [&] {
            while (!may_end) std::this_thread::yield();  // does not look at its context
            ended = true;
            return 1;
        }));
        EXPECT_EQ(s.in_flight(), 0u);
        may_end = true;
    }
    EXPECT_TRUE(ended);
}

TEST(Singleflight, AFlightEndsWithTheRunThatStartedIt) {
    service s;
    threads by;
    std::atomic<bool> joined{false};
    const auto main = [](service* of, std::atomic<bool>* others) -> task<> {
        const auto f = [of] { return of->answer(); };
        auto asking =
            sluice::go([](service* asked, auto* fn) -> task<> { co_await asked->pages.async_run("a", *fn); }, of, &f);
        while (!*others) co_await sluice::sleep_for(50us);
        asking.cancel();
        try {
            co_await asking;
        } catch (const canceled&) {}
    };
    std::jthread running{[&] { sluice::run(workers(1), main, &s, &joined); }};
    ASSERT_TRUE(eventually([&] { return s.calls == 1; }));
    auto outside = start_asking(by, s);
    ASSERT_TRUE(eventually([&] { return s.waiting() == 2; }));
    joined = true;
    EXPECT_EQ(outside.get().how, end::was_canceled);
}

TEST(SingleflightDeathTest, DestroyingItWhileSomebodyWaitsIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto misuse = [] {
        auto s = std::make_unique<singleflight<int, int>>();
        const auto f = [] {
            std::this_thread::sleep_for(1h);
            return 1;
        };
        std::jthread waiting{[&f, of = s.get()] { of->run(1, f); }};
        eventually([&] { return s->waiting(1) == 1; });
        s.reset();
    };
    EXPECT_DEATH(misuse(), "a singleflight was destroyed while somebody waited");
}

}  // namespace
