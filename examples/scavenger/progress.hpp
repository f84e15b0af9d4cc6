// SPDX-License-Identifier: BSL-1.0
// progress.hpp: how far is the run?
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sluice/channel.hpp>

#include "console.hpp"
#include "tally.hpp"

namespace scavenger {

/// One line: what was done of `expected` entries in the time that has passed, how fast, and how long the rest will take.
std::string progress_line(const counts& numbers, std::optional<std::uint64_t> expected,
                          std::chrono::nanoseconds passed);

/// Shows the line again and again until `finished` is closed: often on a terminal, every two seconds elsewhere.
/// Blocks: for a thread of its own.
void show_progress(console& screen, const tally& numbers, std::optional<std::uint64_t> expected,
                   sluice::channel<bool> finished);

}  // namespace scavenger
