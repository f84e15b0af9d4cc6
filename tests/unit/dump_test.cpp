// SPDX-License-Identifier: BSL-1.0
// dump_test.cpp: what does a dump tell of workers and starts?

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <source_location>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/runtime.hpp>
#include <sluice/sized_wait_group.hpp>
#include <sluice/wait_group.hpp>

#include "support/eventually.hpp"
#include "support/waiting.hpp"
#include "support/workers.hpp"

namespace {

using sluice::channel;
using sluice::runtime;
using sluice::task;
using namespace sluice_test;

std::string dump_of(const runtime& rt) {
    std::ostringstream out;
    rt.dump(out);
    return out.str();
}
bool says(const runtime& rt, const std::string& what) { return dump_of(rt).find(what) != std::string::npos; }

task<> spin(std::atomic<bool>& stop) {
    sluice::name_task("spinner");
    while (!stop) std::this_thread::yield();
    co_return;
}

TEST(Dump, TellsWhichTaskAWorkerRunsWhereItWasStartedAndForHowLong) {
    std::atomic<bool> stop{false};
    runtime rt{workers(1)};
    std::uint_least32_t line = 0;
    const auto starter = [&]() -> task<> {
        line = std::source_location::current().line() + 1;
        sluice::go(spin, std::ref(stop));
        co_return;
    };
    rt.run(starter);
    EXPECT_TRUE(eventually([&] { return says(rt, "  worker 0 runs task \"spinner\" started at "); })) << dump_of(rt);
    const std::string text = dump_of(rt);
    EXPECT_NE(text.find("dump_test.cpp:" + std::to_string(line)), std::string::npos) << text;
    EXPECT_TRUE(eventually([&] { return says(rt, ", for 2"); })) << dump_of(rt);  // some milliseconds
    stop = true;
}

TEST(Dump, TellsTheNumberUnderWhichARunningTaskIsListed) {
    std::atomic<bool> stop{false};
    runtime rt{workers(1)};
    const channel<int> ch{0};
    const auto waits_and_spins = [&](channel<int> in) -> task<> {
        static_cast<void>(co_await in.async_receive());
        co_await spin(stop);
    };
    auto h = rt.go(waits_and_spins, ch);
    static_cast<void>(ch.send(1));
    EXPECT_TRUE(eventually([&] { return says(rt, "  worker 0 runs #1 task \"spinner\" started at "); })) << dump_of(rt);
    stop = true;
    h.get();
}

TEST(Dump, TellsWhichWorkersAreIdle) {
    std::atomic<bool> stop{false};
    runtime rt{workers(2)};
    EXPECT_TRUE(eventually([&] { return says(rt, "worker 0 is idle") && says(rt, "worker 1 is idle"); }));
    auto h = rt.go(spin, std::ref(stop));
    EXPECT_TRUE(eventually([&] { return says(rt, " runs task \"spinner\"") && says(rt, " is idle"); })) << dump_of(rt);
    stop = true;
    h.get();
}

TEST(Dump, ATaskThatBlocksAThreadRunsOnNoWorker) {
    runtime rt{workers(1)};
    const channel<int> ch{0};
    const auto block = [](channel<int> in) -> task<> {
        static_cast<void>(in.receive());
        co_return;
    };
    auto h = rt.go(block, ch);
    ASSERT_TRUE(eventually([&] { return receivers_waiting(ch) == 1; }));
    EXPECT_TRUE(eventually([&] { return says(rt, "worker 0 is idle"); })) << dump_of(rt);
    EXPECT_FALSE(says(rt, "runs #")) << dump_of(rt);
    ch.close();
    h.get();
}

TEST(Dump, NamesThePlaceOfEachStartByAGroupOrARuntime) {
    runtime rt{workers(2)};
    const channel<int> ch{0};
    const auto wait = [](channel<int> in) -> task<> { static_cast<void>(co_await in.async_receive()); };
    const auto wait_two = [](channel<int> in, int) -> task<> { static_cast<void>(co_await in.async_receive()); };
    std::vector<std::uint_least32_t> lines;
    const auto here = [&](std::source_location at = std::source_location::current()) { lines.push_back(at.line()); };
    const auto main = [&]() -> task<> {
        sluice::wait_group all;
        sluice::sized_wait_group some{4};
        sluice::errgroup checked;
        here(), all.go(wait, ch);
        here(), all.go(wait_two, ch, 1);
        here(), some.go(wait, ch);
        here(), static_cast<void>(co_await some.async_go(wait, ch));
        here(), checked.go(wait, ch);
        here();
        const bool is_started = co_await checked.async_go(wait, ch);
        EXPECT_TRUE(is_started);
        ++lines.back();
        here(), static_cast<void>(sluice::go(sluice::current_context(), wait, ch));
        here(), static_cast<void>(rt.go(wait, ch));
        while (receivers_waiting(ch) != lines.size()) co_await sluice::yield();
        const std::string text = dump_of(rt);
        for (const auto line : lines)
            EXPECT_NE(text.find("started at " + std::string{__FILE__} + ":" + std::to_string(line) + " "),
                      std::string::npos)
                << line << "\n"
                << text;
        ch.close();
        co_await all.async_wait();
        co_await some.async_wait();
        co_await checked.async_wait();
    };
    rt.run(main);
}

TEST(Dump, NamesThePlaceWhereATaskWaitsForASlot) {
    runtime rt{workers(1)};
    const channel<int> ch{0};
    const auto wait = [](channel<int> in) -> task<> { static_cast<void>(co_await in.async_receive()); };
    std::uint_least32_t line = 0;
    const auto main = [&]() -> task<> {
        sluice::sized_wait_group some{1};
        some.go(wait, ch);
        line = std::source_location::current().line() + 1;
        co_await some.async_go(wait, ch);
        co_await some.async_wait();
    };
    auto h = rt.go(main);
    EXPECT_TRUE(eventually([&] { return says(rt, "waits for permit at "); }));
    EXPECT_TRUE(says(rt, "waits for permit at " + std::string{__FILE__} + ":" + std::to_string(line) + " "))
        << dump_of(rt);
    ch.close();
    h.get();
}

}  // namespace
