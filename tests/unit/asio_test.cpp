// SPDX-License-Identifier: BSL-1.0
// asio_test.cpp: do coroutines and handlers of Asio wait for our objects as for its own?

#include <sluice/asio.hpp>
#include <sluice/sluice.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/waiting.hpp"

namespace {

using asio::awaitable;
using sluice::async_perform;
using sluice::channel;
using sluice::received;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

// What a coroutine or handler ended with.
struct outcome {
    std::exception_ptr error;
    bool ended = false;

    void operator()(std::exception_ptr e) {
        error = std::move(e);
        ended = true;
    }
    bool was_aborted() const {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const asio::system_error& e) {
            return e.code() == asio::error::operation_aborted;
        }
        return false;
    }
};

class Asio : public testing::Test {
protected:
    /// Runs what is ready now.
    void poll() {
        io.restart();
        io.poll();
    }
    template <class Coroutine>
    void spawn(Coroutine c) {
        asio::co_spawn(io, std::move(c), std::ref(end));
        poll();
    }

    const channel<int> ch{0};
    outcome end;
    asio::io_context io{1};
};

awaitable<void> receive_into(channel<int> from, received<int>& into) {
    into = co_await async_perform(from.async_receive());
}

// --- Coroutines. ----------------------------------------------------------------------------------------------------

// MX-07
TEST_F(Asio, ACoroutineGoesOnInItsExecutorAndNotInTheWaker) {
    received<int> got;
    spawn(receive_into(ch, got));
    ASSERT_EQ(receivers_waiting(ch), 1u);
    EXPECT_TRUE(ch.try_send(4));
    EXPECT_FALSE(end.ended);
    poll();
    EXPECT_TRUE(end.ended);
    EXPECT_EQ(*got, 4);
}

awaitable<void> add_up(channel<int> numbers, long& sum) {
    int count = 0;
    while (auto n = co_await async_perform(numbers.async_receive())) {
        sum += *n;
        ++count;
    }
    EXPECT_EQ(count, 1000);
}

