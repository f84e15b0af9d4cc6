// SPDX-License-Identifier: BSL-1.0
// race_benchmark.cpp: what does it cost to ask several and take the first answer?
#include <benchmark/benchmark.h>

#include <sluice/race.hpp>
#include <vector>

#include "measure.hpp"

namespace {

using namespace std::chrono_literals;

sluice::task<int> ready() { co_return 1; }

sluice::task<int> never() {
    co_await sluice::sleep_for(1h);
    co_return 0;
}

// --- all are ready ---

sluice::task<> of_three_ready(int races) {
    for (int i = 0; i < races; ++i) benchmark::DoNotOptimize(co_await sluice::race(ready, ready, ready));
}

sluice::task<> successes_of_three_ready(int races) {
    for (int i = 0; i < races; ++i) benchmark::DoNotOptimize(co_await sluice::first_success(ready, ready, ready));
}

sluice::task<> of_a_range_of_three_ready(int races) {
    const std::vector<sluice::task<int> (*)()> three(3, ready);
    for (int i = 0; i < races; ++i) benchmark::DoNotOptimize(co_await sluice::race(three));
}

// --- two wait for what will not come, and are cancelled ---

sluice::task<> of_one_ready_and_two_that_wait(int races) {
    for (int i = 0; i < races; ++i) benchmark::DoNotOptimize(co_await sluice::race(never, never, ready));
}

// --- the second is not needed ---

sluice::task<> hedged_with_a_ready_first(int races) {
    for (int i = 0; i < races; ++i) benchmark::DoNotOptimize(co_await sluice::hedged(1s, ready, never));
}

// --- the rows ---

void tasks_race_three_ready(benchmark::State& state) {
    measure::tasks(state, measure::steps(), of_three_ready, measure::steps());
}
BENCHMARK(tasks_race_three_ready)->Apply(measure::on_one_and_two_workers);

void tasks_first_success_of_three_ready(benchmark::State& state) {
    measure::tasks(state, measure::steps(), successes_of_three_ready, measure::steps());
}
BENCHMARK(tasks_first_success_of_three_ready)->Apply(measure::on_one_and_two_workers);

void tasks_race_a_range_of_three_ready(benchmark::State& state) {
    measure::tasks(state, measure::steps(), of_a_range_of_three_ready, measure::steps());
}
BENCHMARK(tasks_race_a_range_of_three_ready)->Apply(measure::on_one_and_two_workers);

void tasks_race_one_ready_and_two_that_wait(benchmark::State& state) {
    measure::tasks(state, measure::steps() / 4, of_one_ready_and_two_that_wait, measure::steps() / 4);
}
BENCHMARK(tasks_race_one_ready_and_two_that_wait)->Apply(measure::on_one_and_two_workers);

void tasks_hedge_a_ready_one(benchmark::State& state) {
    measure::tasks(state, measure::steps() / 4, hedged_with_a_ready_first, measure::steps() / 4);
}
BENCHMARK(tasks_hedge_a_ready_one)->Apply(measure::on_one_and_two_workers);

}  // namespace

BENCHMARK_MAIN();
