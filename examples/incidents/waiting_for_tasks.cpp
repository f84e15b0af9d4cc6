// SPDX-License-Identifier: BSL-1.0
// waiting_for_tasks.cpp: what if nobody waits for the tasks, or counts them wrongly?
//
// The mistake: to start work and go on without a wait; to count it only when it runs, when the wait may be over; to
//     say twice that it is done.
// Go: when main returns, the process ends, silently, and the goroutines end wherever they are, without their deferred
//     calls. `go vet` finds an Add at the beginning of a goroutine, but no wait that is missing. A Done too many is
//     `panic: sync: negative WaitGroup counter`.
// Here: impossible. The `go` of a group counts before it starts, a `scope` waits on every way out, and `run` returns
//     after its last task: those that nobody waits for are cancelled and joined. Who counts by hand can miscount still,
//     for which there are tickets. One `done` too many is reported, with its place, and ends the program.
#include <sluice/sluice.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>

using namespace std::chrono_literals;

sluice::task<> save(std::atomic<int>& saved) {
    co_await sluice::sleep_for(1ms);
    ++saved;
}

sluice::task<> start_three(sluice::wait_group& saving, std::atomic<int>& saved) {
    for (int i = 0; i < 3; ++i) saving.go(save, std::ref(saved));
    co_return;  // and no wait
}

sluice::task<> save_all() {
    std::atomic<int> saved{0};
    const auto body = [&saved](sluice::wait_group& saving) { return start_three(saving, saved); };
    co_await sluice::scope<sluice::wait_group>(body);
    std::printf("%d of 3 records are saved\n", saved.load());
}

sluice::task<> write_slowly(sluice::sender<void> has_begun) {
    const struct open_file {
        ~open_file() { std::printf("the forgotten task has closed its file\n"); }
    } file;
    static_cast<void>(co_await has_begun.async_send());
    co_await sluice::sleep_for(1h);
}

sluice::task<> forget_one() {
    auto [begin, has_begun] = sluice::make_channel<void>(0);
    sluice::go(write_slowly, std::move(begin));
    static_cast<void>(co_await has_begun.async_receive());
}

int main() {
    sluice::run(save_all);
    sluice::run(forget_one);
    std::printf("the run has ended\n");
    std::fflush(stdout);

    sluice::wait_group uploads;
    uploads.add();
    uploads.done();
    uploads.done();
}
