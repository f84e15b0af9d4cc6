// SPDX-License-Identifier: BSL-1.0
// channel_operations.hpp: what are one send and one receive?
//
// Operations (await.hpp) over a channel's state. A send refers to the caller's value and gives it up only at the moment
// of delivery, under the channel's lock; a receive keeps the value in a slot of its own until result().
#pragma once

#include <optional>

#include "block.hpp"
#include "channel_core.hpp"

namespace sluice::detail {

/// A sender's entry: where its value is, and how it ended.
template <class T>
class send_node : public wait_node {
public:
    using slot = parcel<T>;
    using core = channel_core<T>;

    status why() const noexcept { return why_; }
    void set_sent() noexcept { why_ = status::ok; }
    void set_closed() noexcept { why_ = status::closed; }

    /// Under the channel's lock, once: the value leaves its owner.
    virtual slot take_value() noexcept = 0;
    /// False: it waits for room alone.
    bool brings_value() const noexcept { return why_ != status::empty; }

protected:
    send_node() noexcept = default;
    ~send_node() = default;
    status why_ = status::full;  // while it waits; empty: it has no value to send
};

/// A value that its sender lends: `T&&` is moved from when it is delivered, and only then. What is moved out under the
/// lock is the sender's own object, or a copy or box of it that was made in the sender's call.
template <class T, class Value>
class lent_value {
    using slot = parcel<T>;
    static constexpr bool boxed = !std::is_nothrow_move_constructible_v<T>;
    static constexpr bool same = std::is_same_v<std::remove_cvref_t<Value>, T>;
    static constexpr bool movable =
        std::is_rvalue_reference_v<Value&&> && !std::is_const_v<std::remove_reference_t<Value>>;
    static constexpr bool direct = movable && same && !boxed;
    static constexpr bool trivial = std::is_trivially_copyable_v<T> && same && !boxed;
    // What the sender has no longer if it was not sent: converting it may have emptied its source.
    static constexpr bool consumed = movable && !same && !std::is_trivially_copyable_v<std::remove_cvref_t<Value>>;

public:
    explicit lent_value(Value&& v) : value_{std::addressof(v)} {
        if constexpr (!direct && !trivial) prepared_.emplace(std::in_place, std::forward<Value>(v));
    }
    lent_value(lent_value&& other) noexcept : value_{other.value_}, prepared_{std::move(other.prepared_)} {
        if constexpr (!direct && !trivial) other.prepared_.reset();
    }

    slot take() noexcept {
        if constexpr (direct) {
            return slot{std::move(*value_)};
        } else if constexpr (trivial) {
            return slot{static_cast<const T&>(*value_)};
        } else {
            slot out{std::move(*prepared_)};
            prepared_.reset();
            return out;
        }
    }

    /// It will not be sent: a boxed value returns to its sender. One that cannot is told of, if the sender has it no
    /// longer; a copy just goes.
    void give_back(channel_core<T>* channel) noexcept {
        if constexpr (!direct && !trivial) {
            if (!prepared_) return;
            if constexpr (movable && same) {
                if (try_return()) return prepared_.reset();
            }
            if constexpr (movable && (same || consumed)) {
                if (channel) channel->tell_undelivered(prepared_->open());
            }
            prepared_.reset();
        }
    }

private:
    // False: there is no way back, or it threw.
    bool try_return() noexcept {
        if constexpr (std::is_move_assignable_v<T>) {
            try {
                *value_ = prepared_->open();
                return true;
            } catch (...) {}
        }
        return false;
    }

    struct unused {};
    std::remove_reference_t<Value>* value_;
    [[no_unique_address]] std::conditional_t<direct || trivial, unused, std::optional<slot>> prepared_{};
};

/// A value that the operation has built and nobody else has.
template <class T>
class built_value {
    using slot = parcel<T>;

public:
    template <class... Args>
    explicit built_value(std::in_place_t, Args&&... args)
        : value_{std::in_place, std::in_place, std::forward<Args>(args)...} {}
    built_value(built_value&& other) noexcept : value_{std::move(other.value_)} { other.value_.reset(); }

    slot take() noexcept {
        slot out{std::move(*value_)};
        value_.reset();
        return out;
    }
    void give_back(channel_core<T>* channel) noexcept {
        if (!value_) return;
        if (channel) channel->tell_undelivered(value_->open());
        value_.reset();
    }

private:
    std::optional<slot> value_;
};

/// Sends what `Source` has: `take()` gives it away under the lock, `give_back(channel)` says that it will not be sent.
template <class T, class Source>
class send_operation final : public send_node<T>, public awaitable_tag {
    using typename send_node<T>::slot;
    using core = channel_core<T>;

public:
    template <class... Args>
    send_operation(core* c, place at, Args&&... of_source)
        : where{at}, core_{c}, source_(std::forward<Args>(of_source)...) {}
    // Moved only before it waits.
    send_operation(send_operation&& other) noexcept
        : where{other.where}, core_{other.core_}, source_{std::move(other.source_)} {}
    SLUICE_ALWAYS_INLINE ~send_operation() {
        source_.give_back(core_);
        if (dropped_) [[unlikely]]
            tell_dropped();
    }

