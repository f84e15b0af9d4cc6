// SPDX-License-Identifier: BSL-1.0
#include "run_command.hpp"

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sluice/channel.hpp>
#include <sluice/context.hpp>
#include <sluice/runtime.hpp>

#include "latency_store.hpp"
#include "peak_memory.hpp"
#include "progress.hpp"
#include "reporter.hpp"
#include "sqlite_store.hpp"

namespace scavenger {
namespace {

plan plan_of(const run_settings& asked) {
    plan todo;
    todo.total_segments = asked.segments;
    todo.max_deletes = asked.deleters;
    todo.page_size = asked.page_size;
    todo.age_hours = asked.age_hours;
    todo.now = asked.now;
    todo.dry_run = asked.dry_run;
    todo.strict = asked.strict;
    return todo;
}

sluice::task<summary> scavenge_until_stopped(const run_settings& asked, store& table, console& screen,
                                             observer& witness) {
    const auto begin = std::chrono::steady_clock::now();
    const plan todo = plan_of(asked);
    const auto signals = sluice::notify_context(sluice::context::background(), {SIGINT, SIGTERM});
    const auto limit = sluice::with_timeout(signals.get(), asked.deadline);

    tally numbers;
    const auto expected = co_await table.approximate_count();
    const sluice::channel<bool> finished{0};
    auto line = sluice::go(show_progress, std::ref(screen), std::cref(numbers), expected, finished);
    verdict end = co_await scavenge(table, todo, numbers, witness, limit.get());
    finished.close();
    co_await line;

    summary result;
    result.table = asked.table;
    result.end = std::move(end);
    if (result.end.how == ending::stopped)
        result.reason = signals.get().done() ? stopped_by::signal : stopped_by::deadline;
    result.numbers = numbers.now();
    result.total_segments = asked.segments;
    result.dry_run = asked.dry_run;
    result.time = std::chrono::steady_clock::now() - begin;
    result.peak_memory_bytes = peak_memory();
    co_return result;
}

}  // namespace

summary run_once(const run_settings& asked, console& screen, observer& witness) {
    sqlite_store table{asked.file, asked.table};
    latency_store distant{table, asked.latency};
    store& chosen = asked.latency > asked.latency.zero() ? static_cast<store&>(distant) : table;
    return sluice::run(scavenge_until_stopped, std::cref(asked), std::ref(chosen), std::ref(screen), std::ref(witness));
}

int run_command(const run_settings& asked) {
    console screen;
    reporter witness{screen};
    const summary result = run_once(asked, screen, witness);
    if (asked.json) {
        auto object = to_json(result);
        witness.add_to(object);
        fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
        fmt::print("{}", to_text(result));
    }
    if (result.end.how == ending::failed)
        screen.note(fmt::format("scavenger: table {:?} in {}: {}", asked.table, asked.file, result.end.why));
    return exit_code(result);
}

}  // namespace scavenger
