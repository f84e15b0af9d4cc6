// SPDX-License-Identifier: BSL-1.0
// foreign_stress_test.cpp: is a foreign coroutine resumed or destroyed once, whatever happens at the same moment?

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <iterator>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <sluice/sluice.hpp>

#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using namespace sluice_test;
using sluice::channel;
using sluice::context;

// As many rounds at least; more while there is time.
constexpr long rounds_at_least = 100'000;

// A value that tells of its end, once, wherever it has gone.
class tallied {
public:
    tallied() noexcept : full_{true} { ++made; }
    tallied(tallied&& other) noexcept : full_{std::exchange(other.full_, false)} {}
    tallied& operator=(tallied&& other) noexcept {
        std::swap(full_, other.full_);
        return *this;
    }
    ~tallied() {
        if (full_) ++ended;
    }
    inline static std::atomic<long> made{0};
    inline static std::atomic<long> ended{0};

private:
    bool full_;
};

// Does on another thread what it is told, at the same time as its owner goes on.
class partner {
public:
    ~partner() {
        begin(nullptr);
        thread_.join();
    }
    /// Returns when the other thread is about to do it.
    void begin(std::function<void()> act) {
        act_ = std::move(act);
        begun_.fetch_add(1, std::memory_order_release);
        until([&] { return taken_.load(std::memory_order_relaxed) == begun_.load(std::memory_order_relaxed); });
    }
    void wait() const {
        until([&] { return ended_.load(std::memory_order_acquire) == begun_.load(std::memory_order_relaxed); });
    }

private:
    // Both sides are awake when something begins, or nothing would happen at the same time.
    template <class Predicate>
    static void until(Predicate holds) {
        for (int tries = 0; !holds(); ++tries) {
            if (tries < 500) sluice::detail::cpu_relax();
            else std::this_thread::yield();
        }
    }
    void run() {
        for (long seen = 0;; ++seen) {
            until([&] { return begun_.load(std::memory_order_acquire) != seen; });
            taken_.store(seen + 1, std::memory_order_relaxed);
            if (!act_) return;
            act_();
            ended_.store(seen + 1, std::memory_order_release);
        }
    }
    std::function<void()> act_;
    std::atomic<long> begun_{0};
    std::atomic<long> taken_{0};
    std::atomic<long> ended_{0};
    std::thread thread_{[this] { run(); }};
};

void spin(unsigned n) {
    for (; n > 0; --n) sluice::detail::cpu_relax();
}

// --- What the coroutines wait for. --------------------------------------------------------------------------------------

struct scene {
    ticket_queue queue;
    channel<tallied> a{0};
    channel<tallied> b{0};
    sluice::semaphore permits{1};
    sluice::context_source stop = sluice::with_cancel({});
    std::chrono::microseconds patience{0};
};
foreign receive(ticket_queue&, scene& s) { static_cast<void>(co_await s.a.async_receive()); }
foreign send(ticket_queue&, scene& s) { static_cast<void>(co_await s.b.async_send(tallied{})); }
foreign receive_until(ticket_queue&, scene& s) { static_cast<void>(co_await s.a.async_receive(s.stop.get())); }
foreign receive_in_time(ticket_queue&, scene& s) {
    static_cast<void>(co_await sluice::timeout(s.patience, s.a.async_receive()));
}
foreign hold(ticket_queue&, scene& s) { const sluice::permit p = co_await s.permits.async_hold(); }
foreign select_several(ticket_queue&, scene& s) {
    tallied mine;
    sluice::received<tallied> got;
    const auto at = co_await sluice::async_select(sluice::on_receive(s.a, got), sluice::on_send(s.b, std::move(mine)),
                                                  sluice::on_acquire(s.permits), sluice::on_done(s.stop.get()),
                                                  sluice::on_timeout(s.patience));
    if (at == 2) s.permits.release();
}
constexpr foreign (*waits[])(ticket_queue&, scene&){receive,         send, receive_until,
                                                    receive_in_time, hold, select_several};

void send_to(scene& s) { static_cast<void>(s.a.try_send(tallied{})); }
void receive_from(scene& s) { static_cast<void>(s.b.try_receive()); }
void close(scene& s) {
    s.a.close();
    s.b.close();
}
void cancel(scene& s) { s.stop.cancel(); }
void release(scene& s) { s.permits.release(); }
void several(scene& s) {
    send_to(s);
    cancel(s);
    receive_from(s);
}
constexpr void (*ends[])(scene&){send_to, receive_from, close, cancel, release, several};

// T27, T40, MX-05: its owner destroys the frame, or resumes it, while another thread or a timer ends its wait.
TEST(ForeignStress, AFrameMayGoWhileItsWaitEnds) {
    const stress_time time;
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    random_numbers random{seed};
    partner other;
    long resumed = 0;
    long rounds = 0;
    for (; rounds < rounds_at_least || time.goes_on(); ++rounds) {
        scene s;
        s.permits.acquire();
        s.patience = std::chrono::microseconds{random.below(4) ? 1'000'000 : random.below(40)};
        const auto end = ends[random.below(std::size(ends))];
        const unsigned delay = random.below(100);
        const unsigned late = random.below(100);
        foreign first = waits[random.below(std::size(waits))](s.queue, s);
        foreign second = random.below(4) ? foreign{} : waits[random.below(std::size(waits))](s.queue, s);
        other.begin([&s, end, late] {
            spin(late);
            end(s);
        });
        spin(delay);
        if (random.below(3) == 0) resumed += s.queue.run_one();
        first.destroy();
        second.destroy();
        other.wait();
        while (s.queue.run_one()) {}
        ASSERT_TRUE(nobody_waits(s.a) && nobody_waits(s.b));
        ASSERT_EQ(s.permits.waiting(), 0u);
        ASSERT_EQ(s.permits.available(), end == release ? 1u : 0u);
        ASSERT_EQ(tallied::made, tallied::ended);
    }
    RecordProperty("rounds", static_cast<int>(rounds));
    RecordProperty("resumed", static_cast<int>(resumed));
}

