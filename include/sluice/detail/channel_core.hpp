// SPDX-License-Identifier: BSL-1.0
// channel_core.hpp: what is a channel made of, and what do a send and a receive do under its lock?
//
// One lock, a ring and two lists. Invariants, true whenever the lock is free:
// K1  receivers wait only while the ring is empty, senders only while it is full (always, for capacity 0).
// K2  values leave in the order in which their sends took effect; waiters are served in arrival order.
// K3  a closed channel has no live waiter, and takes no value any more.
// K4  a value is in one place: with its sender, in the ring, or in a receiver's slot. It changes place under the lock,
//     by a move that cannot throw (element types whose move may throw travel in a box, made by the sender).
// Dead nodes (whose wait somebody else has ended) may stand in the lists; whoever meets one drops it.
#pragma once

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>

#include "../status.hpp"
#include "await.hpp"
#include "channel_facts.hpp"
#include "expect.hpp"
#include "nested_channels.hpp"
#include "object_names.hpp"
#include "undelivered.hpp"

namespace sluice {

/// What a full channel does with one value more.
enum class overflow : std::uint8_t { wait, drop_oldest, drop_newest };

/// Tag for a channel whose buffer grows as needed: `channel<int> ch{unbounded};`.
struct unbounded_t {
    explicit unbounded_t() = default;
};
inline constexpr unbounded_t unbounded{};

namespace detail {

/// A channel of `void` carries these.
struct no_value {};

/// Whether a `T` can be made of these: by a constructor, or as an aggregate.
template <class T, class... Args>
concept buildable = std::is_constructible_v<T, Args...> || requires { T{std::declval<Args>()...}; };

template <class T, class... Args>
T build(Args&&... args) {
    if constexpr (std::is_constructible_v<T, Args...>) return T(std::forward<Args>(args)...);
    else return T{std::forward<Args>(args)...};
}

/// How an element travels: by itself, or in a box if its move may throw.
template <class T>
class parcel {
public:
    explicit parcel(T&& v) : value_{std::move(v)} {}
    explicit parcel(const T& v) : value_{v} {}
    template <class... Args>
    explicit parcel(std::in_place_t, Args&&... args) : value_(build<T>(std::forward<Args>(args)...)) {}
    T&& open() noexcept { return std::move(value_); }

private:
    T value_;
};
template <class T>
    requires(!std::is_nothrow_move_constructible_v<T>)
class parcel<T> {
public:
    template <class U>
        requires(!std::is_same_v<std::remove_cvref_t<U>, std::in_place_t>)
    explicit parcel(U&& v) : box_{std::make_unique<T>(std::forward<U>(v))} {}
    template <class... Args>
    explicit parcel(std::in_place_t, Args&&... args) : box_{new T(build<T>(std::forward<Args>(args)...))} {}
    T&& open() noexcept { return std::move(*box_); }

private:
    std::unique_ptr<T> box_;
};

/// What a receive gives; names it without looking into `T`, which may hold a channel of its own kind.
template <class T>
using received_element = received<std::conditional_t<std::is_same_v<T, no_value>, void, T>>;

/// An element that tells how many were dropped before it: its member `missed`.
template <class T>
inline constexpr bool counts_missed = false;

template <class T>
class receive_operation;
template <class T>
class send_node;

class channel_base : public nested_end {
public:
    channel_base(std::size_t capacity, place made_at) noexcept : facts{capacity, made_at} {}

    biased_lock mutex;
    wait_list receivers;
    wait_list senders;
    std::atomic<std::uint32_t> counted_senders{0};  // of make_channel
    std::atomic<std::uint32_t> counted_receivers{0};
    std::atomic<std::size_t> count{0};  // written under the lock, read anywhere
    std::atomic<bool> closed{false};    // likewise
    std::exception_ptr error;           // written before closed
    std::size_t dropped = 0;
    object_name name;
    channel_facts facts;
};

template <class T>
class channel_core : public channel_base, public pooled {
public:
    using slot = parcel<T>;
    static constexpr std::size_t unlimited = channel_facts::unlimited;

