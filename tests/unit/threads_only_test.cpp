// SPDX-License-Identifier: BSL-1.0
// threads_only_test.cpp: does a program of plain threads get by without any thread of ours?
//
// No test of this executable starts a runtime, a task or a context with a deadline.

#include <sluice/sluice.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "../support/eventually.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::status;
using namespace sluice_test;
using namespace std::chrono_literals;

std::ptrdiff_t threads_of_this_process() {
    const std::filesystem::directory_iterator each{"/proc/self/task"};
    return std::distance(begin(each), end(each));
}

/// The main thread; ThreadSanitizer has one more of its own, from the first thread on.
std::ptrdiff_t threads_without_ours() {
    std::thread{[] {}}.join();
#if defined(__SANITIZE_THREAD__)
    return 2;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return 2;
#endif
#endif
    return 1;
}

class ThreadsOnly : public testing::Test {
protected:
    void SetUp() override {
        if (!std::filesystem::exists("/proc/self/task")) GTEST_SKIP() << "counts threads by /proc";
    }
    /// A thread that has been joined may be listed a moment longer.
    void expect_no_more_than(std::ptrdiff_t of_the_test) const {
        eventually([&] { return threads_of_this_process() <= alone + of_the_test; });
    }

    const std::ptrdiff_t alone = threads_without_ours();
};

// MX-10
TEST_F(ThreadsOnly, ChannelsNeedNoOtherThread) {
    for (const std::size_t capacity : {0u, 1u, 8u}) {
        auto [in, out] = sluice::make_channel<int>(capacity);
        std::jthread sending{[&s = in] {
            for (int i = 0; i < 100; ++i) ASSERT_TRUE(s.send(i));
            s = {};
        }};
        for (int i = 0; i < 100; ++i) ASSERT_EQ(*out.receive(), i);
        EXPECT_EQ(out.receive().why(), status::closed);
        expect_no_more_than(1);
    }
}

// MX-10, TI-09: a time of a wait is the deadline of its park.
TEST_F(ThreadsOnly, TimesAndStopsNeedNoOtherThread) {
    const channel<int> never{0};
    const auto source = sluice::with_cancel({});
    std::stop_source stop;
    EXPECT_EQ(never.receive_for(1ms).why(), status::timed_out);
    EXPECT_EQ(never.send_for(1, 1ms).why(), status::timed_out);
    expect_no_more_than(0);
    {
        std::jthread stopping{[&] {
            source.cancel();
            stop.request_stop();
        }};
        EXPECT_EQ(never.receive(source.get()).why(), status::canceled);
        EXPECT_EQ(never.send(1, stop.get_token()).why(), status::canceled);
        expect_no_more_than(1);
    }
}

// MX-10
TEST_F(ThreadsOnly, SelectsNeedNoOtherThread) {
    const channel<int> a{0};
    const channel<int> b{1};
    std::stop_source stop;
    int sum = 0;
    {
        std::jthread sending{[&] {
            for (int i = 0; i < 100; ++i) sluice::select(on_send(a, 1), on_send(b, 1), sluice::on_timeout(1h));
        }};
        for (int i = 0; i < 100; ++i)
            sluice::select(on_receive(a, [&](sluice::received<int> v) { sum += *v; }),
                           on_receive(b, [&](sluice::received<int> v) { sum += *v; }),
                           sluice::on_done(stop.get_token()));
        expect_no_more_than(1);
    }
    EXPECT_EQ(sum, 100);
    EXPECT_EQ(sluice::select(on_receive(a), sluice::on_timeout(1ms), sluice::on_done(stop.get_token())), 1u);
    expect_no_more_than(0);
}

// CX-19, MX-10
TEST_F(ThreadsOnly, ContextsNeedNoOtherThreadToFollowATokenOrTwoParents) {
    std::stop_source stop;
    const auto source = sluice::with_cancel({});
    std::vector<sluice::context_source> all;
    for (int i = 0; i < 100; ++i) all.push_back(sluice::any_of(source, sluice::context::from(stop.get_token())));
    expect_no_more_than(0);
    stop.request_stop();
    for (const auto& s : all) EXPECT_TRUE(s.get().done());
    expect_no_more_than(0);
}

// MX-10
TEST_F(ThreadsOnly, GroupsAndPermitsNeedNoOtherThread) {
    sluice::wait_group group;
    sluice::semaphore permits{1};
    group.add(2);
    {
        std::vector<std::jthread> both;
        for (int i = 0; i < 2; ++i)
            both.emplace_back([&] {
                const auto permit = permits.hold();
                group.done();
            });
        group.wait();
        expect_no_more_than(2);
    }
    EXPECT_EQ(permits.available(), 1u);
    EXPECT_TRUE(permits.try_acquire());
    EXPECT_FALSE(permits.acquire_for(1, 1ms));
    permits.release();
    expect_no_more_than(0);
}

// MX-10
TEST_F(ThreadsOnly, LocksAndConditionsNeedNoOtherThread) {
    sluice::mutex m;
    sluice::shared_mutex shared;
    sluice::condition filled;
    sluice::once once;
    int value = 0;
    {
        std::vector<std::jthread> both;
        for (int i = 0; i < 2; ++i)
            both.emplace_back([&] {
                {
                    const std::shared_lock reading{shared};
                    once.call([&] { value = 1; });
                }
                std::unique_lock guard{m};
                filled.wait(guard, [&] { return value == 2; });
            });
        {
            const std::lock_guard writing{shared};
            once.call([&] { value = 1; });
        }
        {
            const std::lock_guard guard{m};
            value = 2;
        }
        filled.notify_all();
        expect_no_more_than(2);
    }
    std::unique_lock guard{m};
    EXPECT_FALSE(filled.wait_for(guard, 1ms, [] { return false; }));
    expect_no_more_than(0);
}

}  // namespace
