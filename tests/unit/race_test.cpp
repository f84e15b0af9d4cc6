// SPDX-License-Identifier: BSL-1.0
// race_test.cpp: does the first answer win, and has everybody else ended when it is given?

#include <sluice/race.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/gtest.hpp>

#include "../support/broken_contract.hpp"
#include "../support/counted.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::all_failed;
using sluice::canceled;
using sluice::clock;
using sluice::context;
using sluice::first_of;
using sluice::first_success;
using sluice::hedged;
using sluice::query_all;
using sluice::race;
using sluice::race_all;
using sluice::sleep_for;
using sluice::task;
using sluice_test::breaks_contract;
using sluice_test::counted;

using value = counted<struct of_a_race>;

struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Somebody is inside as long as one lives.
struct presence {
    explicit presence(std::atomic<int>& in) : inside{in} { ++inside; }
    ~presence() { --inside; }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    std::atomic<int>& inside;
};

/// Gives `n` after a while, and needs some steps to end when it is cancelled.
task<value> give_after(std::atomic<int>* inside, clock::duration after, int n) {
    const presence here{*inside};
    bool was_canceled = false;
    try {
        co_await sleep_for(after);
    } catch (const canceled&) {
        was_canceled = true;
    }
    if (!was_canceled) co_return value{n};
    for (int i = 0; i < 3; ++i) co_await sluice::shielded(sluice::yield());
    throw canceled{};
}
task<value> fail_after(std::atomic<int>* inside, clock::duration after, const char* why) {
    const presence here{*inside};
    co_await sleep_for(after);
    throw failure{why};
}

/// Runners that say what they do.
class runners {
public:
    auto giving(int n, clock::duration after) {
        return [this, n, after] { return give_after(&inside_, after, n); };
    }
    auto failing(const char* why, clock::duration after) {
        return [this, why, after] { return fail_after(&inside_, after, why); };
    }
    int inside() const { return inside_; }

private:
    std::atomic<int> inside_{0};
};

std::string what(const std::exception_ptr& e) { return sluice::detail::what_of(e); }

// --- the first answer -----------------------------------------------------------------------------------------------

// EG-17
SIMULATED_TEST(Race, TheFirstAnswerWinsAndTheOthersHaveEnded) {
    runners all;
    const auto began = clock::now();
    const value first = co_await race(all.giving(1, 3s), all.giving(2, 1s), all.failing("late", 2s));
    EXPECT_EQ(first.value(), 2);
    EXPECT_EQ(all.inside(), 0);
    EXPECT_EQ(clock::now() - began, 1s);
    EXPECT_EQ(value::live(), 1);
}

SIMULATED_TEST(Race, AnExceptionIsAnAnswerAndComesAfterTheJoin) {
    runners all;
    std::string said;
    try {
        static_cast<void>(co_await race(all.giving(1, 2s), all.failing("first", 1s)));
    } catch (const failure& e) {
        said = e.what();
    }
    EXPECT_EQ(said, "first");
    EXPECT_EQ(all.inside(), 0);
    EXPECT_EQ(value::live(), 0);
}

SIMULATED_TEST(Race, OfAnswersOfDifferentTypesIsAVariantByPosition) {
    const auto text = []() -> task<std::string> {
        co_await sleep_for(1s);
        co_return "text";
    };
    const auto nothing = []() -> task<> { co_await sleep_for(2s); };
    const auto number = []() -> task<int> {
        co_await sleep_for(3s);
        co_return 7;
    };
    const std::variant<std::monostate, std::string, int> one = co_await race(nothing, text, number);
    EXPECT_EQ(one.index(), 1u);
    EXPECT_EQ(std::get<std::string>(one), "text");
    const auto other = co_await race(number, nothing);
    EXPECT_EQ(other.index(), 1u);
    static_assert(std::is_same_v<decltype(sluice::wait(race(nothing, nothing))), void>);
    co_await race(nothing, nothing);
}

