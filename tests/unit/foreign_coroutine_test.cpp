// SPDX-License-Identifier: BSL-1.0
// foreign_coroutine_test.cpp: do coroutines of another library wait like ours, and go on where they belong?

#include <sluice/sluice.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::context;
using sluice::received;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

class ForeignCoroutine : public testing::Test {
protected:
    ticket_queue queue;
    const channel<int> ch{0};
};

foreign receive_into(ticket_queue&, channel<int> ch, received<int>& into) { into = co_await ch.async_receive(); }

// --- Where it goes on. --------------------------------------------------------------------------------------------

// MX-07
TEST_F(ForeignCoroutine, GoesOnInItsOwnExecutorAndNotInTheWaker) {
    received<int> got;
    const foreign waits = receive_into(queue, ch, got);
    ASSERT_EQ(receivers_waiting(ch), 1u);
    EXPECT_TRUE(ch.try_send(7));
    EXPECT_FALSE(waits.has_ended());
    EXPECT_EQ(got, status::empty);
    EXPECT_TRUE(queue.run_one());
    EXPECT_TRUE(waits.has_ended());
    EXPECT_EQ(*got, 7);
}

// MX-07
TEST_F(ForeignCoroutine, GoesOnInTheThreadOfItsExecutor) {
    const auto body = [](ticket_queue&, channel<int> c, std::thread::id& in) -> foreign {
        static_cast<void>(co_await c.async_receive());
        in = std::this_thread::get_id();
    };
    std::thread::id went_on_in;
    std::thread::id expected;
    foreign waits;
    {
        own_thread executor;
        expected = executor.id();
        waits = body(executor, ch, went_on_in);
        EXPECT_TRUE(ch.try_send(1));
    }
    EXPECT_EQ(went_on_in, expected);
}

TEST_F(ForeignCoroutine, AReadyOperationDoesNotSuspend) {
    const channel<int> buffered{1};
    EXPECT_TRUE(buffered.try_send(3));
    received<int> got;
    const foreign ended = receive_into(queue, buffered, got);
    EXPECT_TRUE(ended.has_ended());
    EXPECT_EQ(*got, 3);
    EXPECT_EQ(queue.added(), 0u);
}

fire_and_forget receive_somewhere(channel<int> ch, std::atomic<int>& got, std::atomic<const void*>& in) {
    const auto v = co_await ch.async_receive();
    in = sluice::detail::this_thread_state().runtime;
    got = v ? *v : -1;
}

TEST_F(ForeignCoroutine, WithoutAResumptionGoesOnInAWorkerOfTheProcess) {
    std::atomic<int> got{0};
    std::atomic<const void*> in{nullptr};
    receive_somewhere(ch, got, in);
    EXPECT_TRUE(ch.try_send(5));
    eventually([&] { return got.load() != 0; });
    EXPECT_EQ(got, 5);
    EXPECT_EQ(in, &sluice::detail::process_runtime::core());
}

// Some libraries await through an awaiter of their own, which knows the frame but not the promise.
template <class Op>
struct wrapped {
    explicit wrapped(Op&& op) : inner(operator co_await(std::forward<Op>(op))) {}
    bool await_ready() { return inner.await_ready(); }
    bool await_suspend(std::coroutine_handle<> frame) { return inner.await_suspend(frame); }
    decltype(auto) await_resume() { return inner.await_resume(); }
    decltype(operator co_await(std::declval<Op>())) inner;
};

TEST_F(ForeignCoroutine, OfAnUnknownPromiseGoesOnInAWorkerOfTheProcess) {
    const auto body = [](channel<int> c, std::atomic<int>& got) -> fire_and_forget {
        got = *co_await wrapped(c.async_receive());
    };
    std::atomic<int> got{0};
    body(ch, got);
    EXPECT_TRUE(ch.try_send(5));
    eventually([&] { return got.load() != 0; });
}

