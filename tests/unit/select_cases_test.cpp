// SPDX-License-Identifier: BSL-1.0
// select_cases_test.cpp: what does each kind of case do, in each of its forms, for threads and for tasks?

#include <sluice/select.hpp>
#include <sluice/sized_wait_group.hpp>

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::context;
using sluice::on;
using sluice::on_receive;
using sluice::on_send;
using sluice::received;
using sluice::sent;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

/// Selects over a channel that stays quiet and the cases that `make...` give; tells the position.
template <class... Make>
std::size_t select_of(channel<int> quiet, Make... make) {
    return sluice::select(on_receive(quiet), make()...);
}
template <class... Make>
task<std::size_t> async_select_of(channel<int> quiet, Make... make) {
    co_return co_await sluice::async_select(on_receive(quiet), make()...);
}

template <class Callers>
class EachCase : public testing::Test {
protected:
    template <class... Make>
    auto start(Make... make) {
        return by.start(select_of<Make...>, async_select_of<Make...>, quiet, make...);
    }
    /// Which case fires without waiting.
    template <class... Make>
    std::size_t fires(Make... make) {
        return start(make...).get();
    }
    /// Which case fires when `cause` is called after the select has begun to wait.
    template <class Cause, class... Make>
    std::size_t fires_after(Cause cause, Make... make) {
        auto selecting = start(make...);
        eventually([&] { return receivers_waiting(quiet) == 1; });
        EXPECT_FALSE(selecting.done());
        cause();
        const std::size_t position = selecting.get();
        EXPECT_TRUE(nobody_waits(quiet));
        return position;
    }

    Callers by;
    const channel<int> quiet{0};
};
TYPED_TEST_SUITE(EachCase, both_callers, caller_names);

// --- channels -------------------------------------------------------------------------------------------------------

TYPED_TEST(EachCase, OfAReceive) {
    const channel<int> ch{4};
    EXPECT_EQ(ch.send_all(std::vector{1, 2, 3, 4}), 4u);
    received<int> stored;
    std::optional<int> optional;
    int handled = 0;
    auto handler = [&](received<int> v) { handled = *v; };
    EXPECT_EQ(this->fires([&] { return on_receive(ch); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_receive(ch, stored); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_receive(ch, optional); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_receive(ch, handler); }), 1u);
    EXPECT_EQ(*stored, 2);
    EXPECT_EQ(optional, 3);
    EXPECT_EQ(handled, 4);
    EXPECT_EQ(this->fires_after([&] { EXPECT_TRUE(ch.try_send(5)); }, [&] { return on_receive(ch, handler); }), 1u);
    EXPECT_EQ(handled, 5);
}

TYPED_TEST(EachCase, OfAReceiveWithoutAValue) {
    const channel<void> ch{3};
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.try_send());
    received<void> stored;
    status handled = status::empty;
    auto handler = [&](received<void> v) { handled = v.why(); };
    EXPECT_EQ(this->fires([&] { return on_receive(ch); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_receive(ch, stored); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_receive(ch, handler); }), 1u);
    EXPECT_EQ(stored.why(), status::ok);
    EXPECT_EQ(handled, status::ok);
    EXPECT_EQ(this->fires_after([&] { EXPECT_TRUE(ch.try_send()); }, [&] { return on_receive(ch, stored); }), 1u);
    EXPECT_EQ(this->fires_after([&] { ch.close(); }, [&] { return on_receive(ch, stored); }), 1u);
    EXPECT_EQ(stored.why(), status::closed);
}

TYPED_TEST(EachCase, OfASend) {
    const channel<int> ch{3};
    const std::array values{1, 2, 3, 4};
    sent stored;
    status handled = status::full;
    auto handler = [&](sent s) { handled = s.why(); };
    EXPECT_EQ(this->fires([&] { return on_send(ch, values[0]); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_send(ch, values[1], stored); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_send(ch, values[2], handler); }), 1u);
    EXPECT_EQ(stored.why(), status::ok);
    EXPECT_EQ(handled, status::ok);
    EXPECT_EQ(this->fires_after([&] { EXPECT_EQ(*ch.try_receive(), 1); }, [&] { return on_send(ch, values[3]); }), 1u);
    EXPECT_EQ(ch.try_receive_some(9), (std::vector{2, 3, 4}));
}

