// SPDX-License-Identifier: BSL-1.0
// run_command.hpp: what does `scavenger run` do?
#pragma once

#include "console.hpp"
#include "scavenge.hpp"
#include "settings.hpp"
#include "summary.hpp"

namespace scavenger {

/// Scavenges one table with progress on `screen`, until done, the deadline, SIGINT or SIGTERM.
/// Throws `store_error` if the table cannot be opened.
summary run_once(const run_settings& asked, console& screen, observer& witness);

/// Runs and prints the summary to standard output. Returns the exit code.
int run_command(const run_settings& asked);

}  // namespace scavenger
