// SPDX-License-Identifier: BSL-1.0
// now.hpp: what time is it for whoever runs on this thread?
#pragma once

#include <chrono>

#include "simulated.hpp"
#include "thread_state.hpp"

namespace sluice::detail {

/// The time of the simulation that the thread runs in, else the real one.
SLUICE_NOINLINE inline time_point now() noexcept {
    const simulated* const in = the_thread_state.simulation;
    return in ? in->now() : std::chrono::steady_clock::now();
}

}  // namespace sluice::detail
