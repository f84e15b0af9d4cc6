// SPDX-License-Identifier: BSL-1.0
// eventually.hpp: how does a test wait for a fact?
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <source_location>
#include <thread>

namespace sluice_test {

/// The one limit against hanging. A correct library never comes near it, however slow the machine.
inline constexpr std::chrono::seconds patience{20};

/// Waits until `holds()` is true, which tells whether it came true at all: if not, the test has failed. Blocks the thread.
template <class Predicate>
bool eventually(Predicate holds, std::source_location at = std::source_location::current()) {
    const auto limit = std::chrono::steady_clock::now() + patience;
    for (unsigned tries = 0; !holds(); ++tries) {
        if (std::chrono::steady_clock::now() > limit) {
            ADD_FAILURE_AT(at.file_name(), static_cast<int>(at.line())) << "this has not come true";
            return false;
        }
        if (tries < 200) std::this_thread::yield();
        else std::this_thread::sleep_for(std::chrono::microseconds{100});
    }
    return true;
}

}  // namespace sluice_test
