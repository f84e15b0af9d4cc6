// SPDX-License-Identifier: BSL-1.0
// allocations.hpp: how often has this program asked for memory?
//
// Replaces the global operator new and delete, so only one file of a program includes it. ThreadSanitizer brings its
// own and does not let them be replaced; there its hook counts every malloc.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_TEST_COUNTS_BY_HOOK 1
#endif
#endif

namespace sluice_test {

inline constinit std::atomic<long> allocations_made{0};

/// All allocations so far, by all threads.
inline long allocations() noexcept { return allocations_made.load(); }

}  // namespace sluice_test

#ifdef SLUICE_TEST_COUNTS_BY_HOOK

extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                                         void (*free_hook)(const volatile void*));

namespace sluice_test {

inline const int hook_that_counts = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++allocations_made; }, [](const volatile void*) {});

}  // namespace sluice_test

#else

namespace sluice_test {

inline void* counted_allocation(std::size_t size, std::size_t alignment) noexcept {
    ++allocations_made;
    if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size != 0 ? size : 1);
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
inline void* counted_allocation_or_throw(std::size_t size, std::size_t alignment) {
    if (void* const p = counted_allocation(size, alignment)) return p;
    throw std::bad_alloc{};
}

}  // namespace sluice_test

void* operator new(std::size_t n) { return sluice_test::counted_allocation_or_throw(n, 0); }
void* operator new[](std::size_t n) { return sluice_test::counted_allocation_or_throw(n, 0); }
void* operator new(std::size_t n, std::align_val_t a) {
    return sluice_test::counted_allocation_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
    return sluice_test::counted_allocation_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return sluice_test::counted_allocation(n, 0); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return sluice_test::counted_allocation(n, 0); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return sluice_test::counted_allocation(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    return sluice_test::counted_allocation(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

#endif
