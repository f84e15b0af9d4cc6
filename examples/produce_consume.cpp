// SPDX-License-Identifier: BSL-1.0
// produce_consume.cpp: one task makes values, another uses them: without a buffer between them, and with one.
//
// Making a value takes 100 ms, using one takes 250 ms. Without a buffer a send is a meeting: the producer stands
// there with what it has made until the consumer comes for it. With room for two it goes on, two values ahead, and
// has finished long before. Notice the last line of each: the consumer is not done any sooner. A buffer makes up for
// values that come in bursts, not for a consumer that is too slow.
#include <sluice/channel.hpp>
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>

#include <fmt/core.h>

#include <chrono>
#include <cstddef>
#include <utility>

using namespace std::chrono_literals;

sluice::clock::time_point began;

int milliseconds() { return static_cast<int>((sluice::clock::now() - began) / 1ms); }

void say(const char* who, const char* does, int value) {
    fmt::print("{:5} ms  {} {} {}\n", milliseconds(), who, does, value);
}

sluice::task<int> produce(sluice::sender<int> out) {
    for (int i = 1; i <= 4; ++i) {
        co_await sluice::sleep_for(100ms);
        say("producer", "has made", i);
        if (!co_await out.async_send(i)) break;  // the consumer has left
    }
    co_return milliseconds();
}  // the only sender goes, and the channel is closed

sluice::task<int> consume(sluice::receiver<int> in) {
    while (const auto value = co_await in.async_receive()) {
        say("consumer", "takes", *value);
        co_await sluice::sleep_for(250ms);
    }
    co_return milliseconds();
}

sluice::task<> produce_and_consume(std::size_t capacity) {
    fmt::print("room for {} values:\n", capacity);
    began = sluice::clock::now();
    auto [out, in] = sluice::make_channel<int>(capacity);
    auto producer = sluice::go(produce, std::move(out));
    const int consumer_done = co_await consume(std::move(in));
    const int producer_done = co_await producer;
    fmt::print("the producer was done at {} ms, the consumer at {} ms\n", producer_done, consumer_done);
}

sluice::task<> main_task() {
    co_await produce_and_consume(0);
    co_await produce_and_consume(2);
}

int main() { sluice::testing::simulate({}, main_task).value(); }
