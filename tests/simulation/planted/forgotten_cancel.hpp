// SPDX-License-Identifier: BSL-1.0
// forgotten_cancel.hpp: the answer is there, and the other one still asks.
//
// Wrong: when a replica is slow, a second one is asked too, and the first answer wins. Nobody tells the loser.
// Known from: hedged requests, `select` with two calls in Go ("goroutine leak"), every `race` without structure.
// Repair: cancel the loser and join it.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<int> ask_two() {
    sluice::channel<int> answers{2};
    const auto ask = [answers](sluice::clock::duration patience) mutable -> task<void> {
        co_await sluice::sleep_for(patience);
        static_cast<void>(answers.try_send(42));
    };
    auto first = sluice::go(ask, 1us);
    auto answer = co_await sluice::timeout(1s, answers.async_receive());
    if (answer) {
        co_await first;
        co_return *answer;
    }
    auto second = sluice::go(ask, 1s);
    answer = co_await answers.async_receive();
    if constexpr (V == version::repaired)
        for (auto* const one : {&first, &second}) {
            one->cancel();
            try {
                co_await *one;
            } catch (const sluice::canceled&) {}
        }
    co_return *answer;
}

template <version V>
task<void> forgotten_cancel() {
    const sluice::testing::leak_check nothing_is_left;
    const int answer = co_await ask_two<V>();
    expect(answer == 42, "a wrong answer");
}

}  // namespace planted
