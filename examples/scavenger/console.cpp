// SPDX-License-Identifier: BSL-1.0
#include "console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

namespace scavenger {
namespace {

/// What fits into one row: a line that wraps could not be erased.
std::string_view shortened(std::string_view line) {
    winsize size{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    return known ? line.substr(0, size.ws_col - 1U) : line;
}

}  // namespace

console::console() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

void console::note(std::string_view line) {
    const std::scoped_lock lock{mutex_};
    const auto status = status_;
    erase_status();
    write(fmt::format("{}\n{}", line, status));
    status_ = status;
}

void console::status(std::string_view line) {
    const std::scoped_lock lock{mutex_};
    if (!is_terminal_) return write(fmt::format("{}\n", line));
    erase_status();
    status_ = shortened(line);
    write(status_);
}

void console::clear_status() {
    const std::scoped_lock lock{mutex_};
    erase_status();
}

void console::erase_status() {
    if (!status_.empty()) write("\r\x1b[K");
    status_.clear();
}

void console::write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

}  // namespace scavenger
