// SPDX-License-Identifier: BSL-1.0
// fan.hpp: how do many work on one stream, and how do streams part and meet?
//
// `broadcast`, which has no tasks, stands in a header of its own that this one includes.
// Each of the others starts tasks that take from receivers and gives receivers to take from: threads and tasks do that alike.
// What holds for all of them:
//
// Ending: an output closes when its inputs have been closed and drained and all that was started for it has ended. So
//     whoever sees the end may destroy what the functions refer to. Those of other stages before it have ended then if its
//     inputs were drained; after an error they are cancelled, and may take a moment.
// Errors: the first exception of a function, or the error an input was closed with, ends the rest; the output then gives
//     what it holds and after that the error: `received::error()`, and a range-for throws it. That of a function wins
//     over that of an input.
// Leaving: outputs are counted, as those of `make_channel`. When the last receiver of an output has gone or has
//     cancelled (of several outputs: of all of them), the tasks are cancelled and the inputs too: `receiver::cancel`.
//     So leaving a chain early ends it up to its source, and nobody has to drain it. Items in hand are destroyed.
// Cancellation: the tasks end with the context of the caller, as it is by `current_context()`. An output then closes with
//     `canceled` as its error: what is not all of it does not look like it.
// Where: they belong to the run of the caller, as what `go` starts; those of a thread outside of any, to the process's.
// Functions: plain ones, coroutines, or `blocking(f)` for those that may block. There is one object of each, kept until
//     the end and called by several workers at the same time.
// Exceptions of the calls themselves: `std::bad_alloc`. Precondition: no input is nil, it would never end.
#pragma once

#include <ranges>

#include "broadcast.hpp"
#include "detail/fan_in.hpp"
#include "detail/fan_out.hpp"
#include "detail/fan_parts.hpp"
#include "detail/ordered.hpp"

