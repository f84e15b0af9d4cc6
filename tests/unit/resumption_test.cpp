// SPDX-License-Identifier: BSL-1.0
// resumption_test.cpp: what does a ticket do, and who is given it?
//
// That a frame may be destroyed at any time is shown by foreign_lifetime_test.cpp.

#include <sluice/resumption.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <functional>
#include <thread>
#include <utility>

#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>

#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/waiting.hpp"

namespace {

using sluice::channel;
using sluice::resume_ticket;
using namespace sluice_test;

/// Of a library that leaves it to sluice when it has no executor.
struct at_choice {
    struct promise_type {
        promise_type(ticket_queue* q, const channel<int>&, std::atomic<int>&) noexcept : queue{q} {}
        at_choice get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
        ticket_queue* queue;
    };
};

}  // namespace

template <>
struct sluice::resumption<at_choice::promise_type> : sluice::default_resumption {
    static void post(at_choice::promise_type& p, sluice::resume_ticket t) noexcept {
        if (p.queue) p.queue->add(std::move(t));
        else default_resumption::post(p, std::move(t));
    }
};

namespace {

foreign receive_two(ticket_queue&, channel<int> in, int& got) {
    got += *co_await in.async_receive();
    got += *co_await in.async_receive();
}

class Resumption : public testing::Test {
protected:
    ~Resumption() override { in.close(); }

    // The next ticket, taken from the queue.
    resume_ticket next_ticket() {
        resume_ticket t;
        queue.on_post = [&](const resume_ticket& posted) { t = posted; };
        EXPECT_TRUE(in.send(1));
        queue.clear();
        queue.on_post = nullptr;
        return t;
    }

    ticket_queue queue;
    const channel<int> in{0};
    int got = 0;
};

TEST_F(Resumption, ATicketResumesItsCoroutineOnceAndOnTheThreadThatAsks) {
    auto f = receive_two(queue, in, got);
    const resume_ticket t = next_ticket();
    EXPECT_TRUE(t);
    EXPECT_EQ(got, 0);
    t.resume();
    EXPECT_EQ(got, 1);
    EXPECT_FALSE(t);
    t.resume();
    EXPECT_EQ(got, 1);
    EXPECT_FALSE(f.has_ended());
}

TEST_F(Resumption, CopiesOfATicketStandForTheSame) {
    auto f = receive_two(queue, in, got);
    const resume_ticket t = next_ticket();
    const resume_ticket copy = t;
    copy.resume();
    EXPECT_EQ(got, 1);
    EXPECT_FALSE(t);
    t.resume();
    EXPECT_EQ(got, 1);
}

TEST_F(Resumption, ATicketOfAnEarlierWaitDoesNothingToALaterOne) {
    auto f = receive_two(queue, in, got);
    const resume_ticket first = next_ticket();
    first.resume();
    const resume_ticket second = next_ticket();
    first.resume();
    EXPECT_EQ(got, 1);
    EXPECT_TRUE(second);
    second.resume();
    EXPECT_EQ(got, 2);
    EXPECT_TRUE(f.has_ended());
}

TEST_F(Resumption, ATicketIsAJobForWhateverCallsIt) {
    auto f = receive_two(queue, in, got);
    std::function<void()> job{next_ticket()};
    std::jthread{std::move(job)}.join();
    EXPECT_EQ(got, 1);
}

TEST_F(Resumption, ATicketMovedFromStandsForNothing) {
    auto f = receive_two(queue, in, got);
    resume_ticket t = next_ticket();
    const resume_ticket taken = std::move(t);
    EXPECT_FALSE(t);  // NOLINT: that is the question
    t.resume();
    EXPECT_EQ(got, 0);
    taken.resume();
    EXPECT_EQ(got, 1);
}

TEST_F(Resumption, ATicketOfAFrameThatIsGoneDoesNothing) {
    auto f = receive_two(queue, in, got);
    const resume_ticket t = next_ticket();
    f.destroy();
    EXPECT_FALSE(t);
    t.resume();
    EXPECT_EQ(got, 0);
}

TEST_F(Resumption, IsAskedOnceForEachWaitThatSuspended) {
    const channel<int> ready{2};
    ASSERT_TRUE(ready.send(1));
    ASSERT_TRUE(ready.send(2));
    {
        auto f = receive_two(queue, ready, got);
        EXPECT_EQ(queue.added(), 0u);
        EXPECT_EQ(got, 3);
    }
    auto f = receive_two(queue, in, got);
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(in.send(1));
        EXPECT_TRUE(queue.run_one());
    }
    EXPECT_EQ(queue.added(), 2u);
    EXPECT_TRUE(f.has_ended());
}

at_choice receive_one(ticket_queue*, const channel<int>& in, std::atomic<int>& into) {
    const auto v = co_await in.async_receive();
    into = *v;
}

TEST_F(Resumption, MayLeaveItToTheDefaultWhereACoroutineHasNoExecutor) {
    std::atomic<int> with{0};
    std::atomic<int> without{0};
    receive_one(&queue, in, with);
    receive_one(nullptr, in, without);
    EXPECT_TRUE(in.send(1));
    EXPECT_TRUE(in.send(2));
    EXPECT_TRUE(eventually([&] { return without == 2; }));  // a worker of the process does it
    EXPECT_EQ(with, 0);
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(with, 1);
}

}  // namespace
