// SPDX-License-Identifier: BSL-1.0
#include "sqlite_store.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <sluice/runtime.hpp>

#include "sqlite.hpp"

namespace scavenger {
namespace {

// More readers than this would only wait for the same cores and disk, each with a connection and a thread of its own.
constexpr std::size_t most_readers = 16;
// A scan reads each page once; only the inner nodes of the tree are worth keeping.
constexpr int reader_cache_kib = 256;

std::string select_page(std::string_view table, bool has_after, bool has_upto) {
    std::string_view where = "";
    if (has_after && has_upto) where = "WHERE (WorkerId, StartTime) > (?1, ?2) AND (WorkerId, StartTime) <= (?3, ?4) ";
    if (has_after && !has_upto) where = "WHERE (WorkerId, StartTime) > (?1, ?2) ";
    if (!has_after && has_upto) where = "WHERE (WorkerId, StartTime) <= (?3, ?4) ";
    return fmt::format("SELECT WorkerId, StartTime, StartExecutionTime, Completed IN (1, '1') FROM {} {}"
                       "ORDER BY WorkerId, StartTime LIMIT ?5",
                       sql_name(table), where);
}

}  // namespace

/// One connection with the statements that read pages of ranges with and without bounds.
class sqlite_store::reader {
public:
    reader(const std::string& file, std::string table)
        : db_(file, open_mode::must_exist, reader_cache_kib), table_(std::move(table)) {}

    database& connection() { return db_; }

    page read(const key_range& range, std::size_t limit) {
        statement& select = statement_for(range);
        if (range.after) {
            select.bind(1, range.after->worker_id);
            select.bind(2, range.after->start_time);
        }
        if (range.upto) {
            select.bind(3, range.upto->worker_id);
            select.bind(4, range.upto->start_time);
        }
        select.bind(5, static_cast<std::int64_t>(limit));
        try {
            page result = collect(select, limit);
            select.reset();
            return result;
        } catch (...) {
            select.reset();  // an open read would hold back the checkpoints
            throw;
        }
    }

private:
    statement& statement_for(const key_range& range) {
        auto& prepared = statements_[(range.after ? 1U : 0U) + (range.upto ? 2U : 0U)];
        if (!prepared) prepared.emplace(db_, select_page(table_, range.after.has_value(), range.upto.has_value()));
        return *prepared;
    }

    static page collect(statement& select, std::size_t limit) {
        page result;
        key last;
        while (select.step()) {
            ++result.examined;
            if (select.integer(3) == 0) {
                if (result.examined == limit) last = {select.integer(0), std::string{select.text(1)}};
                continue;
            }
            auto& found = result.items.emplace_back();
            found.id.worker_id = select.integer(0);
            found.id.start_time = select.text(1);
            found.start_execution_time = select.text(2);
            if (result.examined == limit) last = found.id;
        }
        if (result.examined == limit) result.last_key = std::move(last);
        return result;
    }

    database db_;
    const std::string table_;
    std::array<std::optional<statement>, 4> statements_;
};

/// Takes a reader that is idle, or opens one, and gives it back.
class sqlite_store::borrowed_reader {
public:
    explicit borrowed_reader(sqlite_store& owner) : owner_(owner) {
        {
            const std::scoped_lock lock{owner.mutex_};
            if (!owner.idle_readers_.empty()) {
                mine_ = std::move(owner.idle_readers_.back());
                owner.idle_readers_.pop_back();
            }
        }
        if (!mine_) mine_ = std::make_unique<reader>(owner.file_, owner.table_);
    }

    ~borrowed_reader() {
        const std::scoped_lock lock{owner_.mutex_};
        owner_.idle_readers_.push_back(std::move(mine_));  // room was reserved
    }

    borrowed_reader(const borrowed_reader&) = delete;
    borrowed_reader& operator=(const borrowed_reader&) = delete;

    reader* operator->() const { return mine_.get(); }

private:
    sqlite_store& owner_;
    std::unique_ptr<reader> mine_;
};

sqlite_store::sqlite_store(std::string file, std::string table)
    : file_(std::move(file)), table_(std::move(table)), ranges_(table_), reader_slots_(most_readers) {
    idle_readers_.reserve(most_readers);
    const borrowed_reader first{*this};
    if (!has_table(first->connection(), table_))
        throw store_error{error_class::table_not_found, fmt::format("there is no table {:?} in {}", table_, file_)};
    try {
        deletes_ = std::make_unique<delete_queue>(file_, table_);
    } catch (const store_error& error) {
        throw store_error{error.kind(), fmt::format("table {:?} in {}: {}", table_, file_, error.what())};
    }
}

sqlite_store::~sqlite_store() = default;

sluice::task<page> sqlite_store::scan(std::size_t segment, std::size_t total_segments, std::optional<key> start_key,
                                      std::size_t limit) {
    const auto slot = co_await reader_slots_.async_hold();
    co_return co_await sluice::blocking(&read_page, this, segment, total_segments, std::move(start_key), limit);
}

sluice::task<> sqlite_store::remove(item target) { return deletes_->remove(std::move(target)); }

sluice::task<std::optional<std::uint64_t>> sqlite_store::approximate_count() {
    const auto slot = co_await reader_slots_.async_hold();
    co_return co_await sluice::blocking(&count, this);
}

page sqlite_store::read_page(sqlite_store* self, std::size_t segment, std::size_t total_segments,
                             const std::optional<key>& start_key, std::size_t limit) {
    const borrowed_reader reader{*self};
    auto range = self->ranges_.range(reader->connection(), segment, total_segments);
    if (start_key) range.after = start_key;
    return reader->read(range, limit);
}

std::optional<std::uint64_t> sqlite_store::count(sqlite_store* self) {
    const borrowed_reader reader{*self};
    statement rows{reader->connection(), fmt::format("SELECT count(*) FROM {}", sql_name(self->table_))};
    rows.step();
    return static_cast<std::uint64_t>(rows.integer(0));
}

}  // namespace scavenger
