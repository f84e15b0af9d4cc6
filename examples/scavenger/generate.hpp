// SPDX-License-Identifier: BSL-1.0
// generate.hpp: which records does a table hold that is made from a seed?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "item.hpp"
#include "rfc3339.hpp"

namespace scavenger {

/// How a worker's record says whether its work is completed. Tables hold numbers and strings side by side.
enum class completed { null, number_0, text_0, number_1, text_1 };

/// A whole row, as workers write it.
struct record {
    key id;
    std::string start_execution_time;
    bool start_is_null = false;  // then start_execution_time is empty
    std::string end_time;
    std::string pagination_token;
    completed done = completed::number_1;
};

/// What is kept, and why: of `keep` records one in a hundred (rounded up) is completed but its time is malformed,
/// a third (rounded down) is completed but too young, and the rest is not completed, whatever its time.
struct kept_mix {
    std::uint64_t malformed;
    std::uint64_t too_young;
    std::uint64_t not_completed;
};
kept_mix mix_of(std::uint64_t keep);

/// The same records for the same arguments, on every platform.
///
/// All but `keep` of them began 48 hours before `now` or earlier and are completed. Records come in the order of
/// their keys, the kept ones scattered evenly among them.
/// Precondition: `keep <= items`.
class record_source {
public:
    record_source(std::uint64_t items, std::uint64_t keep, std::uint64_t seed, instant now);

    /// Makes the next record; false after the last.
    bool next(record& into);

private:
    enum class fate { deleted, malformed, too_young, not_completed };

    fate draw_fate();
    instant old_start();
    instant young_start();
    void spoil(record& victim);
    std::string written(instant when);
    std::uint64_t below(std::uint64_t bound);

    const std::uint64_t items_;
    kept_mix left_;
    const instant now_;
    std::uint64_t made_ = 0;
    std::uint64_t state_;  // of the random numbers
};

/// Writes the records into `table` of the SQLite file `file`. An existing table of that name is replaced.
void generate_table(const std::string& file, std::string_view table, record_source records);

}  // namespace scavenger
