// SPDX-License-Identifier: BSL-1.0
// runtime_test.cpp: where do tasks run, how are they started, joined and ended, and what does the runtime tell?

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/runtime.hpp>
#include <sluice/semaphore.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::join_handle;
using sluice::run;
using sluice::run_options;
using sluice::runtime;
using sluice::task;
using sluice_test::counted;
using sluice_test::eventually;
using sluice_test::receivers_waiting;

struct failure : std::runtime_error {
    failure() : std::runtime_error{"a task failed"} {}
};

run_options one_worker() {
    run_options options;
    options.workers = 1;
    return options;
}
run_options two_workers() {
    run_options options;
    options.workers = 2;
    return options;
}

std::string dump_of(const runtime& rt) {
    std::ostringstream out;
    rt.dump(out);
    return out.str();
}
bool somebody_waits_for(const runtime& rt, const std::string& what) {
    return dump_of(rt).find("waits for " + what) != std::string::npos;
}

task<> fail_now() {
    throw failure{};
    co_return;
}
task<> wait_for_ever() {
    const channel<int> nobody_sends;
    static_cast<void>(co_await nobody_sends.async_receive());
}
// Ends when it is cancelled, and only then.
task<> note_cancellation(std::atomic<int>& noted) {
    try {
        co_await wait_for_ever();
    } catch (const canceled&) {
        ++noted;
        throw;
    }
}

// --- run -----------------------------------------------------------------------------------------------------------

task<int> sum(int a, int b, int c) { co_return a + b + c; }

TEST(Run, GivesTheResultOfItsMainTask) { EXPECT_EQ(run(sum, 1, 2, 3), 6); }

TEST(Run, TakesAPlainCallableAsMain) {
    EXPECT_EQ(run([](int v) { return v + 1; }, 4), 5);
}

TEST(Run, TakesAFinishedTaskObjectAsMain) { EXPECT_EQ(run(sum(4, 5, 6)), 15); }

TEST(Run, TakesOptions) { EXPECT_EQ(run(one_worker(), sum, 1, 1, 1), 3); }

TEST(Run, ThrowsWhatItsMainThrows) { EXPECT_THROW(run(fail_now), failure); }

TEST(Run, CanBeCalledInsideACallableOfAnotherRun) {
    const auto inner = [] { return run(sum, 1, 2, 3); };
    const auto outer = [](auto f) -> task<int> {
        auto h = sluice::go(f);
        co_return co_await h;
    };
    EXPECT_EQ(run(outer, inner), 6);
}

TEST(Run, CanBeRepeated) {
    for (int i = 0; i < 50; ++i) EXPECT_EQ(run(sum, i, 0, 0), i);
}

TEST(Run, CancelsAndJoinsTasksThatAreLeftOver) {
    std::atomic<int> noted{0};
    const auto main = [](std::atomic<int>& n) -> task<> {
        std::atomic<int> begun{0};
        const auto left_over = [](std::atomic<int>& b, std::atomic<int>& to) -> task<> {
            ++b;
            co_await note_cancellation(to);
        };
        for (int i = 0; i < 10; ++i) sluice::go(left_over, std::ref(begun), std::ref(n));
        while (begun != 10) co_await sluice::yield();  // a task cancelled before its first step does not run
    };
    run(main, std::ref(noted));
    EXPECT_EQ(noted, 10);
}

TEST(Run, JoinsCallablesThatAreLeftOver) {
    std::atomic<bool> ended{false};
    const channel<int> begun{1};
    const auto left_over = [&ended, begun] {
        static_cast<void>(begun.send(1));
        try {
            static_cast<void>(channel<int>{}.send(1));  // waits until the run's end cancels it
        } catch (const canceled&) {
            ended = true;
            throw;
        }
    };
    const auto main = [](auto f, channel<int> ch) -> task<> {
        sluice::go(f);
        static_cast<void>(co_await ch.async_receive());
    };
    run(main, left_over, begun);
    EXPECT_TRUE(ended);
}

TEST(Run, LetsATaskThatIsLeftOverCleanUpUnderAShield) {
    std::atomic<bool> cleaned{false};
    const auto left_over = [](std::atomic<bool>& begun, std::atomic<bool>& done) -> task<> {
        begun = true;
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        co_await sluice::shielded(sluice::sleep_for(5ms));
        done = true;
    };
    const auto main = [](auto f, std::atomic<bool>& done) -> task<> {
        std::atomic<bool> begun{false};
        sluice::go(f, std::ref(begun), std::ref(done));
        while (!begun) co_await sluice::yield();
    };
    run(main, left_over, std::ref(cleaned));
    EXPECT_TRUE(cleaned);
}

TEST(Run, EndsWithAnExceptionThatNobodyAwaits) {
    const auto main = []() -> task<int> {
        sluice::go(fail_now);
        co_await wait_for_ever();
        co_return 1;
    };
    EXPECT_THROW(run(main), failure);
}

TEST(Run, EndsWithAnExceptionOfACallableThatNobodyAwaits) {
    const auto main = []() -> task<> {
        sluice::go([] { throw failure{}; });
        co_await wait_for_ever();
    };
    EXPECT_THROW(run(main), failure);
}

TEST(Run, TellsTheTasksItCancelsWhichExceptionItWas) {
    std::atomic<bool> told{false};
    const auto main = [](std::atomic<bool>& flag) -> task<> {
        sluice::go(fail_now);
        try {
            co_await wait_for_ever();
        } catch (const canceled& c) {
            try {
                if (c.cause()) std::rethrow_exception(c.cause());
            } catch (const failure&) {
                flag = true;
            }
        }
    };
    EXPECT_THROW(run(main, std::ref(told)), failure);
    EXPECT_TRUE(told);
}

TEST(Run, EndsWithAnExceptionWhoseHandleIsDroppedAfterwards) {
    const auto main = []() -> task<> {
        auto h = sluice::go(fail_now);
        while (!h.done()) co_await sluice::yield();
    };
    EXPECT_THROW(run(main), failure);
}

// Whoever is last, the end of the task or the drop of the handle, has to look.
TEST(Run, EndsWithAnExceptionWhoseHandleIsDroppedAtThatMoment) {
    const auto main = [](std::atomic<bool>& begun, int delay) -> task<> {
        auto h = sluice::go([&begun, delay] {
            begun = true;
            std::atomic<int> spun{0};
            while (spun.fetch_add(1) < delay) {}
            throw failure{};
        });
        while (!begun) std::this_thread::yield();
        std::atomic<int> spun{0};
        while (spun.fetch_add(1) < 100) {}
        co_return;
    };
    for (int i = 0; i < 1'000; ++i) {
        std::atomic<bool> begun{false};
        ASSERT_THROW(run(two_workers(), main, std::ref(begun), i), failure) << "in round " << i;
    }
}

TEST(Run, GoesOnAfterAnExceptionThatIsAwaited) {
    const auto main = []() -> task<int> {
        auto h = sluice::go(fail_now);
        try {
            co_await h;
        } catch (const failure&) {
            co_return 1;
        }
        co_return 2;
    };
    EXPECT_EQ(run(main), 1);
}

TEST(Run, GoesOnAfterACanceledThatNobodyAwaits) {
    const auto main = []() -> task<int> {
        {
            auto h = sluice::go(wait_for_ever);
            h.cancel();
            while (!h.done()) co_await sluice::yield();
        }
        co_return 1;
    };
    EXPECT_EQ(run(main), 1);
}

// --- go ------------------------------------------------------------------------------------------------------------

