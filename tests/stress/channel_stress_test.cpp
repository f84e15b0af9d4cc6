// SPDX-License-Identifier: BSL-1.0
// channel_stress_test.cpp: is nothing lost, doubled or stuck when many threads and tasks do everything at once?
//
// Few checks, many rounds; SLUICE_STRESS_SECONDS says how long each test works. A hang is a failure.

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
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

// --- conservation -----------------------------------------------------------------------------------------------------

struct message {
    int sender;
    int number;
};

/// Checks that the values of each sender come in their order; one receiver's view.
class order_check {
public:
    void see(const message& m) {
        auto& last = last_[static_cast<std::size_t>(m.sender)];
        EXPECT_LT(last, m.number);
        last = m.number;
        ++count_;
    }
    long long count() const { return count_; }

private:
    std::array<int, 4> last_{-1, -1, -1, -1};
    long long count_ = 0;
};

class Conservation : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Capacity, Conservation, testing::Values(0, 1, 4, 100), testing::PrintToStringParamName());

// MX-01, CH-11, T5
TEST_P(Conservation, ThreadsAndTasksOnBothEndsKeepTheOrderOfEachSender) {
    const channel<message> ch{GetParam()};
    const stress_time time;
    sluice::runtime rt{workers(2)};
    threads by;

    const auto send = [](channel<message> c, int me, const stress_time* t) {
        int n = 0;
        while (t->goes_on() && c.send(message{me, n})) ++n;
        return n;
    };
    const auto send_in_task = [](channel<message> c, int me, const stress_time* t) -> task<int> {
        int n = 0;
        while (t->goes_on()) {
            if (!co_await c.async_send(message{me, n})) break;
            ++n;
        }
        co_return n;
    };
    const auto receive = [](channel<message> c) {
        order_check seen;
        while (const auto m = c.receive()) seen.see(*m);
        return seen.count();
    };
    const auto receive_in_task = [](channel<message> c) -> task<long long> {
        order_check seen;
        while (const auto m = co_await c.async_receive()) seen.see(*m);
        co_return seen.count();
    };

    auto to_task_a = rt.go(receive_in_task, ch);
    auto to_task_b = rt.go(receive_in_task, ch);
    auto to_thread_a = by.start(receive, 0, ch);
    auto to_thread_b = by.start(receive, 0, ch);
    auto from_task_a = rt.go(send_in_task, ch, 0, &time);
    auto from_task_b = rt.go(send_in_task, ch, 1, &time);
    auto from_thread_a = by.start(send, 0, ch, 2, &time);
    auto from_thread_b = by.start(send, 0, ch, 3, &time);
    const long long sent = from_task_a.get() + from_task_b.get() + from_thread_a.get() + from_thread_b.get();
    ch.close();
    EXPECT_EQ(sent, to_task_a.get() + to_task_b.get() + to_thread_a.get() + to_thread_b.get());
    EXPECT_GT(sent, 0);
}

// CL-06, T12: while it is drained it is never open and empty; what was sent is received, what was refused is not.
TEST(ChannelStress, AClosePartsWhatIsReceivedFromWhatWasRefused) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    while (time.goes_on()) {
        const channel<int> ch{2};
        const auto send = [](channel<int> c) -> task<int> {
            int n = 0;
            for (;;) {
                if (!co_await c.async_send(n)) co_return n;
                ++n;
            }
        };
        auto a = rt.go(send, ch);
        auto b = rt.go(send, ch);
        int received = 0;
        for (; received < 5; ++received) ASSERT_TRUE(ch.receive());
        ch.close();
        for (;;) {
            const auto v = ch.try_receive();
            if (v) {
                ++received;
                continue;
            }
            ASSERT_EQ(v.why(), status::closed);
            break;
        }
        ASSERT_EQ(a.get() + b.get(), received);
    }
}

