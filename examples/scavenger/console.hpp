// SPDX-License-Identifier: BSL-1.0
// console.hpp: how do a progress line and messages share one terminal?
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace scavenger {

/// Standard error, as a person or a log file reads it.
///
/// Thread safety: all members from any thread.
class console {
public:
    console();

    bool is_terminal() const { return is_terminal_; }

    /// Prints a line that stays.
    void note(std::string_view line);

    /// Shows `line` in place of the status before it; an ordinary line when this is no terminal.
    void status(std::string_view line);

    /// Takes the status away.
    void clear_status();

private:
    void erase_status();
    static void write(std::string_view text);

    const bool is_terminal_;
    std::mutex mutex_;  // guards the terminal's last line and what follows
    std::string status_;
};

}  // namespace scavenger