// T53: the lambda is a temporary that is gone before the coroutine made from it goes on.
// The rule is the same whether the starter has asked for its own context or not.
TEST(Go, WhatATaskStartsIsNotCancelledWithItsHandleNorWhenItEnds) {
    for (const bool asks_first : {false, true}) {
        runtime rt;
        const channel<int> ch{0};
        const auto child = [](channel<int> c) -> task<int> { co_return *co_await c.async_receive(); };
        const auto parent = [child](channel<int> c, bool asks) -> task<join_handle<int>> {
            if (asks) static_cast<void>(sluice::current_context());
            co_return go(child, c);
        };
        auto started = rt.go(parent, ch, asks_first);
        ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
        started.cancel();
        auto h = started.get();
        ASSERT_TRUE(ch.send(7));
        EXPECT_EQ(h.get(), 7);
    }
}

TEST(Go, KeepsTheCapturesOfALambdaAlive) {
    runtime rt;
    const channel<int> gate{0};
    join_handle<std::string> h;
    {
        std::string text(100, 'x');
        h = rt.go([text = std::move(text), gate]() -> task<std::string> {
            static_cast<void>(co_await gate.async_receive());
            co_return text;
        });
    }
    static_cast<void>(gate.send(1));
    EXPECT_EQ(h.get(), std::string(100, 'x'));
}

TEST(Go, CopiesItsArguments) {
    runtime rt;
    const channel<int> gate{0};
    std::string text = "before";
    const auto f = [](const std::string& t, channel<int> g) -> task<std::string> {
        static_cast<void>(co_await g.async_receive());
        co_return t;
    };
    auto h = rt.go(f, text, gate);
    text = "after";
    static_cast<void>(gate.send(1));
    EXPECT_EQ(h.get(), "before");
}

TEST(Go, PassesAReferenceWhenAskedTo) {
    runtime rt;
    int value = 1;
    const auto f = [](int& v) -> task<> {
        v = 2;
        co_return;
    };
    rt.go(f, std::ref(value)).get();
    EXPECT_EQ(value, 2);
}

TEST(Go, TakesMoveOnlyArguments) {
    runtime rt;
    const auto f = [](std::unique_ptr<int> a, std::unique_ptr<int> b) -> task<int> { co_return *a + *b; };
    EXPECT_EQ(rt.go(f, std::make_unique<int>(1), std::make_unique<int>(2)).get(), 3);
}

struct go_tag {};
using go_object = counted<go_tag>;

TEST(Go, DestroysTheCallableAndItsArgumentsWhenTheTaskEndsThoughAHandleLives) {
    runtime rt;
    const auto f = [](go_object o) -> task<int> { co_return o.value(); };
    auto h = rt.go(f, go_object{3});
    ASSERT_TRUE(eventually([&] { return h.done(); }));
    EXPECT_EQ(go_object::live(), 0);
    EXPECT_EQ(h.get(), 3);
}

TEST(Go, StartsNothingWhenCopyingAnArgumentThrows) {
    struct not_copied {
        not_copied() = default;
        not_copied(const not_copied&) { throw failure{}; }
    };
    runtime rt;
    const not_copied argument;
    const auto f = [](const not_copied&) -> task<> { co_return; };
    EXPECT_THROW(rt.go(f, argument), failure);
    EXPECT_EQ(rt.metrics().spawned, 0u);
}

TEST(Go, ReportsACallableThatReturnsAnEmptyTask) {
    runtime rt;
    const auto f = []() -> task<int> { return {}; };
    EXPECT_THROW(rt.go(f).get(), std::logic_error);
}

TEST(Go, RunsAPlainCallableBesideABusyWorker) {
    runtime rt{one_worker()};
    const channel<int> ch{0};
    const auto busy = [](channel<int> c) -> task<int> {
        // The only worker is held: nothing of ours may be needed to run the callable.
        auto h = sluice::go([c] { static_cast<void>(c.send(1)); });
        for (;;)
            if (auto v = c.try_receive()) co_return *v;
    };
    EXPECT_EQ(rt.go(busy, ch).get(), 1);
}

TEST(Go, LetsATaskGoOnWhenItsHandleIsDropped) {
    runtime rt;
    const channel<int> gate{0};
    const channel<int> result{0};
    const auto f = [](channel<int> in, channel<int> out) -> task<> {
        auto v = co_await in.async_receive();
        static_cast<void>(co_await out.async_send(*v + 1));
    };
    rt.go(f, gate, result);
    static_cast<void>(gate.send(1));
    EXPECT_EQ(*result.receive(), 2);
}

TEST(Go, FromAPlainThreadUsesTheRuntimeOfTheProcess) {
    const auto before = runtime::process().metrics().spawned;
    EXPECT_EQ(sluice::go(sum, 1, 2, 3).get(), 6);
    EXPECT_EQ(sluice::go([] { return 7; }).get(), 7);
    EXPECT_EQ(runtime::process().metrics().spawned, before + 2);
}

TEST(Go, FromATaskStaysInItsRuntime) {
    const auto before = runtime::process().metrics().spawned;
    runtime rt;
    const auto parent = []() -> task<int> {
        auto a = sluice::go(sum, 1, 2, 3);
        auto b = sluice::go([] { return sluice::go(sum, 4, 5, 6).get(); });
        const int first = co_await a;
        const int second = co_await b;
        co_return first + second;
    };
    EXPECT_EQ(rt.run(parent), 21);
    EXPECT_EQ(rt.metrics().spawned, 4u);
    EXPECT_EQ(runtime::process().metrics().spawned, before);
}

// --- handles -------------------------------------------------------------------------------------------------------

TEST(JoinHandle, TellsWhetherTheTaskHasEnded) {
    runtime rt;
    const channel<int> gate{0};
    const auto f = [](channel<int> g) -> task<> { static_cast<void>(co_await g.async_receive()); };
    auto h = rt.go(f, gate);
    EXPECT_FALSE(h.done());
    static_cast<void>(gate.send(1));
    EXPECT_TRUE(eventually([&] { return h.done(); }));
    h.get();
}

TEST(JoinHandle, BelongsToNothingByDefaultAndAfterAMove) {
    runtime rt;
    join_handle<int> h;
    EXPECT_FALSE(h);
    EXPECT_FALSE(h.done());
    h.cancel();  // of nothing: nothing happens
    auto real = rt.go(sum, 1, 2, 3);
    h = std::move(real);
    EXPECT_TRUE(h);
    EXPECT_FALSE(real);
    EXPECT_EQ(h.get(), 6);
}

TEST(JoinHandle, OutlivesItsRuntime) {
    join_handle<int> h;
    {
        runtime rt;
        h = rt.go(sum, 1, 2, 3);
        ASSERT_TRUE(eventually([&] { return h.done(); }));
    }
    h.cancel();
    EXPECT_TRUE(h.done());
    EXPECT_EQ(h.get(), 6);
}

TEST(JoinHandle, CancelEndsATaskThatWaits) {
    runtime rt;
    auto h = rt.go(wait_for_ever);
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "receive"); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

TEST(JoinHandle, CancelOfAnEndedTaskLeavesItsResult) {
    runtime rt;
    auto h = rt.go(sum, 1, 2, 3);
    ASSERT_TRUE(eventually([&] { return h.done(); }));
    h.cancel();
    EXPECT_EQ(h.get(), 6);
}

