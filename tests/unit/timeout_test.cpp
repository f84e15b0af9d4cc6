// SPDX-License-Identifier: BSL-1.0
// timeout_test.cpp: how does a limit of time end a task, a handle or a select, and what has ended when it did?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <sluice/sluice.hpp>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/virtual_time.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::context;
using sluice::received;
using sluice::run;
using sluice::runtime;
using sluice::status;
using sluice::task;
using sluice::timeout;
using sluice_test::counted;
using sluice_test::eventually;
using sluice_test::in_virtual_time;
using sluice_test::receivers_waiting;

task<int> receive_one(channel<int> ch) {
    const auto v = co_await ch.async_receive();
    co_return v ? *v : -1;
}
task<> wait_for_ever() { co_await sluice::sleep_for(std::chrono::hours::max()); }

TEST(TimeoutOfATask, GivesItsResultInTime) {
    const auto main = []() -> task<int> {
        const channel<int> ch{1};
        static_cast<void>(co_await ch.async_send(6));
        const received<int> got = co_await timeout(1h, receive_one(ch));
        co_return got ? *got : -2;
    };
    EXPECT_EQ(run(main), 6);
}

TEST(TimeoutOfATask, WithoutAResultGivesAStatus) {
    const auto nothing = []() -> task<> { co_await sluice::sleep_for(1ms); };
    const auto main = [nothing]() -> task<bool> {
        const status in_time = co_await timeout(1h, nothing());
        const status too_late = co_await timeout(1ms, wait_for_ever());
        co_return in_time == status::ok&& too_late == status::timed_out;
    };
    EXPECT_TRUE(in_virtual_time(main));
}

TEST(TimeoutOfATask, HasEndedItWhenTheTimeIsUp) {
    struct here;
    const auto main = []() -> task<bool> {
        std::string steps;
        const auto f = [](std::string& to, counted<here> value) -> task<int> {
            std::exception_ptr end;
            try {
                co_await wait_for_ever();
            } catch (const canceled&) {
                end = std::current_exception();
            }
            co_await sluice::shielded(sluice::sleep_for(2h));
            to += "cleaned up";
            if (end) std::rethrow_exception(end);
            co_return value.value();
        };
        const auto begin = sluice::clock::now();
        const auto got = co_await timeout(1h, f(steps, counted<here>{1}));
        co_return got == status::timed_out&& steps == "cleaned up" && sluice::clock::now() - begin == 3h &&
            counted<here>::live() == 0;
    };
    EXPECT_TRUE(in_virtual_time(main));
}

TEST(TimeoutOfATask, RethrowsItsException) {
    const auto fail = []() -> task<int> {
        co_await sluice::sleep_for(1ms);
        throw std::runtime_error{"failed"};
    };
    const auto fail_late = []() -> task<> {
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        throw std::runtime_error{"failed late"};
    };
    const auto main = [=]() -> task<std::string> {
        std::string what;
        try {
            static_cast<void>(co_await timeout(1h, fail()));
        } catch (const std::runtime_error& e) {
            what += e.what();
        }
        try {
            static_cast<void>(co_await timeout(1ms, fail_late()));
        } catch (const std::runtime_error& e) {
            what += e.what();
        }
        co_return what;
    };
    EXPECT_EQ(in_virtual_time(main), "failedfailed late");
}

TEST(TimeoutOfATask, AResultThatComesAllTheSameIsTheResult) {
    const auto stubborn = []() -> task<std::unique_ptr<int>> {
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        co_return std::make_unique<int>(4);
    };
    const auto main = [stubborn]() -> task<int> {
        const auto got = co_await timeout(1ms, stubborn());
        co_return got ? **got : -1;
    };
    EXPECT_EQ(run(main), 4);
}

TEST(TimeoutOfATask, OfNoTimeStillLetsItDoWhatNeedsNoWait) {
    const auto at_once = []() -> task<int> { co_return 3; };
    const auto main = [at_once]() -> task<bool> {
        const auto got = co_await timeout(0ms, at_once());
        const auto late = co_await timeout(-1h, wait_for_ever());
        co_return got && *got == 3 && late == status::timed_out;
    };
    EXPECT_TRUE(run(main));
}

TEST(TimeoutOfATask, TheEndOfTheSurroundingContextThrows) {
    for (const bool own_context : {false, true}) {
        runtime rt;
        const channel<int> never{0};
        const auto f = [](channel<int> ch, bool own) -> task<bool> {
            const context mine = own ? sluice::current_context() : context{};
            bool ended = false;
            try {
                static_cast<void>(co_await timeout(1h, receive_one(ch)));
            } catch (const canceled&) {
                ended = mine.done() == own;
            }
            co_return ended;
        };
        auto h = rt.go(f, never, own_context);
        ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
        h.cancel();
        EXPECT_TRUE(h.get());
    }
}

