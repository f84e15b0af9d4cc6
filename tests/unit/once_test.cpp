// SPDX-License-Identifier: BSL-1.0
// once_test.cpp: is it done once, does everybody wait for that, and is it tried again after an exception?

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sluice/once.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::canceled;
using sluice::once;
using sluice::runtime;
using sluice::task;

// Something to be done once: how often it was begun and done, and whether it may end.
struct work {
    once o;
    std::atomic<int> begun{0};
    std::atomic<int> done{0};
    std::atomic<bool> may_end{false};
    std::atomic<bool> fails{false};
};

enum class end : std::uint8_t { returned, gave_up, threw, was_canceled };

template <class Callers>
auto start_call(Callers& by, work& w, sluice::context until = {}) {
    return by.start(
        [](work* of, sluice::context u) {
            try {
                const bool is = of->o.call(
                    [&] {
                        ++of->begun;
                        eventually([&] { return of->may_end.load(); });
                        if (of->fails.exchange(false)) throw std::runtime_error{"not this time"};
                        ++of->done;
                    },
                    u);
                return is ? end::returned : end::gave_up;
            } catch (const std::runtime_error&) {
                return end::threw;
            } catch (const canceled&) {
                return end::was_canceled;
            }
        },
        [](work* of, sluice::context u) -> task<end> {
            const auto f = [&]() -> task<> {
                ++of->begun;
                while (!of->may_end) co_await sluice::sleep_for(50us);
                if (of->fails.exchange(false)) throw std::runtime_error{"not this time"};
                ++of->done;
            };
            try {
                const bool is = co_await of->o.async_call(f, u);
                co_return is ? end::returned : end::gave_up;
            } catch (const std::runtime_error&) {
                co_return end::threw;
            } catch (const canceled&) {
                co_return end::was_canceled;
            }
        },
        &w, std::move(until));
}

template <class Callers>
class OnceCalledBy : public testing::Test {
protected:
    work one;
    Callers by;
};
TYPED_TEST_SUITE(OnceCalledBy, both_callers, caller_names);

TYPED_TEST(OnceCalledBy, TheFirstDoesItAndTheOthersWait) {
    work& w = this->one;
    auto first = start_call(this->by, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    auto second = start_call(this->by, w);
    auto third = start_call(this->by, w);
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 2; }));
    EXPECT_FALSE(w.o.done());
    w.may_end = true;
    EXPECT_EQ(first.get(), end::returned);
    EXPECT_EQ(second.get(), end::returned);
    EXPECT_EQ(third.get(), end::returned);
    EXPECT_EQ(w.begun, 1);
    EXPECT_EQ(w.done, 1);
    EXPECT_TRUE(w.o.done());
    EXPECT_EQ(start_call(this->by, w).get(), end::returned);
    EXPECT_EQ(w.begun, 1);
}

TYPED_TEST(OnceCalledBy, AfterAnExceptionTheNextInLineDoesIt) {
    work& w = this->one;
    w.fails = true;
    auto first = start_call(this->by, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    auto second = start_call(this->by, w);
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 1; }));
    w.may_end = true;
    EXPECT_EQ(first.get(), end::threw);
    EXPECT_EQ(second.get(), end::returned);
    EXPECT_EQ(w.begun, 2);
    EXPECT_EQ(w.done, 1);
}

TYPED_TEST(OnceCalledBy, AfterAnExceptionTheNextCallDoesIt) {
    work& w = this->one;
    w.fails = w.may_end = true;
    EXPECT_EQ(start_call(this->by, w).get(), end::threw);
    EXPECT_FALSE(w.o.done());
    EXPECT_EQ(start_call(this->by, w).get(), end::returned);
    EXPECT_EQ(w.done, 1);
}

TYPED_TEST(OnceCalledBy, WhoWaitsEndsWithTheContextHeNames) {
    work& w = this->one;
    auto first = start_call(this->by, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    const auto source = sluice::with_cancel({});
    auto second = start_call(this->by, w, source.get());
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 1; }));
    source.cancel();
    EXPECT_EQ(second.get(), end::gave_up);
    EXPECT_EQ(w.o.waiting(), 0u);
    w.may_end = true;
    EXPECT_EQ(first.get(), end::returned);
    EXPECT_EQ(start_call(this->by, w, source.get()).get(), end::gave_up) << "a stop requested before wins";
}

TYPED_TEST(OnceCalledBy, ACancelledWaiterIsNotChosenAfterAnException) {
    work& w = this->one;
    w.fails = true;
    auto first = start_call(this->by, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    const auto source = sluice::with_cancel({});
    auto second = start_call(this->by, w, source.get());
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 1; }));
    auto third = start_call(this->by, w);
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 2; }));
    source.cancel();
    w.may_end = true;
    EXPECT_EQ(first.get(), end::threw);
    EXPECT_EQ(second.get(), end::gave_up);
    EXPECT_EQ(third.get(), end::returned);
    EXPECT_EQ(w.begun, 2);
}

TEST(Once, ATaskThatIsCancelledWhileItDoesItLeavesItToTheNext) {
    work w;
    tasks by;
    auto first = start_call(by, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    auto second = start_call(by, w);
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 1; }));
    first.cancel();
    EXPECT_EQ(first.get(), end::was_canceled);
    ASSERT_TRUE(eventually([&] { return w.begun == 2; }));
    w.may_end = true;
    EXPECT_EQ(second.get(), end::returned);
    EXPECT_EQ(w.done, 1);
}

