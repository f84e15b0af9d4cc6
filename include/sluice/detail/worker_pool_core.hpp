// SPDX-License-Identifier: BSL-1.0
// worker_pool_core.hpp: which job of a pool may run now, and which one next?
//
//   submitted ──a worker is free──▶ has its turn ──▶ runs ──▶ ended          counted as done, or as interrupted
//       └────── queued ──▶ has its turn                                      in the order of the submits
//               └── cancelled ─────────────────────▶ ended                   counted as dropped
//
// P1  A job is a task from its submit on, so it has a handle like any other, and can be cancelled while it is queued.
//     A worker is a turn: `running_` jobs have one, at most `workers_`, and none is queued while a turn is free.
// P2  Who brings a turn back gives it to the first that is queued, under the lock. The turn then belongs to that job, run
//     or cancelled, until it has ended.
// P3  A permit of `room` is held from before the submit until the end of the job: so at most `queue` are queued.
// P4  Closed under the same lock under which a start is counted (`group.add`): who waits for the group after the close
//     waits for every job that was let in before it, and none comes afterwards.
// P5  The end of a job: its callable has gone, its turn and its permit are given back, it is counted down, last: then
//     the pool may go. Its exception belongs to its handle (`group` of the task is null from then on).
#pragma once

#include <exception>
#include <optional>
#include <tuple>

#include "../context.hpp"
#include "acquire.hpp"
#include "group_core.hpp"
#include "stage_call.hpp"

namespace sluice::detail {

class pool_core;

/// A job: who is told of the end of its task. It deletes itself then.
class pool_job final : public group_link, public pooled {
public:
    pool_job(pool_core& of, place at) noexcept : pool{&of}, submitted_at{at} {}
    inline void task_ended(task_state& t, const std::exception_ptr& error) noexcept override;
    inline group_link* counter() noexcept override;

    pool_core* const pool;
    const place submitted_at;
    bool has_begun = false;  // of its own task
    // Under the lock of the pool.
    bool has_turn = false;
    pool_job* prev = nullptr;  // in the queue
    pool_job* next = nullptr;
    wait_list waiters;  // its own task
};

/// How the jobs of a pool have ended.
struct pool_counts {
    std::size_t done = 0;
    std::size_t interrupted = 0;
    std::size_t dropped = 0;
};

class pool_core {
public:
    pool_core(std::size_t workers, std::size_t queue, bool on_threads, context_node* under)
        : room{workers + queue},
          blocks{on_threads},
          workers_{workers},
          group{under},
          accepting{with_cancel(own_context())} {}
    ~pool_core() { close(); }  // the group cancels and joins

    context own_context() {
        context_node& node = group.own_node();
        context_tree::retain(&node);
        return context_access::adopt(&node);
    }

    /// Lets `j` in, to run now or later; false: closed. Counted once more in the group until it has been started.
    bool enter(pool_job& j) noexcept {
        const hold guard{mutex};
        if (closed_) return false;
        group.add(1);
        if (running_ < workers_) take_turn(j);
        else push(j);
        return true;
    }
    /// It could not be started.
    void leave(pool_job& j) noexcept {
        wake_chain woken;
        {
            const hold guard{mutex};
            give_up_place(j, woken);
        }
        woken.wake_all();
    }

    /// Accepts no more. What has ended by now.
    pool_counts close() noexcept {
        pool_counts so_far;
        {
            const hold guard{mutex};
            closed_ = true;
            so_far = counts_;
        }
        accepting.cancel();  // who waits for room leaves
        return so_far;
    }
    bool is_closed() const noexcept {
        const hold guard{mutex};
        return closed_ || accepting.get().done();
    }
    pool_counts counts() const noexcept {
        const hold guard{mutex};
        return counts_;
    }
    std::size_t running() const noexcept {
        const hold guard{mutex};
        return running_;
    }
    std::size_t queued() const noexcept {
        const hold guard{mutex};
        return queued_;
    }
    std::size_t workers() const noexcept { return workers_; }

