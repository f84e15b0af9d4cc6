// SPDX-License-Identifier: BSL-1.0
// select_stress_test.cpp: does exactly one case of each select fire when many select at once?
//
// Few checks, many rounds; SLUICE_STRESS_SECONDS says how long each test works. A hang is a failure.

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "../support/callers.hpp"
#include "../support/ledger.hpp"
#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

/// How often `last`, which never waits, fired in a select although one of its channels was ready at every moment: a
/// token goes from one to the other, into the new place before it leaves the old one. The empty channels make a look at
/// all of them take longer.
template <class Last>
int fired_while_another_was_ready(Last last) {
    const stress_time time;
    const channel<int> a{4};
    const channel<int> b{4};
    const std::array<channel<int>, 6> empty{channel<int>{1}, channel<int>{1}, channel<int>{1},
                                            channel<int>{1}, channel<int>{1}, channel<int>{1}};
    EXPECT_TRUE(a.try_send(1));
    std::jthread moving{[&] {
        while (time.goes_on())
            for (int i = 0; i < 100; ++i) {
                static_cast<void>(b.send(1));
                static_cast<void>(a.receive());
                static_cast<void>(a.send(1));
                static_cast<void>(b.receive());
            }
    }};
    int found_nothing = 0;
    while (time.goes_on()) {
        const auto fired = sluice::select(on_receive(a), on_receive(b), on_receive(empty[0]), on_receive(empty[1]),
                                          on_receive(empty[2]), on_receive(empty[3]), on_receive(empty[4]),
                                          on_receive(empty[5]), last);
        if (fired == 8) ++found_nothing;
        else EXPECT_TRUE((fired == 0 ? a : b).try_send(1));
    }
    return found_nothing;
}

// SE-04
TEST(SelectStress, OtherwiseNeverRunsWhileOneOfTheChannelsIsReady) {
    EXPECT_EQ(fired_while_another_was_ready(sluice::otherwise), 0);
}
// T25
TEST(SelectStress, NoTimeHasPassedWhileOneOfTheChannelsIsReady) {
    EXPECT_EQ(fired_while_another_was_ready(sluice::on_timeout(std::chrono::seconds{0})), 0);
}

// SE-04: it becomes ready by a close before the other one is emptied.
TEST(SelectStress, OtherwiseNeverRunsWhileOneOfTheChannelsIsReadyOrClosed) {
    const stress_time time;
    sluice::runtime rt{workers(1)};
    while (time.goes_on()) {
        const channel<int> a{1};
        const channel<int> b{1};
        ASSERT_TRUE(a.try_send(1));
        auto other = rt.go(
            [](channel<int> x, channel<int> y) -> task<std::size_t> {
                co_return co_await sluice::async_select(on_receive(x), on_receive(y), sluice::otherwise);
            },
            a, b);
        b.close();
        static_cast<void>(a.try_receive());
        ASSERT_NE(other.get(), 2u);
    }
}

// SE-25, T21, T28: sends, receives and selects of both kinds, channels listed in both orders.
TEST(SelectStress, ChaosOnFourChannelsLosesNothing) {
    const stress_time time;
    ledger book;
    const std::array<channel<int>, 4> chs{channel<int>{0}, channel<int>{0}, channel<int>{1}, channel<int>{3}};
    sluice::runtime rt{workers(2)};
    threads by;

    struct world {
        const std::array<channel<int>, 4>& chs;
        ledger& book;
        const stress_time& time;
    };
    const world w{chs, book, time};

    const auto send_by_select = [](const world* in, std::uint64_t seed) {
        random_numbers random{seed};
        while (in->time.goes_on()) {
            const int v = static_cast<int>(random.below(1000));
            const auto& a = in->chs[random.below(4)];
            const auto& b = in->chs[random.below(4)];
            sluice::sent s = status::full;
            if (random.below(3) == 0) s = a.send(v);
            else sluice::select(on_send(a, v, s), on_send(b, v, s));
            if (s) in->book.note_sent(v);
        }
        return 0;
    };
    const auto send_by_async_select = [](const world* in, std::uint64_t seed) -> task<int> {
        random_numbers random{seed};
        while (in->time.goes_on()) {
            const int v = static_cast<int>(random.below(1000));
            const auto& a = in->chs[random.below(4)];
            const auto& b = in->chs[random.below(4)];
            sluice::sent s = status::full;
            if (random.below(3) == 0) s = co_await a.async_send(v);
            else static_cast<void>(co_await sluice::async_select(on_send(a, v, s), on_send(b, v, s)));
            if (s) in->book.note_sent(v);
        }
        co_return 0;
    };
    const auto receive_by_select = [](const world* in, std::uint64_t seed) {
        random_numbers random{seed};
        for (;;) {
            const auto first = random.below(4);
            sluice::received<int> v;
            sluice::select(on_receive(in->chs[first], v), on_receive(in->chs[(first + 1) % 4], v),
                           on_receive(in->chs[(first + 2) % 4], v), on_receive(in->chs[(first + 3) % 4], v));
            if (!v) return 0;
            in->book.note_received(*v);
        }
    };
    const auto receive_by_async_select = [](const world* in, std::uint64_t seed) -> task<int> {
        random_numbers random{seed};
        for (;;) {
            const auto first = random.below(4);
            sluice::received<int> v;
            static_cast<void>(co_await sluice::async_select(
                on_receive(in->chs[first], v), on_receive(in->chs[(first + 3) % 4], v),
                on_receive(in->chs[(first + 2) % 4], v), on_receive(in->chs[(first + 1) % 4], v)));
            if (!v) co_return 0;
            in->book.note_received(*v);
        }
    };

    std::vector<sluice::join_handle<int>> receiving;
    std::vector<sluice::join_handle<int>> sending;
    std::vector<on_a_thread<int>> receiving_threads;
    std::vector<on_a_thread<int>> sending_threads;
    for (std::uint64_t i = 0; i < 3; ++i) {
        receiving.push_back(rt.go(receive_by_async_select, &w, 10 + i));
        sending.push_back(rt.go(send_by_async_select, &w, 20 + i));
    }
    for (std::uint64_t i = 0; i < 2; ++i) {
        receiving_threads.push_back(by.start(receive_by_select, 0, &w, 30 + i));
        sending_threads.push_back(by.start(send_by_select, 0, &w, 40 + i));
    }
    for (auto& s : sending) s.get();
    for (auto& s : sending_threads) s.get();
    for (const auto& ch : chs)
        while (const auto v = ch.try_receive()) book.note_received(*v);
    for (const auto& ch : chs) ch.close();
    for (auto& r : receiving) r.get();
    for (auto& r : receiving_threads) r.get();
    book.expect_balance();
}

