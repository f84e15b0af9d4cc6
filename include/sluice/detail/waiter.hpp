// SPDX-License-Identifier: BSL-1.0
// waiter.hpp: who waits, and who ends the wait?
//
// The claim word belongs to whoever waits (a task or a thread), not to the wait. A wait is one
// channel operation or one select; its nodes stand in the lists of what it waits for.
//
//   word = | epoch | cancellable | stoppable | state |      state: idle, waiting, canceled, timed_out, first_case + i
//
//   idle ──publish──▶ waiting ──claim by case i──▶ first_case + i ──┐
//     ▲                  ├──────claim by the canceller──▶ canceled ─┤
//     │                  └──────claim by a timer─────▶ timed_out ───┤
//     └───────────────────── prepare (the next epoch) ◀─────────────┘
//
// W1  Only the owner makes an epoch (prepare) and publishes it; while `waiting`, anyone may claim.
// W2  One claim of an epoch succeeds. The CAS decides what the wait ends with; nothing else does.
// W3  Only the wake releases: the winner first moves the value, then wakes, once. A waiter that sees its word claimed
//     by another goes on waiting for that wake. Who claims his own word needs no wake.
// W4  A node is linked and unlinked under the lock of its list. The winner of case i unlinks that node before it
//     lets the lock go; the other nodes are unlinked by the waiter after its wake; a loser drops the dead node it met.
// W5  Parking happens under a lock that the waiter needs in order to go on: link, publish, arm, look; after the
//     release nothing of the frame or the channel is touched. (await.hpp, multi_wait.hpp)
// W6  Publish-then-look against flag-then-claim is store buffering: the canceller, who comes rarely, pays the barrier
//     for both (asymmetric.hpp), unless it sees the waiter waiting.
//     `stoppable`: a stop of the task itself may end the wait; `cancellable`: the end of its context too. A shield takes
//     both away, a wait that names the own context takes the second: its watch speaks for the context then.
// W7  Lock order: guards of cases by address, then a wait's own arming lock, then either the timers' lock or one
//     context's lock, then a registry shard. The lock of a timed channel's state comes before all of them.
// W8  Who claims is done with the waiter's nodes and slots before it lets go of the lock it claimed under. From there
//     to the wake it uses the waiter alone: the frame of a foreign coroutine may go meanwhile (foreign_waiter.hpp).
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "asymmetric.hpp"
#include "parker.hpp"
#include "platform.hpp"