TYPED_TEST(EachCase, OfASendWithoutAValue) {
    const channel<void> ch{3};
    sent stored = status::full;
    status handled = status::full;
    auto handler = [&](sent s) { handled = s.why(); };
    EXPECT_EQ(this->fires([&] { return on_send(ch); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_send(ch, stored); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_send(ch, handler); }), 1u);
    EXPECT_EQ(stored.why(), status::ok);
    EXPECT_EQ(handled, status::ok);
    EXPECT_EQ(ch.size(), 3u);
    EXPECT_EQ(this->fires_after([&] { EXPECT_TRUE(ch.try_receive()); }, [&] { return on_send(ch, stored); }), 1u);
    EXPECT_EQ(this->fires_after([&] { ch.close(); }, [&] { return on_send(ch, stored); }), 1u);
    EXPECT_EQ(stored.why(), status::closed);
}

TYPED_TEST(EachCase, MayHaveAHandlerThatTakesNothing) {
    const channel<int> ch{2};
    const int value = 1;
    int called = 0;
    auto handler = [&] { ++called; };
    EXPECT_EQ(this->fires([&] { return on_send(ch, value, handler); }), 1u);
    EXPECT_EQ(this->fires([&] { return on_receive(ch, handler); }), 1u);
    EXPECT_EQ(called, 2);
}

// --- ends and times -------------------------------------------------------------------------------------------------

TYPED_TEST(EachCase, OfTheEndOfAContextOrToken) {
    const auto stop = sluice::with_cancel({});
    std::stop_source source;
    int handled = 0;
    auto handler = [&] { ++handled; };
    EXPECT_EQ(this->fires_after([&] { stop.cancel(); }, [&] { return sluice::on_done(stop); }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_done(stop, handler); }), 1u);
    EXPECT_EQ(this->fires_after([&] { source.request_stop(); }, [&] { return sluice::on_done(source.get_token()); }),
              1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_done(source.get_token(), handler); }), 1u);
    EXPECT_EQ(handled, 2);
}

TYPED_TEST(EachCase, OfATime) {
    int handled = 0;
    auto handler = [&] { ++handled; };
    const auto past = sluice::clock::now();
    EXPECT_EQ(this->fires([&] { return sluice::on_timeout(2ms); }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_timeout(0ms, handler); }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_deadline(past); }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_deadline(past, handler); }), 1u);
    EXPECT_EQ(handled, 2);
}

TYPED_TEST(EachCase, OfOtherwise) {
    int handled = 0;
    auto handler = [&] { ++handled; };
    EXPECT_EQ(this->fires([&] { return sluice::otherwise; }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::otherwise_do(handler); }), 1u);
    EXPECT_EQ(handled, 1);
}

// --- groups, permits, tasks -----------------------------------------------------------------------------------------

TYPED_TEST(EachCase, OfTheEndOfAGroup) {
    sluice::wait_group group;
    sluice::sized_wait_group sized{1};
    bool stored = false;
    bool handled = false;
    auto handler = [&](bool over) { handled = over; };
    EXPECT_EQ(this->fires([&] { return sluice::on_wait(group); }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_wait(sized, stored); }), 1u);
    group.add();
    EXPECT_EQ(this->fires_after([&] { group.done(); }, [&] { return sluice::on_wait(group, handler); }), 1u);
    EXPECT_TRUE(stored);
    EXPECT_TRUE(handled);
}

TYPED_TEST(EachCase, OfAGroupThrowsWhatItsWaitWouldThrow) {
    sluice::wait_group group;
    group.go([] { throw std::runtime_error{"failed"}; });
    bool handled = false;
    auto handler = [&] { handled = true; };
    EXPECT_THROW(this->fires([&] { return sluice::on_wait(group, handler); }), std::runtime_error);
    EXPECT_FALSE(handled);
}

