// SPDX-License-Identifier: BSL-1.0
// channel_facts.hpp: what does a report tell of a channel, whatever its elements are?
#pragma once

#include <atomic>
#include <cstdint>

#include "simulated.hpp"
#include "task_state.hpp"
#include "thread_state.hpp"

namespace sluice::detail {

/// What the waits on a channel note as their object.
struct channel_facts {
    static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

    channel_facts(std::size_t c, place at) noexcept : made_at{at}, capacity{c} {
        if (auto* const in = this_thread_state().simulation) [[unlikely]]
            number = in->number_channel();
    }

    place made_at;
    std::size_t capacity;
    std::atomic<std::uint32_t> handles{1};
    std::uint32_t number = 0;  // in a simulation: its order among the channels made there
    // For suspicions.hpp.
    std::atomic<bool> was_copied{false};  // there has been a second handle
    bool has_clock = false;               // which sends without a handle
    std::atomic<bool> is_suspected{false};
};

}  // namespace sluice::detail