// CH-22, CH-23
TEST(ChannelStress, ValuesAreDestroyedOnceWhenBothHalvesGoAtAnyMoment) {
    using value = counted<struct halves>;
    const stress_time time;
    sluice::runtime rt{workers(2)};
    random_numbers random{1};
    while (time.goes_on()) {
        auto [in, out] = sluice::make_channel<value>(random.below(3));
        const auto send = [](sluice::sender<value> s, unsigned n) -> task<> {
            for (unsigned i = 0; i < n; ++i) {
                value v{static_cast<int>(i)};
                const auto sent = co_await s.async_send(std::move(v));
                if (!sent) {
                    EXPECT_FALSE(v.is_moved_from());
                    co_return;
                }
            }
        };
        const auto receive = [](sluice::receiver<value> r, unsigned n) -> task<> {
            for (unsigned i = 0; i < n; ++i)
                if (const auto v = co_await r.async_receive(); !v) co_return;
        };
        auto a = rt.go(send, std::move(in), random.below(8));
        auto b = rt.go(receive, std::move(out), random.below(8));
        in = {};
        out = {};
        a.get();
        b.get();
        ASSERT_EQ(value::live(), 0);
    }
}

// --- try_ forms tell the truth --------------------------------------------------------------------------------------------

// CH-17
TEST(ChannelStress, TryReceiveNeverFindsAnOpenChannelEmptyThatIsNot) {
    const stress_time time;
    sluice::runtime rt{workers(1)};
    while (time.goes_on()) {
        const channel<int> ch{1};
        ASSERT_TRUE(ch.try_send(1));
        auto other = rt.go([](channel<int> c) -> task<status> { co_return c.try_receive().why(); }, ch);
        ch.close();
        static_cast<void>(ch.receive());
        ASSERT_NE(other.get(), status::empty);
    }
}

// --- ends that race with values --------------------------------------------------------------------------------------------

// T9, SE-24
TEST(ChannelStress, AReceiveThatRacesWithATimeLosesNoValue) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    threads by;
    ledger book;
    const channel<int> ch{0};
    auto in_task = rt.go(
        [](channel<int> c, ledger* b) -> task<> {
            for (int i = 0;; ++i) {
                if (i % 2) {
                    const auto v = co_await sluice::timeout(std::chrono::microseconds{i % 50}, c.async_receive());
                    if (v == status::closed) co_return;
                    if (v) b->note_received(*v);
                } else {
                    sluice::received<int> v;
                    static_cast<void>(co_await sluice::async_select(
                        on_receive(c, v), sluice::on_timeout(std::chrono::microseconds{i % 50})));
                    if (v == status::closed) co_return;
                    if (v) b->note_received(*v);
                }
            }
        },
        ch, &book);
    auto in_thread = by.start(
        [](channel<int> c, ledger* b) {
            for (int i = 0;; ++i) {
                const auto v = c.receive_for(std::chrono::microseconds{i % 50});
                if (v == status::closed) return 0;
                if (v) b->note_received(*v);
            }
        },
        0, ch, &book);
    for (int i = 0; time.goes_on(); ++i) {
        if (ch.send_for(i, std::chrono::microseconds{i % 30})) book.note_sent(i);
    }
    ch.close();
    in_task.get();
    in_thread.get();
    book.expect_balance();
}

// T40, T2, T10
TEST(ChannelStress, AReceiveThatRacesWithACancelHasEitherTheValueOrNone) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    tasks by_tasks;
    const channel<int> ch{0};
    for (int round = 0; time.goes_on(); ++round) {
        const auto stop = sluice::with_cancel({});
        auto receiving = start_receive(by_tasks, ch, stop.get());
        auto sending = rt.go(
            [](channel<int> c, int v, int pauses) -> task<bool> {
                for (int i = 0; i < pauses; ++i) co_await sluice::yield();
                const auto s = c.try_send(v);
                co_return static_cast<bool>(s);
            },
            ch, round, round % 5);
        for (int i = 0; i < round % 7; ++i) std::this_thread::yield();
        stop.cancel();
        const auto v = receiving.get();
        const bool sent = sending.get();
        ASSERT_EQ(static_cast<bool>(v), sent);
        ASSERT_EQ(v.why(), sent ? status::ok : status::canceled);
        ASSERT_EQ(sent ? *v : round, round);
    }
}

/// Spends up to `most` turns, so that the two sides of a race meet at every point of it.
void linger(random_numbers& random, unsigned most) {
    for (unsigned i = random.below(most); i > 0; --i) sluice::detail::cpu_relax();
}

