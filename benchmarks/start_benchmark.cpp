// SPDX-License-Identifier: BSL-1.0
// start_benchmark.cpp: what does it cost to start a task?
#include <benchmark/benchmark.h>

#include <sluice/sluice.hpp>

#include "measure.hpp"

namespace {

sluice::task<> nothing() { co_return; }

sluice::task<> start_and_join(int steps) {
    for (int i = 0; i < steps; ++i) {
        auto h = sluice::go(nothing);
        co_await h;
    }
}

sluice::task<> start_in_a_group(int steps) {
    sluice::wait_group all;
    for (int i = 0; i < steps; ++i) all.go(nothing);
    co_await all.async_wait();
}

void start_and_join_a_task(benchmark::State& state) {
    measure::tasks(state, measure::steps(), start_and_join, measure::steps());
}
BENCHMARK(start_and_join_a_task)->Apply(measure::on_one_and_two_workers);

void start_a_task_in_a_group(benchmark::State& state) {
    measure::tasks(state, measure::steps(), start_in_a_group, measure::steps());
}
BENCHMARK(start_a_task_in_a_group)->Apply(measure::on_one_and_two_workers);

}  // namespace

BENCHMARK_MAIN();
