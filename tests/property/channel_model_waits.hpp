// SPDX-License-Identifier: BSL-1.0
// channel_model_waits.hpp: how does one of ours perform a wait of the model?
//
// A `plan` says what to do. `perform_blocking` does it on whatever thread it is called, `perform<Task>` in a coroutine
// of type `Task`, whose result is an outcome: another kind of coroutine that can await our operations is another
// `Task`, and a line in callers::start. What it needs besides the plan, say where to go on, are the coroutine's first
// parameters.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include <sluice/select.hpp>

#include "../support/callers.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/workers.hpp"
#include "channel_model.hpp"

namespace sluice_test::model {

using sluice::channel;

// Positions: 0 and 1 receive from and send to the first channel, 2 and 3 the second; then the extra case, and stops.
inline constexpr std::size_t extra_case = 4;
inline constexpr std::size_t canceled_case = 5;

inline std::exception_ptr error_of(int number) { return number == 0 ? nullptr : std::make_exception_ptr(number); }
inline int number_of(const std::exception_ptr& error) {
    try {
        if (error) std::rethrow_exception(error);
    } catch (int number) {
        return number;
    }
    return 0;
}

/// What ends a wait that nobody else ends.
enum class early { never, context, token, surrounding, soon, late };

/// What stands in a select besides the ends of channels.
enum class extra { none, otherwise, soon, late, permits, group, join };

struct plan {
    enum class verb { send, receive, receive_some, send_all, select } what = verb::receive;
    early end = early::never;
    sluice::context until = {};
    std::stop_token stop = {};
    std::size_t position = 0;

    channel<int> on = {};          // of a single operation
    std::vector<int> values = {};  // it sends
    std::size_t most = 1;          // receive_some
    channel<int> receive[2] = {};  // of a select; nil: not a case
    channel<int> send[2] = {};
    int value[2] = {};
    extra more = extra::none;
    bool in_order = false;
    bool by_on = false;  // written on(operation, into)
    sluice::semaphore* permits = nullptr;
    std::size_t wants = 1;
    sluice::wait_group* group = nullptr;
    sluice::join_handle<void> task = {};
};

using std::chrono::hours;
using std::chrono::microseconds;
inline auto limit_of(bool soon) { return soon ? std::chrono::steady_clock::duration{0} : hours{1}; }

// --- outcomes --------------------------------------------------------------------------------------------------------

inline outcome ended(std::size_t position, const sluice::received<int>& v) {
    if (v == status::canceled || v == status::timed_out) return {canceled_case, v.why()};
    return {position, v.why(), v ? std::vector{*v} : std::vector<int>{}, number_of(v.error())};
}
inline outcome ended(std::size_t position, sluice::sent s) {
    const bool gave_up = s == status::canceled || s == status::timed_out;
    return {gave_up ? canceled_case : position, s.why()};
}
// Operations on many values do not say that their context ended them. Here it did if it has ended: the driver lets only
// one thing happen before it looks at the results.
inline bool was_stopped(const plan& p) { return p.until.done() || p.stop.stop_requested(); }
inline outcome ended_some(const plan& p, std::vector<int> values) {
    if (!values.empty()) return {p.position, status::ok, std::move(values)};
    return was_stopped(p) ? outcome{canceled_case, status::canceled} : outcome{p.position, status::closed};
}
inline outcome ended_all(const plan& p, std::size_t sent) {
    const std::vector<int> count{static_cast<int>(sent)};
    return was_stopped(p) ? outcome{canceled_case, status::canceled, count} : outcome{p.position, status::ok, count};
}

/// Where the cases of a select leave their results; the second channel's by handlers.
struct select_results {
    sluice::received<int> received[2];
    sluice::sent sent[2] = {status::full, status::full};

    struct keep_received {
        sluice::received<int>* to;
        void operator()(sluice::received<int> v) const { *to = std::move(v); }
    };
    struct keep_sent {
        sluice::sent* to;
        void operator()(sluice::sent s) const { *to = s; }
    };
    keep_received on_received{&received[1]};
    keep_sent on_sent{&sent[1]};

    select_results() = default;
    select_results(const select_results&) = delete;
    select_results& operator=(const select_results&) = delete;

