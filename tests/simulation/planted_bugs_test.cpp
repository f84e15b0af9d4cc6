// SPDX-License-Identifier: BSL-1.0
// planted_bugs_test.cpp: does an exploration find what plain runs do not show?
//
// The bugs are in planted/, each with its repaired twin. Tasks are late now and then in their simulations, for up to two
// seconds, as they are in life; on the real scheduler they hardly ever are.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "planted/abba_of_two_rendezvous.hpp"
#include "planted/added_too_late.hpp"
#include "planted/cache_stampede.hpp"
#include "planted/closed_channel_race.hpp"
#include "planted/double_delivery.hpp"
#include "planted/forgotten_cancel.hpp"
#include "planted/hold_and_wait.hpp"
#include "planted/leaked_permit.hpp"
#include "planted/lock_order.hpp"
#include "planted/lost_wake_up.hpp"
#include "planted/missing_close.hpp"
#include "planted/no_second_look.hpp"
#include "planted/one_condition_for_two.hpp"
#include "planted/out_of_order_commit.hpp"
#include "planted/overtaking_semaphore.hpp"
#include "planted/racy_lazy_init.hpp"
#include "planted/retry_without_cancellation.hpp"
#include "planted/shutdown_drops_last_item.hpp"
#include "planted/stale_counter.hpp"
#include "planted/value_eaten_by_timeout.hpp"
#include "support/sanitized.hpp"

namespace {

using namespace std::chrono_literals;
using namespace planted;
using sluice::testing::distribution;
using sluice::testing::explore;
using sluice::testing::simulate;

struct planted_bug {
    const char* name;
    task<void> (*program)();
    task<void> (*twin)();
};
void PrintTo(const planted_bug& bug, std::ostream* out) { *out << bug.name; }

#define PLANTED(name)                                                                                                  \
    planted_bug { #name, name<version::planted>, name<version::repaired> }
const planted_bug bugs[] = {
    PLANTED(abba_of_two_rendezvous),
    PLANTED(added_too_late),
    PLANTED(cache_stampede),
    PLANTED(closed_channel_race),
    PLANTED(double_delivery),
    PLANTED(forgotten_cancel),
    PLANTED(hold_and_wait),
    PLANTED(leaked_permit),
    PLANTED(lock_order),
    PLANTED(lost_wake_up),
    PLANTED(missing_close),
    PLANTED(no_second_look),
    PLANTED(one_condition_for_two),
    PLANTED(out_of_order_commit),
    PLANTED(overtaking_semaphore),
    PLANTED(racy_lazy_init),
    PLANTED(retry_without_cancellation),
    PLANTED(shutdown_drops_last_item),
    PLANTED(stale_counter),
    PLANTED(value_eaten_by_timeout),
};
#undef PLANTED

sluice::testing::chaos lateness() { return {.delay = distribution::uniform(0s, 2s).with_probability(0.2)}; }
void say_nothing(std::string_view) {}

class PlantedBugs : public testing::TestWithParam<planted_bug> {};

TEST_P(PlantedBugs, IsFoundWithin1000Seeds) {
    const auto all = explore({.runs = 1000, .chaos = lateness(), .diagnostics = say_nothing}, GetParam().program);
    ASSERT_TRUE(all.failed());
    std::printf("%s: found in run %llu: %s\n", GetParam().name, static_cast<unsigned long long>(all.runs()),
                all.text().substr(all.text().find("failed: ") + 8, 100).c_str());
    RecordProperty("runs", static_cast<int>(all.runs()));
    const auto again =
        simulate({.replay = all.replay(), .chaos = lateness(), .diagnostics = say_nothing}, GetParam().program);
    EXPECT_TRUE(again.failed());
}

TEST_P(PlantedBugs, ItsTwinPasses10000Seeds) {
    const auto all =
        explore({.runs = static_cast<std::uint64_t>(sluice_test::many(10'000)), .chaos = lateness()}, GetParam().twin);
    EXPECT_FALSE(all.failed()) << all.text();
}

// Many at once, for their sleeps. A program that has not ended after a minute never will.
TEST_P(PlantedBugs, SurvivesPlainRuns) {
    constexpr int runs = 1000;
    constexpr int at_once = 100;
    sluice::runtime plain{{.diagnostics = say_nothing}};
    for (int i = 0; i < runs; i += at_once) {
        const bool all_in_time = plain.run([program = GetParam().program]() -> task<bool> {
            sluice::wait_group all;
            for (int k = 0; k < at_once; ++k) all.go(program);
            const bool in_time = co_await sluice::timeout(1min, all.async_wait());
            co_return in_time;
        });
        ASSERT_TRUE(all_in_time) << "after " << i << " runs";
    }
}

INSTANTIATE_TEST_SUITE_P(, PlantedBugs, testing::ValuesIn(bugs),
                         [](const auto& one) { return std::string{one.param.name}; });

}  // namespace