namespace sluice {

namespace detail {

template <class In>
using item_of = typename In::value_type;

/// What a function that is called with items gives, as it is sent.
template <class F, class T>
using sent_result = std::remove_cvref_t<stage_result<F, T>>;

template <class In, class F>
concept works_on = std::is_void_v<item_of<In>> || stage_callable<F, item_of<In>>;

inline void expect_width(std::size_t width, place at) {
    SLUICE_EXPECT_AT(width > 0, "a width of 0 lets nobody work; `unlimited` is a task for each item", at);
    SLUICE_EXPECT_AT(width <= static_cast<std::size_t>(-1) / 2, "a width is not negative; `unlimited` is a word", at);
}
template <class T>
receiver<T> checked_input(receiver<T> in, place at) {
    SLUICE_EXPECT_AT(static_cast<bool>(in), "a nil receiver never ends, and so would what works on it", at);
    return in;
}

#define SLUICE_ITEMS_NOT_SIGNALS "a channel<void> carries signals, which have nothing to work on"

/// What begins with `begin(from)` if an `F` can be called with the items of the input.
template <class F, class In, class Begin>
auto begin_work(In in, place at, Begin begin) {
    using item = item_of<In>;
    static_assert(!std::is_void_v<item>, SLUICE_ITEMS_NOT_SIGNALS);
    static_assert(works_on<In, F>, "the function is called with one item of the input: f(T&&)");
    if constexpr (!std::is_void_v<item> && works_on<In, F>) return begin(checked_input<item>(std::move(in), at));
}

}  // namespace detail

/// Calls `f` with every item, `width` workers at a time, and gives the results as they come.
///
/// Gives a `receiver` of what `f` returns; of `void` if that is nothing: one signal for each item that is done.
/// Order: none. With a width of 1 strictly one after the other, in the order of the input.
/// Memory: each worker holds one item or result, and `width` results are buffered. If `f` is a plain function that gives
///     something, a worker takes what waits up to 16 at a time, never waiting for more, while that takes microseconds;
///     so each holds up to 16 items and results, and up to 64 results are buffered, or `width` if that is more.
///     It leaves a share for each worker that can run at the same time, so that no item waits behind others while
///     somebody is idle, except behind the first one that takes long.
/// Complexity: a lock for each batch; one task for each worker.
/// Precondition: `width > 0`.
///
///     for (const page& p : sluice::fan_out(urls, 8, fetch)) store(p);    // page or task<page> fetch(std::string)
template <detail::stage_input In, class F>
[[nodiscard]] auto fan_out(In in, std::size_t width, F f, detail::place at = detail::place::current()) {
    detail::expect_width(width, at);
    return detail::begin_work<F>(std::move(in), at, [&]<class T>(receiver<T> from) {
        using result = detail::sent_result<F, T>;
        using work = detail::fan_out_work<T, result, F>;
        return detail::begin_stage<result>(work::room(width), from, at, [&](sender<result> out) {
            return std::make_unique<work>(from, std::move(out), width, std::move(f));
        });
    });
}
/// With a task for each item, however many there are: bounded by what the source gives alone. Results that nobody takes
/// wait in their tasks, 64 are buffered.
template <detail::stage_input In, class F>
[[nodiscard]] auto fan_out(In in, unlimited_t, F f, detail::place at = detail::place::current()) {
    return detail::begin_work<F>(std::move(in), at, [&]<class T>(receiver<T> from) {
        using result = detail::sent_result<F, T>;
        using work = detail::unlimited_fan_out_work<T, result, F>;
        return detail::begin_stage<result>(work::room, from, at, [&](sender<result> out) {
            return std::make_unique<work>(from, std::move(out), std::move(f));
        });
    });
}

/// Calls `f` with every item, `width` workers at a time, and gives the results in the order of the input.
///
/// Errors: the first in the order of the input: all results before it are given first, and what comes after it is not,
///     though it may have been worked on. No item is taken any more when one has failed.
/// Memory: at most `width` items are taken and their results not yet given, one in each worker, wherever the slowest of
///     them stands; and `width` results are buffered. An item that takes long lets `width - 1` others overtake it inside.
/// Precondition: `width > 0`.
template <detail::stage_input In, class F>
[[nodiscard]] auto ordered(In in, std::size_t width, F f, detail::place at = detail::place::current()) {
    detail::expect_width(width, at);
    return detail::begin_work<F>(std::move(in), at, [&]<class T>(receiver<T> from) {
        using result = detail::sent_result<F, T>;
        using work = detail::ordered_work<T, result, F>;
        return detail::begin_stage<result>(width, from, at, [&](sender<result> out) {
            return std::make_unique<work>(from, std::move(out), width, std::move(f));
        });
    });
}

/// Calls `f` with every item: those of one key one after the other in the order of the input, those of others at the same
/// time, in `width` lanes. Which keys share a lane, their `std::hash` decides.
///
/// Order: results of one key come in the order of its items; otherwise none.
/// `key(const T&)` is a plain function, and is called by one task, in order.
/// Memory: each lane holds 16 items and one that is worked on; when one is full, the others wait for it. `width` results
///     are buffered.
/// Precondition: `width > 0`.
///
///     sluice::keyed(events, 8, &event::account, apply)    // the events of an account in their order
template <detail::stage_input In, class Key, class F>
[[nodiscard]] auto keyed(In in, std::size_t width, Key key, F f, detail::place at = detail::place::current()) {
    detail::expect_width(width, at);
    return detail::begin_work<F>(std::move(in), at, [&]<class T>(receiver<T> from) {
        constexpr bool has_keys = detail::is_plain_call<Key, const T&>;
        static_assert(has_keys, "the key is what a plain function gives: key(const T&)");
        if constexpr (has_keys) {
            using result = detail::sent_result<F, T>;
            using work = detail::keyed_work<T, result, Key, F>;
            return detail::begin_stage<result>(width, from, at, [&](sender<result> out) {
                return std::make_unique<work>(from, std::move(out), width, std::move(key), std::move(f));
            });
        }
    });
}

/// Gives every item to each of `n` outputs: copies, and to one of them the item itself.
///
/// The slowest output sets the pace: each buffers one item, and the next is taken when all have that one. Within an item
/// they do not wait for each other. So the outputs are received from by different tasks or threads, or in turn.
/// An output that leaves is left out from then on, and holds up nobody. An item that all have left gets lost.
/// Memory: one item in each output, one in hand and its copies. Precondition: `n > 0`.
template <detail::stage_input In>
[[nodiscard]] auto tee(In in, std::size_t n, detail::place at = detail::place::current())
    -> std::vector<receiver<detail::item_of<In>>> {
    using item = detail::item_of<In>;
    static_assert(!std::is_void_v<item>, "a channel<void> carries signals: close a channel to tell all of something");
    static_assert(std::is_copy_constructible_v<item>,
                  "each output gets a copy: use std::shared_ptr<const T> for what cannot be copied");
    detail::expect_width(n, at);
    if constexpr (std::is_copy_constructible_v<item>) {
        const auto from = detail::checked_input<item>(std::move(in), at);
        return detail::begin_stage<item>(n, 1, from, at, [&](std::vector<sender<item>> outs) {
            return std::make_unique<detail::tee_work<item>>(from, std::move(outs));
        });
    } else {
        return {};
    }
}

/// Deals the items to `n` outputs in turn: the first to the first, the next to the second.
///
/// It waits for the output whose turn it is, which buffers one item; one that has left is passed over from then on, and
/// the item goes to the next. Whose turn shall not matter: give all of them copies of one receiver instead.
/// Memory: one item in each output, and one in hand. Precondition: `n > 0`.
template <detail::stage_input In>
[[nodiscard]] auto round_robin(In in, std::size_t n, detail::place at = detail::place::current())
    -> std::vector<receiver<detail::item_of<In>>> {
    using item = detail::item_of<In>;
    static_assert(!std::is_void_v<item>, SLUICE_ITEMS_NOT_SIGNALS);
    detail::expect_width(n, at);
    const auto from = detail::checked_input<item>(std::move(in), at);
    return detail::begin_stage<item>(n, 1, from, at, [&](std::vector<sender<item>> outs) {
        return std::make_unique<detail::round_robin_work<item>>(from, std::move(outs));
    });
}

/// The inputs of a channel that many are merged into, when they come and go: made by `make_merger`. Move-only.
///
/// What holds for `fan_in` holds for the output. It closes when this has been closed, or has gone, and all inputs that
/// are left have ended.
/// Thread safety: all members from any thread; moving and destruction must be alone.
///
///     auto [inputs, quotes] = sluice::make_merger<quote>();
///     const auto venue = inputs.add(connect("venue"));
///     ...
///     inputs.remove(venue);
template <class T>
class merger {
public:
    /// Tells an input from others; none is given twice.
    using id = std::uint64_t;