TEST(TimeoutOfATask, TheCauseOfTheSurroundingContextsEndIsKnown) {
    const channel<int> never{0};
    const auto source = sluice::with_cancel({});
    const auto f = [](channel<int> ch) -> task<int> {
        int cause = 0;
        try {
            static_cast<void>(co_await timeout(1h, receive_one(ch)));
        } catch (const canceled& c) {
            try {
                if (c.cause()) std::rethrow_exception(c.cause());
            } catch (int n) {
                cause = n;
            }
        }
        co_return cause;
    };
    auto h = sluice::go(source, f, never);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(never) == 1; }));
    source.cancel(std::make_exception_ptr(5));
    EXPECT_EQ(h.get(), 5);
}

TEST(TimeoutOfATask, EndsWithItsRun) {
    const channel<int> never{0};
    std::atomic<bool> ended{false};
    const auto child = [](channel<int> ch, std::atomic<bool>& to) -> task<> {
        try {
            static_cast<void>(co_await timeout(1h, receive_one(ch)));
        } catch (const canceled&) {
            to = true;
        }
    };
    const auto main = [&]() -> task<> {
        auto h = sluice::go(child, never, std::ref(ended));
        while (receivers_waiting(never) != 1) co_await sluice::yield();
    };
    run(main);
    EXPECT_TRUE(ended);
}

TEST(TimeoutOfATask, NestsAndTheFirstToPassTellsWhich) {
    const auto inner = [](sluice::clock::duration d) -> task<status> {
        co_return co_await timeout(d, wait_for_ever());
    };
    const auto main = [inner]() -> task<bool> {
        const auto short_inside = co_await timeout(1h, inner(1ms));
        const auto short_outside = co_await timeout(1ms, inner(1h));
        co_return short_inside && *short_inside == status::timed_out&& short_outside == status::timed_out;
    };
    EXPECT_TRUE(run(main));
}

TEST(TimeoutOfATask, LimitsWhatIsShielded) {
    runtime rt;
    std::atomic<bool> begun{false};
    const auto f = [](std::atomic<bool>& to) -> task<bool> {
        const auto clean_up = [](std::atomic<bool>& flag) -> task<> {
            flag = true;
            co_await wait_for_ever();
        };
        try {
            co_await wait_for_ever();
        } catch (const canceled&) {}
        const auto quick = co_await sluice::shielded(timeout(1h, sluice::sleep_for(1ms)));
        const auto end = co_await sluice::shielded(timeout(5ms, clean_up(to)));
        co_return quick == status::ok&& end == status::timed_out;
    };
    auto h = rt.go(f, std::ref(begun));
    h.cancel();
    // A task cancelled before its first step does not run.
    try {
        EXPECT_TRUE(h.get());
        EXPECT_TRUE(begun);
    } catch (const canceled&) {
        EXPECT_FALSE(begun);
    }
}

TEST(TimeoutOfATask, LimitsWhatIsShieldedAtTheEndOfTheRun) {
    const channel<int> never{0};
    std::atomic<bool> timed_out{false};
    const auto child = [](channel<int> ch, std::atomic<bool>& to) -> task<> {
        try {
            static_cast<void>(co_await ch.async_receive());
        } catch (const canceled&) {}
        to = co_await sluice::shielded(timeout(3ms, wait_for_ever())) == status::timed_out;
    };
    const auto main = [&]() -> task<> {
        auto h = sluice::go(child, never, std::ref(timed_out));
        while (receivers_waiting(never) != 1) co_await sluice::yield();
    };
    run(main);
    EXPECT_TRUE(timed_out);
}

TEST(TimeoutOfATask, DoesNotReachWhatItStartedAndLeft) {
    const auto main = []() -> task<int> {
        const channel<int> ch{1};
        const auto later = [](channel<int> to) -> task<> {
            co_await sluice::sleep_for(3h);
            static_cast<void>(co_await to.async_send(9));
        };
        const auto starting = [later](channel<int> to) -> task<> {
            static_cast<void>(sluice::go(later, to));
            co_return;
        };
        const auto first = co_await timeout(1h, starting(ch));
        const auto v = co_await ch.async_receive();
        co_return first == status::ok&& v ? *v : -1;
    };
    EXPECT_EQ(in_virtual_time(main), 9);
}

