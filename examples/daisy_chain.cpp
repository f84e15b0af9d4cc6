// SPDX-License-Identifier: BSL-1.0
// daisy_chain.cpp: 100,000 tasks in a row, each of which adds one to what its right neighbour gives it.
//
// Notice: all of them wait at the same time, each as a small frame, not as a stack; then one number runs through all.
#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>

#include <fmt/core.h>

#include <utility>

sluice::task<> add_one(sluice::sender<int> left, sluice::receiver<int> right) {
    const auto n = co_await right.async_receive();
    if (n) static_cast<void>(co_await left.async_send(*n + 1));
}

sluice::task<int> whisper(int tasks) {
    auto [first, leftmost] = sluice::make_channel<int>(0);
    sluice::sender<int> left = std::move(first);
    for (int i = 0; i < tasks; ++i) {
        auto [out, right] = sluice::make_channel<int>(0);
        sluice::go(add_one, std::move(left), std::move(right));
        left = std::move(out);
    }
    static_cast<void>(co_await left.async_send(1));  // into the rightmost
    co_return (co_await leftmost.async_receive()).value();
}

int main() { fmt::print("{}\n", sluice::run(whisper, 100'000)); }
