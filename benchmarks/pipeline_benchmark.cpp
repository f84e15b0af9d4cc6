// SPDX-License-Identifier: BSL-1.0
// pipeline_benchmark.cpp: what does an item cost on its way through a pipeline?
#include <benchmark/benchmark.h>

#include <cstdint>
#include <ranges>
#include <sluice/pipeline.hpp>

#include "measure.hpp"

namespace {

using sluice::buffer, sluice::filter, sluice::transform;

constexpr auto add_one = [](std::uint64_t item) { return item + 1; };
constexpr auto mix = [](std::uint64_t item) { return item ^ (item >> 7); };
constexpr auto times_three = [](std::uint64_t item) { return item * 3; };
constexpr auto is_odd = [](std::uint64_t item) { return item % 2 == 1; };
constexpr auto half = [](std::uint64_t item) { return item / 2; };
constexpr auto sum = [](std::uint64_t so_far, std::uint64_t item) { return so_far + item; };

auto numbers(int count) { return sluice::from(std::views::iota(std::uint64_t{0}, static_cast<std::uint64_t>(count))); }

sluice::task<> five_fused(int items) {
    auto pipe = numbers(items) | transform(add_one) | transform(mix) | transform(times_three) | filter(is_odd) |
                transform(half) | sluice::reduce(std::uint64_t{0}, sum);
    const auto total = co_await pipe;
    benchmark::DoNotOptimize(total);
}

sluice::task<> five_over_channels_of_64(int items) {
    auto pipe = numbers(items) | buffer(64) | transform(add_one) | buffer(64) | transform(mix) | buffer(64) |
                transform(times_three) | buffer(64) | filter(is_odd) | buffer(64) | transform(half) |
                sluice::reduce(std::uint64_t{0}, sum);
    const auto total = co_await pipe;
    benchmark::DoNotOptimize(total);
}

/// About 130 ns of work: each step waits for the one before.
std::uint64_t work_on(std::uint64_t item) {
    for (int i = 0; i < 100; ++i) item = item * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
    return item;
}

sluice::task<> through_8_workers(int items) {
    auto pipe = numbers(items) | sluice::unordered(8, work_on) | sluice::reduce(std::uint64_t{0}, sum);
    const auto total = co_await pipe;
    benchmark::DoNotOptimize(total);
}

sluice::task<> in_order_through_8_workers(int items) {
    auto pipe = numbers(items) | sluice::ordered(8, work_on) | sluice::reduce(std::uint64_t{0}, sum);
    const auto total = co_await pipe;
    benchmark::DoNotOptimize(total);
}

void tasks_pipeline_of_5_fused(benchmark::State& state) {
    measure::tasks(state, measure::steps(), five_fused, measure::steps());
}
BENCHMARK(tasks_pipeline_of_5_fused)->Apply(measure::on_one_and_two_workers);

void tasks_pipeline_of_5_over_channels_of_64(benchmark::State& state) {
    measure::tasks(state, measure::steps(), five_over_channels_of_64, measure::steps());
}
BENCHMARK(tasks_pipeline_of_5_over_channels_of_64)->Apply(measure::on_one_and_two_workers);

void tasks_pipeline_unordered_8(benchmark::State& state) {
    measure::tasks(state, measure::steps(), through_8_workers, measure::steps());
}
BENCHMARK(tasks_pipeline_unordered_8)->Apply(measure::on_one_and_two_workers);

void tasks_pipeline_ordered_8(benchmark::State& state) {
    measure::tasks(state, measure::steps(), in_order_through_8_workers, measure::steps());
}
BENCHMARK(tasks_pipeline_ordered_8)->Apply(measure::on_one_and_two_workers);

}  // namespace

BENCHMARK_MAIN();
