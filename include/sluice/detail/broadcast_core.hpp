// SPDX-License-Identifier: BSL-1.0
// broadcast_core.hpp: how does a value get to all subscribers at one moment, when some of them make its publisher wait?
//
// Each subscriber has a channel of its own, and only the core sends into it.
// X1  A value goes to all subscribers under `mutex_`, or to none: at that moment none of those is full that want all
//     values, and all copies have been made. So publishing is all or nothing, and the order is the same for all.
// X2  Who has to wait has the turn, and waits for room at one full subscriber after the other. Room that was found
//     stays: while `line_waits_` nobody else sends. So it is enough to wait for one at a time. It is set by a holder of the
//     turn who finds somebody full, and taken back when nobody stands in line. One who leaves the line does not take it
//     back: who finds it set and the turn free knows better.
// X3  A subscriber is in the lists while its channel is open. When that closes, by whomever, it leaves; the close wakes
//     who waits for room there.
// X4  `closed_` is set under the mutex, and the lists are emptied: a value has got to all, or the close came first.
// Lock order: `mutex_`, then the lock of one channel. Under `mutex_` no value is copied or destroyed and nobody is woken.
// Lifetime: a channel holds the core and the core the channel, until that closes (X3); the core's owner closes all.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "../channel.hpp"
#include "acquire.hpp"

namespace sluice {

/// What a subscriber gets that is told how much it missed.
template <class T>
struct with_missed {
    T value;
    /// How many values were dropped between the one received before and this one.
    std::size_t missed = 0;
};

namespace detail {

template <class T>
inline constexpr bool counts_missed<with_missed<T>> = true;

/// Waits until a channel has room, or is closed: stands with the senders and brings nothing.
/// Precondition: the channel has a capacity, and nobody else sends into it.
template <class T>
class room_operation final : public send_node<T>, public awaitable_tag {
    using core = channel_core<T>;

public:
    room_operation(core* c, place at) noexcept : where{at}, core_{c} { this->why_ = status::empty; }
    // Moved only before it waits.
    room_operation(room_operation&& other) noexcept : room_operation{other.core_, other.where} {}

    biased_lock* guard() noexcept { return &core_->mutex; }
    bool looks_ready() const noexcept { return true; }
    bool try_commit(wake_chain&) noexcept { return core_->may_be_sent_to(); }
    void enlist(waiter& w, ticket t) noexcept { this->wait_in(core_->senders, w, t); }
    status result() const noexcept { return status::ok; }
    status ended_by(status why) const noexcept { return why; }
    wait_kind kind() const noexcept { return wait_kind::send; }
    const void* object() const noexcept { return &core_->facts; }
    auto for_task(task_state& self) noexcept { return task_awaiter<room_operation>{*this, self}; }

    parcel<T> take_value() noexcept override { std::terminate(); }

    place where;

private:
    core* core_;
};

template <class T>
class broadcast_core;
template <class T>
class publishing_turn;

/// A subscriber's channel, of a `U`.
template <class U, class T>
class subscription final : public channel_core<U> {
public:
    subscription(std::size_t capacity, overflow policy, place at, std::shared_ptr<broadcast_core<T>> of)
        : channel_core<U>{capacity, policy, at, true}, of_{std::move(of)} {}

private:
    // X3
    void has_closed() noexcept override {
        const auto of = std::move(of_);
        of->forget_closed();
    }

    std::shared_ptr<broadcast_core<T>> of_;
};

/// What one subscriber gets, made before the locks, and what it loses for that, destroyed after them.
template <class U>
class share {
public:
    /// A copy; without one it will be the original.
    share() noexcept = default;
    template <class T>
    explicit share(const T& of) : value_{std::in_place, std::in_place, of} {}
    share(share&&) noexcept = default;
    share& operator=(share&&) = delete;
    ~share() {
        if (auto* const channel = dropped_from_.core()) channel->tell_undelivered(dropped_->open());
    }

    template <class T>
    void send(const sender<U>& to, T* original, wake_chain& woken) noexcept {
        auto& channel = *to.core();
        const hold guard{channel.mutex};
        if (channel.closed.load(std::memory_order_relaxed)) return;
        if constexpr (std::is_nothrow_move_constructible_v<T>)
            if (!value_) value_.emplace(std::in_place, std::move(*original));
        static_cast<void>(channel.try_send(*this, woken, dropped_));
        if (dropped_) dropped_from_ = to;
    }
    parcel<U> take_value() noexcept { return std::move(*value_); }

private:
    std::optional<parcel<U>> value_;
    std::optional<parcel<U>> dropped_;
    sender<U> dropped_from_;
};

/// The shares of all.
template <class T>
class shares {
public:
    /// One of them gets the original, if it is given away and cannot throw then.
    shares(const T& value, T* original) noexcept
        : value_{value}, original_{std::is_nothrow_move_constructible_v<T> ? original : nullptr} {}

    bool suffice(std::size_t subscribers, std::size_t told) const noexcept {
        return subscribers_.size() >= subscribers && told_.size() >= told;
    }
    void make(std::size_t subscribers, std::size_t told) {
        fill(subscribers_, subscribers);
        fill(told_, told);
    }
    void send(std::size_t i, const sender<T>& to, wake_chain& woken) noexcept {
        subscribers_[i].send(to, original_, woken);
    }
    void send(std::size_t i, const sender<with_missed<T>>& to, wake_chain& woken) noexcept {
        told_[i].send(to, original_, woken);
    }

private:
    template <class U>
    void fill(std::vector<share<U>>& into, std::size_t count) {
        into.reserve(count);
        if (count > into.size() && original_ && !is_given_) {
            into.emplace_back();
            is_given_ = true;
        }
        while (into.size() < count) into.emplace_back(value_);
    }

