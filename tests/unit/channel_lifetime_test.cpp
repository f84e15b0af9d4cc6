// SPDX-License-Identifier: BSL-1.0
// channel_lifetime_test.cpp: what happens when the last handle of a channel goes, wherever and whenever it goes?

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <any>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "../support/callers.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

// --- channels inside channels -------------------------------------------------------------------------------------------

/// What a server is asked, and where the next question goes.
struct question {
    int number;
    channel<question> next;
};

// CH-25
TEST(NestedChannels, AnElementMayHoldAChannelOfItsOwnKind) {
    const channel<question> first{1};
    const channel<question> second{1};
    ASSERT_TRUE(first.send(question{1, second}));
    const auto q = first.receive();
    ASSERT_TRUE(q->next.send(question{2, {}}));
    EXPECT_EQ(second.receive()->number, 2);
}

/// Notes how far down the stack destructors run.
class stack_mark {
public:
    stack_mark() = default;
    stack_mark(const stack_mark&) = default;
    stack_mark& operator=(const stack_mark&) = default;
    ~stack_mark() {
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        if (lowest_ == 0 || here < lowest_) lowest_ = here;
    }
    static void reset() { lowest_ = 0; }
    /// How many bytes below the caller's frame the deepest destructor ran.
    static std::size_t below(void* frame) { return reinterpret_cast<std::uintptr_t>(frame) - lowest_; }

private:
    inline static std::uintptr_t lowest_ = 0;
};

/// A value that holds an end of a channel of such values.
template <class End>
struct doll {
    doll() = default;
    explicit doll(End e) noexcept : inner{std::move(e)} {}
    stack_mark mark{};
    counted<doll> count{};
    End inner{};
};
struct held_by_channel : doll<channel<held_by_channel>> {
    using doll::doll;
};
struct held_by_receiver : doll<sluice::receiver<held_by_receiver>> {
    using doll::doll;
};

constexpr int deep = 10'000;
constexpr std::size_t little_stack = 512 * 1024;  // nested without a bound they would take ten times as much

channel<held_by_channel> nest_of_channels(sluice::overflow policy = sluice::overflow::wait) {
    channel<held_by_channel> outer{1, policy};
    for (int i = 0; i < deep; ++i) {
        const channel<held_by_channel> next{1, policy};
        EXPECT_TRUE(next.try_send(held_by_channel{std::exchange(outer, {})}));
        outer = next;
    }
    return outer;
}

/// Each receiver is the last of its channel, so that its end discards what is buffered.
sluice::receiver<held_by_receiver> nest_of_receivers() {
    sluice::receiver<held_by_receiver> outer;
    for (int i = 0; i < deep; ++i) {
        auto [in, out] = sluice::make_channel<held_by_receiver>(1);
        EXPECT_TRUE(in.try_send(held_by_receiver{std::move(outer)}));
        outer = std::move(out);
    }
    return outer;
}

template <class Doll>
class NestOf : public testing::Test {
protected:
    static int live() { return counted<Doll>::live(); }
    ~NestOf() override {
        EXPECT_EQ(live(), 0);
        EXPECT_LT(stack_mark::below(__builtin_frame_address(0)), little_stack);
    }
};
using NestOfChannels = NestOf<doll<channel<held_by_channel>>>;
using NestOfReceivers = NestOf<doll<sluice::receiver<held_by_receiver>>>;

// CH-25
TEST_F(NestOfChannels, IsDestroyedWithLittleStackWhenItsLastHandleGoes) {
    auto outer = nest_of_channels();
    EXPECT_EQ(live(), deep);
    stack_mark::reset();
    outer = {};
}

// CH-25
TEST_F(NestOfChannels, IsDestroyedWithLittleStackWhenDropOldestDropsIt) {
    const auto outer = nest_of_channels(sluice::overflow::drop_oldest);
    stack_mark::reset();
    ASSERT_TRUE(outer.try_send(held_by_channel{}));
    EXPECT_EQ(live(), 1);
}

// CH-25, CH-23
TEST_F(NestOfReceivers, IsDestroyedWithLittleStackWhenItsLastReceiverGoes) {
    auto outer = nest_of_receivers();
    EXPECT_EQ(live(), deep);
    stack_mark::reset();
    outer = {};
}

// CH-25, CH-23
TEST_F(NestOfReceivers, IsDestroyedWithLittleStackWhenItsReceiverCancels) {
    const auto outer = nest_of_receivers();
    stack_mark::reset();
    outer.cancel();
    EXPECT_EQ(live(), 0);
}

