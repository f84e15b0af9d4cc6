// SPDX-License-Identifier: BSL-1.0
// platform.hpp: what do we ask of the compiler and the machine?
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_ASAN 1
#endif
#endif
#ifndef SLUICE_ASAN
#define SLUICE_ASAN 0
#endif

// Out of line on purpose: slow paths, and reads of thread-local words that must not be cached across a suspension
// (a coroutine may go on in another thread).
#if defined(__GNUC__) || defined(__clang__)
#define SLUICE_NOINLINE [[gnu::noinline]]
#elif defined(_MSC_VER)
#define SLUICE_NOINLINE __declspec(noinline)
#else
#define SLUICE_NOINLINE
#endif

// For the few functions that every operation passes through, where the compiler's own limits cost a third of the time.
#if defined(__GNUC__) || defined(__clang__)
#define SLUICE_ALWAYS_INLINE [[gnu::always_inline]] inline
#elif defined(_MSC_VER)
#define SLUICE_ALWAYS_INLINE __forceinline
#else
#define SLUICE_ALWAYS_INLINE inline
#endif

#if defined(__clang__)
#define SLUICE_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define SLUICE_LIFETIMEBOUND
#endif

// g++ emits each coroutine that is no template, used or not, with all that it calls: into every program that includes it.
// Before such a coroutine and before its callers that are no templates.
#define SLUICE_ONLY_IF_USED template <class = void>

namespace sluice::detail {

/// Words written by different cores stand this far apart.
inline constexpr std::size_t cache_line = 64;

/// Asks for the cache line of `p`, which need not be memory, before it is written.
inline void prefetch([[maybe_unused]] const void* p) noexcept {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(p, 1);
#endif
}

/// Tells the core that we wait for another core's store.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    asm volatile("yield");
#endif
}

}  // namespace sluice::detail
