// SPDX-License-Identifier: BSL-1.0
// bug.hpp: what is a planted bug made of?
//
// Each is a short program with something wrong in it that people really write, and its repaired twin: the same function
// with the other version. A program that goes wrong throws `misbehaved`, never ends, or leaves tasks behind.
// What tasks share is atomic or locked, so none of the bugs is a data race: no sanitizer sees them.
#pragma once

#include <atomic>
#include <chrono>
#include <stdexcept>

#include <sluice/sluice.hpp>
#include <sluice/testing.hpp>

namespace planted {

using namespace std::chrono_literals;
using sluice::task;

enum class version { planted, repaired };

class misbehaved : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

inline void expect(bool holds, const char* otherwise) {
    if (!holds) throw misbehaved{otherwise};
}

/// Who begins with this comes long after the others on a real scheduler, as the second request of a quiet service does.
/// With the delays of a simulation (`chaos::delay`) the others may be late as well.
inline auto later() { return sluice::sleep_for(20ms); }

/// A store, a log, a service: something awaited that answers at once.
class service {
public:
    task<void> call() {
        const auto mine = co_await mutex_.async_lock();
        calls_.fetch_add(1, std::memory_order_relaxed);
    }
    int calls() const { return calls_.load(std::memory_order_relaxed); }

private:
    sluice::mutex mutex_;
    std::atomic<int> calls_{0};
};

}  // namespace planted
