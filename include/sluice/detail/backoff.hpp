// SPDX-License-Identifier: BSL-1.0
// backoff.hpp: how long does a thread look for a change before it sleeps?
//
// A sleep and a wake across cores cost tens of microseconds, a change by a running thread comes within one. So a thread
// that must wait looks again after pauses that double, which leaves the cache line to those who work; then lets other
// threads run, who may be the ones it waits for; then gives up, and the caller sleeps.
#pragma once

#include <thread>

#include "platform.hpp"

namespace sluice::detail {

class backoff {
public:
    explicit backoff(unsigned first_step = 0) noexcept : step_{first_step} {}

    /// Pauses for a while. False: long enough, sleep.
    bool pause() noexcept {
        if (step_ < spins) {
            for (unsigned i = 0; i < (1u << step_); ++i) cpu_relax();
        } else if (step_ < spins + yields) {
            std::this_thread::yield();
        } else {
            return false;
        }
        ++step_;
        return true;
    }

private:
    static constexpr unsigned spins = 9;
    static constexpr unsigned yields = 8;

    unsigned step_;
};

}  // namespace sluice::detail
