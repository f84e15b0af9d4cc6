// SPDX-License-Identifier: BSL-1.0
// nested_channels.hpp: how are channels destroyed whose values hold channels, whose values hold channels?
//
// A value may hold the last handle of another channel, and so on to any depth, which a stack has not. Up to `deepest`
// the ends nest, so that what a value's destructor lets go is gone when it goes on. What is deeper waits in a list of
// the thread, which the deepest end works off before it returns.
// N1  A channel is in at most one list, and has nobody else to touch it there: it has no handle left, or a reference of
//     its own and values that nobody sees any more.
// N2  The list is empty while fewer than `deepest` ends nest.
#pragma once

#include "platform.hpp"

namespace sluice::detail {

/// What ends in this way.
struct nested_end {
    nested_end* next_to_end = nullptr;
    void (*end)(nested_end&) noexcept = nullptr;
};

struct nested_ends {
    unsigned depth = 0;
    nested_end* deeper = nullptr;
};

// Has no destructor: those of other thread-locals destroy channels too.
inline constinit thread_local nested_ends the_nested_ends{};

SLUICE_NOINLINE inline nested_ends& nested_ends_of_this_thread() noexcept { return the_nested_ends; }

/// Calls `end(what)`, now or before the outermost call on this thread returns.
inline void end_nested(nested_end& what, void (*end)(nested_end&) noexcept) noexcept {
    constexpr unsigned deepest = 64;
    nested_ends& mine = nested_ends_of_this_thread();
    if (mine.depth == deepest) {
        what.end = end;
        what.next_to_end = mine.deeper;
        mine.deeper = &what;
        return;
    }
    ++mine.depth;
    end(what);
    while (mine.depth == deepest && mine.deeper) {
        nested_end& next = *mine.deeper;
        mine.deeper = next.next_to_end;
        next.end(next);
    }
    --mine.depth;
}

}  // namespace sluice::detail
