// SPDX-License-Identifier: BSL-1.0
// under_test.cpp: what surrounds a task while it awaits something under another context?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <sluice/sluice.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::context;
using sluice::runtime;
using sluice::status;
using sluice::task;
using sluice::under;
using sluice_test::counted;
using sluice_test::eventually;
using sluice_test::receivers_waiting;

struct name {
    using type = std::string;
};

task<int> receive_one(channel<int> ch) {
    const auto v = co_await ch.async_receive();
    co_return v ? *v : -1;
}

// Whether awaiting it under `ctx` ended with `canceled`.
task<bool> is_canceled_under(context ctx, channel<int> ch) {
    try {
        static_cast<void>(co_await under(ctx, receive_one(ch)));
    } catch (const canceled&) {
        co_return true;
    }
    co_return false;
}

// --- go with a context ---------------------------------------------------------------------------------------------

TEST(GoUnderAContext, EndsWithIt) {
    const channel<int> never{0};
    const auto source = sluice::with_cancel({});
    auto h = sluice::go(source, receive_one, never);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
    source.cancel();
    EXPECT_THROW(h.get(), canceled);
}

TEST(GoUnderAContext, OfAnEndedOneRunsNothing) {
    const auto source = sluice::with_cancel({});
    source.cancel();
    std::atomic<bool> ran{false};
    EXPECT_THROW(sluice::go(source, [&] { ran = true; }).get(), canceled);
    EXPECT_FALSE(ran);
}

TEST(GoUnderAContext, HandsOnItsValuesToTasksAndCallables) {
    const context named = sluice::with_value<name>({}, "request 3");
    const auto coroutine = []() -> task<std::string> { co_return *sluice::current_context().value<name>(); };
    const auto callable = [] { return *sluice::current_context().value<name>(); };
    const auto nested = [](auto f) -> task<std::string> {
        auto h = sluice::go(f);
        co_return co_await h;
    };
    EXPECT_EQ(sluice::go(named, coroutine).get(), "request 3");
    EXPECT_EQ(sluice::go(named, callable).get(), "request 3");
    EXPECT_EQ(sluice::go(named, nested, coroutine).get(), "request 3");
}

TEST(GoUnderAContext, EndsWithItsRunAndItsHandleToo) {
    const auto source = sluice::with_cancel({});
    const channel<int> never{0};
    std::atomic<int> ends{0};
    const auto child = [](channel<int> ch, std::atomic<int>& n) -> task<> {
        try {
            static_cast<void>(co_await ch.async_receive());
        } catch (const canceled&) {
            ++n;
            throw;
        }
    };
    const auto main = [&](context c) -> task<> {
        auto left_over = sluice::go(c, child, never, std::ref(ends));
        auto stopped = sluice::go(c, child, never, std::ref(ends));
        while (receivers_waiting(never) != 2) co_await sluice::yield();
        stopped.cancel();
        try {
            co_await stopped;
        } catch (const canceled&) {}
    };
    sluice::run(main, source.get());
    EXPECT_EQ(ends, 2);
    EXPECT_FALSE(source.get().done());
}

// --- under ---------------------------------------------------------------------------------------------------------

TEST(Under, GivesTheResultOfATaskAndOfAnOperation) {
    const auto main = []() -> task<int> {
        const auto source = sluice::with_cancel({});
        const channel<int> ch{2};
        static_cast<void>(co_await under(source, ch.async_send(1)));
        static_cast<void>(co_await ch.async_send(2));
        const int first = co_await under(source, receive_one(ch));
        const auto second = co_await under(source, ch.async_receive());
        co_return first * 10 + *second;
    };
    EXPECT_EQ(sluice::run(main), 12);
}

TEST(Under, EndsWithThatContext) {
    runtime rt;
    const channel<int> never{0};
    const auto source = sluice::with_cancel({});
    auto h = rt.go(is_canceled_under, source.get(), never);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
    source.cancel();
    EXPECT_TRUE(h.get());
}

