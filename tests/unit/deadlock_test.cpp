// SPDX-License-Identifier: BSL-1.0
// deadlock_test.cpp: does a run in which nobody can go on end and say so, and no other run?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <source_location>
#include <string>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/runtime.hpp>
#include <sluice/select.hpp>
#include <sluice/selector.hpp>
#include <sluice/semaphore.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

#if defined(__linux__)
#include <sys/time.h>
#endif

namespace {

using namespace std::chrono_literals;
using sluice::channel;
using sluice::deadlock_error;
using sluice::outside;
using sluice::run_options;
using sluice::task;

task<> receive_one(channel<int> ch) { static_cast<void>(co_await ch.async_receive()); }

template <class F>
std::string report_of(F main, run_options options = {}) {
    try {
        sluice::run(options, main);
    } catch (const deadlock_error& e) {
        return e.what();
    }
    return {};
}
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// --- what is one ----------------------------------------------------------------------------------------------------

// DL-01
TEST(Deadlock, AMainTaskThatWaitsForAValueNobodySendsEndsTheRun) {
    const auto main = []() -> task<> {
        const channel<int> ch{0};
        co_await receive_one(ch);
    };
    EXPECT_THROW(sluice::run(main), deadlock_error);
}

TEST(Deadlock, ItsReportTellsOfEachTaskWhereItWasStartedAndWaitsAndForWhat) {
    const auto main = []() -> task<> {
        const channel<int> ch{0};
        ch.name("results");
        auto other = sluice::go(
            [](channel<int> in) -> task<> {
                sluice::name_task("the other");
                static_cast<void>(co_await in.async_receive());
            },
            ch);
        co_await other;
    };
    const std::string report = report_of(main);
    EXPECT_TRUE(contains(report, "deadlock: all 2 tasks of the run wait")) << report;
    EXPECT_TRUE(contains(report, "task \"the other\" started at ")) << report;
    EXPECT_TRUE(contains(report, "waits for receive on \"results\" at ")) << report;
    EXPECT_TRUE(contains(report, "waits for join on \"the other\" at ")) << report;
    const std::string here = __FILE__;
    std::size_t places = 0;
    for (auto at = report.find(here); at != std::string::npos; at = report.find(here, at + 1)) ++places;
    EXPECT_EQ(places, 5u) << report;  // of two tasks, and where the channel was made
}

TEST(Deadlock, ItsReportTellsOfEachChannelWhereItWasMadeItsCapacityAndItsHandlesAndForHowLongATaskWaits) {
    const std::string line = ":" + std::to_string(std::source_location::current().line() + 2) + " ";
    const auto main = []() -> task<> {
        const channel<int> ch{4};
        const channel<int> again = ch;
        co_await receive_one(again);
    };
    const std::string report = report_of(main);
    EXPECT_TRUE(contains(report, "a channel for 4 values, made at " + (__FILE__ + line))) << report;
    EXPECT_TRUE(contains(report, "; handles: 3")) << report;
    EXPECT_TRUE(contains(report, ", for ")) << report;
}

TEST(Deadlock, ItsReportListsTheCasesOfASelect) {
    const auto main = []() -> task<> {
        const channel<int> values{0};
        values.name("values");
        sluice::received<int> v;
        static_cast<void>(
            co_await sluice::async_select(sluice::on_receive(values, v), sluice::on_send(channel<int>{}, 1)));
    };
    const std::string report = report_of(main);
    EXPECT_TRUE(contains(report, "waits for select at ")) << report;
    EXPECT_TRUE(contains(report, "case receive on \"values\"\n      a channel without a buffer")) << report;
    EXPECT_TRUE(contains(report, "case send\n      a nil channel is never ready")) << report;
}

TEST(Deadlock, ASelectorOfManyCasesIsListedInPart) {
    const auto main = []() -> task<> {
        sluice::selector any;
        std::vector<channel<int>> channels;
        for (int i = 0; i < 20; ++i) any.add(sluice::on_receive(channels.emplace_back(0)));
        static_cast<void>(co_await any.async_select());
    };
    const std::string report = report_of(main);
    EXPECT_TRUE(contains(report, "and 12 cases more")) << report;
}

TEST(Deadlock, TheReportsNamesOfCoroutinesAreThoseOfTheSource) {
    using sluice::detail::readable;
    EXPECT_EQ(readable("void stuck(stuck(sluice::channel<int>)::_Z5stuckN6sluice7channelIiEE.Frame*)"),
              "stuck(sluice::channel<int>)");
    EXPECT_EQ(readable("void main()::<lambda()>::operator()(main()::<lambda()>::_ZZ4mainENKUlvE_clEv.Frame*)"),
              "main()::<lambda()>");
    EXPECT_EQ(readable("int main(int, char**)"), "int main(int, char**)");
    EXPECT_EQ(readable(""), "");
}

TEST(Deadlock, TasksThatEachHoldWhatTheOtherWantsAreOne) {
    const auto main = []() -> task<> {
        sluice::semaphore a{1};
        sluice::semaphore b{1};
        const auto take = [](sluice::semaphore& first, sluice::semaphore& second) -> task<> {
            auto one = co_await first.async_hold();
            co_await sluice::yield();
            auto two = co_await second.async_hold();
        };
        sluice::wait_group both;
        both.go(take, std::ref(a), std::ref(b));
        both.go(take, std::ref(b), std::ref(a));
        co_await both.async_wait();
    };
    const std::string report = report_of(main, {.workers = 1});
    EXPECT_TRUE(contains(report, "waits for permit")) << report;
    EXPECT_TRUE(contains(report, "all 3 tasks")) << report;
}

TEST(Deadlock, ABlockingCallableThatWaitsIsOneOfTheTasks) {
    const auto main = []() -> task<> {
        const channel<int> ch{0};
        const auto receive = [&] { return ch.receive().why(); };
        static_cast<void>(co_await sluice::blocking(receive));
    };
    const std::string report = report_of(main);
    EXPECT_TRUE(contains(report, "callable")) << report;
}

TEST(Deadlock, ATaskThatBlocksItsWorkerIsOneOfTheTasks) {
    const auto main = []() -> task<> {
        const channel<int> ch{0};
        static_cast<void>(ch.receive());
        co_return;
    };
    EXPECT_TRUE(contains(report_of(main), "waits for receive"));
}

TEST(Deadlock, AChannelMadeOutsideOfTheRunIsNoHopeIfNobodyElseIsThere) {
    const channel<int> ch{0};
    EXPECT_THROW(sluice::run(receive_one, ch), deadlock_error);
}

TEST(Deadlock, TheTasksAreCancelledWithItAsTheCauseAndJoined) {
    std::atomic<int> told{0};
    const auto main = [&]() -> task<> {
        const channel<int> ch{0};
        const auto wait = [&]() -> task<> {
            try {
                co_await receive_one(ch);
            } catch (const sluice::canceled& c) {
                try {
                    std::rethrow_exception(c.cause());
                } catch (const deadlock_error&) {
                    ++told;
                }
                throw;
            }
        };
        sluice::wait_group all;
        for (int i = 0; i < 10; ++i) all.go(wait);
        co_await all.async_wait();
    };
    EXPECT_THROW(sluice::run(main), deadlock_error);
    EXPECT_EQ(told, 10);
}

TEST(Deadlock, ARunAfterwardsIsLikeAnyOther) {
    const channel<int> ch{0};
    for (int i = 0; i < 3; ++i) EXPECT_THROW(sluice::run(receive_one, ch), deadlock_error);
    EXPECT_EQ(sluice::run([]() -> task<int> { co_return 5; }), 5);
}

TEST(Deadlock, OptionsMayRuleThatNobodyOutsideCanHelp) {
    std::atomic<bool> over{false};
    const std::jthread somebody{[&] {
        while (!over) std::this_thread::sleep_for(1ms);
    }};
    const channel<int> ch{0};
    EXPECT_THROW(sluice::run(run_options{.may_wake = outside::none}, receive_one, ch), deadlock_error);
    over = true;
}

// --- what is none ---------------------------------------------------------------------------------------------------

TEST(Deadlock, AThreadThatSendsAfterASecondIsWaitedFor) {
    const auto main = []() -> task<int> {
        const channel<int> ch{0};
        const std::jthread sender{[ch] {
            std::this_thread::sleep_for(1s);
            static_cast<void>(ch.send(7));
        }};
        auto v = co_await ch.async_receive();
        co_return *v;
    };
    EXPECT_EQ(sluice::run(run_options{.diagnostics = [](std::string_view) {}}, main), 7);
}

TEST(Deadlock, ARunThatWaitsForTheTokenOfAThreadIsWaitedFor) {
    std::atomic<bool> ended{false};
    std::jthread runs{[&](std::stop_token token) {
        sluice::run([](std::stop_token t) -> task<> { co_await sluice::context::from(t).async_done(); }, token);
        ended = true;
    }};
    std::this_thread::sleep_for(100ms);
    EXPECT_FALSE(ended);
    runs.request_stop();
    runs.join();
    EXPECT_TRUE(ended);
}

#if defined(__linux__)
TEST(Deadlock, ATaskThatWaitsForASignalAloneIsWaitedFor) {
#if defined(SLUICE_HAS_SANITIZER_THREAD)
    GTEST_SKIP() << "the thread sanitizer gives a signal only to a thread that runs, and here all sleep";
#endif
    const auto main = []() -> task<> {
        auto until = sluice::notify_context({}, {SIGALRM});
        ::itimerval in_a_moment{};
        in_a_moment.it_value.tv_usec = 200'000;
        EXPECT_EQ(::setitimer(ITIMER_REAL, &in_a_moment, nullptr), 0);
        co_await until.get().async_done();
    };
    EXPECT_NO_THROW(sluice::run(main));
}
#endif

TEST(Deadlock, TasksThatWaitWhenTheMainTaskHasEndedAreOnlyCancelled) {
    const channel<int> ch{0};
    const auto main = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) sluice::go(receive_one, ch);
        co_await sluice::yield();
    };
    for (int i = 0; i < 20; ++i) EXPECT_NO_THROW(sluice::run(main));
}

