// SPDX-License-Identifier: BSL-1.0
// selectable_stress_test.cpp: does a user's own wait lose, double or leave behind anything when many use it at once?
//
// Few checks, many rounds; SLUICE_STRESS_SECONDS says how long each test works. A hang is a failure.

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "../support/callers.hpp"
#include "../support/ledger.hpp"
#include "../support/mailbox.hpp"
#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on;
using sluice::on_receive;
using sluice::received;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

constexpr int last_letter = -1;

struct world {
    mailbox<int> box{2};
    channel<int> ch{0};
    ledger book;
    stress_time time;
};

int put_blocking(world* in, std::uint64_t seed) {
    random_numbers random{seed};
    while (in->time.goes_on()) {
        const int v = static_cast<int>(random.below(1000));
        bool put = false;
        switch (random.below(3)) {
            case 0: put = sluice::wait(in->box.async_put(v)); break;
            case 1: put = sluice::wait(sluice::timeout(10us, in->box.async_put(v))); break;
            default: put = sluice::select(on(in->box.async_put(v)), sluice::on_timeout(10us)) == 0; break;
        }
        if (put) in->book.note_sent(v);
    }
    return 0;
}
task<int> put_async(world* in, std::uint64_t seed) {
    random_numbers random{seed};
    while (in->time.goes_on()) {
        const int v = static_cast<int>(random.below(1000));
        bool put = false;
        if (random.below(2) == 0) {
            put = co_await in->box.async_put(v);
        } else {
            const auto fired = co_await sluice::async_select(on(in->box.async_put(v)), sluice::on_send(in->ch, v),
                                                             sluice::on_timeout(5us));
            put = fired < 2;
        }
        if (put) in->book.note_sent(v);
    }
    co_return 0;
}
int take_blocking(world* in, std::uint64_t seed) {
    random_numbers random{seed};
    for (;;) {
        received<int> v;
        if (random.below(2) == 0) v = sluice::wait(sluice::timeout(10us, in->box.async_take()));
        else sluice::select(on(in->box.async_take(), v), on_receive(in->ch, v));
        if (!v) continue;
        if (*v == last_letter) return 0;
        in->book.note_received(*v);
    }
}
task<int> take_async(world* in, std::uint64_t seed) {
    random_numbers random{seed};
    for (;;) {
        received<int> v;
        if (random.below(2) == 0) v = co_await in->box.async_take();
        else static_cast<void>(co_await sluice::async_select(on_receive(in->ch, v), on(in->box.async_take(), v)));
        if (*v == last_letter) co_return 0;
        in->book.note_received(*v);
    }
}

TEST(SelectableStress, NothingIsLostAmongThreadsTasksSelectsAndTimeouts) {
    world w;
    sluice::runtime rt{workers(2)};
    threads by;
    std::vector<sluice::join_handle<int>> tasks_taking;
    std::vector<sluice::join_handle<int>> tasks_putting;
    std::vector<on_a_thread<int>> threads_taking;
    std::vector<on_a_thread<int>> threads_putting;
    for (std::uint64_t i = 0; i < 3; ++i) {
        tasks_taking.push_back(rt.go(take_async, &w, 10 + i));
        tasks_putting.push_back(rt.go(put_async, &w, 20 + i));
    }
    for (std::uint64_t i = 0; i < 2; ++i) {
        threads_taking.push_back(by.start(take_blocking, 0, &w, 30 + i));
        threads_putting.push_back(by.start(put_blocking, 0, &w, 40 + i));
    }
    for (auto& p : tasks_putting) p.get();
    for (auto& p : threads_putting) p.get();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(sluice::wait(w.box.async_put(last_letter)));
    for (auto& t : tasks_taking) t.get();
    for (auto& t : threads_taking) t.get();
    EXPECT_EQ(w.box.size(), 0u);
    EXPECT_EQ(w.box.waiting(), 0u);
    w.book.expect_balance();
}

class event {
public:
    void set() {
        point_.change([this] { is_set_ = true; });
    }
    auto async_wait() {
        return point_.until([this]() noexcept { return is_set_; });
    }

private:
    bool is_set_ = false;
    sluice::wait_point point_;
};

// T29 for a type of one's own.
TEST(SelectableStress, WhoIsLetInMayDestroyTheObjectAtOnce) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    int round = 0;
    while (time.goes_on()) {
        auto owned = std::make_unique<event>();
        event* const seen = owned.get();
        auto setting = rt.go(
            [](event* e) -> task<> {
                e->set();
                co_return;
            },
            seen);
        if (++round % 2 == 0) sluice::wait(*owned);
        else sluice::select(on(*owned), on_receive(channel<int>{}));
        owned.reset();
        setting.get();

        auto again = std::make_unique<event>();
        event* const other = again.get();
        auto waiting = rt.go([](std::unique_ptr<event> e) -> task<> { co_await e->async_wait(); }, std::move(again));
        other->set();
        waiting.get();
    }
}

}  // namespace