TYPED_TEST(EachCase, OfPermits) {
    sluice::semaphore permits{4};
    bool stored = false;
    bool handled = false;
    auto handler = [&](bool taken) { handled = taken; };
    EXPECT_EQ(this->fires([&] { return sluice::on_acquire(permits); }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_acquire(permits, 2, stored); }), 1u);
    EXPECT_TRUE(stored);
    EXPECT_EQ(permits.available(), 1u);
    EXPECT_EQ(this->fires_after([&] { permits.release(3); }, [&] { return sluice::on_acquire(permits, 4, handler); }),
              1u);
    EXPECT_TRUE(handled);
    EXPECT_EQ(permits.available(), 0u);
    EXPECT_EQ(this->fires([&] { return sluice::on_acquire(permits); }, [] { return sluice::otherwise; }), 2u);
    permits.release(4);
}

TYPED_TEST(EachCase, OfTheEndOfATaskLeavesTheResultWithTheHandle) {
    sluice::runtime rt;
    const channel<int> gate{0};
    const auto pass_on = [](channel<int> from) -> task<int> { co_return *co_await from.async_receive(); };
    auto first = rt.go(pass_on, gate);
    auto second = rt.go([](channel<int> from) -> task<> { static_cast<void>(co_await from.async_receive()); }, gate);
    status stored = status::empty;
    status handled = status::empty;
    auto handler = [&](status s) { handled = s; };
    EXPECT_EQ(this->fires_after(
                  [&] {
                      EXPECT_TRUE(gate.send(7));
                      EXPECT_TRUE(gate.send(7));
                  },
                  [&] { return sluice::on_join(first, stored); }),
              1u);
    EXPECT_EQ(stored, status::ok);
    EXPECT_EQ(this->fires([&] { return sluice::on_join(second); }), 1u);
    EXPECT_EQ(this->fires([&] { return sluice::on_join(second, handler); }), 1u);
    EXPECT_EQ(handled, status::ok);
    EXPECT_EQ(first.get(), 7);
    second.get();
}

// --- any operation --------------------------------------------------------------------------------------------------

TYPED_TEST(EachCase, OfAnyOperation) {
    const channel<int> ch{8};
    const int one = 1;
    int handled = 0;
    auto handler = [&](received<int> v) { handled = *v; };
    std::vector<int> several;
    EXPECT_EQ(this->fires([&] { return on(ch.async_send(one)); }), 1u);
    EXPECT_EQ(ch.send_all(std::vector{2, 3, 4, 5}), 4u);
    EXPECT_EQ(this->fires([&] { return on(ch.async_receive()); }), 1u);
    EXPECT_EQ(this->fires([&] { return on(ch.async_receive(), handler); }), 1u);
    EXPECT_EQ(this->fires([&] { return on(ch.async_receive_some(9), several); }), 1u);
    EXPECT_EQ(handled, 2);
    EXPECT_EQ(several, (std::vector{3, 4, 5}));
}

TYPED_TEST(EachCase, OfAnOperationGivesItsResult) {
    sluice::semaphore permits{2};
    sluice::permit held;
    sluice::runtime rt;
    auto value = rt.go([] { return std::string(50, 'x'); });
    auto nothing = rt.go([] {});
    std::string stored;
    bool handled = false;
    auto handler = [&] { handled = true; };
    EXPECT_EQ(this->fires([&] { return on(permits.async_hold(2), held); }), 1u);
    EXPECT_EQ(permits.available(), 0u);
    EXPECT_EQ(this->fires([&] { return on(value.async_get(), stored); }), 1u);
    EXPECT_EQ(stored, std::string(50, 'x'));
    EXPECT_EQ(this->fires([&] { return on(nothing.async_get(), handler); }), 1u);
    EXPECT_TRUE(handled);
}

