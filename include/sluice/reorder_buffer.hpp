// SPDX-License-Identifier: BSL-1.0
// reorder_buffer.hpp: how do events that come out of order get back into it, and what becomes of those that come too late?
//
// Two questions decide about a value: what stands before it that may still come, and has its place passed already?
//
//               its place is               ready when                           its place has passed when
//   by number   `next_`, the first that    all before it have come or were      a number >= it was released or given up
//               is awaited                 given up
//   by time     the watermark: greatest    the watermark is later               the watermark is later
//               time seen - lateness
//
// R1  What is buffered has its place before it: number > next_ (a number equal to it is released at once), time >= watermark.
// R2  Released values never go back: each is >= the one before.
// R3  Each value that is pushed leaves by exactly one way: released, or told to the handler as late or doubled. So does each
//     number: its value is released, or it is told as missing (and as late, should it come after all).
// R4  At most `capacity` values are buffered, and as many ranges of missing numbers remembered, the latest.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include "detail/expect.hpp"

namespace sluice {

/// Why a value was not put in order.
enum class out_of_order {
    late,    ///< its place had passed before it came
    doubled  ///< the same one is there already, or was released
};

/// The name of it, for messages.
constexpr const char* to_string(out_of_order why) noexcept { return why == out_of_order::late ? "late" : "doubled"; }

/// Values have numbers without gaps: 1, 2, 3.
template <std::integral Number>
struct by_number {
    /// The first one.
    Number first = 0;
    /// How many values wait for a missing one at most. When one more comes, the missing ones before the first of them are
    /// given up, so that this one and its followers become ready.
    std::size_t capacity = 0;
    /// Is told of each range of numbers that were given up, the last one included. They are counted in any case.
    std::function<void(Number from, Number to)> missing = {};
};

/// Values have times, which may be equal, and come at most so late.
template <class Time>
struct by_time {
    /// A value is ready when one has been seen whose time is later by more than this; what comes behind that is late.
    typename Time::duration lateness = Time::duration::zero();
    /// How many values wait at most. When one more comes, the earliest is released before its time: what comes behind it
    /// is late.
    std::size_t capacity = 0;
};

/// Puts values back into the order of their numbers or times, as far as that can be had without waiting for ever.
///
/// `push` gives what has become ready by the value, in order. Nothing is dropped silently: the handler gets each value
/// that came too late or a second time, and numbers that never came are counted and told.
/// It never waits and knows no clock: time passes by the values that come, or by `advance_to`.
/// Thread safety: none; one thread or task at a time. As a stage of a pipeline: `flat_map` with `push`, then `flush`.
/// Exceptions: what the handler, the projection or a move throws; a value that had not been given out by then is still there,
///     the one pushed is not.
/// Complexity: O(1) for a value that comes in its turn, else O(log n) among n that wait. Memory: `capacity` values.
///
///     struct event { std::uint64_t number; std::string text; };
///     sluice::reorder_buffer<event, std::uint64_t> events{
///         {.first = 1, .capacity = 1000}, &event::number,
///         [](event&& e, sluice::out_of_order why) { std::printf("%s: %s\n", sluice::to_string(why), e.text.c_str()); }};
///     for (event& e : events.push(std::move(came))) apply(e);
template <class T, class Sequence>
class reorder_buffer {
    static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>, "values are moved in and out");
    static constexpr bool has_numbers = std::integral<Sequence>;
    static_assert(
        has_numbers || requires { typename Sequence::duration; },
        "values have numbers (an integral type) or times (a std::chrono::time_point)");

    template <class S>
    struct options_of {
        using type = by_time<S>;
    };
    template <std::integral S>
    struct options_of<S> {
        using type = by_number<S>;
    };

public:
    using options = typename options_of<Sequence>::type;
    using sequence_of = std::function<Sequence(const T&)>;
    using late_handler = std::function<void(T&&, out_of_order)>;

