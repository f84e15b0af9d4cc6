// SPDX-License-Identifier: BSL-1.0
// timed_channel.hpp: who sends when the time has come, and how can it be taken back?
//
// A channel of moments with a timer in it: once for `after`, again and again for a ticker. It has no thread and no task
// of its own. Whoever looks at the timers sends.
// I1  Nothing is sent under the timers' lock: fire() takes the node out and pins the channel, and who fired it calls
//     time_has_come() afterwards.
// I2  `armed_`: the node is in the heap, or in the hands of one who fired it. It is added again by him, or by who has
//     taken it out of the heap himself. So it is never in two places, and a reset that finds it in another's hands
//     leaves the new time to him.
// I3  A tick is sent under state_mutex_ and only while `running_`, at its time or later. When stop() or reset() returns
//     no tick of before will come, and the one that was pending is gone.
// I4  There is room for one tick. One that finds it taken is dropped: what is received is the oldest, with the time it
//     was due at, and the next is on the grid of the first.
// Modelled in tests/model/programs/ticker.pml.
// Lifetime: a handle of the channel is a reference, and so is a pin. The last one takes the timer out.
#pragma once

#include "channel_operations.hpp"

namespace sluice::detail {

class timed_channel final : public channel_core<time_point>, private timed_action {
    using duration = time_point::duration;
    using base = channel_core<time_point>;

public:
    explicit timed_channel(place at) : base{1, overflow::wait, at} {
        facts.has_clock = true;
        node_.action = this;
    }
    ~timed_channel() override { timer_queue::remove(node_); }

    /// The first moment, and the time from each to the next; zero: there is none. Forgets what was before.
    void start(time_point first, duration period) {
        wake_chain woken;
        {
            const hold guard{state_mutex_};
            disarm();
            take_back(woken);
            next_ = first;
            period_ = period;
            running_ = true;
            if (!armed_) go_on(multi_wait::timers_here(), woken);
        }
        woken.wake_all();
    }

    void stop() noexcept {
        wake_chain woken;
        {
            const hold guard{state_mutex_};
            running_ = false;
            disarm();
            take_back(woken);
        }
        woken.wake_all();
    }

private:
    struct moment {
        time_point at;
        slot take_value() const noexcept { return slot{at}; }
    };

    // Under the timers' lock.
    bool try_pin() noexcept override {
        std::uint32_t seen = facts.handles.load(std::memory_order_relaxed);
        while (seen != 0)
            if (facts.handles.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
        return false;
    }

    void time_has_come() noexcept override {
        wake_chain woken;
        {
            const hold guard{state_mutex_};
            armed_ = false;
            // The queue it was in: who fired it belongs to it, so that it has not been retired.
            if (running_) go_on(*node_.queue.load(std::memory_order_relaxed), woken);
        }
        woken.wake_all();
        release();
    }

    // The rest under state_mutex_.

    // Sends what is due and waits for the next. Precondition: not armed.
    void go_on(timer_queue& timers, wake_chain& woken) {
        if (next_ == no_deadline) return;
        const auto now = detail::now();
        if (next_ <= now) {
            running_ = send(woken) && period_ != duration::zero();
            if (!running_) return;
            next_ = period_ >= no_deadline - now ? no_deadline : next_ + ((now - next_) / period_ + 1) * period_;
            if (next_ == no_deadline) return;
        }
        node_.at = next_;
        timers.add(node_);
        armed_ = true;
    }

    void disarm() noexcept {
        if (armed_ && timer_queue::remove(node_)) armed_ = false;
    }

    // False: the channel is closed.
    bool send(wake_chain& woken) noexcept {
        moment due{next_};
        std::optional<slot> nothing;
        const hold guard{mutex};
        return try_send(due, woken, nothing) != send_state::closed;
    }
    void take_back(wake_chain& woken) noexcept {
        const hold guard{mutex};
        take_some(1, [](slot&&) noexcept {}, woken);
    }

    lock state_mutex_;
    timer_node node_;
    time_point next_ = no_deadline;
    duration period_{};
    bool running_ = false;
    bool armed_ = false;
};

}  // namespace sluice::detail