namespace sluice::detail {

class waiter;
class runtime_core;
struct running;

/// An epoch of one waiter, its two bits, and the state with which the holder of this ticket would win.
using ticket = std::uint64_t;

namespace claim {
inline constexpr unsigned state_bits = 20;
inline constexpr ticket state_mask = (ticket{1} << state_bits) - 1;
inline constexpr ticket stoppable = ticket{1} << state_bits;
inline constexpr ticket cancellable = ticket{1} << (state_bits + 1);
inline constexpr ticket epoch_one = ticket{1} << (state_bits + 2);

inline constexpr ticket idle = 0;
inline constexpr ticket waiting = 1;
inline constexpr ticket canceled = 2;
inline constexpr ticket timed_out = 3;
inline constexpr ticket first_case = 4;
inline constexpr std::size_t most_cases = state_mask - first_case - 2;
/// In the place of a case: the wait of a task that nothing but the end of what it waits for can end.
inline constexpr ticket to_the_end = state_mask;
inline constexpr ticket to_the_end_and_told = state_mask - 1;  // join_circle.hpp, N5

/// The ticket of case `i` of the wait that `t` stands for.
constexpr ticket for_case(ticket t, std::size_t i) noexcept { return (t & ~state_mask) | (first_case + i); }
constexpr ticket with_state(ticket t, ticket state) noexcept { return (t & ~state_mask) | state; }
}  // namespace claim

/// How a claimed waiter is let go.
enum class wake_by : std::uint8_t { scheduling, unparking, posting };

/// What a canceller saw: it has ended the wait; the wait may not be ended by this; or there was none at that moment, and
/// one may be about to be published that only a barrier shows.
enum class cancel_look : std::uint8_t { claimed, not_by_this, may_run };

class waiter {
public:
    explicit waiter(wake_by how) noexcept : how_{how} {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    /// Owner: begins the next epoch. `endable`: claim::stoppable, claim::cancellable, both or none.
    ticket prepare(ticket endable) noexcept {
        // relaxed: only the owner leaves a claimed or idle state.
        const ticket last = word_.load(std::memory_order_relaxed);
        return ((last & ~(claim::epoch_one - 1)) + claim::epoch_one) | endable;
    }

    /// Owner: from now on others may claim. The look at flags comes after it (W6).
    SLUICE_ALWAYS_INLINE void publish(ticket t) noexcept {
        announce(word_, claim::with_state(t, claim::waiting));  // W6; it releases nodes and frame to whoever claims
    }

    /// Ends the wait of `t` with the state in `t`; false: somebody else did.
    bool try_claim(ticket t) noexcept {
        ticket expected = claim::with_state(t, claim::waiting);
        // seq_cst: W6; it synchronizes with publish() and with the owner's read after the wake.
        return word_.compare_exchange_strong(expected, t, std::memory_order_seq_cst, std::memory_order_relaxed);
    }

    /// The canceller, after its flag, who knows the waiter but no ticket: ends a wait that may be ended by what `bit`
    /// stands for. One look gives both the verdict and the claim: between two, a publish could slip in (W6).
    cancel_look try_cancel(ticket bit) noexcept {
        ticket seen = word_.load(std::memory_order_seq_cst);
        if ((seen & claim::state_mask) != claim::waiting) return cancel_look::may_run;
        if (!(seen & bit)) return cancel_look::not_by_this;
        return word_.compare_exchange_strong(seen, claim::with_state(seen, claim::canceled), std::memory_order_seq_cst,
                                             std::memory_order_relaxed)
                   ? cancel_look::claimed
                   : cancel_look::may_run;
    }

    /// Owner, after the wake: what the wait ended with.
    ticket outcome() const noexcept {
        // relaxed: the wake ordered it.
        return word_.load(std::memory_order_relaxed) & claim::state_mask;
    }

    /// For reports: the word as it is now.
    ticket word() const noexcept { return word_.load(std::memory_order_acquire); }

    /// Lets a claimed waiter go (W3). Nothing of the waiter is touched afterwards.
    void wake() noexcept;

    wake_by how() const noexcept { return how_.load(std::memory_order_relaxed); }

    /// Owner, while not waiting: the thread that will park for this waiter; null: the waiter suspends again.
    void park_on(parker* p) noexcept {
        how_.store(p ? wake_by::unparking : wake_by::scheduling, std::memory_order_relaxed);
        target_ = p;
    }

    union {
        /// The next waiter in a wake chain or run queue. Owned by whoever claimed the waiter, later by the queue.
        waiter* link = nullptr;
        /// Of a task that runs: task_state.hpp, T2.
        running* loop;
    };

protected:
    std::atomic<ticket> word_{0};
    void* target_ = nullptr;  // the frame to resume, the parker, or what a foreign ticket lets go on
    // relaxed: of the owner, before it publishes; the monitor looks at it too (suspicions.hpp).
    std::atomic<wake_by> how_;
};

/// Claimed waiters on their way to the wake, collected under a lock and woken after it, oldest first.
class wake_chain {
public:
    wake_chain() noexcept = default;
    wake_chain(const wake_chain&) = delete;
    wake_chain& operator=(const wake_chain&) = delete;
    ~wake_chain() { assert(!head_); }

    /// `later`: one that will probably come some pushes later.
    void push(waiter& w, const waiter* later = nullptr) noexcept {
        w.link = nullptr;
        if (head_) push_behind(w, later);
        else head_ = &w;
        last_ = &w;
    }
    bool empty() const noexcept { return !head_; }
    SLUICE_ALWAYS_INLINE void wake_all() noexcept {
        if (head_) wake_some();
    }
    /// By a task, in the loop that runs it.
    SLUICE_ALWAYS_INLINE void wake_all(const running& by) noexcept {
        if (head_) wake_some(by);
    }

private:
    // task_end.hpp
    void push_behind(waiter& w, const waiter* later) noexcept;
    void wake_some() noexcept;
    void wake_some(const running& by) noexcept;
    void wake_many(waiter& first) noexcept;

    waiter* head_ = nullptr;
    waiter* last_ = nullptr;
    // Of more than one; they are near now, and may not be later.
    std::size_t count_;
    runtime_core* runtime_;  // null: not all are tasks of one
};

/// What a list needs of an entry, and of itself.
struct wait_link {
    // Most entries are never linked, so the rest is set when this one is.
    wait_link* next = nullptr;  // null: not linked
    wait_link* prev;
};

class wait_list;

/// One entry of a wait in one list.
struct wait_node : wait_link {
    wait_node() noexcept {}
    wait_node(const wait_node&) noexcept {}  // of one that is not linked
    wait_node& operator=(const wait_node&) = delete;

