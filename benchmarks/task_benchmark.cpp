// SPDX-License-Identifier: BSL-1.0
// task_benchmark.cpp: what does a task cost, from its start to its end?
//
// peers/go/main.go has the same rows by the same names; `compare` prints both.
// Memory is what operator new has been asked for and not given back, in the usable sizes of the allocator, from before
// the first start until all tasks wait. It is taken in the first run of the process, since later ones reuse what the
// pools keep. SLUICE_BENCHMARK_PARKED_TASKS=10000000 parks so many instead of a million.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <sluice/sluice.hpp>
#include <string>

#include "measure.hpp"

// --- memory ---

namespace {
std::atomic<std::size_t> bytes_in_use{0};
}

// Sanitizers have an operator new of their own: nothing is counted then.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLUICE_COUNTS_BYTES 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SLUICE_COUNTS_BYTES 0
#endif
#endif
#ifndef SLUICE_COUNTS_BYTES
#define SLUICE_COUNTS_BYTES 1
#endif

#if SLUICE_COUNTS_BYTES
namespace {

void* counted_allocate(std::size_t size) {
    void* const p = std::malloc(size);
    if (p == nullptr) throw std::bad_alloc{};
    bytes_in_use.fetch_add(malloc_usable_size(p) + sizeof(std::size_t), std::memory_order_relaxed);  // and its header
    return p;
}
void counted_free(void* p) noexcept {
    if (p == nullptr) return;
    bytes_in_use.fetch_sub(malloc_usable_size(p) + sizeof(std::size_t), std::memory_order_relaxed);
    std::free(p);
}

}  // namespace

void* operator new(std::size_t size) { return counted_allocate(size); }
void* operator new[](std::size_t size) { return counted_allocate(size); }
void operator delete(void* p) noexcept { counted_free(p); }
void operator delete[](void* p) noexcept { counted_free(p); }
void operator delete(void* p, std::size_t) noexcept { counted_free(p); }
void operator delete[](void* p, std::size_t) noexcept { counted_free(p); }
#endif

