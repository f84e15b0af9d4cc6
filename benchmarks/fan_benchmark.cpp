// SPDX-License-Identifier: BSL-1.0
// fan_benchmark.cpp: what does it cost to share the items of a channel among workers?
#include <benchmark/benchmark.h>

#include <cstdint>
#include <sluice/fan.hpp>

#include "measure.hpp"

namespace {

/// About 130 ns of work: each step waits for the one before.
std::uint64_t work_on(std::uint64_t item) {
    for (int i = 0; i < 100; ++i) item = item * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
    return item;
}

sluice::task<> send_numbers(sluice::sender<std::uint64_t> out, int count) {
    for (int i = 0; i < count; ++i)
        if (!co_await out.async_send(static_cast<std::uint64_t>(i))) co_return;
}

sluice::task<> through_workers(std::size_t width, int items) {
    auto [out, in] = sluice::make_channel<std::uint64_t>(64);
    sluice::go(send_numbers, std::move(out), items);
    auto results = sluice::fan_out(std::move(in), width, work_on);
    while (auto v = co_await results.async_receive()) benchmark::DoNotOptimize(*v);
}

void one_item_of_work(benchmark::State& state) {
    std::uint64_t item = 1;
    for (auto _ : state) benchmark::DoNotOptimize(item = work_on(item));
}
BENCHMARK(one_item_of_work);

void tasks_fan_out_to_8(benchmark::State& state) {
    measure::tasks(state, measure::steps(), through_workers, 8u, measure::steps());
}
BENCHMARK(tasks_fan_out_to_8)->Apply(measure::on_one_and_two_workers);

}  // namespace

BENCHMARK_MAIN();
