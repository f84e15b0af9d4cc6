// SPDX-License-Identifier: BSL-1.0
#include "checkpointer.hpp"

namespace scavenger {
namespace {

constexpr int helper_cache_kib = 64;
constexpr int step = 1000;          // pages of log between two checkpoints, as SQLite has it by default
constexpr int too_long = 8 * step;  // 32 MiB of usual pages

}  // namespace

checkpointer::checkpointer(const std::string& file, database& writer)
    : writer_(writer), helper_(file, open_mode::must_exist, helper_cache_kib) {
    writer_.take_over_checkpoints();
    thread_ = std::thread{[this, due = due_] {
        while (due.receive()) {
            const std::scoped_lock lock{carrying_};
            helper_.checkpoint();
        }
    }};
}

checkpointer::~checkpointer() {
    due_.close();
    thread_.join();
}

void checkpointer::committed() {
    const int length = writer_.log_length();
    if (length < asked_at_) asked_at_ = helped_at_ = 0;  // the log began anew
    if (length >= too_long && length - helped_at_ >= step) {
        helped_at_ = length;
        const std::scoped_lock lock{carrying_};  // the helper has carried most of it when it is done
        writer_.checkpoint();
    } else if (length - asked_at_ >= step && due_.try_send(true)) {
        asked_at_ = length;
    }
}

}  // namespace scavenger
