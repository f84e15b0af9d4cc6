// SPDX-License-Identifier: BSL-1.0
// memory_store.hpp: what if the table were in memory, and only its latency that of a network?
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sluice/testing.hpp>
#include <sluice/timer.hpp>

#include "store.hpp"
#include "test_table.hpp"

namespace scavenger_test {

/// A table for simulations: a request waits for a round trip, takes effect at one moment, and counts.
///
/// A round trip that the simulation makes fail is one that the store could not serve. Not for several threads.
class memory_store final : public scavenger::store {
public:
    struct entry {
        scavenger::item what;
        bool completed = false;
        bool gone = false;
    };

    memory_store(std::vector<entry> entries, std::chrono::nanoseconds round_trip)
        : entries_(std::move(entries)), round_trip_(round_trip) {
        std::ranges::sort(entries_, {}, id_of);
    }

    sluice::task<scavenger::page> scan(std::size_t segment, std::size_t total_segments,
                                       std::optional<scavenger::key> start_key, std::size_t limit) override {
        co_await travel();
        const auto end = entries_.size() * (segment + 1) / total_segments;
        auto at = entries_.size() * segment / total_segments;
        if (start_key) at = position(*start_key) + 1;
        scavenger::page found;
        for (; at < end && found.examined < limit; ++at) {
            if (entries_[at].gone) continue;
            ++found.examined;
            if (entries_[at].completed) found.items.push_back(entries_[at].what);
        }
        if (at < end) found.last_key = entries_[at - 1].what.id;
        co_return found;
    }

    sluice::task<> remove(scavenger::item target) override {
        co_await travel();
        auto& wanted = entries_[position(target.id)];
        if (wanted.gone || !wanted.completed || wanted.what != target)
            throw scavenger::store_error{scavenger::error_class::condition_failed, "changed or gone"};
        wanted.gone = true;
    }

    sluice::task<std::optional<std::uint64_t>> approximate_count() override { co_return entries_.size(); }

    key_set keys() const {
        key_set left;
        for (const auto& each : entries_)
            if (!each.gone) left.emplace(each.what.id.worker_id, each.what.id.start_time);
        return left;
    }

private:
    static const scavenger::key& id_of(const entry& e) { return e.what.id; }

    std::size_t position(const scavenger::key& id) const {
        return static_cast<std::size_t>(std::ranges::lower_bound(entries_, id, {}, id_of) - entries_.begin());
    }
    sluice::task<> travel() {
        try {
            co_await sluice::sleep_for(round_trip_);
        } catch (const sluice::testing::injected_failure& failure) {
            throw scavenger::store_error{scavenger::error_class::internal, failure.what()};
        }
    }

    std::vector<entry> entries_;  // in the order of their keys
    const std::chrono::nanoseconds round_trip_;
};

/// The rows of a small table, as the database would tell them.
inline std::vector<memory_store::entry> entries_of(const std::vector<row>& rows) {
    const auto text = [](const std::string& sql) {
        return sql == "NULL" ? std::string{} : sql.substr(1, sql.size() - 2);
    };
    std::vector<memory_store::entry> entries;
    for (const auto& each : rows)
        entries.push_back({{{each.id.first, each.id.second}, text(each.start_sql)},
                           each.completed_sql == "1" || each.completed_sql == "'1'"});
    return entries;
}

}  // namespace scavenger_test
