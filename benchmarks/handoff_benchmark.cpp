// SPDX-License-Identifier: BSL-1.0
// handoff_benchmark.cpp: what does it cost to hand a value over, or to start a task?
//
// Each iteration is a whole run with a fixed number of steps; `items_per_second` is the figure to read. The argument is
// the number of workers.
#include <benchmark/benchmark.h>

#include <sluice/sluice.hpp>
#include <thread>

namespace {

constexpr int steps = 200'000;

template <class F>
void run_steps(benchmark::State& state, F main) {
    sluice::run_options options;
    options.workers = static_cast<unsigned>(state.range(0));
    for (auto _ : state) sluice::run(options, main);
    state.SetItemsProcessed(state.iterations() * steps);
}

// --- a round trip over two rendezvous channels ---

sluice::task<> answer(sluice::channel<int> in, sluice::channel<int> out) {
    while (auto v = co_await in.async_receive()) {
        if (!co_await out.async_send(*v)) co_return;
    }
}

sluice::task<> round_trips() {
    sluice::channel<int> there{0};
    sluice::channel<int> back{0};
    auto other = sluice::go(answer, there, back);
    for (int i = 0; i < steps; ++i) {
        if (!co_await there.async_send(i)) break;
        benchmark::DoNotOptimize(co_await back.async_receive());
    }
    there.close();
    co_await other;
}

void tasks_round_trip(benchmark::State& state) { run_steps(state, round_trips); }
BENCHMARK(tasks_round_trip)->Arg(1)->Arg(2)->UseRealTime();

// --- one to one through 128 slots ---

sluice::task<> fill(sluice::channel<int> out) {
    for (int i = 0; i < steps; ++i)
        if (!co_await out.async_send(i)) break;
    out.close();
}

sluice::task<> drain() {
    sluice::channel<int> ch{128};
    auto producer = sluice::go(fill, ch);
    while (auto v = co_await ch.async_receive()) benchmark::DoNotOptimize(*v);
    co_await producer;
}

void tasks_through_128_slots(benchmark::State& state) { run_steps(state, drain); }
BENCHMARK(tasks_through_128_slots)->Arg(1)->Arg(2)->UseRealTime();

// --- starting and joining ---

sluice::task<> nothing() { co_return; }

sluice::task<> start_and_join() {
    for (int i = 0; i < steps; ++i) {
        auto h = sluice::go(nothing);
        co_await h;
    }
}

void start_and_join_a_task(benchmark::State& state) { run_steps(state, start_and_join); }
BENCHMARK(start_and_join_a_task)->Arg(1)->Arg(2)->UseRealTime();

sluice::task<> start_in_a_group() {
    sluice::wait_group all;
    for (int i = 0; i < steps; ++i) all.go(nothing);
    co_await all.async_wait();
}

void start_a_task_in_a_group(benchmark::State& state) { run_steps(state, start_in_a_group); }
BENCHMARK(start_a_task_in_a_group)->Arg(1)->Arg(2)->UseRealTime();

// --- plain threads ---

void threads_through_128_slots(benchmark::State& state) {
    for (auto _ : state) {
        sluice::channel<int> ch{128};
        const std::jthread producer{[&] {
            for (int i = 0; i < steps; ++i)
                if (!ch.send(i)) break;
            ch.close();
        }};
        for (const int v : ch) benchmark::DoNotOptimize(v);
    }
    state.SetItemsProcessed(state.iterations() * steps);
}
BENCHMARK(threads_through_128_slots)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