// CH-25: every channel holds two, thirteen deep.
TEST(NestedChannels, ATreeOfThemIsDestroyedCompletely) {
    using leaf = counted<struct leaves>;
    struct node {
        leaf count{};
        channel<node> children{};
    };
    const auto tree = [](const auto& self, int depth) -> node {
        node n{leaf{}, channel<node>{2}};
        for (int i = 0; depth > 1 && i < 2; ++i) EXPECT_TRUE(n.children.try_send(self(self, depth - 1)));
        return n;
    };
    {
        const node root = tree(tree, 13);
        EXPECT_EQ(leaf::live(), (1 << 13) - 1);
    }
    EXPECT_EQ(leaf::live(), 0);
}

// CH-25: a destructor may rely on what it has let go, for a while.
TEST(NestedChannels, WhatADestructorLetsGoIsGoneWhenItGoesOn) {
    using value = counted<struct inner_values>;
    struct owner {
        explicit owner(channel<value> c) noexcept : inner{std::move(c)} {}
        owner(owner&&) noexcept = default;
        owner& operator=(owner&&) = delete;
        ~owner() {
            if (!inner) return;
            inner = {};
            EXPECT_EQ(value::live(), 0);
        }
        channel<value> inner;
    };
    channel<value> inner{2};
    ASSERT_TRUE(inner.send(value{1}));
    ASSERT_TRUE(inner.send(value{2}));
    channel<owner> outer{1};
    ASSERT_TRUE(outer.send(owner{std::exchange(inner, {})}));
    EXPECT_EQ(value::live(), 2);
    outer = {};
    EXPECT_EQ(value::live(), 0);
}

// --- thread-locals --------------------------------------------------------------------------------------------------------

/// Runs something as the thread's locals are destroyed.
struct at_thread_end {
    std::function<void()> run;
    ~at_thread_end() {
        if (run) run();
    }
};

/// Starts a thread whose thread-local destructor calls `last_words`; joins it. `before`: the thread-local is made before
/// the thread's first wait, and so destroyed after everything of ours; else it is destroyed before.
void end_a_thread(bool before, const std::function<void()>& last_words) {
    std::thread{[&] {
        thread_local at_thread_end local;
        const auto wait = [] {
            const channel<int> ch{1};
            EXPECT_EQ(ch.receive_for(1us).why(), status::timed_out);
        };
        if (!before) wait();
        local.run = last_words;
        wait();
    }}.join();
}

class ThreadLocals : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Made, ThreadLocals, testing::Bool(),
                         [](const auto& p) { return p.param ? "BeforeTheFirstWait" : "AfterTheFirstWait"; });

// CH-26
TEST_P(ThreadLocals, MayBlockOnAChannelInTheirDestructors) {
    const channel<int> in{0};
    const channel<int> out{0};
    std::jthread other{[&] {
        for (int i = 0; i < 3; ++i) {
            ASSERT_TRUE(in.send(i));
            ASSERT_EQ(*out.receive(), i + 1);
        }
        in.close();
    }};
    end_a_thread(GetParam(), [&] {
        while (const auto v = in.receive()) EXPECT_TRUE(out.send(*v + 1));
    });
}

// CH-26
TEST_P(ThreadLocals, MaySelectAndWaitForATimeInTheirDestructors) {
    const channel<int> never{0};
    std::stop_source stop;
    const auto ended = sluice::with_cancel({});
    ended.cancel();
    end_a_thread(GetParam(), [&] {
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(never.send_for(1, 1ms).why(), status::timed_out);
            EXPECT_EQ(sluice::select(on_receive(never), on_send(never, 1), sluice::on_timeout(1ms)), 2u);
            EXPECT_EQ(sluice::select(on_receive(never), sluice::on_done(ended)), 1u);
            EXPECT_EQ(never.receive(ended.get()).why(), status::canceled);
        }
    });
    EXPECT_TRUE(nobody_waits(never));
}

// CH-26
TEST_P(ThreadLocals, MayMakeAndDropChannelsInTheirDestructors) {
    using value = counted<struct last_values>;
    auto [in, out] = sluice::make_channel<value>(2);
    ASSERT_TRUE(in.send(value{}));
    end_a_thread(GetParam(), [&] {
        out = {};  // the last receiver: discards
        const channel<value> own{sluice::unbounded};
        for (int i = 0; i < 100; ++i) EXPECT_TRUE(own.send(value{}));
        EXPECT_EQ(own.receive_some(50).size(), 50u);
    });
    EXPECT_EQ(value::live(), 0);
    EXPECT_EQ(in.send(value{}).why(), status::closed);
}

// --- the one just woken drops the last handle -----------------------------------------------------------------------------

/// A channel that the woken one destroys while its waker is still on the way out of its call. A waker that touched the
/// channel after the wake would touch freed memory: the sanitizers see it.
struct shared {
    explicit shared(std::size_t capacity) : ch{capacity} {}
    channel<int> ch;
};
constexpr int rounds = 300;

