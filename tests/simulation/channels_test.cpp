// SPDX-License-Identifier: BSL-1.0
// channels_test.cpp: does a channel keep its promises on every schedule?
#include <deque>
#include <map>
#include <vector>

#include "explored.hpp"

namespace {

using namespace sluice_test;
using sluice::channel;

struct from {
    int sender = 0;
    int number = 0;
};

// What was received: each of two senders' values once, and by each receiver in the order of its sender.
class receipts {
public:
    void note(int receiver, from v) {
        must(++count_[{v.sender, v.number}] == 1, "a value was received twice");
        int& last = last_[{receiver, v.sender}];
        must(v.number > last, "a receiver has got values of one sender out of order");
        last = v.number;
    }
    std::size_t size() const { return count_.size(); }

private:
    std::map<std::pair<int, int>, int> count_;
    std::map<std::pair<int, int>, int> last_;
};

channel<from> made(int capacity) {
    return capacity < 0 ? channel<from>{sluice::unbounded} : channel<from>{static_cast<std::size_t>(capacity)};
}

task<void> two_senders_two_receivers(int capacity, bool with_threads) {
    constexpr int values = 3;
    auto ch = made(capacity);
    receipts got;
    sluice::wait_group senders;
    sluice::wait_group receivers;
    senders.go([ch]() mutable -> task<void> {
        for (int i = 1; i <= values; ++i) must(static_cast<bool>(co_await ch.async_send(from{1, i})), "it is open");
    });
    if (with_threads) {
        senders.go([ch]() mutable {
            for (int i = 1; i <= values; ++i) must(static_cast<bool>(ch.send(from{2, i})), "it is open");
        });
        receivers.go([ch, &got]() mutable {
            while (const auto v = ch.receive()) got.note(2, *v);
        });
    } else {
        senders.go([ch]() mutable -> task<void> {
            for (int i = 1; i <= values; ++i) must(static_cast<bool>(co_await ch.async_send(from{2, i})), "it is open");
        });
        receivers.go([ch, &got]() mutable -> task<void> {
            while (const auto v = co_await ch.async_receive()) got.note(2, *v);
        });
    }
    receivers.go([ch, &got]() mutable -> task<void> {
        while (const auto v = co_await ch.async_receive()) got.note(1, *v);
    });
    co_await senders.async_wait();
    ch.close();
    co_await receivers.async_wait();
    must(got.size() == 2 * values, "a value was lost");
}

class ChannelSchedulesOfCapacity : public testing::TestWithParam<int> {};

// CH-10, CH-11
TEST_P(ChannelSchedulesOfCapacity, TasksLoseAndDoubleNothingAndKeepTheOrder) {
    expect_on_many_schedules([] { return two_senders_two_receivers(GetParam(), false); });
    expect_on_many_schedules([] { return two_senders_two_receivers(GetParam(), false); }, some_late());
}

// MX-01
TEST_P(ChannelSchedulesOfCapacity, ThreadsAndTasksLoseAndDoubleNothingAndKeepTheOrder) {
    expect_on_many_schedules([] { return two_senders_two_receivers(GetParam(), true); });
}

TEST_P(ChannelSchedulesOfCapacity, TwoValuesArriveInOrderOnEverySchedule) {
    expect_on_every_schedule([]() -> task<void> {
        auto ch = made(GetParam());
        sluice::wait_group sender;
        sender.go([ch]() mutable -> task<void> {
            for (int i = 1; i <= 2; ++i) must(static_cast<bool>(co_await ch.async_send(from{1, i})), "it is open");
            ch.close();
        });
        receipts got;
        while (const auto v = co_await ch.async_receive()) got.note(0, *v);
        must(got.size() == 2, "a value was lost");
        co_await sender.async_wait();
    });
}

// T12
TEST_P(ChannelSchedulesOfCapacity, AClosePartsWhatWasSentFromWhatWasRefused) {
    expect_on_every_schedule([]() -> task<void> {
        auto ch = made(GetParam());
        int sent = 0;
        sluice::wait_group all;
        all.go([&, ch]() mutable -> task<void> {
            for (int i = 1; i <= 2; ++i) {
                const auto one = co_await ch.async_send(from{1, i});
                must(one || one.why() == sluice::status::closed, "a send ends by success or by the close");
                sent += one ? 1 : 0;
            }
        });
        all.go([ch]() mutable -> task<void> {
            co_await sluice::yield();
            ch.close();
        });
        int received = 0;
        while (const auto v = co_await ch.async_receive()) ++received;
        co_await all.async_wait();
        must(sent == received, "what was sent was not received, or what was refused was");
        must(ch.try_receive().why() == sluice::status::closed, "a drained channel is closed for ever");
    });
}

// Committed or untouched: a cancelled send has not sent, a cancelled receive has not received.
TEST_P(ChannelSchedulesOfCapacity, CancelledWaitsLoseAndDoubleNothing) {
    const auto program = []() -> task<void> {
        auto ch = made(GetParam());
        receipts got;
        std::size_t sent = 0;
        sluice::wait_group all;
        for (int s = 1; s <= 2; ++s)
            all.go([&, ch, s]() mutable -> task<void> {
                for (int i = 1; i <= 3; ++i) {
                    const auto one = co_await sluice::timeout(1s, ch.async_send(from{s, i}));
                    if (one) ++sent;
                }
            });
        for (int r = 1; r <= 2; ++r)
            all.go([&, ch, r]() mutable -> task<void> {
                for (int i = 0; i < 3; ++i) {
                    const auto one = co_await sluice::timeout(1s, ch.async_receive());
                    if (one) got.note(r, *one);
                }
            });
        co_await all.async_wait();
        while (const auto rest = ch.try_receive()) got.note(3, *rest);
        must(got.size() == sent, "what was sent was not received, or what was not sent was");
    };
    expect_on_many_schedules(program, some_cancelled());
    expect_on_many_schedules(program, some_late());
}

INSTANTIATE_TEST_SUITE_P(, ChannelSchedulesOfCapacity, testing::Values(0, 1, 2, -1), [](const auto& one) {
    return one.param < 0 ? std::string{"Unbounded"} : std::to_string(one.param);
});

// T11: the code before an await and the beginning of the wait are one step, so the order of arrival is known.
TEST(ChannelSchedules, WaitingReceiversAreServedInArrivalOrder) {
    expect_on_many_schedules([]() -> task<void> {
        channel<int> ch{0};
        std::vector<int> arrived;
        std::map<int, int> got;
        sluice::wait_group all;
        for (int r = 0; r < 4; ++r)
            all.go([&, r]() -> task<void> {
                co_await sluice::yield();
                arrived.push_back(r);
                const auto v = co_await ch.async_receive();
                got[*v] = r;
            });
        while (arrived.size() < 4) co_await sluice::yield();
        for (int i = 0; i < 4; ++i) must(static_cast<bool>(co_await ch.async_send(i)), "it is open");
        co_await all.async_wait();
        for (int i = 0; i < 4; ++i)
            must(got[i] == arrived[static_cast<std::size_t>(i)], "a receiver was served before one that came earlier");
    });
}

TEST(ChannelSchedules, WhatACancelDiscardsIsTold) {
    expect_on_many_schedules([]() -> task<void> {
        auto [out, in] = sluice::make_channel<int>(2);
        int sent = 0;
        int received = 0;
        int discarded = 0;
        in.on_undelivered([&](int&&) { ++discarded; });
        sluice::wait_group all;
        all.go([&]() -> task<void> {
            for (int i = 0; i < 4; ++i) {
                const auto one = co_await out.async_send(i);
                sent += one ? 1 : 0;
            }
        });
        all.go([&]() -> task<void> {
            for (int i = 0; i < 2; ++i) {
                const auto one = co_await in.async_receive();
                received += one ? 1 : 0;
            }
            in.cancel();
        });
        co_await all.async_wait();
        must(sent == received + discarded, "a value that was sent was neither received nor told");
    });
}

TEST(ChannelSchedules, WhatIsDroppedIsCounted) {
    expect_on_many_schedules([]() -> task<void> {
        channel<int> ch{1, sluice::overflow::drop_oldest};
        int received = 0;
        int last = -1;
        sluice::wait_group all;
        all.go([&]() -> task<void> {
            for (int i = 0; i < 5; ++i) must(static_cast<bool>(co_await ch.async_send(i)), "it never waits");
            ch.close();
        });
        while (const auto v = co_await ch.async_receive()) {
            must(*v > last, "out of order");
            last = *v;
            ++received;
        }
        co_await all.async_wait();
        must(last == 4, "the newest was dropped");
        must(static_cast<int>(ch.dropped()) + received == 5, "dropped and received are not all");
    });
}

TEST(ChannelSchedules, BatchesKeepTheOrder) {
    expect_on_many_schedules([]() -> task<void> {
        channel<int> ch{2};
        sluice::wait_group sender;
        sender.go([ch]() mutable -> task<void> {
            std::vector<int> first{1, 2, 3, 4};
            const auto sent = co_await ch.async_send_all(first);
            must(sent == 4, "all of them fit in the end");
            must(static_cast<bool>(co_await ch.async_send(5)), "it is open");
            ch.close();
        });
        int next = 1;
        for (;;) {
            const auto some = co_await ch.async_receive_some(3);
            if (some.empty()) break;
            for (const int v : some) must(v == next++, "out of order");
        }
        must(next == 6, "a value was lost");
        co_await sender.async_wait();
    });
}

// T15
TEST(ChannelSchedules, TheLastSenderToGoEndsTheReceivers) {
    expect_on_many_schedules([]() -> task<void> {
        auto [out, in] = sluice::make_channel<int>(0);
        sluice::wait_group all;
        for (int s = 0; s < 3; ++s)
            all.go(
                [](sluice::sender<int> mine, int v) -> task<void> {
                    must(static_cast<bool>(co_await mine.async_send(v)), "a receiver is there");
                },
                out, s);
        out = {};
        int sum = 0;
        while (const auto v = co_await in.async_receive()) sum += *v;
        must(sum == 3, "a value was lost");
        co_await all.async_wait();
    });
}

}  // namespace
