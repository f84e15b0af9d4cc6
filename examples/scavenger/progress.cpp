// SPDX-License-Identifier: BSL-1.0
#include "progress.hpp"

#include <fmt/format.h>

#include "duration.hpp"
#include "summary.hpp"

namespace scavenger {

using namespace std::chrono_literals;

std::string progress_line(const counts& numbers, std::optional<std::uint64_t> expected,
                          std::chrono::nanoseconds passed) {
    const auto settled = numbers.not_completed() + numbers.judged();
    const double rate = static_cast<double>(settled) / std::chrono::duration<double>(passed).count();
    auto line =
        fmt::format("scanned {}  deleted {}  in flight {}  {} items/s", grouped(numbers.scanned),
                    grouped(numbers.deleted), grouped(numbers.in_flight), grouped(static_cast<std::uint64_t>(rate)));
    if (expected && *expected > settled && rate > 0) {
        const double percent = 100.0 * static_cast<double>(settled) / static_cast<double>(*expected);
        const std::chrono::duration<double> left{static_cast<double>(*expected - settled) / rate};
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(left);
        const auto time = seconds < 1min ? fmt::format("{} s", seconds.count()) : format_duration(seconds);
        line += fmt::format("  {:.0f} %, {} left", percent, time);
    }
    return line;
}

void show_progress(console& screen, const tally& numbers, std::optional<std::uint64_t> expected,
                   sluice::channel<bool> finished) {
    const auto begin = std::chrono::steady_clock::now();
    const auto period = screen.is_terminal() ? 100ms : 2000ms;
    while (finished.receive_for(period) == sluice::status::timed_out)
        screen.status(progress_line(numbers.now(), expected, std::chrono::steady_clock::now() - begin));
    screen.clear_status();
}

}  // namespace scavenger
