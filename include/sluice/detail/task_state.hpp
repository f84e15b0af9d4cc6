// SPDX-License-Identifier: BSL-1.0
// task_state.hpp: what does the runtime know of one task?
//
// One block per started task or blocking callable; coroutines awaited inside it share it. It is the waiter of
// everything the task waits for, the entry of the registry, and what its join handle holds.
// Life: made by go(), counted by the runtime from then on; first dispatch calls `start`; the end destroys the frame,
// the callable and its arguments, leaves the registry, tells the group, then the joiners; the last of {run, handle}
// frees the block.
// T1  `home_`, `shields_`, `registered_` and the wait notes belong to the task's own thread of execution; whoever else
//     reads `home_` holds `join_mutex` (cancel) or the shard's lock (registry).
// T2  `loop` is valid only while the task runs: from the claim of its wait to its next turn the chains and queues have
//     their link there. Who blocks a thread puts it back after the wake.
#pragma once

#include <coroutine>
#include <exception>
#include <source_location>

#include "biased_lock.hpp"
#include "coarse_clock.hpp"
#include "frame_pool.hpp"
#include "object_names.hpp"
#include "waiter.hpp"

namespace sluice::detail {

class home;
struct context_node;
struct thread_state;
class task_state;
class runtime_core;

using place = std::source_location;

/// What a task waits for, in reports.
enum class wait_kind : std::uint8_t {
    nothing,
    send,
    receive,
    select,
    permit,
    group,
    join,
    time,
    context,
    thread,
    lock,
    read_lock,
    condition,
    foreign
};

constexpr const char* to_string(wait_kind k) noexcept {
    switch (k) {
        case wait_kind::nothing: return "nothing";
        case wait_kind::send: return "send";
        case wait_kind::receive: return "receive";
        case wait_kind::select: return "select";
        case wait_kind::permit: return "permit";
        case wait_kind::group: return "group";
        case wait_kind::join: return "join";
        case wait_kind::time: return "time";
        case wait_kind::context: return "context";
        case wait_kind::thread: return "blocking call";
        case wait_kind::lock: return "lock";
        case wait_kind::read_lock: return "lock to read";
        case wait_kind::condition: return "condition";
        case wait_kind::foreign: return "something of another library";
    }
    return "?";
}

/// Where one thread's loop stands. Coroutines are resumed from a loop, never from one another: the depth of awaits
/// costs no stack on any compiler and at any optimization level.
struct running {
    thread_id thread = 0;           // whose loop it is
    thread_state* on = nullptr;     // its
    std::coroutine_handle<> next;   // to be resumed by the loop when the current frame suspends
    task_state* ended = nullptr;    // its root frame has reached the end
    task_state* yielded = nullptr;  // wants to go to the back of the queue
    unsigned budget = 0;            // operations that may still be ready before the task yields
};

/// Those who wait for an end.
struct waiting_line {
    lock* guard = nullptr;
    wait_list* waiters = nullptr;
};

/// Told when a task of a group has ended, before its joiners are.
class group_link {
public:
    virtual void task_ended(task_state&, const std::exception_ptr& error) noexcept = 0;
    /// The counter behind it (group_core.hpp), or itself.
    virtual group_link* counter() noexcept { return this; }
    /// Who waits for the end of all that it counts. Of a counter, while one of its tasks lives.
    virtual waiting_line line() noexcept { return {}; }

protected:
    ~group_link() = default;
};

/// Runs between the wake of a task and its resumption; may park it again. For waits of several steps.
class wake_hook {
public:
    /// Returns true when the task shall go on: it suspends at the frame then.
    virtual bool on_wake(task_state&) = 0;

protected:
    ~wake_hook() = default;
};

/// How far what a task awaits has come, before it is resumed.
enum class await_progress : std::uint8_t { waits, done, canceled };

// The size of this bounds how many tasks can wait, so flags stand where there is room: 24 bytes from the end of the
// waiter to `home_`. Bits side by side are one memory location, so those that others read stand apart from those that the
// task writes while it runs.
class task_state : public waiter, public pooled {
public:
    // Set before it is started.
    bool is_callable : 1 = false;          // runs on an elastic thread
    bool must_begin : 1 = false;           // also in a run that is ending
    bool is_at_home_of_group : 1 = false;  // group_core.hpp, G4

private:
    friend class home;
    friend class runtime_core;
    friend struct context_tree;
    friend class shield;
    friend struct own_context;
    friend class context_scope;
    friend class simulator;

