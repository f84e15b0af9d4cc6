// SPDX-License-Identifier: BSL-1.0
// channel_names_test.cpp: how do reports call the channel that a task waits on?

#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <thread>

#include "../support/broken_contract.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::task;
using namespace sluice_test;

std::string dump_of(const sluice::runtime& rt) {
    std::ostringstream out;
    rt.dump(out);
    return out.str();
}
bool says(const sluice::runtime& rt, const std::string& what) { return dump_of(rt).find(what) != std::string::npos; }

task<> receive_one(channel<int> ch) { static_cast<void>(co_await ch.async_receive()); }
task<> send_one(channel<int> ch) { static_cast<void>(co_await ch.async_send(1)); }
task<> receive_until(channel<int> ch, sluice::context until) { static_cast<void>(co_await ch.async_receive(until)); }
task<> receive_several(channel<int> ch) { static_cast<void>(co_await ch.async_receive_some(3)); }

TEST(ChannelName, StandsInTheReportOfATaskThatWaitsForAReceive) {
    sluice::runtime rt{workers(1)};
    const channel<int> ch{1};
    ch.name("results");
    auto h = rt.go(receive_one, ch);
    eventually([&] { return says(rt, "waits for receive on \"results\" at "); });
    EXPECT_TRUE(says(rt, "channel_names_test.cpp:"));
    ch.close();
    h.get();
}

TEST(ChannelName, StandsInTheReportOfATaskThatWaitsForASend) {
    sluice::runtime rt{workers(1)};
    const channel<int> ch{0};
    auto h = rt.go(send_one, ch);
    eventually([&] { return senders_waiting(ch) == 1; });
    ch.name("orders");
    eventually([&] { return says(rt, "waits for send on \"orders\" at "); });
    ch.close();
    h.get();
}

TEST(ChannelName, StandsInTheReportOfEveryFormThatWaits) {
    sluice::runtime rt{workers(1)};
    const auto never = sluice::with_cancel({});
    const channel<int> a{0};
    const channel<int> b{0};
    const channel<int> c{0};
    a.name("with a context");
    b.name("several");
    c.name("of a thread");
    auto in_context = rt.go(receive_until, a, never.get());
    auto several = rt.go(receive_several, b);
    auto blocking = rt.go([c] { static_cast<void>(c.receive()); });
    eventually([&] { return says(rt, "waits for receive on \"with a context\" at "); });
    eventually([&] { return says(rt, "waits for receive on \"several\" at "); });
    eventually([&] { return says(rt, "waits for receive on \"of a thread\" at "); });
    for (const auto& ch : {a, b, c}) ch.close();
    in_context.get();
    several.get();
    blocking.get();
}

TEST(ChannelName, AChannelWithoutOneIsNotNamed) {
    sluice::runtime rt{workers(1)};
    const channel<int> ch{0};
    auto h = rt.go(receive_one, ch);
    eventually([&] { return says(rt, "waits for receive at "); });
    EXPECT_FALSE(says(rt, " on \""));
    EXPECT_EQ(ch.name(), "");
    ch.close();
    h.get();
}

TEST(ChannelName, IsTheOneGivenLastByAnyHandle) {
    const auto [in, out] = sluice::make_channel<int>(1);
    EXPECT_EQ(out.name(), "");
    in.name("first");
    EXPECT_EQ(out.name(), "first");
    out.name("second");
    EXPECT_EQ(in.name(), "second");
    out.name("");
    EXPECT_EQ(in.name(), "");
}

TEST(ChannelName, GoesWithTheChannel) {
    channel<int> ch{1};
    ch.name("short-lived");
    const void* const address = ch.id();
    EXPECT_EQ(sluice::detail::object_name::of(address), "short-lived");
    ch = {};
    EXPECT_EQ(sluice::detail::object_name::of(address), "");
}

TEST(ChannelName, NilHasNone) {
    EXPECT_EQ(channel<int>{}.name(), "");
    EXPECT_TRUE(breaks_contract([] { channel<int>{}.name("nothing"); }));
}

// Any thread may name a channel while others report, and while channels come and go.
TEST(ChannelName, MayBeGivenWhileReportsAreMade) {
    sluice::runtime rt{workers(1)};
    const channel<int> ch{0};
    auto h = rt.go(receive_one, ch);
    eventually([&] { return receivers_waiting(ch) == 1; });
    {
        const auto rename = [](channel<int> c, int from) {
            for (int i = 0; i < 300; ++i) {
                c.name("number " + std::to_string(from + i));
                const channel<int> other{0};
                other.name("other");
            }
        };
        const std::jthread a{rename, ch, 0};
        const std::jthread b{rename, ch, 1000};
        for (int i = 0; i < 100; ++i) EXPECT_FALSE(says(rt, "on \"other\""));
    }
    EXPECT_TRUE(says(rt, "on \"number "));
    ch.close();
    h.get();
}

}  // namespace
