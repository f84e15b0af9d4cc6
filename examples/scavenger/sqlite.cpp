// SPDX-License-Identifier: BSL-1.0
#include "sqlite.hpp"

#include <sqlite3.h>

#include "store_error.hpp"

namespace scavenger {
namespace {

constexpr int busy_timeout_ms = 5000;

error_class class_of(int code, std::string_view message) {
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return error_class::throttled;
        case SQLITE_IOERR:
        case SQLITE_NOMEM:
        case SQLITE_INTERRUPT:
        case SQLITE_INTERNAL: return error_class::internal;
        case SQLITE_CONSTRAINT: return error_class::transaction_conflict;
        case SQLITE_TOOBIG: return error_class::item_collection_too_large;
        case SQLITE_ERROR:
            // SQLite has no result code of its own for this.
            return message.starts_with("no such table") ? error_class::table_not_found : error_class::rejected;
        default: return error_class::rejected;
    }
}

[[noreturn]] void fail(sqlite3* handle, int code) {
    const std::string message = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    throw store_error{class_of(code, message), message};
}

}  // namespace

database::database(const std::string& file, open_mode mode, int cache_kib) {
    // No mutex of SQLite's own: a connection is used by one thread at a time.
    const int flags = SQLITE_OPEN_NOMUTEX |
                      (mode == open_mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                      (mode == open_mode::create ? SQLITE_OPEN_CREATE : 0);
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
    handle_.reset(raw);
    try {
        if (code != SQLITE_OK) fail(raw, code);
        sqlite3_busy_timeout(raw, busy_timeout_ms);
        if (mode != open_mode::read_only) execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
        execute("PRAGMA cache_size = -" + std::to_string(cache_kib));
    } catch (const store_error& error) {
        throw store_error{error.kind(), file + ": " + error.what()};
    }
}

void database::execute(const std::string& sql) {
    const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) fail(handle_.get(), code);
}

std::int64_t database::changes() const { return sqlite3_changes64(handle_.get()); }

void database::roll_back() noexcept {
    // A failing rollback means that SQLite has already rolled back.
    if (in_transaction()) sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

bool database::in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

void database::take_over_checkpoints() {
    log_length_ = std::make_unique<int>(0);
    const auto note = [](void* length, sqlite3*, const char*, int pages) {
        *static_cast<int*>(length) = pages;
        return SQLITE_OK;
    };
    sqlite3_wal_hook(handle_.get(), note, log_length_.get());  // in place of the one that makes checkpoints
}

void database::checkpoint() noexcept {
    // What cannot be done now, because another connection is at it, is done the next time.
    sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

void database::closer::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

statement::statement(database& db, std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v3(db.handle(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    handle_.reset(raw);
    if (code != SQLITE_OK) fail(db.handle(), code);
}

void statement::bind(int index, std::int64_t value) {
    const int code = sqlite3_bind_int64(handle_.get(), index, value);
    if (code != SQLITE_OK) fail(sqlite3_db_handle(handle_.get()), code);
}

void statement::bind(int index, std::string_view text) {
    const char* const start = text.data() != nullptr ? text.data() : "";  // a null pointer would bind null
    const int code = sqlite3_bind_text64(handle_.get(), index, start, text.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (code != SQLITE_OK) fail(sqlite3_db_handle(handle_.get()), code);
}

void statement::bind_null(int index) {
    const int code = sqlite3_bind_null(handle_.get(), index);
    if (code != SQLITE_OK) fail(sqlite3_db_handle(handle_.get()), code);
}

bool statement::step() {
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    fail(sqlite3_db_handle(handle_.get()), code);
}

void statement::run() {
    try {
        while (step()) {}
    } catch (...) {
        reset();
        throw;
    }
    reset();
}

std::int64_t statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }

std::string_view statement::text(int column) const {
    const auto* const start = sqlite3_column_text(handle_.get(), column);
    if (start == nullptr) return {};
    return {reinterpret_cast<const char*>(start),
            static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

void statement::reset() noexcept {
    // The result repeats the error that step() has already reported.
    sqlite3_reset(handle_.get());
}

void statement::finalizer::operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }

std::string sql_name(std::string_view name) {
    std::string result{'"'};
    for (const char c : name) {
        if (c == '"') result += '"';
        result += c;
    }
    return result + '"';
}

bool has_table(database& db, std::string_view table) {
    statement find{db, "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE"};
    find.bind(1, table);
    return find.step();
}

}  // namespace scavenger
