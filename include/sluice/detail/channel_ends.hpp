// SPDX-License-Identifier: BSL-1.0
// channel_ends.hpp: what can be done with a handle that may send, and with one that may receive?
//
// `channel`, `sender` and `receiver` are a counted pointer and one or both of these sets of operations.
#pragma once

#include <functional>
#include <iterator>
#include <string>
#include <string_view>

#include "../context.hpp"
#include "call_site.hpp"
#include "channel_operations.hpp"
#include "deadline.hpp"

namespace sluice::detail {

template <class T>
using element_of = std::conditional_t<std::is_void_v<T>, no_value, T>;
template <class T>
using core_of = channel_core<element_of<T>>;

inline std::size_t checked_capacity(std::size_t capacity, place at) {
    SLUICE_EXPECT_AT(capacity <= static_cast<std::size_t>(-1) / 2,
                     "a capacity is not negative; the tag `unbounded` makes a channel without one", at);
    return capacity;
}

/// A counted pointer to a channel's state; null is nil.
template <class T>
class channel_handle {
    static_assert(!std::is_reference_v<T>, "a channel carries values, or pointers to them");

public:
    channel_handle() noexcept = default;
    explicit channel_handle(core_of<T>* adopted) noexcept : core_{adopted} {}
    channel_handle(const channel_handle& other) noexcept : core_{other.core_} {
        if (core_) core_->retain();
    }
    channel_handle(channel_handle&& other) noexcept : core_{std::exchange(other.core_, nullptr)} {}
    channel_handle& operator=(channel_handle other) noexcept {
        swap(other);
        return *this;
    }
    ~channel_handle() {
        if (core_) core_->release();
    }
    void swap(channel_handle& other) noexcept { std::swap(core_, other.core_); }

    /// False: nil.
    explicit operator bool() const noexcept { return core_ != nullptr; }
    /// How many values are buffered: a snapshot, stale when read.
    std::size_t size() const noexcept { return core_ ? core_->count.load(std::memory_order_relaxed) : 0; }
    /// How many values it can buffer; the largest `size_t` for an unbounded one, 0 for nil.
    std::size_t capacity() const noexcept { return core_ ? core_->capacity() : 0; }
    /// Whether it has been closed; values may still be buffered.
    bool is_closed() const noexcept { return core_ && core_->closed.load(std::memory_order_acquire); }
    /// How many values `overflow::drop_oldest` has dropped.
    std::size_t dropped() const noexcept {
        if (!core_) return 0;
        const hold guard{core_->mutex};
        return core_->dropped;
    }

    /// Names the channel, for reports: a dump then says that a task waits for receive on "results".
    ///
    /// A later name replaces an earlier one, an empty one takes it away. Sends and receives cost the same with it.
    /// Throws: `std::bad_alloc`; the name is as before. Precondition: not nil.
    void name(std::string_view called, place at = place::current()) const {
        SLUICE_EXPECT_AT(core_ != nullptr, "name of a nil channel", at);
        core_->name.give(id(), called);
    }
    /// The name it was given last, or an empty one.
    std::string name() const { return core_ ? object_name::of(id()) : std::string{}; }

    /// From now on `f(T&&)` (for `channel<void>`: `f()`) is called for each value that is destroyed unreceived.
    ///
    /// These are: what is buffered when the last handle goes or a receiver cancels; what `overflow::drop_oldest`
    /// drops; a value handed to a waiter that was destroyed before it could take it; and one that its sender has no
    /// longer and could not send, because `emplace` built it or it was converted from an rvalue. A value that was not
    /// sent and is still its sender's is not among them.
    /// `f` is called without any lock held, by whoever destroys the value, so by several threads at once perhaps. It
    /// may use channels, this one too while it has handles, but should not wait. It must not own a handle of this
    /// channel, which would then never go. It is destroyed with the channel, which what it refers to must outlive.
    /// Exceptions: that of one call keeps the others from nothing. Nobody can be given it, so it ends the run like one
    ///     that nobody awaits; outside of a run it is written to the diagnostics. A `canceled` is ignored.
    /// Throws: what copying or moving `f` throws, and `std::bad_alloc`; then nothing is set.
    /// Precondition: not nil, and set for the first time.
    template <class F>
        requires(std::is_void_v<T> ? std::is_invocable_v<std::decay_t<F>&>
                                   : std::is_invocable_v<std::decay_t<F>&, element_of<T> &&>)
    void on_undelivered(F&& f, place at = place::current()) const {
        SLUICE_EXPECT_AT(core_ != nullptr, "on_undelivered of a nil channel", at);
        const bool is_first = core_->set_undelivered(undelivered_handler_of(std::forward<F>(f)));
        SLUICE_EXPECT_AT(is_first, "on_undelivered is set once", at);
    }

