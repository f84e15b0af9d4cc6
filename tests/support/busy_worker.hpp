// SPDX-License-Identifier: BSL-1.0
// busy_worker.hpp: how does a test keep woken tasks from running?
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include <sluice/runtime.hpp>

#include "eventually.hpp"
#include "workers.hpp"

namespace sluice_test {

/// A runtime with one worker that the test can occupy: tasks that are woken meanwhile go on only after `free_worker`.
class busy_worker {
public:
    busy_worker() : runtime_{workers(1)} {}
    ~busy_worker() { free_worker(); }

    sluice::runtime& runtime() noexcept { return runtime_; }

    /// From now on no task runs.
    void occupy() {
        const auto occupied = std::make_shared<std::atomic<bool>>(false);
        free_ = std::make_shared<std::atomic<bool>>(false);
        runtime_.go(spin, occupied, free_);
        eventually([&] { return occupied->load(); });
    }
    void free_worker() {
        if (free_) free_->store(true);
    }

private:
    using flag = std::shared_ptr<std::atomic<bool>>;
    static sluice::task<> spin(flag occupied, flag free) {
        occupied->store(true);
        while (!free->load()) std::this_thread::yield();
        co_return;
    }

    flag free_;
    sluice::runtime runtime_;
};

}  // namespace sluice_test
