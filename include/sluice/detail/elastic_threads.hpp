// SPDX-License-Identifier: BSL-1.0
// elastic_threads.hpp: on which thread does something run that may block?
//
// A cache of threads that grows with demand up to a limit and shrinks when idle: workers, their stand-ins, and
// blocking callables all run here, so there is one place that makes threads and one that joins them.
// E1  A job is handed to an idle thread, or starts a new one, or, at the limit, waits in the queue.
// E2  No thread is detached: a thread that retires leaves its handle in `retired_`, joined by the next submit or at
//     the end.
// E3  A thread is alive until it has retired; join() waits until none is, then joins all handles.
#pragma once

#include <algorithm>
#include <deque>
#include <list>
#include <thread>
#include <vector>

#include "lock.hpp"
#include "outside.hpp"
#include "parker.hpp"
#include "serving_thread.hpp"

namespace sluice::detail {

class elastic_threads {
public:
    struct job {
        void (*run)(void*) noexcept = nullptr;
        void* data = nullptr;
    };

    /// `cores`: what each thread may use, if those who start them may be pinned to less; null: they are not.
    explicit elastic_threads(unsigned limit, const allowed_cores* cores = nullptr) noexcept
        : limit_{limit}, cores_{cores} {}
    ~elastic_threads() { join(); }
    elastic_threads(const elastic_threads&) = delete;
    elastic_threads& operator=(const elastic_threads&) = delete;

    /// Returns whether the job has a thread at once; otherwise it waits for one. Throws when the system refuses a
    /// thread and none is there that could take the job later; the job is not kept then.
    bool submit(job j) {
        std::list<seat> leftover;
        hold guard{mutex_};
        leftover.splice(leftover.end(), retired_);
        bool running = true;
        if (!idle_.empty()) {
            seat* const s = idle_.back();
            idle_.pop_back();
            s->next = j;
            guard.release();
            s->wake.unpark();
        } else if (seats_.size() < limit_ && start(j)) {
            guard.release();
        } else {
            queue_.push_back(j);
            running = false;
            guard.release();
        }
        join_all(leftover);
        return running;
    }

    /// Waits for all jobs and threads. No submit() may come after it from outside.
    void join() noexcept {
        std::vector<seat*> idle;
        {
            const hold guard{mutex_};
            closing_ = true;
            idle.swap(idle_);
        }
        for (auto* s : idle) s->wake.unpark();
        // acquire: E3: what the threads wrote before they retired.
        while (const auto alive = alive_.load(std::memory_order_acquire)) futex_wait(alive_, alive);
        std::list<seat> leftover;
        {
            const hold guard{mutex_};
            leftover.swap(retired_);
        }
        join_all(leftover);
    }

    std::size_t thread_count() const noexcept {
        const hold guard{mutex_};
        return seats_.size();
    }

private:
    struct seat {
        std::thread thread;
        parker wake;
        job next;
        std::list<seat>::iterator self;
    };

    // Precondition: the lock is held. False: the system refused, but other threads will come to the queue.
    bool start(job j) {
        seats_.emplace_back();
        auto& s = seats_.back();
        s.self = std::prev(seats_.end());
        s.next = j;
        alive_.fetch_add(1, std::memory_order_relaxed);
        try {
            s.thread = std::thread{[this, at = &s]() noexcept { serve(*at); }};
        } catch (...) {
            alive_.fetch_sub(1, std::memory_order_relaxed);
            seats_.pop_back();
            if (seats_.empty()) throw;
            return false;
        }
        return true;
    }

    void serve(seat& s) noexcept {
        const our_thread counted;
        // The starter still writes s.thread under the lock.
        { const hold guard{mutex_}; }
        if (cores_) cores_->use_all();
        for (;;) {
            const job j = std::exchange(s.next, job{});
            if (j.run) j.run(j.data);
            {
                const hold guard{mutex_};
                if (!queue_.empty()) {
                    s.next = queue_.front();
                    queue_.pop_front();
                    continue;
                }
                if (closing_) return retire(s);
                idle_.push_back(&s);
            }
            if (!s.wake.park_until(std::chrono::steady_clock::now() + keep_alive)) {
                {
                    const hold guard{mutex_};
                    if (const auto it = std::find(idle_.begin(), idle_.end(), &s); it != idle_.end()) {
                        idle_.erase(it);
                        return retire(s);
                    }
                }
                s.wake.park();  // somebody took us from the idle list and is about to wake us
            }
            const hold guard{mutex_};
            if (!s.next.run) return retire(s);  // woken by join()
        }
    }

    // Precondition: the lock is held.
    void retire(seat& s) noexcept {
        retired_.splice(retired_.end(), seats_, s.self);
        // release: E3. The word outlives the wake: join() still has to join this thread.
        if (alive_.fetch_sub(1, std::memory_order_release) == 1) futex_wake(alive_, 1);
    }

    static void join_all(std::list<seat>& threads) noexcept {
        for (auto& s : threads) s.thread.join();
    }

    static constexpr auto keep_alive = std::chrono::seconds{5};

    const unsigned limit_;
    const allowed_cores* const cores_;
    mutable lock mutex_;
    bool closing_ = false;
    std::list<seat> seats_;    // running or idle
    std::list<seat> retired_;  // about to end, or ended
    std::vector<seat*> idle_;  // the most recently used last
    std::deque<job> queue_;
    std::atomic<std::uint32_t> alive_{0};
};

}  // namespace sluice::detail
