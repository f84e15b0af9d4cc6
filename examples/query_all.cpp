// SPDX-License-Identifier: BSL-1.0
// query_all.cpp: five backends with random latencies: asked one after another, all at once, and with replicas.
//
// Notice: all at once takes as long as the slowest; with three replicas each, as long as the slowest of the quickest. The
// replicas that were not needed have been cancelled and have ended. The times are virtual, drawn from a fixed seed.
#include <sluice/race.hpp>
#include <sluice/testing.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

using namespace std::chrono_literals;

struct backend {
    int number;
    std::chrono::milliseconds latency;
};

int in_flight = 0;

sluice::task<int> ask(const backend& b) {
    struct here {
        here() { ++in_flight; }
        ~here() { --in_flight; }
    };
    const here now;
    co_await sluice::sleep_for(b.latency);
    co_return b.number;
}

using replica_sets = std::vector<std::vector<backend>>;

replica_sets make(int sets, int replicas) {
    std::uint32_t random = 7;
    replica_sets all;
    for (int s = 0; s < sets; ++s) {
        auto& set = all.emplace_back();
        for (int r = 0; r < replicas; ++r) {
            random = random * 1664525 + 1013904223;
            set.push_back({s, std::chrono::milliseconds{10 + (random >> 24)}});
        }
    }
    return all;
}

sluice::task<std::vector<int>> one_after_another(const replica_sets& sets) {
    std::vector<int> answers;
    for (const auto& set : sets) answers.push_back(co_await ask(set.front()));
    co_return answers;
}

sluice::task<std::vector<int>> all_at_once(const replica_sets& sets) {
    replica_sets single;
    for (const auto& set : sets) single.push_back(std::vector<backend>(1, set.front()));
    co_return co_await sluice::query_all(single, ask);
}

sluice::task<std::vector<int>> with_replicas(const replica_sets& sets) {
    co_return co_await sluice::query_all(sets, ask);
}

sluice::task<> show(const char* how, sluice::task<std::vector<int>> query) {
    const auto began = sluice::clock::now();
    const std::vector<int> answers = co_await std::move(query);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(sluice::clock::now() - began);
    std::printf("%-18s %4d ms, answers", how, static_cast<int>(took.count()));
    for (const int a : answers) std::printf(" %d", a);
    std::printf(", %d still running\n", in_flight);
}

sluice::task<> main_task() {
    const replica_sets sets = make(5, 3);
    co_await show("one after another", one_after_another(sets));
    co_await show("all at once", all_at_once(sets));
    co_await show("with replicas", with_replicas(sets));
}

int main() { sluice::testing::simulate({}, main_task).value(); }