TEST(JoinHandle, CancelEndsNoOtherTask) {
    runtime rt;
    const channel<int> gate{0};
    const auto f = [](channel<int> g) -> task<int> { co_return *co_await g.async_receive(); };
    auto first = rt.go(f, gate);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(gate) == 1; }));
    auto second = rt.go(f, gate);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(gate) == 2; }));
    first.cancel();
    EXPECT_THROW(first.get(), canceled);
    static_cast<void>(gate.send(5));
    EXPECT_EQ(second.get(), 5);
}

TEST(JoinHandle, CancelBeforeTheFirstStepLetsNothingRun) {
    struct tag {};
    using object = counted<tag>;
    std::atomic<bool> ran{false};
    const auto main = [](std::atomic<bool>& flag) -> task<bool> {
        const auto never = [](std::atomic<bool>& f, object) -> task<> {
            f = true;
            co_return;
        };
        auto h = sluice::go(never, std::ref(flag), object{1});
        h.cancel();  // the only worker is here, so it has not begun
        bool thrown = false;
        try {
            co_await h;
        } catch (const canceled&) {
            thrown = true;
        }
        EXPECT_EQ(object::live(), 0);
        co_return thrown;
    };
    EXPECT_TRUE(run(one_worker(), main, std::ref(ran)));
    EXPECT_FALSE(ran);
}

TEST(JoinHandle, CancelBeforeACallableHasAThreadLetsNothingRun) {
    struct tag {};
    using object = counted<tag>;
    run_options options = one_worker();
    options.max_threads = 2;  // the worker, and one callable
    std::atomic<int> reports{0};
    options.diagnostics = [&](std::string_view) { ++reports; };
    runtime rt{options};
    const channel<int> gate{0};
    std::atomic<bool> ran{false};
    auto first = rt.go([gate] { static_cast<void>(gate.receive()); });
    ASSERT_TRUE(eventually([&] { return receivers_waiting(gate) == 1; }));
    auto second = rt.go([&ran](const object&) { ran = true; }, object{1});
    second.cancel();
    static_cast<void>(gate.send(1));
    EXPECT_THROW(second.get(), canceled);
    first.get();
    EXPECT_FALSE(ran);
    EXPECT_EQ(object::live(), 0);
    EXPECT_GE(reports, 1) << "that all threads are in use is told";
}

// A join is never abandoned: the child uses the parent's frame until it has ended.
TEST(JoinHandle, AJoinThatIsCancelledPassesItOnAndWaits) {
    runtime rt;
    std::atomic<bool> child_cleaned_up{false};
    std::atomic<bool> parent_saw_it{false};
    const auto child = [](std::atomic<bool>& done) -> task<> {
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        co_await sluice::shielded(sluice::sleep_for(5ms));
        done = true;
    };
    const auto parent = [](auto f, std::atomic<bool>& done, std::atomic<bool>& saw) -> task<> {
        auto h = sluice::go(f, std::ref(done));
        try {
            co_await h;
        } catch (const canceled&) {
            saw = done.load();
            throw;
        }
    };
    auto h = rt.go(parent, child, std::ref(child_cleaned_up), std::ref(parent_saw_it));
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "join") && somebody_waits_for(rt, "receive"); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_TRUE(parent_saw_it);
}

TEST(JoinHandle, ABlockingJoinThatIsCancelledPassesItOnAndWaits) {
    runtime rt;
    std::atomic<int> noted{0};
    std::atomic<int> seen{0};
    auto h = rt.go([&] {
        auto child = sluice::go(note_cancellation, std::ref(noted));
        try {
            child.get();
        } catch (const canceled&) {
            seen = noted.load();
            throw;
        }
    });
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "join") && somebody_waits_for(rt, "receive"); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(seen, 1);
}

TEST(JoinHandle, AJoinBegunInACancelledTaskStillWaits) {
    runtime rt;
    std::atomic<int> noted{0};
    std::atomic<int> seen{0};
    const auto parent = [](std::atomic<int>& n, std::atomic<int>& s) -> task<> {
        auto child = sluice::go(note_cancellation, std::ref(n));
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        try {
            co_await child;
        } catch (const canceled&) {
            s = n.load();
        }
    };
    auto h = rt.go(parent, std::ref(noted), std::ref(seen));
    ASSERT_TRUE(eventually([&] { return dump_of(rt).find("2 alive in all") != std::string::npos; }));
    ASSERT_TRUE(eventually([&] { return dump_of(rt).find("  #2 ") != std::string::npos; }));
    h.cancel();
    h.get();
    EXPECT_EQ(seen, 1);
}

// --- blocking forms on a worker ------------------------------------------------------------------------------------

// MX-09, T44
TEST(BlockingOnAWorker, LetsATaskRunThatTheBlockedOneWaitsFor) {
    const auto main = []() -> task<int> {
        const channel<int> ch{0};
        const auto child = [](channel<int> c) -> task<> { static_cast<void>(co_await c.async_send(5)); };
        sluice::go(child, ch);
        co_return *ch.receive();  // blocks the only worker
    };
    EXPECT_EQ(run(one_worker(), main), 5);
}

