// SPDX-License-Identifier: BSL-1.0
// simulated.hpp: what does the library ask a simulation, when it runs in one?
//
// Everything here is slow-path: a real run has no simulation, and finds that out where it is slow already. What a
// simulation is stands in simulation.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>

#include "futex.hpp"

namespace sluice::detail {

class task_state;
struct channel_facts;

class simulated {
public:
    /// The virtual time at which every simulation begins: not the zero of the clock, since people subtract from times.
    static constexpr time_point start{std::chrono::hours{10'000}};

    simulated(const simulated&) = delete;
    simulated& operator=(const simulated&) = delete;

    /// The virtual time.
    time_point now() const noexcept { return now_; }

    /// One of `n` possibilities that are all right, from 0. Precondition: `n > 0`.
    virtual std::size_t choose(std::size_t n) noexcept = 0;
    /// A task is new, or its wait has ended.
    virtual void make_ready(task_state&) noexcept = 0;
    /// The thread of a task has published its wait; returns after the wake.
    virtual void block(task_state&) noexcept = 0;
    /// The thread of a task has done an operation that was ready.
    virtual void operation_done(task_state&) noexcept = 0;
    /// A wait is about to end with `canceled`: throws what the simulation wants to be thrown instead, if anything.
    virtual void throw_injected(const task_state&) = 0;
    /// Somebody has closed a channel: for the trace.
    virtual void closed(const channel_facts&) noexcept = 0;
    /// The number of a new channel.
    virtual std::uint32_t number_channel() noexcept = 0;
    /// The run shall end at its next step, with this.
    virtual void fail(std::exception_ptr) noexcept = 0;

protected:
    simulated() noexcept = default;
    ~simulated() = default;

    time_point now_ = start;
};

}  // namespace sluice::detail
