// SPDX-License-Identifier: BSL-1.0
// forgotten_cancel.cpp: what if nobody cancels a context that can be cancelled?
//
// The mistake: one of the ways out does not call `cancel`, or `ctx, _ :=` has thrown the right to do so away at once.
// Go: silent. What runs under the context goes on until its parent ends: for ever, if that is the background. `go vet`
//     finds most: "the cancel function is not used on all paths (possible context leak)".
// Here: impossible. The right to cancel is an object, a `context_source`, and its destructor cancels, on every way out.
//     It cannot be copied: one owner decides. Who keeps only the context has one that has ended already, as the first
//     wait tells. A source that is dropped as a whole statement is a warning.
#include <sluice/sluice.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <type_traits>

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<sluice::context_source>);

// Ends with its context alone, and then the channel closes.
sluice::task<> send_heartbeats(sluice::sender<int> out) {
    for (int beat = 1; co_await out.async_send(beat); ++beat) co_await sluice::sleep_for(1h);
}

sluice::task<> handle(std::string_view request, sluice::sender<int> to_client) {
    const auto work = sluice::with_cancel(sluice::context::background());
    sluice::go(work, send_heartbeats, std::move(to_client));
    if (request.empty()) co_return;  // without a cancel
    co_await sluice::sleep_for(1ms);
    work.cancel();
}

sluice::task<> main_task() {
    auto [to_client, heartbeats] = sluice::make_channel<int>(1);
    co_await handle("", std::move(to_client));
    std::printf("the request has been refused\n");
    while (auto beat = co_await heartbeats.async_receive()) {}
    std::printf("its heartbeats have ended\n");

    const sluice::context without_its_source = sluice::with_cancel(sluice::context::background());
    std::printf("a context without its source %s\n", without_its_source.done() ? "has ended" : "leaks");
}

int main() { sluice::run(main_task); }
