// SPDX-License-Identifier: BSL-1.0
// broadcast.hpp: how does everybody who listens get every value, and what becomes of those who listen slowly?
#pragma once

#include <chrono>

#include "detail/broadcast_core.hpp"
#include "detail/deadline.hpp"
#include "task.hpp"

namespace sluice {

/// Tag for a subscriber that drops the oldest and is told how many it missed.
struct tell_missed_t {
    explicit tell_missed_t() = default;
};
inline constexpr tell_missed_t tell_missed{};

/// Gives each value to all that are subscribed at that moment. Subscribers come and go at any time.
///
/// Each has a buffer of its own, and says what happens when it is full:
///
///     subscribe(overflow::wait, 16)          it misses nothing: publishers wait for it
///     subscribe(overflow::drop_oldest, 16)   it misses the oldest, silently: `receiver::dropped` counts them
///     subscribe(tell_missed, 16)             it misses the oldest, and each value says how many just before it
///
/// Order: the same for all. A subscriber gets all values from some moment on, which is before `subscribe` returns, less
///     what it drops.
/// All or nothing: a value gets to all subscribers or, if the call ends before, to none of them. One that has no room makes
///     publishers wait before others have got anything.
/// Waiting publishers are served in the order of arrival. A subscriber that leaves makes nobody wait any more; it leaves by
///     `receiver::cancel`, or when the last copy of its receiver goes.
/// Ending: after `close`, or when this object goes, subscribers get what they have buffered, and then `closed`.
/// Cancellation: a context or token that the call names ends it with `canceled`; the end of the surrounding one throws
///     `canceled`. The value has got to nobody then, and is unmoved.
/// Memory: each subscriber buffers at most its capacity; a call of publish that can go on has a copy for each.
/// Thread safety: all members from any thread; construction and destruction must be alone, and nobody publishes then.
/// Exceptions: what copying a value throws; nothing has been published then, and an rvalue is unmoved.
/// Complexity: a publication O(subscribers), `subscribe` O(1), leaving O(subscribers).
///
///     sluice::broadcast<quote> quotes;
///     auto all = quotes.subscribe(sluice::overflow::wait, 16);
///     auto recent = quotes.subscribe(sluice::tell_missed, 1);
///     const auto sent = co_await quotes.async_publish(best);    // or it is closed
///     for (auto& [q, missed] : recent) show(q, missed);
template <class T>
class broadcast {
    static_assert(!std::is_void_v<T>, "a signal to all needs no broadcast: close a channel, or cancel a context");
    static_assert(std::is_copy_constructible_v<detail::element_of<T>>,
                  "each subscriber gets a copy: use std::shared_ptr<const T> for what cannot be copied");
    using item = detail::element_of<T>;  // so that `void` is refused in one line
    using core = detail::broadcast_core<item>;

public:
    using value_type = T;

    broadcast() : core_{std::make_shared<core>()} {}
    broadcast(const broadcast&) = delete;
    broadcast& operator=(const broadcast&) = delete;
    ~broadcast() { core_->close(nullptr); }

    /// From now on a subscriber: with `overflow::wait` publishers wait while it has `capacity` values in its buffer, with
    /// `overflow::drop_oldest` it loses the oldest one then. After `close` it is closed at once, likewise.
    /// Precondition: `capacity > 0`. `overflow::drop_newest` is for channels: who loses the newest never catches up.
    [[nodiscard]] receiver<item> subscribe(overflow policy, std::size_t capacity,
                                           detail::place at = detail::place::current()) {
        SLUICE_EXPECT_AT(policy != overflow::drop_newest, "a subscriber waits, or drops the oldest", at);
        return core::subscribe(core_, checked(capacity, at), policy, at);
    }
    /// Likewise a subscriber that loses the oldest one when its buffer is full, and learns that: each value comes with the
    /// number of those that were lost just before it.
    [[nodiscard]] receiver<with_missed<item>> subscribe(tell_missed_t, std::size_t capacity,
                                                        detail::place at = detail::place::current()) {
        return core::subscribe_told(core_, checked(capacity, at), at);
    }