TEST(Deadlock, ATimerIsWaitedFor) {
    EXPECT_NO_THROW(sluice::run([]() -> task<> { co_await sluice::sleep_for(100ms); }));
}

TEST(Deadlock, ADeadlineOfAContextMadeOutsideIsWaitedFor) {
    const auto until = sluice::with_timeout({}, 100ms);
    const auto main = [&]() -> task<> { co_await until.get().async_done(); };
    EXPECT_NO_THROW(sluice::run(main));
}

TEST(Deadlock, ACallableThatWaitsForATimeIsWaitedFor) {
    const auto main = []() -> task<sluice::status> {
        const channel<int> ch{0};
        const auto receive = [&] { return ch.receive_for(100ms).why(); };
        co_return co_await sluice::blocking(receive);
    };
    EXPECT_EQ(sluice::run(main), sluice::status::timed_out);
}

TEST(Deadlock, ACallableThatRunsIsWaitedFor) {
    const auto main = []() -> task<int> {
        const channel<int> ch{0};
        auto sender = sluice::go([ch] {
            std::this_thread::sleep_for(100ms);
            static_cast<void>(ch.send(3));
        });
        auto v = co_await ch.async_receive();
        co_await sender;
        co_return *v;
    };
    EXPECT_EQ(sluice::run(main), 3);
}

