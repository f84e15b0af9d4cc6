// SPDX-License-Identifier: BSL-1.0
// foreign_lifetime_test.cpp: may the frame of a foreign coroutine be destroyed at any time until it is resumed?

#include <sluice/sluice.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/foreign_coroutine.hpp"
#include "../support/waiting.hpp"

namespace {

// A coroutine whose executor gives it up in the middle of `post`, on the waker's own thread.
struct given_up {
    struct promise_type {
        given_up get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

}  // namespace

template <>
struct sluice::resumption<given_up::promise_type> {
    static void post(given_up::promise_type& p, const sluice::resume_ticket& t) noexcept {
        std::coroutine_handle<given_up::promise_type>::from_promise(p).destroy();
        t.resume();  // does nothing
    }
};

namespace {

using sluice::channel;
using sluice::received;
using namespace sluice_test;
using namespace std::chrono_literals;

struct frame_tag {};
struct value_tag {};
using local = counted<frame_tag>;
using value = counted<value_tag>;

// What the coroutines of these tests wait for: all of it is busy.
struct scene {
    ticket_queue queue;
    channel<value> in{0};
    channel<value> out{0};
    sluice::semaphore permits{2};
    sluice::sized_wait_group slots{1};
    sluice::wait_group group;
    sluice::context_source stop = sluice::with_cancel({});
    int went_on = 0;

    scene() {
        permits.acquire(2);
        slots.add();
        group.add();
    }
    ~scene() {
        if (group.count() != 0) group.done();
        if (slots.count() != 0) slots.done();
    }
    bool nobody_is_left() const {
        auto* const node = sluice::detail::context_access::node(stop.get());
        const sluice::detail::hold guard{node->mutex};
        return nobody_waits(in) && nobody_waits(out) && permits.waiting() == 0 && node->watchers.empty();
    }
};

// --- One coroutine for each thing that can be waited for. -----------------------------------------------------------

foreign send(ticket_queue&, scene& s) {
    const local here;
    static_cast<void>(co_await s.out.async_send(value{1}));
    ++s.went_on;
}
foreign receive(ticket_queue&, scene& s) {
    const local here;
    static_cast<void>(co_await s.in.async_receive());
    ++s.went_on;
}
foreign receive_some(ticket_queue&, scene& s) {
    const local here;
    static_cast<void>(co_await s.in.async_receive_some(3));
    ++s.went_on;
}
foreign select_several(ticket_queue&, scene& s) {
    const local here;
    value mine{1};
    received<value> got;
    static_cast<void>(co_await sluice::async_select(sluice::on_receive(s.in, got), sluice::on_send(s.out, mine),
                                                    sluice::on_receive(s.in), sluice::on_done(s.stop.get()),
                                                    sluice::on_acquire(s.permits), sluice::on_timeout(1h)));
    ++s.went_on;
}
foreign receive_with_deadline(ticket_queue&, scene& s) {
    const local here;
    static_cast<void>(co_await sluice::timeout(1h, s.in.async_receive()));
    ++s.went_on;
}
foreign receive_until(ticket_queue&, scene& s) {
    const local here;
    static_cast<void>(co_await s.in.async_receive(s.stop.get()));
    ++s.went_on;
}
foreign wait_for_end(ticket_queue&, scene& s) {
    const local here;
    co_await s.stop.get().async_done();
    ++s.went_on;
}
foreign hold_permit(ticket_queue&, scene& s) {
    const local here;
    const sluice::permit held = co_await s.permits.async_hold();
    ++s.went_on;
}
foreign acquire_in_time(ticket_queue&, scene& s) {
    const local here;
    static_cast<void>(co_await sluice::timeout(1h, s.permits.async_acquire()));
    s.permits.release();
    ++s.went_on;
}
foreign select_permit(ticket_queue&, scene& s) {
    const local here;
    static_cast<void>(co_await sluice::async_select(sluice::on_acquire(s.permits), sluice::on_receive(s.in)));
    s.permits.release();
    ++s.went_on;
}
foreign take_slot(ticket_queue&, scene& s) {
    const local here;
    co_await s.slots.async_add();
    s.slots.done();
    ++s.went_on;
}
foreign wait_for_group(ticket_queue&, scene& s) {
    const local here;
    co_await s.group.async_wait();
    ++s.went_on;
}
foreign join_task(ticket_queue&, scene& s) {
    const local here;
    auto h =
        sluice::go([](channel<value> c) -> sluice::task<> { static_cast<void>(co_await c.async_receive()); }, s.in);
    co_await h;
    ++s.went_on;
}

void let_send(scene& s) { static_cast<void>(s.out.try_receive()); }
void let_receive(scene& s) { static_cast<void>(s.in.try_send(value{2})); }
void cancel(scene& s) { s.stop.cancel(); }
void release(scene& s) { s.permits.release(); }
void release_two(scene& s) { s.permits.release(2); }
void free_slot(scene& s) { s.slots.done(); }
void end_group(scene& s) { s.group.done(); }
void close_in(scene& s) { s.in.close(); }
void close_out(scene& s) { s.out.close(); }
void end_task(scene& s) {
    eventually([&] { return static_cast<bool>(s.in.try_send(value{2})); });
    eventually([&] { return s.queue.added() == 1; });
}

struct kind {
    const char* name;
    foreign (*start)(ticket_queue&, scene&);
    void (*let_one_go)(scene&);
    void (*let_two_go)(scene&);  // at once; null: one after the other

