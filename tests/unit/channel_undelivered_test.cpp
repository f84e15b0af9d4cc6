// SPDX-License-Identifier: BSL-1.0
// channel_undelivered_test.cpp: of which values is on_undelivered told, when, and what may it do?

#include <sluice/channel.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/broken_contract.hpp"
#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/ledger.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::status;
using namespace sluice_test;
using namespace std::chrono_literals;

using value = counted<struct undelivered>;

/// What on_undelivered was told of. Thread safety: any thread.
class told_values {
public:
    auto listener() {
        return [this](value&& v) noexcept {
            const std::lock_guard guard{mutex_};
            all_.push_back(v.value());
            living_.push_back(value::live());
        };
    }
    std::vector<int> all() const {
        const std::lock_guard guard{mutex_};
        return all_;
    }
    /// How many values lived at each call.
    std::vector<int> living() const {
        const std::lock_guard guard{mutex_};
        return living_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<int> all_;
    std::vector<int> living_;
};

class Undelivered : public testing::Test {
protected:
    ~Undelivered() override { EXPECT_EQ(value::live(), 0); }
    channel<value> make(std::size_t capacity, sluice::overflow policy = sluice::overflow::wait) {
        const channel<value> ch{capacity, policy};
        ch.on_undelivered(told.listener());
        return ch;
    }
    told_values told;
};

// --- of which values --------------------------------------------------------------------------------------------------

// CH-22
TEST_F(Undelivered, IsToldOfWhatIsBufferedWhenTheLastHandleGoesEachBeforeItIsDestroyed) {
    {
        const auto ch = make(4);
        for (int i = 1; i <= 4; ++i) ASSERT_TRUE(ch.send(value{i}));
        ASSERT_TRUE(ch.receive());
        EXPECT_TRUE(told.all().empty());
    }
    EXPECT_EQ(told.all(), (std::vector{2, 3, 4}));
    EXPECT_EQ(told.living().back(), 1);
}

// CH-22
TEST_F(Undelivered, IsToldOfWhatAnUnboundedChannelHoldsWhereverItsRingBegins) {
    {
        const channel<value> ch{sluice::unbounded};
        ch.on_undelivered(told.listener());
        for (int i = 0; i < 20; ++i) ASSERT_TRUE(ch.send(value{i}));
        EXPECT_EQ(ch.receive_some(18).size(), 18u);
        ASSERT_TRUE(ch.send(value{20}));
    }
    EXPECT_EQ(told.all(), (std::vector{18, 19, 20}));
}

// CL-11
TEST_F(Undelivered, IsToldOfWhatIsBufferedWhenAReceiverCancelsBeforeTheCallReturns) {
    const auto ch = make(3);
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(ch.send(value{i}));
    sluice::receiver<value>{ch}.cancel();
    EXPECT_EQ(told.all(), (std::vector{1, 2, 3}));
    EXPECT_EQ(value::live(), 0);
}

// CL-11
TEST_F(Undelivered, IsToldOfWhatAClosedChannelStillHeldWhenAReceiverCancelsIt) {
    const auto ch = make(3);
    ASSERT_TRUE(ch.send(value{1}));
    ch.close();
    EXPECT_TRUE(told.all().empty());
    sluice::receiver<value>{ch}.cancel();
    EXPECT_EQ(told.all(), std::vector{1});
}

// CH-23
TEST_F(Undelivered, IsToldWhenTheLastReceiverGoesThoughSendersAreLeft) {
    auto [in, out] = sluice::make_channel<value>(3);
    out.on_undelivered(told.listener());
    ASSERT_TRUE(in.send(value{1}));
    ASSERT_TRUE(in.send(value{2}));
    out = {};
    EXPECT_EQ(told.all(), (std::vector{1, 2}));
}

TEST_F(Undelivered, IsToldOfWhatDropOldestDropsInTheSendThatDropsIt) {
    const auto ch = make(2, sluice::overflow::drop_oldest);
    for (int i = 1; i <= 3; ++i) ASSERT_TRUE(ch.send(value{i}));
    EXPECT_EQ(told.all(), std::vector{1});
    ASSERT_TRUE(ch.try_send(value{4}));
    EXPECT_EQ(told.all(), (std::vector{1, 2}));
    EXPECT_EQ(ch.dropped(), 2u);
    EXPECT_EQ(ch.try_receive_some(2).size(), 2u);
}

// MX-05
TEST_F(Undelivered, IsToldOfAValueHandedToAWaiterThatIsDestroyedBeforeItTookIt) {
    const auto ch = make(0);
    sluice::detail::parker parker;
    sluice::detail::waiter who{sluice::detail::wake_by::unparking};
    who.park_on(&parker);
    {
        auto receiving = ch.async_receive();
        {
            const sluice::detail::hold guard{ch.core()->mutex};
            const auto turn = who.prepare(0);
            receiving.enlist(who, sluice::detail::claim::for_case(turn, 0));
            who.publish(turn);
        }
        ASSERT_TRUE(ch.try_send(value{1}));
        parker.park();
        EXPECT_TRUE(told.all().empty());
    }
    EXPECT_EQ(told.all(), std::vector{1});
    EXPECT_TRUE(nobody_waits(ch));
}

// MX-05
TEST_F(Undelivered, IsToldOfAValueWhoseReceiveTookEffectAndWasNeverAskedForItsResult) {
    const auto ch = make(1);
    ASSERT_TRUE(ch.send(value{1}));
    {
        auto receiving = ch.async_receive();
        ASSERT_TRUE(sluice::detail::try_once(receiving));
    }
    EXPECT_EQ(told.all(), std::vector{1});
}

TEST_F(Undelivered, IsNotToldOfReceivedValues) {
    {
        const auto ch = make(2);
        for (int i = 0; i < 2; ++i) ASSERT_TRUE(ch.send(value{i}));
        static_cast<void>(ch.receive());
        static_cast<void>(ch.receive_some(1));
    }
    EXPECT_TRUE(told.all().empty());
}

// CH-28
TEST_F(Undelivered, IsNotToldOfValuesThatWereNotSentAndAreStillTheirSenders) {
    {
        const auto ch = make(1, sluice::overflow::drop_newest);
        ASSERT_TRUE(ch.send(value{1}));
        value mine{2};
        EXPECT_EQ(ch.send(std::move(mine)).why(), status::full);
        EXPECT_EQ(ch.send(mine).why(), status::full);
        ch.close();
        EXPECT_EQ(ch.send(mine).why(), status::closed);
        EXPECT_EQ(ch.try_send(std::move(mine)).why(), status::closed);
        EXPECT_EQ(mine.value(), 2);
        EXPECT_TRUE(ch.receive());
    }
    EXPECT_TRUE(told.all().empty());
}

TEST_F(Undelivered, IsNotToldOfTheValuesOfSendersThatWaitWhenAReceiverCancels) {
    const auto ch = make(0);
    {
        threads by;
        auto sending = start_send(by, ch, value{1});
        eventually([&] { return senders_waiting(ch) == 1; });
        sluice::receiver<value>{ch}.cancel();
        const auto end = sending.get();
        EXPECT_EQ(end.why, status::closed);
        EXPECT_EQ(end.left.value(), 1);
    }
    EXPECT_TRUE(told.all().empty());
}

TEST_F(Undelivered, IsToldOfAValueConvertedFromAnRvalueThatCouldNotBeSent) {
    struct base {
        virtual ~base() = default;
    };
    struct derived : base {};
    const channel<std::unique_ptr<base>> ch{0};
    std::vector<std::unique_ptr<base>> saved;
    ch.on_undelivered([&](std::unique_ptr<base>&& p) { saved.push_back(std::move(p)); });
    auto mine = std::make_unique<derived>();
    const base* const address = mine.get();
    EXPECT_EQ(ch.try_send(std::move(mine)).why(), status::full);
    ASSERT_EQ(saved.size(), 1u);
    EXPECT_EQ(saved.front().get(), address);
}

TEST_F(Undelivered, IsNotToldOfAValueConvertedFromAnLvalueThatCouldNotBeSent) {
    const channel<std::string> ch{0};
    bool was_told = false;
    ch.on_undelivered([&](std::string&&) { was_told = true; });
    EXPECT_EQ(ch.try_send("literal").why(), status::full);
    EXPECT_FALSE(was_told);
}

/// Its move may throw, and there is no way to give it back to its sender.
struct one_way {
    explicit one_way(int v) : inner{v} {}
    one_way(one_way&& other) : inner{std::move(other.inner)} {
        if (throws) throw std::runtime_error{"moved"};
    }
    one_way& operator=(one_way&&) = delete;
    value inner;
    inline static bool throws = false;
};

TEST_F(Undelivered, IsToldOfABoxedValueThatCouldNotBeSentAndCannotReturn) {
    const channel<one_way> ch{0};
    std::vector<int> seen;
    ch.on_undelivered([&](one_way&& v) { seen.push_back(v.inner.value()); });
    EXPECT_EQ(ch.try_send(one_way{5}).why(), status::full);
    EXPECT_EQ(seen, std::vector{5});
}

// T17, T55
TEST_F(Undelivered, IsToldOfAValueWhoseMoveIntoTheReceiversHandsThrows) {
    const channel<one_way> ch{1};
    int calls = 0;
    ch.on_undelivered([&](one_way&&) { ++calls; });
    ASSERT_TRUE(ch.send(one_way{5}));
    one_way::throws = true;
    EXPECT_THROW(static_cast<void>(ch.receive()), std::runtime_error);
    one_way::throws = false;
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(ch.size(), 0u);
}

TEST_F(Undelivered, IsToldOfTheSignalsOfAChannelWithoutValues) {
    int count = 0;
    {
        const channel<void> ch{3};
        ch.on_undelivered([&] { ++count; });
        ASSERT_TRUE(ch.send());
        ASSERT_TRUE(ch.send());
        ASSERT_TRUE(ch.receive());
    }
    EXPECT_EQ(count, 1);
}

TEST_F(Undelivered, IsNotToldOfWhatWasDestroyedBeforeItWasSet) {
    const channel<value> ch{1, sluice::overflow::drop_oldest};
    ASSERT_TRUE(ch.send(value{1}));
    ASSERT_TRUE(ch.send(value{2}));
    ch.on_undelivered(told.listener());
    ASSERT_TRUE(ch.send(value{3}));
    EXPECT_EQ(told.all(), std::vector{2});
    EXPECT_TRUE(ch.receive());
}

// --- what the function may do and be ----------------------------------------------------------------------------------

TEST_F(Undelivered, ItsFunctionMayKeepTheValueAndUseTheChannel) {
    const channel<value> saved{8};
    {
        const channel<value> ch{2, sluice::overflow::drop_oldest};
        std::size_t sizes = 0;
        ch.on_undelivered([&saved, &sizes, id = ch.core()](value&& v) {
            sizes += id->count.load();
            const sluice::detail::hold no_lock_is_held{id->mutex};
            static_cast<void>(saved.try_send(std::move(v)));
        });
        for (int i = 1; i <= 3; ++i) ASSERT_TRUE(ch.send(value{i}));
        EXPECT_EQ(sizes, 2u);
        sluice::receiver<value>{ch}.cancel();
        EXPECT_EQ(sizes, 2u);
    }
    EXPECT_EQ(saved.try_receive()->value(), 1);
    EXPECT_EQ(saved.try_receive()->value(), 2);
    EXPECT_EQ(saved.try_receive()->value(), 3);
}

TEST_F(Undelivered, ItsFunctionIsMoveOnlyIfItLikesAndGoesWithTheChannel) {
    const auto alive = std::make_shared<int>(0);
    {
        const channel<int> ch{1};
        ch.on_undelivered([alive, only = std::make_unique<int>(1)](int) mutable { *only = 2; });
        EXPECT_EQ(alive.use_count(), 2);
    }
    EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(Undelivered, SettingItTwiceOrOnNilBreaksTheContract) {
    const auto ch = make(1);
    EXPECT_TRUE(breaks_contract([&] { ch.on_undelivered(told.listener()); }));
    EXPECT_TRUE(breaks_contract([&] { channel<value>{}.on_undelivered(told.listener()); }));
}

// --- and if it throws -------------------------------------------------------------------------------------------------

struct unwelcome : std::runtime_error {
    unwelcome() : std::runtime_error{"unwelcome"} {}
};

TEST_F(Undelivered, AnExceptionOfItsFunctionKeepsTheOtherValuesFromNothingAndIsReported) {
    std::vector<int> seen;
    testing::internal::CaptureStderr();
    {
        const channel<value> ch{3};
        ch.on_undelivered([&](value&& v) {
            seen.push_back(v.value());
            if (v.value() == 2) throw unwelcome{};
        });
        for (int i = 1; i <= 3; ++i) ASSERT_TRUE(ch.send(value{i}));
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "sluice: on_undelivered ended with an exception: unwelcome\n");
    EXPECT_EQ(seen, (std::vector{1, 2, 3}));
}

TEST_F(Undelivered, AnExceptionOfItsFunctionEndsTheRunThatItHappensIn) {
    const auto leave_one_behind = []() -> sluice::task<> {
        const channel<int> ch{1};
        ch.on_undelivered([](int) { throw unwelcome{}; });
        static_cast<void>(co_await ch.async_send(1));
    };
    EXPECT_THROW(sluice::run(leave_one_behind), unwelcome);
}

// --- every value once -------------------------------------------------------------------------------------------------

template <class Callers>
class UndeliveredOf : public testing::Test {
protected:
    Callers by;
};
TYPED_TEST_SUITE(UndeliveredOf, both_callers, caller_names);

// CH-11, CH-22
TYPED_TEST(UndeliveredOf, EverySentValueIsReceivedOrToldOfOnceHoweverTheReceiversLeave) {
    constexpr int senders = 3;
    for (int round = 0; round < 30; ++round) {
        const std::size_t capacity = static_cast<std::size_t>(round % 5);
        const auto policy = round % 2 ? sluice::overflow::wait : sluice::overflow::drop_oldest;
        ledger book;
        {
            const channel<int> ch{capacity, policy};
            ch.on_undelivered([&](int v) { book.note_received(v); });
            const auto send_until_closed = [](channel<int> c, ledger* b) {
                for (int i = 1; i <= 300; ++i) {
                    if (!c.send(i)) return;
                    b->note_sent(i);
                }
            };
            const auto send_as_a_task = [](channel<int> c, ledger* b) -> sluice::task<> {
                for (int i = 1; i <= 300; ++i) {
                    if (!co_await c.async_send(i)) co_return;
                    b->note_sent(i);
                }
            };
            std::vector<decltype(this->by.start(send_until_closed, send_as_a_task, ch, &book))> sending;
            for (int i = 0; i < senders; ++i)
                sending.push_back(this->by.start(send_until_closed, send_as_a_task, ch, &book));
            book.note_received(*ch.receive());
            for (int i = 0; i < 50; ++i)
                if (const auto v = ch.try_receive()) book.note_received(*v);
            sluice::receiver<int>{ch}.cancel();
            for (auto& s : sending) s.get();
        }
        book.expect_balance();
        ASSERT_FALSE(this->HasFailure()) << "capacity " << capacity << ", round " << round;
    }
}

}  // namespace
