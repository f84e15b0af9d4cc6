// SPDX-License-Identifier: BSL-1.0
// pipeline.hpp: how do values flow from a source through stages into a sink?
//
//     auto words = sluice::from(lines) | sluice::flat_map(split) | sluice::filter(is_known)
//                | sluice::unordered(8, translate)          // eight at once, each a coroutine
//                | sluice::batch(100, 50ms) | sluice::for_each(store);
//     co_await words;                                       // or words.run(), which blocks the thread
//
// Neighbours that are plain functions, or coroutines one after the other, run in one task without a channel between them.
// Only buffer, unordered, ordered, debounce and a batch with a time begin a task of their own.
#pragma once

#include "detail/pipeline_boundaries.hpp"
#include "detail/pipeline_ends.hpp"
#include "detail/pipeline_stages.hpp"
#include "options.hpp"
#include "scope.hpp"

namespace sluice {

namespace detail {

/// Stages that have been joined, and wait for a source or a sink.
template <class... Stage>
struct stage_list {
    std::tuple<Stage...> all;
};
template <class Stage>
auto one_stage(Stage stage) {
    return stage_list<Stage>{{std::move(stage)}};
}

template <class T>
struct type_is {
    using type = T;
};
/// What leaves the stages when a `T` enters.
template <class T, class... Stage>
struct output_of : type_is<T> {};
template <class T, class First, class... Rest>
struct output_of<T, First, Rest...> : output_of<typename First::template output<T>, Rest...> {};

template <class T, class... Stage>
inline constexpr bool all_fit = true;
template <class T, class First, class... Rest>
inline constexpr bool all_fit<T, First, Rest...> = [] {
    if constexpr (First::template fits<T>) return all_fit<typename First::template output<T>, Rest...>;
    else return false;
}();

struct in_flight_stage : any_stage {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return next;
    }
    in_flight_stage(std::size_t most, place at) : n{most} {
        SLUICE_EXPECT_AT(most > 0, "in_flight(n) lets at least one value in", at);
    }
    std::size_t n;
};
template <class Stage>
inline constexpr bool is_in_flight = std::is_same_v<Stage, in_flight_stage>;

/// The nested object that a pipeline is (pipeline_flow.hpp), from the innermost outwards.
template <std::size_t I, class T, class Door, class Stages, class Sink>
auto make_chain(Stages& stages, Sink& sink, Door& door) {
    using token_type = typename Door::token_type;
    if constexpr (I == std::tuple_size_v<Stages>) {
        return std::move(sink).template make<T, token_type>();
    } else {
        using after = typename std::tuple_element_t<I, Stages>::template output<T>;
        return std::move(std::get<I>(stages))
            .template make<T, token_type>(make_chain<I + 1, after>(stages, sink, door), door);
    }
}

template <class Source, class Chain, class Door>
task<> pour_and_finish(Source& source, Chain& chain, Door& door) {
    static_cast<void>(co_await source.pour(chain, door));
    later end = chain.finish();
    static_cast<void>(co_await end);
}

template <class Result, class Source, class Sink, class... Stage>
task<Result> run_pipeline(Source source, std::tuple<Stage...> stages, Sink sink) {
    using door_type = std::conditional_t<(is_in_flight<Stage> || ...), counted_door, open_door>;
    std::size_t width = 0;
    std::apply(
        [&](auto&... one) {
            (..., [&] {
                if constexpr (is_in_flight<std::remove_reference_t<decltype(one)>>) width = one.n;
            }());
        },
        stages);
    door_type door{width};
    auto chain = make_chain<0, typename Source::value_type>(stages, sink, door);
    if constexpr (decltype(chain)::has_boundary) {
        segments tasks;
        const auto body = [&](errgroup& all) -> task<> {
            tasks.begin(all);
            const context before = chain.start(tasks);
            co_await tasks.run(before, [&] { return pour_and_finish(source, chain, door); });
        };
        co_await scope(body);
        if (tasks.was_torn()) throw canceled{};
    } else {
        co_await pour_and_finish(source, chain, door);
    }
    co_return chain.sink().take();
}

/// What a pipeline is after an error of the compiler, so that there is only one.
struct broken_pipeline {
    template <class Stage>
    broken_pipeline operator|(const Stage&) && {
        return {};
    }
    void run() {}
};

}  // namespace detail