    /// `of` gives the number or time of a value, `late` gets those that cannot be put in order.
    /// Preconditions: `capacity > 0`, a lateness is not negative, both functions are there.
    reorder_buffer(options how, sequence_of of, late_handler late,
                   std::source_location at = std::source_location::current())
        : how_{std::move(how)}, of_{std::move(of)}, late_{std::move(late)} {
        SLUICE_EXPECT_AT(how_.capacity > 0, "a reorder_buffer has room for at least one value that waits", at);
        SLUICE_EXPECT_AT(of_ != nullptr, "a reorder_buffer needs to know the number or time of a value", at);
        SLUICE_EXPECT_AT(late_ != nullptr, "somebody has to be told of late and doubled values", at);
        if constexpr (has_numbers) next_ = how_.first;
        else SLUICE_EXPECT_AT(how_.lateness >= how_.lateness.zero(), "a lateness is not negative", at);
    }

    /// By time: two values of the same time are the same one if `same(a, b)`, and the second is told as doubled. One whose
    /// first copy was released is told as late, like all that stands behind the watermark. Then what is released for want of
    /// room, or by `flush`, takes those of its time with it, and its time has passed.
    void doubled_if(std::function<bool(const T&, const T&)> same)
        requires(!has_numbers)
    {
        same_ = std::move(same);
    }

    /// Takes `value` and calls `out(T&&)` with each value that has become ready, in order. `out` does not use this object.
    template <std::invocable<T&&> Out>
    void push(T value, Out&& out) {
        const Sequence s = of_(value);
        if (const auto why = reason_against(s, value)) return tell(std::move(value), *why);
        if constexpr (has_numbers) {
            if (s == next_) {
                step_over(s);
                out(std::move(value));
                return release_followers(out);
            }
            waiting_.emplace(s, std::move(value));
            release_followers(out);
        } else {
            waiting_.emplace(s, std::move(value));
            if (!greatest_ || *greatest_ < s) greatest_ = s;
            raise_watermark(*greatest_ - how_.lateness, false);
            release_while(out, [this](Sequence first) { return has_passed(first); });
        }
        while (waiting_.size() > how_.capacity) make_room(out);
    }
    /// Takes `value` and gives what has become ready, in order.
    [[nodiscard]] std::vector<T> push(T value) {
        std::vector<T> ready;
        push(std::move(value), [&](T&& one) { ready.push_back(std::move(one)); });
        return ready;
    }

    /// No value before `s` will come any more: releases all that are, and by number those that follow. Numbers that have not come
    /// are told as missing. For sources that say how far they are, also when they have nothing to say.
    template <std::invocable<T&&> Out>
    void advance_to(Sequence s, Out&& out) {
        release_while(out, [s](Sequence first) { return first < s; });
        if constexpr (has_numbers) {
            if (has_ended_ || s < next_) return;
            skip_to(s);
            release_followers(out);
        } else {
            raise_watermark(s, false);
        }
    }
    [[nodiscard]] std::vector<T> advance_to(Sequence s) {
        std::vector<T> ready;
        advance_to(s, [&](T&& one) { ready.push_back(std::move(one)); });
        return ready;
    }

    /// Releases all that wait, in order, at the end of the input. Numbers between them are told as missing; what comes
    /// afterwards goes on behind the last one.
    template <std::invocable<T&&> Out>
    void flush(Out&& out) {
        release_while(out, [](Sequence) { return true; });
    }
    [[nodiscard]] std::vector<T> flush() {
        std::vector<T> ready;
        flush([&](T&& one) { ready.push_back(std::move(one)); });
        return ready;
    }

