// SPDX-License-Identifier: BSL-1.0
// call_site.hpp: where does a call stand, told in a word?
//
// The default argument of what is awaited. As a class, like `std::source_location`, it would be a temporary of the awaited
// expression, and g++ keeps each of those in the coroutine's frame; a scalar needs no room there.
#pragma once

#include <bit>
#include <cstdint>
#include <source_location>

namespace sluice::detail {

enum class call_site : std::uintptr_t {};

/// As a default argument: the place of the call.
inline call_site called_here(decltype(__builtin_source_location()) at = __builtin_source_location()) noexcept {
    return call_site{reinterpret_cast<std::uintptr_t>(at)};
}

inline std::source_location place_of(call_site at) noexcept { return std::bit_cast<std::source_location>(at); }

}  // namespace sluice::detail
