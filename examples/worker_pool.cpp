// SPDX-License-Identifier: BSL-1.0
// worker_pool.cpp: a restaurant's kitchen: three cooks, a rail with room for two orders, and a waiter with many more.
//
// Notice: when the cooks are busy and the rail is full, it is the waiter who waits, with the order in his hand; so
// the kitchen never has more than five. At closing time, what is on the stove and on the rail is still made, as long
// as that takes no more than ten minutes; the rest is cancelled, and the report says how much was lost.
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>
#include <sluice/worker_pool.hpp>

#include <fmt/core.h>

#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;

struct dish {
    const char* name;
    std::chrono::minutes takes;
};

void say(const std::string& what) {
    static const auto opened = sluice::clock::now();
    fmt::print("{:3} min  {}\n", (sluice::clock::now() - opened) / 1min, what);
}

sluice::task<std::string> cook(dish order) {
    co_await sluice::sleep_for(order.takes);
    say(std::string{order.name} + " is ready");
    co_return order.name;
}

const std::vector<dish> orders{{"soup", 4min},  {"roast", 21min}, {"pasta", 9min}, {"salad", 2min},
                               {"fish", 14min}, {"pizza", 8min},  {"cake", 35min}, {"coffee", 1min}};

sluice::task<> evening() {
    sluice::worker_pool kitchen{{.tasks = 3, .queue = 2}};
    std::vector<sluice::join_handle<std::string>> tickets;
    say("the kitchen opens");
    for (const dish& order : orders) {
        auto ticket = co_await kitchen.async_submit(cook, order);  // waits for room
        say(fmt::format("{} is ordered; {} on the stove, {} on the rail", order.name, kitchen.running(),
                        kitchen.queued()));
        tickets.push_back(std::move(ticket));
    }

    say("last orders");
    const sluice::drain_report report = co_await kitchen.async_drain(10min);
    say(fmt::format("the kitchen closes: since last orders {} made, {} thrown away half done, {} never begun",
                    report.done, report.interrupted, report.dropped));

    const auto too_late = co_await kitchen.async_submit(cook, orders.front());
    say(too_late ? "another soup" : "no soup any more: the kitchen is closed");

    int served = 0;
    for (auto& ticket : tickets) {
        try {
            static_cast<void>(co_await ticket);
            ++served;
        } catch (const sluice::canceled&) {}  // this guest goes home hungry
    }
    say(fmt::format("{} of {} dishes were served", served, orders.size()));
}

int main() { sluice::testing::simulate({}, evening).value(); }