TEST(TimeoutOfATask, IsTheDeadlineOfItsContext) {
    const auto main = []() -> task<bool> {
        const auto look = []() -> task<std::optional<sluice::clock::time_point>> {
            co_return sluice::current_context().deadline();
        };
        const auto before = sluice::clock::now();
        const auto inside = co_await timeout(1h, look());
        const auto outside = co_await look();
        co_return inside && *inside && **inside >= before + 1h && !outside;
    };
    EXPECT_TRUE(run(main));
}

TEST(TimeoutOfATask, CanBeNamedFirstAndAwaitedLater) {
    struct here;
    const auto f = [](counted<here> c) -> task<int> { co_return c.value(); };
    const auto main = [f]() -> task<int> {
        auto op = timeout(1h, f(counted<here>{6}));
        const auto got = co_await std::move(op);
        co_return *got;
    };
    EXPECT_EQ(run(main), 6);
    EXPECT_EQ(counted<here>::live(), 0);
}

TEST(TimeoutOfATask, HoldsWhenTheTimesFallTogether) {
    const auto main = []() -> task<int> {
        const auto nap = [](int us) -> task<int> {
            co_await sluice::sleep_for(std::chrono::microseconds{us});
            co_return us;
        };
        int ended = 0;
        for (int i = 0; i < 1'000; ++i) {
            const auto got = co_await timeout(std::chrono::microseconds{i % 40}, nap((i * 7) % 40));
            ended += got || got == status::timed_out ? 1 : 0;
        }
        co_return ended;
    };
    EXPECT_EQ(run(sluice_test::workers(2), main), 1'000);
}

TEST(TimeoutOfATask, HoldsWhenItIsCancelledAtTheSameTime) {
    runtime rt{sluice_test::workers(2)};
    for (int i = 0; i < 300; ++i) {
        const auto f = [](int us) -> task<> {
            for (;;) static_cast<void>(co_await timeout(std::chrono::microseconds{us}, wait_for_ever()));
        };
        auto h = rt.go(f, i % 20);
        if (i % 3) std::this_thread::yield();
        h.cancel();
        EXPECT_THROW(h.get(), canceled);
    }
}

TEST(TimeoutOfAHandle, CancelsAndJoinsWhatItBelongsTo) {
    const auto main = []() -> task<bool> {
        auto slow = sluice::go(wait_for_ever);
        auto quick = sluice::go([]() -> task<int> { co_return 2; });
        const status end = co_await timeout(1ms, slow);
        const auto got = co_await timeout(1h, quick);
        co_return end == status::timed_out&& slow.done() && got && *got == 2;
    };
    EXPECT_TRUE(run(main));
}

TEST(TimeoutOfABlockingCall, CancelsAndJoinsTheCallable) {
    const auto main = []() -> task<bool> {
        const channel<int> never{0};
        const auto f = [](channel<int> ch) { static_cast<void>(ch.receive()); };
        const status end = co_await timeout(1ms, sluice::blocking(f, never));
        co_return end == status::timed_out&& sluice_test::nobody_waits(never);
    };
    EXPECT_TRUE(run(main));
}

TEST(TimeoutOfASelect, GivesThePositionInTime) {
    const auto main = []() -> task<bool> {
        const channel<int> ready{1};
        const channel<int> never{0};
        static_cast<void>(co_await ready.async_send(1));
        const auto first =
            co_await timeout(1h, sluice::async_select(sluice::on_receive(never), sluice::on_receive(ready)));
        const auto none = co_await timeout(1ms, sluice::async_select(sluice::on_receive(never)));
        co_return first && *first == 1 && none == status::timed_out;
    };
    EXPECT_TRUE(run(main));
}

TEST(Deadline, IsATimeoutWithATimePoint) {
    const auto main = []() -> task<bool> {
        const auto at = sluice::clock::now() + 5s;
        const channel<int> ch{1};
        const auto none = co_await sluice::deadline(at, ch.async_receive());
        const bool in_time = sluice::clock::now() == at;
        static_cast<void>(co_await ch.async_send(6));
        const received<int> passed = co_await sluice::deadline(at, receive_one(ch));
        const auto some = co_await sluice::deadline(at + 1s, ch.async_receive_some(3));
        const auto inner = co_await sluice::deadline(at + 3s, sluice::deadline(at + 2s, ch.async_receive()));
        const bool first_counts = sluice::clock::now() == at + 2s;
        const status late = co_await sluice::deadline(at + 3s, wait_for_ever());
        co_return none == status::timed_out&& in_time&& passed == status::timed_out&& some.size() == 1 &&
            first_counts&& inner == status::timed_out&& late == status::timed_out;
    };
    EXPECT_TRUE(in_virtual_time(main));
}

}  // namespace
