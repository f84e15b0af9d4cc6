// SPDX-License-Identifier: BSL-1.0
// channel.hpp: how do values get from one thread or task to another?
#pragma once

#include <functional>
#include <utility>

#include "context.hpp"
#include "detail/channel_emplace.hpp"
#include "detail/channel_ends.hpp"
#include "detail/channel_for_each.hpp"
#include "detail/channel_many.hpp"

namespace sluice {

template <class T>
class sender;
template <class T>
class receiver;
namespace detail {
struct counted_ends;
}

/// A channel of values of type `T`, as in Go: a copyable handle to shared state.
///
/// Capacity 0 is a rendezvous: a send ends when a receiver has the value. A channel with a capacity holds that many
/// values; a send into a full one waits. Threads (`send`, `receive`) and coroutines (`co_await async_send`,
/// `co_await async_receive`) wait on it as equals, in arrival order, and nobody barges past a waiter.
/// A default-constructed channel is nil: never ready, which disables its case in a select; waiting on it lasts until
/// the surrounding context ends.
///
/// Closing: after `close()` no value is accepted, those in the buffer are still received, then receives end with
///     `status::closed`. A send into a closed channel ends with `closed` and the value stays the caller's.
/// Besides single sends and receives: `emplace` builds the value in the call, `send_all` and `receive_some` move many for
///     one lock, `for_each` calls a function with every value, `name` is for reports, and `on_undelivered` is told of
///     values that are destroyed unreceived. They are described where they are declared: detail/channel_emplace.hpp,
///     channel_many.hpp, channel_for_each.hpp and channel_ends.hpp.
/// Cancellation: a context or token that the call names ends it with `status::canceled`; the end of the surrounding
///     context throws `canceled`. An operation took effect or had none: a value that was not sent is unmoved.
/// Memory: what was done before a send is visible after its receive; the k-th receive from a channel of capacity C is
///     visible to the (k + C)-th sender; a close is visible to who sees it.
/// Thread safety: all operations from any thread; a handle object itself is a pointer, copied and assigned by one.
/// Exceptions: moves of elements that may throw happen in the sender's call; if one throws, nothing was sent. The
///     destructor of an element must not throw.
/// Complexity: O(1) for each operation. Channels inside channels are destroyed on little stack, however deep they nest.
///
///     sluice::channel<int> ch{16};
///     std::jthread producer{[ch] { for (int i = 0; i < 100; ++i) if (!ch.send(i)) break; ch.close(); }};
///     for (int v : ch) std::printf("%d\n", v);
template <class T>
class channel : public detail::channel_handle<T>,
                public detail::sending<channel<T>, T>,
                public detail::emplacing<channel<T>, T>,
                public detail::sending_many<channel<T>, T>,
                public detail::receiving<channel<T>, T>,
                public detail::receiving_many<channel<T>, T>,
                public detail::visiting<channel<T>, T> {
    using detail::channel_handle<T>::core_;

public:
    using value_type = T;

    /// Nil: never ready.
    channel() noexcept = default;
    /// A channel for `capacity` values; 0 is a rendezvous. With `overflow::drop_oldest` or `drop_newest` a send into
    /// a full channel never waits: it drops the oldest value and counts it, or ends with `status::full`.
    /// Precondition: `capacity` is no negative number.
    explicit channel(std::size_t capacity, overflow policy = overflow::wait,
                     detail::place at = detail::place::current())
        : detail::channel_handle<T>{new detail::core_of<T>{detail::checked_capacity(capacity, at), policy, at}} {}
    /// A channel whose buffer grows: a send never waits. Memory is the only bound, so prefer a capacity.
    explicit channel(unbounded_t, detail::place at = detail::place::current())
        : detail::channel_handle<T>{new detail::core_of<T>{detail::core_of<T>::unlimited, overflow::wait, at}} {}

    /// Ends the sending: waiting and later sends end with `closed`, receivers get what is buffered and then `closed`.
    /// Returns whether this call closed it. Precondition: not nil.
    bool close(detail::place at = detail::place::current()) const { return close(nullptr, at); }
    /// As above; receivers get `error` with the `closed`, and a range-for ends by throwing it.
    bool close(std::exception_ptr error, detail::place at = detail::place::current()) const {
        SLUICE_EXPECT_AT(core_ != nullptr, "close of a nil channel", at);
        return core_->close(std::move(error), false);
    }
};

/// The sending half of a channel. The halves from `make_channel` are counted: when the last sender goes, the channel
/// closes. A sender made from a `channel` is not counted. Default-constructed: nil.
template <class T>
class sender : public detail::channel_handle<T>,
               public detail::sending<sender<T>, T>,
               public detail::emplacing<sender<T>, T>,
               public detail::sending_many<sender<T>, T> {
    using detail::channel_handle<T>::core_;

public:
    using value_type = T;

    sender() noexcept = default;
    sender(const channel<T>& ch) noexcept : detail::channel_handle<T>{ch} {}
    sender(const sender& other) noexcept : detail::channel_handle<T>{other}, counted_{other.counted_} {
        if (counted_ && core_) core_->counted_senders.fetch_add(1, std::memory_order_relaxed);
    }
    sender(sender&& other) noexcept
        : detail::channel_handle<T>{std::move(other)}, counted_{std::exchange(other.counted_, false)} {}
    sender& operator=(sender other) noexcept {
        this->swap(other);
        std::swap(counted_, other.counted_);
        return *this;
    }
    ~sender() {
        // acq_rel: the last one closes after what the others sent.
        if (counted_ && core_->counted_senders.fetch_sub(1, std::memory_order_acq_rel) == 1)
            core_->close(nullptr, false);
    }

    /// As `channel::close`.
    bool close(detail::place at = detail::place::current()) const { return close(nullptr, at); }
    bool close(std::exception_ptr error, detail::place at = detail::place::current()) const {
        SLUICE_EXPECT_AT(core_ != nullptr, "close of a nil channel", at);
        return core_->close(std::move(error), false);
    }

private:
    friend detail::counted_ends;
    bool counted_ = false;
};

/// The receiving half of a channel. The halves from `make_channel` are counted: when the last receiver goes, every
/// send ends with `closed` and the buffered values are destroyed (`on_undelivered` is told of them). A receiver cannot
/// close; it can `cancel`.
template <class T>
class receiver : public detail::channel_handle<T>,
                 public detail::receiving<receiver<T>, T>,
                 public detail::receiving_many<receiver<T>, T>,
                 public detail::visiting<receiver<T>, T> {
    using detail::channel_handle<T>::core_;

public:
    using value_type = T;

    receiver() noexcept = default;
    receiver(const channel<T>& ch) noexcept : detail::channel_handle<T>{ch} {}
    receiver(const receiver& other) noexcept : detail::channel_handle<T>{other}, counted_{other.counted_} {
        if (counted_ && core_) core_->counted_receivers.fetch_add(1, std::memory_order_relaxed);
    }
    receiver(receiver&& other) noexcept
        : detail::channel_handle<T>{std::move(other)}, counted_{std::exchange(other.counted_, false)} {}
    receiver& operator=(receiver other) noexcept {
        this->swap(other);
        std::swap(counted_, other.counted_);
        return *this;
    }
    ~receiver() {
        if (counted_ && core_->counted_receivers.fetch_sub(1, std::memory_order_acq_rel) == 1)
            core_->close(nullptr, true);
    }

    /// Wants no more values: waiting and later sends end with `closed`, and their values stay their senders'; waiting
    /// and later receives end with `closed`; what is buffered is destroyed before this returns, and `on_undelivered` is
    /// told of it. A channel that was closed before is emptied likewise. Precondition: not nil.
    void cancel(detail::place at = detail::place::current()) const {
        SLUICE_EXPECT_AT(core_ != nullptr, "cancel of a nil channel", at);
        core_->close(nullptr, true);
    }

private:
    friend detail::counted_ends;
    bool counted_ = false;
};

namespace detail {

struct counted_ends {
    template <class T>
    static std::pair<sender<T>, receiver<T>> of(const channel<T>& fresh) noexcept {
        // Before the copies ask whether there is a core: g++ 12 would warn of a store into none otherwise, at -O2.
        auto& core = *fresh.core();
        core.counted_senders.store(1, std::memory_order_relaxed);
        core.counted_receivers.store(1, std::memory_order_relaxed);
        std::pair<sender<T>, receiver<T>> ends{fresh, fresh};
        ends.first.counted_ = ends.second.counted_ = true;
        return ends;
    }
    /// Not counted; adopts a reference.
    template <class T>
    static receiver<T> receiver_of(core_of<T>* core) noexcept {
        receiver<T> end;
        end.core_ = core;
        return end;
    }
    /// The receiver is counted, the sender is not: it closes by itself. Adopts the reference of a fresh one.
    template <class T>
    static std::pair<sender<T>, receiver<T>> of_output(core_of<T>* fresh) noexcept {
        std::pair<sender<T>, receiver<T>> ends;
        ends.second.core_ = fresh;
        fresh->counted_receivers.store(1, std::memory_order_relaxed);
        ends.second.counted_ = true;
        fresh->retain();
        ends.first.core_ = fresh;
        return ends;
    }
};

}  // namespace detail

/// A channel as its two halves, which close it from either side when the last of a kind goes: a forgotten `close()`
/// or an abandoned sender cannot happen. Capacity, policy and `unbounded` are as in `channel`.
template <class T>
[[nodiscard]] std::pair<sender<T>, receiver<T>> make_channel(std::size_t capacity,
                                                             detail::place at = detail::place::current()) {
    return detail::counted_ends::of(channel<T>{capacity, overflow::wait, at});
}
template <class T>
[[nodiscard]] std::pair<sender<T>, receiver<T>> make_channel(std::size_t capacity, overflow policy,
                                                             detail::place at = detail::place::current()) {
    return detail::counted_ends::of(channel<T>{capacity, policy, at});
}
template <class T>
[[nodiscard]] std::pair<sender<T>, receiver<T>> make_channel(unbounded_t, detail::place at = detail::place::current()) {
    return detail::counted_ends::of(channel<T>{unbounded, at});
}

}  // namespace sluice

template <class T>
struct std::hash<sluice::channel<T>> {
    std::size_t operator()(const sluice::channel<T>& ch) const noexcept { return std::hash<const void*>{}(ch.id()); }
};
template <class T>
struct std::hash<sluice::sender<T>> {
    std::size_t operator()(const sluice::sender<T>& s) const noexcept { return std::hash<const void*>{}(s.id()); }
};
template <class T>
struct std::hash<sluice::receiver<T>> {
    std::size_t operator()(const sluice::receiver<T>& r) const noexcept { return std::hash<const void*>{}(r.id()); }
};
