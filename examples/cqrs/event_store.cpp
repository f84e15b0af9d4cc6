// SPDX-License-Identifier: BSL-1.0
#include "event_store.hpp"

#include <sqlite3.h>

namespace cqrs {
namespace {

[[noreturn]] void fail(sqlite3* in) { throw std::runtime_error{std::string{"event store: "} + sqlite3_errmsg(in)}; }

class statement {
public:
    statement(sqlite3* in, std::string_view sql) : in_{in} {
        if (sqlite3_prepare_v2(in, sql.data(), static_cast<int>(sql.size()), &raw_, nullptr) != SQLITE_OK) fail(in);
    }
    statement(const statement&) = delete;
    statement& operator=(const statement&) = delete;
    ~statement() { sqlite3_finalize(raw_); }

    statement& bind(int index, std::int64_t value) {
        if (sqlite3_bind_int64(raw_, index, value) != SQLITE_OK) fail(in_);
        return *this;
    }
    // Not copied: it lives as long as this.
    statement& bind(int index, std::string_view text) {
        if (sqlite3_bind_text64(raw_, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
            fail(in_);
        return *this;
    }
    bool step() {
        switch (sqlite3_step(raw_)) {
            case SQLITE_ROW: return true;
            case SQLITE_DONE: return false;
            case SQLITE_CONSTRAINT: throw conflict{"somebody else was quicker"};
            default: fail(in_);
        }
    }
    std::int64_t number(int column) const { return sqlite3_column_int64(raw_, column); }
    std::string text(int column) const {
        const auto* const first = reinterpret_cast<const char*>(sqlite3_column_text(raw_, column));
        return {first, static_cast<std::size_t>(sqlite3_column_bytes(raw_, column))};
    }

private:
    sqlite3* in_;
    sqlite3_stmt* raw_ = nullptr;
};

}  // namespace

event_store::event_store(const std::string& file) {
    sqlite3* raw = nullptr;
    const int code = sqlite3_open(file.c_str(), &raw);
    handle_.reset(raw);
    if (code != SQLITE_OK) fail(raw);
    constexpr auto* table =
        "CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL,"
        " version INTEGER NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (stream, version))";
    if (sqlite3_exec(raw, table, nullptr, nullptr, nullptr) != SQLITE_OK) fail(raw);
}

recorded event_store::append(const std::string& stream, std::size_t version, const event& what) {
    const std::scoped_lock guard{mutex_};
    const std::string body = text_of(what);
    // One statement is one transaction. Nothing is ever deleted, so positions have no gaps.
    statement insert{handle_.get(), "INSERT INTO events (stream, version, name, body) VALUES (?1, ?2, ?3, ?4)"};
    insert.bind(1, stream).bind(2, static_cast<std::int64_t>(version)).bind(3, name_of(what)).bind(4, body).step();
    return {sqlite3_last_insert_rowid(handle_.get()), what};
}

std::vector<event> event_store::of(const std::string& stream) const {
    const std::scoped_lock guard{mutex_};
    statement select{handle_.get(), "SELECT name, body FROM events WHERE stream = ?1 ORDER BY version"};
    select.bind(1, stream);
    std::vector<event> all;
    while (select.step()) all.push_back(event_of(select.text(0), select.text(1)));
    return all;
}

std::vector<recorded> event_store::after(std::int64_t position, int most) const {
    const std::scoped_lock guard{mutex_};
    statement select{handle_.get(),
                     "SELECT position, name, body FROM events WHERE position > ?1 ORDER BY position LIMIT ?2"};
    select.bind(1, position).bind(2, most);
    std::vector<recorded> all;
    while (select.step()) all.push_back({select.number(0), event_of(select.text(1), select.text(2))});
    return all;
}

void event_store::closer::operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }

}  // namespace cqrs
