// SPDX-License-Identifier: BSL-1.0
// retry.hpp: when is a request made again that the store could not serve?
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <sluice/context.hpp>
#include <sluice/select.hpp>
#include <sluice/task.hpp>
#include <sluice/timer.hpp>

#include "backoff.hpp"
#include "store_error.hpp"

namespace scavenger {

/// Makes requests again after transient errors, and counts how often.
///
/// Thread safety: all members from any task.
class retrier {
public:
    retrier(const retry_policy& policy, std::atomic<std::uint64_t>& retried) : policy_(policy), retried_(retried) {}

    /// Awaits `request()` until it succeeds, fails for good, or has failed as often as the policy allows; then its
    /// error is rethrown. When `stop` ends, a waiting request is tried once more at once, and that is final.
    template <class Request>
    auto until_served(sluice::context stop, Request& request) -> decltype(request()) {
        for (unsigned failures = 1;; ++failures) {
            try {
                co_return co_await request();
            } catch (const store_error& error) {
                if (!is_transient(error.kind()) || failures == policy_.attempts || stop.done()) throw;
            }
            const auto pause = backoff(policy_, failures, random());
            (void)co_await sluice::async_select(sluice::on_done(stop), sluice::on_timeout(pause));
            retried_.fetch_add(1, std::memory_order_relaxed);
        }
    }

private:
    std::uint64_t random() {
        // splitmix64 over a shared counter: no lock, and good enough to spread requests.
        auto z = seed_.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    const retry_policy policy_;
    std::atomic<std::uint64_t>& retried_;
    // sluice's clock, so that a simulated run has the same pauses each time.
    std::atomic<std::uint64_t> seed_{static_cast<std::uint64_t>(sluice::clock::now().time_since_epoch().count())};
};

}  // namespace scavenger