    waiter* who;
    ticket turn;

    bool is_linked() const noexcept { return next != nullptr; }

    // Under the lock of the list.
    /// Behind those who wait there, for `w`.
    void wait_in(wait_list& list, waiter& w, ticket t) noexcept;
    /// Not any more, if it still does.
    void delist(wake_chain&) noexcept;
};

/// Waiters in arrival order. All members need the lock that guards the list.
class wait_list {
public:
    wait_list() noexcept { head_.next = head_.prev = &head_; }
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;
    ~wait_list() { assert(empty()); }

    bool empty() const noexcept { return head_.next == &head_; }
    wait_node* front() noexcept { return empty() ? nullptr : static_cast<wait_node*>(head_.next); }

    /// The one behind `n`, or null.
    wait_node* after(const wait_node& n) noexcept {
        return n.next == &head_ ? nullptr : static_cast<wait_node*>(n.next);
    }

    void push_back(wait_node& n) noexcept {
        assert(!n.is_linked());
        n.prev = head_.prev;
        n.next = &head_;
        n.prev->next = &n;
        head_.prev = &n;
    }

    static void unlink(wait_node& n) noexcept {
        n.prev->next = n.next;
        n.next->prev = n.prev;
        n.next = nullptr;
    }

    /// Claims the oldest live waiter, drops dead nodes on the way, and returns the winner's node, unlinked.
    wait_node* claim_front() noexcept {
        while (wait_node* n = front()) {
            unlink(*n);
            if (n->who->try_claim(n->turn)) return n;
        }
        return nullptr;
    }

    /// The same with all of them. Of a million that have waited for long none is in a cache, and a claim waits for what
    /// was written before it: so the waiters of the next few are asked for ahead. `won` is told the farthest of them.
    template <class F>
    void claim_all(F&& won) noexcept {
        constexpr int distance = 8;
        wait_link* ahead = head_.next;
        for (int i = 0; i < distance && ahead != &head_; ++i) ahead = ahead->next;
        while (wait_node* n = front()) {
            const waiter* later = nullptr;
            if (ahead != &head_) {
                prefetch(later = static_cast<wait_node*>(ahead)->who);
                ahead = ahead->next;
            }
            unlink(*n);
            if (n->who->try_claim(n->turn)) won(*n, later);
        }
    }

    std::size_t size() const noexcept {
        std::size_t count = 0;
        for (const wait_link* n = head_.next; n != &head_; n = n->next) ++count;
        return count;
    }

private:
    wait_link head_;
};

inline void wait_node::wait_in(wait_list& list, waiter& w, ticket t) noexcept {
    who = &w;
    turn = t;
    list.push_back(*this);
}

inline void wait_node::delist(wake_chain&) noexcept {
    if (is_linked()) wait_list::unlink(*this);
}

/// The same in one pointer, for what has seldom more than one waiter. Who leaves must know the list.
class small_wait_list {
public:
    small_wait_list() noexcept = default;
    small_wait_list(const small_wait_list&) = delete;
    small_wait_list& operator=(const small_wait_list&) = delete;
    ~small_wait_list() { assert(!first_); }

    wait_node* front() noexcept { return static_cast<wait_node*>(first_); }
    wait_node* after(const wait_node& n) noexcept {
        return n.next == first_ ? nullptr : static_cast<wait_node*>(n.next);
    }

    void push_back(wait_node& n) noexcept {
        assert(!n.is_linked());
        if (!first_) {
            n.next = n.prev = first_ = &n;
            return;
        }
        n.prev = first_->prev;
        n.next = first_;
        n.prev->next = &n;
        first_->prev = &n;
    }

    void unlink(wait_node& n) noexcept {
        if (first_ == &n) first_ = n.next == &n ? nullptr : n.next;
        n.prev->next = n.next;
        n.next->prev = n.prev;
        n.next = nullptr;
    }

    /// As wait_list's.
    wait_node* claim_front() noexcept {
        while (first_) {
            auto& n = static_cast<wait_node&>(*first_);
            unlink(n);
            if (n.who->try_claim(n.turn)) return &n;
        }
        return nullptr;
    }

private:
    wait_link* first_ = nullptr;  // the nodes stand in a circle
};

}  // namespace sluice::detail
