// SPDX-License-Identifier: BSL-1.0
// serving_thread.hpp: how does a thread look from outside while it serves a worker, and which cores may it use?
//
// Threads come and go under a worker (scheduler.hpp, S2), and serve other jobs before and after: so both the name and the
// core hold for the time of the service only. A thread that a pinned one starts would stay on its core, so the threads of
// a runtime with pinned workers begin by taking all cores back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace sluice::detail {

/// The cores that the thread which makes this may use.
class allowed_cores {
public:
    allowed_cores() noexcept {
#if defined(__linux__)
        is_known_ = sched_getaffinity(0, sizeof all_, &all_) == 0 && CPU_COUNT(&all_) > 0;
#endif
    }

    /// The calling thread may use all of them.
    void use_all() const noexcept {
#if defined(__linux__)
        if (is_known_) sched_setaffinity(0, sizeof all_, &all_);
#endif
    }
    /// The calling thread may use the one that is `number` from the first, counted round.
    void use_one([[maybe_unused]] unsigned number) const noexcept {
#if defined(__linux__)
        if (!is_known_) return;
        unsigned skip = number % static_cast<unsigned>(CPU_COUNT(&all_));
        for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
            if (!CPU_ISSET(core, &all_) || skip-- != 0) continue;
            cpu_set_t only;
            CPU_ZERO(&only);
            CPU_SET(core, &only);
            sched_setaffinity(0, sizeof only, &only);
            return;
        }
#endif
    }

private:
#if defined(__linux__)
    cpu_set_t all_;
    bool is_known_ = false;
#endif
};

class serving_thread {
public:
    /// `name/number`, cut to what the system takes; empty: as it is. `pinned_among`: null: on any core.
    serving_thread([[maybe_unused]] const std::string& name, unsigned number,
                   const allowed_cores* pinned_among) noexcept
        : pinned_among_{pinned_among} {
#if defined(__linux__)
        if (!name.empty() && pthread_getname_np(pthread_self(), before_, sizeof before_) == 0) {
            char text[sizeof before_];
            char behind[8];
            const auto length =
                static_cast<std::size_t>(std::snprintf(behind, sizeof behind, "/%u", number % 100'000u));
            const std::size_t kept = std::min(name.size(), sizeof text - 1 - length);
            std::memcpy(text, name.data(), kept);
            std::memcpy(text + kept, behind, length + 1);
            is_named_ = pthread_setname_np(pthread_self(), text) == 0;
        }
#endif
        if (pinned_among_) pinned_among_->use_one(number);
    }
    ~serving_thread() {
#if defined(__linux__)
        if (is_named_) pthread_setname_np(pthread_self(), before_);
#endif
        if (pinned_among_) pinned_among_->use_all();
    }
    serving_thread(const serving_thread&) = delete;
    serving_thread& operator=(const serving_thread&) = delete;

private:
    const allowed_cores* const pinned_among_;
#if defined(__linux__)
    char before_[16];
    bool is_named_ = false;
#endif
};

}  // namespace sluice::detail