    /// `tells_of_close`: `has_closed` is called.
    channel_core(std::size_t capacity, overflow policy, place made_at, bool tells_of_close = false)
        : channel_base{capacity, made_at}, policy_{policy}, tells_of_close_{tells_of_close} {
        static_assert(std::is_nothrow_destructible_v<T>,
                      "a channel destroys values where nobody can catch: the destructor of an element must not throw");
        if (capacity != unlimited && capacity != 0) ring_ = allocate(room_ = capacity);
    }
    channel_core(const channel_core&) = delete;
    channel_core& operator=(const channel_core&) = delete;
    virtual ~channel_core() {
        discard();
        if (ring_) deallocate(ring_, room_);
        // relaxed: we are the last.
        delete undelivered_.load(std::memory_order_relaxed);
    }

    std::size_t capacity() const noexcept { return facts.capacity; }

    /// Without the lock. False: at this moment nothing could be sent or received without waiting.
    bool may_be_sent_to() const noexcept {
        return capacity() == 0 || policy_ != overflow::wait || count.load(std::memory_order_relaxed) < capacity() ||
               closed.load(std::memory_order_relaxed);
    }
    bool may_be_received_from() const noexcept {
        return capacity() == 0 || count.load(std::memory_order_relaxed) != 0 || closed.load(std::memory_order_relaxed);
    }

