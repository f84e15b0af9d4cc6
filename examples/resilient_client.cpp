// SPDX-License-Identifier: BSL-1.0
// resilient_client.cpp: a backend that misbehaves by a script, and what each means against it saves.
//
// Notice: each means is a call around the call, so all of them together, at the end, are one expression: a hedged call behind
// a breaker and a rate limit, with retry, under a deadline. The times are simulated.
#include <sluice/circuit_breaker.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/race.hpp>
#include <sluice/rate_limiter.hpp>
#include <sluice/retry.hpp>
#include <sluice/testing.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>

using namespace std::chrono_literals;
using sluice::task;
using std::chrono::milliseconds;

struct backend {
    enum mood { flaky, slow, down, narrow };

    task<> ask() {
        struct presence {
            explicit presence(int& count) : n{count} { ++n; }
            ~presence() { --n; }
            int& n;
        };
        const int call = ++calls;
        const auto age = sluice::clock::now() - began;
        const bool is_down = script == down && age > 1s && age < 3s;
        const bool is_full = script == narrow && under_way >= 3;
        const presence here{under_way};
        co_await sluice::sleep_for(script == slow && call % 10 == 0 ? 2000ms : is_down ? 300ms : 40ms);
        if (is_down || is_full || (script == flaky && call % 3 == 0)) throw std::runtime_error{"the backend failed"};
    }

    const mood script;
    const sluice::clock::time_point began = sluice::clock::now();
    int calls = 0;
    int under_way = 0;
};

struct client {
    backend to;
    sluice::rate_limiter limit{sluice::per_second(60), 1};
    sluice::circuit_breaker breaker{{.failures = 5, .open_for = 500ms}};
};
const auto politely = sluice::retry_policy{4}.backoff({50ms, 2, 1s});

task<> nothing(client& c) { return c.to.ask(); }
task<> with_retry(client& c) {
    return sluice::retry(politely, [&c] { return c.to.ask(); });
}
task<> with_a_breaker(client& c) {
    return c.breaker.async_call([&c] { return c.to.ask(); });
}
task<> with_a_rate_limit(client& c) {
    return c.limit.async_call([&c] { return c.to.ask(); });
}
task<> with_hedging(client& c) {
    return sluice::hedged(100ms, [&c] { return c.to.ask(); }, [&c] { return c.to.ask(); });
}
task<> with_all(client& c) {
    const auto ask = [&c] { return c.to.ask(); };
    const sluice::status ended =
        co_await sluice::timeout(5s, sluice::retry(politely, [&] {
                                     return c.limit.async_call([&] {
                                         return c.breaker.async_call([&] { return sluice::hedged(100ms, ask, ask); });
                                     });
                                 }));
    if (ended != sluice::status::ok) throw std::runtime_error{"it took too long"};
}

// Ten requests at once, every 200 ms, for four seconds; and a line about them.
task<> measure(const char* with, backend::mood script, task<> (*request)(client&)) {
    client c{.to = {.script = script}};
    int answered = 0;
    sluice::clock::duration slowest{};
    sluice::clock::duration together{};
    const auto one = [&]() -> task<> {
        const auto began = sluice::clock::now();
        try {
            co_await request(c);
            ++answered;
        } catch (const std::runtime_error&) {}
        slowest = std::max(slowest, sluice::clock::now() - began);
        together += sluice::clock::now() - began;
    };
    sluice::errgroup all;
    for (int i = 0; i != 200; ++i) {
        all.go(one);
        if (i % 10 == 9) co_await sluice::sleep_for(200ms);
    }
    co_await all.async_wait();
    std::printf("  %-13s %3d of 200 answered, %3d calls, %4d ms on average, %4d ms at worst\n", with, answered,
                c.to.calls, static_cast<int>(together / 200 / 1ms), static_cast<int>(slowest / 1ms));
}

task<> face(const char* what, backend::mood script) {
    std::printf("%s\n", what);
    co_await measure("nothing", script, nothing);
    co_await measure("retry", script, with_retry);
    co_await measure("a breaker", script, with_a_breaker);
    co_await measure("a rate limit", script, with_a_rate_limit);
    co_await measure("hedging", script, with_hedging);
    co_await measure("all", script, with_all);
}

task<> main_task() {
    co_await face("Every third call fails:", backend::flaky);
    co_await face("Every tenth call hangs for two seconds:", backend::slow);
    co_await face("Down for two seconds, and slow to say so:", backend::down);
    co_await face("Refuses more than three calls at a time:", backend::narrow);
}

int main() { sluice::testing::simulate({}, main_task).value(); }