/// A source, stages and a sink: does nothing until it is awaited or run, once.
///
/// `co_await pipe` gives what the sink gives: nothing for `for_each` and `to`, a vector for `collect`, and so on. Everything
/// it has started has ended when it returns or throws.
/// Errors: the first exception of any function ends all stages before and behind it and is rethrown at the end; values in
///     flight are destroyed. Of ordered(n, f) it is the first in the order of the values.
/// Ending early: when the sink or take(n) wants no more, or the receiver of `to(ch)` goes, all that stands before is
///     cancelled and joined, and the source is poured no further; a channel as a source tells its senders.
/// Cancellation: the surrounding context's end ends all stages; `canceled` comes after they have ended.
/// Memory: a boundary of buffer(n) holds n values, and 64 on either side of it while they are moved at once; unordered and
///     ordered hold before and behind their workers 64 each, 512 if `f` is a plain function, or twice their width if that
///     is more, and in each worker one value, or up to 64 if `f` is plain and quick. in_flight(n) bounds the whole: no
///     more than n values of the source, or what was made of them, are in the pipeline.
/// Thread safety: none; functions of unordered and ordered are called by several workers at once.
template <class Source, class Sink, class... Stage>
class [[nodiscard]] pipeline : public detail::awaitable_tag {
    using last = typename detail::output_of<typename Source::value_type, Stage...>::type;

public:
    using result = decltype(std::declval<Sink>().template make<last, detail::no_token>().take());

    pipeline(Source source, std::tuple<Stage...> stages, Sink sink)
        : source_(std::move(source)), stages_(std::move(stages)), sink_(std::move(sink)) {}

    /// Blocks the thread until all has ended: the twin of `co_await`.
    result run(detail::place at = detail::place::current()) { return wait(as_task(at), at); }

    auto for_task(detail::task_state& self) & { return detail::child_wait<result>{as_task({}), self}; }
    auto for_task(detail::task_state& self) && {
        static_assert(!detail::destroys_awaited_temporaries_twice || (std::is_trivially_destructible_v<Stage> && ...),
                      "g++ destroys temporary callables twice in an awaited expression: name the pipeline first "
                      "(auto pipe = from(...) | ...; co_await pipe;)");
        return detail::child_wait<result>{as_task({}), self};
    }

private:
    task<result> as_task(detail::place at) {
        SLUICE_EXPECT_AT(!std::exchange(is_used_, true), "a pipeline runs once: make it anew", at);
        return detail::run_pipeline<result>(std::move(source_), std::move(stages_), std::move(sink_));
    }

    Source source_;
    std::tuple<Stage...> stages_;
    Sink sink_;
    bool is_used_ = false;
};

namespace detail {

/// A source and stages that wait for a sink.
template <class Source, class... Stage>
class open_pipeline {
    using value_type = typename output_of<typename Source::value_type, Stage...>::type;

public:
    open_pipeline(Source source, std::tuple<Stage...> stages)
        : source_(std::move(source)), stages_(std::move(stages)) {}

    template <class... More>
    auto operator|(stage_list<More...> more) && {
        static_assert(((is_in_flight<Stage> ? 1 : 0) + ... + 0) + ((is_in_flight<More> ? 1 : 0) + ... + 0) <= 1,
                      "in_flight(n) bounds the whole pipeline: say it once");
        if constexpr (all_fit<value_type, More...>) {
            return open_pipeline<Source, Stage..., More...>{std::move(source_),
                                                            std::tuple_cat(std::move(stages_), std::move(more.all))};
        } else {
            static_assert(all_fit<value_type, More...>, SLUICE_STAGE_DOES_NOT_FIT);
            return broken_pipeline{};
        }
    }
    template <class Sink>
        requires std::derived_from<Sink, sink_tag>
    auto operator|(Sink sink) && {
        if constexpr (Sink::template fits<value_type>) {
            return pipeline<Source, Sink, Stage...>{std::move(source_), std::move(stages_), std::move(sink)};
        } else {
            static_assert(Sink::template fits<value_type>,
                          "this sink cannot take the values that the last stage gives");
            return broken_pipeline{};
        }
    }

private:
    Source source_;
    std::tuple<Stage...> stages_;
};

/// `auto clean = trim | lower;`: stages are values, which are joined, named and tested alone.
template <class... Stage, class... More>
auto operator|(stage_list<Stage...> stages, stage_list<More...> more) {
    return stage_list<Stage..., More...>{std::tuple_cat(std::move(stages.all), std::move(more.all))};
}

template <class F>
concept generator_function = stage_callable<F> && requires(stage_result<F>& got) {
    typename stage_result<F>::value_type;
    static_cast<bool>(got);
    *got;
};

}  // namespace detail

