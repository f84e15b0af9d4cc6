// SPDX-License-Identifier: BSL-1.0
// peak_memory.hpp: how much memory has this process used at most?
#pragma once

#include <cstdint>

namespace scavenger {

/// The largest resident set so far, in bytes.
std::uint64_t peak_memory();

}  // namespace scavenger
