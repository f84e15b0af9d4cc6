// SPDX-License-Identifier: BSL-1.0
// measure.hpp: how is a run with a fixed number of steps measured?
//
// One iteration is one whole run, so the cost of starting it is spread over its steps; `items_per_second` is the figure
// to read. SLUICE_BENCHMARK_DIVISOR=1000 makes the runs so much shorter: enough to see that they work, no measurement.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <sluice/runtime.hpp>
#include <string>
#include <utility>

namespace measure {

inline int scaled(int n) {
    static const int divisor = [] {
        const char* text = std::getenv("SLUICE_BENCHMARK_DIVISOR");
        return text != nullptr ? std::stoi(text) : 1;
    }();
    return n / divisor;
}

/// The steps of one run: a multiple of four, since some runs share them among four.
inline int steps() { return scaled(250'000) * 4; }

/// Measures `main(args...)` as the main task on as many workers as the argument of the benchmark says.
template <class F, class... Args>
void tasks(benchmark::State& state, int items, F main, Args... args) {
    sluice::run_options options;
    options.workers = static_cast<unsigned>(state.range(0));
    for (auto _ : state) sluice::run(options, main, args...);
    state.SetItemsProcessed(state.iterations() * items);
}

/// The same, where only a part of each run counts: `main(part, args...)` calls `part.begin()` and `part.end()`.
class part_of_a_run {
public:
    void begin() noexcept { began_ = std::chrono::steady_clock::now(); }
    void end() noexcept { took_ = std::chrono::steady_clock::now() - began_; }
    double seconds() const noexcept { return std::chrono::duration<double>{took_}.count(); }

private:
    std::chrono::steady_clock::time_point began_{};
    std::chrono::steady_clock::duration took_{};
};

template <class F, class... Args>
void part_of_tasks(benchmark::State& state, int items, F main, Args... args) {
    sluice::run_options options;
    options.workers = static_cast<unsigned>(state.range(0));
    for (auto _ : state) {
        part_of_a_run part;
        sluice::run(options, main, &part, args...);
        state.SetIterationTime(part.seconds());
    }
    state.SetItemsProcessed(state.iterations() * items);
}

/// Measures `main(args...)` on this thread, with no runtime.
template <class F, class... Args>
void threads(benchmark::State& state, int items, F main, Args... args) {
    for (auto _ : state) main(args...);
    state.SetItemsProcessed(state.iterations() * items);
}

inline void on_one_and_two_workers(benchmark::internal::Benchmark* b) {
    b->ArgName("workers")->Arg(1)->Arg(2)->UseRealTime();
}

inline void in_part_on_one_and_two_workers(benchmark::internal::Benchmark* b) {
    b->ArgName("workers")->Arg(1)->Arg(2)->UseManualTime();
}

}  // namespace measure