// MX-01: the loop of Asio runs as long as somebody waits in it.
TEST_F(Asio, ACoroutineReceivesAllThatAThreadSends) {
    long sum = 0;
    asio::co_spawn(io, add_up(ch, sum), std::ref(end));
    std::jthread sender{[this] {
        for (int i = 1; i <= 1000; ++i)
            if (!ch.send(i)) return;
        ch.close();
    }};
    io.run();
    EXPECT_TRUE(end.ended);
    EXPECT_EQ(sum, 500'500);
}

awaitable<void> count_up(channel<int> to, int last) {
    for (int i = 1; i <= last; ++i)
        if (!co_await async_perform(to.async_send(i))) co_return;
    to.close();
}
task<long> add_up_in_task(channel<int> numbers) {
    long sum = 0;
    while (auto n = co_await numbers.async_receive()) sum += *n;
    co_return sum;
}

// MX-01
TEST_F(Asio, ATaskReceivesAllThatACoroutineSends) {
    auto sum = sluice::go(add_up_in_task, ch);
    asio::co_spawn(io, count_up(ch, 1000), std::ref(end));
    io.run();
    EXPECT_EQ(sum.get(), 500'500);
}

struct no_default {
    explicit no_default(int v) : value{std::make_unique<int>(v)} {}
    std::unique_ptr<int> value;
};

TEST_F(Asio, ValuesMayBeMoveOnlyAndNeedNoDefault) {
    const auto body = [](channel<no_default> c, int& got) -> awaitable<void> {
        no_default mine{7};
        EXPECT_TRUE(co_await async_perform(c.async_send(std::move(mine))));
        EXPECT_FALSE(mine.value);
        const received<no_default> back = co_await async_perform(c.async_receive());
        got = *back->value;
    };
    const channel<no_default> values{1};
    int got = 0;
    spawn(body(values, got));
    EXPECT_EQ(got, 7);
}

TEST_F(Asio, ACoroutineSelects) {
    const auto body = [](channel<int> a, channel<int> b, std::size_t& which) -> awaitable<void> {
        received<int> got;
        which = co_await async_perform(sluice::async_select(sluice::on_receive(a, got), sluice::on_send(b, 1)));
        co_await async_perform(sluice::sleep_for(1ms));
        const auto late = co_await async_perform(sluice::timeout(1ms, a.async_receive()));
        EXPECT_EQ(late, status::timed_out);
    };
    const channel<int> other{0};
    std::size_t which = 9;
    spawn(body(ch, other, which));
    EXPECT_EQ(*other.try_receive(), 1);
    io.restart();
    io.run();
    EXPECT_TRUE(end.ended);
    EXPECT_EQ(which, 1u);
    EXPECT_TRUE(nobody_waits(ch) && nobody_waits(other));
}

TEST_F(Asio, ACoroutineSendsARange) {
    const auto body = [](channel<int> c) -> awaitable<void> {
        std::vector<int> values(100, 1);
        EXPECT_EQ(co_await async_perform(c.async_send_all(values)), 100u);
        c.close();
    };
    auto sum = sluice::go(add_up_in_task, ch);
    asio::co_spawn(io, body(ch), std::ref(end));
    io.run();
    EXPECT_EQ(sum.get(), 100);
}

TEST_F(Asio, ACoroutineJoinsTasks) {
    const auto body = [](std::string& said) -> awaitable<void> {
        auto good = sluice::go([]() -> task<no_default> { co_return no_default{3}; });
        const std::optional<no_default> value = co_await async_perform(good.async_get());
        EXPECT_EQ(*value->value, 3);
        auto bad = sluice::go([]() -> task<int> {
            throw std::runtime_error{"no"};
            co_return 1;
        });
        try {
            static_cast<void>(co_await async_perform(std::move(bad)));
        } catch (const std::runtime_error& e) {
            said = e.what();
        }
    };
    std::string said;
    asio::co_spawn(io, body(said), std::ref(end));
    io.run();
    EXPECT_EQ(said, "no");
}

// --- Handlers and other tokens. -----------------------------------------------------------------------------------------

TEST_F(Asio, AHandlerIsNotCalledWhereItsOperationBegan) {
    const channel<int> ready{1};
    EXPECT_TRUE(ready.try_send(2));
    int got = 0;
    async_perform(ready.async_receive(),
                  asio::bind_executor(io, [&](const std::exception_ptr&, received<int> v) { got = *v; }));
    EXPECT_EQ(got, 0);
    poll();
    EXPECT_EQ(got, 2);
}

TEST_F(Asio, AHandlerRunsInItsStrand) {
    auto strand = asio::make_strand(io);
    bool inside = false;
    async_perform(ch.async_receive(), asio::bind_executor(strand, [&](const std::exception_ptr&, received<int>) {
                      inside = strand.running_in_this_thread();
                  }));
    EXPECT_TRUE(ch.try_send(1));
    poll();
    EXPECT_TRUE(inside);
}

TEST_F(Asio, AFutureIsFulfilled) {
    auto answer = async_perform(ch.async_receive(), asio::use_future);
    EXPECT_TRUE(ch.send(6));
    EXPECT_EQ(*answer.get(), 6);
}

// Counts what is allocated with it.
template <class T>
struct counting {
    using value_type = T;
    explicit counting(int& c) noexcept : count{&c} {}
    template <class U>
    counting(const counting<U>& other) noexcept : count{other.count} {}
    T* allocate(std::size_t n) {
        ++*count;
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* p, std::size_t n) noexcept {
        --*count;
        std::allocator<T>{}.deallocate(p, n);
    }
    template <class U>
    bool operator==(const counting<U>& other) const noexcept {
        return count == other.count;
    }
    int* count;
};
struct handler_with_allocator {
    using allocator_type = counting<char>;
    using executor_type = asio::io_context::executor_type;
    allocator_type get_allocator() const noexcept { return allocator_type{*count}; }
    executor_type get_executor() const noexcept { return io->get_executor(); }
    void operator()(const std::exception_ptr&, received<int>) const { *count_at_call = *count; }
    asio::io_context* io;
    int* count;
    int* count_at_call;
};

TEST_F(Asio, TheHandlersAllocatorIsUsedAndHasAllBackBeforeTheCall) {
    int count = 0;
    int count_at_call = -1;
    async_perform(ch.async_receive(), handler_with_allocator{&io, &count, &count_at_call});
    EXPECT_EQ(count, 1);
    EXPECT_TRUE(ch.try_send(1));
    EXPECT_EQ(count, 2);
    poll();
    EXPECT_EQ(count_at_call, 0);
}

// --- Cancellation. ------------------------------------------------------------------------------------------------------

TEST_F(Asio, ACancellationThroughTheSlotEndsTheWait) {
    asio::cancellation_signal signal;
    std::optional<status> why;
    async_perform(ch.async_receive(),
                  asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io, [&](auto e, received<int> v) {
                                                   end(e);
                                                   why = v.why();
                                               })));
    signal.emit(asio::cancellation_type::partial);
    EXPECT_FALSE(end.ended);
    poll();
    EXPECT_TRUE(end.was_aborted());
    EXPECT_EQ(why, status::canceled);
    EXPECT_TRUE(nobody_waits(ch));
}