SIMULATED_TEST(Race, OfReferencesGivesOne) {
    int variable = 0;
    const auto refer = [&]() -> task<int&> { co_return variable; };
    int& same = co_await race(refer, refer);
    EXPECT_EQ(&same, &variable);
}

SIMULATED_TEST(Race, OfARangeTakesItsCallables) {
    runners all;
    std::list<std::function<task<value>()>> some;
    some.push_back(all.giving(1, 5s));
    some.push_back(all.giving(2, 1s));
    EXPECT_EQ((co_await race(some)).value(), 2);
    EXPECT_TRUE(some.front()) << "copied from an lvalue";
    EXPECT_EQ((co_await race(std::move(some))).value(), 2);
    EXPECT_EQ(all.inside(), 0);
}

SIMULATED_TEST(Race, RunnersThatCannotBeCopiedAreMovedOrReferredTo) {
    const auto give = [own = std::make_unique<int>(5)]() -> task<int> { co_return *own; };
    EXPECT_EQ(co_await race(std::ref(give)), 5);
    auto later = [own = std::make_unique<int>(6)] { return *own; };
    std::vector<decltype(later)> one;
    one.push_back(std::move(later));
    EXPECT_EQ(co_await race(std::move(one)), 6);
}

SIMULATED_TEST(Race, PlainCallablesMayBlockAndSeeTheirCancellation) {
    std::atomic<int> inside{0};
    const auto blocks = [&]() -> int {
        const presence here{inside};
        sluice::channel<int> never{0};
        return *never.receive();
    };
    const auto gives = []() -> int { return 4; };
    EXPECT_EQ(co_await race(blocks, gives), 4);
    EXPECT_EQ(inside, 0);
}

SIMULATED_TEST(Race, WhatARunnerHasStartedEndsWithTheRace) {
    auto [to_us, until_it_ends] = sluice::make_channel<int>(0);
    const auto child = [](sluice::sender<int>) -> task<> { co_await sleep_for(1h); };
    const auto runner = [&]() -> task<int> {
        sluice::go(child, std::move(to_us));
        co_await sluice::yield();
        co_return 1;
    };
    EXPECT_EQ(co_await race(runner), 1);
    const auto began = clock::now();
    EXPECT_FALSE(co_await until_it_ends.async_receive());
    EXPECT_EQ(clock::now(), began);
}

// --- cancellation ---------------------------------------------------------------------------------------------------

SIMULATED_TEST(Race, EndsWithItsContextAfterAllHaveEnded) {
    runners all;
    const auto in_time = co_await sluice::timeout(1s, race(all.giving(1, 1h), all.giving(2, 2h)));
    EXPECT_EQ(in_time.why(), sluice::status::timed_out);
    EXPECT_EQ(all.inside(), 0);
    EXPECT_EQ(value::live(), 0);
}

SIMULATED_TEST(Race, ThrowsCanceledWithTheCauseOfItsContext) {
    runners all;
    const auto limit = sluice::with_timeout(context::background(), 1s, std::make_exception_ptr(failure{"too long"}));
    std::string why;
    try {
        static_cast<void>(co_await sluice::under(limit, race(all.giving(1, 1h))));
    } catch (const canceled& e) {
        why = what(e.cause());
    }
    EXPECT_EQ(why, "too long");
}

SIMULATED_TEST(Race, WhoEndsCanceledHasNoAnswer) {
    runners all;
    const auto gives_up = []() -> task<value> { throw canceled{}; };
    EXPECT_EQ((co_await race(gives_up, all.giving(1, 1s))).value(), 1);
    bool was_canceled = false;
    try {
        static_cast<void>(co_await race(gives_up, gives_up));
    } catch (const canceled&) {
        was_canceled = true;
    }
    EXPECT_TRUE(was_canceled);
}

SIMULATED_TEST(Race, RunsUnderAShieldInACleanUp) {
    runners all;
    auto source = sluice::with_cancel(context::background());
    int got = 0;
    const auto body = [&]() -> task<> {
        source.cancel();
        got = (co_await sluice::shielded(race(all.giving(1, 2s), all.giving(2, 1s)))).value();
    };
    co_await sluice::under(source, body());
    EXPECT_EQ(got, 2);
}

