// SPDX-License-Identifier: BSL-1.0
// foreign_coroutine.hpp: how do the coroutines of a library look that knows nothing of sluice?
#pragma once

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include <sluice/resumption.hpp>

namespace sluice_test {

/// A queue of tickets, run by whoever calls `run_one` or `run`.
class ticket_queue {
public:
    /// Called by the waker with each ticket, before it is queued.
    std::function<void(const sluice::resume_ticket&)> on_post;

    void add(sluice::resume_ticket t) {
        const std::lock_guard guard{mutex_};
        tickets_.push_back(std::move(t));
        ++added_;
        changed_.notify_one();
    }
    /// Resumes the oldest; false: there is none.
    bool run_one() {
        sluice::resume_ticket t;
        {
            const std::lock_guard guard{mutex_};
            if (tickets_.empty()) return false;
            t = std::move(tickets_.front());
            tickets_.pop_front();
        }
        t.resume();
        return true;
    }
    /// Resumes one after the other, waiting for more, until `stop` has been called and none is left.
    void run() {
        for (;;) {
            {
                std::unique_lock guard{mutex_};
                changed_.wait(guard, [&] { return stopping_ || !tickets_.empty(); });
                if (tickets_.empty()) return;
            }
            run_one();
        }
    }
    void stop() {
        const std::lock_guard guard{mutex_};
        stopping_ = true;
        changed_.notify_all();
    }
    /// Drops the tickets that are there.
    void clear() {
        const std::lock_guard guard{mutex_};
        tickets_.clear();
    }
    /// How many have come so far.
    std::size_t added() const {
        const std::lock_guard guard{mutex_};
        return added_;
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<sluice::resume_ticket> tickets_;
    std::size_t added_ = 0;
    bool stopping_ = false;
};

/// An executor: a queue and the one thread that runs it. Its destructor runs what is left.
class own_thread {
public:
    ~own_thread() {
        queue_.stop();
        thread_.join();
    }
    operator ticket_queue&() noexcept { return queue_; }
    std::thread::id id() const noexcept { return thread_.get_id(); }

private:
    ticket_queue queue_;
    std::thread thread_{[this] { queue_.run(); }};
};

/// What the promises of this library have in common: a coroutine begins at once, and goes on in the queue that is its
/// first parameter.
struct queued_promise {
    template <class... Args>
    explicit queued_promise(ticket_queue& q, Args&...) noexcept : queue{&q} {}
    template <class Closure, class... Args>
    queued_promise(Closure&, ticket_queue& q, Args&...) noexcept : queue{&q} {}
    std::suspend_never initial_suspend() const noexcept { return {}; }

    ticket_queue* queue;
    int posts = 0;
};

/// Belongs to its handle, which may destroy it while it is suspended.
class foreign {
public:
    struct promise_type : queued_promise {
        using queued_promise::queued_promise;
        foreign get_return_object() noexcept {
            return foreign{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };

    foreign() noexcept = default;
    foreign(foreign&& other) noexcept : frame_{std::exchange(other.frame_, nullptr)} {}
    foreign& operator=(foreign&& other) noexcept {
        if (this != &other) {
            destroy();
            frame_ = std::exchange(other.frame_, nullptr);
        }
        return *this;
    }
    ~foreign() { destroy(); }

    // Precondition of both: it is suspended.
    bool has_ended() const noexcept { return frame_.done(); }
    void destroy() noexcept {
        if (frame_) std::exchange(frame_, nullptr).destroy();
    }

private:
    explicit foreign(std::coroutine_handle<promise_type> frame) noexcept : frame_{frame} {}
    std::coroutine_handle<promise_type> frame_;
};

/// Has a result, which `get` waits for, and frees itself at its end.
template <class R>
class foreign_result {
public:
    struct promise_type : queued_promise {
        using queued_promise::queued_promise;
        foreign_result get_return_object() { return foreign_result{result.get_future()}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_value(R r) { result.set_value(std::move(r)); }
        void unhandled_exception() { result.set_exception(std::current_exception()); }

        std::promise<R> result;
    };

    bool done() const { return result_.wait_for(std::chrono::seconds{0}) == std::future_status::ready; }
    /// Blocks the thread.
    R get() { return result_.get(); }

private:
    explicit foreign_result(std::future<R> result) noexcept : result_{std::move(result)} {}
    std::future<R> result_;
};

/// Begins at once and frees itself at its end. Nobody says where it goes on: that is left to sluice.
struct fire_and_forget {
    struct promise_type {
        fire_and_forget get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

}  // namespace sluice_test

template <std::derived_from<sluice_test::queued_promise> Promise>
struct sluice::resumption<Promise> {
    static void post(Promise& p, sluice::resume_ticket t) noexcept {
        if (p.queue->on_post) p.queue->on_post(t);
        ++p.posts;  // the promise lives until the ticket has been passed on
        p.queue->add(std::move(t));
    }
};
