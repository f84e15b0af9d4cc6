// SPDX-License-Identifier: BSL-1.0
// data_race.cpp: what if several tasks change one variable at the same time?
//
// The mistake: `++counter` in each of them.
// Go: silent. The sum is too small, by another number each time; a map may end the process with
//     `fatal error: concurrent map writes`. The race detector, `-race`, reports what it sees happen.
// Here: refused by the compiler, where the variable is passed: a task gets copies, and one that wants to change its
//     caller's variable cannot be started with it. Who shares says so by `std::ref`, and passes a mutex along, or lets
//     one task own the variable and the others send to it. What captures by `[&]`, or is global, no library can see:
//     the thread sanitizer reports it, and knows the waits of sluice.
#include <sluice/sluice.hpp>

#include <cstdio>
#include <functional>

constexpr int tasks = 4;
constexpr int times = 1'000;

sluice::task<> count_wrongly(int& counter) {
    ++counter;
    co_return;
}

template <class... Call>
concept can_start = requires(Call... call) { sluice::go(static_cast<Call>(call)...); };
using wrong = decltype(&count_wrongly);
static_assert(!can_start<wrong, int&>);                        // go(count_wrongly, counter)
static_assert(can_start<wrong, std::reference_wrapper<int>>);  // go(count_wrongly, std::ref(counter))

// Shared, and one at a time.
sluice::task<> count_locked(int& counter, sluice::mutex& lock) {
    for (int i = 0; i < times; ++i) {
        const auto guard = co_await lock.async_lock();
        ++counter;
    }
}

// Not shared: whoever receives owns the counter.
sluice::task<> send_ones(sluice::sender<int> out) {
    for (int i = 0; i < times; ++i)
        if (!co_await out.async_send(1)) co_return;
}

sluice::task<> main_task() {
    sluice::mutex lock;
    int locked = 0;
    sluice::wait_group group;
    for (int t = 0; t < tasks; ++t) group.go(count_locked, std::ref(locked), std::ref(lock));
    co_await group.async_wait();
    std::printf("counted under a mutex: %d\n", locked);

    auto [out, in] = sluice::make_channel<int>(16);
    for (int t = 0; t < tasks; ++t) group.go(send_ones, out);
    out = {};
    int owned = 0;
    while (auto one = co_await in.async_receive()) owned += *one;
    std::printf("counted by its owner: %d\n", owned);
    co_await group.async_wait();
}

int main() { sluice::run(main_task); }
