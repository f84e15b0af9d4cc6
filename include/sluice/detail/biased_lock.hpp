// SPDX-License-Identifier: BSL-1.0
// biased_lock.hpp: who may change a channel now, when nearly always the same thread asks?
//
// A lock that remembers a *favourite* thread. The scheduler keeps the two sides of a channel on one worker, so one
// thread takes the channel's lock millions of times in a row; it then enters and leaves by plain stores.
//
//   nobody's ──`patience_` acquisitions in a row by one thread──▶ its favourite's ──another thread comes──▶ nobody's
//
// B1  The favourite says that it is inside (`inside_`), then looks whether it still is the favourite. Who takes that
//     away does so under `inner_`, then waits until `inside_` is false: asymmetric.hpp orders the two.
//     A thread may be held up for long just before it says so, and others become favourites meanwhile: so each has a
//     seat in `inside_` that nobody else ever writes. There are a few; whoever finds none left gets no bias.
// B2  Everybody else, and the favourite once it is none any more, enters by holding `inner_` with no favourite.
// B3  Only a thread that holds `inner_` changes `favourite_`: to itself when it leaves, to nobody when it comes.
// B4  Taking the bias away costs about as much as 2,000 acquisitions by compare-and-swap, so it is given after that
//     many in a row, and after four times as many whenever it had to be taken away: at worst a lock that changes hands
//     costs twice as much as without a bias.
// B5  As in lock.hpp, L4, leaving uses no more than the lock's address after its last store: whoever sleeps until a
//     favourite has left is counted in one word for all locks, since that is rare and short.
// B6  There are favourites only where there is a barrier for the whole process; so the favourite's stores are plain.
#pragma once

#include <array>
#include <cassert>

#include "lock.hpp"

namespace sluice::detail {

/// A multiple of `seats_inside`.
using thread_id = std::uint64_t;
inline constexpr thread_id seats_inside = 4;

inline constinit std::atomic<thread_id> last_thread_id{0};
inline constinit thread_local thread_id the_thread_id = 0;

/// A number of this thread's own, never used again. Not inlined: a coroutine may go on in another thread.
SLUICE_NOINLINE inline thread_id this_thread_id() noexcept {
    if (the_thread_id == 0)
        the_thread_id = last_thread_id.fetch_add(seats_inside, std::memory_order_relaxed) + seats_inside;
    return the_thread_id;
}

inline constinit std::atomic<std::uint32_t> sleeping_for_favourites{0};

/// How often in a row a thread first takes a lock to become its favourite. Tests lower it before anything else runs.
inline constinit std::uint32_t first_patience = 2'048;

class biased_lock {
public:
    biased_lock() noexcept = default;
    biased_lock(const biased_lock&) = delete;
    biased_lock& operator=(const biased_lock&) = delete;

    void acquire() noexcept { acquire(this_thread_id()); }

    /// `me`: this_thread_id(), where it is at hand.
    SLUICE_ALWAYS_INLINE void acquire(thread_id me) noexcept {
        const thread_id seat = acquire_as_favourite(me);
        if (seat < seats_inside) held_from_ = static_cast<std::uint8_t>(seat);
        else acquire_inner(me);
    }

    /// If `me` is the favourite, it holds it now, and gives the seat that release_as_favourite() wants: one below
    /// `seats_inside`.
    SLUICE_ALWAYS_INLINE thread_id acquire_as_favourite(thread_id me) noexcept {
        assert(me == this_thread_id());
        const thread_id seen = favourite_.load(std::memory_order_relaxed);
        const thread_id seat = seen - me;
        if (seat >= seats_inside) return seats_inside;
        inside_[seat].store(yes, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);  // B1, B6
        if (favourite_.load(std::memory_order_seq_cst) == seen) [[likely]]
            return seat;  // B1
        release_as_favourite(seat);
        return seats_inside;
    }

    /// False: somebody holds it, perhaps this thread. Waits for another's favourite to leave, which takes moments.
    bool try_acquire() noexcept {
        const thread_id me = this_thread_id();
        const thread_id seat = favourite_.load(std::memory_order_relaxed) - me;
        if (seat < seats_inside) {
            if (inside_[seat].load(std::memory_order_relaxed) == yes) return false;
            acquire(me);
            return true;
        }
        if (!inner_.try_acquire()) return false;
        enter(me);
        return true;
    }

    SLUICE_ALWAYS_INLINE void release() noexcept {
        if (held_from_ < seats_inside) release_as_favourite(held_from_);
        else release_inner();
    }

