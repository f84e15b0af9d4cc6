// SPDX-License-Identifier: BSL-1.0
// traces.cpp: does a seed give the same trace on every compiler, at every optimization level?
//
// Prints one trace whole and the fingerprints of a hundred seeds. CTest compares it with traces.expected, byte for
// byte, in every build there is. The places in it are lines of this file: each operation stands on one.
#include <cstdio>
#include <sluice/sluice.hpp>
#include <sstream>
#include <string>

namespace {

using namespace std::chrono_literals;
using sluice::channel;
using sluice::task;

task<void> produce(channel<int> out, int count) {
    for (int i = 0; i < count; ++i) {
        co_await sluice::sleep_for(1ms);
        static_cast<void>(co_await out.async_send(i));
    }
}

void consume(channel<int> in) {
    while (auto v = in.receive_for(10ms)) {}
}

task<void> choose(channel<int> a, channel<int> b, sluice::semaphore& room) {
    for (int i = 0; i < 3; ++i) {
        const auto held = co_await room.async_hold();
        const auto which =
            co_await sluice::async_select(sluice::on_receive(a), sluice::on_receive(b), sluice::on_timeout(5ms));
        if (which == 2) co_await sluice::yield();
    }
}

task<void> retry(channel<int> out) {
    for (int tries = 0; tries < 4; ++tries) {
        try {
            static_cast<void>(co_await sluice::timeout(2ms, out.async_send(tries)));
        } catch (const sluice::testing::injected_failure&) {}
    }
}

// Tasks and threads, timers at one moment, a select, locks, a group, faults.
task<void> program() {
    sluice::name_task("main");
    channel<int> a{0};
    channel<int> b{2};
    a.name("a");
    sluice::semaphore room{1};
    sluice::wait_group all;
    for (int i = 0; i < 2; ++i) all.go(produce, a, 3);
    for (int i = 0; i < 2; ++i) all.go(produce, b, 3);
    all.go(consume, a);
    for (int i = 0; i < 2; ++i) all.go(choose, a, b, std::ref(room));
    all.go(retry, b);
    sluice::ticker every{3ms};
    auto ticks = every.ticks();
    static_cast<void>(co_await ticks.async_receive());
    const auto limit = sluice::with_timeout(sluice::current_context(), 20ms);
    const auto which = co_await sluice::async_select(sluice::on_done(limit.get()), sluice::on(all.async_wait()));
    if (which == 0) all.cancel();
    co_await all.async_wait();
}

auto simulated(std::uint64_t seed, unsigned preemptions) {
    sluice::testing::simulation_options options;
    options.seed = seed;
    options.preemptions = preemptions;
    options.chaos.fail = 0.01;
    options.chaos.cancel = 0.01;
    options.chaos.delay = sluice::testing::distribution::uniform(0ms, 4ms).with_probability(0.1);
    return sluice::testing::simulate(options, program);
}

// Where a coroutine stands, in "starts" lines, differs: its first line for clang, its last for g++ 12.
std::string without_places_of_coroutines(const std::string& trace) {
    std::istringstream lines{trace};
    std::string out;
    for (std::string line; std::getline(lines, line);)
        out += (line.find(" starts ") == std::string::npos ? line : line.substr(0, line.find(", traces.cpp"))) + "\n";
    return out;
}

}  // namespace

int main() {
    std::printf("%s", without_places_of_coroutines(simulated(1, 0).trace()).c_str());
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        const auto run = simulated(seed, seed % 2 ? 0 : 3);
        std::printf(
            "seed %3llu: %4llu steps, %3lld us, trace %016llx, replay %s%s\n", static_cast<unsigned long long>(seed),
            static_cast<unsigned long long>(run.steps()),
            static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(run.elapsed()).count()),
            static_cast<unsigned long long>(run.fingerprint()), run.replay().c_str(), run.failed() ? ", failed" : "");
    }
}
