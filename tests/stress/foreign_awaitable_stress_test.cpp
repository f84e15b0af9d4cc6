// SPDX-License-Identifier: BSL-1.0
// foreign_awaitable_stress_test.cpp: does every task that awaits another library go on once, whoever completes it when?

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <sluice/runtime.hpp>

#include "../support/counted.hpp"
#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::task;
using sluice_test::stress_time;

/// Another library's threads: they resume what is given to them. It ends with all that was given.
class resumers {
public:
    explicit resumers(int threads) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    }
    ~resumers() {
        {
            const std::lock_guard guard{mutex_};
            ending_ = true;
        }
        changed_.notify_all();
    }
    void add(std::coroutine_handle<> h) {
        {
            const std::lock_guard guard{mutex_};
            waiting_.push_back(h);
        }
        changed_.notify_one();
    }

private:
    void work() {
        std::unique_lock guard{mutex_};
        for (;;) {
            changed_.wait(guard, [&] { return ending_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            const auto h = waiting_.back();
            waiting_.pop_back();
            guard.unlock();
            h.resume();
            guard.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::coroutine_handle<>> waiting_;
    bool ending_ = false;
    std::vector<std::jthread> threads_;
};

class elsewhere {
public:
    explicit elsewhere(resumers& by) noexcept : by_{by} {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const { by_.add(h); }
    int await_resume() const noexcept { return value_.value(); }

private:
    resumers& by_;
    sluice_test::counted<resumers> value_{1};
};

task<> hop(resumers& by, std::atomic<int>& hops, std::atomic<int>& ended) {
    struct at_end {
        std::atomic<int>& n;
        ~at_end() { ++n; }
    } const tells{ended};
    for (int i = 0; i < 20; ++i) {
        hops += co_await elsewhere{by};
        if (i % 3 == 0) co_await sluice::yield();
    }
}

// T51: the task may have ended before await_suspend has returned.
TEST(ForeignAwaitableStress, TasksThatHopBetweenLibrariesEndOnceThoughTheyAreCancelled) {
    sluice_test::random_numbers random{1};
    for (const stress_time time; time.goes_on();) {
        constexpr int many = 20;
        resumers by{2};
        std::atomic<int> hops{0};
        std::atomic<int> ended{0};
        bool any_canceled = false;
        {
            sluice::runtime rt{sluice_test::workers(2)};
            std::vector<sluice::join_handle<void>> all;
            for (int i = 0; i < many; ++i) all.push_back(rt.go(hop, std::ref(by), std::ref(hops), std::ref(ended)));
            for (auto& h : all)
                if (random.below(4) == 0) {
                    h.cancel();
                    any_canceled = true;
                }
            for (auto& h : all) try {
                    h.get();
                } catch (const sluice::canceled&) {}
        }
        ASSERT_LE(ended, many);  // one that was cancelled early has not begun
        ASSERT_TRUE(any_canceled || hops == many * 20);
    }
    EXPECT_EQ(sluice_test::counted<resumers>::live(), 0);
}

}  // namespace
