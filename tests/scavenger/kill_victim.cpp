// SPDX-License-Identifier: BSL-1.0
// kill_victim.cpp: a run that kills itself at its k-th request or step, for kill_test.cpp.
//
//     kill_victim FILE request|step K
//
// Each key it is told to be deleted is written to standard output at once, a line for each. If it comes to its end
// before the k-th request or step, it writes how many there were to standard error and exits with 0.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include <unistd.h>

#include "faulty_store.hpp"
#include "test_run.hpp"

namespace {

using namespace scavenger_test;

[[noreturn]] void die() {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/// Reports each deleted key before anything else can happen to the process.
class crier final : public scavenger::observer {
    void deleted(const scavenger::key& id) noexcept override {
        const auto line = std::to_string(id.worker_id) + ' ' + id.start_time + '\n';
        if (write(STDOUT_FILENO, line.data(), line.size()) < 0) std::abort();
    }
};

}  // namespace

int main(int count, char** values) {
    if (count != 4) return 2;
    const std::string file = values[1];
    const bool at_request = std::string_view{values[2]} == "request";
    const std::uint64_t k = std::stoull(values[3]);

    std::atomic<std::uint64_t> steps = 0;
    sluice::run_options options;
    options.ready_budget = 1;
    options.before_step = [&] {
        if (++steps == k && !at_request) die();
    };

    scavenger::sqlite_store good{file, "Workers"};
    const auto script = [&](std::uint64_t number, request) -> std::optional<fault> {
        if (at_request && number == k) die();
        return std::nullopt;
    };
    faulty_store store{good, script};
    const auto todo = small_plan();
    scavenger::tally numbers;
    crier witness;
    const make_stop stop = never;
    sluice::run(std::move(options), flow, std::ref(static_cast<scavenger::store&>(store)), std::cref(todo),
                std::ref(numbers), std::ref(static_cast<scavenger::observer&>(witness)), std::cref(stop));
    std::cerr << (at_request ? store.calls() : steps.load()) << '\n';
    return 0;
}
