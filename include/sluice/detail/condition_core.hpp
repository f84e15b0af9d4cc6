// SPDX-License-Identifier: BSL-1.0
// condition_core.hpp: how does one let a lock go, wait to be notified, and take the lock again, missing nothing?
//
//   entry:   listed ──notify──▶ notified ──result()──▶ used           listed ──leave──▶ gone
//                                  └──leave──▶ passed on to the next
//
// N1  An entry is listed while its owner still holds the lock, and only then the lock is let go. So whoever changes the
//     state under the lock and notifies afterwards finds it; no notification falls between the two.
// N2  The owner becomes a waiter of its entry later (`who`). Notified before that, it does not begin to wait.
// N3  A notification that its owner does not use, because its wait was ended at that moment, goes to the next.
// N4  Whatever ended the wait, the lock is taken again, by a wait that nothing ends. The guard never learns that it was
//     let go: it is only used by its owner, who waits.
// N5  The lock is let go and taken under none of our internal locks, and the entry leaves before the lock is taken.
#pragma once

#include <shared_mutex>

#include "child_wait.hpp"
#include "go.hpp"
#include "lock_core.hpp"

namespace sluice::detail {

/// The lock that a guard holds; no core: it holds none.
struct held_lock {
    template <class Mutex>
    held_lock(const std::unique_lock<Mutex>& g) noexcept : held_lock{g, lock_mode::exclusive} {}
    template <class Mutex>
    held_lock(const std::shared_lock<Mutex>& g) noexcept : held_lock{g, lock_mode::shared} {}

    void unlock(place at) const { core->unlock(mode, at); }
    lock_operation lock(place at) const noexcept { return {*core, mode, at}; }

    lock_core* core;
    lock_mode mode;

private:
    template <class Guard>
    held_lock(const Guard& g, lock_mode m) noexcept
        : core{g.owns_lock() ? &lock_access::core(*g.mutex()) : nullptr}, mode{m} {}
};

class condition_core;

class condition_entry : public wait_node {
public:
    explicit condition_entry(condition_core& of) noexcept;
    ~condition_entry();
    condition_entry(const condition_entry&) = delete;
    condition_entry& operator=(const condition_entry&) = delete;

private:
    friend condition_core;
    friend class notified_operation;
    condition_core& of_;
    bool notified_ = false;
    bool used_ = false;
};

class condition_core {
public:
    void notify(bool all) noexcept {
        wake_chain woken;
        {
            const hold guard{mutex};
            while (wait_node* n = list_.front()) {
                auto& entry = static_cast<condition_entry&>(*n);
                wait_list::unlink(entry);
                if (entry.who) {
                    if (!entry.who->try_claim(entry.turn)) continue;  // its wait has ended already
                    woken.push(*entry.who);
                }
                entry.notified_ = true;
                if (!all) break;
            }
        }
        woken.wake_all();
    }
    std::size_t waiting() const noexcept {
        const hold guard{mutex};
        return list_.size();
    }

    mutable lock mutex;

private:
    friend condition_entry;
    wait_list list_;
};

inline condition_entry::condition_entry(condition_core& of) noexcept : of_{of} {
    who = nullptr;
    const hold guard{of_.mutex};
    of_.list_.push_back(*this);
}
inline condition_entry::~condition_entry() {
    bool pass_on = false;
    {
        const hold guard{of_.mutex};
        if (is_linked()) wait_list::unlink(*this);
        else pass_on = notified_ && !used_;
    }
    if (pass_on) of_.notify(false);  // N3
}

/// Waits until an entry is notified; the result tells why the wait has ended.
class notified_operation : public awaitable_tag {
public:
    notified_operation(condition_entry& e, place at) noexcept : where{at}, entry_{&e} {}

    lock* guard() noexcept { return &entry_->of_.mutex; }
    bool looks_ready() const noexcept { return false; }
    bool try_commit(wake_chain&) noexcept { return entry_->notified_; }
    void enlist(waiter& w, ticket t) noexcept {
        entry_->who = &w;
        entry_->turn = t;
    }
    void delist(wake_chain& woken) noexcept { entry_->delist(woken); }
    status result() noexcept {
        entry_->used_ = true;
        return status::ok;
    }
    status ended_by(status why) const noexcept { return why; }
    wait_kind kind() const noexcept { return wait_kind::condition; }
    const void* object() const noexcept { return &entry_->of_; }
    auto for_task(task_state& self) noexcept { return task_awaiter<notified_operation>{*this, self}; }

