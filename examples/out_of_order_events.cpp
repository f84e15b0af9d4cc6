// SPDX-License-Identifier: BSL-1.0
// out_of_order_events.cpp: events of many devices come late and doubled, and are put in order.
//
// Each device numbers its events; the network delays each by another time, repeats some and keeps one for too long.
// Notice: for each device a buffer by number drops what comes twice and says what is missing, as soon as too many wait
// for it. A buffer by time then merges the devices: it holds an event until another is 150 ms younger. What it has to
// give up is told, not lost.
#include <sluice/channel.hpp>
#include <sluice/reorder_buffer.hpp>
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

using moment = sluice::clock::time_point;

struct event {
    std::string device;
    std::uint32_t number;
    moment measured;
};

struct journey {
    std::uint32_t number;
    std::chrono::milliseconds delay;
};

sluice::clock::time_point began;

std::string text(const event& e) {
    return fmt::format("{}{} of {} ms", e.device, e.number, (e.measured - began) / 1ms);
}

// Event n is measured at n * 100 ms and some; it comes `delay` later.
sluice::task<> deliver(sluice::sender<event> to, event e, std::chrono::milliseconds delay) {
    co_await sluice::sleep_until(e.measured + delay);
    fmt::print("{:4} ms: {} comes\n", (sluice::clock::now() - began) / 1ms, text(e));
    static_cast<void>(co_await to.async_send(std::move(e)));
}

sluice::receiver<event> device(const std::string& name, std::chrono::milliseconds offset,
                               std::vector<journey> network) {
    auto [out, in] = sluice::make_channel<event>(8);
    for (const journey& j : network)
        sluice::go(deliver, out, event{name, j.number, began + j.number * 100ms + offset}, j.delay);
    return in;
}

using by_number = sluice::reorder_buffer<event, std::uint32_t>;
using by_time = sluice::reorder_buffer<event, moment>;

void left_out(event&& e, sluice::out_of_order why) {
    fmt::print("         {} is {}\n", text(e), sluice::to_string(why));
}

struct say_missing {
    void operator()(std::uint32_t from, std::uint32_t to) const {
        for (auto n = from; n <= to; ++n) fmt::print("         {}{} is missing\n", name, n);
    }
    std::string name;
};

// The events of one device, each once, in the order of their numbers.
sluice::task<> in_order(std::string name, sluice::receiver<event> in, sluice::sender<event> out) {
    by_number buffer{{.first = 1, .capacity = 2, .missing = say_missing{name}}, &event::number, left_out};
    while (auto e = co_await in.async_receive())
        for (event& ready : buffer.push(std::move(*e))) static_cast<void>(co_await out.async_send(std::move(ready)));
    for (event& last : buffer.flush()) static_cast<void>(co_await out.async_send(std::move(last)));
}

// All of them, in the order in which they were measured.
sluice::task<> history(sluice::receiver<event> in) {
    const auto print = [](event&& e) { fmt::print("            -> {}\n", text(e)); };
    by_time buffer{{.lateness = 150ms, .capacity = 100}, &event::measured, left_out};
    while (auto e = co_await in.async_receive()) buffer.push(std::move(*e), print);
    buffer.flush(print);
}

sluice::task<> main_task() {
    began = sluice::clock::now();
    auto [out, in] = sluice::make_channel<event>(0);
    sluice::go(in_order, "a", device("a", 0ms, {{1, 5ms}, {2, 126ms}, {3, 1ms}, {3, 42ms}, {4, 8ms}}), out);
    sluice::go(in_order, "b", device("b", 33ms, {{1, 9ms}, {3, 3ms}, {4, 4ms}, {5, 5ms}, {2, 351ms}}), out);
    sluice::go(in_order, "c", device("c", 66ms, {{1, 2ms}, {2, 7ms}, {1, 152ms}, {3, 280ms}}), out);
    out = {};  // the tasks hold the others
    co_await history(std::move(in));
}

int main() { sluice::testing::simulate({}, main_task).value(); }
