// SPDX-License-Identifier: BSL-1.0
// foreign_waiter.hpp: how does a coroutine of another library wait, when its frame may go at any time?
//
// Its claim word stands in a block of its own, shared by the awaiter in the frame, by whoever will wake it, and by the
// tickets with which its executor resumes it; the last of them frees the block.
//
//   stage:  parked ──wake──▶ posting ──post returns──▶ posted ──resume, destroy──▶ over
//             │                 ├─────resume, or destroy within post itself──────────▶│
//             │                 └─────destroy──▶ watched ──post returns──────────────▶│
//             └───────────────────────destroy────────────────────────────────────────▶│
//
// `wake` is that of the waiter (waiter.hpp, W3), `resume` is a ticket's, `destroy` is the awaiter's destructor while
// the coroutine is suspended, which is how its owner gives it up.
// F1  The claim word decides how the wait ends (W2). The stage decides who may use the frame besides its owner: in
//     `posting` and `watched` the waker, who passes the promise to resumption<P>::post; in the others nobody.
// F2  Only the waker enters `posting`, once. `over` is final: a wake that finds it drops the coroutine, a ticket that
//     finds it does nothing. So each wait resumes its coroutine at most once, and never a frame that has gone.
// F3  destroy tries to claim the wait itself. If it succeeds, there will be no wake. If not, the winner may be moving
//     a value into the frame: destroy takes every lock of the wait (multi_wait::abandon), after which the winner is
//     done with the frame (W8). A value that was handed over stays in the operation's slot and goes with it.
// F4  destroy waits for nobody but a post that runs on another thread at that moment: it enters `watched` and sleeps
//     until that post has returned. Within post, on the same thread, it does not wait for itself.
//     resume_after_post does the same, before it lets its target go on.
// F5  wake runs outside of every lock (waiter.hpp), so post does. It resumes nothing by itself.
// F6  References: one of the awaiter; one of the waker, given back when its wake is over or will never come; one of
//     each ticket. Between the claim and the wake only the block is used, which that reference keeps.
#pragma once

#include "frame_pool.hpp"
#include "task_state.hpp"
#include "thread_state.hpp"

namespace sluice::detail {

class foreign_waiter;

/// What is to be done with one kind of suspended thing, say the coroutines of one promise type.
struct foreign_kind {
    void (*post)(foreign_waiter&) noexcept;  // adopts one reference, for the ticket it passes on
    void (*go_on)(void* target);
};

class foreign_waiter final : public waiter, public pooled {
public:
    /// With two references: one of the awaiter, one of the waker (F6). Adopts `carrier`, which may be null.
    foreign_waiter(const foreign_kind& kind, void* target, task_state* carrier) noexcept
        : waiter{wake_by::posting}, kind_{kind}, carrier_{carrier} {
        target_ = target;
    }

    void* target() const noexcept { return target_; }

    /// The waker, once: passes a ticket on (waiter::wake).
    void post() noexcept {
        poster_ = &this_thread_state();
        std::uint32_t seen = parked;
        // acq_rel: publishes the outcome and the poster; sees that the frame has gone.
        if (stage_.compare_exchange_strong(seen, posting, std::memory_order_acq_rel, std::memory_order_acquire)) {
            retain();
            kind_.post(*this);
            seen = posting;
            // release: what post did with the promise is over before the frame goes (F4).
            if (!stage_.compare_exchange_strong(seen, posted, std::memory_order_release, std::memory_order_relaxed) &&
                seen == watched) {
                stage_.store(over, std::memory_order_release);
                futex_wake(stage_, 1);
            }
        }
        release();
    }

    /// A ticket: lets the coroutine go on here, unless it has gone on or gone.
    void resume() {
        std::uint32_t seen = stage_.load(std::memory_order_relaxed);
        do {
            if (seen != posting && seen != posted) return;
            // acquire: what the winner moved is visible to the frame.
        } while (!stage_.compare_exchange_weak(seen, over, std::memory_order_acquire, std::memory_order_relaxed));
        kind_.go_on(target_);
    }

    /// The only ticket, whose executor may go with what it lets go on: as resume(), when post has returned.
    void resume_after_post() {
        if (!is_resumable()) return;
        give_up();
        kind_.go_on(target_);
    }

    /// The frame goes, its wait was claimed by another and is unlinked: from the return on nobody uses the frame.
    void give_up() noexcept {
        std::uint32_t seen = stage_.load(std::memory_order_acquire);
        while (seen != over) {
            const bool watch = seen == watched || (seen == posting && poster_ != &this_thread_state());
            // acquire: F4, and the poster. release: whoever finds `over` need not see the frame's end, but may.
            if (!stage_.compare_exchange_weak(seen, watch ? watched : over, std::memory_order_acq_rel,
                                              std::memory_order_acquire))
                continue;
            if (!watch) return;
            futex_wait(stage_, watched);
            seen = stage_.load(std::memory_order_acquire);
        }
    }

    /// Whether a ticket's resume would do something now.
    bool is_resumable() const noexcept {
        const std::uint32_t seen = stage_.load(std::memory_order_relaxed);
        return seen == posting || seen == posted;
    }

    /// The task that was made for the resumption when it could still fail; null: none.
    task_state* take_carrier() noexcept { return std::exchange(carrier_, nullptr); }

    void retain() noexcept {
        // relaxed: a new reference is made from an existing one.
        references_.fetch_add(1, std::memory_order_relaxed);
    }
    void release(std::uint32_t n = 1) noexcept {
        // acq_rel: the last one sees what the others did before they let go.
        if (references_.fetch_sub(n, std::memory_order_acq_rel) != n) return;
        if (carrier_) carrier_->release();
        delete this;
    }

private:
    ~foreign_waiter() = default;

    enum : std::uint32_t { parked, posting, watched, posted, over };

    const foreign_kind& kind_;
    task_state* carrier_;
    const thread_state* poster_ = nullptr;  // written before `posting`
    std::atomic<std::uint32_t> stage_{parked};
    std::atomic<std::uint32_t> references_{2};
};

}  // namespace sluice::detail