    place where;
    waiter* who = nullptr;  // the entry's is set when it waits: it may have been notified before

private:
    condition_entry* entry_;
};

/// What a wait for a condition is told.
struct condition_terms {
    condition_core* condition;
    held_lock lock;
    context_node* named;
    time_point deadline;
    place at;

    ended_early<notified_operation> notification(condition_entry& e) const { return {{e, at}, named, deadline}; }
};

/// Before a wait of several steps. False: `named` has ended. Throws `canceled` if the surrounding context has.
inline bool may_begin_to_wait(context_node* named) {
    task_state* const self = this_thread_state().task;
    const shield quiet{self && std::uncaught_exceptions() > 0 ? self : nullptr};
    constexpr std::size_t may = 1;
    wait_watch watch{named, 0, {}};
    multi_wait look{{}, {&watch, 1}, {}};
    look.set_otherwise(may);
    look.try_now(self);
    if (look.fired() == multi_wait::canceled_position) self->throw_canceled();
    return look.fired() == may;
}

/// Takes a lock again when it goes. It cannot fail: who waits for the lock has waited before.
class taken_again {
public:
    taken_again(const held_lock& l, place at) noexcept : lock_{l}, at_{at} {}
    ~taken_again() {
        const shield to_the_end{this_thread_state().task};
        static_cast<void>(block(lock_.lock(at_)));
    }
    taken_again(const taken_again&) = delete;
    taken_again& operator=(const taken_again&) = delete;

private:
    const held_lock& lock_;
    place at_;
};

/// A predicate of any type, by reference: so the procedures below exist once.
class predicate_ref {
public:
    template <class Predicate>
        requires(!std::is_same_v<Predicate, predicate_ref>)
    explicit predicate_ref(Predicate& p) noexcept
        : predicate_{std::addressof(p)},
          ask_{[](const void* on) -> bool { return std::invoke(*static_cast<Predicate*>(const_cast<void*>(on))); }} {}
    bool operator()() const { return ask_(predicate_); }

private:
    const void* predicate_;
    bool (*ask_)(const void*);
};

/// Blocks the thread.
inline bool wait_for_condition(const condition_terms& terms, predicate_ref holds) {
    if (!may_begin_to_wait(terms.named)) return false;
    while (!holds()) {
        status why = status::ok;
        {
            const taken_again afterwards{terms.lock, terms.at};
            condition_entry entry{*terms.condition};  // N1
            terms.lock.unlock(terms.at);
            why = terms.notification(entry).block();
        }
        if (why != status::ok) return why == status::timed_out && holds();
    }
    return true;
}

/// The same for a task.
SLUICE_ONLY_IF_USED
task<bool> await_condition(condition_terms terms, predicate_ref holds) {
    if (!may_begin_to_wait(terms.named)) co_return false;
    while (!holds()) {
        status why = status::ok;
        std::exception_ptr error;
        {
            condition_entry entry{*terms.condition};  // N1
            terms.lock.unlock(terms.at);
            auto notification = terms.notification(entry);
            try {
                why = co_await notification;
            } catch (...) {
                error = std::current_exception();
            }
        }
        auto again = terms.lock.lock(terms.at);
        static_cast<void>(co_await shielded_awaitable<lock_operation&>{again});
        if (error) std::rethrow_exception(error);
        if (why != status::ok) co_return why == status::timed_out&& holds();
    }
    co_return true;
}

/// The operation of a task.
class condition_wait : public awaitable_tag {
public:
    condition_wait(condition_terms terms, predicate_ref holds) noexcept : terms_{terms}, holds_{holds} {
        context_tree::retain(terms_.named);
    }
    condition_wait(condition_wait&& other) noexcept : condition_wait{other.terms_, other.holds_} {}
    condition_wait& operator=(condition_wait&&) = delete;
    ~condition_wait() { context_tree::release(terms_.named); }

    SLUICE_ONLY_IF_USED
    auto for_task(task_state& self) { return child_wait<bool>{await_condition(terms_, holds_), self}; }

    /// The same, ended by `deadline` as well. This one is not used any more.
    condition_wait limited_to(time_point deadline) && {
        condition_wait limited{std::move(*this)};
        limited.terms_.deadline = std::min(deadline, terms_.deadline);
        return limited;
    }

private:
    condition_terms terms_;
    predicate_ref holds_;
};

}  // namespace sluice::detail