    merger(merger&&) noexcept = default;
    merger& operator=(merger&& other) noexcept {
        if (this != &other) {
            if (table_) close();
            table_ = std::move(other.table_);
        }
        return *this;
    }
    ~merger() {
        if (table_) close();
    }

    /// From now on its values come too. If the output has gone, or after `close`, the input is cancelled.
    /// Precondition: `in` is not nil.
    id add(receiver<T> in, detail::place at = detail::place::current()) const {
        return table_->add(detail::checked_input<T>(std::move(in), at));
    }
    /// No more is taken from it; what was taken still comes. The input is not cancelled: others may go on with it.
    /// Returns whether it was there: one that has ended is not.
    bool remove(id which) const noexcept { return table_->remove(which); }
    /// How many inputs there are: a snapshot.
    std::size_t size() const noexcept { return table_->size(); }
    /// No more inputs will be added.
    void close() const noexcept { table_->added().close(); }

private:
    template <class U>
    friend std::pair<merger<U>, receiver<U>> make_merger(detail::place at);

    explicit merger(std::shared_ptr<detail::merge_table<T>> table) noexcept : table_{std::move(table)} {}

    std::shared_ptr<detail::merge_table<T>> table_;
};

/// A merger, and the output that its inputs are merged into.
template <class T>
[[nodiscard]] std::pair<merger<T>, receiver<T>> make_merger(detail::place at = detail::place::current()) {
    auto table = std::make_shared<detail::merge_table<T>>();
    auto out = detail::begin_stage<T>(
        detail::fan_in_work<T>::most_in_hand, detail::merge_inputs<T>{table}, at,
        [&](sender<T> to) { return std::make_unique<detail::fan_in_work<T>>(table, std::move(to)); });
    return {merger<T>{std::move(table)}, std::move(out)};
}

/// Merges the values of all receivers of a range into one, as they come.
///
/// It closes when all of them have closed; none delays another. Each keeps its order. Of no receivers at all it is closed
/// at once. For a set that changes use `make_merger`.
/// Errors: an input that was closed with one ends the others, which are cancelled, and the output closes with it.
/// Memory: up to 16 values of each input are in hand, those that waited, and 16 are buffered.
template <std::ranges::input_range Range>
    requires detail::stage_input<std::ranges::range_value_t<Range>>
[[nodiscard]] auto fan_in(Range&& inputs, detail::place at = detail::place::current())
    -> receiver<detail::item_of<std::ranges::range_value_t<Range>>> {
    auto [all, out] = make_merger<detail::item_of<std::ranges::range_value_t<Range>>>(at);
    for (auto&& in : inputs) all.add(in, at);
    return std::move(out);
}
/// The same of receivers, or channels, that are named one by one.
template <detail::stage_input First, detail::stage_input... More>
    requires(std::same_as<detail::item_of<First>, detail::item_of<More>> && ...)
[[nodiscard]] auto fan_in(First first, More... more) -> receiver<detail::item_of<First>> {
    auto [all, out] = make_merger<detail::item_of<First>>();
    all.add(std::move(first));
    (all.add(std::move(more)), ...);
    return std::move(out);
}

}  // namespace sluice
