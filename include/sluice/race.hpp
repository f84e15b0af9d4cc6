// SPDX-License-Identifier: BSL-1.0
// race.hpp: who answers first, of several that do the same?
#pragma once

#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include "detail/race_core.hpp"
#include "result_group.hpp"
#include "scope.hpp"
#include "select.hpp"
#include "timer.hpp"

namespace sluice {

/// None of them succeeded: thrown by `first_success`, `hedged` and `query_all`.
class all_failed : public std::runtime_error {
public:
    explicit all_failed(std::vector<std::exception_ptr> errors)
        : std::runtime_error{text(errors)},
          errors_{std::make_shared<const std::vector<std::exception_ptr>>(std::move(errors))} {}

    /// What each of them threw, by position.
    const std::vector<std::exception_ptr>& errors() const noexcept { return *errors_; }

private:
    static std::string text(const std::vector<std::exception_ptr>& errors) {
        std::string all = "all " + std::to_string(errors.size()) + " failed";
        for (const char* between = ": "; const auto& e : errors) {
            all += between + detail::what_of(e);
            between = "; ";
        }
        return all;
    }

    std::shared_ptr<const std::vector<std::exception_ptr>> errors_;  // copies of exceptions do not throw
};

/// How one of the runners of a `race_all` has ended: with a result, an error, or cancelled.
template <class T>
class race_end {
    static_assert(!std::is_reference_v<T>, "race_all keeps values: let the runners return pointers");
    using stored = typename detail::race_alternative<T>::type;

public:
    explicit race_end(stored value) : value_{std::move(value)} {}
    explicit race_end(std::exception_ptr error, bool canceled) noexcept
        : error_{std::move(error)}, was_canceled_{canceled} {}

    /// Whether it has a result.
    explicit operator bool() const noexcept { return value_.has_value(); }
    /// Precondition: it has one.
    const stored& operator*() const& noexcept { return *value_; }
    stored& operator*() & noexcept { return *value_; }
    stored&& operator*() && noexcept { return *std::move(value_); }
    const stored* operator->() const noexcept { return &*value_; }
    stored* operator->() noexcept { return &*value_; }

    /// What it threw, `canceled` included; null if it has a result.
    const std::exception_ptr& error() const noexcept { return error_; }
    /// Whether it was cancelled before it had an answer, or never began.
    bool was_canceled() const noexcept { return was_canceled_; }

private:
    std::optional<stored> value_;
    std::exception_ptr error_;
    bool was_canceled_ = false;
};

/// How a whole race went.
template <class T>
struct race_ends {
    std::size_t winner;             ///< the position of the first answer
    std::vector<race_end<T>> ends;  ///< how each has ended, by position