#if defined(__linux__)
// A call that sleeps in the kernel, of which sluice knows nothing.
class foreign_event {
public:
    void set() {
        {
            const std::lock_guard guard{mutex_};
            is_set_ = true;
        }
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock guard{mutex_};
        changed_.wait(guard, [&] { return is_set_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_set_ = false;
};

TEST(AHeldWorker, OfACallThatSleepsInTheKernelGetsAStandInAndALine) {
    std::mutex mutex;
    std::string said;
    run_options options = one_worker();
    options.diagnostics = [&](std::string_view text) {
        const std::lock_guard guard{mutex};
        said += text;
    };
    runtime rt{options};
    for (int round = 0; round < 5; ++round) {
        foreign_event event;
        const auto hold_the_only_worker = [&]() -> task<> {
            auto other = sluice::go([&]() -> task<> {
                event.set();
                co_return;
            });
            event.wait();
            co_await other;
        };
        // Hangs without a stand-in.
        rt.run([&]() -> task<> {
            auto held = sluice::go(hold_the_only_worker);
            co_await held;
        });
    }
    EXPECT_GE(rt.metrics().stand_ins, 1u);
    const std::lock_guard guard{mutex};
    EXPECT_NE(said.find("holds its worker in a call that sleeps"), std::string::npos) << said;
    EXPECT_NE(said.find("runtime_test.cpp"), std::string::npos) << said;
}

TEST(AHeldWorker, IsNoneThatComputes) {
    std::atomic<bool> said{false};
    run_options options = one_worker();
    options.diagnostics = [&](std::string_view) { said = true; };
    runtime rt{options};
    rt.run([]() -> task<> {
        const auto until = std::chrono::steady_clock::now() + 60ms;
        while (std::chrono::steady_clock::now() < until) {}
        co_return;
    });
    EXPECT_EQ(rt.metrics().stand_ins, 0u);
    EXPECT_FALSE(said);
}

// While it stood in it slept until the next timer, and the others past it.
TEST(AHeldWorker, TakesCareOfTheTimersAgainWhenItsStandInGoes) {
    run_options options = one_worker();
    options.diagnostics = [](std::string_view) {};
    runtime rt{options};
    foreign_event event;
    auto sleeper = rt.go([]() -> task<> { co_await sluice::sleep_for(300ms); });
    auto held = rt.go([&]() -> task<> {
        event.wait();
        // Busy for a while, without being held: the stand-in is sent away meanwhile.
        const auto until = std::chrono::steady_clock::now() + 60ms;
        while (std::chrono::steady_clock::now() < until) co_await sluice::yield();
    });
    ASSERT_TRUE(eventually([&] { return rt.metrics().stand_ins == 1; }));
    event.set();
    held.get();
    EXPECT_TRUE(eventually([&] { return sleeper.done(); })) << "nobody looks at the timers";
}
#endif

// MX-09, T44
TEST(BlockingOnAWorker, IsCountedAndNamed) {
    runtime rt{one_worker()};
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<int> { co_return *c.receive(); };
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    EXPECT_EQ(rt.metrics().stand_ins, 1u);
    EXPECT_TRUE(somebody_waits_for(rt, "receive"));
    static_cast<void>(ch.send(1));
    EXPECT_EQ(h.get(), 1);
}

// MX-09
TEST(BlockingOnAWorker, WorksForManyTasksAtOnce) {
    const auto main = []() -> task<int> {
        const channel<int> in{0};
        const channel<int> out{100};
        const auto f = [](channel<int> from, channel<int> to) -> task<> {
            static_cast<void>(to.send(*from.receive()));
            co_return;
        };
        for (int i = 0; i < 20; ++i) sluice::go(f, in, out);
        for (int i = 0; i < 20; ++i) static_cast<void>(co_await in.async_send(1));
        int all = 0;
        for (int i = 0; i < 20; ++i) all += *co_await out.async_receive();
        co_return all;
    };
    EXPECT_EQ(run(one_worker(), main), 20);
}

// MX-09: the other waits, each on the only worker, each ended by a task that needs one.
TEST(BlockingOnAWorker, WorksForEveryKindOfWait) {
    const auto main = []() -> task<int> {
        int done = 0;
        auto h = sluice::go(sum, 1, 2, 3);
        done += h.get() == 6;

        sluice::wait_group group;
        group.go(sum, 1, 2, 3);
        group.wait();
        ++done;

        sluice::semaphore permits{1};
        permits.acquire();
        const auto give_back = [](sluice::semaphore& s) -> task<> {
            s.release();
            co_return;
        };
        sluice::go(give_back, std::ref(permits));
        permits.acquire();
        ++done;

        const channel<int> ch{0};
        const auto receive = [](channel<int> c) -> task<> { static_cast<void>(co_await c.async_receive()); };
        sluice::go(receive, ch);
        done += static_cast<bool>(ch.send(1));
        done += ch.receive_for(1ms) == sluice::status::timed_out;
        co_return done;
    };
    EXPECT_EQ(run(one_worker(), main), 5);
}

TEST(BlockingOnAWorker, EndsWithTheSurroundingContext) {
    runtime rt{one_worker()};
    const channel<int> ch{0};
    const auto f = [](channel<int> c) -> task<> {
        static_cast<void>(c.receive());
        co_return;
    };
    auto h = rt.go(f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_EQ(receivers_waiting(ch), 0u);
}

TEST(BlockingOnAWorker, LetsTheTaskAwaitAgainAfterwards) {
    const auto main = []() -> task<int> {
        const channel<int> ch{1};
        const auto child = [](channel<int> c) -> task<> { static_cast<void>(co_await c.async_send(1)); };
        int all = 0;
        for (int i = 0; i < 100; ++i) {
            sluice::go(child, ch);
            all += *ch.receive();
            sluice::go(child, ch);
            all += *co_await ch.async_receive();
            co_await sluice::yield();
        }
        co_return all;
    };
    EXPECT_EQ(run(one_worker(), main), 200);
}

// --- yield ---------------------------------------------------------------------------------------------------------

// T48
TEST(Yield, LetsAStartedTaskRunOnTheOnlyWorker) {
    const auto main = []() -> task<> {
        std::atomic<bool> flag{false};
        const auto f = [](std::atomic<bool>& set) -> task<> {
            set = true;
            co_return;
        };
        auto h = sluice::go(f, std::ref(flag));
        while (!flag) co_await sluice::yield();
        co_await h;
    };
    run(one_worker(), main);
}

TEST(Yield, LetsATaskThatIsReadyRunFirst) {
    const auto main = []() -> task<bool> {
        bool ran = false;
        const auto f = [](bool& set) -> task<> {
            set = true;
            co_return;
        };
        auto h = sluice::go(f, std::ref(ran));
        co_await sluice::yield();
        const bool first = ran;
        co_await h;
        co_return first;
    };
    EXPECT_TRUE(run(one_worker(), main));
}

// T48
TEST(Yield, LetsSleepersAndTasksFromOutsideRun) {
    runtime rt{one_worker()};
    std::atomic<bool> slept{false};
    std::atomic<bool> came{false};
    const auto spin = [](std::atomic<bool>& a, std::atomic<bool>& b) -> task<> {
        while (!a || !b) co_await sluice::yield();
    };
    const auto sleep = [](std::atomic<bool>& set) -> task<> {
        co_await sluice::sleep_for(1ms);
        set = true;
    };
    const auto come = [](std::atomic<bool>& set) -> task<> {
        set = true;
        co_return;
    };
    auto spinning = rt.go(spin, std::ref(slept), std::ref(came));
    auto sleeping = rt.go(sleep, std::ref(slept));
    auto coming = rt.go(come, std::ref(came));
    spinning.get();
    sleeping.get();
    coming.get();
}

TEST(Yield, ThrowsInACancelledTask) {
    runtime rt;
    std::atomic<bool> begun{false};
    const auto f = [](std::atomic<bool>& b) -> task<> {
        b = true;
        for (;;) co_await sluice::yield();
    };
    auto h = rt.go(f, std::ref(begun));
    ASSERT_TRUE(eventually([&] { return begun.load(); }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
}

// --- blocking() ----------------------------------------------------------------------------------------------------

TEST(Blocking, GivesTheResultOfTheCallable) {
    const auto main = []() -> task<int> {
        const auto add = [](int a, int b) { return a + b; };
        const auto nothing = [] {};
        co_await sluice::blocking(nothing);
        co_return co_await sluice::blocking(add, 1, 2);
    };
    EXPECT_EQ(run(main), 3);
}

TEST(Blocking, GivesAReference) {
    const auto main = []() -> task<bool> {
        static int object = 0;
        const auto itself = []() -> int& { return object; };
        int& got = co_await sluice::blocking(itself);
        co_return &got == &object;
    };
    EXPECT_TRUE(run(main));
}

TEST(Blocking, ThrowsWhatTheCallableThrows) {
    const auto main = []() -> task<bool> {
        const auto f = []() -> int { throw failure{}; };
        try {
            co_await sluice::blocking(f);
        } catch (const failure&) {
            co_return true;
        }
        co_return false;
    };
    EXPECT_TRUE(run(main));
}

TEST(Blocking, LeavesTheWorkerToTheOthers) {
    const auto main = []() -> task<int> {
        const channel<int> ch{0};
        const auto sender = [](channel<int> c) -> task<> { static_cast<void>(co_await c.async_send(8)); };
        const auto wait = [ch] { return *ch.receive(); };
        sluice::go(sender, ch);
        co_return co_await sluice::blocking(wait);
    };
    EXPECT_EQ(run(one_worker(), main), 8);
}

TEST(Blocking, RunsOnAnotherThread) {
    const auto main = []() -> task<bool> {
        const auto who = [] { return std::this_thread::get_id(); };
        const auto worker = std::this_thread::get_id();
        const auto other = co_await sluice::blocking(who);
        co_return worker != other;
    };
    EXPECT_TRUE(run(one_worker(), main));
}

TEST(Blocking, CanBeNamedFirstAndAwaitedLater) {
    const auto main = []() -> task<int> {
        std::string text = "abc";
        const auto length = [text] { return static_cast<int>(text.size()); };
        auto op = sluice::blocking(length);
        co_return co_await op;
    };
    EXPECT_EQ(run(main), 3);
}

TEST(Blocking, RunsNothingWhenItIsNotAwaited) {
    struct tag {};
    using object = counted<tag>;
    const auto main = []() -> task<bool> {
        bool ran = false;
        const auto mine = sluice::current_context();  // so that the task has a context of its own
        {
            auto op = sluice::blocking([&ran](const object&) { ran = true; }, object{1});
            static_cast<void>(op);
        }
        EXPECT_EQ(object::live(), 0);
        co_return ran;
    };
    EXPECT_FALSE(run(main));
}

TEST(Blocking, PassesACancellationOnAndWaitsForTheCallable) {
    runtime rt;
    const channel<int> ch{0};
    std::atomic<bool> ended{false};
    std::atomic<bool> seen{false};
    const auto parent = [](channel<int> c, std::atomic<bool>& e, std::atomic<bool>& s) -> task<> {
        const auto wait = [c, &e] {
            try {
                static_cast<void>(c.receive());
            } catch (const canceled&) {
                e = true;
                throw;
            }
        };
        try {
            co_await sluice::blocking(wait);
        } catch (const canceled&) {
            s = e.load();
            throw;
        }
    };
    auto h = rt.go(parent, ch, std::ref(ended), std::ref(seen));
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_TRUE(seen);
}

// A stop that was requested before the call wins.
TEST(Blocking, InACancelledTaskRunsNothing) {
    runtime rt;
    std::atomic<int> ran{0};
    const auto f = [](std::atomic<int>& n) -> task<> {
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        const auto callable = [&n] { ++n; };
        co_await sluice::blocking(callable);
    };
    for (int i = 0; i < 100; ++i) {
        auto h = rt.go(f, std::ref(ran));
        h.cancel();
        EXPECT_THROW(h.get(), canceled);
    }
    for (int i = 0; i < 100; ++i) {
        auto h = rt.go(f, std::ref(ran));
        ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "receive"); }));
        h.cancel();
        EXPECT_THROW(h.get(), canceled);
    }
    EXPECT_EQ(ran, 0);
}

TEST(Blocking, UnderAShieldRunsInACancelledTask) {
    runtime rt;
    std::atomic<int> ran{0};
    const auto f = [](std::atomic<int>& n) -> task<> {
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        const auto callable = [&n] { ++n; };
        co_await sluice::shielded(sluice::blocking(callable));
    };
    auto h = rt.go(f, std::ref(ran));
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "receive"); }));
    h.cancel();
    h.get();
    EXPECT_EQ(ran, 1);
}

