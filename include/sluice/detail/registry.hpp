// SPDX-License-Identifier: BSL-1.0
// registry.hpp: which parked tasks are there, under which context and in which runtime?
//
// A `home` is one pair of runtime and context. A task registers at its first park and leaves before it dies; cancel
// walks the homes of a context, reports walk the homes of a runtime.
// H1  `ended` mirrors the context: set (seq_cst) before the shards are walked, so that a task either sees it in its
//     look after publishing, or is seen by the walk (waiter.hpp, W6).
// H2  A registered task is alive while the shard's lock is held: it needs that lock to leave.
// H3  A home that is made when its runtime has been closed has ended from the start.
// One shard serves until it is contended; then each worker gets its own.
#pragma once

#include <array>
#include <memory>
#include <new>

#include "../status.hpp"
#include "task_state.hpp"
#include "thread_state.hpp"

namespace sluice::detail {

struct context_node;

class home : public pooled {
public:
    home(runtime_core* in, context_node* under) noexcept : runtime{in}, context{under} {}
    home(const home&) = delete;
    home& operator=(const home&) = delete;
    ~home() { delete wide_.load(std::memory_order_relaxed); }

    /// Never fails: a wait that could not begin would leave behind what it waits for.
    void add(task_state& t) noexcept {
        assert(!t.registered_);
        std::uint8_t index = 0;
        if (wide_.load(std::memory_order_acquire)) {
            index = 1;
        } else if (!narrow_.mutex.try_acquire()) {
            if (widen()) index = 1;
            else narrow_.mutex.acquire();
        }
        // Threads spread over the wide shards by their own address: a worker stays with its shard.
        if (index)
            index =
                static_cast<std::uint8_t>(1 + (reinterpret_cast<std::uintptr_t>(&this_thread_state()) >> 12) % width);
        shard& s = of(index);
        if (index) s.mutex.acquire();
        t.shard_ = index & 15u;
        t.registry_prev = nullptr;
        t.registry_next = s.first;
        if (s.first) s.first->registry_prev = &t;
        s.first = &t;
        t.registered_ = true;
        s.mutex.release();
    }

    void remove(task_state& t) noexcept {
        assert(t.registered_);
        shard& s = of(t.shard_);
        const hold guard{s.mutex};
        if (t.registry_prev) t.registry_prev->registry_next = t.registry_next;
        else s.first = t.registry_next;
        if (t.registry_next) t.registry_next->registry_prev = t.registry_prev;
        t.registered_ = false;
    }

    /// H1: marks the home as ended, then claims every task whose wait may be ended by what `bit` stands for.
    void cancel_tasks(std::uint32_t how, ticket bit, wake_chain& woken) noexcept {
        ended.store(how, std::memory_order_seq_cst);
        const task_state* const caller = this_thread_state().task;
        bool somebody_runs = false;
        const auto end_wait = [&, bit](task_state& t) {
            const auto seen = t.try_cancel(bit);
            if (seen == cancel_look::claimed) woken.push(t);
            else somebody_runs |= &t != caller && seen == cancel_look::may_run;
        };
        for_each_task(end_wait);
        if (!somebody_runs) return;
        heavy_barrier();  // W6
        for_each_task(end_wait);
    }

    template <class F>
    void for_each_task(F f) {
        walk(narrow_, f);
        if (auto* w = wide_.load(std::memory_order_acquire))
            for (auto& s : *w) walk(s, f);
    }

    std::atomic<std::uint32_t> ended{0};  // a context_error
    runtime_core* const runtime;
    context_node* const context;  // null: background
    bool is_root = false;         // lives as long as the runtime, not counted
    std::atomic<std::uint32_t> references{1};
    home* next_of_context = nullptr;  // under the context's lock

private:
    friend class home_list;

    static constexpr std::size_t width = 8;  // fits task_state::shard_
    struct shard {
        lock mutex;
        task_state* first = nullptr;
    };
    struct alignas(cache_line) wide_shard : shard {};
    using wide_shards = std::array<wide_shard, width>;

    template <class F>
    static void walk(shard& s, F& f) {
        const hold guard{s.mutex};
        for (task_state* t = s.first; t; t = t->registry_next) f(*t);
    }
    shard& of(std::uint8_t index) noexcept {
        // acquire: sees the shards' construction.
        return index ? (*wide_.load(std::memory_order_acquire))[index - 1u] : narrow_;
    }
    // False: there is no memory for it.
    SLUICE_NOINLINE bool widen() noexcept {
        std::unique_ptr<wide_shards> made{new (std::nothrow) wide_shards};
        if (!made) return false;
        wide_shards* expected = nullptr;
        // acq_rel: publishes the shards, or sees another thread's.
        if (wide_.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) made.release();
        return true;
    }

    shard narrow_;
    std::atomic<wide_shards*> wide_{nullptr};
    home* next_ = nullptr;  // of the runtime; under the list's lock
    home* prev_ = nullptr;
};

/// Those of a runtime.
class home_list {
public:
    /// Adopts a reference to `under`.
    home& make(runtime_core& in, context_node* under) {
        auto* const h = new home{&in, under};
        const hold guard{mutex_};
        if (is_closed_) h->ended.store(static_cast<std::uint32_t>(context_error::canceled), std::memory_order_seq_cst);
        h->next_ = first_;
        if (first_) first_->prev_ = h;
        first_ = h;
        return *h;
    }
    void drop(home& h) noexcept {
        {
            const hold guard{mutex_};
            if (h.prev_) h.prev_->next_ = h.next_;
            else first_ = h.next_;
            if (h.next_) h.next_->prev_ = h.prev_;
        }
        delete &h;
    }
    /// H3. Claims every task that has parked in one of them, whatever its context says.
    void close(wake_chain& woken) noexcept {
        const hold guard{mutex_};
        is_closed_ = true;
        for (home* h = first_; h; h = h->next_)
            h->cancel_tasks(static_cast<std::uint32_t>(context_error::canceled), claim::stoppable, woken);
    }
    template <class F>
    void for_each_task(F f) {
        const hold guard{mutex_};
        for (home* h = first_; h; h = h->next_) h->for_each_task(f);
    }

private:
    lock mutex_;
    home* first_ = nullptr;
    bool is_closed_ = false;
};

}  // namespace sluice::detail
