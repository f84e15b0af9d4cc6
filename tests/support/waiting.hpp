// SPDX-License-Identifier: BSL-1.0
// waiting.hpp: who waits on a channel now?
#pragma once

#include <cstddef>

#include <sluice/channel.hpp>

namespace sluice_test {

/// How many entries stand in the queue of receivers; a select counts once for each of its cases.
template <class Handle>
std::size_t receivers_waiting(const Handle& ch) {
    const sluice::detail::hold guard{ch.core()->mutex};
    return ch.core()->receivers.size();
}

/// How many entries stand in the queue of senders.
template <class Handle>
std::size_t senders_waiting(const Handle& ch) {
    const sluice::detail::hold guard{ch.core()->mutex};
    return ch.core()->senders.size();
}

/// Whether nobody waits on it in any way.
template <class Handle>
bool nobody_waits(const Handle& ch) {
    const sluice::detail::hold guard{ch.core()->mutex};
    return ch.core()->receivers.empty() && ch.core()->senders.empty();
}

}  // namespace sluice_test