    biased_lock* guard() noexcept { return core_ ? &core_->mutex : nullptr; }
    bool changes_without_us() const noexcept { return core_ && core_->capacity() != 0; }
    bool may_be_ready() const noexcept { return core_->may_be_sent_to(); }
    bool looks_ready() const noexcept {
        return core_ && core_->count.load(std::memory_order_relaxed) < core_->capacity();
    }
    SLUICE_ALWAYS_INLINE bool try_at_once(thread_id me) noexcept {
        if (!core_ || !core_->send_at_once(source_, me)) return false;
        this->why_ = status::ok;
        return true;
    }
    SLUICE_ALWAYS_INLINE bool try_commit(wake_chain& woken) noexcept {
        switch (core_->try_send(*this, woken, dropped_)) {
            case core::send_state::sent: this->why_ = status::ok; return true;
            case core::send_state::closed: this->why_ = status::closed; return true;
            case core::send_state::full: this->why_ = status::full; return true;
            case core::send_state::grow: this->why_ = status::empty; return true;  // result() grows and repeats
            case core::send_state::must_wait: return false;
        }
        return false;
    }
    void enlist(waiter& w, ticket t) noexcept { this->wait_in(core_->senders, w, t); }
    SLUICE_ALWAYS_INLINE sent result() {
        if (this->why_ != status::ok || dropped_) [[unlikely]]
            return unusual_result();
        return status::ok;
    }
    SLUICE_NOINLINE sent unusual_result() {
        while (this->why_ == status::empty) {
            core_->grow();
            wake_chain woken;
            core_->mutex.acquire();
            static_cast<void>(try_commit(woken));
            core_->mutex.release();
            woken.wake_all();
        }
        if (dropped_) tell_dropped();
        if (this->why_ != status::ok) source_.give_back(core_);
        return this->why_;
    }
    sent ended_by(status why) {
        source_.give_back(core_);
        return why;
    }
    wait_kind kind() const noexcept { return wait_kind::send; }
    const void* object() const noexcept { return core_ ? &core_->facts : nullptr; }

    auto for_task(task_state& self) noexcept {
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                      "a coroutine's frame may not honour this alignment: send a pointer, or use the blocking form");
        return task_awaiter<send_operation>{*this, self};
    }

    slot take_value() noexcept override { return source_.take(); }

    place where;

private:
    // What drop_oldest dropped for us goes here, without the lock.
    SLUICE_NOINLINE void tell_dropped() noexcept {
        slot last{std::move(*dropped_)};
        dropped_.reset();
        core_->tell_undelivered(last.open());
    }

    core* core_;
    Source source_;
    std::optional<slot> dropped_;
};

template <class T>
class receive_operation final : public wait_node, public awaitable_tag {
    using slot = parcel<T>;
    using core = channel_core<T>;

public:
    using result_type = received_element<T>;

    receive_operation(core* c, place at) noexcept : where{at}, core_{c} {}
    // Moved only before it waits.
    receive_operation(receive_operation&& other) noexcept : where{other.where}, core_{other.core_} {}
    // A value that was handed over, and then nobody asked for it.
    SLUICE_ALWAYS_INLINE ~receive_operation() {
        if (value_) [[unlikely]]
            tell_undelivered();
    }

    biased_lock* guard() noexcept { return core_ ? &core_->mutex : nullptr; }
    bool changes_without_us() const noexcept { return core_ && core_->capacity() != 0; }
    bool may_be_ready() const noexcept { return core_->may_be_received_from(); }
    bool looks_ready() const noexcept { return core_ && core_->count.load(std::memory_order_relaxed) != 0; }
    SLUICE_ALWAYS_INLINE bool try_at_once(thread_id me) noexcept { return core_ && core_->receive_at_once(value_, me); }
    SLUICE_ALWAYS_INLINE bool try_commit(wake_chain& woken) noexcept { return core_->try_receive(*this, woken); }
    void enlist(waiter& w, ticket t) noexcept { wait_in(core_->receivers, w, t); }
    SLUICE_ALWAYS_INLINE result_type result() {
        if (!value_) [[unlikely]]
            return result_type{status::closed, core_->error};
        if constexpr (std::is_same_v<T, no_value>) {
            value_.reset();
            return result_type{status::ok};
        } else if constexpr (std::is_nothrow_move_constructible_v<T>) {
            const emptied afterwards{value_};
            return result_type{std::in_place, value_->open()};
        } else {
            return open_box();
        }
    }
    result_type ended_by(status why) noexcept { return result_type{why}; }
    wait_kind kind() const noexcept { return wait_kind::receive; }
    const void* object() const noexcept { return core_ ? &core_->facts : nullptr; }

    auto for_task(task_state& self) noexcept {
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                      "a coroutine's frame may not honour this alignment: send a pointer, or use the blocking form");
        return task_awaiter<receive_operation>{*this, self};
    }

    void put(slot&& v) noexcept { value_.emplace(std::move(v)); }
    void put_closed() noexcept {}
    bool has_value() const noexcept { return value_.has_value(); }

    place where;

private:
    SLUICE_NOINLINE void tell_undelivered() noexcept {
        slot last{std::move(*value_)};
        core_->tell_undelivered(last.open());
    }

    struct emptied {
        std::optional<slot>& what;
        ~emptied() { what.reset(); }
    };
    // The move into the receiver's hands may throw: then nobody has received it.
    result_type open_box() {
        slot box{std::move(*value_)};
        value_.reset();
        try {
            return result_type{std::in_place, box.open()};
        } catch (...) {
            core_->tell_undelivered(box.open());
            throw;
        }
    }

    core* core_;
    std::optional<slot> value_;
};

}  // namespace sluice::detail
