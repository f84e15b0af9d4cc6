// SPDX-License-Identifier: BSL-1.0
// timer_queue.hpp: whose time has come?
//
// A heap of deadlines of four children a node, ordered by time and then by arrival. A timer ends a wait (claims its
// waiter), ends a context, or does something else. Runtimes have a queue each, fired by whoever of their threads looks at it next; threads
// outside share one of the process.
// Q1  A node that has a queue is in the heap iff `slot != absent`; both change under the queue's lock.
// Q2  fire() pops and claims under the lock, so a waiter that has removed its node, or found it gone, under the lock
//     can leave: nobody touches the node any more.
//     Contexts and actions are pinned there and get their due after it: under the lock nothing is ended, sent or woken.
//     A pinned node is in the hands of who fired it: it is not added again before end_due() has come to it.
// Q3  A queue's memory is immortal (recycled), since a node of a context may be moved to the process's queue while
//     its owner is about to remove it: remove() looks again under the lock which queue it is.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <vector>

#include "lock.hpp"
#include "waiter.hpp"

namespace sluice::detail {

struct context_node;
class timer_queue;

/// What happens at a time, other than the end of a wait or of a context.
struct timed_action {
    /// Under the timers' lock. False: it is going.
    virtual bool try_pin() noexcept = 0;
    /// Without it, by whoever looked at the timers; gives the pin back.
    virtual void time_has_come() noexcept = 0;

protected:
    ~timed_action() = default;
};

struct timer_node {
    static constexpr std::size_t absent = std::numeric_limits<std::size_t>::max();

    time_point at;
    std::uint64_t arrival;  // given by the queue
    std::size_t slot;       // likewise
    std::atomic<timer_queue*> queue{nullptr};
    waiter* who;  // a wait to end with `turn` ...
    ticket turn;
    context_node* context = nullptr;  // ... or a context to end ...
    timed_action* action = nullptr;   // ... or what to do
    timer_node* next_due = nullptr;
};

/// Contexts and actions whose time has come, pinned, for context_tree::end_due() outside of the timers' lock.
using due_timers = timer_node*;

class timer_queue {
public:
    /// Called without the lock after a node became the earliest.
    using earlier_hook = void (*)(void* owner) noexcept;

    static timer_queue& make(earlier_hook hook, void* owner) {
        auto& d = recycled();
        timer_queue* q = nullptr;
        {
            const hold guard{d.mutex};
            if (!d.free.empty()) {
                q = d.free.back();
                d.free.pop_back();
            }
        }
        if (!q) q = new timer_queue;
        q->hook_ = hook;
        q->owner_ = owner;
        return *q;
    }

    /// Gives what is left to `heir` and the memory back.
    void retire(timer_queue& heir) {
        bool any = false;
        {
            const hold mine{mutex};
            const hold theirs{heir.mutex};  // a runtime's queue before the process's: no other order exists
            for (auto* n : heap_) {
                n->queue.store(&heir, std::memory_order_release);
                heir.insert(*n);
                any = true;
            }
            heap_.clear();
            note_earliest();
        }
        if (any) heir.hook_(heir.owner_);
        auto& d = recycled();
        const hold guard{d.mutex};
        d.free.push_back(this);
    }

    void add(timer_node& n) {
        bool earliest = false;
        {
            const hold guard{mutex};
            earliest = add_locked(n);
        }
        if (earliest) hook_(owner_);
    }

    /// Under the lock. Returns whether the hook must be called after it.
    bool add_locked(timer_node& n) {
        // release: remove() may find the queue from another thread.
        n.queue.store(this, std::memory_order_release);
        insert(n);
        return heap_.front() == &n;
    }
    void announce_earlier() noexcept { hook_(owner_); }

    /// After it returns nobody touches the node. False: it was not in the heap.
    static bool remove(timer_node& n) noexcept {
        for (;;) {
            timer_queue* const q = n.queue.load(std::memory_order_acquire);
            if (!q) return false;
            const hold guard{q->mutex};
            if (n.queue.load(std::memory_order_relaxed) != q) continue;  // Q3
            if (n.slot == timer_node::absent) return false;
            q->erase(n.slot);
            return true;
        }
    }

