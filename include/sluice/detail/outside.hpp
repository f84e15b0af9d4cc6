// SPDX-License-Identifier: BSL-1.0
// outside.hpp: is there anybody but the tasks of a run who could wake one of them?
//
// When all tasks of a run wait, only these are left:
//   timers, which the runtime knows of;
//   threads of the process that are neither ours nor the caller of the run: they may hold a channel or a stop source;
//   other runtimes with tasks that live;
//   what somebody has declared: an external_work guard, a signal that a context waits for.
// L1  A thread of ours counts itself while it runs our code. It exists for moments before and after that, as a thread
//     of somebody else, so whoever finds such threads asks again later.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__linux__)
#include <sys/stat.h>
#endif

namespace sluice::detail {

#if defined(__SANITIZE_THREAD__)
#define SLUICE_HAS_SANITIZER_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_HAS_SANITIZER_THREAD 1
#endif
#endif

inline constinit std::atomic<std::uint32_t> declared_life{0};
inline constinit std::atomic<std::uint32_t> our_threads{0};

/// While one lives, somebody outside may wake any task.
class life {
public:
    life() noexcept { declared_life.fetch_add(1, std::memory_order_seq_cst); }
    life(const life&) = delete;
    life& operator=(const life&) = delete;
    ~life() { declared_life.fetch_sub(1, std::memory_order_seq_cst); }
};

/// L1: a variable of the thread's function.
class our_thread {
public:
    our_thread() noexcept { our_threads.fetch_add(1, std::memory_order_seq_cst); }
    our_thread(const our_thread&) = delete;
    our_thread& operator=(const our_thread&) = delete;
    ~our_thread() { our_threads.fetch_sub(1, std::memory_order_seq_cst); }
};

/// Whether there may be threads besides ours and `callers` more.
inline bool may_have_other_threads(std::uint32_t callers) noexcept {
#if defined(__linux__)
#if defined(SLUICE_HAS_SANITIZER_THREAD)
    ++callers;  // its own
#endif
    // Read first: a thread of ours that begins now counts as another's then.
    const std::uint32_t ours = our_threads.load(std::memory_order_seq_cst);
    struct stat tasks{};
    if (::stat("/proc/self/task", &tasks) != 0) return true;
    return tasks.st_nlink != 2 + ours + callers;  // "." and "..", and a directory for each thread
#else
    static_cast<void>(callers);
    return true;
#endif
}

}  // namespace sluice::detail
