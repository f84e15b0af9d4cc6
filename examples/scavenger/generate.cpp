// SPDX-License-Identifier: BSL-1.0
#include "generate.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "sqlite.hpp"

namespace scavenger {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t records_per_worker = 260;
constexpr std::int64_t first_worker = 1000;
constexpr std::uint64_t hour = 3'600'000'000'000;  // in nanoseconds, as all spans drawn at random
constexpr std::uint64_t age_limit = 48 * hour;

instant later(instant from, std::uint64_t nanoseconds) {
    const auto sum = from.nanoseconds + nanoseconds;
    return {from.seconds + std::chrono::seconds{sum / 1'000'000'000}, static_cast<std::uint32_t>(sum % 1'000'000'000)};
}

instant earlier(instant from, std::uint64_t nanoseconds) {
    const auto whole = nanoseconds / 1'000'000'000 + 1;
    return later({from.seconds - std::chrono::seconds{whole}, from.nanoseconds}, whole * 1'000'000'000 - nanoseconds);
}

void bind_completed(statement& insert, int index, completed done) {
    switch (done) {
        case completed::null: insert.bind_null(index); break;
        case completed::number_0: insert.bind(index, std::int64_t{0}); break;
        case completed::text_0: insert.bind(index, std::string_view{"0"}); break;
        case completed::number_1: insert.bind(index, std::int64_t{1}); break;
        case completed::text_1: insert.bind(index, std::string_view{"1"}); break;
    }
}

}  // namespace

kept_mix mix_of(std::uint64_t keep) {
    const auto malformed = (keep + 99) / 100;
    const auto too_young = keep / 3;
    return {malformed, too_young, keep - malformed - too_young};
}

record_source::record_source(std::uint64_t items, std::uint64_t keep, std::uint64_t seed, instant now)
    : items_(items), left_(mix_of(keep)), now_(now), state_(seed) {}

bool record_source::next(record& into) {
    if (made_ == items_) return false;
    const auto worker = static_cast<std::int64_t>(made_ / records_per_worker);
    const auto position = made_ % records_per_worker;
    const auto what = draw_fate();
    ++made_;

    // A worker's records lie 6 hours apart and at least an hour from each other, so that its keys differ and ascend.
    const auto before = (records_per_worker - position) * 6 * hour + below(5 * hour);
    into.id = {first_worker + worker, format_rfc3339(earlier(now_, before))};
    const auto start = what == fate::too_young ? young_start() : old_start();
    into.start_execution_time = written(start);
    into.start_is_null = false;
    into.end_time = format_rfc3339(later(start, below(hour / 4)));
    const auto token = below(0);  // named, for the order of two arguments would be the compiler's choice
    into.pagination_token = fmt::format("{:016x}{:016x}", token, below(0));
    into.done = below(2) == 0 ? completed::number_1 : completed::text_1;
    if (what == fate::malformed) spoil(into);
    if (what == fate::not_completed)
        into.done = std::array{completed::null, completed::number_0, completed::text_0}[below(3)];
    return true;
}

record_source::fate record_source::draw_fate() {
    // Each record still to come is as likely as any other to be one of those left to keep.
    auto drawn = below(items_ - made_);
    const auto take = [&](std::uint64_t& left) {
        if (drawn < left) return --left, true;
        drawn -= left;
        return false;
    };
    if (take(left_.malformed)) return fate::malformed;
    if (take(left_.too_young)) return fate::too_young;
    if (take(left_.not_completed)) return fate::not_completed;
    return fate::deleted;
}

instant record_source::old_start() {
    // One in 50 lies exactly on the limit.
    const auto beyond = below(50) == 0 ? 0 : below(60 * 24 * hour);
    return earlier(now_, age_limit + beyond);
}

instant record_source::young_start() {
    // One in 50 misses the limit by a nanosecond, and as many lie in the future.
    const auto kind = below(50);
    if (kind == 0) return earlier(now_, age_limit - 1);
    if (kind == 1) return later(now_, hour);
    return earlier(now_, below(age_limit));
}

void record_source::spoil(record& victim) {
    auto& text = victim.start_execution_time;
    switch (below(6)) {
        case 0: text.clear(); break;
        case 1: text.clear(), victim.start_is_null = true; break;
        case 2: text = "not a time"; break;
        case 3: text = "2026-02-30T12:00:00Z"; break;
        case 4: text.resize(10); break;            // the date alone
        case 5: text = text.substr(0, 19); break;  // without an offset
    }
}

std::string record_source::written(instant when) {
    if (below(4) != 0) return format_rfc3339(when);
    // One in four is written in the local time of somewhere between -12:00 and +14:00, by quarters of an hour.
    const auto quarters = static_cast<int>(below(26 * 4 + 1)) - 12 * 4;
    auto text = format_rfc3339({when.seconds + quarters * 15min, when.nanoseconds});
    const auto minutes = (quarters < 0 ? -quarters : quarters) * 15;
    text.back() = quarters < 0 ? '-' : '+';
    return text + fmt::format("{:02}:{:02}", minutes / 60, minutes % 60);
}

/// A random number below `bound`, or any number if that is 0. The bias at our bounds is far below one in a billion.
std::uint64_t record_source::below(std::uint64_t bound) {
    // splitmix64: standard distributions may differ between libraries.
    auto z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return bound == 0 ? z : z % bound;
}

void generate_table(const std::string& file, std::string_view table, record_source records) {
    constexpr int cache_kib = 2048;
    database db{file, open_mode::create, cache_kib};
    const auto name = sql_name(table);
    db.execute("BEGIN IMMEDIATE");
    db.execute(fmt::format("DROP TABLE IF EXISTS {}", name));
    // Completed has no type: it stays the number or the string that was written. WITHOUT ROWID, because scans and
    // deletes go by the key alone: measured, a scan takes 0.75 and a delete 0.65 of the time it does with a rowid.
    db.execute(
        fmt::format("CREATE TABLE {} (WorkerId INTEGER NOT NULL, StartTime TEXT NOT NULL, StartExecutionTime TEXT, "
                    "EndTime TEXT, PaginationToken TEXT, Completed, PRIMARY KEY (WorkerId, StartTime)) WITHOUT ROWID",
                    name));
    {
        statement insert{db, fmt::format("INSERT INTO {} VALUES (?1, ?2, ?3, ?4, ?5, ?6)", name)};
        for (record row; records.next(row);) {
            insert.bind(1, row.id.worker_id);
            insert.bind(2, row.id.start_time);
            insert.bind(3, row.start_execution_time);
            if (row.start_is_null) insert.bind_null(3);
            insert.bind(4, row.end_time);
            insert.bind(5, row.pagination_token);
            bind_completed(insert, 6, row.done);
            insert.run();
        }
    }
    db.execute("COMMIT");
}

}  // namespace scavenger
