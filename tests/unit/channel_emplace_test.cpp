// SPDX-License-Identifier: BSL-1.0
// channel_emplace_test.cpp: where is an emplaced value built, and whose is it?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

using value = counted<struct emplaced>;

/// Tells how it was made.
struct made {
    made(int a, std::string b) : first{a}, second{std::move(b)} {}
    made(const made&) = delete;
    made(made&& other) noexcept = default;
    int first;
    std::string second;
    value counted_here{1};
};

class Emplace : public testing::Test {
protected:
    ~Emplace() override { EXPECT_EQ(value::live(), 0); }
};

// --- what is built ----------------------------------------------------------------------------------------------------

TEST_F(Emplace, BuildsTheValueOfItsArguments) {
    const channel<made> ch{2};
    ASSERT_TRUE(ch.emplace(1, "one"));
    ASSERT_TRUE(ch.try_emplace(2, std::string{"two"}));
    EXPECT_EQ(ch.receive()->second, "one");
    EXPECT_EQ(ch.receive()->first, 2);
}

struct aggregate {
    int a;
    int b;
    std::vector<int> c;
};

TEST_F(Emplace, BuildsAnAggregateOfItsMembers) {
    const channel<aggregate> ch{2};
    ASSERT_TRUE(ch.emplace());
    ASSERT_TRUE(ch.emplace(1, 2, std::vector{3, 4}));
    EXPECT_EQ(ch.receive()->a, 0);
    EXPECT_EQ(ch.receive()->c, (std::vector{3, 4}));
}

TEST_F(Emplace, WithoutArgumentsBuildsADefaultValue) {
    const channel<std::string> ch{1};
    ASSERT_TRUE(ch.emplace());
    EXPECT_EQ(*ch.receive(), "");
}

TEST_F(Emplace, PassesReferencesOn) {
    const channel<std::reference_wrapper<int>> ch{1};
    int mine = 1;
    ASSERT_TRUE(ch.emplace(mine));
    ch.receive()->get() = 2;
    EXPECT_EQ(mine, 2);
}

/// Neither copied nor moved before it is received: its move may throw, so it travels in a box.
struct boxed {
    explicit boxed(int v) : number{v} {}
    boxed(boxed&& other) : number{other.number} { ++moves; }
    int number;
    inline static int moves = 0;
};

TEST_F(Emplace, AValueWhoseMoveMayThrowIsBuiltWhereItStays) {
    const channel<boxed> ch{1};
    boxed::moves = 0;
    ASSERT_TRUE(ch.emplace(3));
    EXPECT_EQ(boxed::moves, 0);
    EXPECT_EQ(ch.receive()->number, 3);
}

TEST_F(Emplace, BoxedValuesNeedNoArgumentsEither) {
    struct fragile {
        fragile() = default;
        fragile(fragile&&) {}
    };
    const channel<fragile> ch{1};
    EXPECT_TRUE(ch.emplace());
    EXPECT_TRUE(ch.receive());
}

// T55
TEST_F(Emplace, AConstructorThatThrowsReachesTheSenderAndNothingHasChanged) {
    struct refuses {
        explicit refuses(int) { throw std::runtime_error{"built"}; }
    };
    const channel<refuses> ch{1};
    EXPECT_THROW(static_cast<void>(ch.emplace(1)), std::runtime_error);
    EXPECT_THROW(static_cast<void>(ch.try_emplace(1)), std::runtime_error);
    EXPECT_THROW(static_cast<void>(ch.async_emplace(1)), std::runtime_error);
    EXPECT_EQ(ch.size(), 0u);
    EXPECT_TRUE(nobody_waits(ch));
}

template <class Handle, class... Args>
concept emplaces = requires(const Handle& h, Args... args) { h.emplace(args...); };
static_assert(emplaces<sluice::sender<made>, int, const char*> && !emplaces<sluice::receiver<made>, int, const char*>);
static_assert(!emplaces<channel<made>, int> && !emplaces<channel<void>>);

