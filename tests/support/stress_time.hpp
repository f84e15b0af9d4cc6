// SPDX-License-Identifier: BSL-1.0
// stress_time.hpp: how long does a stress test work at its task?
#pragma once

#include <chrono>
#include <cstdlib>

namespace sluice_test {

/// A stretch of time: as many seconds as the environment's SLUICE_STRESS_SECONDS says, one by default.
class stress_time {
public:
    stress_time() : end_{std::chrono::steady_clock::now() + length()} {}

    /// Whether there is time left. Thread safety: any thread.
    bool goes_on() const { return std::chrono::steady_clock::now() < end_; }

private:
    static std::chrono::steady_clock::duration length() {
        const char* const text = std::getenv("SLUICE_STRESS_SECONDS");
        const double seconds = text ? std::strtod(text, nullptr) : 0;
        return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
            std::chrono::duration<double>{seconds > 0 ? seconds : 1.0});
    }
    std::chrono::steady_clock::time_point end_;
};

/// For tests that count: as many steps as the environment's SLUICE_STRESS_STEPS says, 200,000 by default.
inline unsigned long long stress_steps() {
    const char* const text = std::getenv("SLUICE_STRESS_STEPS");
    const auto steps = text ? std::strtoull(text, nullptr, 10) : 0;
    return steps > 0 ? steps : 200'000;
}

}  // namespace sluice_test
