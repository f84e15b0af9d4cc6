// SPDX-License-Identifier: BSL-1.0
// unbounded_fan_out.cpp: what if a task is started for each of very many items?
//
// The mistake: `go` in a loop over a table, so that all its requests are in flight at the same time.
// Go: silent, until the memory, the open files or the server at the other end give way. A limit is something to think
//     of: `SetLimit` of an errgroup, a channel used as a semaphore. Too many threads, 10,000 that block in the system,
//     are a `fatal error: thread exhaustion`.
// Here: impossible in a `sized_wait_group`. There is none without a limit, unless one writes `unlimited`, and its `go`
//     waits for a slot. A plain `go` in a loop has none, here either: a task is small, what it holds may be large.
//     Callables that block are bounded in any case, by `max_threads`: the others wait for a thread, which is reported.
#include <sluice/sluice.hpp>

#include <atomic>
#include <cstdio>
#include <functional>
#include <type_traits>

static_assert(!std::is_default_constructible_v<sluice::sized_wait_group>);

struct server {
    std::atomic<int> requests{0};
    std::atomic<bool> gave_way{false};
};

sluice::task<> remove_item(server& at) {
    if (++at.requests > 10) at.gave_way = true;
    for (int i = 0; i < 10; ++i) co_await sluice::yield();
    --at.requests;
}

sluice::task<> remove_all() {
    server at;
    sluice::sized_wait_group removals(10);
    for (int item = 0; item < 1'000; ++item) co_await removals.async_go(remove_item, std::ref(at));
    co_await removals.async_wait();
    std::printf("1000 removals, %s\n", at.gave_way ? "and the server gave way" : "10 at a time at most");
}

sluice::task<> block_many() {
    const sluice::channel<void> doors(0);
    sluice::wait_group calls;
    for (int i = 0; i < 10; ++i) calls.go([doors] { static_cast<void>(doors.receive()); });
    for (int i = 0; i < 10; ++i) static_cast<void>(co_await doors.async_send());
    co_await calls.async_wait();
    std::printf("10 callables that block have all had a thread\n");
}

int main() {
    sluice::run(remove_all);
    sluice::run({.workers = 1, .max_threads = 5}, block_many);
}
