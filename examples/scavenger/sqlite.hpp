// SPDX-License-Identifier: BSL-1.0
// sqlite.hpp: how do we talk to SQLite without leaking a handle or missing an error?
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace scavenger {

enum class open_mode { read_only, must_exist, create };

/// A connection. Everything throws `store_error` with the class that the result code belongs to.
///
/// Thread safety: one thread at a time. Statements made from it must be gone before it is.
class database {
public:
    /// Opens `file` with a page cache of at most `cache_kib`; unless it is only read, in WAL mode with synchronous NORMAL.
    database(const std::string& file, open_mode mode, int cache_kib);

    void execute(const std::string& sql);

    /// Rows that the last insert, update or delete changed.
    std::int64_t changes() const;

    /// Ends the transaction if there is one; nothing of it has happened then.
    void roll_back() noexcept;

    /// True between a successful BEGIN and the end of that transaction, whoever ended it.
    bool in_transaction() const;

    /// Ends SQLite's own checkpoints after commits on this connection; `log_length` tells when one is due.
    void take_over_checkpoints();

    /// Pages in the log after the last commit of this connection. Precondition: checkpoints were taken over.
    int log_length() const { return *log_length_; }

    /// Carries as much of the log into the tables as can be done without waiting for anyone.
    void checkpoint() noexcept;

    sqlite3* handle() const { return handle_.get(); }

private:
    struct closer {
        void operator()(sqlite3* handle) const;
    };
    std::unique_ptr<int> log_length_;  // known to the connection, so it goes after it
    std::unique_ptr<sqlite3, closer> handle_;
};

/// A prepared statement, made to be run many times.
class statement {
public:
    statement(database& db, std::string_view sql);

    /// Binds a parameter; texts are not copied and must live until the next `reset`.
    void bind(int index, std::int64_t value);
    void bind(int index, std::string_view text);
    void bind_null(int index);

    /// Runs to the next row; false at the end.
    bool step();

    /// Runs to the end of a statement without rows and resets it, also when it throws.
    void run();

    std::int64_t integer(int column) const;
    std::string_view text(int column) const;  // empty for null; valid until the next step or reset

    void reset() noexcept;

private:
    struct finalizer {
        void operator()(sqlite3_stmt* handle) const;
    };
    std::unique_ptr<sqlite3_stmt, finalizer> handle_;
};

/// `name` as an SQL identifier, quoted whatever it holds.
std::string sql_name(std::string_view name);

/// Whether the database has a table or view of that name.
bool has_table(database& db, std::string_view table);

}  // namespace scavenger
