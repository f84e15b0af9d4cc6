// SPDX-License-Identifier: BSL-1.0
// kill_test.cpp: is the table in order after a run was killed at any request or step?
#include <csignal>
#include <sstream>
#include <string>

#include "child_process.hpp"
#include "test_run.hpp"

namespace {

using namespace scavenger_test;

key_set reported(const std::string& output) {
    key_set keys;
    std::istringstream lines{output};
    std::int64_t worker = 0;
    for (std::string start; lines >> worker >> start;) keys.emplace(worker, start);
    return keys;
}

class KilledAt : public testing::TestWithParam<const char*> {};

TEST_P(KilledAt, AnyMomentNothingIsLostAndNothingIsToldThatIsNotSo) {
    const auto rows = small_rows(40);
    test_table table{rows};
    int length = 1;  // of a run that is left alone, known after the first
    int killed = 0;
    for (int k = 0; k <= length; ++k) {
        table.restore();
        child_process victim{{KILL_VICTIM, table.file(), GetParam(), std::to_string(k)}};
        victim.finish();
        ASSERT_TRUE(victim.killed_by == SIGKILL || victim.exit_code == 0) << victim.exit_code << " " << victim.errors;
        if (k == 0) length = std::stoi(victim.errors);
        const auto left = table.keys();
        for (const auto& id : keys_that_stay(rows))
            EXPECT_TRUE(left.count(id)) << id.first << " " << id.second << " should stay";
        for (const auto& id : reported(victim.output))
            EXPECT_FALSE(left.count(id)) << id.first << " " << id.second << " is still there";
        expect_rerun_completes(rows, table);
        if (HasFailure()) FAIL() << "killed at " << GetParam() << ' ' << k << " of " << length;
        killed += victim.killed_by == SIGKILL ? 1 : 0;
    }
    EXPECT_GT(killed, length / 2) << "of " << length;
    RecordProperty("length", length);
}

INSTANTIATE_TEST_SUITE_P(Each, KilledAt, testing::Values("request", "step"),
                         [](const auto& each) { return std::string{each.param}; });

}  // namespace