TEST(Deadlock, ARunInsideOfAnotherIsWaitedFor) {
    const auto main = []() -> task<int> {
        const channel<int> ch{0};
        auto inner = sluice::go([ch] {
            return sluice::run(
                [](channel<int> in) -> task<int> {
                    auto v = co_await in.async_receive();
                    co_return *v;
                },
                ch);
        });
        co_await sluice::sleep_for(100ms);
        static_cast<void>(co_await ch.async_send(9));
        co_return co_await inner;
    };
    EXPECT_EQ(sluice::run(main), 9);
}

TEST(Deadlock, DeclaredExternalWorkIsWaitedForAndTheDiagnosticsSayThatAllWait) {
    const channel<int> ch{0};
    std::string said;
    run_options options;
    options.diagnostics = [&](std::string_view text) {
        said = text;
        static_cast<void>(ch.try_send(4));  // this is the help from outside
    };
    const auto main = [&]() -> task<int> {
        const sluice::external_work comes;
        auto v = co_await ch.async_receive();
        co_return *v;
    };
    EXPECT_EQ(sluice::run(options, main), 4);
    EXPECT_TRUE(contains(said, "all 1 tasks of the run wait; somebody outside of it may wake them")) << said;
}

// --- in a runtime ---------------------------------------------------------------------------------------------------

sluice::runtime_options silent(unsigned workers = 2) {
    sluice::runtime_options o;
    o.workers = workers;
    o.diagnostics = [](std::string_view) {};
    return o;
}

