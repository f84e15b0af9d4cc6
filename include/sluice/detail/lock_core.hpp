// SPDX-License-Identifier: BSL-1.0
// lock_core.hpp: who holds a mutex, and who gets it next?
//
//   free ──try_take(shared)──▶ held by readers      free ──try_take──▶ held by a writer      both ──last unlock──▶ free
//
// K1  `writer_` excludes `readers_ > 0`.
// K2  The queue is granted from its front while the front fits, and no further: looking past it would starve writers.
//     Nobody takes the lock while a live request is queued. So an unlock hands over: the lock is never free in between.
// K3  A lock that was granted to an operation belongs to it until result(): if nobody takes the result, because the
//     frame has been destroyed or another case has fired, it goes on to the next with the operation.
// K4  A holder is a task, a thread or a coroutine of another library, and any of them may unlock: a task goes on in any
//     thread. Who took it, and where, is noted for reports only (wait_graph.hpp): compared and printed, never followed.
//     Of many readers some are noted.
// K5  After the internal lock is released nothing of the core is touched, so who was let in may destroy it.
#pragma once

#include <mutex>

#include "await.hpp"
#include "block.hpp"
#include "expect.hpp"
#include "report.hpp"

namespace sluice::detail {

enum class lock_mode : std::uint8_t { exclusive, shared };

class lock_node : public wait_node {
public:
    explicit lock_node(lock_mode m) noexcept : mode{m} {}
    lock_mode mode;
    bool granted = false;  // K3
    actor by;
};

class lock_core {
public:
    explicit lock_core(blockers* readers_known = nullptr) noexcept : readers_known_{readers_known} {}
    ~lock_core() { SLUICE_EXPECT(!writer_ && readers_ == 0, "a mutex was destroyed while it was locked"); }

    void unlock(lock_mode mode, place at) {
        wake_chain woken;
        {
            const hold guard{mutex};
            if (mode == lock_mode::shared) {
                SLUICE_EXPECT_AT(readers_ > 0, "unlock_shared() of a mutex that nobody has locked shared", at);
                --readers_;
                forget_reader();
            } else {
                SLUICE_EXPECT_AT(writer_, "unlock() of a mutex that nobody has locked", at);
                writer_ = false;
                if (holder_.task && holder_.task == this_thread_state().task) holder_.task->uncount_lock();
                holder_ = {};
            }
            grant(woken);
        }
        woken.wake_all();  // K5
    }

    // Under the internal lock.
    bool try_take(const lock_node& n) noexcept {
        while (wait_node* front = queue_.front()) {
            if (is_waiting(*front)) return false;  // K2
            wait_list::unlink(*front);
        }
        if (!fits(n.mode)) return false;
        take(n);
        return true;
    }
    void enlist(lock_node& n) noexcept { queue_.push_back(n); }
    void leave(lock_node& n, wake_chain& woken) noexcept {
        if (n.is_linked()) wait_list::unlink(n);
        grant(woken);  // the next one may fit now, whoever dropped the node
    }

    // Snapshots.
    bool is_locked() const noexcept {
        const hold guard{mutex};
        return writer_ || readers_ != 0;
    }
    std::size_t readers() const noexcept {
        const hold guard{mutex};
        return readers_;
    }
    std::size_t waiting() const noexcept {
        const hold guard{mutex};
        return queue_.size();
    }
    /// Of the exclusive lock.
    actor holder() const noexcept {
        const hold guard{mutex};
        return holder_;
    }
    /// Who must unlock before anybody else can go on, as far as it is known (K4).
    void holders(blockers& into) const noexcept {
        const hold guard{mutex};
        if (writer_) into.add(holder_);
        else if (readers_known_) into = *readers_known_;
    }

    mutable lock mutex;

private:
    static bool is_waiting(const wait_node& n) noexcept {
        return n.who->word() == claim::with_state(n.turn, claim::waiting);
    }
    bool fits(lock_mode mode) const noexcept { return !writer_ && (mode == lock_mode::shared || readers_ == 0); }
    void take(const lock_node& n) noexcept {
        if (n.mode == lock_mode::shared) {
            ++readers_;
            readers_known_->add(n.by);
        } else {
            writer_ = true;
            holder_ = n.by;
        }
        if (n.by.task) n.by.task->count_lock();
    }
    void forget_reader() noexcept {
        auto& known = *readers_known_;
        const auto me = actor::here({});
        for (std::size_t i = 0; i < known.count; ++i) {
            if (known.all[i].key() != me.key()) continue;
            if (me.task) me.task->uncount_lock();
            known.all[i] = known.all[--known.count];
            break;
        }
        if (readers_ == 0) known.count = 0;
    }
    void grant(wake_chain& woken) noexcept {
        while (wait_node* front = queue_.front()) {
            auto& request = static_cast<lock_node&>(*front);
            if (!fits(request.mode) && is_waiting(request)) return;
            wait_list::unlink(request);
            if (!request.who->try_claim(request.turn)) continue;
            take(request);
            request.granted = true;
            woken.push(*request.who);
        }
    }

