// SPDX-License-Identifier: BSL-1.0
// process_timers.hpp: who fires the timers of contexts that were made outside of any runtime?
//
// One thread, started with the first such timer and joined at the process's exit. Blocking waits of threads need no
// timer: they park with a deadline.
#pragma once

#include <thread>

#include "context_tree.hpp"
#include "outside.hpp"

namespace sluice::detail {

class process_timers {
public:
    static timer_queue& queue() { return instance().queue_; }
    /// Whether a timer is pending, or its time has come and not all has been done yet.
    static bool has_work() noexcept {
        auto& me = instance();
        // In this order: who takes the last timer out has said before that he is at it.
        return me.queue_.earliest() != no_deadline || me.is_firing_.load(std::memory_order_seq_cst);
    }

private:
    static process_timers& instance() {
        static process_timers all;
        return all;
    }

    process_timers() : queue_{timer_queue::make(&earlier, this)} {}
    ~process_timers() {
        {
            const hold guard{mutex_};
            stopping_ = true;
        }
        ring();
        if (thread_.joinable()) thread_.join();
    }

    static void earlier(void* self) noexcept {
        auto& me = *static_cast<process_timers*>(self);
        {
            const hold guard{me.mutex_};
            if (!me.thread_.joinable() && !me.stopping_) {
                try {
                    me.thread_ = std::thread{[&me]() noexcept { me.serve(); }};
                } catch (...) {
                    return;  // the next timer tries again
                }
            }
        }
        me.ring();
    }

    void ring() noexcept {
        bell_.fetch_add(1, std::memory_order_seq_cst);
        futex_wake(bell_, 1);
    }

    void serve() noexcept {
        const our_thread counted;
        for (;;) {
            const auto rung = bell_.load(std::memory_order_seq_cst);
            {
                const hold guard{mutex_};
                if (stopping_) return;
            }
            if (queue_.is_due(std::chrono::steady_clock::now())) {
                is_firing_.store(true, std::memory_order_seq_cst);
                wake_chain woken;
                const due_timers due = queue_.fire(std::chrono::steady_clock::now(), woken);
                woken.wake_all();
                context_tree::end_due(due);
                is_firing_.store(false, std::memory_order_seq_cst);
            } else {
                futex_wait(bell_, rung, queue_.earliest());
            }
        }
    }

    timer_queue& queue_;
    lock mutex_;
    bool stopping_ = false;
    std::atomic<bool> is_firing_{false};
    std::thread thread_;
    std::atomic<std::uint32_t> bell_{0};
};

}  // namespace sluice::detail
