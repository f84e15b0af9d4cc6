// SPDX-License-Identifier: BSL-1.0
// task_test.cpp: does a task give its result, and what does an await cost in stack and objects?

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/task.hpp>
#include <sluice/timer.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::task;
using sluice_test::counted;

// --- results -------------------------------------------------------------------------------------------------------

task<int> answer() { co_return 42; }
task<> do_nothing() { co_return; }
task<int> twice_the_answer() {
    const int once = co_await answer();
    co_return once * 2;
}

TEST(Task, GivesItsValueToWhoAwaitsIt) { EXPECT_EQ(sluice::run(twice_the_answer), 84); }

TEST(Task, CanBeRunAsItIs) { EXPECT_EQ(sluice::run(twice_the_answer()), 84); }

TEST(Task, WithoutAValueCanBeAwaited) {
    bool after = false;
    const auto main = [](bool& flag) -> task<> {
        co_await do_nothing();
        flag = true;
    };
    sluice::run(main, std::ref(after));
    EXPECT_TRUE(after);
}

int the_object = 1;
task<int&> the_object_itself() { co_return the_object; }
task<const int&> the_object_to_look_at() { co_return the_object; }

TEST(Task, GivesAReferenceToTheObjectItself) {
    const auto main = []() -> task<bool> {
        int& mine = co_await the_object_itself();
        const int& seen = co_await the_object_to_look_at();
        co_return &mine == &the_object && &seen == &the_object;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Task, GivesAReferenceThroughAHandle) {
    const auto main = []() -> task<bool> {
        auto h = sluice::go(the_object_itself);
        int& mine = co_await h;
        co_return &mine == &the_object;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Task, GivesAReferenceOutOfRun) {
    EXPECT_TRUE((std::is_same_v<decltype(sluice::run(the_object_itself)), int&>));
    EXPECT_TRUE((std::is_same_v<decltype(sluice::run(the_object_itself())), int&>));
}

task<std::unique_ptr<int>> boxed(int v) { co_return std::make_unique<int>(v); }

TEST(Task, GivesAMoveOnlyValue) {
    const auto main = []() -> task<std::unique_ptr<int>> {
        auto first = co_await boxed(3);
        auto h = sluice::go(boxed, 4);
        auto second = co_await h;
        *first += *second;
        co_return first;
    };
    const std::unique_ptr<int> sum = sluice::run(main);
    ASSERT_TRUE(sum);
    EXPECT_EQ(*sum, 7);
}

struct no_default {
    explicit no_default(int v) : value{v} {}
    int value;
};
task<no_default> without_default_constructor() { co_return no_default{9}; }

TEST(Task, NeedsNoDefaultConstructorOfItsValue) { EXPECT_EQ(sluice::run(without_default_constructor).value, 9); }

struct left {};
task<> throws_left() {
    co_await do_nothing();
    throw left{};
}

TEST(Task, ThrowsItsExceptionWhereItIsAwaited) {
    const auto main = []() -> task<bool> {
        try {
            co_await throws_left();
        } catch (const left&) {
            co_return true;
        }
        co_return false;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Task, ThrowsItsExceptionOutOfRun) { EXPECT_THROW(sluice::run(throws_left), left); }

// T55
TEST(Task, LetsAnExceptionPassThroughItsCallersWithTheirObjects) {
    struct tag {};
    using object = counted<tag>;
    const auto inner = []() -> task<> {
        const object mine{1};
        co_await throws_left();
    };
    const auto outer = [](auto f) -> task<> {
        const object mine{2};
        co_await f();
    };
    EXPECT_THROW(sluice::run(outer, inner), left);
    EXPECT_EQ(object::live(), 0);
}

// A value whose k-th move throws: wherever that is, it ends as an exception of the task and nothing is left behind.
struct reluctant {
    explicit reluctant(int n) : moves_left{n} { ++live; }
    reluctant(reluctant&& other) : moves_left{other.moves_left - 1} {
        if (moves_left < 0) throw std::runtime_error{"enough"};
        ++live;
    }
    ~reluctant() { --live; }
    int moves_left;
    inline static int live = 0;
};
task<reluctant> give_reluctant(int moves) { co_return reluctant{moves}; }

// T17, T55
TEST(Task, TurnsAThrowingMoveOfItsResultIntoItsException) {
    const auto main = [](int moves) -> task<int> {
        auto h = sluice::go(give_reluctant, moves);
        const reluctant r = co_await h;
        co_return 1;
    };
    int given = 0;
    int thrown = 0;
    for (int moves = 0; moves < 8; ++moves) {
        try {
            given += sluice::run(main, moves);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        EXPECT_EQ(reluctant::live, 0) << "with " << moves << " moves";
    }
    EXPECT_GT(given, 0);
    EXPECT_GT(thrown, 0);
}

// --- life ----------------------------------------------------------------------------------------------------------

task<> raise_flag(bool& flag) {
    flag = true;
    co_return;
}

TEST(Task, DoesNothingBeforeItIsAwaited) {
    bool ran = false;
    {
        const task<> t = raise_flag(ran);
        EXPECT_TRUE(t);
    }
    EXPECT_FALSE(ran);
}

TEST(Task, IsEmptyByDefaultAndAfterAMove) {
    task<int> t;
    EXPECT_FALSE(t);
    task<int> full = answer();
    t = std::move(full);
    EXPECT_TRUE(t);
    EXPECT_FALSE(full);
}

struct parameter_tag {};
task<int> takes(counted<parameter_tag> c) { co_return c.value(); }

TEST(Task, DestroysItsParametersWhenItIsDroppedUnawaited) {
    {
        const task<int> t = takes(counted<parameter_tag>{1});
        EXPECT_EQ(counted<parameter_tag>::live(), 1);
    }
    EXPECT_EQ(counted<parameter_tag>::live(), 0);
}

TEST(Task, DestroysTheOldTaskWhenAnotherIsAssigned) {
    task<int> t = takes(counted<parameter_tag>{1});
    t = takes(counted<parameter_tag>{2});
    EXPECT_EQ(counted<parameter_tag>::live(), 1);
    t = {};
    EXPECT_EQ(counted<parameter_tag>::live(), 0);
}

TEST(Task, KeepsItsParametersUntilTheTaskObjectGoes) {
    const auto main = []() -> task<> {
        {
            auto t = takes(counted<parameter_tag>{5});
            EXPECT_EQ(co_await std::move(t), 5);
            EXPECT_EQ(counted<parameter_tag>::live(), 1);
        }
        EXPECT_EQ(counted<parameter_tag>::live(), 0);
    };
    sluice::run(main);
}

struct result_tag {};
task<counted<result_tag>> gives_counted() { co_return counted<result_tag>{7}; }

TEST(Task, LeavesNoResultBehind) {
    const auto main = []() -> task<> {
        EXPECT_EQ((co_await gives_counted()).value(), 7);
        {
            auto h = sluice::go(gives_counted);
            EXPECT_EQ((co_await h).value(), 7);
        }
        sluice::go(gives_counted);  // nobody wants it
    };
    sluice::run(main);
    EXPECT_EQ(counted<result_tag>::live(), 0);
    EXPECT_EQ(counted<result_tag>::copies(), 0);
}

struct api_tag {};
using api_object = counted<api_tag>;
task<api_object> pass_on(api_object o) { co_return std::move(o); }

// Every awaited form takes and gives objects without one too few or too many (the compilers' double destruction).
TEST(Task, CountsEveryObjectThatPassesThroughAnAwaitOnce) {
    const auto main = []() -> task<> {
        const auto keep = [o = api_object{1}](api_object in) { return in; };
        EXPECT_EQ((co_await pass_on(api_object{2})).value(), 2);
        EXPECT_EQ((co_await sluice::blocking(keep, api_object{3})).value(), 3);
        EXPECT_EQ((co_await sluice::shielded(pass_on(api_object{4}))).value(), 4);

        const sluice::channel<api_object> ch{1};
        EXPECT_TRUE(co_await ch.async_send(api_object{5}));
        EXPECT_EQ((co_await ch.async_receive())->value(), 5);
        EXPECT_TRUE(co_await sluice::timeout(1h, ch.async_send(api_object{6})));
        EXPECT_EQ((co_await sluice::timeout(1h, ch.async_receive()))->value(), 6);

        auto task_handle = sluice::go(pass_on, api_object{7});
        EXPECT_EQ((co_await task_handle).value(), 7);
        auto callable_handle = sluice::go(keep, api_object{8});
        EXPECT_EQ((co_await callable_handle).value(), 8);
    };
    sluice::run(main);
    EXPECT_EQ(api_object::live(), 0);
}

// --- depth and number ----------------------------------------------------------------------------------------------

task<int> one() { co_return 1; }

// T49
TEST(Task, AwaitsAMillionTasksOneAfterTheOther) {
    const auto main = []() -> task<int> {
        int sum = 0;
        for (int i = 0; i < 1'000'000; ++i) sum += co_await one();
        co_return sum;
    };
    EXPECT_EQ(sluice::run(main), 1'000'000);
}

// T49
TEST(Task, AwaitsAMillionReadyOperationsOneAfterTheOther) {
    const auto main = []() -> task<long> {
        const sluice::channel<int> ch{1};
        long sum = 0;
        for (int i = 0; i < 500'000; ++i) {
            static_cast<void>(co_await ch.async_send(1));
            sum += *co_await ch.async_receive();
        }
        co_return sum;
    };
    EXPECT_EQ(sluice::run(main), 500'000);
}

constexpr int deep = 200'000;

task<int> dig(int levels) {
    if (levels == 0) {
        co_await sluice::yield();
        co_return 0;
    }
    const int below = co_await dig(levels - 1);
    co_return below + 1;
}

// T49
TEST(Task, AwaitsDeeperThanAnyStack) { EXPECT_EQ(sluice::run(dig, deep), deep); }

task<int> dig_and_throw(int levels) {
    if (levels == 0) throw left{};
    const int below = co_await dig_and_throw(levels - 1);
    co_return below + 1;
}

// T49
TEST(Task, ThrowsThroughManyLevels) { EXPECT_THROW(sluice::run(dig_and_throw, 20'000), left); }

// Each task awaits the handle of the next: the completions run through all of them.
task<int> chain_of_tasks(int length) {
    if (length == 0) co_return 0;
    auto next = sluice::go(chain_of_tasks, length - 1);
    const int behind = co_await next;
    co_return behind + 1;
}

// T49
TEST(Task, CompletesALongChainOfJoins) { EXPECT_EQ(sluice::run(chain_of_tasks, 100'000), 100'000); }

// T49
TEST(Task, IsCancelledAtAGreatDepth) {
    struct tag {};
    using object = counted<tag>;
    struct chain {
        static task<> down(int levels) {
            const object mine{levels};
            if (levels == 0) co_await sluice::sleep_for(1h);
            else co_await down(levels - 1);
        }
    };
    constexpr int levels = 10'000;
    sluice::runtime rt;
    auto h = rt.go(&chain::down, levels);
    ASSERT_TRUE(sluice_test::eventually([] { return object::live() == levels + 1; }));
    h.cancel();
    EXPECT_THROW(h.get(), sluice::canceled);
    EXPECT_EQ(object::live(), 0);
}

// --- memory --------------------------------------------------------------------------------------------------------

// Ten million tasks wait in 3 GB (docs/benchmarks.md): 120 bytes are what every task has, whatever it runs.
TEST(Task, OfTheRuntimeIsSmall) {
    EXPECT_LE(sizeof(sluice::detail::task_state), 15 * sizeof(void*));
    using function_and_argument = sluice::detail::started_task<task<> (*)(int*), void, int*>;
    EXPECT_LE(sizeof(function_and_argument), 17 * sizeof(void*)) << "the result takes the place of the callable";
}

// --- a body that g++ 12 miscompiles: no variable in the outermost block, an await in a condition ---

task<> drain(sluice::channel<int> in) {
    while (co_await in.async_receive()) {}
}

void run_drain() {
    sluice::channel<int> c{3};
    static_cast<void>(c.send(1));
    c.close();
    sluice::run(drain, c);
    EXPECT_EQ(c.size(), 0u);
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
TEST(TaskDeathTest, ThatTheCompilerLaidOutWronglyIsRefused) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(run_drain(), "declare one at its top");
}
#else
TEST(Task, MayAwaitInAConditionWithoutAVariable) { run_drain(); }
#endif

}  // namespace