    bool : 0;

    // Of the task's own thread.
    std::uint8_t shard_ : 4 = 0;  // registry.hpp
    bool registered_ : 1 = false;

protected:
    bool never_began_ : 1 = false;  // started_task: it was cancelled before
    bool has_call_ : 1 = false;     // started_task: the callable and its arguments are there

public:
    bool started : 1 = false;  // by its first dispatch

private:
    bool is_named_ : 1 = false;
    bool counts_home_ : 1;

public:
    await_progress awaits : 2 = await_progress::waits;

private:
    std::uint8_t shields_ = 0;
    std::uint8_t scope_shields_ = 0;  // up when the context was entered that surrounds it now
    bool owns_context_ = false;       // home_ is of a context made for this task alone; under join_mutex
    std::atomic<bool> ended_{false};
    std::atomic<bool> stop_requested_{false};
    mutable std::uint8_t locks_held_ = 0;

public:
    std::atomic<wait_kind> waits_kind{wait_kind::nothing};

protected:
    std::atomic<bool> observed_{false};  // result_state: somebody has seen how it ended

public:
    std::atomic<std::uint32_t> waits_since{0};  // coarse_clock; while it is ready: comes_before()
    lock join_mutex;

private:
    std::atomic<std::uint32_t> references_{1};
    home* home_;

public:
    group_link* group = nullptr;

    // The registry's links, under the shard's lock (registry.hpp).
    task_state* registry_prev = nullptr;
    task_state* registry_next = nullptr;

    small_wait_list joiners;  // under join_mutex

    std::atomic<place> started_at;
    std::atomic<place> waits_at{};
    std::atomic<const void*> waits_on{nullptr};

    /// Adopts one reference to `in` when `counts_home` is set.
    task_state(home& in, bool counts_home, place at) noexcept
        : waiter{wake_by::scheduling}, counts_home_{counts_home}, home_{&in}, started_at{at} {}

    /// First dispatch. A coroutine sets `loop.next`; false: there is nothing to resume, the task has ended.
    virtual bool start() = 0;
    /// The root frame has ended: keeps the result, destroys frame, callable and arguments. Returns its exception.
    virtual std::exception_ptr finish() noexcept = 0;
    /// The exception that the task ended with, if nobody has asked for the result.
    virtual std::exception_ptr unclaimed_error() const noexcept = 0;

    bool must_stop() const noexcept;                   // context_tree.hpp
    bool must_stop_itself() const noexcept;            // context_tree.hpp
    [[noreturn]] void throw_canceled() const;          // context_tree.hpp
    std::exception_ptr cancellation() const noexcept;  // the same without the cost of a throw
    /// What may end a wait of this task (waiter.hpp, W6).
    ticket endable() const noexcept {
        if (shields_ == 0) [[likely]]
            return claim::stoppable | claim::cancellable;
        return is_shielded() ? 0 : claim::cancellable;
    }
    /// Whether a shield is up, and no context was entered under it (context_scope.hpp).
    bool is_shielded() const noexcept { return shields_ != scope_shields_; }
    /// Before it is started by a task whose shield is up: no cancellation keeps it from beginning or ends its waits.
    void begin_shielded() noexcept { shields_ = 1; }

    /// What goes on after the wake: a frame, or a hook that parks the task again or lets its frame go on.
    void suspend_at(std::coroutine_handle<> h) noexcept { target_ = h.address(); }
    void suspend_at(wake_hook& h) noexcept {
        target_ = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(&h) | is_hook);
    }
    wake_hook* hook() const noexcept {
        const auto target = reinterpret_cast<std::uintptr_t>(target_);
        return target & is_hook ? reinterpret_cast<wake_hook*>(target & ~is_hook) : nullptr;
    }
    /// About where: its frame or hook, or null.
    const void* goes_on_at() const noexcept { return target_; }
    /// Precondition: there is no hook.
    std::coroutine_handle<> frame() const noexcept { return std::coroutine_handle<>::from_address(target_); }