// --- T51: nothing after the publication touches the frame. -----------------------------------------------------------------

// Begins at once, goes on in a queue, frees itself at its end.
struct hasty {
    struct promise_type {
        template <class... Args>
        explicit promise_type(ticket_queue& q, Args&...) noexcept : queue{&q} {}
        hasty get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }

        ticket_queue* queue;
    };
};

}  // namespace

template <>
struct sluice::resumption<hasty::promise_type> {
    static void post(hasty::promise_type& p, sluice::resume_ticket t) noexcept { p.queue->add(std::move(t)); }
};

namespace {

hasty receive_once(ticket_queue&, channel<tallied> ch, std::atomic<long>& got) {
    const auto v = co_await ch.async_receive();  // not in the condition: g++ 12 loses the promise then
    if (v) ++got;
}
hasty select_once(ticket_queue&, channel<tallied> ch, channel<tallied> never, std::atomic<long>& got) {
    sluice::received<tallied> v;
    if (co_await sluice::async_select(sluice::on_receive(ch, v), sluice::on_receive(never), sluice::on_timeout(1h)) ==
        0)
        ++got;
}

// T51: the receivers are resumed, end and free their frames on other threads while the first is still in its await.
TEST(ForeignStress, AFrameMayEndElsewhereBeforeItsAwaitHasReturned) {
    const channel<tallied> ch{0};
    const channel<tallied> never{0};
    std::atomic<long> got{0};
    {
        own_thread executor;
        std::jthread sender{[ch] {
            for (long i = 0; i < rounds_at_least; ++i)
                if (!ch.send(tallied{})) return;
        }};
        for (long i = 0; i < rounds_at_least; ++i) {
            if (i % 2) receive_once(executor, ch, got);
            else select_once(executor, ch, never, got);
        }
    }
    EXPECT_EQ(got, rounds_at_least);
    EXPECT_EQ(tallied::made, tallied::ended);
    EXPECT_TRUE(nobody_waits(ch) && nobody_waits(never));
}

// The same without an executor: the workers of the process's runtime.
fire_and_forget pass_on(channel<int> from, channel<int> to, std::atomic<int>& alive) {
    int passed = 0;
    while (auto v = co_await from.async_receive()) {
        if (!co_await to.async_send(*v)) break;
        ++passed;
    }
    EXPECT_EQ(passed, 100);
    to.close();
    --alive;
}

// CH-21
TEST(ForeignStress, AChainOfCoroutinesInTheProcessRuntimeLosesNothing) {
    std::atomic<int> alive{0};
    const stress_time time;
    long rounds = 0;
    for (; rounds < 10 || time.goes_on(); ++rounds) {
        const channel<int> first{0};
        channel<int> last = first;
        for (int i = 0; i < 20; ++i) {
            const channel<int> next{static_cast<std::size_t>(i % 3)};
            ++alive;
            pass_on(last, next, alive);
            last = next;
        }
        std::jthread feeder{[first] {
            for (int i = 0; i < 100; ++i)
                if (!first.send(i)) return;
            first.close();
        }};
        for (int i = 0; i < 100; ++i) ASSERT_EQ(*last.receive(), i);
        ASSERT_FALSE(last.receive());
    }
    ASSERT_TRUE(eventually([&] { return alive == 0; }));
}

// MX-02, T21: selects of threads, tasks and two foreign executors over the same channels, in both orders.
hasty shuttle(ticket_queue&, channel<int> a, channel<int> b, std::atomic<long>& moved, std::atomic<int>& alive) {
    int carried = 0;
    for (;;) {
        sluice::received<int> got;
        const auto at = co_await sluice::async_select(sluice::on_receive(a, got), sluice::on_send(b, carried));
        if (at == 0) {
            if (!got) break;
            carried = *got;
        } else if (b.is_closed()) {
            break;
        }
        ++moved;
    }
    --alive;
}

TEST(ForeignStress, SelectsOfEveryKindOfWaiterDoNotDeadlock) {
    const channel<int> a{0};
    const channel<int> b{0};
    std::atomic<long> moved{0};
    std::atomic<int> alive{4};
    own_thread one;
    own_thread two;
    for (int i = 0; i < 2; ++i) {
        shuttle(one, a, b, moved, alive);
        shuttle(two, b, a, moved, alive);
    }
    const stress_time time;
    while (time.goes_on() || moved < 1000) {
        static_cast<void>(a.send_for(1, 1ms));
        static_cast<void>(b.receive_for(1ms));
    }
    a.close();
    b.close();
    ASSERT_TRUE(eventually([&] { return alive == 0; }));
    EXPECT_TRUE(nobody_waits(a) && nobody_waits(b));
}

}  // namespace