TEST(Under, AnEndedContextDoesNothing) {
    const auto main = []() -> task<bool> {
        const auto source = sluice::with_cancel({});
        source.cancel();
        const channel<int> ch{1};
        static_cast<void>(co_await ch.async_send(1));
        const bool ended = co_await is_canceled_under(source, ch);
        co_return ended&& ch.size() == 1;
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Under, DoesNotEndWithTheContextItReplaces) {
    runtime rt;
    const channel<int> ch{0};
    const auto outer = sluice::with_cancel({});
    const auto f = [](channel<int> c) -> task<int> {
        const int got = co_await under(context{}, receive_one(c));
        try {
            static_cast<void>(co_await c.async_receive());
        } catch (const canceled&) {
            co_return got;
        }
        co_return -1;
    };
    auto h = sluice::go(outer, f, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    outer.cancel();
    ASSERT_TRUE(ch.send(5));
    EXPECT_EQ(h.get(), 5);
}

TEST(Under, EndsWithTheHandleOfItsTask) {
    for (const bool with_own_context : {false, true}) {
        runtime rt;
        const channel<int> never{0};
        const auto source = sluice::with_cancel({});
        const auto f = [](channel<int> ch, context ctx, bool own) -> task<bool> {
            const context mine = own ? sluice::current_context() : context{};
            const bool ended = co_await is_canceled_under(ctx, ch);
            co_return ended&& mine.done() == own;
        };
        auto h = rt.go(f, never, source.get(), with_own_context);
        ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
        h.cancel();
        EXPECT_TRUE(h.get());
    }
}

TEST(Under, EndsWithItsRun) {
    const channel<int> never{0};
    std::atomic<bool> ended{false};
    const auto source = sluice::with_cancel({});
    const auto child = [](context c, channel<int> ch, std::atomic<bool>& to) -> task<> {
        to = co_await is_canceled_under(c, ch);
    };
    const auto main = [&]() -> task<> {
        auto h = sluice::go(child, source.get(), never, std::ref(ended));
        while (receivers_waiting(never) != 1) co_await sluice::yield();
    };
    sluice::run(main);
    EXPECT_TRUE(ended);
}

TEST(Under, CurrentContextAndWhatIsStartedAreBelowIt) {
    const auto main = []() -> task<std::string> {
        const context named = sluice::with_value<name>({}, "inner");
        const auto look = []() -> task<std::string> {
            const auto* const v = sluice::current_context().value<name>();
            co_return v ? *v : "none";
        };
        const auto look_twice = [look]() -> task<std::string> {
            auto h = sluice::go(look);
            std::string seen = co_await look();
            seen += " " + co_await h;
            co_return seen;
        };
        std::string seen = co_await under(named, look_twice());
        seen += " " + co_await look_twice();
        co_return seen;
    };
    EXPECT_EQ(sluice::run(main), "inner inner none none");
}

TEST(Under, NestsAndComesBack) {
    const auto main = []() -> task<std::string> {
        const context outer = sluice::with_value<name>({}, "outer");
        const context inner = sluice::with_value<name>({}, "inner");
        const auto look = []() -> task<std::string> { co_return *sluice::current_context().value<name>(); };
        const auto both = [look, inner]() -> task<std::string> {
            std::string seen = co_await look();
            seen += " " + co_await under(inner, look());
            seen += " " + co_await look();
            co_return seen;
        };
        co_return co_await under(outer, both());
    };
    EXPECT_EQ(sluice::run(main), "outer inner outer");
}

TEST(Under, LetsAnExceptionOutAndIsLeft) {
    const auto main = []() -> task<bool> {
        const context named = sluice::with_value<name>({}, "inner");
        const auto fail = []() -> task<> {
            throw 3;
            co_return;
        };
        int thrown = 0;
        try {
            co_await under(named, fail());
        } catch (int n) {
            thrown = n;
        }
        co_return thrown == 3 && !sluice::current_context().value<name>();
    };
    EXPECT_TRUE(sluice::run(main));
}

TEST(Under, AShieldOnlyThatContextCounts) {
    runtime rt;
    const channel<int> never{0};
    const auto source = sluice::with_cancel({});
    const auto f = [](context c, channel<int> ch) -> task<bool> {
        bool ended = false;
        try {
            static_cast<void>(co_await sluice::shielded(under(c, receive_one(ch))));
        } catch (const canceled&) {
            ended = c.done();
        }
        co_return ended;
    };
    auto h = rt.go(f, source.get(), never);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
    h.cancel();
    EXPECT_FALSE(h.done());
    EXPECT_EQ(receivers_waiting(never), 1u);
    source.cancel();
    EXPECT_TRUE(h.get());
}

TEST(Under, AShieldInsideOfItHoldsItsEndOff) {
    runtime rt;
    const channel<int> ch{0};
    const auto source = sluice::with_cancel({});
    const auto f = [](context c, channel<int> from) -> task<int> {
        co_return co_await under(c, sluice::shielded(receive_one(from)));
    };
    auto h = rt.go(f, source.get(), ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    source.cancel();
    h.cancel();
    ASSERT_TRUE(ch.send(8));
    EXPECT_EQ(h.get(), 8);
}

TEST(Under, PassesTheEndOnToWhatIsJoined) {
    runtime rt;
    const channel<int> never{0};
    const auto source = sluice::with_cancel({});
    const auto f = [](context c, channel<int> ch) -> task<bool> {
        auto child = sluice::go(receive_one, ch);
        bool ended = false;
        try {
            static_cast<void>(co_await under(c, child));
        } catch (const canceled&) {
            ended = child.done();
        }
        co_return ended;
    };
    auto h = rt.go(f, source.get(), never);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
    source.cancel();
    EXPECT_TRUE(h.get());
}

TEST(Under, EndsABlockingCallableAndABlockingFormOnAWorker) {
    runtime rt{sluice_test::workers(2)};
    for (const bool on_worker : {false, true}) {
        const channel<int> never{0};
        const auto source = sluice::with_cancel({});
        const auto f = [](context c, channel<int> ch, bool here) -> task<bool> {
            const auto callable = [](channel<int> from) { static_cast<void>(from.receive()); };
            const auto form = [](channel<int> from) -> task<> {
                static_cast<void>(from.receive());
                co_return;
            };
            try {
                if (here) co_await under(c, form(ch));
                else co_await under(c, sluice::blocking(callable, ch));
            } catch (const canceled&) {
                co_return sluice_test::nobody_waits(ch);
            }
            co_return false;
        };
        auto h = rt.go(f, source.get(), never, on_worker);
        ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
        source.cancel();
        EXPECT_TRUE(h.get());
    }
}

TEST(Under, WaitsOfEveryKindEndAndTheTaskGoesOn) {
    const auto main = []() -> task<int> {
        const channel<int> never{0};
        sluice::semaphore none{1};
        static_cast<void>(none.try_acquire());
        int ended = 0;
        for (int kind = 0; kind < 5; ++kind) {
            const auto limit = sluice::with_timeout(context{}, 1ms);
            try {
                switch (kind) {
                    case 0: static_cast<void>(co_await under(limit, never.async_receive())); break;
                    case 1: static_cast<void>(co_await under(limit, none.async_acquire())); break;
                    case 2:
                        static_cast<void>(co_await under(limit, sluice::async_select(sluice::on_receive(never))));
                        break;
                    case 3: co_await under(limit, sluice::sleep_for(1h)); break;
                    default: static_cast<void>(co_await under(limit, never.async_receive_some(3))); break;
                }
            } catch (const canceled&) {
                ++ended;
            }
        }
        co_await sluice::sleep_for(1ms);
        none.release();
        co_return sluice_test::nobody_waits(never) ? ended : -1;
    };
    EXPECT_EQ(sluice::run(main), 5);
}

TEST(Under, DestroysWhatItAwaitsOnceInEverySpelling) {
    struct here;
    const auto f = [](counted<here> c) -> task<int> { co_return c.value(); };
    const auto main = [f]() -> task<int> {
        const auto source = sluice::with_cancel({});
        const channel<counted<here>> ch{1};
        int sum = co_await under(source, f(counted<here>{1}));
        sum += co_await sluice::shielded(under(source, f(counted<here>{2})));
        sum += co_await under(source, sluice::shielded(f(counted<here>{3})));
        static_cast<void>(co_await under(source, ch.async_send(counted<here>{4})));
        const auto got = co_await under(source, sluice::timeout(1h, ch.async_receive()));
        sum += got ? got->value() : 0;
        const auto last = co_await sluice::timeout(1h, under(source, f(counted<here>{5})));
        co_return sum + (last ? *last : 0);
    };
    EXPECT_EQ(sluice::run(main), 15);
    EXPECT_EQ(counted<here>::live(), 0);
}

TEST(Under, CanBeNamedFirstAndAwaitedLater) {
    struct here;
    const auto f = [](counted<here> c) -> task<int> { co_return c.value(); };
    const auto main = [f]() -> task<int> {
        auto op = under(context{}, f(counted<here>{6}));
        co_return co_await std::move(op);
    };
    EXPECT_EQ(sluice::run(main), 6);
    EXPECT_EQ(counted<here>::live(), 0);
}

TEST(Under, EnteredAndLeftWhileItIsEndedFromOutside) {
    runtime rt{sluice_test::workers(2)};
    for (int i = 0; i < 300; ++i) {
        const channel<int> never{0};
        const auto outer = sluice::with_cancel({});
        const auto inner = sluice::with_cancel({});
        std::atomic<bool> begun{false};
        const auto f = [](context c, channel<int> ch, std::atomic<bool>& to) -> task<> {
            to = true;
            for (int n = 0; n < 5; ++n) static_cast<void>(co_await is_canceled_under(c, ch));
            static_cast<void>(co_await ch.async_receive());
        };
        auto h = rt.go(f, inner.get(), never, std::ref(begun));
        while (!begun) {}
        {
            const std::jthread ends{[&] { inner.cancel(); }};
            if (i % 2) h.cancel();
        }
        h.cancel();
        EXPECT_THROW(h.get(), canceled);
    }
}

}  // namespace