/// Both of `select { send mine, receive theirs }`. Tells what it received, or -1 when its own value went.
task<int> exchange(channel<int> out, channel<int> in, int mine) {
    sluice::received<int> v;
    if (co_await sluice::async_select(on_send(out, mine), on_receive(in, v)) == 0) co_return -1;
    co_return *v;
}
int exchange_blocking(channel<int> out, channel<int> in, int mine) {
    sluice::received<int> v;
    if (sluice::select(on_send(out, mine), on_receive(in, v)) == 0) return -1;
    return *v;
}

// SE-09, T22
TEST(SelectStress, TwoSelectsOnOneRendezvousMeetEachOtherAndNeverThemselves) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    const channel<int> ch{0};
    while (time.goes_on()) {
        auto other = rt.go(exchange, ch, ch, 2);
        const int mine = exchange_blocking(ch, ch, 1);
        const int theirs = other.get();
        ASSERT_TRUE((mine == -1 && theirs == 1) || (mine == 2 && theirs == -1)) << mine << ' ' << theirs;
    }
}

// SE-11
TEST(SelectStress, SelectsThatSendAndReceiveCrosswiseNeitherLockNorLoseAnything) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    const channel<int> a{0};
    const channel<int> b{0};
    while (time.goes_on()) {
        auto other = rt.go(exchange, b, a, 2);
        const int mine = exchange_blocking(a, b, 1);
        const int theirs = other.get();
        ASSERT_TRUE((mine == -1 && theirs == 1) || (mine == 2 && theirs == -1)) << mine << ' ' << theirs;
    }
}

template <class Callers>
class SelectStressBy : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(SelectStressBy, both_callers, caller_names);

// SE-10
TYPED_TEST(SelectStressBy, ManySelectsOnOneRendezvousFindPartners) {
    const stress_time time;
    const channel<int> ch{0};
    while (time.goes_on()) {
        std::vector<decltype(this->by.start(exchange_blocking, exchange, ch, ch, 0))> all;
        for (int i = 0; i < 55; ++i) all.push_back(this->by.start(exchange_blocking, exchange, ch, ch, i));
        ASSERT_TRUE(ch.send(55));  // 55 are an odd number: one is left for this one
        int receivers = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const int got = all[i].get();
            ASSERT_NE(got, static_cast<int>(i));
            receivers += got >= 0;
        }
        ASSERT_EQ(receivers, 28);
    }
}

// T40, T42: contexts that end by their own deadline while waits come and go.
TEST(SelectStress, WaitsUnderContextsThatEndAtAnyMomentLoseNothing) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    threads by;
    ledger book;
    const channel<int> a{0};
    const channel<int> b{0};
    auto in_task = rt.go(
        [](channel<int> x, channel<int> y, ledger* to) -> task<> {
            for (int i = 0;; ++i) {
                const auto soon = sluice::with_timeout({}, std::chrono::microseconds{i % 60});
                sluice::received<int> v;
                static_cast<void>(
                    co_await sluice::async_select(on_receive(x, v), on_receive(y, v), sluice::on_done(soon)));
                if (v == status::closed) co_return;
                if (v) to->note_received(*v);
            }
        },
        a, b, &book);
    auto in_thread = by.start(
        [](channel<int> x, channel<int> y, ledger* to) {
            for (int i = 0;; ++i) {
                const auto soon = sluice::with_timeout({}, std::chrono::microseconds{i % 60});
                sluice::received<int> v;
                sluice::select(on_receive(y, v), on_receive(x, v), sluice::on_done(soon));
                if (v == status::closed) return 0;
                if (v) to->note_received(*v);
            }
        },
        0, a, b, &book);
    for (int i = 0; time.goes_on(); ++i) {
        const auto soon = sluice::with_timeout({}, std::chrono::microseconds{i % 40});
        sluice::sent s = status::full;
        sluice::select(on_send(a, i, s), on_send(b, i, s), sluice::on_done(soon));
        if (s) book.note_sent(i);
    }
    a.close();
    b.close();
    in_task.get();
    in_thread.get();
    book.expect_balance();
}

}  // namespace
