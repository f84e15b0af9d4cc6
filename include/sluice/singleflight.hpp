// SPDX-License-Identifier: BSL-1.0
// singleflight.hpp: how do many who want the same at the same time share one call?
#pragma once

#include "detail/awaited_temporaries.hpp"
#include "detail/flight_table.hpp"
#include "runtime.hpp"

namespace sluice {

/// At most one call at a time for each key: who comes while one is under way waits for it and gets its result.
///
/// Nothing is kept: when the call has ended, the next one for that key calls again. `Value` may be `void`; otherwise it
/// is copyable, and all get copies. For what is large use `std::shared_ptr<const T>`.
/// The function may be plain or a coroutine. It runs in a task of its own (a plain one on a thread that may block) in
///     the runtime of who started it, and belongs to none of the callers: what it refers to lives until it has ended.
///     It is copied or moved into that task, and left as it was if the call joins another's.
/// Cancellation: who leaves does not disturb the others. The function runs under a context of its own, `current_context()`
///     inside it, which ends when the last of those who wait leaves; who comes then starts a new call.
/// Exceptions: what the function throws, all who wait get. A failure to start it, too.
/// A function that asks for its own key waits for itself.
/// Thread safety: all members from any thread; construction and destruction must be alone. Keys are copied, hashed and
///     compared under a lock: that takes no time, does not throw (copying may), and does not call into this object.
/// Destruction: waits for functions that nobody waits for any more (blocking). Precondition: nobody waits.
///
///     sluice::singleflight<std::string, page> pages;
///     auto [content, shared] = co_await pages.async_run(url, fetch_it);   // auto fetch_it = [url] { return fetch(url); };
template <class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class singleflight {
    static_assert(std::is_void_v<Value> || std::is_copy_constructible_v<Value>,
                  "all who wait get a copy: use std::shared_ptr for what cannot be copied");

public:
    /// `value`, unless it is void, and `shared`: whether others got it too, also true for the first.
    using result = flight_result<Value>;

    singleflight() = default;
    singleflight(const singleflight&) = delete;
    singleflight& operator=(const singleflight&) = delete;

    /// The result of `f()`, or of the call for `key` that is under way. Blocks the thread.
    template <std::invocable F>
    result run(const Key& key, F&& f, detail::place at = detail::place::current()) {
        auto one = operation<false, F>(key, f, at);
        detail::block_once(one);
        return one.result();
    }
    /// As above, or no value when `until` ended first.
    template <std::invocable F>
    [[nodiscard]] received<result> run(const Key& key, F&& f, const context& until,
                                       detail::place at = detail::place::current()) {
        return bounded<F>(key, f, until, detail::no_deadline, at).block();
    }
    template <std::invocable F>
    [[nodiscard]] received<result> run(const Key& key, F&& f, std::stop_token until,
                                       detail::place at = detail::place::current()) {
        return run(key, std::forward<F>(f), context::from(std::move(until)), at);
    }
    /// As above, or no value when there was none for so long.
    template <class Rep, class Period, std::invocable F>
    [[nodiscard]] received<result> run_for(const Key& key, std::chrono::duration<Rep, Period> d, F&& f,
                                           detail::place at = detail::place::current()) {
        return bounded<F>(key, f, {}, detail::deadline_after(d), at).block();
    }

    /// `co_await pages.async_run(key, f)` gives the `result`. It refers to `key` and `f` until it is awaited. As a case
    /// of a select it joins or starts the call when the select begins, and leaves it when another case fires.
    template <std::invocable F>
    [[nodiscard]] auto async_run(const Key& key SLUICE_LIFETIMEBOUND, F&& f SLUICE_LIFETIMEBOUND,
                                 detail::place at = detail::place::current()) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return operation<false, F>(key, f, at);
    }
    /// Gives a `received<result>`, without a value when `until` ended first.
    template <std::invocable F>
    [[nodiscard]] auto async_run(const Key& key SLUICE_LIFETIMEBOUND, F&& f SLUICE_LIFETIMEBOUND, const context& until,
                                 detail::place at = detail::place::current()) {
        static_assert(detail::safe_in_await<F>, SLUICE_NAME_THE_CLOSURE_FIRST);
        return bounded<F>(key, f, until, detail::no_deadline, at);
    }
    template <std::invocable F>
    [[nodiscard]] auto async_run(const Key& key SLUICE_LIFETIMEBOUND, F&& f SLUICE_LIFETIMEBOUND, std::stop_token until,
                                 detail::place at = detail::place::current()) {
        return async_run(key, std::forward<F>(f), context::from(std::move(until)), at);
    }

    /// The next call for `key` does not join the one under way, which goes on for those who wait for it.
    void forget(const Key& key) { table_.forget(key, false); }
    /// The same if one alone waits for it at most. Returns whether a call under way was forgotten.
    bool forget_unshared(const Key& key) { return table_.forget(key, true); }

    /// How many calls can be joined, and how many wait for that of `key`: snapshots, for tests and metrics.
    std::size_t in_flight() const { return table_.in_flight(); }
    std::size_t waiting(const Key& key) const { return table_.waiting(key); }

private:
    using table = detail::flight_table<Key, Value, Hash, Equal>;

    template <bool Limited, class F>
    auto operation(const Key& key, std::remove_reference_t<F>& f, detail::place at) {
        return detail::flight_operation<table, F, Limited>{table_, key, static_cast<F&&>(f), at};
    }
    template <class F>
    auto bounded(const Key& key, std::remove_reference_t<F>& f, const context& until, detail::time_point deadline,
                 detail::place at) {
        return detail::ended_early<detail::flight_operation<table, F, true>>{
            operation<true, F>(key, f, at), detail::context_access::node(until), deadline};
    }

    table table_;
};

/// `co_await timeout(1s, pages.async_run(key, f))`: a `received<result>`, without a value when the time was up.
template <class Rep, class Period, class Table, class F>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, detail::flight_operation<Table, F, false>&& run) {
    return detail::ended_early<detail::flight_operation<Table, F, true>>{std::move(run).limited(), nullptr,
                                                                         detail::deadline_after(d)};
}

}  // namespace sluice
