// SPDX-License-Identifier: BSL-1.0
// timer_queue.hpp: whose time has come?
//
// A heap of deadlines (timer_heap.hpp), ordered by time and then by arrival. A timer ends a wait (claims its
// waiter), ends a context, or does something else. Runtimes have a queue each, fired by whoever of their threads looks
// at it next; threads outside share one of the process. Adding a timer never fails.
// Q1  A node that has a queue is in the heap iff `slot != absent`; both change under the queue's lock.
// Q2  fire() pops and claims under the lock, so a waiter that has removed its node, or found it gone, under the lock
//     can leave: nobody touches the node any more.
//     Contexts and actions are pinned there and get their due after it: under the lock nothing is ended, sent or woken.
//     A pinned node is in the hands of who fired it: it is not added again before end_due() has come to it.
// Q3  A queue's memory is immortal (recycled), since a node of a context may be moved to the process's queue while
//     its owner is about to remove it: remove() looks again under the lock which queue it is.
#pragma once

#include <chrono>
#include <utility>

#include "lock.hpp"
#include "timer_heap.hpp"
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
    static constexpr std::size_t absent = static_cast<std::size_t>(-1);

    time_point at;
    std::uint64_t arrival;  // given by the queue
    std::size_t slot;       // likewise; absent: it is in none
    std::atomic<timer_queue*> queue{nullptr};
    waiter* who;  // a wait to end with `turn` ...
    ticket turn;
    context_node* context = nullptr;  // ... or a context to end ...
    timed_action* action = nullptr;   // ... or what to do
    timer_node* next_due = nullptr;   // of those that are due, or of the heap
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
            q = d.free;
            if (q) d.free = q->next_free_;
        }
        if (!q) q = new timer_queue;
        q->hook_ = hook;
        q->owner_ = owner;
        return *q;
    }

    /// Gives what is left to `heir` and the memory back.
    void retire(timer_queue& heir) noexcept {
        bool any = false;
        {
            const hold mine{mutex};
            const hold theirs{heir.mutex};  // a runtime's queue before the process's: no other order exists
            timers_.drain([&](timer_node& n) {
                n.queue.store(&heir, std::memory_order_release);
                heir.insert(n);
                any = true;
            });
            note_earliest();
        }
        if (any) heir.hook_(heir.owner_);
        auto& d = recycled();
        const hold guard{d.mutex};
        next_free_ = std::exchange(d.free, this);
    }

    void add(timer_node& n) noexcept {
        bool earliest = false;
        {
            const hold guard{mutex};
            earliest = add_locked(n);
        }
        if (earliest) hook_(owner_);
    }

    /// Under the lock. Returns whether the hook must be called after it.
    bool add_locked(timer_node& n) noexcept {
        // release: remove() may find the queue from another thread.
        n.queue.store(this, std::memory_order_release);
        insert(n);
        return timers_.front() == &n;
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
            q->erase(n);
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
        const auto at_one_moment = [](const timer_node& a, const timer_node& b) noexcept { return a.at == b.at; };
        due_timers due = nullptr;
        const hold guard{mutex};
        if (timer_node* const n = timers_.one_of_the_first(at_one_moment, choose)) take(*n, woken, due);
        return due;
    }

    lock mutex;

private:
    struct depot {
        lock mutex;
        timer_queue* free = nullptr;
    };
    static depot& recycled() {
        static auto* const d = new depot;
        return *d;
    }

    struct earlier {
        bool operator()(const timer_node& a, const timer_node& b) const noexcept {
            return a.at != b.at ? a.at < b.at : a.arrival < b.arrival;
        }
    };

    void insert(timer_node& n) noexcept {
        n.arrival = arrivals_++;
        timers_.add(n);
        note_earliest();
    }
    void erase(timer_node& n) noexcept {
        timers_.remove(n);
        note_earliest();
    }
    void note_earliest() noexcept {
        const timer_node* const first = timers_.front();
        const auto at = first ? first->at : no_deadline;
        // seq_cst: a parking worker announces itself idle and then reads this; the adder writes it and then looks
        // for idle workers (scheduler.hpp, S4).
        earliest_.store(at.time_since_epoch().count(), std::memory_order_seq_cst);
    }

    // Under the lock.
    void take(timer_node& n, wake_chain& woken, due_timers& due) noexcept;  // context_tree.hpp

    timer_heap<timer_node, earlier> timers_;
    std::uint64_t arrivals_ = 0;
    std::atomic<time_point::rep> earliest_{no_deadline.time_since_epoch().count()};
    earlier_hook hook_ = nullptr;
    void* owner_ = nullptr;
    timer_queue* next_free_ = nullptr;  // under the depot's lock
};

}  // namespace sluice::detail
