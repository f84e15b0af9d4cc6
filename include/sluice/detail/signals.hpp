// SPDX-License-Identifier: BSL-1.0
// signals.hpp: who is told of a signal of the process?
//
// The handler may do next to nothing: it counts and posts a semaphore. One thread waits on the semaphore and ends the
// contexts; it is started by the first watch and joined at the process's exit. A signal's old handler is back when
// nobody watches it any more.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <semaphore.h>
#define SLUICE_HAS_SIGNALS 1
#else
#define SLUICE_HAS_SIGNALS 0
#endif

#include "context_tree.hpp"
#include "outside.hpp"

namespace sluice {

/// The cause of a context that a signal ended.
class signal_received : public std::runtime_error {
public:
    explicit signal_received(int number)
        : std::runtime_error{"signal " + std::to_string(number) + " received"}, number_{number} {}
    int number() const noexcept { return number_; }

private:
    int number_;
};

namespace detail {

/// Told of a signal on a thread of its own, where everything may be done.
class signal_listener {
public:
    virtual ~signal_listener() = default;
    virtual void signal_came(int number) noexcept = 0;
};

/// Ends a context; that it may come is life for those who wait for it.
class signal_ends_context final : public signal_listener {
public:
    explicit signal_ends_context(context_node* node) noexcept : node_{node} { context_tree::retain(node_); }
    signal_ends_context(const signal_ends_context&) = delete;
    signal_ends_context& operator=(const signal_ends_context&) = delete;
    ~signal_ends_context() override { context_tree::release(node_); }
    void signal_came(int number) noexcept override {
        context_tree::cancel(*node_, context_error::canceled, std::make_exception_ptr(signal_received{number}));
    }

private:
    context_node* node_;
    const life may_come_;
};

#if SLUICE_HAS_SIGNALS

class signal_watch {
public:
    /// Tells `who` when one of `signals` comes, until the returned pointer goes.
    static std::shared_ptr<void> add(std::shared_ptr<signal_listener> who, std::initializer_list<int> signals) {
        auto w = std::make_shared<signal_watch>(std::move(who), std::vector<int>{signals});
        hub().add(*w);
        return w;
    }
    signal_watch(std::shared_ptr<signal_listener> who, std::vector<int> signals)
        : who_{std::move(who)}, signals_{std::move(signals)} {}
    signal_watch(const signal_watch&) = delete;
    signal_watch& operator=(const signal_watch&) = delete;
    ~signal_watch() { hub().remove(*this); }

private:
    static constexpr int most_signals = 65;

    struct stopper {
        ~stopper() { hub().stop(); }
    };

    class center {
    public:
        void add(signal_watch& w) {
            const std::lock_guard guard{mutex_};
            for (const int s : w.signals_) {
                if (s <= 0 || s >= most_signals) throw std::invalid_argument{"sluice: no such signal"};
                if (users_[static_cast<std::size_t>(s)]++ != 0) continue;
                struct sigaction action{};
                action.sa_handler = &center::handle;
                action.sa_flags = SA_RESTART;
                sigemptyset(&action.sa_mask);
                ::sigaction(s, &action, &previous_[static_cast<std::size_t>(s)]);
            }
            watches_.push_back(&w);
            if (thread_.joinable() || stopping_) return;
            thread_ = std::thread{[this]() noexcept { serve(); }};
            static const stopper at_exit;
        }
        void remove(signal_watch& w) noexcept {
            const std::lock_guard guard{mutex_};
            const auto it = std::find(watches_.begin(), watches_.end(), &w);
            if (it == watches_.end()) return;
            watches_.erase(it);
            for (const int s : w.signals_) {
                if (--users_[static_cast<std::size_t>(s)] != 0) continue;
                ::sigaction(s, &previous_[static_cast<std::size_t>(s)], nullptr);
            }
        }
        void stop() noexcept {
            {
                const std::lock_guard guard{mutex_};
                stopping_ = true;
            }
            ::sem_post(&semaphore_);
            if (thread_.joinable()) thread_.join();
        }
        center() {
            if (::sem_init(&semaphore_, 0, 0) != 0) throw std::runtime_error{"sluice: no semaphore for signals"};
        }

    private:
        static void handle(int s) {
            const int saved = errno;
            auto& me = hub();
            me.pending_[static_cast<std::size_t>(s)].fetch_add(1, std::memory_order_relaxed);
            ::sem_post(&me.semaphore_);
            errno = saved;
        }
        void serve() noexcept {
            const our_thread counted;
            for (;;) {
                while (::sem_wait(&semaphore_) != 0) {}
                std::vector<std::pair<std::shared_ptr<signal_listener>, int>> to_tell;
                {
                    const std::lock_guard guard{mutex_};
                    if (stopping_) return;
                    for (int s = 1; s < most_signals; ++s) {
                        const auto times = pending_[static_cast<std::size_t>(s)].exchange(0, std::memory_order_relaxed);
                        for (auto* w : watches_) {
                            if (std::find(w->signals_.begin(), w->signals_.end(), s) == w->signals_.end()) continue;
                            to_tell.insert(to_tell.end(), times, {w->who_, s});
                        }
                    }
                }
                for (const auto& [who, s] : to_tell) who->signal_came(s);
            }
        }

        std::mutex mutex_;
        bool stopping_ = false;
        ::sem_t semaphore_{};
        std::thread thread_;
        std::vector<signal_watch*> watches_;
        std::array<unsigned, most_signals> users_{};
        std::array<struct sigaction, most_signals> previous_{};
        std::array<std::atomic<unsigned>, most_signals> pending_{};
    };

    static center& hub() {
        static auto* const all = new center;  // immortal: a handler may run at any time
        return *all;
    }

    std::shared_ptr<signal_listener> who_;
    std::vector<int> signals_;
};

#else

class signal_watch {
public:
    static std::shared_ptr<void> add(std::shared_ptr<signal_listener>, std::initializer_list<int>) {
        throw std::runtime_error{"sluice: this needs POSIX signals"};
    }
};

#endif

}  // namespace detail
}  // namespace sluice
