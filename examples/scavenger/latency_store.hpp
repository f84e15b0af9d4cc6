// SPDX-License-Identifier: BSL-1.0
// latency_store.hpp: how would the store behave at the other end of a network?
#pragma once

#include <chrono>
#include <utility>

#include <sluice/timer.hpp>

#include "store.hpp"

namespace scavenger {

/// Lets every request wait for a simulated round trip before the store behind it answers.
class latency_store final : public store {
public:
    latency_store(store& behind, std::chrono::nanoseconds round_trip) : behind_(behind), round_trip_(round_trip) {}

    sluice::task<page> scan(std::size_t segment, std::size_t total_segments, std::optional<key> start_key,
                            std::size_t limit) override {
        co_await sluice::sleep_for(round_trip_);
        co_return co_await behind_.scan(segment, total_segments, std::move(start_key), limit);
    }

    sluice::task<> remove(item target) override {
        co_await sluice::sleep_for(round_trip_);
        co_await behind_.remove(std::move(target));
    }

    sluice::task<std::optional<std::uint64_t>> approximate_count() override {
        co_await sluice::sleep_for(round_trip_);
        co_return co_await behind_.approximate_count();
    }

private:
    store& behind_;
    const std::chrono::nanoseconds round_trip_;
};

}  // namespace scavenger