    friend std::ostream& operator<<(std::ostream& out, const kind& k) { return out << k.name; }
};
constexpr kind kinds[]{
    {"Send", send, let_send, close_out},
    {"Receive", receive, let_receive, close_in},
    {"ReceiveSome", receive_some, let_receive, close_in},
    {"SelectThatReceives", select_several, let_receive, close_in},
    {"SelectThatSends", select_several, let_send, close_out},
    {"SelectThatIsCancelled", select_several, cancel, cancel},
    {"SelectThatAcquires", select_permit, release, release_two},
    {"ReceiveWithDeadline", receive_with_deadline, let_receive, close_in},
    {"ReceiveUntil", receive_until, let_receive, close_in},
    {"CancelledReceive", receive_until, cancel, cancel},
    {"EndOfAContext", wait_for_end, cancel, cancel},
    {"Permit", hold_permit, release, release_two},
    {"PermitInTime", acquire_in_time, release, release_two},
    {"Slot", take_slot, free_slot, nullptr},
    {"Group", wait_for_group, end_group, end_group},
    {"Join", join_task, end_task, nullptr},
};

class ForeignLifetime : public testing::TestWithParam<kind>, protected scene {
protected:
    foreign start() { return GetParam().start(queue, *this); }
    // Nothing of any frame is left, in no list and no memory.
    void expect_no_trace() const {
        EXPECT_TRUE(nobody_is_left());
        EXPECT_EQ(local::live(), 0);
        EXPECT_EQ(value::live(), 0);
        EXPECT_EQ(went_on, 0);
    }
};
std::string name_of(const testing::TestParamInfo<kind>& of) { return of.param.name; }
INSTANTIATE_TEST_SUITE_P(Wait, ForeignLifetime, testing::ValuesIn(kinds), name_of);

// T27, MX-05
TEST_P(ForeignLifetime, AFrameDestroyedWhileItWaitsLeavesNothing) {
    foreign waits = start();
    ASSERT_EQ(local::live(), 1);
    ASSERT_FALSE(waits.has_ended());
    waits.destroy();
    EXPECT_EQ(slots.count(), 1u);
    if (GetParam().start == join_task) return in.close(), void();  // the task itself goes on receiving
    expect_no_trace();
    GetParam().let_one_go(*this);
    EXPECT_EQ(queue.added(), 0u);
}

// T27, MX-05: what it was given is destroyed once, or goes back.
TEST_P(ForeignLifetime, AFrameDestroyedBeforeItIsResumedLeavesNothing) {
    foreign waits = start();
    const std::size_t free = permits.available();
    GetParam().let_one_go(*this);
    ASSERT_EQ(queue.added(), 1u);
    const bool released = GetParam().let_one_go == release;
    EXPECT_EQ(permits.available(), free);
    waits.destroy();
    expect_no_trace();
    EXPECT_EQ(permits.available(), free + (released ? 1 : 0));
    if (GetParam().start == take_slot) {
        EXPECT_EQ(slots.count(), 0u);
        EXPECT_TRUE(slots.try_add());
    }
    EXPECT_TRUE(queue.run_one());  // the ticket does nothing any more
    EXPECT_EQ(went_on, 0);
}

std::vector<kind> kinds_that_end_together() {
    std::vector<kind> some;
    std::ranges::copy_if(kinds, std::back_inserter(some), [](const kind& k) { return k.let_two_go != nullptr; });
    return some;
}
class ForeignPair : public ForeignLifetime {};
INSTANTIATE_TEST_SUITE_P(Wait, ForeignPair, testing::ValuesIn(kinds_that_end_together()), name_of);

// T27, MX-05: the second of two that end together is destroyed by the first one's executor, before its own wake.
TEST_P(ForeignPair, AFrameDestroyedBetweenItsEndAndItsWakeLeavesNothing) {
    foreign first = start();
    foreign second = start();
    queue.on_post = [&](const sluice::resume_ticket&) { second.destroy(); };
    GetParam().let_two_go(*this);
    EXPECT_EQ(queue.added(), 1u);
    EXPECT_EQ(local::live(), 1);
    EXPECT_TRUE(queue.run_one());
    EXPECT_FALSE(queue.run_one());
    EXPECT_TRUE(first.has_ended());
    EXPECT_EQ(std::exchange(went_on, 0), 1);
    first.destroy();
    expect_no_trace();
    if (GetParam().let_two_go == release_two) {
        EXPECT_EQ(permits.available(), 2u);
    }
}

// --- Between the claim and the wake, with a value. --------------------------------------------------------------------

// A partner who has done his part of the operation and has not woken the other yet.
template <class Op>
class slow_partner {
public:
    explicit slow_partner(Op op) : op_{std::move(op)} {
        const sluice::detail::hold guard{*op_.guard()};
        committed_ = op_.try_commit(woken_);
    }
    bool has_committed() const { return committed_; }
    void wake() { woken_.wake_all(); }
    auto result() { return op_.result(); }

private:
    Op op_;
    sluice::detail::wake_chain woken_;
    bool committed_ = false;
};

class ForeignHandover : public testing::Test, protected scene {};

// MX-05
TEST_F(ForeignHandover, AValueGivenToAFrameThatGoesIsDestroyedOnceWithIt) {
    for (const auto start : {receive, receive_some, select_several, receive_with_deadline}) {
        foreign waits = start(queue, *this);
        value given{3};
        slow_partner partner{in.async_send(std::move(given))};
        ASSERT_TRUE(partner.has_committed());
        EXPECT_TRUE(given.is_moved_from());
        const int alive = value::live();
        waits.destroy();
        EXPECT_LT(value::live(), alive);
        EXPECT_TRUE(nobody_is_left());
        partner.wake();
        EXPECT_FALSE(queue.run_one());
    }
    EXPECT_EQ(value::live(), 0);
}

// MX-05
TEST_F(ForeignHandover, AValueTakenFromAFrameThatGoesIsDelivered) {
    for (const auto start : {send, select_several}) {
        foreign waits = start(queue, *this);
        slow_partner partner{out.async_receive()};
        ASSERT_TRUE(partner.has_committed());
        waits.destroy();
        partner.wake();
        EXPECT_FALSE(queue.run_one());
        EXPECT_EQ(partner.result()->value(), 1);
        EXPECT_TRUE(nobody_is_left());
    }
    EXPECT_EQ(value::live(), 0);
}

// --- While the waker uses the promise. ----------------------------------------------------------------------------------

// The executor of the waker is held up in the middle of `post`, until the destructor of the frame waits for it.
TEST_F(ForeignHandover, TheDestructorOfAFrameWaitsForTheWakerThatUsesIt) {
    foreign waits = receive(queue, *this);
    std::atomic<bool> entered{false};
    std::atomic<bool> posted{false};
    queue.on_post = [&](const sluice::resume_ticket& t) {
        entered = true;
        eventually([&] { return !t; });
        posted = true;
    };
    std::jthread waker{[&] { static_cast<void>(in.try_send(value{1})); }};
    eventually([&] { return entered.load(); });
    waits.destroy();
    EXPECT_TRUE(posted);
    waker.join();
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(went_on, 0);
    EXPECT_EQ(value::live(), 0);
}

TEST_F(ForeignHandover, AnExecutorMayDestroyTheFrameInsteadOfResumingIt) {
    const auto wait = [](scene& s) -> given_up {
        const local here;
        static_cast<void>(co_await s.in.async_receive());
        ++s.went_on;
    };
    wait(*this);
    EXPECT_TRUE(in.try_send(value{1}));
    EXPECT_EQ(local::live(), 0);
    EXPECT_EQ(value::live(), 0);
    EXPECT_EQ(went_on, 0);
}

// --- Tickets. -----------------------------------------------------------------------------------------------------------

TEST_F(ForeignHandover, OfSeveralTicketsTheFirstOneCounts) {
    foreign waits = receive(queue, *this);
    sluice::resume_ticket kept;
    queue.on_post = [&](const sluice::resume_ticket& t) { kept = t; };
    EXPECT_TRUE(in.try_send(value{1}));
    const sluice::resume_ticket copy = kept;
    copy();
    EXPECT_TRUE(waits.has_ended());
    kept.resume();
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(went_on, 1);
}

TEST_F(ForeignHandover, ALostTicketLeavesTheCoroutineSuspended) {
    foreign waits = receive(queue, *this);
    EXPECT_TRUE(in.try_send(value{1}));
    queue.clear();
    EXPECT_FALSE(waits.has_ended());
    EXPECT_EQ(value::live(), 1);
    waits.destroy();
    EXPECT_EQ(value::live(), 0);
    EXPECT_EQ(went_on, 0);
}

TEST_F(ForeignHandover, ATicketThatStandsForNothingDoesNothing) {
    const sluice::resume_ticket none;
    none.resume();
    EXPECT_FALSE(static_cast<bool>(none));
}

// T10: whoever stood behind a frame that has gone gets the value.
TEST_F(ForeignHandover, TheNextInLineIsServedWhenAFrameGoes) {
    foreign first = receive(queue, *this);
    foreign second = receive(queue, *this);
    first.destroy();
    EXPECT_TRUE(in.try_send(value{1}));
    EXPECT_TRUE(queue.run_one());
    EXPECT_TRUE(second.has_ended());
}

// T31: the small request behind a large one that goes is let in.
TEST_F(ForeignHandover, TheNextRequestIsLetInWhenAFrameGoes) {
    const auto take = [](ticket_queue&, sluice::semaphore& s, std::size_t n, int& taken) -> foreign {
        static_cast<void>(co_await s.async_acquire(n));
        ++taken;
    };
    int taken = 0;
    permits.release(1);
    foreign large = take(queue, permits, 2, taken);
    const foreign small = take(queue, permits, 1, taken);
    large.destroy();
    EXPECT_TRUE(queue.run_one());
    EXPECT_EQ(taken, 1);
}

}  // namespace