    /// When the next timer is due; no_deadline: none. Read without the lock: a hint.
    time_point earliest() const noexcept {
        // acquire: pairs with the release of note_earliest.
        return time_point{time_point::duration{earliest_.load(std::memory_order_acquire)}};
    }

    bool is_due(time_point now) const noexcept { return earliest() <= now; }

    /// Claims the waiters whose time has come into `woken`; returns what else is due.
    due_timers fire(time_point now, wake_chain& woken) noexcept;  // context_tree.hpp

    /// In a simulation: one of those that are due at the earliest moment, of up to 64 of them the one that is chosen.
    template <class Choose>
    due_timers fire_one(wake_chain& woken, Choose choose) noexcept {
        due_timers due = nullptr;
        const hold guard{mutex};
        std::array<std::size_t, 64> ties{};
        std::size_t count = 0;
        if (!heap_.empty()) ties[count++] = 0;
        // Whatever stands above one of them is due at the same moment.
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t c = 4 * ties[i] + 1; c <= 4 * ties[i] + 4 && c < heap_.size() && count < ties.size(); ++c)
                if (heap_[c]->at == heap_.front()->at) ties[count++] = c;
        if (count) fire_at(ties[choose(count)], woken, due);
        return due;
    }

    lock mutex;

private:
    struct depot {
        lock mutex;
        std::vector<timer_queue*> free;
    };
    static depot& recycled() {
        static auto* const d = new depot;
        return *d;
    }

    static bool before(const timer_node& a, const timer_node& b) noexcept {
        return a.at != b.at ? a.at < b.at : a.arrival < b.arrival;
    }
    void place_at(std::size_t slot, timer_node* n) noexcept {
        heap_[slot] = n;
        n->slot = slot;
    }
    void insert(timer_node& n) {
        n.arrival = arrivals_++;
        heap_.push_back(&n);
        sift_up(heap_.size() - 1, &n);
        note_earliest();
    }
    void erase(std::size_t slot) noexcept {
        heap_[slot]->slot = timer_node::absent;
        timer_node* const last = heap_.back();
        heap_.pop_back();
        if (slot < heap_.size()) {
            if (slot > 0 && before(*last, *heap_[(slot - 1) / 4])) sift_up(slot, last);
            else sift_down(slot, last);
        }
        note_earliest();
    }
    void sift_up(std::size_t slot, timer_node* n) noexcept {
        while (slot > 0) {
            const std::size_t parent = (slot - 1) / 4;
            if (!before(*n, *heap_[parent])) break;
            place_at(slot, heap_[parent]);
            slot = parent;
        }
        place_at(slot, n);
    }
    void sift_down(std::size_t slot, timer_node* n) noexcept {
        for (;;) {
            std::size_t best = slot * 4 + 1;
            if (best >= heap_.size()) break;
            for (std::size_t c = best + 1; c < std::min(slot * 4 + 5, heap_.size()); ++c)
                if (before(*heap_[c], *heap_[best])) best = c;
            if (!before(*heap_[best], *n)) break;
            place_at(slot, heap_[best]);
            slot = best;
        }
        place_at(slot, n);
    }
    void note_earliest() noexcept {
        const auto at = heap_.empty() ? no_deadline : heap_.front()->at;
        // seq_cst: a parking worker announces itself idle and then reads this; the adder writes it and then looks
        // for idle workers (scheduler.hpp, S4).
        earliest_.store(at.time_since_epoch().count(), std::memory_order_seq_cst);
    }

    // Under the lock.
    void fire_at(std::size_t slot, wake_chain& woken, due_timers& due) noexcept;  // context_tree.hpp

    std::vector<timer_node*> heap_;
    std::uint64_t arrivals_ = 0;
    std::atomic<time_point::rep> earliest_{no_deadline.time_since_epoch().count()};
    earlier_hook hook_ = nullptr;
    void* owner_ = nullptr;
};

}  // namespace sluice::detail
