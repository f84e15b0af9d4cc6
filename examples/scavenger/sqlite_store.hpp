// SPDX-License-Identifier: BSL-1.0
// sqlite_store.hpp: how does a table in an SQLite file answer the scavenger's requests?
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sluice/semaphore.hpp>

#include "delete_queue.hpp"
#include "key_ranges.hpp"
#include "store.hpp"

namespace scavenger {

/// Segments are ranges of keys. A page is read by its key on a connection that is the reader's alone meanwhile, outside
/// the scheduler's threads; deletes go through one writer. Readers and the writer do not block each other (WAL).
class sqlite_store final : public store {
public:
    /// Throws `store_error`: `table_not_found` names table and file.
    sqlite_store(std::string file, std::string table);
    ~sqlite_store() override;

    sluice::task<page> scan(std::size_t segment, std::size_t total_segments, std::optional<key> start_key,
                            std::size_t limit) override;
    sluice::task<> remove(item target) override;
    sluice::task<std::optional<std::uint64_t>> approximate_count() override;

private:
    class reader;
    class borrowed_reader;

    static page read_page(sqlite_store* self, std::size_t segment, std::size_t total_segments,
                          const std::optional<key>& start_key, std::size_t limit);
    static std::optional<std::uint64_t> count(sqlite_store* self);

    const std::string file_;
    const std::string table_;
    key_ranges ranges_;
    sluice::semaphore reader_slots_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<reader>> idle_readers_;  // guarded by mutex_; the one used last is at the back
    std::unique_ptr<delete_queue> deletes_;
};

}  // namespace scavenger
