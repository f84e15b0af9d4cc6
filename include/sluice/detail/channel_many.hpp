// SPDX-License-Identifier: BSL-1.0
// channel_many.hpp: what can be done with many values at once?
#pragma once

#include <ranges>

#include "../context.hpp"
#include "channel_batches.hpp"
#include "deadline.hpp"

namespace sluice::detail {

/// Whether the elements of a range passed like this are the callee's to move from: an rvalue that owns them.
template <class Range>
inline constexpr bool gives_away = !std::is_reference_v<Range> && !std::is_const_v<Range> &&
                                   !std::ranges::borrowed_range<Range> && !std::ranges::view<Range>;

/// A range whose elements can be sent as a `T`.
template <class Range, class T>
concept sendable_range =
    std::ranges::input_range<Range> &&
    std::is_constructible_v<T, std::conditional_t<gives_away<Range>, std::ranges::range_rvalue_reference_t<Range>,
                                                  std::ranges::range_reference_t<Range>>>;

/// The sends of whole ranges; all give the number of elements that were sent.
///
/// Sends the elements in order until one cannot be sent: the channel is closed, has no room and drops the newest, or the
/// call has ended. Elements of an rvalue container (`std::move(v)`) are moved from, each when it is sent and only then;
/// those of everything else are copied, unless they are rvalues themselves. An empty range is sent at once.
/// Order: as with that many single sends. Values of other senders may come between; a batch that must wait does so in
///     the list of senders with one element after the other. One lock serves up to 64 elements.
/// Cancellation: the end of the surrounding context throws `canceled`. Elements that were sent stay sent; how many, only
///     a call that names its context is told.
/// Throws: what iterating over the range and copying, converting or boxing an element throws, when those before it have
///     been sent. Up to 32 copies are made ahead. Elements of a single-pass range, and conversions from rvalues, are
///     made one at a time; one that was made and could not be sent is told to `on_undelivered`.
/// Lifetime: the range lives until the operation has ended.
template <class Self, class T>
class sending_many {
    template <class Range>
    using source = element_source<T, std::ranges::iterator_t<Range>, std::ranges::sentinel_t<Range>, gives_away<Range>>;
    template <class Range>
    using operation = send_all_operation<T, source<Range>>;

public:
    /// Blocks the thread while there is no room.
    template <sendable_range<T> Range>
    std::size_t send_all(Range&& values, place at = place::current()) const {
        return steps<Range>(values, {}, no_deadline, at).block();
    }
    /// As above, until `until` ends.
    template <sendable_range<T> Range>
    std::size_t send_all(Range&& values, const context& until, place at = place::current()) const {
        return steps<Range>(values, until, no_deadline, at).block();
    }
    template <sendable_range<T> Range>
    std::size_t send_all(Range&& values, std::stop_token until, place at = place::current()) const {
        return steps<Range>(values, context::from(std::move(until)), no_deadline, at).block();
    }
    /// Sends what there is room for now. Never waits.
    template <sendable_range<T> Range>
    std::size_t try_send_all(Range&& values) const {
        auto op = make<Range>(values, {});
        while (op.go_on() && try_once(op) && !op.must_wait()) {}
        return op.result();
    }
    /// Sends what there is room for within so long. The time is looked at between two locks.
    template <sendable_range<T> Range, class Rep, class Period>
    std::size_t send_all_for(Range&& values, std::chrono::duration<Rep, Period> d, place at = place::current()) const {
        return steps<Range>(values, {}, deadline_after(d), at).block();
    }
    template <sendable_range<T> Range>
    std::size_t send_all_until(Range&& values, time_point deadline, place at = place::current()) const {
        return steps<Range>(values, {}, deadline, at).block();
    }
    /// The same for `co_await`; `timeout` limits it too, and it then gives how many were sent in time.
    template <sendable_range<T> Range>
    [[nodiscard]] auto async_send_all(Range&& values SLUICE_LIFETIMEBOUND, place at = place::current()) const {
        return steps<Range>(values, {}, no_deadline, at);
    }
    template <sendable_range<T> Range>
    [[nodiscard]] auto async_send_all(Range&& values SLUICE_LIFETIMEBOUND, const context& until,
                                      place at = place::current()) const {
        return steps<Range>(values, until, no_deadline, at);
    }
    template <sendable_range<T> Range>
    [[nodiscard]] auto async_send_all(Range&& values SLUICE_LIFETIMEBOUND, std::stop_token until,
                                      place at = place::current()) const {
        return steps<Range>(values, context::from(std::move(until)), no_deadline, at);
    }

private:
    template <class Range>
    operation<Range> make(std::remove_reference_t<Range>& values, place at) const {
        return operation<Range>{static_cast<const Self&>(*this).core(),
                                source<Range>{std::ranges::begin(values), std::ranges::end(values)}, at};
    }
    template <class Range>
    stepwise<operation<Range>> steps(std::remove_reference_t<Range>& values, const context& until, time_point deadline,
                                     place at) const {
        return stepwise<operation<Range>>{make<Range>(values, at), context_access::node(until), deadline};
    }
};

/// The receives of several values; all give a vector.
///
/// Waits for the first value only, and takes what else is there, up to `most`: in order, also from waiting senders, one
/// lock for many. None: the channel is closed and drained (which error it was closed with, a `try_receive` tells), or
/// the call has ended.
/// Cancellation: as in a single receive. Received values are never lost to it.
/// Throws: `std::bad_alloc`, and what the moves of elements throw whose move may throw (these are received one by one);
///     values that had been taken then are gone, and `on_undelivered` is told.
/// Precondition: `most` is not 0, except for `try_receive_some`.
template <class Self, class T>
class receiving_many {
    using operation = receive_some_operation<T>;

public:
    /// Blocks the thread until there is a value.
    std::vector<T> receive_some(std::size_t most, place at = place::current()) const { return block(make(most, at)); }
    /// As above, until `until` ends.
    std::vector<T> receive_some(std::size_t most, const context& until, place at = place::current()) const {
        return named(most, until, no_deadline, at).block();
    }
    std::vector<T> receive_some(std::size_t most, std::stop_token until, place at = place::current()) const {
        return receive_some(most, context::from(std::move(until)), at);
    }
    /// What is there now. Never waits.
    std::vector<T> try_receive_some(std::size_t most) const {
        if (most == 0) return {};
        return attempt(make(most, {}), status::empty);
    }
    /// Waits for the first value for so long.
    template <class Rep, class Period>
    std::vector<T> receive_some_for(std::size_t most, std::chrono::duration<Rep, Period> d,
                                    place at = place::current()) const {
        return named(most, {}, deadline_after(d), at).block();
    }
    std::vector<T> receive_some_until(std::size_t most, time_point deadline, place at = place::current()) const {
        return named(most, {}, deadline, at).block();
    }
    /// The same for `co_await` and select.
    [[nodiscard]] auto async_receive_some(std::size_t most, place at = place::current()) const {
        return make(most, at);
    }
    [[nodiscard]] auto async_receive_some(std::size_t most, const context& until, place at = place::current()) const {
        return named(most, until, no_deadline, at);
    }
    [[nodiscard]] auto async_receive_some(std::size_t most, std::stop_token until, place at = place::current()) const {
        return named(most, context::from(std::move(until)), no_deadline, at);
    }

private:
    operation make(std::size_t most, place at) const {
        SLUICE_EXPECT_AT(most > 0, "receive_some of at most 0 values", at);
        return operation{static_cast<const Self&>(*this).core(), most, at};
    }
    ended_early<operation> named(std::size_t most, const context& until, time_point deadline, place at) const {
        return ended_early<operation>{make(most, at), context_access::node(until), deadline};
    }
};

// Signals have no values to gather.
template <class Self>
class sending_many<Self, void> {};
template <class Self>
class receiving_many<Self, void> {};

}  // namespace sluice::detail
