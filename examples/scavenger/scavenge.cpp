// SPDX-License-Identifier: BSL-1.0
#include "scavenge.hpp"

#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/sized_wait_group.hpp>
#include <sluice/wait_group.hpp>

#include "retry.hpp"

namespace scavenger {
namespace {

/// A completed item and the time that its text stands for.
struct candidate {
    item what;
    instant started;
};

/// What the tasks of one run share.
struct run_state {
    store& table;
    const plan& todo;
    tally& numbers;
    observer& witness;
    sluice::context_source work;  // ends with the caller's context, or at the first fatal error
    sluice::context stop = work.get();
    sluice::channel<candidate> matches{3 * todo.total_segments};
    retrier requests{todo.retries, numbers.retried};
    std::mutex mutex = {};
    std::string fatal = {};  // the first fatal error; guarded by mutex

    void fail(const std::string& why) {
        {
            const std::scoped_lock lock{mutex};
            if (fatal.empty()) fatal = why;
        }
        work.cancel();
    }
};

sluice::task<> scan_segment(run_state& run, std::size_t segment);
sluice::task<> close_after(run_state& run, sluice::wait_group& scanners);
sluice::task<> delete_item(run_state& run, item target);
verdict judge(run_state& run);

}  // namespace

// ---- the flow ------------------------------------------------------------------------------------------------------

sluice::task<verdict> scavenge(store& table, const plan& todo, tally& numbers, observer& witness,
                               sluice::context stop) {
    run_state run{table, todo, numbers, witness, sluice::with_cancel(stop)};
    sluice::wait_group scanners;
    sluice::wait_group closer;
    sluice::sized_wait_group deletes{todo.max_deletes};

    for (std::size_t segment = 0; segment < todo.total_segments; ++segment)
        scanners.go(scan_segment, std::ref(run), segment);
    closer.go(close_after, std::ref(run), std::ref(scanners));

    while (auto found = co_await run.matches.async_receive(run.stop)) {
        if (whole_hours(found->started, todo.now) < todo.age_hours) {
            ++numbers.too_young;
        } else if (todo.dry_run) {
            ++numbers.would_delete;
        } else {
            co_await deletes.async_go(delete_item, std::ref(run), std::move(found->what));
        }
    }
    co_await closer.async_wait();
    co_await deletes.async_wait();
    co_return judge(run);
}

namespace {

// ---- its parts -----------------------------------------------------------------------------------------------------

/// Dates a page's items. Those without a valid time are kept and told; in a strict run the first of them is fatal.
std::vector<candidate> dated(run_state& run, page found) {
    std::vector<candidate> result;
    result.reserve(found.items.size());
    for (auto& each : found.items) {
        if (const auto started = parse_rfc3339(each.start_execution_time)) {
            result.push_back({std::move(each), *started});
            continue;
        }
        ++run.numbers.malformed;
        run.witness.malformed(each);
        if (run.todo.strict)
            throw std::runtime_error{
                fmt::format("malformed StartExecutionTime {:?} at {}", each.start_execution_time, describe(each.id))};
    }
    return result;
}

sluice::task<> scan_pages(run_state& run, std::size_t segment) {
    std::optional<key> from;
    const auto request = [&] { return run.table.scan(segment, run.todo.total_segments, from, run.todo.page_size); };
    do {
        if (run.stop.done()) co_return;
        page found = co_await run.requests.until_served(run.stop, request);
        run.numbers.scanned += found.examined;
        run.numbers.matched += found.items.size();
        from = std::move(found.last_key);
        for (auto& each : dated(run, std::move(found)))
            if (!co_await run.matches.async_send(std::move(each), run.stop)) co_return;
    } while (from);
    ++run.numbers.segments_done;
}

sluice::task<> scan_segment(run_state& run, std::size_t segment) {
    try {
        co_await scan_pages(run, segment);
    } catch (const store_error& error) {
        if (!run.stop.done()) run.fail(fmt::format("scan: {} ({})", error.what(), name_of(error.kind())));
    } catch (const std::exception& error) {
        run.fail(error.what());
    }
}

/// However the wait ends, since whoever receives waits for the close.
sluice::task<> close_after(run_state& run, sluice::wait_group& scanners) {
    const struct closer {
        sluice::channel<candidate>& matches;
        ~closer() { matches.close(); }
    } at_end{run.matches};
    try {
        co_await scanners.async_wait();
    } catch (const std::exception& error) {
        run.fail(error.what());
    }
}

void note_failure(run_state& run, const key& id, const store_error& error) {
    if (error.kind() == error_class::condition_failed) {
        ++run.numbers.skipped;
        run.witness.skipped(id);
        return;
    }
    ++run.numbers.failed;
    run.witness.failed(id, error);
    if (is_fatal(error.kind())) run.fail(fmt::format("delete: {} ({})", error.what(), name_of(error.kind())));
}

sluice::task<> delete_item(run_state& run, item target) {
    if (run.stop.done()) co_return;
    const struct counted {
        explicit counted(tally& n) : numbers{n} { ++numbers.in_flight; }
        ~counted() { --numbers.in_flight; }
        tally& numbers;
    } in_flight{run.numbers};
    const auto request = [&] { return run.table.remove(target); };
    try {
        co_await run.requests.until_served(run.stop, request);
        ++run.numbers.deleted;
        run.witness.deleted(target.id);
    } catch (const store_error& error) {
        note_failure(run, target.id, error);
    } catch (const std::exception& error) {
        run.fail(error.what());
    }
}

verdict judge(run_state& run) {
    const auto numbers = run.numbers.now();
    const std::scoped_lock lock{run.mutex};
    if (!run.fatal.empty()) return {ending::failed, run.fatal};
    const bool all_done = numbers.segments_done == run.todo.total_segments && numbers.not_reached() == 0;
    return {all_done ? ending::complete : ending::stopped, {}};
}

}  // namespace
}  // namespace scavenger