    /// Gives `value` to all subscribers, of which there may be none. Blocks the thread while one that wants all values has
    /// no room. A `T&&` may have been moved from if it was published, and is unmoved otherwise.
    ///
    /// Returns: `ok`, or `closed`.
    sent publish(const item& value, detail::place at = detail::place::current()) {
        return block(value, nullptr, {}, detail::no_deadline, at);
    }
    sent publish(item&& value, detail::place at = detail::place::current()) {
        return block(value, &value, {}, detail::no_deadline, at);
    }
    /// As above; the end of `until` ends the wait with `canceled`, and wins over room.
    sent publish(const item& value, const context& until, detail::place at = detail::place::current()) {
        return block(value, nullptr, until, detail::no_deadline, at);
    }
    sent publish(item&& value, const context& until, detail::place at = detail::place::current()) {
        return block(value, &value, until, detail::no_deadline, at);
    }
    sent publish(const item& value, std::stop_token until, detail::place at = detail::place::current()) {
        return publish(value, context::from(std::move(until)), at);
    }
    sent publish(item&& value, std::stop_token until, detail::place at = detail::place::current()) {
        return publish(std::move(value), context::from(std::move(until)), at);
    }
    /// Likewise; ends with `timed_out` when there was no room for so long.
    template <class Rep, class Period>
    sent publish_for(const item& value, std::chrono::duration<Rep, Period> d,
                     detail::place at = detail::place::current()) {
        return block(value, nullptr, {}, detail::deadline_after(d), at);
    }
    template <class Rep, class Period>
    sent publish_for(item&& value, std::chrono::duration<Rep, Period> d, detail::place at = detail::place::current()) {
        return block(value, &value, {}, detail::deadline_after(d), at);
    }
    /// Publishes if that needs no waiting; `full`: one that wants all values has no room, or others wait for that.
    sent try_publish(const item& value, detail::place at = detail::place::current()) {
        return core_->try_publish(value, nullptr, at);
    }
    sent try_publish(item&& value, detail::place at = detail::place::current()) {
        return core_->try_publish(value, &value, at);
    }

    /// `co_await quotes.async_publish(q)`, a task that refers to `value`: that and the broadcast live until it has ended.
    [[nodiscard]] task<sent> async_publish(const item& value SLUICE_LIFETIMEBOUND,
                                           detail::place at = detail::place::current()) {
        return publish_in_turn(*core_, value, nullptr, {}, at);
    }
    [[nodiscard]] task<sent> async_publish(item&& value SLUICE_LIFETIMEBOUND,
                                           detail::place at = detail::place::current()) {
        return publish_in_turn(*core_, value, &value, {}, at);
    }
    [[nodiscard]] task<sent> async_publish(const item& value SLUICE_LIFETIMEBOUND, context until,
                                           detail::place at = detail::place::current()) {
        return publish_in_turn(*core_, value, nullptr, std::move(until), at);
    }
    [[nodiscard]] task<sent> async_publish(item&& value SLUICE_LIFETIMEBOUND, context until,
                                           detail::place at = detail::place::current()) {
        return publish_in_turn(*core_, value, &value, std::move(until), at);
    }
    [[nodiscard]] task<sent> async_publish(const item& value SLUICE_LIFETIMEBOUND, std::stop_token until,
                                           detail::place at = detail::place::current()) {
        return async_publish(value, context::from(std::move(until)), at);
    }
    [[nodiscard]] task<sent> async_publish(item&& value SLUICE_LIFETIMEBOUND, std::stop_token until,
                                           detail::place at = detail::place::current()) {
        return async_publish(std::move(value), context::from(std::move(until)), at);
    }

    /// No more values will come: those that wait to publish end with `closed`, and so do later ones; subscribers get what
    /// they have buffered and then `closed`, with the error. Returns whether this call closed it.
    bool close() { return core_->close(nullptr); }
    bool close(std::exception_ptr error) { return core_->close(error); }
    bool is_closed() const noexcept { return core_->is_closed(); }
    /// How many are subscribed: a snapshot.
    std::size_t subscribers() const noexcept { return core_->size(); }

private:
    using acquiring = detail::ended_early<detail::acquire_operation>;
    using waiting = detail::ended_early<detail::room_operation<item>>;

    static std::size_t checked(std::size_t capacity, detail::place at) {
        SLUICE_EXPECT_AT(capacity > 0, "a subscriber has room for at least one value", at);
        return detail::checked_capacity(capacity, at);
    }
    static acquiring turn_in(core& in, const context& until, detail::time_point deadline, detail::place at) {
        return {detail::acquire_operation{in.turn, 1, at}, detail::context_access::node(until), deadline};
    }
    static waiting room_in(const sender<item>& full, const context& until, detail::time_point deadline,
                           detail::place at) {
        return {detail::room_operation<item>{full.core(), at}, detail::context_access::node(until), deadline};
    }

    sent block(const item& value, item* original, const context& until, detail::time_point deadline, detail::place at) {
        core& in = *core_;
        if (!turn_in(in, until, deadline, at).block()) return until.done() ? status::canceled : status::timed_out;
        const detail::publishing_turn<item> mine{in, at};
        for (;;) {
            const auto now = in.publish(value, original, true);
            if (now.why != status::full) return now.why;
            const status room = room_in(now.full, until, deadline, at).block();
            if (room != status::ok) return room;
        }
    }
    static task<sent> publish_in_turn(core& in, const item& value, item* original, context until, detail::place at) {
        auto turn = turn_in(in, until, detail::no_deadline, at);
        const bool is_mine = co_await turn;
        if (!is_mine) co_return status::canceled;
        const detail::publishing_turn<item> mine{in, at};
        for (;;) {
            const auto now = in.publish(value, original, true);
            if (now.why != status::full) co_return now.why;
            auto room = room_in(now.full, until, detail::no_deadline, at);
            const status why = co_await room;
            if (why != status::ok) co_return why;
        }
    }

    const std::shared_ptr<core> core_;
};

}  // namespace sluice