    const T& value_;
    T* const original_;
    bool is_given_ = false;
    std::vector<share<T>> subscribers_;
    std::vector<share<with_missed<T>>> told_;
};

template <class T>
class broadcast_core {
public:
    using told = with_missed<T>;

    /// How a publication went; `full`: perhaps with a subscriber that has no room.
    struct outcome {
        status why = status::ok;
        sender<T> full = {};
    };

    static receiver<T> subscribe(const std::shared_ptr<broadcast_core>& to, std::size_t capacity, overflow policy,
                                 place at) {
        std::list<subscriber> fresh(1);
        auto ends = counted_ends::of_output<T>(new subscription<T, T>{capacity, policy, at, to});
        fresh.front() = {ends.first, policy == overflow::wait};
        to->add(to->subscribers_, std::move(fresh), ends.first);
        return std::move(ends.second);
    }
    static receiver<told> subscribe_told(const std::shared_ptr<broadcast_core>& to, std::size_t capacity, place at) {
        std::list<sender<told>> fresh(1);
        auto ends = counted_ends::of_output<told>(new subscription<told, T>{capacity, overflow::drop_oldest, at, to});
        fresh.front() = ends.first;
        to->add(to->told_, std::move(fresh), ends.first);
        return std::move(ends.second);
    }

    /// Does it at once or not at all. `original`: what may be moved from, or null. Who has not the turn is told `full`, too,
    /// while its holder waits.
    outcome publish(const T& value, T* original, bool has_turn) {
        shares<T> made{value, original};
        for (;;) {
            std::size_t subscribers = 0;
            std::size_t of_told = 0;
            wake_chain woken;
            {
                const hold guard{mutex_};
                if (closed_) return {status::closed};
                if (line_waits_ && !has_turn) return {status::full};
                for (const auto& s : subscribers_) {
                    if (!s.is_full()) continue;
                    line_waits_ = has_turn;
                    return {status::full, s.to};
                }
                subscribers = subscribers_.size();
                of_told = told_.size();
                if (made.suffice(subscribers, of_told)) give(made, woken);
            }
            if (made.suffice(subscribers, of_told)) {
                woken.wake_all();
                return {};
            }
            made.make(subscribers, of_told);
        }
    }

    /// Without waiting.
    status try_publish(const T& value, T* original, place at) {
        const auto now = publish(value, original, false);
        if (now.why != status::full || now.full) return now.why;
        // Others wait, or they have gone.
        if (!attempt(acquire_operation{turn, 1, at}, status::full)) return status::full;
        const publishing_turn<T> mine{*this, at};
        return publish(value, original, true).why;
    }
    /// By the holder of the turn, at its end.
    void end_turn(place at) {
        const bool is_last = turn.waiting() == 0;
        {
            const hold guard{mutex_};
            if (is_last) line_waits_ = false;
        }
        turn.release(1, at);
    }

    bool close(const std::exception_ptr& error) noexcept {
        std::list<subscriber> subscribers;
        std::list<sender<told>> of_told;
        {
            const hold guard{mutex_};
            if (closed_) return false;
            closed_ = true;
            error_ = error;
            subscribers.swap(subscribers_);
            of_told.swap(told_);
        }
        for (const auto& s : subscribers) s.to.close(error);
        for (const auto& s : of_told) s.close(error);
        return true;
    }

    /// X3
    void forget_closed() noexcept {
        std::list<subscriber> subscribers;
        std::list<sender<told>> of_told;
        const hold guard{mutex_};  // let go before what was taken out is
        take_closed(subscribers, subscribers_, [](const subscriber& s) { return s.to.is_closed(); });
        take_closed(of_told, told_, [](const sender<told>& s) { return s.is_closed(); });
    }

    bool is_closed() const noexcept {
        const hold guard{mutex_};
        return closed_;
    }
    std::size_t size() const noexcept {
        const hold guard{mutex_};
        return subscribers_.size() + told_.size();
    }

    /// Of publishers, in the order of their arrival (X2).
    permit_core turn{1};

private:
    struct subscriber {
        sender<T> to;
        bool waits = false;
        bool is_full() const noexcept { return waits && to.size() == to.capacity() && !to.is_closed(); }
    };

    template <class List, class Sender>
    void add(List& all, List fresh, const Sender& to) noexcept {
        std::exception_ptr error;
        {
            const hold guard{mutex_};
            if (!closed_) return all.splice(all.end(), fresh);
            error = error_;
        }
        to.close(error);
    }
    template <class List, class IsClosed>
    static void take_closed(List& into, List& from, IsClosed is_closed) noexcept {
        for (auto s = from.begin(); s != from.end();) {
            const auto one = s++;
            if (is_closed(*one)) into.splice(into.end(), from, one);
        }
    }
    // X1, under the mutex.
    void give(shares<T>& made, wake_chain& woken) noexcept {
        std::size_t i = 0;
        for (const auto& s : subscribers_) made.send(i++, s.to, woken);
        i = 0;
        for (const auto& s : told_) made.send(i++, s, woken);
    }

    mutable lock mutex_;
    std::list<subscriber> subscribers_;
    std::list<sender<told>> told_;
    bool closed_ = false;
    bool line_waits_ = false;
    std::exception_ptr error_;  // written before closed_
};

/// Of a publisher.
template <class T>
class publishing_turn {
public:
    publishing_turn(broadcast_core<T>& in, place at) noexcept : in_{in}, at_{at} {}
    publishing_turn(const publishing_turn&) = delete;
    publishing_turn& operator=(const publishing_turn&) = delete;
    ~publishing_turn() { in_.end_turn(at_); }

private:
    broadcast_core<T>& in_;
    place at_;
};

}  // namespace detail

}  // namespace sluice
