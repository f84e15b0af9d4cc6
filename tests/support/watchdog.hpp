// SPDX-License-Identifier: BSL-1.0
// watchdog.hpp: does something still get on?
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

namespace sluice_test {

/// Ends the program with a report when a count has stood still for so long: threads that hang cannot be joined.
///
/// It counts its own turns of a tenth of a second and looks at no clock, so a machine that stood still is no alarm.
class watchdog {
public:
    watchdog(const std::atomic<unsigned long long>& progress, std::chrono::seconds patience,
             std::function<std::string()> report)
        : thread_{[this, &progress, turns = patience / turn, report = std::move(report)](std::stop_token over) {
              watch(progress, turns, report, over);
          }} {}

private:
    static constexpr std::chrono::milliseconds turn{100};

    void watch(const std::atomic<unsigned long long>& progress, long long turns,
               const std::function<std::string()>& report, const std::stop_token& over) {
        auto last = progress.load();
        for (long long still = 0; still < turns; ++still) {
            std::unique_lock guard{mutex_};
            if (bell_.wait_for(guard, over, turn, [&] { return over.stop_requested(); })) return;
            if (const auto now = progress.load(); now != std::exchange(last, now)) still = -1;
        }
        std::fprintf(stderr, "watchdog: no progress at %llu: %s\n", last, report().c_str());
        std::abort();
    }

    std::mutex mutex_;
    std::condition_variable_any bell_;
    std::jthread thread_;
};

}  // namespace sluice_test