    bool writer_ = false;
    std::size_t readers_ = 0;
    actor holder_;
    blockers* const readers_known_;  // of a lock that can be shared: some of those who hold it
    wait_list queue_;
};

/// Awaits a lock; while it waits, its wait stands in the graph.
template <class Op>
class lock_awaiter : public task_awaiter<Op> {
public:
    lock_awaiter(Op& op, task_state& self) noexcept : task_awaiter<Op>{op, self}, op_{op} {}

    bool await_suspend(std::coroutine_handle<> frame) {
        if (!this->is_done()) {
            const bool is_told =
                edge_.begin({&this->self(), 0, {}}, op_.kind(), op_.object(), &Op::in_the_way, op_.where);
            // Those who hold no lock and join do not stand in the graph.
            if (!is_told)
                join_circle::look_and_tell(this->self(), op_.kind(), op_.object(), &Op::in_the_way, op_.where);
        }
        return task_awaiter<Op>::await_suspend(frame);
    }
    decltype(auto) await_resume() {
        edge_.end();
        return task_awaiter<Op>::await_resume();
    }

private:
    Op& op_;
    waits_in_graph edge_;
};

/// Takes the lock; the result is `true`.
class lock_operation : public lock_node, public awaitable_tag {
public:
    lock_operation(lock_core& of, lock_mode m, place at) noexcept : lock_node{m}, where{at}, of_{&of} {}
    lock_operation(lock_operation&&) = default;
    ~lock_operation() {
        if (granted) of_->unlock(mode, where);
    }

    lock* guard() noexcept { return &of_->mutex; }
    bool looks_ready() const noexcept { return true; }
    bool try_commit(wake_chain&) noexcept {
        by = in_another_library_ ? actor{nullptr, 0, where} : actor::here(where);
        return granted = of_->try_take(*this);
    }
    void enlist(waiter& w, ticket t) noexcept {
        who = &w;
        turn = t;
        if (w.how() == wake_by::posting) by = {nullptr, 0, where};  // not the task that this thread runs
        of_->enlist(*this);
    }
    void delist(wake_chain& woken) noexcept { of_->leave(*this, woken); }
    bool result() noexcept {
        granted = false;
        return true;
    }
    bool ended_by(status) const noexcept { return false; }
    wait_kind kind() const noexcept { return mode == lock_mode::shared ? wait_kind::read_lock : wait_kind::lock; }
    const void* object() const noexcept { return of_; }
    /// Who is in the way (wait_graph.hpp).
    static void in_the_way(const void* of, blockers& into) noexcept {
        static_cast<const lock_core*>(of)->holders(into);
    }
    auto for_task(task_state& self) noexcept { return lock_awaiter<lock_operation>{*this, self}; }
    auto for_foreign() noexcept {
        in_another_library_ = true;
        return lone_wait<lock_operation&>{*this};
    }

    place where;

protected:
    bool in_another_library_ = false;

private:
    lock_core* of_;
};

/// A guard of the standard library that the compiler does not let one drop by mistake.
template <class Guard>
class [[nodiscard]] kept_guard : public Guard {
public:
    using Guard::Guard;
    kept_guard() noexcept = default;
    kept_guard(kept_guard&&) noexcept = default;
    kept_guard& operator=(kept_guard&&) = default;
    ~kept_guard() = default;
};

/// Takes the lock; the result is the guard, which holds nothing when it was ended early.
template <class Guard>
class guarded_lock_operation : public lock_operation {
public:
    guarded_lock_operation(typename Guard::mutex_type& m, lock_core& of, lock_mode how, place at) noexcept
        : lock_operation{of, how, at}, mutex_{&m} {}
    Guard result() noexcept {
        granted = false;
        return Guard{*mutex_, std::adopt_lock};
    }
    Guard ended_by(status) const noexcept { return Guard{}; }
    auto for_task(task_state& self) noexcept { return lock_awaiter<guarded_lock_operation>{*this, self}; }
    auto for_foreign() noexcept {
        in_another_library_ = true;
        return lone_wait<guarded_lock_operation&>{*this};
    }

private:
    typename Guard::mutex_type* mutex_;
};

/// The core of a mutex, for what works on it from beside it.
struct lock_access {
    template <class Mutex>
    static lock_core& core(Mutex& m) noexcept {
        return m.core_;
    }
};

}  // namespace sluice::detail