// The callable would live in a context that has ended. Its own waits are not cancelled either.
TEST(Blocking, UnderAShieldRunsInATaskWhoseContextHasEnded) {
    std::atomic<int> ran{0};
    const auto f = [](std::atomic<int>& n) -> task<> {
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        const auto callable = [&n] {
            static_cast<void>(sluice::after(1ms).receive());
            ++n;
        };
        co_await sluice::shielded(sluice::blocking(callable));
        const auto within = [](const auto& c) -> task<> { co_await sluice::blocking(c); };
        co_await sluice::shielded(within(callable));
    };
    const auto ends = sluice::with_cancel({});
    auto h = sluice::go(ends, f, std::ref(ran));
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(runtime::process(), "receive"); }));
    ends.cancel();
    h.get();
    EXPECT_EQ(ran, 2);
}

// --- scheduling ----------------------------------------------------------------------------------------------------

// A ready task does not wait behind a running one while another worker is idle.
task<bool> another_runs_beside(bool after_a_quiet_time) {
    if (after_a_quiet_time) co_await sluice::sleep_for(50ms);
    std::atomic<bool> ran{false};
    const auto f = [](std::atomic<bool>& set) -> task<> {
        set = true;
        co_return;
    };
    auto h = sluice::go(f, std::ref(ran));
    const auto limit = sluice::clock::now() + 2s;
    while (!ran && sluice::clock::now() < limit) {}
    const bool beside = ran;
    co_await h;
    co_return beside;
}

TEST(Scheduling, AnIdleWorkerTakesAStartedTaskFromBehindARunningOne) {
    EXPECT_TRUE(run(two_workers(), another_runs_beside, false));
}

TEST(Scheduling, AnIdleWorkerTakesAStartedTaskAfterAQuietTimeToo) {
    EXPECT_TRUE(run(two_workers(), another_runs_beside, true));
}

TEST(Scheduling, AnIdleWorkerTakesAWokenTaskFromBehindARunningOne) {
    const auto main = []() -> task<bool> {
        std::atomic<bool> ran{false};
        const channel<int> ch{0};
        const auto f = [](std::atomic<bool>& set, channel<int> c) -> task<> {
            static_cast<void>(co_await c.async_receive());
            set = true;
        };
        auto h = sluice::go(f, std::ref(ran), ch);
        while (receivers_waiting(ch) != 1) co_await sluice::yield();
        static_cast<void>(co_await ch.async_send(1));  // now in the run-next slot behind us
        const auto limit = sluice::clock::now() + 2s;
        while (!ran && sluice::clock::now() < limit) {}
        const bool beside = ran;
        co_await h;
        co_return beside;
    };
    EXPECT_TRUE(run(two_workers(), main));
}

TEST(Scheduling, AnIdleWorkerTakesATaskFromTheQueueBehindARunningOne) {
    const auto main = []() -> task<bool> {
        std::atomic<int> ran{0};
        const channel<int> ch{0};
        const auto f = [](std::atomic<int>& count, channel<int> c) -> task<> {
            static_cast<void>(co_await c.async_receive());
            ++count;
        };
        auto a = sluice::go(f, std::ref(ran), ch);
        auto b = sluice::go(f, std::ref(ran), ch);
        while (receivers_waiting(ch) != 2) co_await sluice::yield();
        ch.close();  // both wake together and stand in the queue behind us
        const auto limit = sluice::clock::now() + 2s;
        while (ran != 2 && sluice::clock::now() < limit) {}
        const bool beside = ran == 2;
        co_await a;
        co_await b;
        co_return beside;
    };
    EXPECT_TRUE(run(two_workers(), main));
}

TEST(Scheduling, TimersFireWhileEveryWorkerIsBusy) {
    // The timer's task needs the other worker; its time comes while both have work.
    const auto main = []() -> task<bool> {
        std::atomic<bool> fired{false};
        const auto sleeper = [](std::atomic<bool>& set) -> task<> {
            co_await sluice::sleep_for(2ms);
            set = true;
        };
        auto h = sluice::go(sleeper, std::ref(fired));
        co_await sluice::sleep_for(1ms);
        const auto limit = sluice::clock::now() + 2s;
        while (!fired && sluice::clock::now() < limit) {}
        const bool in_time = fired;
        co_await h;
        co_return in_time;
    };
    EXPECT_TRUE(run(two_workers(), main));
}

TEST(Scheduling, ATaskWhoseOperationsAreAlwaysReadyStillLetsOthersRun) {
    const auto main = []() -> task<> {
        std::atomic<bool> flag{false};
        const auto f = [](std::atomic<bool>& set) -> task<> {
            set = true;
            co_return;
        };
        auto h = sluice::go(f, std::ref(flag));
        const channel<int> ch{1};
        while (!flag) {
            static_cast<void>(co_await ch.async_send(1));
            static_cast<void>(co_await ch.async_receive());
        }
        co_await h;
    };
    run(one_worker(), main);
}

