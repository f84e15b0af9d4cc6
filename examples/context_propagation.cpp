// SPDX-License-Identifier: BSL-1.0
// context_propagation.cpp: a request, whose name and deadline reach everything that is done for it; and two Go classics.
//
// Notice: only who makes or asks a context mentions one. The code in between passes nothing on and cannot forget to: the
// deadline ends its waits, its groups have joined their tasks when it returns. The times are simulated.
#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/scope.hpp>
#include <sluice/testing.hpp>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;
using sluice::task;

struct request_name {
    using type = std::string;
};

int under_way = 0;

struct presence {
    presence() { ++under_way; }
    ~presence() { --under_way; }
};

int milliseconds_left() {
    const auto deadline = sluice::current_context().deadline();
    return deadline ? static_cast<int>((*deadline - sluice::clock::now()) / 1ms) : -1;
}

task<> query(const char* what, std::chrono::milliseconds takes) {
    const presence here;
    const std::string name = *sluice::current_context().value<request_name>();
    std::printf("  %s: %s, %d ms left\n", name.c_str(), what, milliseconds_left());
    try {
        co_await sluice::sleep_for(takes);
    } catch (const sluice::canceled&) {
        std::printf("  %s: %s was given up\n", name.c_str(), what);
        throw;
    }
}

task<> orders(std::chrono::milliseconds takes) {
    const presence here;
    co_await query("which orders", 20ms);
    const auto parts = [&](sluice::errgroup& all) -> task<> {
        all.go(query, "what was ordered", takes);
        all.go(query, "what was paid", 10ms);
        co_return;
    };
    co_await sluice::scope(parts);
}

task<> page(std::chrono::milliseconds takes) {
    const auto parts = [&](sluice::errgroup& all) -> task<> {
        all.go(query, "who asks", 30ms);
        all.go(orders, takes);
        co_return;
    };
    co_await sluice::scope(parts);
}

task<> serve(std::string name, std::chrono::milliseconds takes) {
    const auto named = sluice::with_value<request_name>(sluice::current_context(), name);
    const auto limit = sluice::with_timeout(named, 100ms);
    try {
        co_await sluice::under(limit, page(takes));
        std::printf("  %s: answered\n", name.c_str());
    } catch (const sluice::canceled&) {
        std::printf("  %s: too late; %d queries still under way\n", name.c_str(), under_way);
    }
}

// In Go: `ch := make(chan int); go search(ch); go search(ch); return <-ch`, and the second sender waits for ever.
task<> search(sluice::sender<int> found, std::chrono::milliseconds takes) {
    const presence here;
    co_await sluice::sleep_for(takes);
    const auto sent = co_await found.async_send(static_cast<int>(takes / 1ms));
    if (!sent) std::printf("  nobody wants what was found after %d ms\n", static_cast<int>(takes / 1ms));
}

task<int> first_found() {
    auto [found, results] = sluice::make_channel<int>(0);
    static_cast<void>(sluice::go(search, found, 10ms));
    static_cast<void>(sluice::go(search, std::move(found), 20ms));
    co_return (co_await results.async_receive()).value();
}

// In Go: a loop that neither takes the context nor selects on its Done() polls on after its request has gone.
task<> poll(int* looks) {
    const presence here;
    for (;;) {
        ++*looks;
        co_await sluice::sleep_for(10ms);
    }
}

task<> main_task() {
    std::puts("Two requests of 100 ms each:");
    co_await serve("first", 40ms);
    co_await serve("second", 900ms);

    std::puts("Two searches, one of which is wanted:");
    const int first = co_await first_found();
    co_await sluice::sleep_for(50ms);
    std::printf("  found after %d ms; %d searches still under way\n", first, under_way);

    std::puts("A loop that has never heard of contexts, for 95 ms:");
    int looks = 0;
    static_cast<void>(co_await sluice::timeout(95ms, poll(&looks)));
    std::printf("  it looked %d times; %d still under way\n", looks, under_way);
}

int main() { sluice::testing::simulate({}, main_task).value(); }
