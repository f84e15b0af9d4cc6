// SPDX-License-Identifier: BSL-1.0
// awaited_temporaries.hpp: which temporaries does this compiler destroy twice?
//
// g++ 12 destroys a closure temporary that stands inside an awaited expression twice. Functions that are made to be
// awaited refuse such closures there, with a message that says how to write it.
#pragma once

#include <type_traits>

namespace sluice::detail {

#if defined(__GNUC__) && !defined(__clang__)
inline constexpr bool destroys_awaited_temporaries_twice = true;
#else
inline constexpr bool destroys_awaited_temporaries_twice = false;
#endif

/// `F&&` is an lvalue, or nothing happens when it is destroyed twice.
template <class F>
inline constexpr bool safe_in_await = !destroys_awaited_temporaries_twice || std::is_lvalue_reference_v<F> ||
                                      std::is_trivially_destructible_v<std::remove_reference_t<F>>;

}  // namespace sluice::detail

#define SLUICE_NAME_THE_CLOSURE_FIRST                                                                                  \
    "g++ destroys this temporary callable twice in an awaited expression: name it first, then pass the name "          \
    "(auto f = [x] {...}; co_await blocking(f);)"