    outcome of(const plan& p, std::size_t fired) const {
        if (fired > extra_case) return {canceled_case, status::canceled};
        if (fired == extra_case) {
            if (p.more == extra::otherwise) return {fired, status::empty};
            return {fired, p.more == extra::soon || p.more == extra::late ? status::timed_out : status::ok};
        }
        return fired % 2 ? ended(fired, sent[fired / 2]) : ended(fired, received[fired / 2]);
    }
};

// --- by threads ------------------------------------------------------------------------------------------------------

/// Calls `select` with the cases of the plan, one more, and the stops.
template <bool by_on, class Select, class More>
decltype(auto) with_cases(const Select& select, plan& p, select_results& r, More&& more) {
    using namespace sluice;
    if constexpr (by_on)
        return select(on(p.receive[0].async_receive(), r.received[0]), on(p.send[0].async_send(p.value[0]), r.sent[0]),
                      on_receive(p.receive[1], r.on_received), on_send(p.send[1], p.value[1], r.on_sent),
                      std::forward<More>(more), on_done(p.until), on_done(p.stop));
    else
        return select(on_receive(p.receive[0], r.received[0]), on_send(p.send[0], p.value[0], r.sent[0]),
                      on_receive(p.receive[1], r.on_received), on_send(p.send[1], p.value[1], r.on_sent),
                      std::forward<More>(more), on_done(p.until), on_done(p.stop));
}

inline outcome select_blocking(plan p) {
    using namespace sluice;
    select_results r;
    const auto by = [&](auto&& more) {
        const auto select = [&](auto&&... cases) {
            if (p.in_order) return sluice::select(prioritized, std::forward<decltype(cases)>(cases)...);
            return sluice::select(std::forward<decltype(cases)>(cases)...);
        };
        if (p.by_on) return r.of(p, with_cases<true>(select, p, r, std::forward<decltype(more)>(more)));
        return r.of(p, with_cases<false>(select, p, r, std::forward<decltype(more)>(more)));
    };
    switch (p.more) {
        case extra::none: return by(on_receive(channel<int>{}));
        case extra::otherwise: return by(otherwise);
        case extra::soon: return by(on_timeout(limit_of(true)));
        case extra::late: return by(on_deadline(sluice::clock::now() + limit_of(false)));
        case extra::permits: return by(on_acquire(*p.permits, p.wants));
        case extra::group: return by(on_wait(*p.group));
        case extra::join: return by(on_join(p.task));
    }
    return {};
}

inline outcome perform_blocking(plan p) {
    using verb = plan::verb;
    const auto limit = limit_of(p.end == early::soon);
    const bool is_timed = p.end == early::soon || p.end == early::late;
    switch (p.what) {
        case verb::select: return select_blocking(std::move(p));
        case verb::receive_some:
            if (p.end == early::context) return ended_some(p, p.on.receive_some(p.most, p.until));
            if (p.end == early::token) return ended_some(p, p.on.receive_some(p.most, p.stop));
            return ended_some(p, p.on.receive_some(p.most));
        case verb::send_all:
            if (p.end == early::context) return ended_all(p, p.on.send_all(p.values, p.until));
            if (p.end == early::token) return ended_all(p, p.on.send_all(p.values, p.stop));
            return ended_all(p, p.on.send_all(p.values));
        case verb::receive:
            if (is_timed) return ended(p.position, p.on.receive_for(limit));
            if (p.end == early::context) return ended(p.position, p.on.receive(p.until));
            if (p.end == early::token) return ended(p.position, p.on.receive(p.stop));
            return ended(p.position, p.on.receive());
        case verb::send:
            if (is_timed) return ended(p.position, p.on.send_until(p.values[0], sluice::clock::now() + limit));
            if (p.end == early::context) return ended(p.position, p.on.send(p.values[0], p.until));
            if (p.end == early::token) return ended(p.position, p.on.send(p.values[0], p.stop));
            return ended(p.position, p.on.send(p.values[0]));
    }
    return {};
}

// --- by coroutines ---------------------------------------------------------------------------------------------------

template <class Task, bool by_on, class... Where>
Task select_in(Where&..., plan p) {
    using namespace sluice;
    select_results r;
    const auto select = [&](auto&&... cases) {
        if (p.in_order) return async_select(prioritized, std::forward<decltype(cases)>(cases)...);
        return async_select(std::forward<decltype(cases)>(cases)...);
    };
    std::size_t fired = 0;
    switch (p.more) {
        case extra::none: fired = co_await with_cases<by_on>(select, p, r, on_receive(channel<int>{})); break;
        case extra::otherwise: fired = co_await with_cases<by_on>(select, p, r, otherwise); break;
        case extra::soon: fired = co_await with_cases<by_on>(select, p, r, on_timeout(limit_of(true))); break;
        case extra::late: fired = co_await with_cases<by_on>(select, p, r, on_timeout(limit_of(false))); break;
        case extra::permits: fired = co_await with_cases<by_on>(select, p, r, on_acquire(*p.permits, p.wants)); break;
        case extra::group: fired = co_await with_cases<by_on>(select, p, r, on_wait(*p.group)); break;
        case extra::join: fired = co_await with_cases<by_on>(select, p, r, on_join(p.task)); break;
    }
    co_return r.of(p, fired);
}

template <class Task, class... Where>
Task operate_in(Where&..., plan p) {
    using verb = plan::verb;
    using sluice::timeout;
    const auto limit = limit_of(p.end == early::soon);
    const bool is_timed = p.end == early::soon || p.end == early::late;
    switch (p.what) {
        case verb::select: break;  // select_in
        case verb::receive_some:
            if (p.end == early::context) co_return ended_some(p, co_await p.on.async_receive_some(p.most, p.until));
            if (p.end == early::token) co_return ended_some(p, co_await p.on.async_receive_some(p.most, p.stop));
            co_return ended_some(p, co_await p.on.async_receive_some(p.most));
        case verb::send_all:
            if (p.end == early::context) co_return ended_all(p, co_await p.on.async_send_all(p.values, p.until));
            if (p.end == early::token) co_return ended_all(p, co_await p.on.async_send_all(p.values, p.stop));
            co_return ended_all(p, co_await p.on.async_send_all(p.values));
        case verb::receive:
            if (is_timed) co_return ended(p.position, co_await timeout(limit, p.on.async_receive()));
            if (p.end == early::context) co_return ended(p.position, co_await p.on.async_receive(p.until));
            if (p.end == early::token) co_return ended(p.position, co_await p.on.async_receive(p.stop));
            co_return ended(p.position, co_await p.on.async_receive());
        case verb::send:
            if (is_timed) co_return ended(p.position, co_await timeout(limit, p.on.async_send(p.values[0])));
            if (p.end == early::context) co_return ended(p.position, co_await p.on.async_send(p.values[0], p.until));
            if (p.end == early::token) co_return ended(p.position, co_await p.on.async_send(p.values[0], p.stop));
            co_return ended(p.position, co_await p.on.async_send(p.values[0]));
    }
    co_return outcome{};
}

template <class Task, class... Where>
Task perform(Where&... where, plan p) {
    if (p.what != plan::verb::select) return operate_in<Task, Where...>(where..., std::move(p));
    if (p.by_on) return select_in<Task, true, Where...>(where..., std::move(p));
    return select_in<Task, false, Where...>(where..., std::move(p));
}

// --- who -------------------------------------------------------------------------------------------------------------

/// A wait that has been started: whether it has ended and how, and how to end it from outside.
struct pending {
    std::function<bool()> done;
    std::function<outcome()> get;  // blocks the thread
    std::function<void()> cancel = {};
};

/// Those who can perform a wait.
class callers {
public:
    enum class kind {
        thread,    // one that sluice knows nothing of
        task,      // awaits
        callable,  // blocks a thread of the runtime
        worker,    // a task that blocks its worker, which gets a stand-in
        foreign    // awaits, as a coroutine of another library: begins in the driver, goes on in a thread of its own
    };
    static constexpr kind all[] = {kind::thread, kind::task, kind::callable, kind::worker, kind::foreign};
    /// Whether the end of a surrounding context is a way to end its waits.
    static bool has_surrounding(kind by) { return by != kind::thread && by != kind::foreign; }

