// SPDX-License-Identifier: BSL-1.0
// frame_pool.hpp: where do coroutine frames and other small, short-lived blocks come from?
//
// Size classes of 8 bytes, from 32 bytes to 1 KiB. What has a size of 8 bytes and a multiple of 16 needs no more than an
// alignment of 8, so it gets no more. Each thread keeps two chains of free blocks a class: it takes from and gives
// to the first, swaps with the second, and trades whole batches with the shared depot. So a block may be freed by any
// thread, a thread that only frees hands its surplus back, and the depot's lock is taken once a batch.
// F1  A block is in exactly one chain or in use. F2  A chain holds at most batch_size(class) blocks.
// Blocks above 1 KiB, and all blocks under AddressSanitizer, are plain heap blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "lock.hpp"
#include "platform.hpp"

namespace sluice::detail {

struct free_block {
    free_block* next;
    // Of a batch in the depot, in its first block.
    free_block* next_batch;
    std::uint32_t count;
};

struct frame_cache {
    struct chain {
        free_block* first = nullptr;
        free_block* second = nullptr;  // empty or a full batch
        std::uint32_t first_count = 0;
    };
    enum class life : std::uint8_t { fresh, open, ended };

    std::array<chain, 128> classes{};
    life state = life::fresh;
};

inline constinit thread_local frame_cache the_frame_cache{};

class frame_pool {
public:
    static void* allocate(std::size_t size) {
#if SLUICE_ASAN
        return ::operator new(size);
#else
        if (size > largest) return ::operator new(size);
        auto& mine = cache_of_this_thread();
        const std::size_t c = class_of(size);
        auto& chain = mine.classes[c];
        if (free_block* b = chain.first) {
            chain.first = b->next;
            --chain.first_count;
            prefetch(b->next);  // read at the next call, and then written
            return b;
        }
        return refill(mine, c);
#endif
    }

    static void deallocate(void* p, std::size_t size) noexcept {
#if SLUICE_ASAN
        ::operator delete(p, size);
#else
        if (size > largest) return ::operator delete(p, size);
        auto& mine = cache_of_this_thread();
        const std::size_t c = class_of(size);
        auto& chain = mine.classes[c];
        if (mine.state == frame_cache::life::fresh) [[unlikely]]
            open(mine);
        if (chain.first_count == batch_size(c)) make_room(mine, c);
        auto* b = static_cast<free_block*>(p);
        b->next = chain.first;
        chain.first = b;
        ++chain.first_count;
#endif
    }

private:
    static constexpr std::size_t step = 8;
    static constexpr std::size_t smallest = 32;
    static_assert(smallest >= sizeof(free_block) && smallest % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0);
    static constexpr std::size_t largest = 1024;
    static constexpr std::size_t class_count = largest / step;
    static_assert(class_count == std::tuple_size_v<decltype(frame_cache::classes)>);

    struct depot_class {
        lock mutex;
        free_block* batches = nullptr;
    };
    // Gives the chains back when the thread ends. Frames freed later still, by other thread-locals, go to the depot.
    struct cache_closer {
        ~cache_closer() { close(); }
    };

    static constexpr std::size_t class_of(std::size_t size) noexcept { return (std::max(size, smallest) - 1) / step; }
    static constexpr std::size_t size_of_class(std::size_t c) noexcept { return (c + 1) * step; }
    static constexpr std::uint32_t batch_size(std::size_t c) noexcept {
        return static_cast<std::uint32_t>(std::clamp<std::size_t>(16384 / size_of_class(c), 16, 128));
    }

    SLUICE_NOINLINE static frame_cache& cache_of_this_thread() noexcept { return the_frame_cache; }

    // From now on the chains go to the depot when the thread ends.
    SLUICE_NOINLINE static void open(frame_cache& mine) noexcept {
        mine.state = frame_cache::life::open;
        static thread_local cache_closer closer;
        static_cast<void>(closer);
    }

    SLUICE_NOINLINE static void* refill(frame_cache& mine, std::size_t c) {
        if (mine.state == frame_cache::life::fresh) open(mine);
        auto& chain = mine.classes[c];
        free_block* batch = std::exchange(chain.second, nullptr);
        std::uint32_t count = batch_size(c);
        if (!batch) {
            batch = take_batch(c);
            if (batch) count = batch->count;
            else batch = carve(c);
        }
        chain.first = batch->next;
        chain.first_count = count - 1;
        if (mine.state == frame_cache::life::ended) close();
        return batch;
    }

    SLUICE_NOINLINE static void make_room(frame_cache& mine, std::size_t c) noexcept {
        auto& chain = mine.classes[c];
        if (chain.second) give_batch(c, chain.second, batch_size(c));
        chain.second = chain.first;
        chain.first = nullptr;
        chain.first_count = 0;
        if (mine.state == frame_cache::life::ended) close();
    }

    static free_block* carve(std::size_t c) {
        const std::size_t size = size_of_class(c);
        auto* const raw = static_cast<std::byte*>(::operator new(size * batch_size(c)));
        free_block* head = nullptr;
        for (std::size_t i = batch_size(c); i-- > 0;) head = ::new (raw + i * size) free_block{head, nullptr, 0};
        return head;
    }

    static free_block* take_batch(std::size_t c) noexcept {
        auto& d = depot()[c];
        const hold guard{d.mutex};
        free_block* batch = d.batches;
        if (batch) d.batches = batch->next_batch;
        return batch;
    }

    static void give_batch(std::size_t c, free_block* batch, std::uint32_t count) noexcept {
        batch->count = count;
        auto& d = depot()[c];
        const hold guard{d.mutex};
        batch->next_batch = d.batches;
        d.batches = batch;
    }

    static void close() noexcept {
        auto& mine = cache_of_this_thread();
        mine.state = frame_cache::life::ended;
        for (std::size_t c = 0; c < class_count; ++c) {
            auto& chain = mine.classes[c];
            if (chain.first) give_batch(c, chain.first, chain.first_count);
            if (chain.second) give_batch(c, chain.second, batch_size(c));
            chain = {};
        }
    }

    static std::array<depot_class, class_count>& depot() noexcept {
        static auto* const all = new std::array<depot_class, class_count>;  // immortal: the last thread may end late
        return *all;
    }
};

/// The same for what the standard library allocates.
template <class T>
struct pool_allocator {
    using value_type = T;
    pool_allocator() noexcept = default;
    template <class U>
    pool_allocator(const pool_allocator<U>&) noexcept {}
    T* allocate(std::size_t n) { return static_cast<T*>(frame_pool::allocate(n * sizeof(T))); }
    void deallocate(T* p, std::size_t n) noexcept { frame_pool::deallocate(p, n * sizeof(T)); }
    friend bool operator==(pool_allocator, pool_allocator) noexcept { return true; }
};

/// A base whose heap objects come from the pool.
struct pooled {
    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_pool::deallocate(p, size); }
};

/// The same for coroutine frames. Only g++ is known to ask for a multiple of a frame's alignment.
struct pooled_frame {
    static void* operator new(std::size_t size) { return frame_pool::allocate(rounded(size)); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_pool::deallocate(p, rounded(size)); }

private:
    static constexpr std::size_t rounded(std::size_t size) noexcept {
#if defined(__GNUC__) && !defined(__clang__)
        return size;
#else
        constexpr std::size_t alignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
        return (size + alignment - 1) / alignment * alignment;
#endif
    }
};

}  // namespace sluice::detail
