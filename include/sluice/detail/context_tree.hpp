// SPDX-License-Identifier: BSL-1.0
// context_tree.hpp: what ends when a context ends?
//
// A node has a parent, children, values, at most one deadline, watchers (waits that name it), homes (the tasks under
// it, by runtime) and callbacks. `null` is the background: it never ends.
//
//   phase:  live ──begin()──▶ ending ──all below have ended──▶ settled         ended: none ──▶ canceled | deadline_exceeded
//
// C1  begin() is won once; the winner writes the cause before it stores `ended`, so who sees `ended` sees the cause.
// C2  `ended` of a parent is stored before those of its children; all are stored before cancel() returns, in whichever
//     thread: who finds a node `ending` waits until it is settled. That takes moments, since nobody is woken and no
//     code of users runs before; and waits go downwards only, so no two wait for each other.
// C3  A child links itself under the parent's lock and looks at `ended` there: either the canceller finds it in the
//     list, or it starts out ended. The same holds for watchers, homes and callbacks.
// C4  Nodes are pinned while they are cancelled: a child whose last reference is gone is skipped.
// C5  Wakes and callbacks run outside of every lock.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

#include "../status.hpp"
#include "backoff.hpp"
#include "registry.hpp"
#include "simulated.hpp"
#include "thread_state.hpp"
#include "timer_queue.hpp"

namespace sluice {

namespace detail {

/// What is called once, by whoever ends the context and without a lock. It keeps itself and the context alive from
/// add_callback() until it has been called or remove_callback() has found it.
struct context_callback {
    context_callback* next = nullptr;
    context_callback* prev = nullptr;
    enum class place : std::uint8_t { nowhere, listed, taken } stands = place::nowhere;  // under the context's lock
    virtual void context_ended() noexcept = 0;

protected:
    ~context_callback() = default;
};

struct context_node : pooled {
    explicit context_node(context_node* under) noexcept : parent{under} {}
    context_node(const context_node&) = delete;
    context_node& operator=(const context_node&) = delete;
    virtual ~context_node() = default;

    /// The value stored here under `key`, or null.
    virtual const void* value_of(const void* key) const noexcept {
        static_cast<void>(key);
        return nullptr;
    }

    /// Whose values come after those of `parent`, and whose end ends this too; or null.
    virtual const context_node* second_parent() const noexcept { return nullptr; }

    context_error error() const noexcept {
        // seq_cst: the look of waiter.hpp, W6.
        return static_cast<context_error>(ended.load(std::memory_order_seq_cst));
    }

    std::atomic<std::uint32_t> references{1};
    std::atomic<std::uint32_t> ended{0};
    enum class phase : std::uint8_t { live, ending, settled };
    std::atomic<phase> now{phase::live};
    context_node* const parent;   // referenced, or null
    bool follows_parent = false;  // stands in the parent's list of children
    bool ends_only_with_parent = false;
    bool is_of_one_task = false;  // made for its waits; go() does not hand it on
    time_point deadline = no_deadline;
    std::exception_ptr deadline_cause;
    std::exception_ptr cause;  // C1
    timer_node timer;

    lock mutex;  // guards what follows
    context_node* first_child = nullptr;
    context_node* next_sibling = nullptr;  // under the parent's lock
    context_node* prev_sibling = nullptr;
    wait_list watchers;
    home* homes = nullptr;
    context_callback* callbacks = nullptr;
    std::optional<std::stop_source> source;

    context_node* next_to_cancel = nullptr;  // of whoever won begin()
};

using stop_link = std::stop_callback<std::function<void()>>;

struct context_tree {
    static void retain(context_node* n) noexcept {
        if (n) n->references.fetch_add(1, std::memory_order_relaxed);
    }