SIMULATED_TEST(Race, IsLazy) {
    bool ran = false;
    const auto run = [&]() -> task<> {
        ran = true;
        co_return;
    };
    {
        const auto never_awaited = race(run, run);
        co_await sluice::yield();
    }
    EXPECT_FALSE(ran);
}

struct cannot_start {
    cannot_start() = default;
    cannot_start(const cannot_start&) = default;
    // Moved once into the race, and then into its task.
    cannot_start(cannot_start&& other) : moves{other.moves + 1} {
        if (moves > 2) throw failure{"cannot start"};
    }
    task<value> operator()() const { co_return value{0}; }
    int moves = 0;
};

SIMULATED_TEST(Race, ARunnerThatCannotBeStartedEndsThoseBefore) {
    runners all;
    std::string said;
    std::vector<std::function<task<value>()>> some{all.giving(1, 1s)};
    const cannot_start broken;
    try {
        static_cast<void>(co_await race(all.giving(1, 1h), broken));
    } catch (const failure& e) {
        said = e.what();
    }
    EXPECT_TRUE(said == "cannot start" || said.empty());
    EXPECT_EQ(all.inside(), 0);
}

// --- all ends -------------------------------------------------------------------------------------------------------

SIMULATED_TEST(RaceAll, ShowsThoseWhoHadAnAnswerTogetherWithTheWinner) {
    runners all;
    const auto stubborn = []() -> task<value> {
        co_await sluice::shielded(sleep_for(2s));
        co_return value{3};
    };
    auto ends = co_await race_all(all.giving(1, 1h), all.giving(2, 1s), stubborn, all.failing("at once", 1s));
    EXPECT_EQ(ends.ends.size(), 4u);
    EXPECT_TRUE(ends.winner == 1 || ends.winner == 3);
    EXPECT_TRUE(ends.ends[0].was_canceled());
    EXPECT_TRUE(ends.ends[2]);
    EXPECT_EQ(ends.ends[2]->value(), 3);
    // The other of the two came at the same time: it may have been cancelled in its last wait.
    EXPECT_TRUE(ends.ends[ends.winner] ? ends.value().value() == 2 : what(ends.ends[3].error()) == "at once");
    EXPECT_EQ(all.inside(), 0);
}

SIMULATED_TEST(RaceAll, GivesTheFirstAnswerAsARaceWould) {
    const auto fails = []() -> task<> { throw failure{"no"}; };
    const auto waits = []() -> task<> { co_await sleep_for(1h); };
    auto ends = co_await race_all(waits, fails);
    EXPECT_EQ(ends.winner, 1u);
    bool failed = false;
    try {
        ends.value();
    } catch (const failure&) {
        failed = true;
    }
    EXPECT_TRUE(failed);
    EXPECT_TRUE(ends.ends[0].was_canceled());
    EXPECT_NE(ends.ends[0].error(), nullptr);
}

SIMULATED_TEST(RaceAll, LosesNoResult) {
    std::atomic<int> made{0};
    const auto make = [&]() -> task<value> {
        co_await sluice::yield();
        value v{++made};
        co_return v;
    };
    const auto ends = co_await race_all(make, make, make);
    int got = 0;
    for (const auto& e : ends.ends) got += e ? 1 : 0;
    EXPECT_EQ(got, made);
    EXPECT_EQ(value::live(), made);
}

// --- the first success ----------------------------------------------------------------------------------------------

// EG-17: anySuccessfulOrThrow
SIMULATED_TEST(FirstSuccess, PassesOverFailures) {
    runners all;
    const value v = co_await first_success(all.failing("a", 1s), all.giving(2, 2s), all.giving(3, 3s));
    EXPECT_EQ(v.value(), 2);
    EXPECT_EQ(all.inside(), 0);
}

