// SPDX-License-Identifier: BSL-1.0
// channel_benchmark.cpp: what does it cost to hand a value over?
//
// peers/go/main.go has the same rows by the same names; `compare` prints both.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <limits>
#include <sluice/sluice.hpp>
#include <thread>
#include <vector>

#include "measure.hpp"

namespace {

// --- tasks: who sends and who receives ---

sluice::task<> send_numbers(sluice::sender<int> out, int count) {
    for (int i = 0; i < count; ++i)
        if (!co_await out.async_send(i)) co_return;
}

sluice::task<> receive_all(sluice::receiver<int> in) {
    while (auto v = co_await in.async_receive()) benchmark::DoNotOptimize(*v);
}

sluice::task<> relay(sluice::receiver<int> in, sluice::sender<int> out) {
    while (auto v = co_await in.async_receive()) {
        if (!co_await out.async_send(*v)) co_return;
    }
    out.close();
}

// --- tasks: the rows ---

sluice::task<> ping_pong(int trips) {
    sluice::channel<int> there{0};
    sluice::channel<int> back{0};
    auto other = sluice::go(relay, there, back);
    for (int i = 0; i < trips; ++i) {
        if (!co_await there.async_send(i)) co_return;
        benchmark::DoNotOptimize(co_await back.async_receive());
    }
    there.close();
    co_await other;
}

sluice::task<> many_to_many(int senders, int receivers, std::size_t capacity, int items) {
    sluice::channel<int> ch{capacity};
    sluice::wait_group sending;
    sluice::wait_group receiving;
    for (int i = 0; i < senders; ++i) sending.go(send_numbers, ch, items / senders);
    for (int i = 0; i < receivers; ++i) receiving.go(receive_all, ch);
    co_await sending.async_wait();
    ch.close();
    co_await receiving.async_wait();
}

sluice::task<> five_hops(std::size_t capacity, int items) {
    sluice::wait_group stages;
    const sluice::channel<int> source{capacity};
    sluice::channel<int> end = source;
    for (int hop = 1; hop < 5; ++hop) {
        const sluice::channel<int> next{capacity};
        stages.go(relay, end, next);
        end = next;
    }
    stages.go(receive_all, end);
    co_await send_numbers(source, items);
    source.close();
    co_await stages.async_wait();
}

// The sieve: a task for each prime passes on what its prime does not divide.

constexpr int no_end = std::numeric_limits<int>::max();

sluice::task<> count_up(sluice::sender<int> out, int last) {
    for (int n = 2; n <= last; ++n)
        if (!co_await out.async_send(n)) co_return;
    out.close();
}

sluice::task<> pass_what_is_not_divided_by(int prime, sluice::receiver<int> in, sluice::sender<int> out) {
    while (auto n = co_await in.async_receive()) {
        if (*n % prime == 0) continue;
        if (!co_await out.async_send(*n)) co_return;
    }
    out.close();
}

/// Ends with the last prime up to `last` or with the `wanted`-th: the run then ends the tasks that are left.
sluice::task<> sieve(int last, int wanted) {
    sluice::channel<int> candidates{0};
    sluice::go(count_up, candidates, last);
    for (int primes = 0; primes < wanted; ++primes) {
        auto prime = co_await candidates.async_receive();
        if (!prime) break;
        const sluice::channel<int> passed{0};
        sluice::go(pass_what_is_not_divided_by, *prime, candidates, passed);
        candidates = passed;
    }
}

void tasks_ping_pong(benchmark::State& state) { measure::tasks(state, measure::steps(), ping_pong, measure::steps()); }
BENCHMARK(tasks_ping_pong)->Apply(measure::on_one_and_two_workers);

void tasks_1_to_1_through_128(benchmark::State& state) {
    measure::tasks(state, measure::steps(), many_to_many, 1, 1, 128u, measure::steps());
}
BENCHMARK(tasks_1_to_1_through_128)->Apply(measure::on_one_and_two_workers);

void tasks_4_to_4_through_128(benchmark::State& state) {
    measure::tasks(state, measure::steps(), many_to_many, 4, 4, 128u, measure::steps());
}
BENCHMARK(tasks_4_to_4_through_128)->Apply(measure::on_one_and_two_workers);

void tasks_4_to_1_rendezvous(benchmark::State& state) {
    measure::tasks(state, measure::steps(), many_to_many, 4, 1, 0u, measure::steps());
}
BENCHMARK(tasks_4_to_1_rendezvous)->Apply(measure::on_one_and_two_workers);

void tasks_five_hops_rendezvous(benchmark::State& state) {
    measure::tasks(state, measure::steps(), five_hops, 0u, measure::steps());
}
BENCHMARK(tasks_five_hops_rendezvous)->Apply(measure::on_one_and_two_workers);

void tasks_five_hops_of_64(benchmark::State& state) {
    measure::tasks(state, measure::steps(), five_hops, 64u, measure::steps());
}
BENCHMARK(tasks_five_hops_of_64)->Apply(measure::on_one_and_two_workers);

// How far the early filters run ahead of the 2,500th prime, and so how many numbers are passed, is up to the scheduler.
void tasks_first_2500_primes(benchmark::State& state) {
    measure::tasks(state, 1, sieve, no_end, measure::scaled(2'500));
}
BENCHMARK(tasks_first_2500_primes)->Apply(measure::on_one_and_two_workers)->Unit(benchmark::kMillisecond);

// The same primes from numbers that end: exactly as many are passed whoever schedules.
void tasks_primes_up_to_22307(benchmark::State& state) {
    measure::tasks(state, 1, sieve, measure::scaled(22'307), no_end);
}
BENCHMARK(tasks_primes_up_to_22307)->Apply(measure::on_one_and_two_workers)->Unit(benchmark::kMillisecond);

// --- threads ---

void blocking_relay(const sluice::channel<int>& in, const sluice::channel<int>& out) {
    for (const int v : in)
        if (!out.send(v)) return;
    out.close();
}

void blocking_ping_pong(int trips) {
    const sluice::channel<int> there{0};
    const sluice::channel<int> back{0};
    const std::jthread other{[&] { blocking_relay(there, back); }};
    for (int i = 0; i < trips; ++i) {
        if (!there.send(i)) return;
        benchmark::DoNotOptimize(back.receive());
    }
    there.close();
}

void blocking_many_to_many(int senders, int receivers, std::size_t capacity, int items) {
    const sluice::channel<int> ch{capacity};
    std::vector<std::jthread> receiving;
    for (int i = 0; i < receivers; ++i)
        receiving.emplace_back([&] {
            for (const int v : ch) benchmark::DoNotOptimize(v);
        });
    std::vector<std::jthread> sending;
    for (int i = 0; i < senders; ++i)
        sending.emplace_back([&] {
            for (int n = 0; n < items / senders; ++n)
                if (!ch.send(n)) return;
        });
    sending.clear();  // joins
    ch.close();
}

void threads_ping_pong(benchmark::State& state) {
    measure::threads(state, measure::steps(), blocking_ping_pong, measure::steps());
}
BENCHMARK(threads_ping_pong)->UseRealTime();

void threads_1_to_1_through_128(benchmark::State& state) {
    measure::threads(state, measure::steps(), blocking_many_to_many, 1, 1, 128u, measure::steps());
}
BENCHMARK(threads_1_to_1_through_128)->UseRealTime();

void threads_4_to_4_through_128(benchmark::State& state) {
    measure::threads(state, measure::steps(), blocking_many_to_many, 4, 4, 128u, measure::steps());
}
BENCHMARK(threads_4_to_4_through_128)->UseRealTime();

void threads_4_to_1_rendezvous(benchmark::State& state) {
    measure::threads(state, measure::steps(), blocking_many_to_many, 4, 1, 0u, measure::steps());
}
BENCHMARK(threads_4_to_1_rendezvous)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