    SLUICE_ALWAYS_INLINE void release_as_favourite(thread_id seat) noexcept {
        // release: what we wrote is seen by who takes the bias away.
        inside_[seat].store(no, std::memory_order_release);
        std::atomic_signal_fence(std::memory_order_seq_cst);  // B6
        if (sleeping_for_favourites.load(std::memory_order_seq_cst) != 0) [[unlikely]]
            futex_wake(inside_[seat], 1);  // B5
    }

private:
    static constexpr std::uint32_t no = 0;
    static constexpr std::uint32_t yes = 1;

    SLUICE_NOINLINE void acquire_inner(thread_id me) noexcept {
        inner_.acquire();
        enter(me);
    }

    // Holding `inner_` (B2).
    void enter(thread_id me) noexcept {
        if (const thread_id who = favourite_.load(std::memory_order_relaxed)) take_bias_away(who % seats_inside);
        if (last_ == me) {
            ++streak_;
        } else {
            last_ = me;
            streak_ = 0;
        }
        held_from_ = seats_inside;
    }

    SLUICE_NOINLINE void release_inner() noexcept {
        if (streak_ >= patience_ && has_process_barrier.load(std::memory_order_relaxed)) give_bias();
        inner_.release();
    }

    void give_bias() noexcept {
        streak_ = 0;
        for (thread_id seat = 0; seat < seats_inside; ++seat) {
            if (owners_[seat] != 0 && owners_[seat] != last_) continue;
            owners_[seat] = last_;
            favourite_.store(last_ + seat, std::memory_order_relaxed);  // B3
            return;
        }
        patience_ = most_patience;
    }

    void take_bias_away(thread_id seat) noexcept {
        favourite_.store(0, std::memory_order_seq_cst);
        heavy_barrier();  // B1
        await_outside(inside_[seat]);
        patience_ = patience_ < most_patience ? patience_ * 4 : most_patience;
        streak_ = 0;
    }

    static void await_outside(std::atomic<std::uint32_t>& inside) noexcept {
        // seq_cst: after the barrier it is seen whether the favourite is inside; it also acquires what he wrote.
        const auto is_outside = [&] { return inside.load(std::memory_order_seq_cst) == no; };
        for (int spin = 0; spin < 100; ++spin) {
            if (is_outside()) return;
            cpu_relax();
        }
        sleeping_for_favourites.fetch_add(1, std::memory_order_seq_cst);
        heavy_barrier();
        while (!is_outside()) futex_wait(inside, yes);
        sleeping_for_favourites.fetch_sub(1, std::memory_order_relaxed);
    }

    static constexpr std::uint32_t most_patience = std::uint32_t{2'048} << 16;

    lock inner_;
    std::atomic<thread_id> favourite_{0};  // its number and, in the lowest bits, its seat
    std::array<std::atomic<std::uint32_t>, seats_inside> inside_{};
    // Of whoever is inside:
    std::array<thread_id, seats_inside> owners_{};  // of the places
    thread_id last_ = 0;
    std::uint32_t streak_ = 0;
    std::uint32_t patience_ = first_patience;
    std::uint8_t held_from_ = 0;
};

/// For those who know their number already.
SLUICE_ALWAYS_INLINE void acquire_as(thread_id me, biased_lock& l) noexcept { l.acquire(me); }
SLUICE_ALWAYS_INLINE void acquire_as(thread_id, lock& l) noexcept { l.acquire(); }

/// Either kind of lock, for those who hold several of unknown kinds.
class any_lock {
public:
    any_lock() noexcept = default;  // value-initialized: none
    any_lock(lock* l) noexcept : address_{reinterpret_cast<std::uintptr_t>(l)} {}
    any_lock(biased_lock* l) noexcept : address_{l ? reinterpret_cast<std::uintptr_t>(l) | biased : 0} {}

    explicit operator bool() const noexcept { return address_ != 0; }
    void acquire(thread_id me) const noexcept {
        if (address_ & biased) as_biased()->acquire(me);
        else reinterpret_cast<lock*>(address_)->acquire();
    }
    void release() const noexcept {
        if (address_ & biased) as_biased()->release();
        else reinterpret_cast<lock*>(address_)->release();
    }
    friend bool operator==(const any_lock&, const any_lock&) = default;
    friend auto operator<=>(const any_lock&, const any_lock&) = default;

private:
    static constexpr std::uintptr_t biased = 1;
    static_assert(alignof(lock) > biased && alignof(biased_lock) > biased);

    biased_lock* as_biased() const noexcept { return reinterpret_cast<biased_lock*>(address_ & ~biased); }

    std::uintptr_t address_;
};

}  // namespace sluice::detail