    SLUICE_ALWAYS_INLINE void note_wait(wait_kind kind, const void* on, place at) noexcept {
        // relaxed: a report validates these words by the epoch (is it the same wait before and after?).
        waits_kind.store(kind, std::memory_order_relaxed);
        waits_on.store(on, std::memory_order_relaxed);
        waits_at.store(at, std::memory_order_relaxed);
        waits_since.store(coarse_clock::now(), std::memory_order_relaxed);
    }

    /// About; by itself, or by who hands it a lock while it waits. More than fit are many for good.
    void count_lock() const noexcept {
        if (locks_held_ != many_locks) ++locks_held_;
    }
    void uncount_lock() const noexcept {
        if (locks_held_ != many_locks) --locks_held_;
    }
    /// Who holds no lock closes no circle by a join.
    bool holds_locks() const noexcept { return locks_held_ != 0; }

    /// Of one that stands ready in a chain: who stands some places behind it. A chain is slow to walk, since each link is
    /// read before the next can be asked for; who takes this one asks for that one.
    void comes_before(const waiter* later) noexcept {
        const auto distance = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(later) -
                                                        reinterpret_cast<std::uintptr_t>(this)) /
                              step_behind;
        const auto fits = static_cast<std::int32_t>(distance);
        waits_since.store(later && fits == distance ? static_cast<std::uint32_t>(fits) : 0, std::memory_order_relaxed);
    }
    void prefetch_behind() const noexcept {
        const auto distance = static_cast<std::int32_t>(waits_since.load(std::memory_order_relaxed));
        prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(this) +
                                               static_cast<std::uintptr_t>(distance * step_behind)));
    }

    void retain() noexcept {
        // relaxed: a new reference is made from an existing one.
        references_.fetch_add(1, std::memory_order_relaxed);
    }
    /// Before anybody else knows the task: a second reference.
    void retain_first() noexcept { references_.store(2, std::memory_order_relaxed); }
    void release() noexcept {
        // acq_rel: the last one sees what the others did before they let go.
        if (has_no_handle() || references_.fetch_sub(1, std::memory_order_acq_rel) == 1) release_last();
    }
    /// For who holds a reference: it is the only one, and nobody else can make another. Takes no atomic operation.
    bool has_no_handle() const noexcept { return references_.load(std::memory_order_acquire) == 1; }
    /// Precondition: the caller holds the last reference.
    void release_last() noexcept {
        if (!group && has_ended()) report_unclaimed();
        delete this;
    }

    bool has_ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    bool stop_requested() const noexcept { return stop_requested_.load(std::memory_order_seq_cst); }
    void mark_stop_requested() noexcept {
        // seq_cst: W6: flag first, then the look at the word.
        stop_requested_.store(true, std::memory_order_seq_cst);
    }
    /// Of a task that has ended or never started: lets its home go.
    void leave_home() noexcept;  // task_end.hpp
    /// Under join_mutex: the context made for this task alone, with a reference, or null.
    context_node* pin_own_context() noexcept;  // context_tree.hpp

    home& where() const noexcept { return *home_; }
    /// Before it is started, and unless it counts its home.
    void move_to(home& other) noexcept { home_ = &other; }
    bool is_registered() const noexcept { return registered_; }
    bool owns_context() const noexcept { return owns_context_; }

    /// By the task itself.
    void give_name(std::string_view called) {
        object_name::give_to(this, called);
        is_named_ = true;
    }

protected:
    virtual ~task_state() {
        if (is_named_) object_name::take_from(this);
    }

private:
    static constexpr std::uintptr_t is_hook = 1;
    static_assert(alignof(wake_hook) > is_hook);
    static constexpr std::uint8_t many_locks = 255;
    static constexpr std::int64_t step_behind = 8;

    // The last one to let go of an ended task: nobody can ask for its exception any more.
    void report_unclaimed() const noexcept;  // task_end.hpp
};

/// Takes the surrounding cancellation away from a task for a scope.
class shield {
public:
    explicit shield(task_state* t) noexcept : task_{t} {
        if (task_) ++task_->shields_;
    }
    ~shield() {
        if (task_) --task_->shields_;
    }
    shield(const shield&) = delete;
    shield& operator=(const shield&) = delete;

private:
    task_state* task_;
};

}  // namespace sluice::detail