TEST(Deadlock, OfACallOfARuntimesRunEndsThatCall) {
    sluice::runtime rt{silent()};
    const auto main = []() -> task<> {
        const channel<int> ch{0};
        co_await receive_one(ch);
    };
    std::string report;
    try {
        rt.run(main);
    } catch (const deadlock_error& e) {
        report = e.what();
    }
    EXPECT_TRUE(contains(report, "deadlock: all 1 tasks of the runtime wait")) << report;
    EXPECT_TRUE(contains(report, "waits for receive at ")) << report;
}

TEST(Deadlock, OfARuntimesRunIsToldAgainInTheNextCall) {
    sluice::runtime rt{silent()};
    const auto stuck = [](int n) -> task<int> {
        const channel<int> ch{0};
        co_await receive_one(ch);
        co_return n;
    };
    for (int i = 0; i < 3; ++i) {
        EXPECT_THROW(rt.run(stuck, i), deadlock_error);
        EXPECT_EQ(rt.run([]() -> task<int> { co_return 5; }), 5);
    }
}

TEST(Deadlock, OfARuntimesRunLeavesTheOthersWaitingForItsCaller) {
    sluice::runtime rt{silent()};
    const channel<int> later{0};
    auto other = rt.go([](channel<int> in) -> task<int> { co_return *co_await in.async_receive(); }, later);
    const auto main = [](sluice::join_handle<int>& h) -> task<> {
        static_cast<void>(co_await sluice::async_select(sluice::on_join(h)));
    };
    EXPECT_THROW(rt.run(main, std::ref(other)), deadlock_error);
    EXPECT_FALSE(other.done());
    EXPECT_TRUE(later.send(7));
    EXPECT_EQ(other.get(), 7);
}

TEST(Deadlock, OfARuntimesRunIsThrownThoughTheMainTaskSwallowsTheCancellation) {
    sluice::runtime rt{silent()};
    const auto main = []() -> task<int> {
        const channel<int> ch{0};
        try {
            co_await receive_one(ch);
        } catch (const sluice::canceled&) {}
        co_return 1;
    };
    EXPECT_THROW(rt.run(main), deadlock_error);
}

TEST(Deadlock, OfTwoCallsOfARuntimesRunIsToldToBothOfThem) {
    // The main thread has nothing to do with their tasks.
    auto options = silent();
    options.may_wake = outside::none;
    sluice::runtime rt{options};
    std::atomic<int> told{0};
    const channel<int> ch{0};
    const auto call = [&] {
        try {
            rt.run(receive_one, ch);
        } catch (const deadlock_error&) {
            ++told;
        }
    };
    {
        const std::jthread a{call};
        const std::jthread b{call};
    }
    EXPECT_EQ(told, 2);
}

TEST(Deadlock, ARuntimesRunWhoseTasksAThreadMayWakeIsNone) {
    sluice::runtime rt{silent()};
    const channel<int> ch{0};
    std::jthread later{[&] {
        std::this_thread::sleep_for(200ms);  // longer than it takes to find a deadlock
        static_cast<void>(ch.send(3));
    }};
    EXPECT_EQ(rt.run([](channel<int> in) -> task<int> { co_return *co_await in.async_receive(); }, ch), 3);
}

TEST(Deadlock, ATaskOfARuntimeThatNobodyRunsIsNone) {
    sluice::runtime rt{silent()};
    const channel<int> ch{0};
    auto h = rt.go([](channel<int> in) -> task<int> { co_return *co_await in.async_receive(); }, ch);
    std::this_thread::sleep_for(100ms);  // longer than it takes to find a deadlock
    EXPECT_FALSE(h.done());
    static_cast<void>(ch.send(4));
    EXPECT_EQ(h.get(), 4);
}

TEST(Deadlock, ARuntimesRunInsideATaskIsNone) {
    // Its thread belongs to another runtime.
    sluice::runtime inner{silent()};
    const channel<int> ch{0};
    const auto main = [&]() -> task<> {
        auto h = sluice::go([&] {
            return inner.run([](channel<int> in) -> task<int> { co_return *co_await in.async_receive(); }, ch);
        });
        co_await sluice::sleep_for(100ms);
        EXPECT_TRUE(co_await ch.async_send(8));
        EXPECT_EQ(co_await h, 8);
    };
    sluice::run(silent(), main);
}

}  // namespace