    pending start(kind by, plan p) {
        using task = sluice::task<outcome>;
        switch (by) {
            case kind::thread: return kept(threads_.start(perform_blocking, 0, std::move(p)));
            case kind::task: return cancellable(runtime_.go(perform<task>, std::move(p)));
            case kind::callable: return cancellable(runtime_.go(perform_blocking, std::move(p)));
            case kind::worker:
                return cancellable(
                    runtime_.go([](plan its) -> task { co_return perform_blocking(std::move(its)); }, std::move(p)));
            case kind::foreign: return kept(perform<foreign_result<outcome>, ticket_queue>(executor_, std::move(p)));
        }
        return {};
    }

    /// A task that ends when `gate` is closed.
    sluice::join_handle<void> start_waiting_for(channel<void> gate) {
        return runtime_.go([](channel<void> g) -> sluice::task<> { static_cast<void>(co_await g.async_receive()); },
                           std::move(gate));
    }

private:
    template <class Handle>
    static pending kept(Handle handle) {
        const auto h = std::make_shared<Handle>(std::move(handle));
        return {[h] { return h->done(); }, [h] { return h->get(); }};
    }
    template <class Handle>
    static pending cancellable(Handle handle) {
        const auto h = std::make_shared<Handle>(std::move(handle));
        const auto get = [h] {
            try {
                return h->get();
            } catch (const sluice::canceled&) {
                return outcome{canceled_case, status::canceled};
            }
        };
        return {[h] { return h->done(); }, get, [h] { h->cancel(); }};
    }

    threads threads_;
    own_thread executor_;
    sluice::runtime runtime_{workers(2)};
};

}  // namespace sluice_test::model