// --- sources ----------------------------------------------------------------------------------------------------------

/// The values of a channel, until it is closed; if with an error, the pipeline throws it.
///
/// When the pipeline has ended otherwise, nobody will receive from the channel any more: its senders learn `closed`.
template <class T>
[[nodiscard]] auto from(receiver<T> in) {
    return detail::open_pipeline<detail::channel_source<T>>{detail::channel_source<T>{std::move(in)}, {}};
}
template <class T>
[[nodiscard]] auto from(channel<T> in) {
    return from(receiver<T>{in});
}
/// The elements of a range. An lvalue is referred to and its elements are copied; an rvalue is taken over, and its elements
/// are moved. Views are taken by value.
template <std::ranges::input_range Range>
[[nodiscard]] auto from(Range&& values) {
    using held = std::conditional_t<std::ranges::view<std::remove_cvref_t<Range>>, std::remove_cvref_t<Range>, Range>;
    using source = detail::range_source<held>;
    return detail::open_pipeline<source>{source{static_cast<held&&>(values)}, {}};
}
template <class T>
[[nodiscard]] auto from(std::initializer_list<T> values) {
    return from(std::vector<T>(values));
}
/// What `next()` gives, an optional or a `received`, until it is without a value. Plain, a coroutine, or `blocking(next)`.
template <class F>
    requires detail::generator_function<std::decay_t<F>>
[[nodiscard]] auto from(F&& next) {
    using source = detail::function_source<std::decay_t<F>>;
    return detail::open_pipeline<source>{source{std::forward<F>(next)}, {}};
}

// --- stages: one value after the other --------------------------------------------------------------------------------
// Functions are plain, coroutines that give a task, or `blocking(f)`.

/// `f(value)` in the place of each value.
template <class F>
[[nodiscard]] auto transform(F&& f) {
    return detail::one_stage(detail::transform_stage<std::decay_t<F>>{std::forward<F>(f)});
}
/// The values of which `keeps(value)` is true.
template <class F>
[[nodiscard]] auto filter(F&& keeps) {
    return detail::one_stage(detail::look_stage<true, std::decay_t<F>>{std::forward<F>(keeps)});
}
/// Calls `f(value)` and lets the value pass.
template <class F>
[[nodiscard]] auto tap(F&& f) {
    return detail::one_stage(detail::look_stage<false, std::decay_t<F>>{std::forward<F>(f)});
}
/// The elements of the range that `f(value)` gives.
template <class F>
[[nodiscard]] auto flat_map(F&& f) {
    return detail::one_stage(detail::flat_map_stage<std::decay_t<F>>{std::forward<F>(f)});
}
/// The elements of each value, which is a range.
[[nodiscard]] inline auto unbatch() {
    return flat_map(
        []<std::ranges::input_range R>(R&& values) { return std::remove_cvref_t<R>(std::forward<R>(values)); });
}
/// Vectors of `n` values; the last may have fewer. Precondition: `n > 0`, and not more than in_flight admits.
[[nodiscard]] inline auto batch(std::size_t n, detail::place at = detail::place::current()) {
    return detail::one_stage(detail::batch_stage{n, at});
}
/// Also a shorter one when its first value has waited for `within`. Precondition: `within > 0`.
template <class Rep, class Period>
[[nodiscard]] auto batch(std::size_t n, std::chrono::duration<Rep, Period> within,
                         detail::place at = detail::place::current()) {
    return detail::one_stage(detail::timed_batch_stage{n, std::chrono::ceil<clock::duration>(within), at});
}
/// A vector of the newest `n` values, each time `step` more have come. None while there were fewer than `n`.
[[nodiscard]] inline auto window(std::size_t n, std::size_t step = 1, detail::place at = detail::place::current()) {
    return detail::one_stage(detail::window_stage{n, step, at});
}
/// The first `n` values; then all that stands before ends. Precondition: `n > 0`.
[[nodiscard]] inline auto take(std::size_t n, detail::place at = detail::place::current()) {
    return detail::one_stage(detail::take_stage{n, at});
}
/// At most one value in `distance`: who comes earlier waits. Time that nobody used is not made up for.
template <class Rep, class Period>
[[nodiscard]] auto throttle(std::chrono::duration<Rep, Period> distance, detail::place at = detail::place::current()) {
    return detail::one_stage(detail::throttle_stage{std::chrono::ceil<clock::duration>(distance), at});
}
/// The same, as often as `throttle(per_second(10))` or `throttle(every(100ms))` says; `unlimited` lets all pass.
/// Precondition: not a rate of zero.
[[nodiscard]] inline auto throttle(rate most, detail::place at = detail::place::current()) {
    return detail::one_stage(detail::throttle_stage{most, at});
}
/// A value once none has followed it for `quiet`; those followed sooner are dropped.
template <class Rep, class Period>
[[nodiscard]] auto debounce(std::chrono::duration<Rep, Period> quiet, detail::place at = detail::place::current()) {
    return detail::one_stage(detail::debounce_stage{std::chrono::ceil<clock::duration>(quiet), at});
}

