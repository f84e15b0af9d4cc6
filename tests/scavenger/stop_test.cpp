// SPDX-License-Identifier: BSL-1.0
// stop_test.cpp: is everything in order after a run was stopped at any request or any step?
#include <atomic>
#include <csignal>
#include <optional>
#include <thread>
#include <utility>

#include "faulty_store.hpp"
#include "test_run.hpp"

namespace {

using namespace scavenger_test;
using namespace std::chrono_literals;
using scavenger::ending;

constexpr std::size_t few = 40;

/// Expects a run that was stopped to be consistent, and one that reached its end in spite of the stop to be complete.
void expect_stopped_or_complete(const std::vector<row>& rows, const key_set& left, const outcome& run) {
    expect_consistent(rows, left, run);
    EXPECT_NE(run.end.how, ending::failed) << run.end.why;
    EXPECT_EQ(left.size() + run.numbers.deleted, rows.size());
    if (run.end.how == ending::complete) expect_complete(rows, left, run);
}

/// What ends the run, and the context by which it does.
struct cancellation {
    std::optional<sluice::context_source> source;
    void arrange() { source.emplace(sluice::with_cancel(sluice::context::background())); }
    sluice::context context() { return source->get(); }
    void strike() { source->cancel(); }
};

struct signal {
    int number = SIGTERM;
    std::optional<sluice::context_source> source;
    void arrange() { source.emplace(sluice::notify_context(sluice::context::background(), {SIGINT, SIGTERM})); }
    sluice::context context() { return source->get(); }
    // The handler has done its part when raise() returns; the context ends a moment later, on whichever thread tells it.
    void strike() const { std::raise(number); }
};

struct interrupt : signal {
    interrupt() { number = SIGINT; }
};

/// A deadline that usually has not passed before the strike, which waits until it has.
struct deadline {
    std::optional<sluice::context_source> source;
    void arrange() { source.emplace(sluice::with_timeout(sluice::context::background(), 5ms)); }
    sluice::context context() { return source->get(); }
    void strike() const {
        while (!source->get().done()) std::this_thread::sleep_for(50us);
    }
};

struct nothing {
    std::optional<sluice::context_source> source;
    void arrange() {}
    sluice::context context() { return sluice::context::background(); }
    void strike() const {}
};

/// Runs with a stop at the k-th request. Returns how many requests there were.
template <class Stop>
std::uint64_t stop_at_request(std::uint64_t k, const test_table& table, outcome& run) {
    Stop stop;
    scavenger::sqlite_store good{table.file(), "Workers"};
    const auto script = [&](std::uint64_t number, request) -> std::optional<fault> {
        if (number == k) stop.strike();
        return std::nullopt;
    };
    faulty_store store{good, script};
    const make_stop make = [&] {
        stop.arrange();
        return stop.context();
    };
    run_flow(store, small_plan(), run, make);
    return store.calls();
}

/// Runs with a stop at the k-th step of any task, where each await is a step of its own. Returns how many there were.
template <class Stop>
std::uint64_t stop_at_step(std::uint64_t k, const test_table& table, outcome& run) {
    Stop stop;
    std::atomic<std::uint64_t> steps = 0;
    std::atomic<bool> arranged = false;
    scavenger::sqlite_store store{table.file(), "Workers"};
    const make_stop make = [&] {
        stop.arrange();
        arranged = true;
        return stop.context();
    };
    sluice::runtime_options options;
    options.ready_budget = 1;
    options.before_step = [&] {
        if (arranged && ++steps == k) stop.strike();
    };
    run_flow(store, small_plan(), run, make, std::move(options));
    return steps;
}

/// Does this for every k up to the length of a run that is left alone.
template <class StopAt>
void expect_order_after_every_stop(const StopAt& stop_at, std::uint64_t length, const std::vector<row>& rows,
                                   test_table& table) {
    std::uint64_t stopped = 0;
    for (std::uint64_t k = 1; k <= length; ++k) {
        table.restore();
        outcome run;
        stop_at(k, table, run);
        expect_stopped_or_complete(rows, table.keys(), run);
        expect_rerun_completes(rows, table);
        if (testing::Test::HasFailure()) FAIL() << "at " << k << " of " << length;
        stopped += run.end.how == ending::stopped ? 1U : 0U;
    }
    EXPECT_GT(stopped, 0U) << "of " << length;
    testing::Test::RecordProperty("length", static_cast<int>(length));
}

template <class Stop>
class StoppedBy : public testing::Test {};

using stops = testing::Types<cancellation, signal, interrupt, deadline>;
TYPED_TEST_SUITE(StoppedBy, stops);

TYPED_TEST(StoppedBy, AnyRequestLeavesTheTableAndTheNumbersRight) {
    const auto rows = small_rows(few);
    test_table table{rows};
    outcome alone;
    const auto length = stop_at_request<nothing>(0, table, alone);
    expect_complete(rows, table.keys(), alone);
    expect_order_after_every_stop(stop_at_request<TypeParam>, length, rows, table);
}

TYPED_TEST(StoppedBy, AnyStepLeavesTheTableAndTheNumbersRight) {
    const auto rows = small_rows(few);
    test_table table{rows};
    outcome alone;
    const auto length = stop_at_step<nothing>(0, table, alone);
    expect_complete(rows, table.keys(), alone);
    expect_order_after_every_stop(stop_at_step<TypeParam>, length, rows, table);
}

TEST(Stop, BeforeTheStartDeletesNothing) {
    const auto rows = small_rows(few);
    const test_table table{rows};
    cancellation stop;
    stop.arrange();
    stop.strike();
    scavenger::sqlite_store store{table.file(), "Workers"};
    outcome run;
    run_flow(store, small_plan(), run, [&] { return stop.context(); });
    EXPECT_EQ(run.end.how, ending::stopped);
    EXPECT_EQ(table.keys().size(), rows.size());
}

TEST(Stop, EndsARetryThatWaits) {
    const auto rows = small_rows(few);
    const test_table table{rows};
    cancellation stop;
    auto todo = small_plan();
    todo.retries.first = todo.retries.longest = 1h;
    scavenger::sqlite_store good{table.file(), "Workers"};
    std::atomic<int> deletes = 0;
    const auto script = [&](std::uint64_t, request what) -> std::optional<fault> {
        if (what == request::scan) return std::nullopt;
        if (++deletes == 3) stop.strike();
        return fault{scavenger::error_class::throttled};
    };
    faulty_store store{good, script};
    outcome run;
    run_flow(store, todo, run, [&] {
        stop.arrange();
        return stop.context();
    });
    EXPECT_EQ(run.end.how, ending::stopped);
    EXPECT_EQ(run.numbers.deleted, 0U);
    expect_consistent(rows, table.keys(), run);
}

}  // namespace
