// SPDX-License-Identifier: BSL-1.0
// table_command.hpp: what is gained by more readers and deleters?
#pragma once

#include "settings.hpp"

namespace scavenger {

/// Runs the seven settings, each in a process of its own over a copy of the same data, and prints a line for each:
/// time, speed-up over 1/1, peak memory. Returns the exit code.
int table_command(const table_settings& asked);

}  // namespace scavenger
