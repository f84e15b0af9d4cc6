// SPDX-License-Identifier: BSL-1.0
// foreign_awaitable_test.cpp: does a task that awaited something of another library go on as a task?

#include <sluice/runtime.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::task;
using sluice_test::eventually;
using sluice_test::workers;

struct failure : std::runtime_error {
    failure() : std::runtime_error{"failure"} {}
};

/// Whoever completes it: a test, from whatever thread.
class completion {
public:
    void complete(int value) {
        value_ = value;
        std::exchange(waits_, nullptr).resume();
    }
    bool is_awaited() const { return awaited_; }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        waits_ = h;
        awaited_ = true;
    }
    int await_resume() const noexcept { return value_; }

private:
    std::coroutine_handle<> waits_;
    std::atomic<bool> awaited_{false};
    int value_ = 0;
};

/// Threads that end with it. It outlives the runtime whose tasks add to it: they may be gone before `add` has returned.
class some_threads {
public:
    template <class F>
    void add(F f) {
        const std::lock_guard guard{mutex_};
        threads_.emplace_back(std::move(f));
    }

private:
    std::mutex mutex_;
    std::vector<std::jthread> threads_;
};

/// Completes on a thread of its own, perhaps before await_suspend has returned.
class on_another_thread {
public:
    explicit on_another_thread(some_threads& in) noexcept : in_{in} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const {
        in_.add([h] { h.resume(); });
    }
    std::thread::id await_resume() const noexcept { return std::this_thread::get_id(); }

private:
    some_threads& in_;
};

// How a thread knows that it is the worker's.
bool is_a_worker() { return sluice::detail::this_thread_state().worker != nullptr; }

task<int> await_it(completion& c) { co_return co_await c; }

TEST(ForeignAwaitable, LetsTheTaskGoOnInAWorkerOfItsOwnRuntime) {
    completion c;
    sluice::runtime rt{workers(1)};
    auto h = rt.go([&]() -> task<int> {
        const int value = co_await c;
        EXPECT_TRUE(is_a_worker());
        co_return value;
    });
    ASSERT_TRUE(eventually([&] { return c.is_awaited(); }));
    std::jthread{[&] {
        c.complete(7);
        EXPECT_FALSE(is_a_worker());
    }}.join();
    EXPECT_EQ(h.get(), 7);
}

TEST(ForeignAwaitable, MayCompleteOnAThreadBeforeItHasSuspended) {
    some_threads by;
    const auto worker = [&]() -> task<bool> {
        const auto resumed_on = co_await on_another_thread{by};
        co_return resumed_on == std::this_thread::get_id() && is_a_worker();
    };
    for (int round = 0; round < 300; ++round) {
        EXPECT_TRUE(sluice::run(worker));
    }
}

TEST(ForeignAwaitable, ThatIsReadyDoesNotSuspend) {
    struct ready {
        bool await_ready() const noexcept { return true; }
        void await_suspend(std::coroutine_handle<>) const { ADD_FAILURE() << "suspended"; }
        int await_resume() const noexcept { return 3; }
    };
    EXPECT_EQ(sluice::run([]() -> task<int> { co_return co_await ready{}; }), 3);
    sluice::run([]() -> task<> { co_await std::suspend_never{}; });
}

TEST(ForeignAwaitable, ThatIsAlwaysReadyStillLetsOthersRun) {
    std::atomic<bool> stop{false};
    const auto main = [&]() -> task<> {
        auto other = sluice::go([&]() -> task<> {
            stop = true;
            co_return;
        });
        while (!stop) co_await std::suspend_never{};
        co_await other;
    };
    sluice::run(workers(1), main);
}

TEST(ForeignAwaitable, ThrowsInTheTask) {
    struct throwing {
        int where;
        explicit throwing(int w) : where{w} {}
        bool await_ready() const {
            if (where == 0) throw failure{};
            return false;
        }
        bool await_suspend(std::coroutine_handle<>) const {
            if (where == 1) throw failure{};
            return false;
        }
        void await_resume() const { throw failure{}; }
    };
    for (const int where : {0, 1, 2})
        EXPECT_THROW(sluice::run(
                         [](int w) -> task<> {
                             const throwing t{w};
                             try {
                                 co_await t;
                             } catch (const failure&) {}
                             co_await sluice::sleep_for(1us);  // its waits are as before
                             co_await t;
                         },
                         where),
                     failure);
}

