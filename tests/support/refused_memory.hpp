// SPDX-License-Identifier: BSL-1.0
// refused_memory.hpp: what if the system has no memory just now?
//
// To be included by one file of a program, whose new and delete it replaces. ThreadSanitizer does not let them be
// replaced: tests that refuse memory skip themselves there.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace sluice_test {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TEST_CANNOT_REFUSE_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SLUICE_TEST_CANNOT_REFUSE_MEMORY 1
#endif
#if defined(SLUICE_TEST_CANNOT_REFUSE_MEMORY)
inline constexpr bool can_refuse_memory = false;
#else
inline constexpr bool can_refuse_memory = true;
#endif

inline constinit thread_local bool refuses_memory = false;
inline constinit thread_local long refusals = 0;

/// Of this thread, from now on. Not inlined: a coroutine may go on in another thread.
[[gnu::noinline]] inline void refuse_memory(bool on) { refuses_memory = on; }
[[gnu::noinline]] inline bool memory_is_refused() noexcept { return refuses_memory && ++refusals > 0; }
/// How often this thread was refused memory.
[[gnu::noinline]] inline long refusals_so_far() { return refusals; }

}  // namespace sluice_test

#if !defined(SLUICE_TEST_CANNOT_REFUSE_MEMORY)

// Not inlined: g++ would take the free() in one for a mismatch with the other.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return sluice_test::memory_is_refused() ? nullptr : std::malloc(size != 0 ? size : 1);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (void* const p = operator new(size, std::nothrow)) return p;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
    const auto alignment = static_cast<std::size_t>(a);
    if (sluice_test::memory_is_refused()) return nullptr;
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t a) {
    if (void* const p = operator new(size, a, std::nothrow)) return p;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

#endif