    /// What `race` would give: the first answer, moved out, or its exception.
    T value() {
        if (!ends[winner]) std::rethrow_exception(ends[winner].error());
        if constexpr (!std::is_void_v<T>) return *std::move(ends[winner]);
    }
};

namespace detail {

template <class Range>
concept range_of_runners = std::ranges::input_range<Range> && startable<std::ranges::range_value_t<Range>>;

template <class Range>
auto runners_of(Range&& range, place at) {
    using runner = std::ranges::range_value_t<Range>;
    std::vector<runner> all;
    if constexpr (std::ranges::sized_range<Range>) all.reserve(std::ranges::size(range));
    for (auto&& one : range) {
        if constexpr (std::is_lvalue_reference_v<Range>) all.push_back(one);
        else all.push_back(std::move(one));
    }
    SLUICE_EXPECT_AT(!all.empty(), "a race has at least one runner", at);
    return some_runners<runner>{std::move(all)};
}

template <class... Fs>
auto runners_of_arguments(Fs&&... fs) {
    static_assert(sizeof...(Fs) > 0, "a race has at least one runner");
    static_assert((startable<Fs> && ...), "a runner is called without arguments: bind them in a closure");
    static_assert((safe_in_await<Fs> && ...), SLUICE_NAME_THE_CLOSURE_FIRST);
    // A refused one shall not be told a second time by what follows.
    if constexpr (sizeof...(Fs) > 0 && (startable<Fs> && ...))
        return fixed_runners<std::decay_t<Fs>...>{std::in_place, std::forward<Fs>(fs)...};
    else return fixed_runners<void (*)()>{std::in_place, nullptr};
}

/// A duration, and where it was written, since no default argument can follow a pack.
struct delay_at {
    template <class Rep, class Period>
    delay_at(std::chrono::duration<Rep, Period> d, place p = place::current()) noexcept  // by any duration
        : delay{std::chrono::ceil<clock::duration>(d)}, at{p} {}
    clock::duration delay;
    place at;
};

template <class Runners>
using race_of = race_core<typename Runners::answer>;
template <class Runners>
using race_lanes = typename Runners::lanes;

/// Starts all, as long as that makes sense. What a start threw comes out when those before it have been cancelled.
template <class Runners>
std::exception_ptr start_all(race_of<Runners>& race, Runners& runners, race_lanes<Runners>& lanes) noexcept {
    try {
        for (std::size_t i = 0; i != runners.size() && !race.winner(); ++i) runners.start(race, lanes, i);
    } catch (...) {
        race.cancel();
        return std::current_exception();
    }
    return nullptr;
}

/// Nobody has won, and all have ended: why.
template <class R, class Lanes>
[[noreturn]] void throw_without_winner(const race_core<R>& race, race_rule rule, Lanes& lanes) {
    if (race.is_surrounded_by_end()) race.throw_canceled();
    std::vector<std::exception_ptr> errors;
    bool one_failed = false;
    for (auto& l : lanes) {
        one_failed |= l.ended == race_lane<R>::end::error;
        errors.push_back(l.box.error());
    }
    if (rule == race_rule::first_answer || !one_failed) std::rethrow_exception(errors.front());
    throw all_failed{std::move(errors)};
}

/// `race` and `first_success`.
template <class Runners>
task<typename Runners::answer> run_race(Runners runners, race_rule rule, place at) {
    race_of<Runners> race{rule, false};
    race_lanes<Runners> lanes{runners.size()};
    const auto failed = start_all(race, runners, lanes);
    race_join all_ended{race, at};
    const std::exception_ptr stopped = co_await all_ended;
    if (failed) std::rethrow_exception(failed);
    if (auto* const first = race.winner()) co_return first->box.take();
    if (stopped) std::rethrow_exception(stopped);
    throw_without_winner(race, rule, lanes);
}

/// `race_all`.
template <class Runners>
task<race_ends<typename Runners::answer>> run_race_for_all(Runners runners, place at) {
    using answer = typename Runners::answer;
    using end = race_end<answer>;
    race_of<Runners> race{race_rule::first_answer, true};
    race_lanes<Runners> lanes{runners.size()};
    const auto failed = start_all(race, runners, lanes);
    race_join all_ended{race, at};
    const std::exception_ptr stopped = co_await all_ended;
    if (failed) std::rethrow_exception(failed);
    if (!race.winner()) {
        if (stopped) std::rethrow_exception(stopped);
        throw_without_winner(race, race_rule::first_answer, lanes);
    }
    race_ends<answer> all{};
    all.ends.reserve(runners.size());
    for (auto& l : lanes) {
        if (&l == race.winner()) all.winner = all.ends.size();
        if (l.ended == race_lane<answer>::end::value) {
            if constexpr (std::is_void_v<answer>) all.ends.push_back(end{std::monostate{}});
            else all.ends.push_back(end{l.box.take()});
        } else {
            auto error = l.box.error();
            const bool was_canceled = l.ended != race_lane<answer>::end::error;
            all.ends.push_back(end{error ? error : std::make_exception_ptr(canceled{}), was_canceled});
        }
    }
    co_return all;
}

/// `hedged`.
template <class Runners>
task<typename Runners::answer> run_hedged(Runners runners, delay_at step) {
    race_news news;
    race_of<Runners> race{race_rule::first_success, false};
    race_lanes<Runners> lanes{runners.size()};
    race.tell(news);
    std::exception_ptr failed;
    try {
        for (std::size_t i = 0, answered = 0; !race.winner();) {
            runners.start(race, lanes, i);
            if (++i == runners.size()) break;
            // One more for each failure, and one more each time that nothing has come for so long.
            const bool came = co_await timeout(step.delay, news.more_than(answered, step.at));
            if (came) ++answered;
        }
    } catch (...) {
        failed = std::current_exception();
        race.cancel();
    }
    race_join all_ended{race, step.at};
    const std::exception_ptr stopped = co_await all_ended;
    if (failed && !is_canceled(failed)) std::rethrow_exception(failed);
    if (auto* const first = race.winner()) co_return first->box.take();
    if (failed) std::rethrow_exception(failed);
    if (stopped) std::rethrow_exception(stopped);
    throw_without_winner(race, race_rule::first_success, lanes);
}

}  // namespace detail

// --- all at once ------------------------------------------------------------------------------------------------------

/// The first answer of those who run; the others are cancelled, and have ended when it returns or throws.
///
/// `fs` are called without arguments, each in a task of its own, which runs on the scheduler if the callable returns a
/// `task`, and otherwise, since it may block, on a thread of an elastic cache. They are copied or moved in at the call;
/// nothing runs before the await. `std::ref` refers to one. `sluice::wait(race(...))` blocks a thread instead.
/// Returns: what the first to end gave, if all give the same type; else a `std::variant` of all types by position, which
///     holds a `std::monostate` for `void`. A result that came too late is destroyed: see `race_all`.
/// Throws: what the first to end threw, for that is an answer, too (`first_success` passes over failures). Who ends with
///     `canceled` has no answer; if none has one, it throws `canceled`. What copying, moving or starting a runner throws.
/// Cancellation: passed on to all; `canceled` comes after they have ended. A race that is decided all the same gives its
///     answer. All of them run under a context of the race, which ends when it is decided: what they start ends with it.
/// Who does not look at its cancellation, as a plain callable that computes, is waited for.
/// Memory: what the runners did is visible after it.
///
///     auto nearest = [] { return ask("eu"); };   // ask() returns a task
///     auto mirror = [] { return ask("us"); };
///     auto answer = co_await sluice::race(nearest, mirror);
template <class... Fs>
    requires(sizeof...(Fs) != 1 || !(std::ranges::range<Fs> && ...))
[[nodiscard]] auto race(Fs&&... fs) {
    return detail::run_race(detail::runners_of_arguments(std::forward<Fs>(fs)...), detail::race_rule::first_answer, {});
}
/// As above, for the callables of a range, which is not empty; they are moved out of one that is an rvalue.
template <detail::range_of_runners Range>
[[nodiscard]] auto race(Range&& range, detail::place at = detail::place::current()) {
    return detail::run_race(detail::runners_of(std::forward<Range>(range), at), detail::race_rule::first_answer, at);
}

/// As `race`, and shows how each has ended: also those that had an answer at the same time as the winner, or before they
/// saw that they were cancelled. So nothing that was got, a connection or a permit, is lost from sight.
///
/// Returns: `race_ends<T>`, with a `T` as of `race`; also if the first answer is an exception.
/// Throws: as `race`, except what runners throw.
///
///     auto all = co_await sluice::race_all(dial_v6, dial_v4);
///     for (std::size_t i = 0; i != all.ends.size(); ++i)
///         if (all.ends[i] && i != all.winner) pool.put(std::move(*all.ends[i]));   // connected, too
///     use(all.value());
template <class... Fs>
    requires(sizeof...(Fs) != 1 || !(std::ranges::range<Fs> && ...))
[[nodiscard]] auto race_all(Fs&&... fs) {
    return detail::run_race_for_all(detail::runners_of_arguments(std::forward<Fs>(fs)...), {});
}
template <detail::range_of_runners Range>
[[nodiscard]] auto race_all(Range&& range, detail::place at = detail::place::current()) {
    return detail::run_race_for_all(detail::runners_of(std::forward<Range>(range), at), at);
}

/// The first result; who fails is passed over. All else is as in `race`.
///
/// Throws: `all_failed` with the error of each, by position, if none succeeds. One that was cancelled from within counts
///     as failed then; `canceled` if all were.
template <class... Fs>
    requires(sizeof...(Fs) != 1 || !(std::ranges::range<Fs> && ...))
[[nodiscard]] auto first_success(Fs&&... fs) {
    return detail::run_race(detail::runners_of_arguments(std::forward<Fs>(fs)...), detail::race_rule::first_success,
                            {});
}
template <detail::range_of_runners Range>
[[nodiscard]] auto first_success(Range&& range, detail::place at = detail::place::current()) {
    return detail::run_race(detail::runners_of(std::forward<Range>(range), at), detail::race_rule::first_success, at);
}

// --- one after the other ----------------------------------------------------------------------------------------------

/// The first result of replicas that are started only when needed: the first at once, one more for each that fails, and
/// one more whenever `delay` has passed without news. So a slow one costs little more than `delay`, and a quick one no
/// second request.
///
/// Throws: `all_failed`, as `first_success`. All else is as in `race`.
/// Precondition: `delay` is not negative. 0 starts all at once.
///
///     auto page = co_await sluice::hedged(50ms, from_cache, from_origin);
template <class... Fs>
    requires(sizeof...(Fs) != 1 || !(std::ranges::range<Fs> && ...))
[[nodiscard]] auto hedged(detail::delay_at delay, Fs&&... fs) {
    SLUICE_EXPECT_AT(delay.delay >= delay.delay.zero(), "the delay of a hedge is not negative", delay.at);
    return detail::run_hedged(detail::runners_of_arguments(std::forward<Fs>(fs)...), delay);
}
template <detail::range_of_runners Range>
[[nodiscard]] auto hedged(detail::delay_at delay, Range&& range) {
    SLUICE_EXPECT_AT(delay.delay >= delay.delay.zero(), "the delay of a hedge is not negative", delay.at);
    return detail::run_hedged(detail::runners_of(std::forward<Range>(range), delay.at), delay);
}

// --- of what runs already ---------------------------------------------------------------------------------------------

/// The position of the first task to end, of those that the handles belong to. All of them go on untouched; the result is
/// had from the handle. Of several that have ended, any.
///
/// The handles are referred to until it has ended.
/// Cancellation: `canceled`; the tasks are not cancelled, for this starts nothing.
///
///     auto download = sluice::go(load, url);
///     auto upload = sluice::go(store, file);
///     if (const auto first = co_await sluice::first_of(download, upload); first == 0) show(co_await download);
template <class... Rs>
[[nodiscard]] auto first_of(join_handle<Rs>&... handles) {
    static_assert(sizeof...(Rs) > 0, "the first of no handles never ends");
    return [](join_handle<Rs>&... of) -> task<std::size_t> {
        const std::size_t first = co_await async_select(on_join(of)...);
        co_return first;
    }(handles...);
}
/// As above, for a range of handles, which is not empty.
template <std::ranges::forward_range Range>
    requires requires(Range& range) { on_join(*std::ranges::begin(range)); }
[[nodiscard]] auto first_of(Range& range, detail::place at = detail::place::current()) {
    SLUICE_EXPECT_AT(std::ranges::begin(range) != std::ranges::end(range), "the first of no handles never ends", at);
    return [](Range& of, detail::place where) -> task<std::size_t> {
        selector all;
        std::vector<selector::id> ids;
        for (auto& handle : of) ids.push_back(all.add(on_join(handle, where)));
        const auto first = co_await all.async_select(where);
        std::size_t position = 0;
        while (ids[position] != first) ++position;
        co_return position;
    }(range, at);
}

// --- replica sets -----------------------------------------------------------------------------------------------------

namespace detail {

/// A query of one replica.
template <class Query, class Replica>
struct bound_query {
    decltype(auto) operator()() {
        if constexpr (is_blocking_function<Query>) return std::invoke(query->f, std::as_const(replica));
        else return std::invoke(*query, std::as_const(replica));
    }
    const Query* query;
    Replica replica;
};

template <class Query, class Replica>
task<call_result<bound_query<Query, Replica>>> query_one_set(const Query* query, std::vector<Replica> set) {
    std::vector<bound_query<Query, Replica>> all;
    all.reserve(set.size());
    for (auto& replica : set) all.push_back({query, std::move(replica)});
    auto first = first_success(std::move(all));
    co_return co_await std::move(first);
}

template <class Query, class Replica>
task<std::vector<call_result<bound_query<Query, Replica>>>> query_sets(std::vector<std::vector<Replica>> sets,
                                                                       Query query) {
    using result = call_result<bound_query<Query, Replica>>;
    const auto body = [&](result_group<result>& all) -> task<std::vector<result>> {
        for (auto& set : sets) all.go(query_one_set<Query, Replica>, &query, std::move(set));
        co_return co_await all.async_wait();
    };
    auto running = scope<result_group<result>>(body, context_access::adopt(surrounding_node()));
    co_return co_await std::move(running);
}

}  // namespace detail

/// Asks each of several sets of replicas, all at the same time, and gives the answers in the order of the sets: of each set
/// the first success.
///
/// `query(replica)` is plain or a coroutine and gives a value; it is called for many replicas at the same time. The
/// replicas are copied, or moved from an rvalue, into the tasks that ask them. A replica given to a coroutine by
/// reference lives until that has ended.
/// Throws: if all replicas of one set fail, their `all_failed`, when all other queries have been cancelled and have ended.
/// Cancellation, threads and memory: as in `race`. Precondition: no set is empty; there may be no set at all.
///
///     std::vector<std::vector<backend>> shards = ...;   // each with its replicas
///     auto rows = co_await sluice::query_all(shards, ask);   // one of each shard
template <std::ranges::input_range Sets, class Query>
    requires std::ranges::input_range<std::ranges::range_reference_t<Sets>>
[[nodiscard]] auto query_all(Sets&& sets, Query&& query, detail::place at = detail::place::current()) {
    using replica = std::ranges::range_value_t<std::ranges::range_reference_t<Sets>>;
    using asked = std::decay_t<Query>;
    static_assert(detail::safe_in_await<Query>, SLUICE_NAME_THE_CLOSURE_FIRST);
    static_assert(std::is_object_v<detail::call_result<detail::bound_query<asked, replica>>>,
                  "a query of all gives a value for each set; without values use an errgroup");
    std::vector<std::vector<replica>> all;
    for (auto&& set : sets) {
        std::vector<replica> copy;
        for (auto&& one : set) {
            if constexpr (std::is_lvalue_reference_v<Sets>) copy.push_back(one);
            else copy.push_back(std::move(one));
        }
        SLUICE_EXPECT_AT(!copy.empty(), "a set of replicas has at least one", at);
        all.push_back(std::move(copy));
    }
    return detail::query_sets<asked, replica>(std::move(all), std::forward<Query>(query));
}

}  // namespace sluice
