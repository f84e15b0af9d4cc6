// SPDX-License-Identifier: BSL-1.0
// futex.hpp: how does a thread sleep on a 32-bit word?
//
// `futex_wait` sleeps while the word has the expected value, until a `futex_wake`, a deadline, or for no reason at
// all: callers look at the word again. `futex_wake` uses the word's address only, never its value, so it may be
// called after the word's owner has gone on and given the word to somebody else: at worst a sleeper wakes for nothing.
// Linux has the system call; elsewhere a fixed table of mutexes and condition variables serves, by address.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#else
#include <condition_variable>
#include <mutex>
#endif

namespace sluice::detail {

using time_point = std::chrono::steady_clock::time_point;

inline constexpr time_point no_deadline = time_point::max();

#if defined(__linux__)

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline = no_deadline) noexcept {
    ::timespec at{};
    ::timespec* until = nullptr;
    if (deadline != no_deadline) {
        // std::chrono::steady_clock is CLOCK_MONOTONIC in libstdc++ and libc++, which FUTEX_WAIT_BITSET uses.
        const auto since = deadline.time_since_epoch();
        const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
        at.tv_sec = static_cast<std::time_t>(seconds.count());
        at.tv_nsec = static_cast<long>(std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count());
        if (at.tv_sec < 0) return;
        until = &at;
    }
    ::syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
              expected, until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

inline void futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
    ::syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr,
              nullptr, 0);
}

#else

struct futex_bucket {
    std::mutex mutex;
    std::condition_variable changed;
};

inline futex_bucket& futex_bucket_of(const void* address) noexcept {
    static auto* const table = new futex_bucket[64];  // immortal: threads may sleep while statics are destroyed
    return table[(reinterpret_cast<std::uintptr_t>(address) >> 4) % 64];
}

inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline = no_deadline) noexcept {
    auto& bucket = futex_bucket_of(&word);
    std::unique_lock hold{bucket.mutex};
    // seq_cst: the waker changed the word before it took the bucket's mutex, so one of the two sees the other.
    if (word.load(std::memory_order_seq_cst) != expected) return;
    if (deadline == no_deadline) bucket.changed.wait(hold);
    else bucket.changed.wait_until(hold, deadline);
}

inline void futex_wake(const std::atomic<std::uint32_t>& word, int) noexcept {
    auto& bucket = futex_bucket_of(&word);
    { const std::lock_guard hold{bucket.mutex}; }
    bucket.changed.notify_all();
}

#endif

}  // namespace sluice::detail
