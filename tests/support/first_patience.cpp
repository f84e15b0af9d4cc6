// SPDX-License-Identifier: BSL-1.0
// first_patience.cpp: does a channel behave the same once its lock has a favourite?
//
// That takes thousands of operations, more than a test makes. With SLUICE_TEST_PATIENCE=0 in the environment every lock
// has a favourite from its first release on, and whoever else comes takes that away.

#include <cstdlib>

#include <sluice/detail/biased_lock.hpp>

namespace {

[[maybe_unused]] const bool is_set = [] {
    const char* const value = std::getenv("SLUICE_TEST_PATIENCE");
    if (value) sluice::detail::first_patience = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
    return value != nullptr;
}();

}  // namespace
