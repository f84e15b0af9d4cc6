// SPDX-License-Identifier: BSL-1.0
// run_queue.hpp: which ready tasks does a worker hold, and how do others take some?
//
// A ring of tasks. The owner appends without a lock; taking from either end, by the owner or by a thief, needs the
// queue's lock, whose favourite is the owner while thieves are rare (biased_lock.hpp). Half a queue moves to a thief at
// once.
// R1  Only the owner writes `tail_`; only who holds the lock writes `head_`, or lowers `tail_`.
// R2  Slots in [head_, tail_) are full. The owner writes slot tail_ before it raises tail_ (release).
#pragma once

#include <algorithm>
#include <array>

#include "task_state.hpp"

namespace sluice::detail {

class run_queue {
public:
    static constexpr std::uint32_t capacity = 256;

    /// Owner. False: full.
    bool try_push(task_state& t) noexcept {
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
        // acquire: a thief has read the slot before it raised head_.
        if (tail - head_.load(std::memory_order_acquire) == capacity) return false;
        slots_[tail % capacity].store(&t, std::memory_order_relaxed);
        tail_.store(tail + 1, std::memory_order_release);  // R2
        return true;
    }

    /// Owner.
    task_state* pop_newest(thread_id me) noexcept {
        if (size() == 0) return nullptr;
        mutex_.acquire(me);
        task_state* const t = take_newest();
        mutex_.release();
        return t;
    }

    task_state* pop_oldest(thread_id me) noexcept {
        if (size() == 0) return nullptr;
        mutex_.acquire(me);
        task_state* const t = take_oldest();
        mutex_.release();
        return t;
    }

    /// Thief: moves the older half (at least one) to `to`, at most `most`.
    template <class F>
    std::uint32_t steal_half(thread_id me, std::uint32_t most, F&& to) noexcept {
        if (size() == 0) return 0;
        mutex_.acquire(me);
        std::uint32_t head = head_.load(std::memory_order_relaxed);
        const std::uint32_t there = tail_.load(std::memory_order_acquire) - head;
        const std::uint32_t count = std::min(most, (there + 1) / 2);
        for (std::uint32_t i = 0; i < count; ++i) to(*slots_[head++ % capacity].load(std::memory_order_relaxed));
        head_.store(head, std::memory_order_release);
        mutex_.release();
        return count;
    }

    std::uint32_t size() const noexcept {
        return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_relaxed);
    }

private:
    task_state* take_newest() noexcept {
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
        if (tail == head_.load(std::memory_order_relaxed)) return nullptr;
        if (tail - head_.load(std::memory_order_relaxed) > 3)
            prefetch_block(slots_[(tail - 4) % capacity].load(std::memory_order_relaxed));
        tail_.store(tail - 1, std::memory_order_relaxed);
        return slots_[(tail - 1) % capacity].load(std::memory_order_relaxed);
    }

    task_state* take_oldest() noexcept {
        const std::uint32_t head = head_.load(std::memory_order_relaxed);
        // acquire: R2, for a thief.
        const std::uint32_t tail = tail_.load(std::memory_order_acquire);
        if (head == tail) return nullptr;
        task_state* const t = slots_[head % capacity].load(std::memory_order_relaxed);
        // Of those whose turn comes soon: what they are, and then where they go on.
        if (tail - head > 2) prefetch_frame(*slots_[(head + 2) % capacity].load(std::memory_order_relaxed));
        if (tail - head > 5) prefetch_block(slots_[(head + 5) % capacity].load(std::memory_order_relaxed));
        head_.store(head + 1, std::memory_order_release);
        return t;
    }

    // It stays in the queue while we hold the lock.
    static void prefetch_frame(const task_state& t) noexcept {
        const auto* const p = static_cast<const char*>(t.goes_on_at());
        if (!p) return;
        prefetch(p);
        prefetch(p + cache_line);
        prefetch(p + 2 * cache_line);
    }
    static void prefetch_block(const task_state* t) noexcept {
        const auto* const p = reinterpret_cast<const char*>(t);
        prefetch(p);
        prefetch(p + cache_line);
        prefetch(p + 2 * cache_line);
    }

    biased_lock mutex_;
    std::atomic<std::uint32_t> head_{0};
    std::atomic<std::uint32_t> tail_{0};
    std::array<std::atomic<task_state*>, capacity> slots_{};
};

/// Ready tasks, oldest first, on their way to the queue of all workers.
struct ready_chain {
    void push(task_state& t) noexcept {
        t.link = nullptr;
        t.comes_before(nullptr);
        if (last) last->link = &t;
        else first = &t;
        last = &t;
        ++count;
    }
    /// Precondition: there is one.
    task_state& pop() noexcept {
        first->prefetch_behind();
        task_state& t = *std::exchange(first, static_cast<task_state*>(first->link));
        --count;
        return t;
    }

    task_state* first = nullptr;
    task_state* last = nullptr;
    std::size_t count = 0;
};

/// The queue of all workers, first in, first out. All but `size` need the runtime's lock.
struct shared_queue {
    void push(task_state& t) noexcept {
        ready_chain one;
        one.push(t);
        push(one);
    }
    void push(const ready_chain& tasks) noexcept {
        if (last) last->link = tasks.first;
        else first = tasks.first;
        last = tasks.last;
        size.store(size.load(std::memory_order_relaxed) + tasks.count, std::memory_order_relaxed);
    }
    task_state* pop() noexcept {
        task_state* const t = first;
        if (!t) return nullptr;
        t->prefetch_behind();
        first = static_cast<task_state*>(t->link);
        if (!first) last = nullptr;
        size.store(size.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        return t;
    }
    bool empty() const noexcept { return !first; }

    task_state* first = nullptr;
    task_state* last = nullptr;
    std::atomic<std::size_t> size{0};
};

}  // namespace sluice::detail
