// SPDX-License-Identifier: BSL-1.0
// simulation_benchmark.cpp: how many steps a second does a simulation take, and what does a run cost that takes few?
//
// A step is a task picked and run to its next operation. No peer measures it. The trace is kept as by default.
#include <benchmark/benchmark.h>

#include <sluice/sluice.hpp>
#include <stdexcept>

#include "measure.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::channel;
using sluice::task;

task<void> send_all(channel<int> out, int count) {
    for (int i = 0; i < count; ++i)
        if (!co_await out.async_send(i)) throw std::logic_error{"it was closed"};
}
task<void> receive_all(channel<int> in, int count) {
    for (int i = 0; i < count; ++i)
        if (!co_await in.async_receive()) throw std::logic_error{"it was closed"};
}

void count_steps(benchmark::State& state, unsigned preemptions, const std::function<task<void>()>& main) {
    std::uint64_t steps = 0;
    std::uint64_t seed = 1;
    for (auto _ : state) {
        auto run = sluice::testing::simulate({.seed = seed++, .preemptions = preemptions}, main);
        run.value();
        steps += run.steps();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(steps));
}

// Pairs of a sender and a receiver, each over a rendezvous channel of its own.
void pairs(benchmark::State& state, unsigned preemptions) {
    const int count = static_cast<int>(state.range(0));
    count_steps(state, preemptions, [count]() -> task<void> {
        sluice::wait_group all;
        for (int i = 0; i < count; ++i) {
            const channel<int> ch{0};
            all.go(send_all, ch, measure::steps() / count);
            all.go(receive_all, ch, measure::steps() / count);
        }
        co_await all.async_wait();
    });
}

void yields(benchmark::State& state) {
    count_steps(state, 0, []() -> task<void> {
        for (int i = 0; i < measure::steps(); ++i) co_await sluice::yield();
    });
}

void sleeps(benchmark::State& state) {
    count_steps(state, 0, []() -> task<void> {
        sluice::wait_group all;
        for (int i = 0; i < 100; ++i)
            all.go([]() -> task<void> {
                for (int k = 0; k < measure::steps() / 100; ++k) co_await sluice::sleep_for(5ms);
            });
        co_await all.async_wait();
    });
}

// The same schedule over and over is what `explore` does: what does it cost to begin and to end one?
void small_runs(benchmark::State& state) {
    for (auto _ : state) {
        auto run = sluice::testing::simulate({}, []() -> task<void> {
            const channel<int> ch{0};
            sluice::wait_group both;
            both.go(send_all, ch, 3);
            both.go(receive_all, ch, 3);
            co_await both.async_wait();
        });
        run.value();
    }
    state.SetItemsProcessed(state.iterations());
}

// A blocking callable is handed the baton for each of its steps.
void threads(benchmark::State& state) {
    count_steps(state, 0, []() -> task<void> {
        const channel<int> ch{0};
        const int count = measure::scaled(100'000);
        auto sender = sluice::go([ch, count] {
            for (int i = 0; i < count; ++i)
                if (!ch.send(i)) throw std::logic_error{"it was closed"};
        });
        co_await receive_all(ch, count);
        co_await sender;
    });
}

BENCHMARK_CAPTURE(pairs, at_random, 0u)->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(pairs, by_priority, 3u)->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(yields)->Unit(benchmark::kMillisecond);
BENCHMARK(sleeps)->Unit(benchmark::kMillisecond);
BENCHMARK(threads)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(small_runs)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
