// SPDX-License-Identifier: BSL-1.0
// dropped_work.cpp: what becomes of work that was accepted and is not done when the program stops?
//
// The mistake: at a signal the workers leave, and with them goes what the queue still holds and what they are at.
// Go: silent. A buffer that nobody refers to is garbage, values included, and goroutines that are at work when main
//     returns end in the middle of it.
// Here: reported. A channel that has been closed is drained before its receivers learn of it: that loses nothing. Where
//     one has to stop at once, `on_undelivered` is told of each value that was accepted and not received. Tasks at work
//     are cancelled and joined, never killed, and a `shielded` await ends what must not be half done.
#include <sluice/sluice.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

sluice::task<> store(int job, sluice::channel<int> begun) {
    static_cast<void>(co_await begun.async_send(job));
    co_await sluice::sleep_for(1ms);
    std::printf("job %d is done\n", job);
}

sluice::task<> work(sluice::receiver<int> jobs, sluice::channel<int> begun) {
    while (auto job = co_await jobs.async_receive()) co_await sluice::shielded(store(*job, begun));
}

enum class stop { by_closing, at_once };

sluice::task<> serve(stop how) {
    auto [out, jobs] = sluice::make_channel<int>(5);
    out.on_undelivered([](int job) { std::printf("job %d is kept for the next start\n", job); });
    for (int job = 1; job <= 5; ++job) static_cast<void>(co_await out.async_send(job));

    const sluice::channel<int> begun(5);
    sluice::wait_group workers;
    workers.go(work, std::move(jobs), begun);
    for (int i = 0; i < 2; ++i) static_cast<void>(co_await begun.async_receive());

    // The signal comes while job 2 is at work.
    if (how == stop::by_closing) out.close();
    else workers.cancel();
    co_await workers.async_wait();
}

int main() {
    std::printf("by closing:\n");
    sluice::run(serve, stop::by_closing);
    std::printf("at once:\n");
    sluice::run(serve, stop::at_once);
}