// Lets exceptions out of its resumption.
struct escaping {
    struct promise_type {
        escaping get_return_object() noexcept {
            return escaping{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const { throw; }
    };
    explicit escaping(std::coroutine_handle<> f) noexcept : frame{f} {}
    escaping(const escaping&) = delete;
    escaping& operator=(const escaping&) = delete;
    ~escaping() { frame.destroy(); }
    std::coroutine_handle<> frame;
};

TEST_F(ForeignCoroutine, AnExceptionThatLeavesItInAWorkerIsReported) {
    const auto body = [](channel<int> c) -> escaping {
        static_cast<void>(co_await c.async_receive());
        throw std::runtime_error{"nobody catches this"};
    };
    testing::internal::CaptureStderr();
    const escaping waits = body(ch);
    const auto ended = sluice::detail::process_runtime::core().ended_tasks();
    EXPECT_TRUE(ch.try_send(5));
    eventually([&] { return sluice::detail::process_runtime::core().ended_tasks() > ended; });
    EXPECT_NE(testing::internal::GetCapturedStderr().find("nobody catches this"), std::string::npos);
}

// --- Whatever can be awaited. ---------------------------------------------------------------------------------------

TEST_F(ForeignCoroutine, AwaitsASend) {
    const auto body = [](ticket_queue&, channel<int> c, std::optional<status>& ended) -> foreign {
        ended = (co_await c.async_send(4)).why();
    };
    std::optional<status> ended;
    const foreign waits = body(queue, ch, ended);
    EXPECT_EQ(*ch.try_receive(), 4);
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(ended, status::ok);
}

// CL-03, CH-28
TEST_F(ForeignCoroutine, ASendThatTheCloseEndsKeepsItsValue) {
    const auto body = [](ticket_queue&, channel<std::unique_ptr<int>> c, std::unique_ptr<int>& kept) -> foreign {
        EXPECT_EQ(co_await c.async_send(std::move(kept)), status::closed);
    };
    const channel<std::unique_ptr<int>> pointers{0};
    auto kept = std::make_unique<int>(4);
    const foreign waits = body(queue, pointers, kept);
    pointers.close();
    EXPECT_TRUE(queue.run_one());
    EXPECT_TRUE(waits.has_ended());
    EXPECT_TRUE(kept);
}

TEST_F(ForeignCoroutine, AwaitsManyValuesAtOnce) {
    const auto body = [](ticket_queue&, channel<int> c, std::vector<int>& got) -> foreign {
        got = co_await c.async_receive_some(10);
    };
    const channel<int> buffered{4};
    std::vector<int> got;
    const foreign waits = body(queue, buffered, got);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(buffered.try_send(i));
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(got, (std::vector{0, 1, 2}));
}

TEST_F(ForeignCoroutine, AwaitsAnOperationByItsName) {
    const auto body = [](ticket_queue&, channel<int> c, int& got) -> foreign {
        auto op = c.async_receive();
        got = *co_await op;
    };
    int got = 0;
    const foreign waits = body(queue, ch, got);
    EXPECT_TRUE(ch.try_send(4));
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(got, 4);
}

TEST_F(ForeignCoroutine, ANamedContextEndsTheWaitByValue) {
    const auto body = [](ticket_queue&, channel<int> c, context until, received<int>& got) -> foreign {
        got = co_await c.async_receive(until);
    };
    const auto stop = sluice::with_cancel({});
    received<int> got;
    const foreign waits = body(queue, ch, stop, got);
    stop.cancel();
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(got, status::canceled);
    EXPECT_TRUE(nobody_waits(ch));
}

TEST_F(ForeignCoroutine, ATimeEndsTheWaitByValue) {
    const auto body = [](ticket_queue&, channel<int> c, received<int>& got) -> foreign {
        got = co_await sluice::timeout(1ms, c.async_receive());
    };
    received<int> got;
    const foreign waits = body(queue, ch, got);
    eventually([&] { return queue.run_one(); });
    EXPECT_EQ(got, status::timed_out);
    EXPECT_TRUE(nobody_waits(ch));
}

TEST_F(ForeignCoroutine, Sleeps) {
    const auto body = [](ticket_queue&) -> foreign { co_await sluice::sleep_for(5ms); };
    const auto began = sluice::clock::now();
    const foreign sleeps = body(queue);
    eventually([&] { return queue.run_one(); });
    EXPECT_TRUE(sleeps.has_ended());
    EXPECT_GE(sluice::clock::now() - began, 5ms);
}

TEST_F(ForeignCoroutine, AwaitsTheEndOfAContext) {
    const auto body = [](ticket_queue&, context until) -> foreign { co_await until.async_done(); };
    const auto stop = sluice::with_cancel({});
    const foreign waits = body(queue, stop);
    stop.cancel();
    EXPECT_TRUE(queue.run_one());
    EXPECT_TRUE(waits.has_ended());
}

TEST_F(ForeignCoroutine, SelectsTheFirstThatIsReady) {
    const auto body = [](ticket_queue&, channel<int> a, channel<int> b, std::size_t& which,
                         received<int>& got) -> foreign {
        which =
            co_await sluice::async_select(sluice::on_receive(a, got), sluice::on_send(b, 8), sluice::on_timeout(1h));
    };
    const channel<int> other{0};
    std::size_t which = 9;
    received<int> got;
    const foreign waits = body(queue, ch, other, which, got);
    EXPECT_EQ(*other.try_receive(), 8);
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(which, 1u);
    EXPECT_TRUE(nobody_waits(ch) && nobody_waits(other));
    const foreign again = body(queue, ch, other, which, got);
    EXPECT_TRUE(ch.try_send(6));
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(which, 0u);
    EXPECT_EQ(*got, 6);
    EXPECT_TRUE(nobody_waits(ch) && nobody_waits(other));
}

TEST_F(ForeignCoroutine, HoldsPermits) {
    const auto body = [](ticket_queue&, sluice::semaphore& s, sluice::permit& held) -> foreign {
        EXPECT_TRUE(co_await s.async_acquire());
        s.release();
        held = co_await s.async_hold(2);
    };
    sluice::semaphore permits{2};
    permits.acquire(2);
    sluice::permit held;
    const foreign waits = body(queue, permits, held);
    permits.release(1);
    EXPECT_TRUE(queue.run_one());  // took one and gave it back, now wants two
    EXPECT_FALSE(waits.has_ended());
    permits.release(1);
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(permits.available(), 0u);
    held.give_back();
    EXPECT_EQ(permits.available(), 2u);
}

TEST_F(ForeignCoroutine, AwaitsAGroup) {
    const auto body = [](ticket_queue&, sluice::wait_group& g) -> foreign { co_await g.async_wait(); };
    sluice::wait_group group;
    group.add();
    const foreign waits = body(queue, group);
    EXPECT_FALSE(waits.has_ended());
    group.done();
    EXPECT_TRUE(queue.run_one());
    EXPECT_TRUE(waits.has_ended());
}

TEST_F(ForeignCoroutine, AddsToAGroupWithALimit) {
    const auto body = [](ticket_queue&, sluice::sized_wait_group& g, channel<int> c) -> foreign {
        co_await g.async_add();
        const auto send = [](channel<int> to) { static_cast<void>(to.send(1)); };
        g.done();
        co_await g.async_go(send, c);
        co_await g.async_wait();
    };
    sluice::sized_wait_group group{1};
    group.add();
    const foreign waits = body(queue, group, ch);
    EXPECT_EQ(group.count(), 2u);
    group.done();
    EXPECT_TRUE(queue.run_one());  // has a slot, gives it back, starts the callable, waits for all
    EXPECT_EQ(*ch.receive(), 1);
    eventually([&] { return queue.run_one(); });
    EXPECT_TRUE(waits.has_ended());
}

task<int> answer(channel<int> question) { co_return 1 + *co_await question.async_receive(); }
task<int> fail(channel<int> question) {
    static_cast<void>(co_await question.async_receive());
    throw std::runtime_error{"no answer"};
}

TEST_F(ForeignCoroutine, JoinsATask) {
    const auto body = [](ticket_queue&, channel<int> c, int& got) -> foreign {
        auto h = sluice::go(answer, c);
        got = co_await h;
    };
    int got = 0;
    const foreign waits = body(queue, ch, got);
    EXPECT_TRUE(ch.send(41));
    eventually([&] { return queue.run_one(); });
    EXPECT_EQ(got, 42);
}

TEST_F(ForeignCoroutine, AFailedTaskThrowsWhereItIsJoined) {
    const auto body = [](ticket_queue&, channel<int> c, std::string& said) -> foreign {
        auto h = sluice::go(fail, c);
        try {
            static_cast<void>(co_await h);
        } catch (const std::runtime_error& e) {
            said = e.what();
        }
    };
    std::string said;
    const foreign waits = body(queue, ch, said);
    EXPECT_TRUE(ch.send(0));
    eventually([&] { return queue.run_one(); });
    EXPECT_EQ(said, "no answer");
}

TEST_F(ForeignCoroutine, RunsWhatBlocksElsewhere) {
    const auto body = [](ticket_queue&, channel<int> c, int& got) -> foreign {
        const auto receive = [](channel<int> from) { return *from.receive(); };
        got = co_await sluice::blocking(receive, c);
        got += *co_await sluice::shielded(c.async_receive());
    };
    int got = 0;
    const foreign waits = body(queue, ch, got);
    EXPECT_TRUE(ch.send(40));
    eventually([&] { return queue.run_one(); });
    EXPECT_TRUE(ch.send(2));
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(got, 42);
}

// --- Beside our tasks. ----------------------------------------------------------------------------------------------

// A coroutine that a task happens to begin has its own waits: the task's cancellation is not theirs.
TEST_F(ForeignCoroutine, IsNotCancelledWithTheTaskThatBeganIt) {
    const auto begin = [](ticket_queue& q, channel<int> c, received<int>& into, foreign& out) -> task<> {
        out = receive_into(q, c, into);
        co_await sluice::sleep_for(1h);
    };
    sluice::runtime rt{workers(1)};
    received<int> got;
    foreign waits;
    auto h = rt.go(begin, std::ref(queue), ch, std::ref(got), std::ref(waits));
    eventually([&] { return receivers_waiting(ch) == 1; });
    h.cancel();
    EXPECT_THROW(h.get(), sluice::canceled);
    EXPECT_EQ(receivers_waiting(ch), 1u);
    EXPECT_TRUE(ch.try_send(3));
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(*got, 3);
}

// MX-04: the executor is called outside of every lock, so it may do anything but wait.
TEST_F(ForeignCoroutine, ItsExecutorMayUseWhatWokeIt) {
    const auto stop = sluice::with_cancel({});
    const auto body = [](ticket_queue&, context until, bool& ended) -> foreign {
        co_await until.async_done();
        ended = true;
    };
    received<int> got;
    bool ended = false;
    const foreign other = body(queue, stop, ended);
    const foreign waits = receive_into(queue, ch, got);
    queue.on_post = [&](const sluice::resume_ticket&) {
        stop.cancel();
        ch.close();
        EXPECT_EQ(ch.try_receive(), status::closed);
    };
    EXPECT_TRUE(ch.try_send(1));
    while (queue.run_one()) {}
    EXPECT_TRUE(ended);
    EXPECT_EQ(*got, 1);
}

}  // namespace
