// SPDX-License-Identifier: BSL-1.0
// asymmetric.hpp: how does a frequent "store, then look" stay ordered against a rare one, at the cost of the rare side?
//
//   often:   announce(mine, x);                  look at yours
//   rarely:  yours.store(y, seq_cst);            heavy_barrier();   look at mine
//
// At least one of the two sees the other (store buffering). Usually both sides pay a full barrier, about 20 cycles each.
// Where the system offers it, the rare side asks it to pass a full barrier through every running thread of the process,
// and the frequent side is left with a plain store that the compiler may not move.
// A1  Both looks are seq_cst loads, so that the pair is right by itself where there is no such call.
// A2  A frequent side that came before the barrier has its store seen by the rare side; one that comes after it sees
//     the rare side's store.
// A3  `has_process_barrier` only ever goes from false to true, and the rare side always makes the call.
// The cost of heavy_barrier(): 0.3 to 10 us, since it interrupts the other cores.
#pragma once

#include <atomic>

#include "platform.hpp"

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace sluice::detail {

inline constinit std::atomic<bool> has_process_barrier{false};

#if defined(__linux__)

/// Every thread of this process passes a full barrier before it returns.
inline void heavy_barrier() noexcept {
    if (::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) return;
    // Refused for lack of memory: the slow form needs none.
    if (has_process_barrier.load(std::memory_order_relaxed)) ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

inline const bool process_barrier_registered = [] {
    const bool done = ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    has_process_barrier.store(done, std::memory_order_relaxed);
    return done;
}();

#else

inline void heavy_barrier() noexcept {}

#endif

/// The frequent side's store: it comes before the seq_cst loads that follow it, as seen by a rare side.
template <class T>
SLUICE_ALWAYS_INLINE void announce(std::atomic<T>& word, T value) noexcept {
    if (has_process_barrier.load(std::memory_order_relaxed)) {
        // release: publishes what came before; A2 orders it before the looks that follow.
        word.store(value, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
        word.store(value, std::memory_order_seq_cst);  // A1
    }
}

}  // namespace sluice::detail
