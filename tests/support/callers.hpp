// SPDX-License-Identifier: BSL-1.0
// callers.hpp: who performs an operation, a thread or a task?
//
// A behaviour that is promised to both is written once, as a test over a kind of caller: it says how a thread does it
// and how a coroutine does it, and the caller starts the one or the other.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <sluice/select.hpp>

#include "workers.hpp"

namespace sluice_test {

/// What a thread does meanwhile. Whoever has its result, or destroys this, knows that the thread has ended, with all
/// that it made: a std::async of libc++ still destroys temporaries after its future is ready.
template <class R>
class on_a_thread {
public:
    explicit on_a_thread(std::packaged_task<R()> what) : result_{what.get_future()}, thread_{std::move(what)} {}
    bool done() const { return result_.wait_for(std::chrono::seconds{0}) == std::future_status::ready; }
    R get() {
        thread_.join();
        return result_.get();
    }

private:
    std::future<R> result_;
    std::jthread thread_;
};

/// Starts the blocking form, each on a thread of its own that sluice knows nothing of.
class threads {
public:
    template <class Blocking, class Coroutine, class... Args>
    auto start(Blocking f, Coroutine, Args... args) {
        using result = std::invoke_result_t<Blocking, Args...>;
        return on_a_thread<result>{
            std::packaged_task<result()>{[f = std::move(f), ... args = std::move(args)]() mutable -> result {
                return std::invoke(std::move(f), std::move(args)...);
            }}};
    }
};

/// Starts the coroutine, as a task of a runtime of its own.
class tasks {
public:
    template <class Blocking, class Coroutine, class... Args>
    auto start(Blocking, Coroutine f, Args... args) {
        return runtime_.go(std::move(f), std::move(args)...);
    }

private:
    sluice::runtime runtime_{workers(2)};
};

/// For TYPED_TEST_SUITE: every test once for each kind of caller.
using both_callers = testing::Types<threads, tasks>;
struct caller_names {
    template <class Callers>
    static std::string GetName(int) {
        return std::is_same_v<Callers, threads> ? "Threads" : "Tasks";
    }
};

/// How a send ended, and what its caller was left with.
template <class T>
struct send_end {
    sluice::status why;
    T left;
};

// --- The operations of a channel, done by either. ---------------------------------------------------------------

template <class Callers, class T>
auto start_receive(Callers& by, sluice::channel<T> ch, sluice::context until = {}) {
    return by.start([](sluice::channel<T> c, sluice::context u) { return c.receive(u); },
                    [](sluice::channel<T> c, sluice::context u) -> sluice::task<sluice::received<T>> {
                        co_return co_await c.async_receive(u);
                    },
                    std::move(ch), std::move(until));
}

template <class Callers, class T>
auto start_send(Callers& by, sluice::channel<T> ch, std::type_identity_t<T> value, sluice::context until = {}) {
    return by.start(
        [](sluice::channel<T> c, T v, sluice::context u) {
            const sluice::sent s = c.send(std::move(v), u);
            return send_end<T>{s.why(), std::move(v)};
        },
        [](sluice::channel<T> c, T v, sluice::context u) -> sluice::task<send_end<T>> {
            const sluice::sent s = co_await c.async_send(std::move(v), u);
            co_return send_end<T>{s.why(), std::move(v)};
        },
        std::move(ch), std::move(value), std::move(until));
}

/// A select over `cases`, perhaps after `prioritized`. What they refer to lives until it has ended.
template <class Callers, class... Cases>
auto start_select(Callers& by, Cases... cases) {
    return by.start(
        [](Cases... c) { return sluice::select(std::move(c)...); },
        [](Cases... c) -> sluice::task<std::size_t> { co_return co_await sluice::async_select(std::move(c)...); },
        std::move(cases)...);
}

}  // namespace sluice_test
