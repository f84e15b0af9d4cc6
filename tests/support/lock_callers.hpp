// SPDX-License-Identifier: BSL-1.0
// lock_callers.hpp: how do a thread and a task hold a lock until they are told to let go?
#pragma once

#include <atomic>
#include <utility>

#include <sluice/context.hpp>
#include <sluice/mutex.hpp>
#include <sluice/timer.hpp>

#include "callers.hpp"
#include "eventually.hpp"

namespace sluice_test {

/// Who is inside, in which order they came, and may they go?
struct inside {
    std::atomic<int> count{0};
    std::atomic<int> last{-1};
    std::atomic<bool> may_leave{false};

    void enter(int number) {
        last = number;
        ++count;
    }
};

/// Takes the mutex, says so, and lets go at once or when `in->may_leave` is set. False: `until` ended first.
template <class Callers, class Mutex>
auto start_locking(Callers& by, Mutex& m, inside& in, int number = 0, sluice::context until = {}) {
    return by.start(
        [](Mutex* of, inside* i, int n, sluice::context u) {
            if (!of->lock(u)) return false;
            i->enter(n);
            eventually([&] { return i->may_leave.load(); });
            of->unlock();
            return true;
        },
        [](Mutex* of, inside* i, int n, sluice::context u) -> sluice::task<bool> {
            const auto guard = co_await of->async_lock(u);
            if (!guard) co_return false;
            i->enter(n);
            while (!i->may_leave) co_await sluice::sleep_for(std::chrono::microseconds{50});
            co_return true;
        },
        &m, &in, number, std::move(until));
}

}  // namespace sluice_test