TEST(Scheduling, AReadyBudgetOfOneMakesEveryOperationAStep) {
    run_options options = one_worker();
    int steps = 0;
    options.ready_budget = 1;
    options.before_step = [&] { ++steps; };
    const auto main = []() -> task<> {
        const channel<int> ch{1};
        for (int i = 0; i < 10; ++i) {
            static_cast<void>(co_await ch.async_send(1));
            static_cast<void>(co_await ch.async_receive());
        }
    };
    run(options, main);
    EXPECT_EQ(steps, 21);  // the first dispatch, and one after each operation
}

TEST(Scheduling, AReadyBudgetOfOneTakesTurns) {
    run_options options = one_worker();
    options.ready_budget = 1;
    const auto main = []() -> task<std::string> {
        std::string order;
        const channel<int> gate{0};
        const auto f = [](std::string& to, char name, channel<int> g) -> task<> {
            static_cast<void>(co_await g.async_receive());
            const channel<int> ch{4};
            for (int i = 0; i < 4; ++i) {
                to += name;
                static_cast<void>(co_await ch.async_send(1));
            }
        };
        auto a = sluice::go(f, std::ref(order), 'a', gate);
        while (receivers_waiting(gate) != 1) co_await sluice::yield();
        auto b = sluice::go(f, std::ref(order), 'b', gate);
        while (receivers_waiting(gate) != 2) co_await sluice::yield();
        static_cast<void>(co_await gate.async_send(1));
        static_cast<void>(co_await gate.async_send(1));
        co_await a;
        co_await b;
        co_return order;
    };
    EXPECT_EQ(run(options, main), "abababab");
}

TEST(Scheduling, BeforeStepIsCalledFromTheFirstDispatchOn) {
    run_options options = one_worker();
    int steps = 0;
    options.before_step = [&] { ++steps; };
    const auto main = [](int& count) -> task<int> {
        const int at_start = count;
        co_await sluice::yield();
        co_return count - at_start;
    };
    EXPECT_EQ(run(options, main, std::ref(steps)), 1);
    EXPECT_EQ(steps, 2);
}

// T45: a push from outside, each time as the workers may just be going to sleep.
TEST(Scheduling, NoPushFromOutsideIsLostWhileWorkersGoToSleep) {
    runtime rt{two_workers()};
    const channel<int> to{0};
    const channel<int> from{0};
    const auto echo = [](channel<int> in, channel<int> out) -> task<> {
        while (auto v = co_await in.async_receive()) static_cast<void>(co_await out.async_send(*v));
    };
    auto h = rt.go(echo, to, from);
    const auto end = sluice::clock::now() + 300ms;
    for (int i = 0; sluice::clock::now() < end; ++i) {
        ASSERT_TRUE(to.send(i));
        ASSERT_EQ(*from.receive(), i);
    }
    to.close();
    h.get();
}

// T45
TEST(Scheduling, NoStartFromOutsideIsLostWhileWorkersGoToSleep) {
    runtime rt{two_workers()};
    const auto end = sluice::clock::now() + 200ms;
    for (int i = 0; sluice::clock::now() < end; ++i) ASSERT_EQ(rt.go(sum, i, 0, 0).get(), i);
}

std::chrono::nanoseconds time_used() {
    std::timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return std::chrono::seconds{t.tv_sec} + std::chrono::nanoseconds{t.tv_nsec};
}

// T46
TEST(Scheduling, AReceiveThatATimeEndsUsesNone) {
    sluice::go([]() -> task<> { co_return; }).get();  // the process's runtime is idle beside it
    const auto wait = [](std::chrono::nanoseconds& used) -> task<> {
        const channel<int> never{0};
        static_cast<void>(co_await sluice::timeout(50ms, never.async_receive()));  // until all are quiet
        const auto before = time_used();
        static_cast<void>(co_await sluice::timeout(1s, never.async_receive()));
        used = time_used() - before;
    };
    std::chrono::nanoseconds in_a_run{};
    std::chrono::nanoseconds in_the_process{};
    run(wait, std::ref(in_a_run));
    sluice::go(wait, std::ref(in_the_process)).get();
    EXPECT_LT(in_a_run, 10ms);
    EXPECT_LT(in_the_process, 10ms);
}

// T46
TEST(Scheduling, IdleWorkersUseNoTime) {
    runtime rt;
    const auto sleeper = []() -> task<> { co_await sluice::sleep_for(1h); };
    rt.go(sleeper);
    rt.go(wait_for_ever);
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "time") && somebody_waits_for(rt, "receive"); }));
    std::this_thread::sleep_for(50ms);  // until the monitor has seen that nothing happens
    const auto before = time_used();
    std::this_thread::sleep_for(1s);
    EXPECT_LT(time_used() - before, 10ms);
}

// --- the end -------------------------------------------------------------------------------------------------------

// T47
TEST(RuntimeEnd, WithoutAnyTask) {
    for (int i = 0; i < 100; ++i) const runtime rt;
}

// T47
TEST(RuntimeEnd, CancelsAndJoinsWhatIsAlive) {
    std::atomic<int> noted{0};
    {
        runtime rt;
        for (int i = 0; i < 10; ++i) rt.go(note_cancellation, std::ref(noted));
        ASSERT_TRUE(eventually([&] { return dump_of(rt).find("  #10 ") != std::string::npos; }));
    }
    EXPECT_EQ(noted, 10);
}

// T47, MX-09: the last task to end runs on a thread that gave its worker to a stand-in.
TEST(RuntimeEnd, WithATaskThatBlocksItsWorkerTakesNoLonger) {
    std::string reported;
    run_options options = two_workers();
    options.diagnostics = [&](std::string_view text) { reported += text; };
    options.grace = 500ms;
    for (int i = 0; i < 20; ++i) {
        const channel<int> ch{0};
        const auto f = [](channel<int> c) -> task<> {
            static_cast<void>(c.receive());
            co_return;
        };
        runtime rt{options};
        rt.go(f, ch);
        ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
        if (i % 2) std::this_thread::sleep_for(1ms);  // sometimes long enough for all workers to be idle
    }
    EXPECT_EQ(reported.find("the run has ended, but"), std::string::npos) << reported;
}

// T47
TEST(RuntimeEnd, WithTimersPending) {
    const auto sleeper = []() -> task<> { co_await sluice::sleep_for(1h); };
    runtime rt;
    for (int i = 0; i < 100; ++i) rt.go(sleeper);
}

// T47
TEST(RuntimeEnd, RightAfterAStart) {
    for (int i = 0; i < 200; ++i) {
        runtime rt;
        rt.go(sum, 1, 2, 3);
        rt.go([] {});
    }
}

// T47
TEST(RuntimeEnd, AfterAnException) {
    runtime rt;
    EXPECT_THROW(rt.run(fail_now), failure);
}

// T47
TEST(RuntimeEnd, OfARuntimeInsideATaskOfAnother) {
    runtime outer;
    const auto f = []() -> task<int> {
        runtime inner;
        co_return inner.run(sum, 1, 2, 3);
    };
    EXPECT_EQ(outer.run(f), 6);
}

// T47: the task that ends last runs on a worker of the runtime that is being ended.
TEST(RuntimeEnd, WhileTasksStartOthers) {
    struct tree {
        static task<> grow(int depth) {
            if (depth == 0) co_return;
            sluice::go(&tree::grow, depth - 1);
            sluice::go(&tree::grow, depth - 1);
        }
    };
    for (int i = 0; i < 20; ++i) {
        runtime rt;
        rt.go(&tree::grow, 8);
    }
}