// EG-17, EG-18
SIMULATED_TEST(FirstSuccess, ThrowsTheErrorsOfAllByPosition) {
    runners all;
    std::vector<std::string> said;
    std::string together;
    try {
        static_cast<void>(co_await first_success(all.failing("a", 2s), all.failing("b", 1s), all.failing("c", 3s)));
    } catch (const all_failed& e) {
        together = e.what();
        for (const auto& error : e.errors()) said.push_back(what(error));
    }
    EXPECT_EQ(said, (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(together, "all 3 failed: a; b; c");
    EXPECT_EQ(all.inside(), 0);
}

SIMULATED_TEST(FirstSuccess, IsCanceledAndHasNotFailedWhenItsContextEnds) {
    runners all;
    std::vector<std::function<task<value>()>> some{all.failing("a", 1s), all.giving(2, 1h)};
    const auto in_time = co_await sluice::timeout(2s, first_success(some));
    EXPECT_EQ(in_time.why(), sluice::status::timed_out);
    EXPECT_EQ(all.inside(), 0);
}

struct cannot_move {
    cannot_move() = default;
    cannot_move(cannot_move&&) { throw failure{"cannot move"}; }
};

SIMULATED_TEST(FirstSuccess, AResultThatCannotBeMovedOutIsAFailure) {
    const auto give = []() -> task<std::unique_ptr<cannot_move>> { co_return std::make_unique<cannot_move>(); };
    EXPECT_TRUE(co_await first_success(give));
    const auto move = []() -> task<cannot_move> { co_return cannot_move{}; };
    std::string said;
    try {
        static_cast<void>(co_await first_success(move));
    } catch (const all_failed& e) {
        said = what(e.errors()[0]);
    }
    EXPECT_EQ(said, "cannot move");
}

// --- hedged ---------------------------------------------------------------------------------------------------------

SIMULATED_TEST(Hedged, StartsTheNextOnlyWhenTheFirstIsSlow) {
    runners all;
    int started = 0;
    const auto second = [&] {
        ++started;
        return all.giving(2, 1s)();
    };
    EXPECT_EQ((co_await hedged(5s, all.giving(1, 4s), second)).value(), 1);
    EXPECT_EQ(started, 0);
    const auto began = clock::now();
    EXPECT_EQ((co_await hedged(5s, all.giving(1, 1h), second)).value(), 2);
    EXPECT_EQ(started, 1);
    EXPECT_EQ(clock::now() - began, 6s);
    EXPECT_EQ(all.inside(), 0);
}

SIMULATED_TEST(Hedged, AFailureStartsTheNextAtOnce) {
    runners all;
    const auto began = clock::now();
    EXPECT_EQ((co_await hedged(1h, all.failing("a", 1s), all.failing("b", 1s), all.giving(3, 1s))).value(), 3);
    EXPECT_EQ(clock::now() - began, 3s);
}

SIMULATED_TEST(Hedged, OneThatWaitedIsStillInTheRace) {
    runners all;
    std::vector<std::function<task<value>()>> some{all.giving(1, 3s), all.giving(2, 1h), all.giving(3, 1h)};
    EXPECT_EQ((co_await hedged(1s, some)).value(), 1);
    EXPECT_EQ(all.inside(), 0);
}

SIMULATED_TEST(Hedged, ThrowsTheErrorsOfAll) {
    runners all;
    std::size_t errors = 0;
    try {
        static_cast<void>(co_await hedged(1s, all.failing("a", 5s), all.failing("b", 2s)));
    } catch (const all_failed& e) {
        errors = e.errors().size();
    }
    EXPECT_EQ(errors, 2u);
    EXPECT_EQ(all.inside(), 0);
}

SIMULATED_TEST(Hedged, EndsWithItsContextBetweenTwoStarts) {
    runners all;
    const auto in_time = co_await sluice::timeout(3s, hedged(2s, all.giving(1, 1h), all.giving(2, 1h)));
    EXPECT_EQ(in_time.why(), sluice::status::timed_out);
    const auto at_once = co_await sluice::timeout(1s, hedged(2s, all.giving(1, 1h), all.giving(2, 1h)));
    EXPECT_EQ(at_once.why(), sluice::status::timed_out);
    EXPECT_EQ(all.inside(), 0);
}

// --- the first of handles -------------------------------------------------------------------------------------------

SIMULATED_TEST(FirstOf, TellsWhoEndedFirstAndLeavesTheOthersAlone) {
    runners all;
    auto slow = sluice::go(all.giving(1, 2s));
    auto quick = sluice::go(all.giving(2, 1s));
    EXPECT_EQ(co_await first_of(slow, quick), 1u);
    EXPECT_EQ(all.inside(), 1);
    EXPECT_EQ((co_await quick).value(), 2);
    EXPECT_EQ((co_await slow).value(), 1);
}

SIMULATED_TEST(FirstOf, ARangeOfHandles) {
    runners all;
    std::vector<sluice::join_handle<value>> handles;
    for (int i = 0; i < 4; ++i) handles.push_back(sluice::go(all.giving(i, i == 2 ? 1s : 1h)));
    EXPECT_EQ(co_await first_of(handles), 2u);
    EXPECT_EQ(all.inside(), 3);
    for (auto& h : handles) h.cancel();
    for (auto& h : handles) {
        try {
            static_cast<void>(co_await h);
        } catch (const canceled&) {}
    }
}

SIMULATED_TEST(FirstOf, IsCanceledWithoutTheTasks) {
    runners all;
    auto slow = sluice::go(all.giving(1, 2s));
    const auto in_time = co_await sluice::timeout(1s, first_of(slow));
    EXPECT_EQ(in_time.why(), sluice::status::timed_out);
    EXPECT_EQ((co_await slow).value(), 1);
}

// --- replica sets ---------------------------------------------------------------------------------------------------

struct replica {
    clock::duration after;
    int answer;  // negative: it fails
};

SIMULATED_TEST(QueryAll, GivesTheFirstSuccessOfEachSetInOrder) {
    std::atomic<int> inside{0};
    const auto ask = [&](const replica& r) -> task<value> {
        const presence here{inside};
        co_await sleep_for(r.after);
        if (r.answer < 0) throw failure{"down"};
        co_return value{r.answer};
    };
    const std::vector<std::vector<replica>> sets{{{3s, 1}, {9s, 2}}, {{1s, -1}, {2s, 3}}, {{1s, 4}}};
    const auto began = clock::now();
    const auto answers = co_await query_all(sets, ask);
    EXPECT_EQ(answers, (std::vector{value{1}, value{3}, value{4}}));
    EXPECT_EQ(clock::now() - began, 3s);
    EXPECT_EQ(inside, 0);
}

SIMULATED_TEST(QueryAll, ASetThatFailsCancelsTheOthers) {
    std::atomic<int> inside{0};
    const auto ask = [&](const replica& r) -> task<int> {
        const presence here{inside};
        co_await sleep_for(r.after);
        if (r.answer < 0) throw failure{"down"};
        co_return r.answer;
    };
    const std::vector<std::vector<replica>> sets{{{1h, 1}, {2h, 2}}, {{1s, -1}, {2s, -1}}};
    const auto began = clock::now();
    std::size_t errors = 0;
    try {
        static_cast<void>(co_await query_all(sets, ask));
    } catch (const all_failed& e) {
        errors = e.errors().size();
    }
    EXPECT_EQ(errors, 2u);
    EXPECT_EQ(clock::now() - began, 2s);
    EXPECT_EQ(inside, 0);
}

SIMULATED_TEST(QueryAll, OfNoSetsIsEmptyAndAPlainQueryWillDo) {
    const auto ask = [](int r) { return 10 * r; };
    EXPECT_TRUE((co_await query_all(std::vector<std::vector<int>>{}, ask)).empty());
    const std::vector<std::vector<int>> sets{{1, 1}, {2}};
    const auto answers = co_await query_all(sets, ask);
    EXPECT_EQ(answers, (std::vector{10, 20}));
}

// --- whatever happens -----------------------------------------------------------------------------------------------

task<> all_of_them(runners* all) {
    const std::vector<std::function<task<value>()>> some{all->giving(1, 2s), all->failing("a", 1s), all->giving(3, 2s)};
    static_cast<void>(co_await race(some));
    static_cast<void>(co_await first_success(some));
    static_cast<void>(co_await race_all(some));
    static_cast<void>(co_await hedged(1s, some));
    const std::vector<std::vector<int>> sets{{1, 2}, {3, 4}};
    const auto ask = [all](int n) { return all->giving(n, n * 1s)(); };
    static_cast<void>(co_await query_all(sets, ask));
}

void nobody_is_left(sluice::testing::chaos chaos) {
    const auto main = []() -> task<> {
        runners all;
        for (int i = 0; i < 3; ++i) {
            auto one = sluice::go(all_of_them, &all);
            try {
                co_await one;
            } catch (...) {}
            EXPECT_EQ(all.inside(), 0);
            EXPECT_EQ(value::live(), 0);
        }
    };
    sluice::testing::exploration_options often;
    often.chaos = chaos;
    EXPECT_SIMULATED(often, main);
}

// EG-17, EG-18
TEST(Race, LeavesNobodyBehindWhateverIsCanceled) { nobody_is_left(sluice::testing::chaos{.cancel = 0.05}); }

// EG-17, EG-18
TEST(Race, LeavesNobodyBehindWhateverFails) { nobody_is_left(sluice::testing::chaos{.fail = 0.05}); }

// --- threads --------------------------------------------------------------------------------------------------------

TEST(Race, AThreadBlocksForIt) {
    const auto one = []() -> task<int> { co_return 1; };
    const auto never = []() -> task<int> {
        co_await sleep_for(1h);
        co_return 0;
    };
    const auto blocks = [] { return *sluice::channel<int>{0}.receive(); };
    for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(sluice::wait(race(never, one)), 1);
        EXPECT_EQ(sluice::wait(first_success(one, blocks)), 1);
        EXPECT_EQ(sluice::wait(hedged(1h, one, never)), 1);
    }
}

TEST(Race, ManyAtATimeOnTwoWorkers) {
    std::atomic<int> inside{0};
    const auto here = [&]() -> task<int> {
        const presence one{inside};
        for (int i = 0; i < 3; ++i) co_await sluice::yield();
        co_return 1;
    };
    const auto main = [&]() -> task<> {
        sluice::errgroup all;
        const auto races = [&]() -> task<> {
            for (int i = 0; i < 200; ++i) EXPECT_EQ(co_await race(here, here, here), 1);
        };
        for (int i = 0; i < 8; ++i) all.go(races);
        co_await all.async_wait();
    };
    sluice::run({.workers = 2}, main);
    EXPECT_EQ(inside, 0);
}

// --- bad use --------------------------------------------------------------------------------------------------------

TEST(Race, OfAnEmptyRangeBreaksTheContract) {
    const std::vector<std::function<task<int>()>> none;
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(race(none)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(first_success(none)); }));
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(hedged(1s, none)); }));
    std::vector<sluice::join_handle<int>> no_handles;
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(first_of(no_handles)); }));
    const std::vector<std::vector<int>> no_replica{{1}, {}};
    EXPECT_TRUE(breaks_contract([&] { static_cast<void>(query_all(no_replica, [](int n) { return n; })); }));
}

TEST(Hedged, ANegativeDelayBreaksTheContractAndIsToldWithItsPlace) {
    const auto one = [] { return 1; };
    const auto told = sluice_test::violation_of([&] { static_cast<void>(hedged(-1s, one, one)); });
    ASSERT_TRUE(told);
    EXPECT_NE(std::string_view{told->where.file_name()}.find("race_test"), std::string_view::npos);
}

}  // namespace
