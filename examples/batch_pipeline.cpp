// SPDX-License-Identifier: BSL-1.0
// batch_pipeline.cpp: a batch program as stages, each of which is also tested by itself, here before the program runs.
//
// Lines of measurements are parsed, malformed ones are told and left out, each is completed by a slow look-up, and
// they are written in batches of four. Notice: a stage is a value that knows nothing of its neighbours, so its test
// puts a list before it and `collect` behind it. None is tested by way of another, or was changed to be tested.
#include <sluice/pipeline.hpp>
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>

#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

struct measurement {
    std::string station;
    int tenths = 0;  // of a degree
    bool operator==(const measurement&) const = default;
};
using strings = std::vector<std::string>;
using measurements = std::vector<measurement>;

// --- the stages ------------------------------------------------------------------------------------------------------

// "oslo -35": none or one measurement. What was left out is told.
measurements parse(const std::string& line) {
    const auto space = line.find(' ');
    const auto number = std::string_view{line}.substr(space == std::string::npos ? line.size() : space + 1);
    measurement m{line.substr(0, space), 0};
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), m.tenths);
    if (error == std::errc{} && end == number.data() + number.size()) return {m};
    fmt::print("left out: \"{}\"\n", line);
    return {};
}

bool is_plausible(const measurement& m) { return -900 < m.tenths && m.tenths < 600; }

// Asks a slow directory of stations.
sluice::task<measurement> complete(measurement m) {
    co_await sluice::sleep_for(m.station == "oslo" ? 30ms : 10ms);
    m.station += m.station == "oslo" ? ", NO" : ", IT";
    co_return m;
}

std::string as_row(const measurement& m) { return fmt::format("{}: {:.1f}", m.station, m.tenths / 10.0); }

const auto parsed = sluice::flat_map(parse);
const auto plausible = sluice::filter(is_plausible);
const auto completed = sluice::ordered(4, complete);  // four look-ups at once, in the order of the lines
const auto rows = sluice::transform(as_row);

// --- each by itself --------------------------------------------------------------------------------------------------

template <class Stage, class In, class Out>
sluice::task<bool> gives(Stage stage, In in, Out expected) {
    auto pipe = sluice::from(std::move(in)) | std::move(stage) | sluice::collect();
    const Out out = co_await pipe;
    co_return out == expected;
}

template <class Stage, class In, class Out>
void test(const char* name, const Stage& stage, const In& in, const Out& expected) {
    const auto body = [&] { return gives(stage, in, expected); };
    const bool passed = sluice::testing::simulate({}, body).value();
    fmt::print("{:34} {}\n", name, passed ? "ok" : "FAILED");
}

void test_each_stage() {
    const measurement oslo{"oslo", -35};
    const measurement rome{"rome", 214};
    const measurement hot{"rome", 2140};
    test("a line is parsed", parsed, strings{"oslo -35"}, measurements{oslo});
    test("malformed lines are left out", parsed, strings{"rome", "rome 2x", "rome 214"}, measurements{rome});
    test("implausible values are dropped", plausible, measurements{oslo, hot, rome}, measurements{oslo, rome});
    test("the slow do not lose their place", completed, measurements{oslo, rome},
         measurements{{"oslo, NO", -35}, {"rome, IT", 214}});
    test("a row is for people", rows, measurements{rome}, strings{"rome: 21.4"});
    test("the last batch may be short", sluice::batch(2), std::vector<int>{1, 2, 3},
         std::vector<std::vector<int>>{{1, 2}, {3}});
}

// --- the program -----------------------------------------------------------------------------------------------------

void store(const strings& batch) {
    fmt::print("write {} rows:", batch.size());
    for (const auto& row : batch) fmt::print(" [{}]", row);
    fmt::print("\n");
}

const strings lines{"rome 214", "oslo -35",  "rome 216",  "rome n/a", "oslo -31", "rome 219",
                    "oslo -28", "rome 21 9", "rome 9999", "rome 221", "oslo -30", "rome 220"};

sluice::task<> run_program() {
    auto program =
        sluice::from(lines) | parsed | plausible | completed | rows | sluice::batch(4) | sluice::for_each(store);
    co_await program;
}

int main() {
    test_each_stage();
    sluice::testing::simulate({}, run_program).value();
}
