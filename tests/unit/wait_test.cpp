// SPDX-License-Identifier: BSL-1.0
// wait_test.cpp: does a thread get what a task gives, by blocking?

#include <gtest/gtest.h>

#include <stdexcept>

#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/timer.hpp>

namespace {

using namespace std::chrono_literals;
using sluice::task;

task<int> give(int value) {
    co_await sluice::yield();
    co_return value;
}
task<> fail() {
    co_await sluice::yield();
    throw std::runtime_error{"no"};
}
task<> end_when_canceled(sluice::channel<void> has_begun, bool* ended) {
    try {
        static_cast<void>(co_await has_begun.async_send());
        co_await sluice::sleep_for(1h);
    } catch (const sluice::canceled&) {
        *ended = true;
        throw;
    }
}

TEST(WaitForATask, GivesItsResultToAThread) { EXPECT_EQ(sluice::wait(give(7)), 7); }

TEST(WaitForATask, RethrowsWhatItThrows) { EXPECT_THROW(sluice::wait(fail()), std::runtime_error); }

TEST(WaitForATask, RunsItInTheRuntimeOfTheCaller) {
    sluice::runtime rt;
    rt.go([] { EXPECT_EQ(sluice::wait(give(7)), 7); }).get();
    EXPECT_GE(rt.metrics().spawned, 2U);
}

TEST(WaitForATask, PassesTheCancellationOnAndJoins) {
    const sluice::channel<void> has_begun{0};
    bool ended = false;
    auto h = sluice::go([&] { sluice::wait(end_when_canceled(has_begun, &ended)); });
    static_cast<void>(has_begun.receive());
    h.cancel();
    EXPECT_THROW(h.get(), sluice::canceled);
    EXPECT_TRUE(ended);
}

TEST(WaitForATask, UnderAShieldRunsItWithoutTheCancellation) {
    const sluice::channel<void> is_waiting{0};
    int got = 0;
    auto h = sluice::go([&] {
        try {
            static_cast<void>(is_waiting.send());
            static_cast<void>(sluice::channel<int>{0}.receive());
        } catch (const sluice::canceled&) {
            got = sluice::shielded([] { return sluice::wait(give(7)); });
        }
    });
    static_cast<void>(is_waiting.receive());
    h.cancel();
    h.get();
    EXPECT_EQ(got, 7);
}

}  // namespace