    static bool try_pin(context_node& n) noexcept {
        std::uint32_t seen = n.references.load(std::memory_order_relaxed);
        while (seen != 0)
            if (n.references.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
        return false;
    }

    static void release(context_node* n) noexcept {
        while (n && n->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            context_node* const up = n->parent;
            timer_queue::remove(n->timer);
            if (n->follows_parent) {
                const hold guard{up->mutex};
                if (n->prev_sibling) n->prev_sibling->next_sibling = n->next_sibling;
                else up->first_child = n->next_sibling;
                if (n->next_sibling) n->next_sibling->prev_sibling = n->prev_sibling;
            }
            delete n;
            n = up;
        }
    }

    /// Adopts the node's first reference, takes one of the parent, and follows the parent's end (C3).
    static void attach(context_node& n) noexcept {
        context_node* const up = n.parent;
        retain(up);
        if (!up) return;
        if (n.deadline == no_deadline || up->deadline < n.deadline) n.deadline = up->deadline;
        const hold guard{up->mutex};
        if (const auto e = up->error(); e != context_error::none) {
            n.cause = up->cause;
            n.now.store(phase::settled, std::memory_order_relaxed);
            n.ended.store(static_cast<std::uint32_t>(e), std::memory_order_seq_cst);
            return;
        }
        n.follows_parent = true;
        n.next_sibling = up->first_child;
        if (up->first_child) up->first_child->prev_sibling = &n;
        up->first_child = &n;
    }

    /// Ends the context and all below it. Returns whether this call ended it. Runs no user code but stop callbacks.
    static bool cancel(context_node& root, context_error how, const std::exception_ptr& cause) noexcept {
        // Before the end can be seen: who sees it may let the last other reference go.
        retain(&root);
        const bool first = begin(root, how, cause);
        if (first) {
            end_all_below(root);
            for (context_node* n = &root; n;) {
                context_node* const next = n->next_to_cancel;
                tell_those_at(*n);
                if (n != &root) release(n);
                n = next;
            }
        } else {
            await_settled(root);
        }
        release(&root);
        return first;
    }

    /// What a timer queue found due, besides waits.
    static void end_due(due_timers due) noexcept {
        while (due) {
            timer_node& node = *due;
            due = node.next_due;  // before the action: it may be due again at once (Q2)
            if (node.action) {
                node.action->time_has_come();
                continue;
            }
            context_node* const n = node.context;
            cancel(*n, context_error::deadline_exceeded, n->deadline_cause);
            release(n);
        }
    }

    /// False: the context has ended, and `c` will not be called.
    static bool add_callback(context_node& n, context_callback& c) noexcept {
        const hold guard{n.mutex};
        if (n.error() != context_error::none) return false;  // C3
        c.stands = context_callback::place::listed;
        c.prev = nullptr;
        c.next = n.callbacks;
        if (n.callbacks) n.callbacks->prev = &c;
        n.callbacks = &c;
        return true;
    }
    /// False: it has been called, or is about to be.
    static bool remove_callback(context_node& n, context_callback& c) noexcept {
        const hold guard{n.mutex};
        if (c.stands != context_callback::place::listed) return false;
        c.stands = context_callback::place::nowhere;
        (c.prev ? c.prev->next : n.callbacks) = c.next;
        if (c.next) c.next->prev = c.prev;
        return true;
    }

    /// Whether anything but the end of `n`'s parents could end it, or one of those can end so.
    static bool can_end(const context_node* n) noexcept {
        for (; n; n = n->follows_parent ? n->parent : nullptr)
            if (!n->ends_only_with_parent) return true;
        return false;
    }

    static const void* value(const context_node* n, const void* key) noexcept {
        while (n) {
            if (const void* v = n->value_of(key)) return v;
            const context_node* const second = n->second_parent();
            if (!second) {
                n = n->parent;
            } else {
                if (const void* v = value(n->parent, key)) return v;
                n = second;
            }
        }
        return nullptr;
    }

    /// Whether the end of `ancestor` always ends `n` too.
    static bool follows(const context_node* n, const context_node* ancestor) noexcept {
        for (; n; n = n->parent) {
            if (n == ancestor) return true;
            if (const context_node* const second = n->second_parent(); second && follows(second, ancestor)) return true;
            if (!n->follows_parent) return false;
        }
        return false;
    }

    /// The home of `n` in `in`, with a reference; made if there is none.
    static home& home_in(context_node& n, runtime_core& in);  // scheduler.hpp
    static void release_home(home& h) noexcept;               // scheduler.hpp

    /// How many tasks live that were started under `n` or below it, and count it.
    static std::size_t tasks_below(context_node& n) noexcept {
        std::size_t count = 0;
        const hold guard{n.mutex};
        // relaxed: exact for those that the caller knows to have ended.
        for (home* h = n.homes; h; h = h->next_of_context) count += h->references.load(std::memory_order_relaxed);
        // A child stays in memory while we hold this lock: it needs it to leave the list.
        for (context_node* c = n.first_child; c; c = c->next_sibling) count += tasks_below(*c);
        return count;
    }

private:
    using phase = context_node::phase;

    static bool begin(context_node& n, context_error how, const std::exception_ptr& cause) noexcept {
        phase seen = phase::live;
        // relaxed: one winner; the others wait until it is settled.
        if (!n.now.compare_exchange_strong(seen, phase::ending, std::memory_order_relaxed)) return false;
        n.cause = cause;  // C1
        n.ended.store(static_cast<std::uint32_t>(how), std::memory_order_seq_cst);
        return true;
    }

    static void await_settled(const context_node& n) noexcept {
        // acquire: sees what has ended.
        for (backoff wait; n.now.load(std::memory_order_acquire) != phase::settled;)
            if (!wait.pause()) std::this_thread::yield();
    }

    // C2. Links all that it has ended behind `root`, pinned, parents first.
    static void end_all_below(context_node& root) noexcept {
        root.next_to_cancel = nullptr;
        context_node* last = &root;
        for (context_node* n = &root; n; n = n->next_to_cancel) {
            const hold guard{n->mutex};
            for (context_node* c = n->first_child; c; c = c->next_sibling) {
                // A child stays in memory while we hold this lock: it needs it to leave the list.
                if (!begin(*c, root.error(), root.cause)) {
                    await_settled(*c);
                } else if (try_pin(*c)) {
                    c->next_to_cancel = nullptr;
                    last = last->next_to_cancel = c;
                }  // else C4
            }
        }
        for (context_node* n = &root; n; n = n->next_to_cancel) n->now.store(phase::settled, std::memory_order_release);
    }

    static void tell_those_at(context_node& n) noexcept {
        wake_chain woken;
        std::optional<std::stop_source> source;
        context_callback* callbacks = nullptr;
        {
            const hold guard{n.mutex};
            const auto how = n.ended.load(std::memory_order_relaxed);
            while (wait_node* w = n.watchers.claim_front()) woken.push(*w->who);
            for (home* h = n.homes; h; h = h->next_of_context) h->cancel_tasks(how, claim::cancellable, woken);
            source = n.source;
            callbacks = std::exchange(n.callbacks, nullptr);
            for (auto* c = callbacks; c; c = c->next) c->stands = context_callback::place::taken;
        }
        woken.wake_all();
        while (callbacks) std::exchange(callbacks, callbacks->next)->context_ended();
        if (source) source->request_stop();
    }
};

SLUICE_ALWAYS_INLINE bool task_state::must_stop() const noexcept {
    // seq_cst: the look of waiter.hpp, W6; a plain load on the machines we know.
    if (shields_ == 0) [[likely]]
        return home_->ended.load(std::memory_order_seq_cst) != 0 || stop_requested();
    // Of a context that was entered under a shield only its own end counts, not that of the task or the run.
    return !is_shielded() && home_->context && home_->context->error() != context_error::none;
}

/// The same without the end of the context: a stop of this task, or the end of its run.
inline bool task_state::must_stop_itself() const noexcept {
    if (shields_ != 0) return false;
    if (stop_requested() && !owns_context_) return true;
    // A home ends without its context when the run does, for a context ends before its homes (C2).
    return home_->ended.load(std::memory_order_seq_cst) != 0 &&
           (!home_->context || home_->context->error() == context_error::none);
}

inline void task_state::throw_canceled() const {
    if (auto* const in = this_thread_state().simulation) in->throw_injected(*this);
    if (home_->context && home_->context->error() != context_error::none) throw canceled{home_->context->cause};
    throw canceled{};
}

inline std::exception_ptr task_state::cancellation() const noexcept {
    if (this_thread_state().simulation) {  // which may have another failure to inject
        try {
            throw_canceled();
        } catch (...) {
            return std::current_exception();
        }
    }
    const bool has_ended = home_->context && home_->context->error() != context_error::none;
    if (has_ended && home_->context->cause) return std::make_exception_ptr(canceled{home_->context->cause});
    // One for all that have no cause; immortal: a static runtime may end late.
    static const auto* const without_cause = new std::exception_ptr{std::make_exception_ptr(canceled{})};
    return *without_cause;
}

inline context_node* task_state::pin_own_context() noexcept {
    if (!owns_context_) return nullptr;
    context_tree::retain(home_->context);
    return home_->context;
}

inline due_timers timer_queue::fire(time_point now, wake_chain& woken) noexcept {
    due_timers due = nullptr;
    const hold guard{mutex};
    while (timer_node* const first = timers_.front()) {
        if (first->at > now) break;
        take(*first, woken, due);
    }
    return due;
}

inline void timer_queue::take(timer_node& n, wake_chain& woken, due_timers& due) noexcept {
    erase(n);
    if (n.context || n.action) {
        if (!(n.context ? context_tree::try_pin(*n.context) : n.action->try_pin())) return;
        n.next_due = due;
        due = &n;
    } else if (n.who->try_claim(n.turn)) {
        woken.push(*n.who);
    }
}

}  // namespace detail
}  // namespace sluice