// T36, T47: every task that waits for a permit, or is just asking, ends.
TEST(RuntimeEnd, WhileTasksAcquirePermits) {
    for (int round = 0; round < 50; ++round) {
        sluice::semaphore slots{1};
        std::atomic<int> begun{0};
        std::atomic<int> ended{0};
        const auto use = [](sluice::semaphore& s, std::atomic<int>& in, std::atomic<int>& out) -> task<> {
            struct at_end {
                std::atomic<int>& n;
                ~at_end() { ++n; }
            } const tells{out};
            ++in;
            for (;;) {
                const auto p = co_await s.async_hold();
                co_await sluice::yield();
            }
        };
        {
            runtime rt{two_workers()};
            for (int i = 0; i < 8; ++i) rt.go(use, std::ref(slots), std::ref(begun), std::ref(ended));
            ASSERT_TRUE(eventually([&] { return begun != 0; }));
        }
        ASSERT_EQ(ended, begun);
        ASSERT_EQ(slots.available(), 1u);
    }
}

TEST(RuntimeEnd, DestroysCallableAndArgumentsOfATaskThatHasNotBegun) {
    struct tag {};
    using object = counted<tag>;
    const auto main = []() -> task<> {
        const auto f = [](object) -> task<> { co_return; };
        for (int i = 0; i < 1'000; ++i) sluice::go(f, object{i});
        co_return;
    };
    run(one_worker(), main);
    EXPECT_EQ(object::live(), 0);
}

TEST(RuntimeEnd, ReportsAgainAndAgainWhatDoesNotEnd) {
    std::mutex mutex;
    std::vector<std::string> reports;
    const auto count = [&] {
        const std::lock_guard guard{mutex};
        return reports.size();
    };
    run_options options;
    options.grace = 2ms;
    options.diagnostics = [&](std::string_view text) {
        const std::lock_guard guard{mutex};
        reports.emplace_back(text);
    };
    const channel<int> gate{0};
    std::optional<runtime> rt;
    rt.emplace(options);
    const auto stubborn = [](channel<int> g) -> task<> {
        static_cast<void>(co_await sluice::shielded(g.async_receive()));
    };
    rt->go(stubborn, gate);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(gate) == 1; }));
    std::jthread ending{[&] { rt.reset(); }};
    EXPECT_TRUE(eventually([&] { return count() >= 2; }));
    static_cast<void>(gate.send(1));
    ending.join();
    ASSERT_FALSE(reports.empty());
    EXPECT_NE(reports.front().find("waits for receive"), std::string::npos) << reports.front();
    EXPECT_NE(reports.front().find("runtime_test.cpp"), std::string::npos) << reports.front();
}

// --- the limit of threads ------------------------------------------------------------------------------------------

/// What a runtime has said so far.
class diagnostics_of {
public:
    void listen(run_options& o) {
        o.diagnostics = [this](std::string_view text) {
            const std::lock_guard guard{mutex_};
            said_ += text;
        };
    }
    bool contain(const std::string& text) const {
        const std::lock_guard guard{mutex_};
        return said_.find(text) != std::string::npos;
    }

private:
    mutable std::mutex mutex_;
    std::string said_;
};

TEST(ThreadLimit, IsReportedAndACallableBeyondItRunsWhenAThreadComesFree) {
    diagnostics_of rt_said;
    run_options options = one_worker();
    options.max_threads = 3;
    rt_said.listen(options);
    runtime rt{options};
    const channel<int> gate{0};
    std::atomic<int> begun{0};
    const auto wait = [&] {
        ++begun;
        static_cast<void>(gate.receive());
    };
    std::vector<join_handle<void>> all;
    for (int i = 0; i < 2; ++i) all.push_back(rt.go(wait));
    ASSERT_TRUE(eventually([&] { return receivers_waiting(gate) == 2; }));
    EXPECT_FALSE(rt_said.contain("threads are in use"));
    all.push_back(rt.go(wait));
    EXPECT_TRUE(rt_said.contain("all 3 threads are in use"));
    EXPECT_EQ(rt.run(sum, 1, 2, 3), 6);  // the tasks have their worker
    EXPECT_EQ(begun, 2);
    ASSERT_TRUE(gate.send(1));
    ASSERT_TRUE(eventually([&] { return begun == 3; }));
    gate.close();
    for (auto& h : all) h.get();
}

TEST(ThreadLimit, OfOneLetsTheTasksGoOnWhenTheOneThatBlocksItHasEnded) {
    diagnostics_of rt_said;
    run_options options = one_worker();
    options.max_threads = 1;
    rt_said.listen(options);
    runtime rt{options};
    const channel<int> gate{0};
    auto blocks = rt.go([](channel<int> g) -> task<int> { co_return *g.receive(); }, gate);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(gate) == 1; }));
    auto other = rt.go(sum, 1, 2, 3);
    ASSERT_TRUE(eventually([&] { return rt_said.contain("all 1 threads are in use"); }));
    ASSERT_TRUE(gate.send(7));
    EXPECT_EQ(blocks.get(), 7);
    EXPECT_EQ(other.get(), 6);
}

// --- what it tells -------------------------------------------------------------------------------------------------

TEST(RuntimeTells, HowManyWereStartedAndLive) {
    runtime rt{two_workers()};
    EXPECT_EQ(rt.metrics().workers, 2u);
    EXPECT_EQ(rt.metrics().spawned, 0u);
    const channel<int> gate{0};
    const auto f = [](channel<int> g) -> task<> { static_cast<void>(co_await g.async_receive()); };
    auto a = rt.go(f, gate);
    auto b = rt.go([gate] { static_cast<void>(gate.receive()); });
    EXPECT_EQ(rt.metrics().spawned, 2u);
    EXPECT_EQ(rt.metrics().alive, 2u);
    EXPECT_GE(rt.metrics().threads, 2u);
    gate.close();
    a.get();
    b.get();
    EXPECT_TRUE(eventually([&] { return rt.metrics().alive == 0; }));
    EXPECT_EQ(rt.metrics().spawned, 2u);
}

TEST(RuntimeTells, HowManyWaitNow) {
    runtime rt{two_workers()};
    EXPECT_EQ(rt.metrics().parked, 0u);
    const channel<int> gate{0};
    std::atomic<bool> stop{false};
    const auto spin = [](std::atomic<bool>& until) -> task<> {
        while (!until) co_await sluice::yield();
    };
    auto running = rt.go(spin, std::ref(stop));
    const auto wait = [](channel<int> g) -> task<> { static_cast<void>(co_await g.async_receive()); };
    auto a = rt.go(wait, gate);
    auto b = rt.go([gate] { static_cast<void>(gate.receive()); });  // a callable that waits is one of them
    EXPECT_TRUE(eventually([&] { return rt.metrics().parked == 2; }));
    EXPECT_EQ(rt.metrics().alive, 3u);
    gate.close();
    a.get();
    b.get();
    EXPECT_EQ(rt.metrics().parked, 0u);
    stop = true;
    running.get();
}

TEST(RuntimeTells, ThatWorkersTookWorkFromEachOther) {
    runtime rt{two_workers()};
    EXPECT_TRUE(rt.run(another_runs_beside, false));
    EXPECT_GE(rt.metrics().steals, 1u);
}