    /// P5
    void job_ended(pool_job& ended, const task_state& t, const std::exception_ptr& error) noexcept {
        const bool was_stopped = error && is_canceled(error) && group.own_node().error() != context_error::none;
        wake_chain woken;
        {
            const hold guard{mutex};
            if (!ended.has_begun) ++counts_.dropped;
            else if (was_stopped) ++counts_.interrupted;
            else ++counts_.done;
            give_up_place(ended, woken);
        }
        woken.wake_all();
        room.release(1, {});
        delete &ended;
        group.end_one(t, nullptr);
    }

    mutable lock mutex;
    permit_core room;
    const bool blocks;  // plain functions run on threads that may block

private:
    // All below under the lock.
    void take_turn(pool_job& j) noexcept {
        j.has_turn = true;
        ++running_;
    }
    // P2
    void give_up_place(pool_job& j, wake_chain& woken) noexcept {
        if (!j.has_turn) return unlink(j);
        --running_;
        pool_job* const following = first_;
        if (!following) return;
        unlink(*following);
        take_turn(*following);
        while (wait_node* n = following->waiters.claim_front()) woken.push(*n->who);
    }
    void push(pool_job& j) noexcept {
        j.prev = last_;
        (last_ ? last_->next : first_) = &j;
        last_ = &j;
        ++queued_;
    }
    void unlink(pool_job& j) noexcept {
        (j.prev ? j.prev->next : first_) = j.next;
        (j.next ? j.next->prev : last_) = j.prev;
        --queued_;
    }

    const std::size_t workers_;
    std::size_t running_ = 0;
    std::size_t queued_ = 0;
    pool_job* first_ = nullptr;
    pool_job* last_ = nullptr;
    pool_counts counts_;
    bool closed_ = false;

public:
    group_core group;  // joined first
    context_source accepting;
};

inline void pool_job::task_ended(task_state& t, const std::exception_ptr& error) noexcept {
    t.group = nullptr;
    pool->job_ended(*this, t, error);
}
inline group_link* pool_job::counter() noexcept { return &pool->group; }

/// Waits for the turn of a job; by its own task.
class turn_operation final : public wait_node, public awaitable_tag {
public:
    explicit turn_operation(pool_job& j) noexcept : where{j.submitted_at}, job_{&j} {}

    lock* guard() noexcept { return &job_->pool->mutex; }
    bool looks_ready() const noexcept { return true; }
    bool try_commit(wake_chain&) noexcept { return job_->has_turn; }
    void enlist(waiter& w, ticket t) noexcept { wait_in(job_->waiters, w, t); }
    void result() const noexcept {}
    wait_kind kind() const noexcept { return wait_kind::condition; }
    const void* object() const noexcept { return job_->pool; }
    auto for_task(task_state& self) noexcept { return task_awaiter<turn_operation>{*this, self}; }

    place where;

private:
    pool_job* job_;
};

/// What the task of a job calls: waits for its turn, and then calls the function.
template <class F, class... Args>
class pool_call {
    static constexpr bool is_plain = is_plain_call<F, Args...>;
    using result = stage_result<F, Args...>;

public:
    template <class G, class... As>
    pool_call(pool_job& j, G&& f, As&&... args) : job_{&j}, call_(std::forward<G>(f), std::forward<As>(args)...) {}

    // The callable stays where it is, as long as its coroutine.
    task<result> operator()() {
        turn_operation my_turn{*job_};
        co_await my_turn;
        job_->has_begun = true;
        if constexpr (!is_plain) {
            co_return co_await std::apply([](F& f, Args&... args) { return call_of(f, std::move(args)...); }, call_);
        } else {
            if (job_->pool->blocks) {
                auto on_a_thread = std::apply(
                    [](F& f, Args&... args) {
                        return blocking_operation<result>{make_blocking(std::ref(f), std::move(args)...)};
                    },
                    call_);
                co_return co_await on_a_thread;
            }
            co_return std::apply([](F& f, Args&... args) -> result { return std::invoke(f, std::move(args)...); },
                                 call_);
        }
    }

private:
    pool_job* job_;
    std::tuple<F, Args...> call_;
};

}  // namespace sluice::detail