TEST(ForeignAwaitable, ThatDecidesNotToSuspendLetsTheTaskGoOn) {
    struct decides {
        bool suspends;
        explicit decides(bool s) : suspends{s} {}
        bool await_ready() const noexcept { return false; }
        bool await_suspend(std::coroutine_handle<> h) const {
            if (suspends) h.resume();
            return suspends;
        }
        int await_resume() const noexcept { return 5; }
    };
    EXPECT_EQ(sluice::run([]() -> task<int> {
                  const decides not_to{false};
                  const decides to{true};
                  int sum = 0;
                  for (int i = 0; i < 10'000; ++i) sum += co_await not_to + co_await to;
                  co_return sum;
              }),
              100'000);
}

TEST(ForeignAwaitable, MayNameACoroutineToGoOnWith) {
    struct other {
        struct promise_type {
            other get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
            std::suspend_always initial_suspend() { return {}; }
            std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() {}
            void unhandled_exception() { std::terminate(); }
        };
        std::coroutine_handle<> frame;
    };
    struct transfers {
        bool itself;
        explicit transfers(bool i) : itself{i} {}
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) const {
            if (itself) return h;
            return [](std::coroutine_handle<> waits) -> other {
                EXPECT_EQ(sluice::detail::this_thread_state().task, nullptr);  // it is nobody's task
                waits.resume();
                co_return;
            }(h)
                                                            .frame;
        }
        int await_resume() const noexcept { return 1; }
    };
    EXPECT_EQ(sluice::run([]() -> task<int> {
                  const transfers to_itself{true};
                  const transfers to_other{false};
                  int sum = 0;
                  for (int i = 0; i < 10'000; ++i) sum += co_await to_itself + co_await to_other;
                  co_return sum;
              }),
              20'000);
}

struct by_member {
    std::suspend_never operator co_await() const noexcept { return {}; }
};
struct by_function {};
std::suspend_never operator co_await(const by_function&) noexcept { return {}; }

TEST(ForeignAwaitable, MayHaveAnOperatorOfItsOwn) {
    sluice::run([]() -> task<> {
        const by_member m;
        const by_function f;
        co_await m;
        co_await f;
        co_await by_member{};
        co_await by_function{};
    });
}

TEST(ForeignAwaitable, GivesMoveOnlyValuesAndReferences) {
    struct gives {
        std::unique_ptr<int>& from;
        explicit gives(std::unique_ptr<int>& f) : from{f} {}
        bool await_ready() const noexcept { return true; }
        void await_suspend(std::coroutine_handle<>) const noexcept {}
        std::unique_ptr<int>& await_resume() const noexcept { return from; }
    };
    auto value = std::make_unique<int>(4);
    EXPECT_EQ(sluice::run([&]() -> task<int> {
                  auto& same = co_await gives{value};
                  EXPECT_EQ(&same, &value);
                  const auto taken = std::move(same);
                  co_return *taken;
              }),
              4);
    EXPECT_EQ(value, nullptr);
}

TEST(ForeignAwaitable, IsDestroyedOnce) {
    using value = sluice_test::counted<struct awaited>;
    struct holds {
        value v;
        explicit holds(int n) : v{n} {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) const { h.resume(); }
        int await_resume() const noexcept { return v.value(); }
    };
    EXPECT_EQ(sluice::run([]() -> task<int> {
                  const int first = co_await holds{2};
                  auto named = holds{3};
                  co_return first + co_await named + co_await std::move(named);
              }),
              8);
    EXPECT_EQ(value::live(), 0);
}

// --- with the runtime -----------------------------------------------------------------------------------------------

TEST(ForeignAwaitable, IsNoDeadlockWhileItIsAwaited) {
    completion c;
    std::jthread by;
    sluice::run_options options;
    options.diagnostics = [](std::string_view) {};
    EXPECT_EQ(sluice::run(options,
                          [&]() -> task<int> {
                              // The thread exists, and sleeps, for longer than the run would take to judge.
                              by = std::jthread{[&] {
                                  eventually([&] { return c.is_awaited(); });
                                  std::this_thread::sleep_for(200ms);
                                  c.complete(1);
                              }};
                              co_return co_await await_it(c);
                          }),
              1);
}

TEST(ForeignAwaitable, CountsAsLifeThoughNoThreadIsThere) {
    // Nobody else is there who could complete it: only the wait itself tells that somebody may.
    completion c;
    std::atomic<bool> said{false};
    sluice::run_options options;
    options.diagnostics = [&](std::string_view text) {
        if (text.find("somebody outside") != std::string_view::npos && !said.exchange(true)) c.complete(2);
    };
    EXPECT_EQ(sluice::run(options, await_it, std::ref(c)), 2);
    EXPECT_TRUE(said);
}

TEST(ForeignAwaitable, EndsWhenItEndsThoughItsTaskIsCancelled) {
    completion c;
    sluice::runtime rt{workers(2)};
    auto h = rt.go([&]() -> task<int> {
        const int value = co_await c;
        EXPECT_EQ(value, 9);
        co_await sluice::yield();  // is cancelled here
        co_return value;
    });
    ASSERT_TRUE(eventually([&] { return c.is_awaited(); }));
    h.cancel();
    EXPECT_FALSE(h.done());
    c.complete(9);
    EXPECT_THROW(h.get(), canceled);
}

TEST(ForeignAwaitable, IsNotBegunInACancelledTask) {
    completion c;
    sluice::runtime rt{workers(1)};
    const channel<void> never{0};
    auto h = rt.go([&]() -> task<> {
        try {
            static_cast<void>(co_await never.async_receive());
        } catch (const canceled&) {}
        static_cast<void>(co_await c);
    });
    h.cancel();
    EXPECT_THROW(h.get(), canceled);
    EXPECT_FALSE(c.is_awaited());
}

TEST(ForeignAwaitable, IsNamedInReports) {
    completion c;
    sluice::runtime rt{workers(1)};
    auto h = rt.go(await_it, std::ref(c));
    ASSERT_TRUE(eventually([&] { return c.is_awaited(); }));
    std::ostringstream out;
    rt.dump(out);
    EXPECT_NE(out.str().find("waits for something of another library at "), std::string::npos) << out.str();
    EXPECT_NE(out.str().find("foreign_awaitable_test.cpp"), std::string::npos) << out.str();
    c.complete(1);
    EXPECT_EQ(h.get(), 1);
}

TEST(ForeignAwaitable, ManyTasksAwaitAtOnce) {
    constexpr int many = 1000;
    std::vector<completion> all(many);
    std::atomic<int> sum{0};
    sluice::wait_group group;
    for (auto& c : all) group.go([&]() -> task<> { sum += co_await c; });
    for (auto& c : all) ASSERT_TRUE(eventually([&] { return c.is_awaited(); }));
    {
        const std::jthread first{[&] {
            for (std::size_t i = 0; i < many; i += 2) all[i].complete(1);
        }};
        for (std::size_t i = 1; i < many; i += 2) all[i].complete(1);
    }
    group.wait();
    EXPECT_EQ(sum, many);
}

// T50: read before and after a wait that moves the task to another thread, in functions that are not inlined.
thread_local std::thread::id own_id;
[[gnu::noinline]] std::thread::id stored_id() {
    if (own_id == std::thread::id{}) own_id = std::this_thread::get_id();
    return own_id;
}

// T50
TEST(ForeignAwaitable, ThreadLocalsAreThoseOfTheThreadTheTaskGoesOnIn) {
    some_threads by;
    const auto checks = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(stored_id(), std::this_thread::get_id());
            EXPECT_EQ(co_await on_another_thread{by}, stored_id());
            co_await sluice::yield();
            EXPECT_EQ(stored_id(), std::this_thread::get_id());
        }
    };
    sluice::runtime rt{workers(2)};
    rt.run([&]() -> task<> {
        sluice::wait_group group;
        for (int i = 0; i < 4; ++i) group.go(checks);
        co_await group.async_wait();
    });
}

// --- shielded and under ---------------------------------------------------------------------------------------------

/// Awaits `f` when it has been cancelled.
template <class F>
task<> when_cancelled(const channel<void>& never, F& f) {
    try {
        static_cast<void>(co_await never.async_receive());
    } catch (const canceled&) {}
    co_await f();
}

TEST(ForeignAwaitable, ThatIsShieldedIsBegunInACancelledTask) {
    completion c;
    sluice::runtime rt{workers(1)};
    int got = 0;
    const channel<void> never{0};
    const auto await_shielded = [&]() -> task<> { got = co_await sluice::shielded(c); };
    auto h = rt.go([&]() -> task<> { co_await when_cancelled(never, await_shielded); });
    ASSERT_TRUE(eventually([&] { return sluice_test::receivers_waiting(never) == 1; }));
    h.cancel();
    ASSERT_TRUE(eventually([&] { return c.is_awaited(); }));
    c.complete(5);
    h.get();
    EXPECT_EQ(got, 5);
}

TEST(ForeignAwaitable, ThatIsAwaitedUnderAnEndedContextIsNotBegun) {
    completion c;
    sluice::runtime rt{workers(1)};
    const auto source = sluice::with_cancel({});
    source.cancel();
    auto h = rt.go([&]() -> task<> { static_cast<void>(co_await sluice::under(source, c)); });
    EXPECT_THROW(h.get(), canceled);
    EXPECT_FALSE(c.is_awaited());
}

TEST(ForeignAwaitable, ThatHasBegunUnderAContextEndsWhenItEnds) {
    completion c;
    sluice::runtime rt{workers(1)};
    const auto source = sluice::with_cancel({});
    auto h = rt.go([&]() -> task<int> {
        const int value = co_await sluice::under(source, c);
        co_await sluice::yield();  // under its own context again, which has not ended
        co_return value;
    });
    ASSERT_TRUE(eventually([&] { return c.is_awaited(); }));
    source.cancel();
    EXPECT_FALSE(h.done());
    c.complete(6);
    EXPECT_EQ(h.get(), 6);
}

TEST(ForeignAwaitable, MayBeATemporaryInAShieldOrUnderAContext) {
    using value = sluice_test::counted<struct shielded_value>;
    struct holds {
        value v;
        explicit holds(int n) : v{n} {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) const { h.resume(); }
        int await_resume() const noexcept { return v.value(); }
    };
    EXPECT_EQ(sluice::run([]() -> task<int> {
                  const sluice::context here = sluice::current_context();
                  const int a = co_await sluice::shielded(holds{1});
                  const int b = co_await sluice::under(here, holds{2});
                  const int c = co_await sluice::shielded(sluice::under(here, holds{3}));
                  co_await sluice::shielded(by_member{});
                  co_await sluice::under(here, by_function{});
                  co_return a + 10 * b + 100 * c;
              }),
              321);
    EXPECT_EQ(value::live(), 0);
}

TEST(ForeignAwaitable, ThatThrowsInAShieldOrUnderAContextThrowsInTheTask) {
    struct throwing {
        bool await_ready() const noexcept { return false; }
        bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
        void await_resume() const { throw failure{}; }
    };
    sluice::run([]() -> task<> {
        const throwing t;
        EXPECT_THROW(co_await sluice::shielded(t), failure);
        EXPECT_THROW(co_await sluice::under(sluice::current_context(), t), failure);
        co_await sluice::yield();
    });
}

TEST(ForeignAwaitable, ThatIsShieldedIsReportedWhereItIsAwaited) {
    completion c;
    sluice::runtime rt{workers(1)};
    constexpr unsigned line = __LINE__ + 1;
    auto h = rt.go([&]() -> task<> { static_cast<void>(co_await sluice::shielded(c)); });
    ASSERT_TRUE(eventually([&] { return c.is_awaited(); }));
    std::ostringstream text;
    rt.dump(text);
    EXPECT_NE(text.str().find("foreign_awaitable_test.cpp:" + std::to_string(line)), std::string::npos) << text.str();
    EXPECT_NE(text.str().find("something of another library at "), std::string::npos) << text.str();
    EXPECT_EQ(text.str().find("go.hpp"), std::string::npos) << text.str();
    c.complete(0);
    h.get();
}

}  // namespace