template <class Callers>
class WokenBy : public testing::Test {
protected:
    template <class Blocking, class Coroutine>
    auto start(Blocking blocking, Coroutine coroutine, shared* s) {
        return by.start(blocking, coroutine, s);
    }
    auto start_receive_and_drop(shared* s) {
        return start(
            [](shared* p) {
                const std::unique_ptr<shared> mine{p};
                return mine->ch.receive().why();
            },
            [](shared* p) -> task<status> {
                const std::unique_ptr<shared> mine{p};
                const auto v = co_await mine->ch.async_receive();
                co_return v.why();
            },
            s);
    }
    auto start_send_and_drop(shared* s) {
        return start(
            [](shared* p) {
                const std::unique_ptr<shared> mine{p};
                return mine->ch.send(1).why();
            },
            [](shared* p) -> task<status> {
                const std::unique_ptr<shared> mine{p};
                const auto sent = co_await mine->ch.async_send(1);
                co_return sent.why();
            },
            s);
    }
    auto start_select_and_drop(shared* s) {
        return start(
            [](shared* p) {
                const std::unique_ptr<shared> mine{p};
                sluice::received<int> v;
                sluice::select(on_receive(mine->ch, v), on_receive(mine->ch, v));
                return v.why();
            },
            [](shared* p) -> task<status> {
                const std::unique_ptr<shared> mine{p};
                sluice::received<int> v;
                static_cast<void>(co_await sluice::async_select(on_receive(mine->ch, v), on_receive(mine->ch, v)));
                co_return v.why();
            },
            s);
    }
    Callers by;
};
TYPED_TEST_SUITE(WokenBy, both_callers, caller_names);

// MX-06
TYPED_TEST(WokenBy, ASendAReceiverMayDropTheChannelAtOnce) {
    for (int i = 0; i < rounds; ++i) {
        auto* const s = new shared{0};
        auto waiting = this->start_receive_and_drop(s);
        eventually([&] { return receivers_waiting(s->ch) == 1; });
        ASSERT_TRUE(i % 2 ? s->ch.try_send(1) : s->ch.send(1));
        ASSERT_EQ(waiting.get(), status::ok);
    }
}

// MX-06
TYPED_TEST(WokenBy, AReceiveASenderMayDropTheChannelAtOnce) {
    for (int i = 0; i < rounds; ++i) {
        auto* const s = new shared{0};
        auto waiting = this->start_send_and_drop(s);
        eventually([&] { return senders_waiting(s->ch) == 1; });
        ASSERT_EQ(*(i % 2 ? s->ch.try_receive() : s->ch.receive()), 1);
        ASSERT_EQ(waiting.get(), status::ok);
    }
}

// MX-06
TYPED_TEST(WokenBy, ACloseAReceiverMayDropTheChannelAtOnce) {
    for (int i = 0; i < rounds; ++i) {
        auto* const s = new shared{0};
        auto waiting = i % 2 ? this->start_receive_and_drop(s) : this->start_send_and_drop(s);
        eventually([&] { return !nobody_waits(s->ch); });
        ASSERT_TRUE(s->ch.close());
        ASSERT_EQ(waiting.get(), status::closed);
    }
}

// MX-06
TYPED_TEST(WokenBy, ASendASelectMayDropTheChannelAtOnce) {
    for (int i = 0; i < rounds; ++i) {
        auto* const s = new shared{0};
        auto waiting = this->start_select_and_drop(s);
        eventually([&] { return receivers_waiting(s->ch) == 2; });
        ASSERT_TRUE(i % 2 ? s->ch.try_send(1) : s->ch.send(1));
        ASSERT_EQ(waiting.get(), status::ok);
    }
}

// MX-06, T15: the last handles of all go with those who were woken.
TYPED_TEST(WokenBy, TheLastSendersEndTheReceiversGoWithTheChannel) {
    for (int i = 0; i < rounds; ++i) {
        auto [in, out] = sluice::make_channel<int>(0);
        const auto receive = [&] {
            return this->by.start([](sluice::receiver<int> r) { return std::exchange(r, {}).receive().why(); },
                                  [](sluice::receiver<int> r) -> task<status> {
                                      const auto v = co_await r.async_receive();
                                      co_return v.why();
                                  },
                                  out);
        };
        auto a = receive();
        auto b = receive();
        eventually([&] { return receivers_waiting(in) == 2; });
        out = {};
        in = {};
        ASSERT_EQ(a.get(), status::closed);
        ASSERT_EQ(b.get(), status::closed);
    }
}

}  // namespace