// T40, T6: between the look at the context and the sleep.
TEST(ChannelStress, ACancelAtTheBeginningOfAThreadsWaitIsNeverMissed) {
    const stress_time time;
    const channel<int> never{0};
    std::atomic<const sluice::context_source*> begun{nullptr};
    std::jthread cancelling{[&](std::stop_token end) {
        random_numbers random{2};
        while (!end.stop_requested())
            if (const auto* const source = begun.exchange(nullptr)) {
                linger(random, 60);
                source->cancel();
            }
    }};
    random_numbers random{3};
    while (time.goes_on()) {
        const auto source = sluice::with_cancel({});
        const auto ctx = source.get();
        begun = &source;
        linger(random, 60);
        ASSERT_EQ(sluice::select(on_receive(never), sluice::on_done(ctx), sluice::on_timeout(patience)), 1u);
        while (!ctx.done() || begun.load()) {}
    }
}

task<> wait_and_tell(channel<int> never, unsigned form, std::atomic<bool>* begun, unsigned pauses) {
    begun->store(true);
    for (unsigned i = 0; i < pauses; ++i) sluice::detail::cpu_relax();
    if (form == 0) static_cast<void>(co_await never.async_receive());
    if (form == 1) static_cast<void>(co_await sluice::async_select(on_receive(never), on_send(never, 1)));
    if (form == 2) static_cast<void>(co_await sluice::async_select());
    if (form == 3) static_cast<void>(co_await never.async_receive(sluice::current_context()));
    if (form == 4) static_cast<void>(never.receive());
}

// T40, T6: the same for the own cancellation of a task, in each way to wait.
TEST(ChannelStress, ACancelAtTheBeginningOfATasksWaitIsNeverMissed) {
    const stress_time time;
    sluice::runtime rt{workers(1)};
    random_numbers random{4};
    const channel<int> never{0};
    while (time.goes_on()) {
        std::atomic<bool> begun{false};
        auto h = rt.go(wait_and_tell, never, random.below(5), &begun, random.below(60));
        while (!begun) {}
        linger(random, 120);
        h.cancel();
        if (!eventually([&] { return h.done(); })) break;
    }
    never.close();
}

// T40
TEST(ChannelStress, ASendThatRacesWithACancelAndACloseHasOneEnd) {
    using value = counted<struct racing>;
    const stress_time time;
    sluice::runtime rt{workers(2)};
    while (time.goes_on()) {
        const channel<value> ch{0};
        const auto stop = sluice::with_cancel({});
        auto sending = rt.go(
            [](channel<value> c, sluice::context u) -> task<status> {
                value v{1};
                const auto s = co_await c.async_send(std::move(v), u);
                EXPECT_EQ(v.is_moved_from(), s == status::ok);
                co_return s.why();
            },
            ch, stop.get());
        auto closing = rt.go(
            [](channel<value> c) -> task<> {
                c.close();
                co_return;
            },
            ch);
        const auto v = ch.try_receive();
        stop.cancel();
        const auto end = sending.get();
        ASSERT_EQ(static_cast<bool>(v), end == status::ok);
        ASSERT_TRUE(end == status::ok || end == status::closed || end == status::canceled);
        closing.get();
    }
    EXPECT_EQ(value::live(), 0);
}

// T10, T40: the surrounding cancellation, by a handle.
TEST(ChannelStress, ValuesReachTheOthersWhenSomeReceiversAreCancelled) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    ledger book;
    const channel<int> ch{1};
    const auto receive = [](channel<int> c, ledger* b) -> task<> {
        while (const auto v = co_await c.async_receive()) b->note_received(*v);
    };
    const auto receive_by_select = [](channel<int> c, ledger* b) -> task<> {
        const channel<int> never{0};
        for (;;) {
            sluice::received<int> v;
            static_cast<void>(co_await sluice::async_select(on_receive(never), on_receive(c, v)));
            if (!v) co_return;
            b->note_received(*v);
        }
    };
    auto steady = rt.go(receive, ch, &book);
    for (int i = 0; time.goes_on(); ++i) {
        auto a = rt.go(receive, ch, &book);
        auto b = rt.go(receive_by_select, ch, &book);
        for (int n = 0; n < 4; ++n) {
            ASSERT_TRUE(ch.send(i));
            book.note_sent(i);
            if (n == i % 3) a.cancel();
        }
        b.cancel();
        for (auto* h : {&a, &b}) {
            try {
                h->get();
            } catch (const sluice::canceled&) {}
        }
    }
    ch.close();
    steady.get();
    book.expect_balance();
}

}  // namespace