// --- stages: several values at once, and what bounds them -------------------------------------------------------------

/// What stands before goes on while what stands behind is busy, `n` values ahead.
[[nodiscard]] inline auto buffer(std::size_t n) { return detail::one_stage(detail::buffer_stage{n}); }

/// As `transform`, `width` at once; results come as they are ready. Precondition: `width > 0`.
template <class F>
[[nodiscard]] auto unordered(std::size_t width, F&& f, detail::place at = detail::place::current()) {
    SLUICE_EXPECT_AT(width > 0, "a stage without workers passes nothing on", at);
    return detail::one_stage(detail::unordered_stage<std::decay_t<F>>{width, false, std::forward<F>(f)});
}
/// A task for each value, at once. Bound it by in_flight(n), or let the source be small.
template <class F>
[[nodiscard]] auto unordered(unlimited_t, F&& f) {
    return detail::one_stage(detail::unordered_stage<std::decay_t<F>>{0, true, std::forward<F>(f)});
}
/// As `unordered`, with the results, and the first error, in the order of the values.
template <class F>
[[nodiscard]] auto ordered(std::size_t width, F&& f, detail::place at = detail::place::current()) {
    SLUICE_EXPECT_AT(width > 0, "a stage without workers passes nothing on", at);
    return detail::one_stage(detail::ordered_stage<std::decay_t<F>>{width, std::forward<F>(f)});
}
/// No more than `n` values of the source are in the whole pipeline. Stands anywhere in it, once. Precondition: `n > 0`.
[[nodiscard]] inline auto in_flight(std::size_t n, detail::place at = detail::place::current()) {
    return detail::one_stage(detail::in_flight_stage{n, at});
}

// --- sinks ------------------------------------------------------------------------------------------------------------

/// Calls `f(value)`.
template <class F>
[[nodiscard]] auto for_each(F&& f) {
    return detail::for_each_sink<false, std::decay_t<F>>{std::forward<F>(f)};
}
/// Calls `f(value)` until it gives false.
template <class F>
[[nodiscard]] auto for_each_while(F&& f) {
    return detail::for_each_sink<true, std::decay_t<F>>{std::forward<F>(f)};
}
/// A vector of all values.
[[nodiscard]] inline auto collect() { return detail::collect_sink{}; }
/// `f(f(f(init, a), b), c)`.
template <class A, class F>
[[nodiscard]] auto reduce(A init, F&& f) {
    return detail::reduce_sink<A, std::decay_t<F>>{std::move(init), std::forward<F>(f)};
}
/// The first value, if there is one; the pipeline ends with it.
[[nodiscard]] inline auto first() { return detail::first_sink{}; }
/// Sends all values; the channel stays open, unless the last counted `sender` of it was given away here.
template <class T>
[[nodiscard]] auto to(sender<T> out) {
    return detail::to_sink<sender<T>>{std::move(out)};
}
template <class T>
[[nodiscard]] auto to(channel<T> out) {
    return detail::to_sink<channel<T>>{std::move(out)};
}

}  // namespace sluice
