// SPDX-License-Identifier: BSL-1.0
// sanitized.hpp: how many are many, when a sanitizer makes each step many times as long?
#pragma once

namespace sluice_test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif
#else
inline constexpr bool is_sanitized = false;
#endif

/// `n`, or a tenth of it with a sanitizer.
constexpr int many(int n) noexcept { return is_sanitized ? n / 10 : n; }

}  // namespace sluice_test
