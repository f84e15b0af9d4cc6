// SPDX-License-Identifier: BSL-1.0
#include "database.hpp"

#include <stdexcept>

#include <sqlite3.h>

#include <sluice/runtime.hpp>

namespace {

[[noreturn]] void fail(sqlite3* handle) { throw std::runtime_error{handle ? sqlite3_errmsg(handle) : "no memory"}; }

struct finalizer {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
};
using statement = std::unique_ptr<sqlite3_stmt, finalizer>;

statement prepare(sqlite3* db, const char* sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &raw, nullptr) != SQLITE_OK) fail(db);
    return statement{raw};
}
void close_now(std::unique_ptr<database>) {}  // at its end

void bind(sqlite3_stmt* s, int index, const std::string& text) {
    if (sqlite3_bind_text(s, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC) != SQLITE_OK)
        fail(sqlite3_db_handle(s));
}

}  // namespace

database::database(const std::string& file) {
    sqlite3* raw = nullptr;
    constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int opened = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
    handle_.reset(raw);
    if (opened != SQLITE_OK) fail(raw);
    sqlite3_busy_timeout(raw, 5'000);
    execute("PRAGMA journal_mode = WAL");
    execute("CREATE TABLE IF NOT EXISTS items (item TEXT PRIMARY KEY, price INTEGER NOT NULL) WITHOUT ROWID");
    execute("CREATE TABLE IF NOT EXISTS orders (id TEXT NOT NULL, item TEXT NOT NULL, price INTEGER NOT NULL)");
    execute("INSERT OR IGNORE INTO items VALUES ('tea', 3), ('coffee', 4), ('cake', 5), ('feast', 95)");
}

std::optional<int> database::price_of(const std::string& item) {
    const statement find = prepare(handle_.get(), "SELECT price FROM items WHERE item = ?1");
    bind(find.get(), 1, item);
    switch (sqlite3_step(find.get())) {
        case SQLITE_ROW: return sqlite3_column_int(find.get(), 0);
        case SQLITE_DONE: return std::nullopt;
        default: fail(handle_.get());
    }
}

void database::add(const std::vector<order>& orders) {
    struct roll_back {  // unless all went well
        ~roll_back() {
            if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr);
        }
        sqlite3* db;
    };
    execute("BEGIN IMMEDIATE");
    const roll_back at_end{handle_.get()};
    const statement insert = prepare(handle_.get(), "INSERT INTO orders VALUES (?1, ?2, ?3)");
    for (const order& each : orders) {
        bind(insert.get(), 1, each.id);
        bind(insert.get(), 2, each.item);
        sqlite3_bind_int(insert.get(), 3, each.price);
        if (sqlite3_step(insert.get()) != SQLITE_DONE) fail(handle_.get());
        sqlite3_reset(insert.get());
    }
    execute("COMMIT");
}

void database::execute(const char* sql) {
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(handle_.get());
}

void database::closer::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

connection_pool::connection_pool(const std::string& file, std::size_t connections)
    : size_{connections}, idle_{connections} {
    for (std::size_t i = 0; i < connections; ++i) static_cast<void>(idle_.try_send(std::make_unique<database>(file)));
}

sluice::task<connection_pool::lease> connection_pool::take() {
    auto taken = co_await idle_.async_receive();
    if (!taken) throw std::runtime_error{"the pool of connections has been closed"};
    co_return lease{*this, std::move(*taken)};
}

sluice::task<std::size_t> connection_pool::close() {
    std::size_t closed = 0;
    for (; closed < size_; ++closed) {
        auto unused = co_await idle_.async_receive();
        co_await sluice::blocking(close_now, std::move(*unused));
    }
    idle_.close();
    co_return closed;
}