TYPED_TEST(EachCase, MayReferToANamedOperation) {
    const channel<counted<>> ch{1};
    {
        counted<> value{5};
        sent stored = status::full;
        received<counted<>> got;
        auto send = ch.async_send(std::move(value));
        auto receive = ch.async_receive();
        EXPECT_EQ(this->fires([&] { return on(send, stored); }), 1u);
        EXPECT_EQ(this->fires([&] { return on(receive, got); }), 1u);
        EXPECT_EQ(got->value(), 5);
    }
    EXPECT_EQ(counted<>::live(), 0);
}

TYPED_TEST(EachCase, OfAnOperationWithAContextFiresWhenThatEnds) {
    const channel<int> ch{1};
    const auto stop = sluice::with_cancel({});
    received<int> stored;
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(this->fires([&] { return on(ch.async_receive(stop), stored); }), 1u);
    EXPECT_EQ(*stored, 1);
    EXPECT_EQ(
        this->fires_after([&] { EXPECT_TRUE(ch.try_send(2)); }, [&] { return on(ch.async_receive(stop), stored); }),
        1u);
    EXPECT_EQ(*stored, 2);
    EXPECT_EQ(this->fires_after([&] { stop.cancel(); }, [&] { return on(ch.async_receive(stop), stored); }), 1u);
    EXPECT_EQ(stored.why(), status::canceled);
    ASSERT_TRUE(ch.try_send(3));  // its end wins over the value
    EXPECT_EQ(this->fires([&] { return on(ch.async_receive(stop), stored); }), 1u);
    EXPECT_EQ(stored.why(), status::canceled);
    auto named = ch.async_receive(stop);
    EXPECT_EQ(this->fires([&] { return on(named, stored); }), 1u);
    EXPECT_EQ(stored.why(), status::canceled);
}

TYPED_TEST(EachCase, OfAnOperationWithATimeFiresWhenThatHasPassed) {
    const channel<int> ch{1};
    received<int> stored;
    EXPECT_EQ(this->fires([&] { return on(sluice::timeout(1ms, ch.async_receive()), stored); },
                          [&] { return sluice::on_timeout(1h); }),
              1u);
    EXPECT_EQ(stored.why(), status::timed_out);
    ASSERT_TRUE(ch.try_send(1));
    EXPECT_EQ(this->fires([&] { return on(sluice::timeout(0ms, ch.async_receive()), stored); }), 1u);
    EXPECT_EQ(*stored, 1);
}

TYPED_TEST(EachCase, OfAnOperationThatOnlyWaitsForATimeOrAContext) {
    const auto stop = sluice::with_cancel({});
    int handled = 0;
    auto handler = [&] { ++handled; };
    EXPECT_EQ(this->fires([&] { return on(sluice::sleep_for(1ms)); }), 1u);
    EXPECT_EQ(this->fires([&] { return on(sluice::sleep_for(1ms), handler); }), 1u);
    EXPECT_EQ(this->fires_after([&] { stop.cancel(); }, [&] { return on(stop.get().async_done()); }), 1u);
    EXPECT_EQ(this->fires([&] { return on(stop.get().async_done(), handler); }), 1u);
    EXPECT_EQ(handled, 2);
}

// Settled: `prioritized` is exactly the order given.
TEST(SelectCases, WithPriorityAnOperationWithAContextIsTriedInItsTurn) {
    const channel<int> ready{4};
    EXPECT_EQ(ready.send_all(std::vector{1, 2}), 2u);
    const channel<int> other{0};
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    received<int> v;
    EXPECT_EQ(sluice::select(sluice::prioritized, on_receive(ready), on(other.async_receive(ended), v)), 0u);
    EXPECT_EQ(sluice::select(sluice::prioritized, on(ready.async_receive(ended), v), on_receive(ready)), 0u);
    EXPECT_EQ(v.why(), status::canceled);
    EXPECT_EQ(ready.size(), 1u);
}

}  // namespace
