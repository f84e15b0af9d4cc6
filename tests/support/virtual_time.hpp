// SPDX-License-Identifier: BSL-1.0
// virtual_time.hpp: how does a test wait for hours?
#pragma once

#include <utility>

#include <sluice/testing.hpp>

namespace sluice_test {

/// Runs `f`, a coroutine or a function that waits by the blocking forms, on a virtual clock, and gives its result.
template <class F>
auto in_virtual_time(F&& f) {
    auto run = sluice::testing::simulate({}, std::forward<F>(f));
    return run.value();
}

}  // namespace sluice_test
