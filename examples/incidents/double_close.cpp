// SPDX-License-Identifier: BSL-1.0
// double_close.cpp: what if two tasks close the same channel?
//
// The mistake: each sender closes when it has sent its last value, or a receiver closes since it wants no more.
// Go: `panic: close of closed channel`, which ends the process unless the goroutine recovers from it. To close a
//     channel that is declared receive-only does not compile.
// Here: impossible. To close what is closed does nothing, and every `close` tells whether it was the one that closed.
//     With `make_channel` nobody has to: the last sender that goes closes. A `receiver` has no `close`, that is refused
//     by the compiler; its `cancel` tells the senders that nobody wants more.
#include <sluice/sluice.hpp>

#include <atomic>
#include <cstdio>
#include <functional>

template <class End>
concept can_close = requires(End end) { end.close(); };
static_assert(can_close<sluice::sender<int>> && !can_close<sluice::receiver<int>>);

using numbers = sluice::channel<int>;

sluice::task<> send_and_close(int number, numbers out, std::atomic<int>& closed_by) {
    const auto sent = co_await out.async_send(number);
    if (!sent) std::printf("%d came too late\n", number);
    if (out.close()) ++closed_by;
}

sluice::task<> send_and_go(int number, sluice::sender<int> out) { static_cast<void>(co_await out.async_send(number)); }

sluice::task<> main_task() {
    std::atomic<int> closed_by{0};
    sluice::wait_group senders;
    const numbers first(0);
    senders.go(send_and_close, 1, first, std::ref(closed_by));
    static_cast<void>(co_await first.async_receive());
    co_await senders.async_wait();
    senders.go(send_and_close, 2, first, std::ref(closed_by));
    co_await senders.async_wait();
    std::printf("two called close, and %d closed\n", closed_by.load());

    auto [out, in] = sluice::make_channel<int>(0);
    senders.go(send_and_go, 3, out);
    senders.go(send_and_go, 4, std::move(out));
    int sum = 0;
    while (auto number = co_await in.async_receive()) sum += *number;
    std::printf("3 + 4 = %d, and closed without a call of close\n", sum);
    co_await senders.async_wait();
}

int main() { sluice::run(main_task); }
