// SPDX-License-Identifier: BSL-1.0
// counted_allocations.hpp: how often does a thread ask for memory?
//
// To be included by one file of a program, whose new and delete it replaces. Sanitizers do not let them be replaced,
// and tell by a hook. Over-aligned blocks are not counted.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace sluice_test {

inline constinit thread_local long allocations_of_this_thread = 0;

/// How often this thread has asked for memory. Not inlined: a coroutine may go on in another thread.
[[gnu::noinline]] inline long allocations() { return allocations_of_this_thread; }

}  // namespace sluice_test

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_TEST_SANITIZED
#endif
#endif

#if defined(SLUICE_TEST_SANITIZED)

extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, std::size_t),
                                                         void (*on_free)(const volatile void*));
namespace sluice_test {
inline const int counts_by_hook = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++allocations_of_this_thread; }, [](const volatile void*) {});
}  // namespace sluice_test

#else

// Not inlined: g++ would take the free() in one for a mismatch with the other.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++sluice_test::allocations_of_this_thread;
    if (void* const p = std::malloc(size)) return p;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

#endif
