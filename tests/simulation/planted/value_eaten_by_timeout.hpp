// SPDX-License-Identifier: BSL-1.0
// value_eaten_by_timeout.hpp: a receive that was given up goes on receiving.
//
// Wrong: a time limit is made by hand: a helper task receives, and its caller waits for the helper or the time. When the
//     time wins, the helper is still there, takes the next value, and has nobody to give it to.
// Known from: `Promise.race` over a queue; `asyncio.wait` without a cancel; asio's parallel group of a receive and a timer.
// Repair: the operation itself ends by time, and has then taken nothing.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<std::optional<int>> receive_for_a_second(sluice::channel<int> from) {
    if constexpr (V == version::repaired) {
        auto value = co_await sluice::timeout(1s, from.async_receive());
        if (!value) co_return std::nullopt;
        co_return *value;
    } else {
        sluice::channel<int> answer{1};
        auto helper = sluice::go([from, answer]() mutable -> task<void> {
            if (auto value = co_await from.async_receive()) static_cast<void>(answer.try_send(*value));
        });
        sluice::received<int> value;
        const auto fired = co_await sluice::async_select(sluice::on_receive(answer, value), sluice::on_timeout(1s));
        if (fired != 0) co_return std::nullopt;
        co_await helper;
        co_return *value;
    }
}

template <version V>
task<void> value_eaten_by_timeout() {
    sluice::channel<int> values{1};
    sluice::wait_group sender;
    sender.go([values]() mutable -> task<void> {
        co_await sluice::yield();
        expect(static_cast<bool>(co_await values.async_send(7)), "it is open");
    });
    std::optional<int> got;
    for (int tries = 0; !got && tries < 100; ++tries) got = co_await receive_for_a_second<V>(values);
    expect(got == 7, "the value was sent, and nobody got it");
    co_await sender.async_wait();
}

}  // namespace planted
