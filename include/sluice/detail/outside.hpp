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
#include <cstdio>
#include <cstring>

#if defined(__linux__)
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
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

/// What the kernel calls this thread; 0: there is no such thing.
inline int this_kernel_thread() noexcept {
#if defined(__linux__)
    return static_cast<int>(::syscall(SYS_gettid));
#else
    return 0;
#endif
}

/// Whether a thread of the process sleeps in the kernel at this moment.
inline bool thread_sleeps([[maybe_unused]] int kernel_thread) noexcept {
#if defined(__linux__)
    char text[256];
    std::snprintf(text, sizeof text, "/proc/self/task/%d/stat", kernel_thread);
    const int file = ::open(text, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    const auto size = ::read(file, text, sizeof text - 1);
    ::close(file);
    if (size <= 0) return false;
    text[size] = 0;
    // "number (name) state ...": the name may hold anything.
    const char* const behind_name = std::strrchr(text, ')');
    return behind_name && behind_name[1] != 0 && (behind_name[2] == 'S' || behind_name[2] == 'D');
#else
    return false;
#endif
}

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
