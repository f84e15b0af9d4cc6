// SPDX-License-Identifier: BSL-1.0
// test_run.hpp: how does a test run the flow and see everything that came of it?
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sluice/context.hpp>
#include <sluice/runtime.hpp>

#include "scavenge.hpp"
#include "sqlite_store.hpp"
#include "test_table.hpp"

namespace scavenger_test {

/// Collects the keys that the flow reports.
class recorder final : public scavenger::observer {
public:
    key_set deleted_keys, malformed_keys, skipped_keys, failed_keys;
    bool told_twice = false;

    void deleted(const scavenger::key& id) noexcept override { note(deleted_keys, id); }
    void malformed(const scavenger::item& what) noexcept override { note(malformed_keys, what.id); }
    void skipped(const scavenger::key& id) noexcept override { note(skipped_keys, id); }
    void failed(const scavenger::key& id, const scavenger::store_error&) noexcept override { note(failed_keys, id); }

private:
    void note(key_set& into, const scavenger::key& id) {
        const std::scoped_lock lock{mutex_};
        if (!into.emplace(id.worker_id, id.start_time).second) told_twice = true;
    }

    std::mutex mutex_;
};

struct outcome {
    scavenger::verdict end;
    scavenger::counts numbers;
    recorder told;
};

inline scavenger::plan small_plan() {
    scavenger::plan todo;
    todo.total_segments = 3;
    todo.max_deletes = 4;
    todo.page_size = 7;
    todo.now = *scavenger::parse_rfc3339(now_text);
    todo.retries.first = std::chrono::microseconds{1};
    todo.retries.longest = std::chrono::microseconds{20};
    return todo;
}

/// Gives the task the context that ends it early; called on the runtime before the flow starts.
using make_stop = std::function<sluice::context()>;

inline sluice::context never() { return sluice::context::background(); }

inline sluice::task<scavenger::verdict> flow(scavenger::store& table, const scavenger::plan& todo,
                                             scavenger::tally& numbers, scavenger::observer& witness,
                                             const make_stop& stop) {
    co_return co_await scavenger::scavenge(table, todo, numbers, witness, stop());
}

/// Runs the flow to its end on a runtime of its own, and checks that it leaves no task behind.
inline void run_flow(scavenger::store& table, const scavenger::plan& todo, outcome& result,
                     const make_stop& stop = never, sluice::runtime_options options = {}) {
    scavenger::tally numbers;
    scavenger::observer& witness = result.told;
    sluice::runtime here{std::move(options)};
    result.end =
        here.run(flow, std::ref(table), std::cref(todo), std::ref(numbers), std::ref(witness), std::cref(stop));
    result.numbers = numbers.now();
    // The main task is joined a moment before it is counted as ended.
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (here.metrics().alive != 0 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    EXPECT_EQ(here.metrics().alive, 0U);
}

/// What holds however a run ended: nothing is gone that should stay, nothing is told deleted that is still there,
/// and the numbers add up.
inline void expect_consistent(const std::vector<row>& rows, const key_set& left, const outcome& run) {
    const auto& n = run.numbers;
    for (const auto& id : keys_that_stay(rows))
        EXPECT_TRUE(left.count(id)) << id.first << " " << id.second << " should stay";
    for (const auto& id : run.told.deleted_keys)
        EXPECT_FALSE(left.count(id)) << id.first << " " << id.second << " is still there";
    EXPECT_FALSE(run.told.told_twice);
    EXPECT_EQ(n.deleted, run.told.deleted_keys.size());
    EXPECT_EQ(n.malformed, run.told.malformed_keys.size());
    EXPECT_EQ(n.skipped, run.told.skipped_keys.size());
    EXPECT_EQ(n.failed, run.told.failed_keys.size());
    EXPECT_LE(n.matched, n.scanned);
    EXPECT_LE(n.judged(), n.matched);
    EXPECT_LE(n.scanned, rows.size());
    EXPECT_EQ(n.in_flight, 0U);
}

/// What holds besides after a run that had nothing to complain about.
inline void expect_complete(const std::vector<row>& rows, const key_set& left, const outcome& run) {
    const auto& n = run.numbers;
    EXPECT_EQ(run.end.how, scavenger::ending::complete) << run.end.why;
    EXPECT_EQ(left, keys_that_stay(rows));
    EXPECT_EQ(run.told.deleted_keys, keys_that(rows, fate::goes));
    EXPECT_EQ(run.told.malformed_keys, keys_that(rows, fate::malformed));
    EXPECT_EQ(n.scanned, rows.size());
    EXPECT_EQ(n.not_completed(), keys_that(rows, fate::not_completed).size());
    EXPECT_EQ(n.too_young, keys_that(rows, fate::too_young).size());
    EXPECT_EQ(n.not_reached(), 0U);
    EXPECT_EQ(n.skipped + n.failed + n.retried, 0U);
}

/// A rerun without faults finishes what an earlier run has begun.
inline void expect_rerun_completes(const std::vector<row>& rows, const test_table& table) {
    outcome again;
    {
        scavenger::sqlite_store store{table.file(), "Workers"};
        run_flow(store, small_plan(), again);
    }
    EXPECT_EQ(again.end.how, scavenger::ending::complete) << again.end.why;
    EXPECT_EQ(table.keys(), keys_that_stay(rows));
}

}  // namespace scavenger_test
