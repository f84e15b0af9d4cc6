// SPDX-License-Identifier: BSL-1.0
// select_benchmark.cpp: what does it cost to receive from whichever of four channels is ready?
//
// Each channel is fed by a sender of its own. peers/go/main.go has the same rows by the same names; `compare` prints both.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <optional>
#include <sluice/sluice.hpp>
#include <thread>
#include <vector>

#include "measure.hpp"

namespace {

// --- tasks ---

sluice::task<> feed(sluice::sender<int> out, int count) {
    for (int i = 0; i < count; ++i)
        if (!co_await out.async_send(i)) co_return;
}

sluice::task<> select_over_four(std::size_t capacity, int messages) {
    sluice::channel<int> a{capacity};
    sluice::channel<int> b{capacity};
    sluice::channel<int> c{capacity};
    sluice::channel<int> d{capacity};
    sluice::wait_group senders;
    for (const auto& ch : {a, b, c, d}) senders.go(feed, ch, messages / 4);

    long sum = 0;
    std::optional<int> v;
    for (int i = 0; i < messages; ++i) {
        switch (co_await sluice::async_select(sluice::on_receive(a, v), sluice::on_receive(b, v),
                                              sluice::on_receive(c, v), sluice::on_receive(d, v))) {
            case 0: sum += *v; break;
            case 1: sum += *v * 2L; break;
            case 2: sum += *v * 3L; break;
            default: sum += *v * 4L; break;
        }
    }
    benchmark::DoNotOptimize(sum);
    co_await senders.async_wait();
}

void tasks_select_over_4_rendezvous(benchmark::State& state) {
    measure::tasks(state, measure::steps(), select_over_four, 0u, measure::steps());
}
BENCHMARK(tasks_select_over_4_rendezvous)->Apply(measure::on_one_and_two_workers);

void tasks_select_over_4_of_16(benchmark::State& state) {
    measure::tasks(state, measure::steps(), select_over_four, 16u, measure::steps());
}
BENCHMARK(tasks_select_over_4_of_16)->Apply(measure::on_one_and_two_workers);

// --- threads ---

void blocking_select_over_four(std::size_t capacity, int messages) {
    sluice::channel<int> a{capacity};
    sluice::channel<int> b{capacity};
    sluice::channel<int> c{capacity};
    sluice::channel<int> d{capacity};
    std::vector<std::jthread> senders;
    for (const auto& ch : {a, b, c, d})
        senders.emplace_back([ch, messages] {
            for (int i = 0; i < messages / 4; ++i)
                if (!ch.send(i)) return;
        });

    long sum = 0;
    std::optional<int> v;
    for (int i = 0; i < messages; ++i) {
        switch (sluice::select(sluice::on_receive(a, v), sluice::on_receive(b, v), sluice::on_receive(c, v),
                               sluice::on_receive(d, v))) {
            case 0: sum += *v; break;
            case 1: sum += *v * 2L; break;
            case 2: sum += *v * 3L; break;
            default: sum += *v * 4L; break;
        }
    }
    benchmark::DoNotOptimize(sum);
}

void threads_select_over_4_rendezvous(benchmark::State& state) {
    measure::threads(state, measure::steps(), blocking_select_over_four, 0u, measure::steps());
}
BENCHMARK(threads_select_over_4_rendezvous)->UseRealTime();

void threads_select_over_4_of_16(benchmark::State& state) {
    measure::threads(state, measure::steps(), blocking_select_over_four, 16u, measure::steps());
}
BENCHMARK(threads_select_over_4_of_16)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