    /// How many values wait for their turn.
    std::size_t size() const noexcept { return waiting_.size(); }
    bool empty() const noexcept { return waiting_.empty(); }
    /// How many were told as late, how many as doubled, and how many numbers were given up so far. A late number counts as
    /// missing, too.
    std::size_t late() const noexcept { return late_count_; }
    std::size_t doubled() const noexcept { return doubled_count_; }
    std::size_t missing() const noexcept
        requires has_numbers
    {
        return missing_count_;
    }
    /// How many were released before their time for want of room.
    std::size_t forced() const noexcept { return forced_count_; }
    /// By number: the one that is awaited. By time: all before it have been released; nothing before the first value.
    auto position() const noexcept {
        if constexpr (has_numbers) return next_;
        else return watermark_;
    }

private:
    std::optional<out_of_order> reason_against(Sequence s, const T& value) const {
        if constexpr (has_numbers) {
            if (has_ended_ || s < next_) return was_given_up(s) ? out_of_order::late : out_of_order::doubled;
            if (waiting_.contains(s)) return out_of_order::doubled;
        } else {
            if (has_passed(s)) return out_of_order::late;
            if (!same_) return std::nullopt;
            for (auto [it, last] = waiting_.equal_range(s); it != last; ++it)
                if (same_(it->second, value)) return out_of_order::doubled;
        }
        return std::nullopt;
    }
    void tell(T&& value, out_of_order why) {
        ++(why == out_of_order::late ? late_count_ : doubled_count_);
        late_(std::move(value), why);
    }

    // The first of those that wait leaves before it is given out, so it is not there twice when `out` throws.
    template <class Out>
    void release_first(Out& out) {
        if constexpr (has_numbers) skip_to(waiting_.begin()->first);
        auto first = waiting_.extract(waiting_.begin());
        if constexpr (has_numbers) step_over(first.key());
        else raise_watermark(first.key(), same_ != nullptr);  // who looks for doubles must not miss one of this time
        out(std::move(first.mapped()));
    }
    template <class Out, class While>
    void release_while(Out& out, While is_ready) {
        while (!waiting_.empty() && is_ready(waiting_.begin()->first)) release_first(out);
    }
    template <class Out>
    void release_followers(Out& out) {
        release_while(out, [this](Sequence first) { return !has_ended_ && first == next_; });
    }
    template <class Out>
    void make_room(Out& out) {
        ++forced_count_;
        const Sequence first = waiting_.begin()->first;
        release_first(out);
        if constexpr (has_numbers) release_followers(out);
        else release_while(out, [&](Sequence s) { return same_ && s == first; });
    }

    // --- by number
    void step_over(Sequence s) noexcept {
        has_ended_ = s == std::numeric_limits<Sequence>::max();  // there is none behind it
        if (!has_ended_) next_ = static_cast<Sequence>(s + 1);
    }
    void skip_to(Sequence s) {
        if (s == next_) return;
        const Sequence from = std::exchange(next_, s);
        const auto to = static_cast<Sequence>(s - 1);
        missing_count_ += static_cast<std::size_t>(to) - static_cast<std::size_t>(from) + 1;
        given_up_.emplace(from, to);
        if (given_up_.size() > how_.capacity) forgotten_ = given_up_.extract(given_up_.begin()).mapped();
        if (how_.missing) how_.missing(from, to);
    }
    // Of what is so old that nobody remembers, nobody can tell: late.
    bool was_given_up(Sequence s) const {
        const auto behind = given_up_.upper_bound(s);
        if (behind == given_up_.begin()) return forgotten_ && s <= *forgotten_;
        return s <= std::prev(behind)->second;
    }
    // --- by time
    bool has_passed(Sequence s) const noexcept {
        return watermark_ && (s < *watermark_ || (s == *watermark_ && watermark_has_passed_));
    }
    void raise_watermark(Sequence to, bool has_passed) noexcept {
        if (watermark_ && to < *watermark_) return;
        watermark_has_passed_ = has_passed || (watermark_ == to && watermark_has_passed_);
        watermark_ = to;
    }

    options how_;
    sequence_of of_;
    late_handler late_;
    std::function<bool(const T&, const T&)> same_;
    std::multimap<Sequence, T> waiting_;
    std::size_t late_count_ = 0;
    std::size_t doubled_count_ = 0;
    std::size_t forced_count_ = 0;
    // By number.
    Sequence next_{};
    bool has_ended_ = false;                 // the greatest number there is was released
    std::map<Sequence, Sequence> given_up_;  // R4: from and to
    std::optional<Sequence> forgotten_;      // the end of the last range that is not remembered
    std::size_t missing_count_ = 0;
    // By time.
    std::optional<Sequence> greatest_;
    std::optional<Sequence> watermark_;
    bool watermark_has_passed_ = false;  // itself, and not only what is before it
};

}  // namespace sluice