TEST(RuntimeTells, WhereATaskWasStartedAndWhereItWaits) {
    runtime rt;
    const channel<int> ch{0};
    unsigned started_line = 0;
    const auto waiter = [](channel<int> c) -> task<> {
        static_cast<void>(co_await c.async_receive());  // line: here
    };
    constexpr unsigned waits_line = __LINE__ - 2;
    const auto parent = [](auto f, channel<int> c, unsigned& line) -> task<> {
        line = __LINE__ + 1;
        auto h = sluice::go(f, c);
        co_await h;
    };
    auto h = rt.go(parent, waiter, ch, std::ref(started_line));
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "receive") && somebody_waits_for(rt, "join"); }));
    const std::string text = dump_of(rt);
    const std::string file = "runtime_test.cpp:";
    EXPECT_NE(text.find(file + std::to_string(started_line) + " "), std::string::npos) << text;
    EXPECT_NE(text.find(file + std::to_string(waits_line) + " "), std::string::npos) << text;
    EXPECT_NE(text.find("2 alive in all"), std::string::npos) << text;
    ch.close();
    h.get();
}

TEST(RuntimeTells, WhatACallableWaitsFor) {
    runtime rt;
    const channel<int> ch{0};
    auto h = rt.go([ch] { static_cast<void>(ch.receive()); });
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    const std::string text = dump_of(rt);
    EXPECT_NE(text.find("callable"), std::string::npos) << text;
    EXPECT_NE(text.find("waits for receive"), std::string::npos) << text;
    ch.close();
    h.get();
}

TEST(RuntimeTells, EverythingWhileTasksRunOn) {
    runtime rt{two_workers()};
    std::atomic<bool> stop{false};
    const auto busy = [](std::atomic<bool>& s, channel<int> c) -> task<> {
        while (!s) {
            static_cast<void>(co_await c.async_send(1));
            static_cast<void>(co_await c.async_receive());
        }
    };
    const channel<int> ch{1};
    auto a = rt.go(busy, std::ref(stop), ch);
    for (int i = 0; i < 200; ++i) {
        EXPECT_FALSE(dump_of(rt).empty());
        static_cast<void>(rt.metrics());
    }
    stop = true;
    a.get();
}

// --- odd uses ------------------------------------------------------------------------------------------------------

TEST(Go, OfAnEmptyFunctionThrowsWhereItIsJoined) {
    EXPECT_THROW(sluice::go(std::function<void()>{}).get(), std::bad_function_call);
    EXPECT_THROW(sluice::go(std::function<task<int>()>{}).get(), std::bad_function_call);
    EXPECT_THROW(run(std::function<task<int>()>{}), std::bad_function_call);
    sluice::wait_group group;
    group.go(std::function<void()>{});
    EXPECT_THROW(group.wait(), std::bad_function_call);
}

TEST(Run, InsideATaskOfAnotherRunIsARunOfItsOwn) {
    const auto inner = []() -> task<int> {
        auto h = sluice::go(sum, 1, 2, 3);
        co_return co_await h;
    };
    const auto outer = [&]() -> task<int> {
        auto beside = sluice::go(sum, 4, 5, 6);
        const int of_the_inner = run(inner);
        co_return of_the_inner + co_await beside;
    };
    EXPECT_EQ(run(one_worker(), outer), 21);
}

// --- contracts -----------------------------------------------------------------------------------------------------

#if defined(__unix__)
TEST(Runtime, ASignalListsTheTasksOfEachRuntimeWhenAskedForAndEverythingGoesOn) {
    std::mutex mutex;
    std::string said;
    run_options options = one_worker();
    options.diagnostics = [&](std::string_view text) {
        const std::lock_guard guard{mutex};
        said += text;
    };
    runtime rt{options};
    auto h = rt.go(wait_for_ever);
    ASSERT_TRUE(eventually([&] { return somebody_waits_for(rt, "receive"); }));
    {
        const sluice::dump_on_signal dumps{SIGUSR2};
        ASSERT_EQ(std::raise(SIGUSR2), 0);
        ASSERT_TRUE(eventually([&] {
            const std::lock_guard guard{mutex};
            return !said.empty();
        }));
    }
    const std::lock_guard guard{mutex};
    EXPECT_NE(said.find("sluice: signal " + std::to_string(SIGUSR2) + ": the tasks:"), std::string::npos) << said;
    EXPECT_NE(said.find("waits for receive at "), std::string::npos) << said;
    EXPECT_FALSE(h.done());
    h.cancel();
}

TEST(Runtime, ASignalThatDoesNotExistIsRefused) {
    EXPECT_THROW(const sluice::dump_on_signal none{0}, std::invalid_argument);
}
#endif

TEST(RuntimeDeathTest, JoiningNothingIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            join_handle<int> none;
            none.get();
        },
        "belongs to no task");
}

// T47
TEST(RuntimeDeathTest, DestroyingARuntimeInOneOfItsOwnTasksIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            auto* const rt = new runtime;
            rt->go([rt]() -> task<> {
                delete rt;
                co_return;
            });
            eventually([] { return false; });
        },
        "by one of its own tasks");
}

TEST(RuntimeDeathTest, ATaskThatWaitsForItselfIsAViolation) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            const auto main = []() -> task<> {
                join_handle<void> mine;
                const auto f = [](join_handle<void>& h) -> task<> {
                    co_await sluice::yield();
                    co_await h;
                };
                mine = sluice::go(f, std::ref(mine));
                while (!mine.done()) co_await sluice::yield();
            };
            run(one_worker(), main);
        },
        "cannot wait for its own end");
}

// --- more spawned tasks than a worker's queue holds ---

task<> count_one(std::atomic<int>* n) {
    ++*n;
    co_return;
}

TEST(Runtime, VeryManySpawnedTasksRunWhileTheirStarterYields) {
    run(one_worker(), []() -> task<> {
        std::atomic<int> ran{0};
        for (int i = 0; i < 2'000; ++i) sluice::go(count_one, &ran);
        while (ran < 2'000) co_await sluice::yield();
    });
}

task<> hand_over(channel<int> in, channel<int> out, std::atomic<int>* ran, int wanted) {
    while (*ran < wanted) {
        const auto sent = co_await out.async_send(1);
        const auto received = co_await in.async_receive();
        if (!sent || !received) co_return;
    }
    in.close();
    out.close();
}
task<> hand_back(channel<int> in, channel<int> out) {
    while (auto v = co_await in.async_receive()) {
        const auto sent = co_await out.async_send(*v);
        if (!sent) co_return;
    }
}

TEST(Runtime, VeryManySpawnedTasksRunWhileTwoOthersNeverStopTalking) {
    run(one_worker(), []() -> task<> {
        const channel<int> there{0};
        const channel<int> back{0};
        std::atomic<int> ran{0};
        sluice::wait_group all;
        all.go(hand_over, back, there, &ran, 2'000);
        all.go(hand_back, there, back);
        for (int i = 0; i < 2'000; ++i) all.go(count_one, &ran);
        co_await all.async_wait();
    });
}

task<> start_another_until(std::atomic<bool>* ended, sluice::wait_group* all) {
    if (!*ended) all->go(start_another_until, ended, all);
    co_return;
}
task<> end(std::atomic<bool>* ended) {
    *ended = true;
    co_return;
}

TEST(Runtime, TheOldestSpawnedTaskRunsThoughThereIsAlwaysANewerOne) {
    run(one_worker(), []() -> task<> {
        std::atomic<bool> ended{false};
        std::atomic<int> ran{0};
        sluice::wait_group all;
        all.go(end, &ended);
        for (int i = 0; i < 600; ++i) all.go(count_one, &ran);
        all.go(start_another_until, &ended, &all);
        co_await all.async_wait();
    });
}

}  // namespace
