// SPDX-License-Identifier: BSL-1.0
// test_table.hpp: which rows does a small table hold, and what does an oracle say about each of them?
//
// The oracle knows a row's age and state because it made the row so; it shares no code with the program that reads
// times and judges ages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <stdlib.h>

#include "sqlite.hpp"

namespace scavenger_test {

using row_key = std::pair<std::int64_t, std::string>;
using key_set = std::set<row_key>;

/// The present in all tests: 2026-11-20T12:00:00Z.
inline constexpr std::int64_t now_seconds = 1795176000;
inline constexpr const char* now_text = "2026-11-20T12:00:00Z";

enum class fate { goes, not_completed, too_young, malformed };

struct row {
    row_key id;
    std::string start_sql;  // as SQL literals
    std::string completed_sql;
    fate meets = fate::goes;
};

/// An instant as text, written by the C library: `seconds` since 1970, with a fraction and an offset in minutes.
inline std::string time_text(std::int64_t seconds, const std::string& fraction, int offset) {
    const std::time_t local = static_cast<std::time_t>(seconds + offset * 60);
    std::tm parts{};
    gmtime_r(&local, &parts);
    char date[40];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    char zone[40] = "Z";
    const int size = offset < 0 ? -offset : offset;
    if (offset != 0) std::snprintf(zone, sizeof zone, "%c%02d:%02d", offset < 0 ? '-' : '+', size / 60, size % 60);
    return date + fraction + zone;
}

/// `count` rows with every combination of ages around the limit, ways to write times, and ways to be completed or not.
inline std::vector<row> small_rows(std::size_t count) {
    struct age {
        std::int64_t seconds;
        const char* fraction;  // of the start, so a start with one is a little younger
        bool old;
    };
    const std::vector<age> ages{
        {49 * 3600, "", true},      {48 * 3600, "", true},        {48 * 3600 + 1, ".999999999", true},
        {48 * 3600 - 1, "", false}, {90 * 86400, ".5", true},     {48 * 3600, ".000000001", false},
        {300 * 86400, "", true},    {48 * 3600, ".000", true},    {3600, "", false},
        {72 * 3600, ".25", true},   {-3600, "", false},           {48 * 3600, ".0000000000001", false},
        {60 * 86400, "", true},     {1000 * 86400, ".123", true}, {50 * 3600, "", true},
    };
    const std::vector<int> offsets{0, 60, -480, 0, 345, 840, -720, 0};
    const std::vector<std::pair<const char*, bool>> states{
        {"1", true},    {"'1'", true}, {"1", true},     {"'1'", true}, {"0", false},      {"1", true},    {"'1'", true},
        {"'0'", false}, {"1", true},   {"NULL", false}, {"'1'", true}, {"'true'", false}, {"'11'", false}};
    const std::vector<const char*> broken{
        "''", "NULL", "'soon'", "'2026-02-30T00:00:00Z'", "'2026-11-01T00:00:00'", "'2026-11-01'"};

    std::vector<row> rows;
    for (std::size_t i = 0; i < count; ++i) {
        row made;
        // Workers differ much in how many records they have; one has half of all.
        const auto worker = i % 2 == 0 ? 7 : static_cast<std::int64_t>(i % 11) * 1000 - 3000;
        char start[40];
        std::snprintf(start, sizeof start, "2026-09-%02zuT%02zu:%02zu:00Z", 1 + i / 200 % 28, i % 24, i % 60);
        made.id = {worker, std::string{start} + "#" + std::to_string(i)};
        const auto& [completed, counts] = states[i % states.size()];
        const auto& [seconds, fraction, old] = ages[i % ages.size()];
        made.completed_sql = completed;
        if (i % 9 == 4) {
            made.start_sql = broken[i % broken.size()];
            made.meets = counts ? fate::malformed : fate::not_completed;
        } else {
            made.start_sql = "'" + time_text(now_seconds - seconds, fraction, offsets[i % offsets.size()]) + "'";
            made.meets = !counts ? fate::not_completed : old ? fate::goes : fate::too_young;
        }
        rows.push_back(std::move(made));
    }
    return rows;
}

inline key_set keys_that(const std::vector<row>& rows, fate meet) {
    key_set keys;
    for (const auto& each : rows)
        if (each.meets == meet) keys.insert(each.id);
    return keys;
}

inline key_set keys_that_stay(const std::vector<row>& rows) {
    key_set keys;
    for (const auto& each : rows)
        if (each.meets != fate::goes) keys.insert(each.id);
    return keys;
}

/// A folder for the files of one test.
class test_folder {
public:
    test_folder() {
        std::string name = (std::filesystem::temp_directory_path() / "scavenger-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    ~test_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    test_folder(const test_folder&) = delete;
    test_folder& operator=(const test_folder&) = delete;

    std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

/// The table Workers in a file, made from rows; restored from a saved copy in no time.
class test_table {
public:
    explicit test_table(const std::vector<row>& rows,
                        const std::string& columns =
                            "WorkerId INTEGER NOT NULL, StartTime TEXT NOT NULL, StartExecutionTime TEXT, "
                            "EndTime TEXT, PaginationToken TEXT, Completed",
                        const std::string& options = "WITHOUT ROWID") {
        {
            scavenger::database db{saved_, scavenger::open_mode::create, 512};
            db.execute("BEGIN; CREATE TABLE Workers (" + columns + ", PRIMARY KEY (WorkerId, StartTime)) " + options);
            for (const auto& each : rows)
                db.execute("INSERT INTO Workers VALUES (" + std::to_string(each.id.first) + ", '" + each.id.second +
                           "', " + each.start_sql + ", '', 'token', " + each.completed_sql + ")");
            db.execute("COMMIT");
        }
        restore();
    }

    /// Undoes whatever was done to the file since.
    void restore() {
        for (const char* tail : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + tail);
        std::filesystem::copy_file(saved_, file_);
    }

    const std::string& file() const { return file_; }

    key_set keys() const {
        scavenger::database db{file_, scavenger::open_mode::must_exist, 512};
        scavenger::statement all{db, "SELECT WorkerId, StartTime FROM Workers"};
        key_set found;
        while (all.step()) found.emplace(all.integer(0), std::string{all.text(1)});
        return found;
    }

    void execute(const std::string& sql) const {
        scavenger::database db{file_, scavenger::open_mode::must_exist, 512};
        db.execute(sql);
    }

private:
    test_folder folder_;
    const std::string saved_ = folder_.file("saved.db");
    const std::string file_ = folder_.file("workers.db");
};

}  // namespace scavenger_test
