// SPDX-License-Identifier: BSL-1.0
// asio_lifetime_test.cpp: what becomes of waits whose execution context ends, and of its last waker?

#include <sluice/asio.hpp>
#include <sluice/sluice.hpp>

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <future>
#include <utility>
#include <vector>

#include "../support/counted.hpp"
#include "../support/waiting.hpp"

namespace {

using asio::awaitable;
using sluice::async_perform;
using sluice::channel;
using sluice::received;
using sluice::task;
using namespace sluice_test;

struct handler_tag {};
using local = counted<handler_tag>;
struct value_tag {};
using value = counted<value_tag>;

// T27, MX-05
TEST(AsioEnd, AContextThatEndsTakesItsWaitsWithIt) {
    const channel<value> ch{0};
    const auto body = [](channel<value> c) -> awaitable<void> {
        const local here;
        static_cast<void>(co_await async_perform(c.async_receive()));
        ADD_FAILURE() << "it went on";
    };
    sluice::semaphore permits{1};
    permits.acquire();
    {
        asio::io_context io;
        asio::co_spawn(io, body(ch), asio::detached);
        async_perform(permits.async_hold(),
                      asio::bind_executor(io, [here = local{}](const std::exception_ptr&, sluice::permit) {}));
        io.poll();
        EXPECT_EQ(local::live(), 2);
        EXPECT_EQ(receivers_waiting(ch), 1u);
    }
    EXPECT_EQ(local::live(), 0);
    EXPECT_TRUE(nobody_waits(ch));
    permits.release();
    EXPECT_EQ(permits.available(), 1u);
}

// MX-05: ended and posted, and the loop does not come to it any more.
TEST(AsioEnd, AValueGivenToAWaitOfAContextThatEndsIsDestroyedOnce) {
    const channel<value> ch{0};
    const channel<value> ready{1};
    sluice::semaphore permits{1};
    permits.acquire();
    {
        asio::io_context io;
        const auto never = [here = local{}](const std::exception_ptr&, auto) { ADD_FAILURE() << "it was called"; };
        async_perform(ch.async_receive(), asio::bind_executor(io, never));
        async_perform(permits.async_hold(), asio::bind_executor(io, never));
        EXPECT_TRUE(ready.try_send(value{1}));
        async_perform(ready.async_receive(), asio::bind_executor(io, never));
        EXPECT_TRUE(ch.try_send(value{1}));
        permits.release();
        EXPECT_EQ(permits.available(), 0u);
        EXPECT_EQ(value::live(), 2);
    }
    EXPECT_EQ(value::live(), 0);
    EXPECT_EQ(local::live(), 0);
    EXPECT_EQ(permits.available(), 1u);
}

// The waker is a thread that the context does not know: it must be out of it when the last handler is called.
TEST(AsioEnd, AContextMayGoWhenItsLastWaitHasEnded) {
    const auto receive_into = [](channel<int> from, received<int>& into) -> awaitable<void> {
        into = co_await async_perform(from.async_receive());
    };
    const auto answer = [](channel<int> c) -> task<> { EXPECT_TRUE(co_await c.async_send(1)); };
    const channel<int> ch{0};
    for (int i = 0; i < 2000; ++i) {
        received<int> got;
        auto sending = sluice::go(answer, ch);
        {
            asio::io_context io;
            asio::co_spawn(io, receive_into(ch, got), asio::detached);
            io.run();
        }
        ASSERT_EQ(*got, 1);
        sending.get();
    }
}

// MX-01: many at once, on a pool of threads.
TEST(AsioPool, CoroutinesOfAPoolLoseNothing) {
    constexpr int each = 2000;
    const channel<int> ch{2};
    std::atomic<long> sum{0};
    const auto consume = [](channel<int> c, std::atomic<long>& s) -> awaitable<void> {
        long mine = 0;
        while (auto n = co_await async_perform(c.async_receive())) mine += *n;
        s += mine;
    };
    const auto produce = [](channel<int> c) -> awaitable<void> {
        for (int i = 1; i <= each; ++i) EXPECT_TRUE(co_await async_perform(c.async_send(i)));
    };
    asio::thread_pool pool{2};
    std::vector<std::future<void>> producers;
    for (int i = 0; i < 3; ++i) asio::co_spawn(pool, consume(ch, sum), asio::detached);
    for (int i = 0; i < 3; ++i) producers.push_back(asio::co_spawn(pool, produce(ch), asio::use_future));
    for (auto& p : producers) p.get();
    ch.close();
    pool.join();
    EXPECT_EQ(sum, 3l * each * (each + 1) / 2);
}

}  // namespace
