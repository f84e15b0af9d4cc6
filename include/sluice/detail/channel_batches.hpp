// SPDX-License-Identifier: BSL-1.0
// channel_batches.hpp: how do many values pass for one lock?
//
// A batch is a series of sends, or of receives, that share a lock as far as they can. It has no place of its own in the
// order of things:
// B1  Each element is sent or received as by an operation of its own (K1, K2): waiting receivers are served in their
//     order, all woken after the lock, and nobody is overtaken.
// B2  A batch that must wait stands in the list with one element, like anybody else. When that has been served, it
//     takes what else there is, and then waits at the end of the list again. (A receive of some waits once.)
// B3  Only noexcept moves happen under the lock; memory is reserved, and elements are made ready, before it.
#pragma once

#include <vector>

#include "channel_operations.hpp"
#include "element_source.hpp"
#include "stepwise.hpp"

namespace sluice::detail {

/// Sends the elements of a range: a stepwise operation.
template <class T, class Source>
class send_all_operation final : public send_node<T> {
    using typename send_node<T>::slot;
    using core = channel_core<T>;

public:
    static constexpr bool fits_a_frame = alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;

    send_all_operation(core* c, Source from, place at) : where{at}, core_{c}, source_{std::move(from)} {
        this->why_ = status::ok;
    }
    // Moved only before it is used.
    send_all_operation(send_all_operation&& other)
        : where{other.where}, core_{other.core_}, source_{std::move(other.source_)} {
        this->why_ = status::ok;
    }
    ~send_all_operation() { settle(); }

    biased_lock* guard() noexcept { return core_ ? &core_->mutex : nullptr; }
    bool try_commit(wake_chain& woken) noexcept {
        const std::size_t before = count_;
        must_wait_ = false;
        count_ += core_->push_some(source_.ready(), source_);
        while (source_.ready() != 0) {
            switch (core_->try_send(*this, woken, dropped_)) {
                case core::send_state::sent:
                    if (dropped_) return true;  // to be destroyed without the lock, before the next one
                    break;
                case core::send_state::closed: this->why_ = status::closed; return true;
                case core::send_state::full: this->why_ = status::full; return true;
                case core::send_state::grow: this->why_ = status::empty; return true;  // go_on() grows
                case core::send_state::must_wait: must_wait_ = true; return count_ != before;
            }
        }
        return true;
    }
    void enlist(waiter& w, ticket t) noexcept { this->wait_in(core_->senders, w, t); }
    slot take_value() noexcept override {
        ++count_;
        return source_.take();
    }

    bool go_on() {
        tell_dropped();
        if (this->why_ == status::empty) {
            core_->grow();
            this->why_ = status::ok;
        }
        if (this->why_ != status::ok) return false;
        if (source_.ready() == 0) source_.fill(room());
        return source_.ready() != 0;
    }
    bool must_wait() const noexcept { return must_wait_; }
    /// How many were sent.
    std::size_t result() noexcept {
        settle();
        return count_;
    }
    wait_kind kind() const noexcept { return wait_kind::send; }
    const void* object() const noexcept { return core_ ? &core_->facts : nullptr; }

    place where;

private:
    void settle() noexcept {
        tell_dropped();
        source_.give_back(core_);
    }
    void tell_dropped() noexcept {
        if (!dropped_) return;
        core_->tell_undelivered(dropped_->open());
        dropped_.reset();
    }
    // For how many there seems to be room, at least one. An empty channel may have any number of waiting receivers.
    std::size_t room() const noexcept {
        const std::size_t held = core_ ? core_->count.load(std::memory_order_relaxed) : 0;
        if (held == 0) return core::unlimited;
        return held < core_->capacity() ? core_->capacity() - held : 1;
    }

    core* core_;
    Source source_;
    std::optional<slot> dropped_;
    std::size_t count_ = 0;
    bool must_wait_ = false;
};

/// Receives several values: waits for the first, takes what else is there.
template <class T>
class receive_some_operation final : public awaitable_tag {
    using core = channel_core<T>;
    // A move that may throw is not done under the lock: such values are received one by one.
    static constexpr bool one_by_one = !std::is_nothrow_move_constructible_v<T>;

public:
    receive_some_operation(core* c, std::size_t most, place at) : where{at}, first_{c, at}, core_{c}, most_{most} {
        if (core_ && most_ != 0) reserve();
    }
    // Moved only before it waits.
    receive_some_operation(receive_some_operation&& other) noexcept
        : where{other.where},
          first_{std::move(other.first_)},
          core_{other.core_},
          most_{other.most_},
          room_{other.room_},
          taken_{std::move(other.taken_)} {}
    // What nobody asked for, or could not be handed out since something threw.
    ~receive_some_operation() {
        for (auto&& v : taken_) core_->tell_undelivered(static_cast<T&&>(v));
    }

    biased_lock* guard() noexcept { return first_.guard(); }
    bool looks_ready() const noexcept { return first_.looks_ready(); }
    bool try_commit(wake_chain& woken) noexcept {
        if constexpr (!one_by_one) {
            if (take_batch(woken) != 0) return true;
        }
        return first_.try_commit(woken);
    }
    void enlist(waiter& w, ticket t) noexcept { first_.enlist(w, t); }
    void delist(wake_chain& woken) noexcept { first_.delist(woken); }
    std::vector<T> result() {
        const bool waited = first_.has_value();
        if (waited) {
            auto first = first_.result();
            taken_.push_back(std::move(*first));
        }
        if (waited ? looks_ready() || core_->capacity() == 0 : room_ == 0) top_up();
        return std::move(taken_);
    }
    std::vector<T> ended_by(status) noexcept { return {}; }
    wait_kind kind() const noexcept { return wait_kind::receive; }
    const void* object() const noexcept { return core_ ? &core_->facts : nullptr; }
    auto for_task(task_state& self) noexcept {
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__,
                      "a coroutine's frame may not honour this alignment: send a pointer, or use the blocking form");
        return task_awaiter<receive_some_operation>{*this, self};
    }

    place where;
    waiter* who = nullptr;  // awaits it

private:
    // Room for one more than there seem to be: when they have been taken, and it is still there, that was all.
    void reserve() {
        const std::size_t there = core_->count.load(std::memory_order_relaxed);
        room_ = std::min(most_ - taken_.size(), there + 1);
        taken_.reserve(taken_.size() + room_);
    }
    // Under the lock.
    std::size_t take_batch(wake_chain& woken) noexcept {
        const std::size_t got = core_->take_some(room_, [this](parcel<T>&& v) { taken_.push_back(v.open()); }, woken);
        room_ -= got;
        return got;
    }
    // Takes what else is there, without waiting.
    void top_up() {
        if constexpr (one_by_one) {
            while (taken_.size() < most_) {
                receive_operation<T> next{core_, where};
                if (!try_once(next) || !next.has_value()) return;
                auto value = next.result();
                taken_.push_back(std::move(*value));
            }
        } else {
            while (taken_.size() < most_) {
                reserve();
                wake_chain woken;
                core_->mutex.acquire();
                take_batch(woken);
                core_->mutex.release();
                woken.wake_all();
                if (room_ != 0) return;
            }
        }
    }

    receive_operation<T> first_;
    core* core_;
    std::size_t most_;
    std::size_t room_ = 0;  // reserved for what the next lock gives
    std::vector<T> taken_;
};

}  // namespace sluice::detail