TEST_F(Asio, AnOperationThatTookEffectIsNotCancelledAnyMore) {
    asio::cancellation_signal signal;
    int got = 0;
    async_perform(ch.async_receive(),
                  asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io, [&](auto e, received<int> v) {
                                                   end(e);
                                                   got = *v;
                                               })));
    EXPECT_TRUE(ch.try_send(3));
    signal.emit(asio::cancellation_type::terminal);
    poll();
    EXPECT_FALSE(end.error);
    EXPECT_EQ(got, 3);
    signal.emit(asio::cancellation_type::terminal);  // there is nobody any more
}

TEST_F(Asio, ACancelledSendKeepsItsValue) {
    asio::cancellation_signal signal;
    const channel<std::unique_ptr<int>> pointers{0};
    auto mine = std::make_unique<int>(1);
    std::optional<status> why;
    async_perform(pointers.async_send(std::move(mine), sluice::context{}),
                  asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io, [&](auto e, sluice::sent s) {
                                                   end(e);
                                                   why = s.why();
                                               })));
    signal.emit(asio::cancellation_type::terminal);
    poll();
    EXPECT_TRUE(end.was_aborted());
    EXPECT_EQ(why, status::canceled);
    EXPECT_TRUE(mine);
}

TEST_F(Asio, TheCancellationOfACoroutineEndsItsWait) {
    asio::cancellation_signal signal;
    received<int> got;
    asio::co_spawn(io, receive_into(ch, got), asio::bind_cancellation_slot(signal.slot(), std::ref(end)));
    poll();
    signal.emit(asio::cancellation_type::terminal);
    poll();
    EXPECT_TRUE(end.was_aborted());
    EXPECT_TRUE(nobody_waits(ch));
}

TEST_F(Asio, TheLoserOfAnAlternativeLosesNoValue) {
    const auto body = [](channel<int> c, std::size_t& which) -> awaitable<void> {
        using namespace asio::experimental::awaitable_operators;
        asio::steady_timer timer{co_await asio::this_coro::executor, 1ms};
        const auto first = co_await (async_perform(c.async_receive()) || timer.async_wait(asio::use_awaitable));
        which = first.index();
    };
    std::size_t which = 9;
    asio::co_spawn(io, body(ch, which), std::ref(end));
    io.run();
    EXPECT_EQ(which, 1u);
    EXPECT_TRUE(nobody_waits(ch));
    EXPECT_EQ(ch.try_send(1), status::full);
}

TEST_F(Asio, AContextThatTheOperationNamesEndsItByValue) {
    const auto stop = sluice::with_cancel({});
    const auto body = [](channel<int> c, sluice::context until, received<int>& got) -> awaitable<void> {
        got = co_await async_perform(c.async_receive(until));
    };
    received<int> got;
    spawn(body(ch, stop, got));
    stop.cancel();
    poll();
    EXPECT_FALSE(end.error);
    EXPECT_EQ(got, status::canceled);
}

TEST_F(Asio, ACancelledBatchTellsHowManyWereSent) {
    asio::cancellation_signal signal;
    std::vector<int> values(5, 1);
    std::size_t count = 0;
    async_perform(ch.async_send_all(values),
                  asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io, [&](auto e, std::size_t n) {
                                                   end(e);
                                                   count = n;
                                               })));
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(ch.try_receive());
        poll();
    }
    signal.emit(asio::cancellation_type::terminal);
    poll();
    EXPECT_TRUE(end.was_aborted());
    EXPECT_EQ(count, 2u);
    EXPECT_TRUE(nobody_waits(ch));
}

// T40: a thread sends while the loop cancels; each value sent is received.
TEST_F(Asio, AReceiveRacingWithItsCancellationLosesNoValue) {
    std::atomic<bool> over{false};
    long sent = 0;
    long got = 0;
    long aborted = 0;
    std::jthread sender{[&] {
        while (!over) sent += static_cast<bool>(ch.try_send(1));
    }};
    for (int i = 0; i < 20'000; ++i) {
        asio::cancellation_signal signal;
        async_perform(ch.async_receive(),
                      asio::bind_cancellation_slot(
                          signal.slot(), asio::bind_executor(io, [&](const std::exception_ptr& e, received<int> v) {
                              EXPECT_EQ(e != nullptr, v.why() == status::canceled);
                              e ? ++aborted : ++got;
                          })));
        asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
        io.restart();
        io.run();
    }
    over = true;
    sender.join();
    EXPECT_EQ(got, sent);
    EXPECT_EQ(got + aborted, 20'000);
}

}  // namespace