    /// What tells this channel from others.
    const void* id() const noexcept { return core_ ? &core_->facts : nullptr; }
    /// Whether both are handles of one channel.
    friend bool operator==(const channel_handle& a, const channel_handle& b) noexcept { return a.core_ == b.core_; }

    core_of<T>* core() const noexcept { return core_; }

protected:
    core_of<T>* core_ = nullptr;

private:
    template <class F>
    static auto undelivered_handler_of(F&& f) {
        if constexpr (std::is_void_v<T>) {
            auto ignoring_it = [call = std::decay_t<F>(std::forward<F>(f))](no_value&&) mutable {
                static_cast<void>(std::invoke(call));
            };
            return std::make_unique<undelivered_call<no_value, decltype(ignoring_it)>>(std::move(ignoring_it));
        } else {
            return std::make_unique<undelivered_call<T, std::decay_t<F>>>(std::forward<F>(f));
        }
    }
};

template <class Self, class T>
class sending {
    template <class V>
    using operation = send_operation<element_of<T>, lent_value<element_of<T>, V>>;
    template <class V>
    static constexpr bool sendable = std::is_constructible_v<element_of<T>, V&&>;

public:
    /// Sends `value`. Blocks the thread while there is no room. A `T&&` is moved from only if it was sent.
    template <class V = T>
        requires sendable<V>
    sent send(V&& value, place at = place::current()) const {
        return block(make(std::forward<V>(value), at));
    }
    /// As above; the end of `until` ends the wait with `canceled`, and wins over room.
    template <class V = T>
        requires sendable<V>
    sent send(V&& value, const context& until, place at = place::current()) const {
        return named(make(std::forward<V>(value), at), until, no_deadline).block();
    }
    template <class V = T>
        requires sendable<V>
    sent send(V&& value, std::stop_token until, place at = place::current()) const {
        return send(std::forward<V>(value), context::from(std::move(until)), at);
    }
    /// Sends if there is room now: `full` otherwise. Never waits.
    template <class V = T>
        requires sendable<V>
    sent try_send(V&& value) const {
        return attempt(make(std::forward<V>(value), {}), status::full);
    }
    /// Sends; ends with `timed_out` when there was no room for so long.
    template <class V = T, class Rep, class Period>
        requires sendable<V>
    sent send_for(V&& value, std::chrono::duration<Rep, Period> d, place at = place::current()) const {
        return send_until(std::forward<V>(value), deadline_after(d), at);
    }
    template <class V = T>
        requires sendable<V>
    sent send_until(V&& value, time_point deadline, place at = place::current()) const {
        return named(make(std::forward<V>(value), at), {}, deadline).block();
    }
    /// The send for `co_await` and select; gives a `sent`. It refers to `value`, which lives until then.
    template <class V = T>
        requires sendable<V>
    [[nodiscard]] auto async_send(V&& value SLUICE_LIFETIMEBOUND, call_site at = called_here()) const {
        return make(std::forward<V>(value), place_of(at));
    }
    template <class V = T>
        requires sendable<V>
    [[nodiscard]] auto async_send(V&& value SLUICE_LIFETIMEBOUND, place at) const {
        return make(std::forward<V>(value), at);
    }
    template <class V = T>
        requires sendable<V>
    [[nodiscard]] auto async_send(V&& value SLUICE_LIFETIMEBOUND, const context& until,
                                  place at = place::current()) const {
        return named(make(std::forward<V>(value), at), until, no_deadline);
    }
    template <class V = T>
        requires sendable<V>
    [[nodiscard]] auto async_send(V&& value SLUICE_LIFETIMEBOUND, std::stop_token until,
                                  place at = place::current()) const {
        return async_send(std::forward<V>(value), context::from(std::move(until)), at);
    }
    // Without a payload, for channel<void>.
    sent send(place at = place::current()) const
        requires std::is_void_v<T>
    {
        return send(signal(), at);
    }
    sent try_send() const
        requires std::is_void_v<T>
    {
        return try_send(signal());
    }
    template <class Until>
        requires std::is_void_v<T> &&
                 (std::is_convertible_v<Until, context> || std::is_convertible_v<Until, std::stop_token>)
    sent send(Until&& until, place at = place::current()) const {
        return send(signal(), std::forward<Until>(until), at);
    }
    template <class Rep, class Period>
        requires std::is_void_v<T>
    sent send_for(std::chrono::duration<Rep, Period> d, place at = place::current()) const {
        return send_for(signal(), d, at);
    }
    sent send_until(time_point deadline, place at = place::current()) const
        requires std::is_void_v<T>
    {
        return send_until(signal(), deadline, at);
    }
    [[nodiscard]] auto async_send(call_site at = called_here()) const
        requires std::is_void_v<T>
    {
        return make(signal(), place_of(at));
    }
    [[nodiscard]] auto async_send(place at) const
        requires std::is_void_v<T>
    {
        return make(signal(), at);
    }
    template <class Until>
        requires std::is_void_v<T> &&
                 (std::is_convertible_v<Until, context> || std::is_convertible_v<Until, std::stop_token>)
    [[nodiscard]] auto async_send(Until&& until, place at = place::current()) const {
        return async_send(signal(), std::forward<Until>(until), at);
    }

private:
    static const no_value& signal() noexcept {
        static constexpr no_value all{};
        return all;
    }
    template <class V>
    operation<V> make(V&& value, place at) const {
        return operation<V>{static_cast<const Self&>(*this).core(), at, std::forward<V>(value)};
    }
    template <class Op>
    static ended_early<Op> named(Op op, const context& until, time_point deadline) {
        return ended_early<Op>{std::move(op), context_access::node(until), deadline};
    }
};

template <class Self, class T>
class receiving {
    using operation = receive_operation<element_of<T>>;
    using result = received_element<element_of<T>>;

public:
    /// Receives the next value. Blocks the thread until there is one or the channel is closed and drained.
    result receive(place at = place::current()) const { return block(make(at)); }
    /// As above; the end of `until` ends the wait with `canceled`, and wins over a value.
    result receive(const context& until, place at = place::current()) const {
        return named(at, until, no_deadline).block();
    }
    result receive(std::stop_token until, place at = place::current()) const {
        return receive(context::from(std::move(until)), at);
    }
    /// Receives a value that is there now: `empty` or `closed` otherwise. Never waits.
    result try_receive() const { return attempt(make({}), status::empty); }
    /// Receives; ends with `timed_out` when none came for so long.
    template <class Rep, class Period>
    result receive_for(std::chrono::duration<Rep, Period> d, place at = place::current()) const {
        return receive_until(deadline_after(d), at);
    }
    result receive_until(time_point deadline, place at = place::current()) const {
        return named(at, {}, deadline).block();
    }
    /// The receive for `co_await` and select; gives a `received<T>`.
    [[nodiscard]] auto async_receive(call_site at = called_here()) const { return make(place_of(at)); }
    [[nodiscard]] auto async_receive(place at) const { return make(at); }
    [[nodiscard]] auto async_receive(const context& until, place at = place::current()) const {
        return named(at, until, no_deadline);
    }
    [[nodiscard]] auto async_receive(std::stop_token until, place at = place::current()) const {
        return async_receive(context::from(std::move(until)), at);
    }

    /// Receives until closed and drained: `for (auto& v : ch)`. Blocks the thread. A channel closed with an error ends
    /// the loop by throwing it.
    class iterator {
    public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        iterator() noexcept = default;
        explicit iterator(const Self* from) : from_{from} { next(); }
        T& operator*() const noexcept { return *now_; }
        iterator& operator++() {
            next();
            return *this;
        }
        void operator++(int) { next(); }
        friend bool operator==(const iterator& it, std::default_sentinel_t) noexcept { return !it.now_; }

    private:
        void next() {
            now_ = from_->receive();
            if (const auto error = now_.error()) std::rethrow_exception(error);
        }
        const Self* from_ = nullptr;
        mutable result now_;
    };
    iterator begin() const
        requires(!std::is_void_v<T>)
    {
        return iterator{&self()};
    }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    const Self& self() const noexcept { return static_cast<const Self&>(*this); }
    core_of<T>* state() const noexcept { return self().core(); }
    operation make(place at) const { return operation{state(), at}; }
    ended_early<operation> named(place at, const context& until, time_point deadline) const {
        return ended_early<operation>{make(at), context_access::node(until), deadline};
    }
};

}  // namespace sluice::detail
