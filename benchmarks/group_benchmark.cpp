// SPDX-License-Identifier: BSL-1.0
// group_benchmark.cpp: what do groups, limits and cancellation cost?
//
// peers/go/main.go has the same rows by the same names where Go has the like; `compare` prints both.
#include <benchmark/benchmark.h>

#include <atomic>
#include <sluice/sluice.hpp>
#include <vector>

#include "measure.hpp"

namespace {

// --- limits ---

sluice::task<> nothing() { co_return; }

sluice::task<> through_a_sized_wait_group(int count) {
    sluice::sized_wait_group all{100};
    for (int i = 0; i < count; ++i) co_await all.async_go(nothing);
    co_await all.async_wait();
}

sluice::task<> through_an_errgroup(int count) {
    sluice::errgroup all;
    all.set_limit(100);
    for (int i = 0; i < count; ++i) co_await all.async_go(nothing);
    co_await all.async_wait();
}

struct crowd {
    sluice::semaphore slots{100};
    std::atomic<int> came{0};
};

sluice::task<> take_a_slot(crowd* in) {
    in->came.fetch_add(1, std::memory_order_relaxed);
    co_await in->slots.async_acquire();
    in->slots.release();
}

sluice::task<> until(const std::atomic<int>& value, int wanted) {
    while (value.load(std::memory_order_relaxed) < wanted) co_await sluice::yield();
}

/// All permits are taken until all tasks wait.
sluice::task<> on_one_semaphore(int count) {
    crowd waiting;
    sluice::wait_group all;
    co_await waiting.slots.async_acquire(100);
    for (int i = 0; i < count; ++i) all.go(take_a_slot, &waiting);
    co_await until(waiting.came, count);
    waiting.slots.release(100);
    co_await all.async_wait();
}

// --- a wait inside a group ---

sluice::task<> send_back(sluice::receiver<int> in, sluice::sender<int> out) {
    while (auto v = co_await in.async_receive()) {
        if (!co_await out.async_send(*v)) co_return;
    }
}

sluice::task<> send_there(sluice::channel<int> there, sluice::channel<int> back, int trips) {
    for (int i = 0; i < trips; ++i) {
        if (!co_await there.async_send(i)) co_return;
        benchmark::DoNotOptimize(co_await back.async_receive());
    }
    there.close();
}

sluice::task<> ping_pong_outside(int trips) {
    sluice::channel<int> there{0};
    sluice::channel<int> back{0};
    auto other = sluice::go(send_back, there, back);
    auto first = sluice::go(send_there, there, back, trips);
    co_await first;
    co_await other;
}

sluice::task<> ping_pong_inside(int trips) {
    sluice::channel<int> there{0};
    sluice::channel<int> back{0};
    sluice::errgroup group;
    group.go(send_back, there, back);
    group.go(send_there, there, back, trips);
    co_await group.async_wait();
}

// --- cancellation ---

struct parked {
    explicit parked(int count) : own(static_cast<std::size_t>(count)) {
        for (auto& ch : own) ch = sluice::channel<int>{0};
    }
    std::vector<sluice::channel<int>> own;
    sluice::channel<int> shared{0};
    std::atomic<int> came{0};
};

sluice::task<> wait_at(sluice::channel<int>* ch, std::atomic<int>* came) {
    came->fetch_add(1, std::memory_order_relaxed);
    static_cast<void>(co_await ch->async_receive());
}

sluice::task<> wait_at_four(sluice::channel<int>* four, std::atomic<int>* came) {
    came->fetch_add(1, std::memory_order_relaxed);
    co_await sluice::async_select(sluice::on_receive(four[0]), sluice::on_receive(four[1]), sluice::on_receive(four[2]),
                                  sluice::on_receive(four[3]));
}

enum class waits { on_one_channel, each_on_its_own, in_selects_of_four };

sluice::task<> cancel_all(measure::part_of_a_run* canceling, waits how, int count) {
    parked at{how == waits::on_one_channel ? 0 : how == waits::each_on_its_own ? count : 4};
    sluice::errgroup group;
    for (int i = 0; i < count; ++i) {
        if (how == waits::on_one_channel) group.go(wait_at, &at.shared, &at.came);
        else if (how == waits::each_on_its_own) group.go(wait_at, &at.own[static_cast<std::size_t>(i)], &at.came);
        else group.go(wait_at_four, at.own.data(), &at.came);
    }
    co_await until(at.came, count);
    canceling->begin();
    group.cancel();
    co_await group.async_wait();
    canceling->end();
}

// --- the rows ---

void tasks_limit_100_by_sized_wait_group(benchmark::State& state) {
    measure::tasks(state, measure::steps(), through_a_sized_wait_group, measure::steps());
}
BENCHMARK(tasks_limit_100_by_sized_wait_group)->Apply(measure::on_one_and_two_workers);

void tasks_limit_100_by_errgroup(benchmark::State& state) {
    measure::tasks(state, measure::steps(), through_an_errgroup, measure::steps());
}
BENCHMARK(tasks_limit_100_by_errgroup)->Apply(measure::on_one_and_two_workers);

void tasks_wait_on_a_semaphore_of_100(benchmark::State& state) {
    measure::tasks(state, measure::steps(), on_one_semaphore, measure::steps());
}
BENCHMARK(tasks_wait_on_a_semaphore_of_100)->Apply(measure::on_one_and_two_workers);

void tasks_ping_pong_outside_a_group(benchmark::State& state) {
    measure::tasks(state, measure::steps(), ping_pong_outside, measure::steps());
}
BENCHMARK(tasks_ping_pong_outside_a_group)->Apply(measure::on_one_and_two_workers);

void tasks_ping_pong_inside_a_group(benchmark::State& state) {
    measure::tasks(state, measure::steps(), ping_pong_inside, measure::steps());
}
BENCHMARK(tasks_ping_pong_inside_a_group)->Apply(measure::on_one_and_two_workers);

void cancel(benchmark::State& state, waits how, int count) {
    measure::part_of_tasks(state, count, cancel_all, how, count);
}
void tasks_cancel_10000_on_one_channel(benchmark::State& state) {
    cancel(state, waits::on_one_channel, measure::scaled(10'000));
}
BENCHMARK(tasks_cancel_10000_on_one_channel)->Apply(measure::in_part_on_one_and_two_workers);

void tasks_cancel_100000_on_one_channel(benchmark::State& state) {
    cancel(state, waits::on_one_channel, measure::scaled(100'000));
}
BENCHMARK(tasks_cancel_100000_on_one_channel)->Apply(measure::in_part_on_one_and_two_workers);

void tasks_cancel_10000_each_on_its_own(benchmark::State& state) {
    cancel(state, waits::each_on_its_own, measure::scaled(10'000));
}
BENCHMARK(tasks_cancel_10000_each_on_its_own)->Apply(measure::in_part_on_one_and_two_workers);

void tasks_cancel_100000_each_on_its_own(benchmark::State& state) {
    cancel(state, waits::each_on_its_own, measure::scaled(100'000));
}
BENCHMARK(tasks_cancel_100000_each_on_its_own)->Apply(measure::in_part_on_one_and_two_workers);

void tasks_cancel_10000_in_selects_of_four(benchmark::State& state) {
    cancel(state, waits::in_selects_of_four, measure::scaled(10'000));
}
BENCHMARK(tasks_cancel_10000_in_selects_of_four)->Apply(measure::in_part_on_one_and_two_workers);

void tasks_cancel_100000_in_selects_of_four(benchmark::State& state) {
    cancel(state, waits::in_selects_of_four, measure::scaled(100'000));
}
BENCHMARK(tasks_cancel_100000_in_selects_of_four)->Apply(measure::in_part_on_one_and_two_workers);

}  // namespace

BENCHMARK_MAIN();
