// SPDX-License-Identifier: BSL-1.0
// abba_of_two_rendezvous.hpp: after you! No, after you!
//
// Wrong: each of two peers looks whether the other one has something to say, and if not, says its own and waits until it
//     is heard. When both speak, nobody listens.
// Known from: two actors that call each other; two pipes that are both full (`ssh` and its child); gossip over blocking
//     sockets.
// Repair: speak and listen at the same time.
#pragma once

#include "bug.hpp"

namespace planted {

template <version V>
task<void> gossip(sluice::channel<int> to, sluice::channel<int> from, int news) {
    sluice::received<int> heard;
    bool has_heard = false;
    if constexpr (V == version::planted) {
        const auto fired = co_await sluice::async_select(sluice::on_receive(from, heard), sluice::otherwise);
        has_heard = fired == 0;
        expect(static_cast<bool>(co_await to.async_send(news)), "it is open");
    } else {
        const auto fired = co_await sluice::async_select(sluice::on_receive(from, heard), sluice::on_send(to, news));
        has_heard = fired == 0;
        if (has_heard) expect(static_cast<bool>(co_await to.async_send(news)), "it is open");
    }
    if (!has_heard) heard = co_await from.async_receive();
    expect(*heard != news, "it has heard itself");
}

template <version V>
task<void> abba_of_two_rendezvous() {
    sluice::channel<int> there{0};
    sluice::channel<int> back{0};
    sluice::wait_group both;
    both.go([=]() -> task<void> { co_await gossip<V>(there, back, 1); });
    both.go([=]() -> task<void> {
        co_await later();
        co_await gossip<V>(back, there, 2);
    });
    co_await both.async_wait();
}

}  // namespace planted
