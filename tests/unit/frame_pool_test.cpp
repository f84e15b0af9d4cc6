// SPDX-License-Identifier: BSL-1.0
// frame_pool_test.cpp: is a block in one place only, of the right size, and free for all threads?

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/detail/frame_pool.hpp>

namespace {

using sluice::detail::frame_pool;

struct block {
    void* at;
    std::size_t size;
    unsigned char mark;
};

block make_block(std::size_t size, unsigned char mark) {
    void* const p = frame_pool::allocate(size);
    std::memset(p, mark, size);
    return {p, size, mark};
}
// Whether it still holds what its owner wrote; frees it.
bool free_block_of(const block& b) {
    const auto* const bytes = static_cast<const unsigned char*>(b.at);
    const bool intact = std::all_of(bytes, bytes + b.size, [&](unsigned char c) { return c == b.mark; });
    frame_pool::deallocate(b.at, b.size);
    return intact;
}

TEST(FramePool, GivesAlignedBlocksOfEverySize) {
    std::vector<block> all;
    for (std::size_t size = 1; size <= 1'100; ++size) {
        all.push_back(make_block(size, static_cast<unsigned char>(size)));
        // As strict as that of any type of this size.
        const std::size_t alignment = (size - 1) % 16 < 8 ? 8 : __STDCPP_DEFAULT_NEW_ALIGNMENT__;
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all.back().at) % alignment, 0u);
    }
    for (const auto& b : all) EXPECT_TRUE(free_block_of(b));
}

// F1
TEST(FramePool, GivesNoBlockTwice) {
    std::vector<void*> all;
    for (int i = 0; i < 10'000; ++i) all.push_back(frame_pool::allocate(96));
    EXPECT_EQ(std::set<void*>(all.begin(), all.end()).size(), all.size());
    for (void* p : all) frame_pool::deallocate(p, 96);
}

#if !SLUICE_ASAN
TEST(FramePool, GivesAFreedBlockAgain) {
    void* const first = frame_pool::allocate(200);
    frame_pool::deallocate(first, 200);
    void* const second = frame_pool::allocate(200);
    EXPECT_EQ(first, second);
    frame_pool::deallocate(second, 200);
}

// F2: a thread that only frees hands its surplus back, so memory does not grow with the traffic.
TEST(FramePool, ReusesBlocksThatAnotherThreadFreed) {
    std::set<void*> seen;
    for (int round = 0; round < 50; ++round) {
        std::vector<void*> batch;
        for (int i = 0; i < 1'000; ++i) batch.push_back(frame_pool::allocate(320));
        seen.insert(batch.begin(), batch.end());
        std::jthread{[&] {
            for (void* p : batch) frame_pool::deallocate(p, 320);
        }}.join();
    }
    EXPECT_LT(seen.size(), 2'000u) << "50,000 would be all";
}
#endif

TEST(FramePool, TakesBlocksBackOnAnyThread) {
    std::vector<std::vector<block>> made(3);
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < made.size(); ++t)
            threads.emplace_back([&made, t] {
                for (std::size_t i = 0; i < 2'000; ++i)
                    made[t].push_back(make_block(16 + (i * 37 + t) % 1'000, static_cast<unsigned char>(i + t)));
            });
    }
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < made.size(); ++t)
            threads.emplace_back([&made, t] {
                for (const auto& b : made[(t + 1) % made.size()]) EXPECT_TRUE(free_block_of(b));
            });
    }
}

TEST(FramePool, MixesTakingAndGivingOnManyThreads) {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([t] {
            std::vector<block> mine;
            unsigned random = t * 2654435761u + 1;
            for (int i = 0; i < 20'000; ++i) {
                random = random * 1664525u + 1013904223u;
                if (mine.size() < 500 && (random >> 16) % 2) {
                    mine.push_back(make_block(1 + (random >> 8) % 1'200, static_cast<unsigned char>(random >> 24)));
                } else if (!mine.empty()) {
                    std::swap(mine[(random >> 8) % mine.size()], mine.back());
                    ASSERT_TRUE(free_block_of(mine.back()));
                    mine.pop_back();
                }
            }
            for (const auto& b : mine) EXPECT_TRUE(free_block_of(b));
        });
}

// A frame that is freed by another thread-local's destructor, after the thread's own cache has closed.
TEST(FramePool, TakesBlocksBackWhileAThreadEnds) {
    struct late {
        void* kept = nullptr;
        ~late() {
            if (!kept) return;
            frame_pool::deallocate(kept, 64);
            void* const again = frame_pool::allocate(64);
            frame_pool::deallocate(again, 64);
        }
    };
    for (int i = 0; i < 20; ++i) {
        std::jthread{[] {
            static thread_local late l;  // made before the pool's own thread-local, so destroyed after it
            l.kept = nullptr;
            l.kept = frame_pool::allocate(64);
        }}.join();
    }
}

}  // namespace