TEST(Once, AWaitingTaskEndsWithItsOwnCancellation) {
    work w;
    threads doing;
    tasks waiting;
    auto first = start_call(doing, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    auto second = start_call(waiting, w);
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 1; }));
    second.cancel();
    EXPECT_EQ(second.get(), end::was_canceled);
    EXPECT_EQ(w.o.waiting(), 0u);
    w.may_end = true;
    EXPECT_EQ(first.get(), end::returned);
}

TEST(Once, TakesPlainFunctionsInTasksAndCoroutinesInThreads) {
    once plain;
    once coroutine;
    int done = 0;
    const auto f = [](once* o, int* n) -> task<> {
        const auto count = [=] { ++*n; };
        co_await o->async_call(count);
        co_await o->async_call(count);
    };
    sluice::run(workers(1), f, &plain, &done);
    EXPECT_EQ(done, 1);
    coroutine.call([&]() -> task<> {
        co_await sluice::yield();
        ++done;
    });
    coroutine.call([&]() -> task<int> { co_return ++done; });
    EXPECT_EQ(done, 2);
    std::stop_source stop;
    EXPECT_TRUE(coroutine.call([] {}, stop.get_token()));
}

TEST(Once, IsACaseOfASelectThatCallsTheFunctionWhenItIsChosen) {
    once o;
    int done = 0;
    const auto count = [&] { ++done; };
    sluice::channel<int> ch{1};
    bool is = false;
    EXPECT_EQ(sluice::select(sluice::on(o.async_call(count), is), sluice::on_receive(ch)), 0u);
    EXPECT_TRUE(is);
    EXPECT_EQ(done, 1);
    EXPECT_TRUE(o.done());
}

// The case is chosen by the exception of another, or never.
TEST(Once, ASelectWhoseOtherCaseFiresLeavesItToTheNext) {
    work w;
    threads by;
    auto first = start_call(by, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    sluice::channel<int> ch{1};
    int done = 0;
    const auto count = [&] { ++done; };
    auto selecting = start_select(by, sluice::on(w.o.async_call(count)), sluice::on_receive(ch));
    ASSERT_TRUE(eventually([&] { return w.o.waiting() == 1; }));
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(selecting.get(), 1u);
    EXPECT_EQ(w.o.waiting(), 0u);
    w.may_end = true;
    EXPECT_EQ(first.get(), end::returned);
    EXPECT_EQ(done, 0);
}

TEST(Once, APlainFunctionIsCalledByACoroutineOfAnotherLibrary) {
    once o;
    int done = 0;
    ticket_queue queue;
    const auto body = [](ticket_queue&, once& of, int& n) -> foreign {
        const auto count = [&] { ++n; };
        co_await of.async_call(count);
    };
    foreign f = body(queue, o, done);
    EXPECT_TRUE(f.has_ended());
    EXPECT_EQ(done, 1);
}

TEST(Once, AFrameThatIsDestroyedAfterItWasChosenLeavesItToTheNext) {
    work w;
    threads by;
    w.fails = true;
    auto first = start_call(by, w);
    ASSERT_TRUE(eventually([&] { return w.begun == 1; }));
    ticket_queue queue;
    int done = 0;
    const auto body = [](ticket_queue&, once& of, int& n) -> foreign {
        const auto count = [&] { ++n; };
        co_await of.async_call(count);
    };
    foreign chosen = body(queue, w.o, done);
    w.may_end = true;
    EXPECT_EQ(first.get(), end::threw);
    ASSERT_TRUE(eventually([&] { return queue.added() == 1; }));
    chosen.destroy();
    EXPECT_EQ(done, 0);
    EXPECT_EQ(start_call(by, w).get(), end::returned);
}

// Captures that need destruction, in every awaited form.
TEST(Once, KeepsNothingOfTheFunctions) {
    using value = counted<struct once_function>;
    const auto f = [](once* o) -> task<> {
        const value v{1};
        const auto plain = [v] { static_cast<void>(v); };
        co_await o->async_call(plain);
        const auto coroutine = [v]() -> task<> { co_return; };
        co_await o->async_call(coroutine);
        once other;
        co_await other.async_call(coroutine);
    };
    once o;
    sluice::run(f, &o);
    EXPECT_EQ(value::live(), 0);
}

// Threads and tasks race for many of them; some of the functions throw.
TEST(Once, IsDoneOnceWhoeverComesFirst) {
    runtime rt{workers(2)};
    for (int round = 0; round < 200; ++round) {
        once o;
        std::atomic<int> done{0};
        std::atomic<int> attempts{0};
        const auto attempt = [&] {
            if (attempts++ % 3 == 0) throw 1;
            ++done;
        };
        const auto f = [&]() -> task<> {
            for (;;) {
                try {
                    co_await o.async_call(attempt);
                    co_return;
                } catch (int) {}
            }
        };
        auto a = rt.go(std::ref(f));
        auto b = rt.go(std::ref(f));
        {
            std::jthread c{[&] {
                while (!o.done()) {
                    try {
                        o.call(attempt);
                    } catch (int) {}
                }
            }};
        }
        a.get();
        b.get();
        ASSERT_EQ(done, 1) << "in round " << round;
    }
}

}  // namespace
