// SPDX-License-Identifier: BSL-1.0
// suspicion_test.cpp: is a channel on which only those wait who have its handles told of, and no other?

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <source_location>
#include <string>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/runtime.hpp>
#include <sluice/select.hpp>
#include <sluice/timer.hpp>
#include <sluice/wait_group.hpp>

namespace {

using namespace std::chrono_literals;
using sluice::channel;
using sluice::run_options;
using sluice::task;

std::size_t count_of(const std::string& text, std::string_view part) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

/// What a run says. Somebody outside may wake its tasks, so it goes on while all of them wait.
class listener {
public:
    run_options options() {
        run_options o;
        o.workers = 2;
        o.may_wake = sluice::outside::any;
        o.suspect_after = 20ms;
        o.diagnostics = [this](std::string_view text) {
            const std::lock_guard guard{mutex_};
            said_ += text;
        };
        return o;
    }
    std::string said() const {
        const std::lock_guard guard{mutex_};
        return said_;
    }
    task<> heard(std::string part) const {
        while (said().find(part) == std::string::npos) co_await sluice::sleep_for(1ms);
    }

private:
    mutable std::mutex mutex_;
    std::string said_;
};

task<> receive_one(channel<int> ch) { static_cast<void>(co_await ch.async_receive()); }
task<> receive_by_reference(const channel<int>& ch) { static_cast<void>(co_await ch.async_receive()); }
task<> send_one(channel<int> ch) { static_cast<void>(co_await ch.async_send(1)); }

/// Starts what is certainly told, and waits until it is: twice, so that what had begun to wait before has been looked at.
task<> until_others_are_told(const listener& all) {
    for (const char* name : {"first control", "second control"}) {
        {
            const channel<int> ch{0};
            ch.name(name);
            sluice::go(receive_one, ch);
        }
        co_await all.heard(name);
    }
}

TEST(Suspicion, AChannelOnWhichAllWaitWhoHoldItIsToldWithItsFactsAndTasks) {
    listener all;
    const std::string line = ":" + std::to_string(std::source_location::current().line() + 3) + " ";
    const auto main = [&]() -> task<> {
        {
            const channel<int> ch{0};
            ch.name("requests");
            for (int i = 0; i < 2; ++i) sluice::go(receive_one, ch);
        }
        co_await all.heard("suspicion");
    };
    sluice::run(all.options(), main);
    const std::string said = all.said();
    EXPECT_EQ(count_of(said, "sluice: suspicion: nobody but the 2 tasks that wait to receive seems to hold a handle"),
              1u)
        << said;
    EXPECT_EQ(count_of(said, "a channel without a buffer, made at " + (__FILE__ + line)), 1u) << said;
    EXPECT_EQ(count_of(said, "; handles: 2"), 1u) << said;
    EXPECT_EQ(count_of(said, "waits for receive on \"requests\" at " + std::string{__FILE__}), 2u) << said;
    EXPECT_EQ(count_of(said, ", for "), 2u) << said;
}

TEST(Suspicion, ASendThatNobodyCanReceiveIsTold) {
    listener all;
    const auto main = [&]() -> task<> {
        {
            const channel<int> ch{0};
            sluice::go(send_one, ch);
        }
        co_await all.heard("nobody but the task that waits to send seems to hold a handle");
    };
    sluice::run(all.options(), main);
}

TEST(Suspicion, OfManyTasksSomeAreListed) {
    listener all;
    const auto main = [&]() -> task<> {
        {
            const channel<int> ch{0};
            for (int i = 0; i < 100; ++i) sluice::go(receive_one, ch);
        }
        co_await all.heard("nobody but the 100 tasks");
    };
    sluice::run(all.options(), main);
    EXPECT_EQ(count_of(all.said(), "and 96 tasks more"), 1u) << all.said();
    EXPECT_EQ(count_of(all.said(), "waits for receive"), 4u) << all.said();
}

TEST(Suspicion, AChannelIsToldOnce) {
    listener all;
    const auto main = [&]() -> task<> {
        {
            const channel<int> ch{0};
            ch.name("once");
            sluice::go(receive_one, ch);
        }
        co_await all.heard("once");
        co_await until_others_are_told(all);
    };
    sluice::run(all.options(), main);
    EXPECT_EQ(count_of(all.said(), "receive on \"once\""), 1u) << all.said();
}

TEST(Suspicion, AChannelThatSomebodyElseHoldsIsNone) {
    listener all;
    const auto main = [&]() -> task<> {
        const channel<int> ch{0};
        ch.name("held");
        sluice::go(receive_one, ch);
        co_await until_others_are_told(all);
        static_cast<void>(co_await ch.async_send(1));
    };
    sluice::run(all.options(), main);
    EXPECT_EQ(count_of(all.said(), "\"held\""), 0u) << all.said();
}

TEST(Suspicion, AChannelThatATaskOfASelectHoldsIsNone) {
    listener all;
    const auto main = [&]() -> task<> {
        {
            const channel<int> ch{0};
            ch.name("selected");
            sluice::go(receive_one, ch);
            const auto choose = [](channel<int> one) -> task<> {
                static_cast<void>(co_await sluice::async_select(sluice::on_send(one, 1), sluice::on_timeout(1h)));
            };
            sluice::go(choose, ch);
        }
        co_await until_others_are_told(all);
    };
    sluice::run(all.options(), main);
    EXPECT_EQ(count_of(all.said(), "\"selected\""), 0u) << all.said();
}

TEST(Suspicion, AChannelThatIsSharedByReferenceIsNone) {
    listener all;
    const auto main = [&]() -> task<> {
        const channel<int> ch{0};
        ch.name("shared");
        sluice::wait_group receivers;
        receivers.go(receive_by_reference, std::cref(ch));
        co_await until_others_are_told(all);
        ch.close();
        co_await receivers.async_wait();
    };
    sluice::run(all.options(), main);
    EXPECT_EQ(count_of(all.said(), "\"shared\""), 0u) << all.said();
}

TEST(Suspicion, AClockIsNone) {
    listener all;
    const auto main = [&]() -> task<> {
        sluice::ticker slow{1h};
        const auto wait = [](sluice::receiver<std::chrono::steady_clock::time_point> ticks) -> task<> {
            static_cast<void>(co_await ticks.async_receive());
        };
        auto ticks = slow.ticks();
        sluice::go(wait, ticks);
        ticks = {};
        auto late = sluice::after(1h);
        sluice::go(wait, late);
        late = {};
        co_await until_others_are_told(all);
    };
    sluice::run(all.options(), main);
    EXPECT_EQ(count_of(all.said(), "sluice: suspicion"), 2u) << all.said();
}

TEST(Suspicion, NothingIsToldWhenItIsOff) {
    listener all;
    auto silent = all.options();
    silent.suspect_after = 0ms;
    const auto main = [&]() -> task<> {
        {
            const channel<int> ch{0};
            sluice::go(receive_one, ch);
        }
        listener other;
        const auto in_another_run = [&]() -> task<> { co_await until_others_are_told(other); };
        co_await sluice::blocking([&] { sluice::run(other.options(), in_another_run); });
    };
    sluice::run(silent, main);
    EXPECT_EQ(count_of(all.said(), "sluice: suspicion"), 0u) << all.said();
}

}  // namespace