namespace {

// --- a start and an end ---

sluice::task<> nothing() { co_return; }

sluice::task<> spawn_and_join(int count) {
    sluice::wait_group all;
    for (int i = 0; i < count; ++i) all.go(nothing);
    co_await all.async_wait();
}

sluice::task<> spawn_and_join_each(int count) {
    for (int i = 0; i < count; ++i) {
        auto h = sluice::go(nothing);
        co_await h;
    }
}

sluice::task<> await_children(int count) {
    for (int i = 0; i < count; ++i) co_await nothing();
}

// --- skynet: ten children each, a million leaves, the sum of their numbers ---

sluice::task<> skynet_over_channels(const sluice::channel<long>* out, long first, long leaves) {
    if (leaves == 1) {
        static_cast<void>(co_await out->async_send(first));
        co_return;
    }
    const sluice::channel<long> results{0};
    for (long i = 0; i < 10; ++i) sluice::go(skynet_over_channels, &results, first + i * leaves / 10, leaves / 10);
    long sum = 0;
    for (int i = 0; i < 10; ++i) sum += *co_await results.async_receive();
    static_cast<void>(co_await out->async_send(sum));
}

sluice::task<> skynet_root(int leaves) {
    const sluice::channel<long> result{0};
    sluice::go(skynet_over_channels, &result, 0L, static_cast<long>(leaves));
    benchmark::DoNotOptimize(co_await result.async_receive());
}

sluice::task<long> skynet_by_join_handles(long first, long leaves) {
    if (leaves == 1) co_return first;
    std::array<sluice::join_handle<long>, 10> children;
    for (long i = 0; i < 10; ++i)
        children[static_cast<std::size_t>(i)] =
            sluice::go(skynet_by_join_handles, first + i * leaves / 10, leaves / 10);
    long sum = 0;
    for (auto& child : children) sum += co_await child;
    co_return sum;
}

/// A power of ten.
int leaves() { return measure::steps() >= 1'000'000 ? 1'000'000 : 1'000; }

// --- tasks that wait ---

struct many_waiters {
    sluice::channel<int> ch{0};
    std::atomic<int> came{0};
};

sluice::task<> wait_for_a_value(many_waiters* at) {
    at->came.fetch_add(1, std::memory_order_relaxed);
    static_cast<void>(co_await at->ch.async_receive());
}

sluice::task<> until(const std::atomic<int>& value, int wanted) {
    while (value.load(std::memory_order_relaxed) < wanted) co_await sluice::yield();
}

sluice::task<> wake_by_close(measure::part_of_a_run* closing, int count) {
    many_waiters waiters;
    sluice::wait_group all;
    for (int i = 0; i < count; ++i) all.go(wait_for_a_value, &waiters);
    co_await until(waiters.came, count);
    closing->begin();
    waiters.ch.close();
    co_await all.async_wait();
    closing->end();
}

sluice::task<> bytes_of_waiters(std::size_t* bytes, int count) {
    many_waiters waiters;
    sluice::wait_group all;
    const std::size_t before = bytes_in_use.load(std::memory_order_relaxed);
    for (int i = 0; i < count; ++i) {
        all.go(wait_for_a_value, &waiters);
        if (i % 64 == 0) co_await sluice::yield();
    }
    co_await until(waiters.came, count);
    *bytes = bytes_in_use.load(std::memory_order_relaxed) - before;
    waiters.ch.close();
    co_await all.async_wait();
}

sluice::task<> yield_often(int times) {
    for (int i = 0; i < times; ++i) co_await sluice::yield();
}

// --- the rows ---

// First: see above.
void tasks_parked_bytes(benchmark::State& state) {
    const char* const wanted = std::getenv("SLUICE_BENCHMARK_PARKED_TASKS");
    const int count = wanted != nullptr ? std::stoi(wanted) : measure::steps();
    std::size_t bytes = 0;
    measure::tasks(state, count, bytes_of_waiters, &bytes, count);
    state.counters["bytes"] = static_cast<double>(bytes) / count;
}
BENCHMARK(tasks_parked_bytes)->ArgName("workers")->Arg(2)->Iterations(1)->UseRealTime();

void tasks_spawn_and_join(benchmark::State& state) {
    measure::tasks(state, measure::steps(), spawn_and_join, measure::steps());
}
BENCHMARK(tasks_spawn_and_join)->Apply(measure::on_one_and_two_workers);

void tasks_spawn_and_join_each(benchmark::State& state) {
    measure::tasks(state, measure::steps(), spawn_and_join_each, measure::steps());
}
BENCHMARK(tasks_spawn_and_join_each)->Apply(measure::on_one_and_two_workers);

void tasks_await_a_child(benchmark::State& state) {
    measure::tasks(state, measure::steps(), await_children, measure::steps());
}
BENCHMARK(tasks_await_a_child)->Apply(measure::on_one_and_two_workers);

void tasks_skynet_over_channels(benchmark::State& state) { measure::tasks(state, leaves(), skynet_root, leaves()); }
BENCHMARK(tasks_skynet_over_channels)->Apply(measure::on_one_and_two_workers);

void tasks_skynet_by_join_handles(benchmark::State& state) {
    measure::tasks(state, leaves(), skynet_by_join_handles, 0L, static_cast<long>(leaves()));
}
BENCHMARK(tasks_skynet_by_join_handles)->Apply(measure::on_one_and_two_workers);

void tasks_wake_by_close(benchmark::State& state) {
    measure::part_of_tasks(state, measure::steps(), wake_by_close, measure::steps());
}
BENCHMARK(tasks_wake_by_close)->Apply(measure::in_part_on_one_and_two_workers);

void tasks_yield(benchmark::State& state) { measure::tasks(state, measure::steps(), yield_often, measure::steps()); }
BENCHMARK(tasks_yield)->Apply(measure::on_one_and_two_workers);

}  // namespace

BENCHMARK_MAIN();
