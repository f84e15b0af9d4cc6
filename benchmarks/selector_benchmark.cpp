// SPDX-License-Identifier: BSL-1.0
// selector_benchmark.cpp: what does a select over many channels cost, when one of them is ready and when it must wait?
//
// The argument is the number of channels, all quiet but one; `per_select` is the figure to read, `per_case` that
// divided by the number of channels.
#include <benchmark/benchmark.h>

#include <functional>
#include <sluice/select.hpp>
#include <vector>

namespace {

using channels = std::vector<sluice::channel<int>>;

channels make_channels(benchmark::State& state) {
    channels all;
    for (std::int64_t i = 0; i < state.range(0); ++i) all.emplace_back(1);
    return all;
}

void add_all(sluice::selector& selector, const channels& all, sluice::received<int>& v) {
    for (const auto& ch : all) selector.add(sluice::on_receive(ch, v));
}

void count_selects(benchmark::State& state, int selects_per_iteration) {
    using benchmark::Counter;
    const auto flags = static_cast<Counter::Flags>(Counter::kIsIterationInvariantRate | Counter::kInvert);
    state.counters["per_select"] = Counter(selects_per_iteration, flags);
    state.counters["per_case"] = Counter(static_cast<double>(selects_per_iteration * state.range(0)), flags);
}

// --- one channel is ready ---

void one_is_ready(benchmark::State& state) {
    const channels all = make_channels(state);
    sluice::selector selector;
    sluice::received<int> v;
    add_all(selector, all, v);
    std::size_t next = 0;
    for (auto _ : state) {
        static_cast<void>(all[next].try_send(1));
        benchmark::DoNotOptimize(selector.select());
        if (++next == all.size()) next = 0;
    }
    count_selects(state, 1);
}
BENCHMARK(one_is_ready)->RangeMultiplier(10)->Range(1, 10'000)->Unit(benchmark::kMicrosecond);

// --- a select waits until another task of the same worker sends ---

constexpr int rounds = 200;

sluice::task<> send_in_turn(const channels& all) {
    for (std::size_t i = 0; i < rounds; ++i) {
        static_cast<void>(co_await all[i % all.size()].async_send(1));
        co_await sluice::yield();
    }
}
sluice::task<> select_in_turn(const channels& all) {
    sluice::selector selector;
    sluice::received<int> v;
    add_all(selector, all, v);
    auto sending = sluice::go(send_in_turn, std::cref(all));
    for (int i = 0; i < rounds; ++i) benchmark::DoNotOptimize(co_await selector.async_select());
    co_await sending;
}

void it_waits(benchmark::State& state) {
    const channels all = make_channels(state);
    sluice::runtime_options options;
    options.workers = 1;
    sluice::runtime runtime{options};
    for (auto _ : state) runtime.run(select_in_turn, std::cref(all));
    count_selects(state, rounds);
}
BENCHMARK(it_waits)->RangeMultiplier(10)->Range(1, 10'000)->Unit(benchmark::kMicrosecond)->MeasureProcessCPUTime();

// --- a case comes and goes ---

void add_and_remove(benchmark::State& state) {
    const channels all = make_channels(state);
    sluice::selector selector;
    sluice::received<int> v;
    add_all(selector, all, v);
    const sluice::channel<int> one{1};
    for (auto _ : state) selector.remove(selector.add(sluice::on_receive(one, v)));
    count_selects(state, 1);
}
BENCHMARK(add_and_remove)->Arg(1)->Arg(10'000);

}  // namespace

BENCHMARK_MAIN();