// --- when it cannot be sent -------------------------------------------------------------------------------------------

TEST_F(Emplace, AValueThatCouldNotBeSentIsDestroyedWithTheOperationAndToldOf) {
    std::vector<int> told;
    const channel<value> full{0};
    const channel<value> closed{1};
    for (const auto& ch : {full, closed}) ch.on_undelivered([&](value&& v) { told.push_back(v.value()); });
    closed.close();
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    std::stop_source stop;
    stop.request_stop();

    EXPECT_EQ(closed.emplace(1).why(), status::closed);
    EXPECT_EQ(closed.try_emplace(2).why(), status::closed);
    EXPECT_EQ(full.try_emplace(3).why(), status::full);
    EXPECT_EQ(full.emplace_for(1ms, 4).why(), status::timed_out);
    EXPECT_EQ(full.emplace_until(std::chrono::steady_clock::now(), 5).why(), status::timed_out);
    EXPECT_EQ(full.emplace(ended.get(), 6).why(), status::canceled);
    EXPECT_EQ(full.emplace(stop.get_token(), 7).why(), status::canceled);
    EXPECT_EQ(value::live(), 0);
    EXPECT_EQ(told, (std::vector{1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(Emplace, AnOperationThatIsNeverUsedTakesItsValueWithIt) {
    int told = 0;
    const channel<value> ch{1};
    ch.on_undelivered([&](value&&) { ++told; });
    { [[maybe_unused]] const auto operation = ch.async_emplace(1); }
    EXPECT_EQ(told, 1);
    EXPECT_EQ(value::live(), 0);
    EXPECT_EQ(ch.size(), 0u);
}

// SE-23
TEST_F(Emplace, ACaseOfASelectThatDoesNotFireTakesItsValueWithIt) {
    const channel<value> full{0};
    sluice::sent result = status::ok;
    EXPECT_EQ(sluice::select(sluice::on(full.async_emplace(1), result), sluice::otherwise), 1u);
    EXPECT_EQ(value::live(), 0);
    const channel<value> ready{1};
    EXPECT_EQ(sluice::select(sluice::on(full.async_emplace(1), result), sluice::on(ready.async_emplace(2), result)),
              1u);
    EXPECT_EQ(ready.receive()->value(), 2);
}

TEST_F(Emplace, OnNilNothingIsSent) {
    const channel<value> nil;
    EXPECT_EQ(nil.try_emplace(1).why(), status::full);
    EXPECT_EQ(nil.emplace_for(1ms, 1).why(), status::timed_out);
}

// --- a context in front of the arguments ------------------------------------------------------------------------------

TEST_F(Emplace, AContextOrTokenInFrontIsNoArgumentOfTheValue) {
    const channel<std::string> ch{4};
    const auto open = sluice::with_cancel({});
    const std::stop_source stop;
    ASSERT_TRUE(ch.emplace(open.get(), "a"));
    ASSERT_TRUE(ch.emplace(open, 2u, 'b'));
    ASSERT_TRUE(ch.emplace(stop.get_token(), "c"));
    ASSERT_TRUE(ch.emplace(open.get()));
    EXPECT_EQ(ch.receive_some(4), (std::vector<std::string>{"a", "bb", "c", ""}));
}

TEST_F(Emplace, WhereAContextIsTheValueItIsSent) {
    const channel<sluice::context> ch{1};
    const auto mine = sluice::with_cancel({});
    ASSERT_TRUE(ch.emplace(mine.get()));
    EXPECT_EQ(*ch.receive(), mine.get());
}

// --- waiting, threads and tasks ---------------------------------------------------------------------------------------

template <class Callers>
class EmplaceBy : public Emplace {
protected:
    Callers by;
};
TYPED_TEST_SUITE(EmplaceBy, both_callers, caller_names);

template <class Callers>
auto start_emplace(Callers& by, channel<made> ch, sluice::context until = {}) {
    return by.start([](channel<made> c, sluice::context u) { return c.emplace(u, 7, "seven").why(); },
                    [](channel<made> c, sluice::context u) -> task<status> {
                        const sluice::sent s = co_await c.async_emplace(u, 7, "seven");
                        co_return s.why();
                    },
                    std::move(ch), std::move(until));
}

TYPED_TEST(EmplaceBy, WaitsForRoomAsASendDoes) {
    const channel<made> ch{0};
    auto sending = start_emplace(this->by, ch);
    eventually([&] { return senders_waiting(ch) == 1; });
    EXPECT_EQ(value::live(), 1);
    EXPECT_EQ(ch.receive()->second, "seven");
    EXPECT_EQ(sending.get(), status::ok);
}

TYPED_TEST(EmplaceBy, AClosedChannelEndsTheWaitAndTheValueIsDestroyed) {
    const channel<made> ch{0};
    auto sending = start_emplace(this->by, ch);
    eventually([&] { return senders_waiting(ch) == 1; });
    ch.close();
    EXPECT_EQ(sending.get(), status::closed);
    EXPECT_EQ(value::live(), 0);
}

TYPED_TEST(EmplaceBy, TheContextInFrontEndsTheWait) {
    const channel<made> ch{0};
    const auto stop = sluice::with_cancel({});
    auto sending = start_emplace(this->by, ch, stop.get());
    eventually([&] { return senders_waiting(ch) == 1; });
    stop.cancel();
    EXPECT_EQ(sending.get(), status::canceled);
    EXPECT_TRUE(nobody_waits(ch));
}

// compilers.md: nothing is destroyed twice in any awaited form.
task<int> emplace_in_every_form(channel<made> ch) {
    const auto open = sluice::with_cancel({});
    int count = 0;
    count += bool(co_await ch.async_emplace(1, "a"));
    count += bool(co_await ch.async_emplace(2, std::string(100, 'b')));
    count += bool(co_await ch.async_emplace(open.get(), 3, std::string(100, 'c')));
    count += bool(co_await ch.async_emplace(std::stop_token{}, 4, "d"));
    count += bool(co_await sluice::timeout(1h, ch.async_emplace(5, std::string(100, 'e'))));
    auto operation = ch.async_emplace(6, std::string(100, 'f'));
    count += bool(co_await operation);
    sluice::sent result = status::full;
    static_cast<void>(co_await sluice::async_select(sluice::on(ch.async_emplace(7, std::string(100, 'g')), result),
                                                    sluice::on_timeout(1h)));
    count += bool(result);
    ch.close();
    count += bool(co_await ch.async_emplace(8, std::string(100, 'h')));
    co_return count;
}

TEST_F(Emplace, EveryAwaitedFormSendsAndDestroysTheValueOnce) {
    for (const std::size_t capacity : {0u, 1u, 16u}) {
        sluice::runtime rt{workers(1)};
        const channel<made> ch{capacity};
        auto sending = rt.go(emplace_in_every_form, ch);
        int next = 1;
        for (auto& v : ch) EXPECT_EQ(v.first, next++);
        EXPECT_EQ(sending.get(), 7);
        EXPECT_EQ(next, 8);
        EXPECT_EQ(value::live(), 0) << "capacity " << capacity;
    }
}

TEST_F(Emplace, AReportNamesThePlaceWhereATaskWaits) {
    sluice::runtime rt{workers(1)};
    const channel<std::string> ch{0};
    const auto says = [&](const std::string& what) {
        std::ostringstream out;
        rt.dump(out);
        return out.str().find(what) != std::string::npos;
    };
    auto h = rt.go([](channel<std::string> c) -> task<> { static_cast<void>(co_await c.async_emplace(2u, 'x')); }, ch);
    eventually([&] { return senders_waiting(ch) == 1; });
    EXPECT_TRUE(says("channel_emplace_test.cpp:"));
    EXPECT_FALSE(says("a place not known"));
    ch.close();
    h.get();
}

}  // namespace