    void retain() noexcept {
        facts.handles.fetch_add(1, std::memory_order_relaxed);
        // relaxed: for a look much later.
        if (!facts.was_copied.load(std::memory_order_relaxed)) facts.was_copied.store(true, std::memory_order_relaxed);
    }
    void release() noexcept {
        if (facts.handles.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        if constexpr (std::is_trivially_destructible_v<T>) delete this;
        else end_nested(*this, [](nested_end& me) noexcept { delete static_cast<channel_core*>(&me); });
    }

    /// Without the lock, once: who is told of values destroyed unreceived. False: somebody else is already.
    bool set_undelivered(std::unique_ptr<undelivered_handler<T>> handler) noexcept {
        undelivered_handler<T>* none = nullptr;
        // release: publishes the handler to those who tell it.
        if (!undelivered_.compare_exchange_strong(none, handler.get(), std::memory_order_release,
                                                  std::memory_order_relaxed))
            return false;
        static_cast<void>(handler.release());
        return true;
    }
    /// Without the lock: `v` will be destroyed, and nobody has received it.
    void tell_undelivered(T&& v) noexcept {
        // acquire: sees the handler's construction.
        if (auto* const handler = undelivered_.load(std::memory_order_acquire)) handler->tell(std::move(v));
    }

    /// What a send did. `grow`: an unbounded ring is full; make room without the lock and try again.
    enum class send_state : std::uint8_t { sent, must_wait, closed, full, grow };

    /// Under the lock: sends the value that `source` can move out, if it can be sent now. What drop_oldest drops goes
    /// to `dropped_value`, to be destroyed without the lock.
    template <class Source>
    SLUICE_ALWAYS_INLINE send_state try_send(Source& source, wake_chain& woken,
                                             std::optional<slot>& dropped_value) noexcept {
        if (closed.load(std::memory_order_relaxed)) [[unlikely]]
            return send_state::closed;
        if (wait_node* n = receivers.claim_front()) {
            static_cast<receive_operation<T>*>(n)->put(source.take_value());
            woken.push(*n->who);
            return send_state::sent;
        }
        const std::size_t held = count.load(std::memory_order_relaxed);
        if (held < room_) {
            push(source.take_value());
            return send_state::sent;
        }
        if (policy_ == overflow::wait && capacity() != unlimited) return send_state::must_wait;
        return try_send_to_full(source, dropped_value);
    }

    /// Under the lock: as many of the source's values as go into the ring without meeting anybody.
    template <class Source>
    SLUICE_ALWAYS_INLINE std::size_t push_some(std::size_t most, Source& source) noexcept {
        const std::size_t held = count.load(std::memory_order_relaxed);
        if (closed.load(std::memory_order_relaxed) || !receivers.empty()) return 0;
        const std::size_t n = std::min(most, room_ - held);
        std::size_t at = head_ + held;
        if (at >= room_) at -= room_;
        for (std::size_t i = 0; i < n; ++i) {
            std::construct_at(ring_ + at, source.take());
            if (++at == room_) at = 0;
        }
        count.store(held + n, std::memory_order_relaxed);
        return n;
    }

    /// Without the lock: what its favourite can do without meeting anybody. False: it takes try_send under the lock.
    template <class Source>
    SLUICE_ALWAYS_INLINE bool send_at_once(Source& source, thread_id me) noexcept {
        if (capacity() == 0) return false;
        const thread_id seat = mutex.acquire_as_favourite(me);
        if (seat == seats_inside) return false;
        const bool possible = count.load(std::memory_order_relaxed) < room_ && receivers.empty() &&
                              !closed.load(std::memory_order_relaxed);
        if (possible) push(source.take());
        mutex.release_as_favourite(seat);
        return possible;
    }
    /// Likewise. False: it takes try_receive under the lock.
    SLUICE_ALWAYS_INLINE bool receive_at_once(std::optional<slot>& into, thread_id me) noexcept {
        if (capacity() == 0) return false;
        const thread_id seat = mutex.acquire_as_favourite(me);
        if (seat == seats_inside) return false;
        const bool possible = count.load(std::memory_order_relaxed) != 0 && senders.empty();
        if (possible) into.emplace(pop());
        mutex.release_as_favourite(seat);
        return possible;
    }

private:
    template <class Source>
    SLUICE_NOINLINE send_state try_send_to_full(Source& source, std::optional<slot>& dropped_value) noexcept {
        if (capacity() == unlimited) return send_state::grow;
        if (policy_ == overflow::drop_newest) return send_state::full;
        if (capacity() == 0) return send_state::must_wait;  // nothing to drop
        dropped_value.emplace(pop());
        ++dropped;
        push(source.take_value());
        if constexpr (counts_missed<T>) {
            T&& oldest = ring_[head_].open();
            oldest.missed += dropped_value->open().missed + 1;
        }
        return send_state::sent;
    }

public:
    /// Under the lock. True: `into` has a value, or knows that the channel is closed.
    SLUICE_ALWAYS_INLINE bool try_receive(receive_operation<T>& into, wake_chain& woken) noexcept {
        if (count.load(std::memory_order_relaxed) != 0) {
            into.put(pop());
            if (wait_node* n = senders.claim_front()) accept(*n, woken, [&](slot&& v) { push(std::move(v)); });
            return true;
        }
        if (wait_node* n = senders.claim_front()) {
            accept(*n, woken, [&](slot&& v) { into.put(std::move(v)); });
            return true;
        }
        if (!closed.load(std::memory_order_relaxed)) return false;
        into.put_closed();
        return true;
    }

    /// Under the lock: moves up to `most` values to `out`, whose room has been reserved.
    template <class Out>
    std::size_t take_some(std::size_t most, Out&& out, wake_chain& woken) noexcept {
        std::size_t taken = 0;
        if (senders.empty()) {
            const std::size_t held = count.load(std::memory_order_relaxed);
            for (const std::size_t n = std::min(most, held); taken < n; ++taken) {
                slot* const at = ring_ + head_;
                out(std::move(*at));
                std::destroy_at(at);
                if (++head_ == room_) head_ = 0;
            }
            count.store(held - taken, std::memory_order_relaxed);
            return taken;
        }
        while (taken < most && count.load(std::memory_order_relaxed) != 0) {
            out(pop());
            ++taken;
            if (wait_node* n = senders.claim_front()) accept(*n, woken, [&](slot&& v) { push(std::move(v)); });
        }
        while (taken < most) {
            wait_node* const n = senders.claim_front();
            if (!n) break;
            accept(*n, woken, [&](slot&& v) { out(std::move(v)); });
            ++taken;
        }
        return taken;
    }

    /// Returns whether this call closed it. `discard_values`: nobody will receive any more.
    bool close(std::exception_ptr why, bool discard_values) noexcept {
        wake_chain woken;
        bool first = false;
        bool discarding = false;
        bool is_told = false;
        {
            const hold guard{mutex};
            first = !closed.load(std::memory_order_relaxed);
            if (first) {
                error = std::move(why);
                // release: readers without the lock see the error.
                closed.store(true, std::memory_order_release);
                if (auto* const in = this_thread_state().simulation) in->closed(facts);
                receivers.claim_all([&](wait_node& n, const waiter* later) {
                    static_cast<receive_operation<T>&>(n).put_closed();
                    woken.push(*n.who, later);
                });
                senders.claim_all([&](wait_node& n, const waiter* later) {
                    static_cast<send_node<T>&>(n).set_closed();
                    woken.push(*n.who, later);
                });
            }
            // Whoever is woken may drop the last handle.
            is_told = first && tells_of_close_;
            if (is_told) retain();
            if (discard_values && count.load(std::memory_order_relaxed) != 0) {
                discarded_ = count.exchange(0, std::memory_order_relaxed);
                retain();
                discarding = true;
            }
        }
        woken.wake_all();
        if (discarding)
            end_nested(*this, [](nested_end& me) noexcept { static_cast<channel_core&>(me).drop_discarded(); });
        if (is_told) {
            has_closed();
            release();
        }
        return first;
    }

    /// Without the lock: makes room for more in an unbounded channel.
    void grow() {
        std::size_t seen = 0;
        {
            const hold guard{mutex};
            seen = room_;
        }
        const std::size_t wanted = seen == 0 ? 16 : seen * 2;
        slot* fresh = allocate(wanted);
        std::size_t fresh_room = wanted;
        {
            const hold guard{mutex};
            if (room_ < wanted && !closed.load(std::memory_order_relaxed)) {
                const std::size_t held = count.load(std::memory_order_relaxed);
                for (std::size_t i = 0; i < held; ++i) {
                    slot* const from = ring_ + (head_ + i) % room_;
                    std::construct_at(fresh + i, std::move(*from));
                    std::destroy_at(from);
                }
                head_ = 0;
                std::swap(ring_, fresh);
                fresh_room = std::exchange(room_, wanted);
            }
        }
        if (fresh) deallocate(fresh, fresh_room);
    }

protected:
    /// Without the lock, once, by whoever has closed it: for channels that others work for.
    virtual void has_closed() noexcept {}

private:
    static slot* allocate(std::size_t n) { return std::allocator<slot>{}.allocate(n); }
    static void deallocate(slot* p, std::size_t n) noexcept { std::allocator<slot>{}.deallocate(p, n); }

    SLUICE_ALWAYS_INLINE void push(slot&& v) noexcept {
        const std::size_t held = count.load(std::memory_order_relaxed);
        std::size_t at = head_ + held;
        if (at >= room_) at -= room_;
        std::construct_at(ring_ + at, std::move(v));
        count.store(held + 1, std::memory_order_relaxed);
    }
    SLUICE_ALWAYS_INLINE slot pop() noexcept {
        slot* const at = ring_ + head_;
        slot v{std::move(*at)};
        std::destroy_at(at);
        if (++head_ == room_) head_ = 0;
        count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        return v;
    }
    template <class F>
    static void accept(wait_node& n, wake_chain& woken, F&& to) noexcept {
        auto& sender = static_cast<send_node<T>&>(n);
        if (sender.brings_value()) [[likely]]
            to(sender.take_value());
        sender.set_sent();
        woken.push(*n.who);
    }
    // Once, after close(), with a reference to give back: nobody looks at the ring of a closed channel without values.
    void drop_discarded() noexcept {
        slot* old_ring = nullptr;
        std::size_t old_room = 0;
        {
            const hold guard{mutex};
            old_ring = std::exchange(ring_, nullptr);
            old_room = std::exchange(room_, 0);
        }
        for (std::size_t i = 0; i < discarded_; ++i) {
            slot* const at = old_ring + (head_ + i) % old_room;
            tell_undelivered(at->open());
            std::destroy_at(at);
        }
        deallocate(old_ring, old_room);
        release();
    }
    void discard() noexcept {
        while (count.load(std::memory_order_relaxed) != 0) tell_undelivered(pop().open());
    }

    const overflow policy_;
    const bool tells_of_close_;
    std::size_t room_ = 0;       // slots in the ring
    std::size_t head_ = 0;       // the oldest value
    std::size_t discarded_ = 0;  // how many values close() has left for drop_discarded()
    slot* ring_ = nullptr;
    std::atomic<undelivered_handler<T>*> undelivered_{nullptr};
};

}  // namespace detail
}  // namespace sluice
