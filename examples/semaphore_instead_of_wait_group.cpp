// SPDX-License-Identifier: BSL-1.0
// semaphore_instead_of_wait_group.cpp: waiting for all without a wait group: by channels alone, by a semaphore.
//
// A channel with room for n is a semaphore of n permits: to send is to take one, to receive is to give one back. And
// who holds all the permits knows that nobody else does: so taking all of them is waiting for all. Notice: our
// semaphore says the same in one call, and its permits are given back on every way out; a sized_wait_group is what
// both of them stand for.
#include <sluice/channel.hpp>
#include <sluice/semaphore.hpp>
#include <sluice/sized_wait_group.hpp>
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

using namespace std::chrono_literals;

constexpr int items = 10;
constexpr std::size_t at_once = 3;

struct tally {
    int running = 0;
    int most = 0;
    int done = 0;
};

sluice::task<> work(int item, tally& count) {
    count.most = std::max(count.most, ++count.running);
    co_await sluice::sleep_for(10ms + item * 1ms);
    --count.running;
    ++count.done;
}

// 1: each task says that it is done, and somebody counts to ten.
sluice::task<> work_and_tell(int item, tally& count, sluice::channel<void> done) {
    co_await work(item, count);
    static_cast<void>(co_await done.async_send());
}
sluice::task<> by_counting(tally& count) {
    const sluice::channel<void> done{0};
    for (int i = 0; i < items; ++i) sluice::go(work_and_tell, i, std::ref(count), done);
    for (int i = 0; i < items; ++i) static_cast<void>(co_await done.async_receive());
}

// 2: a channel is the semaphore.
sluice::task<> work_and_leave(int item, tally& count, sluice::channel<void> slots) {
    co_await work(item, count);
    static_cast<void>(co_await slots.async_receive());  // gives the slot back
}
sluice::task<> by_a_channel(tally& count) {
    const sluice::channel<void> slots{at_once};
    for (int i = 0; i < items; ++i) {
        static_cast<void>(co_await slots.async_send());  // takes a slot
        sluice::go(work_and_leave, i, std::ref(count), slots);
    }
    for (std::size_t i = 0; i < at_once; ++i) static_cast<void>(co_await slots.async_send());  // takes all of them
}

// 3: our semaphore.
sluice::task<> work_with_permit(int item, tally& count, sluice::permit) { co_await work(item, count); }
sluice::task<> by_a_semaphore(tally& count) {
    sluice::semaphore slots{at_once};
    for (int i = 0; i < items; ++i) {
        sluice::permit slot = co_await slots.async_hold();
        sluice::go(work_with_permit, i, std::ref(count), std::move(slot));
    }
    static_cast<void>(co_await slots.async_acquire(at_once));
}

// 4: what it was all about.
sluice::task<> by_a_group(tally& count) {
    sluice::sized_wait_group group{at_once};
    for (int i = 0; i < items; ++i) co_await group.async_go(work, i, std::ref(count));
    co_await group.async_wait();
}

sluice::task<> show(const char* how, sluice::task<> (*wait_for_all)(tally&)) {
    tally count;
    const auto began = sluice::clock::now();
    co_await wait_for_all(count);
    fmt::print("{:16}  {} done, at most {} at once, {} ms\n", how, count.done, count.most,
               (sluice::clock::now() - began) / 1ms);
}

sluice::task<> main_task() {
    co_await show("by counting", by_counting);
    co_await show("by a channel", by_a_channel);
    co_await show("by a semaphore", by_a_semaphore);
    co_await show("by a group", by_a_group);
}

int main() { sluice::testing::simulate({}, main_task).value(); }
