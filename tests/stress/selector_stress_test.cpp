// SPDX-License-Identifier: BSL-1.0
// selector_stress_test.cpp: does exactly one case of each select fire when the sets of cases change all the time?
//
// Few checks, many rounds; SLUICE_STRESS_SECONDS says how long each test works. A hang is a failure.

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>
#include <vector>

#include "../support/callers.hpp"
#include "../support/ledger.hpp"
#include "../support/random_numbers.hpp"
#include "../support/stress_time.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::received;
using sluice::selector;
using sluice::sent;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

constexpr unsigned channel_count = 24;

struct world {
    world() {
        for (unsigned i = 0; i < channel_count; ++i) chs.emplace_back(i % 3);
    }
    std::vector<channel<int>> chs;
    ledger book;
    stress_time time;
};

/// A selector whose receives and sends come and go; it is used by one thread or task.
class changing_set {
public:
    changing_set(world& in, std::uint64_t seed)
        : world_{in}, random_{seed}, selector_{random_.below(2) == 0 ? selector{} : selector{sluice::prioritized}} {
        for (int i = 0; i < 4; ++i) add_receive();
    }

    selector& cases() { return selector_; }

    /// Adds or removes some cases, or none.
    void change() {
        switch (random_.below(6)) {
            case 0: add_receive(); break;
            case 1:
            case 2: add_send(); break;
            case 3:
                if (!receives_.empty()) {
                    const std::size_t at = random_.below(static_cast<unsigned>(receives_.size()));
                    EXPECT_TRUE(selector_.remove(receives_[at]));
                    receives_[at] = receives_.back();
                    receives_.pop_back();
                }
                break;
            case 4:
                if (!sends_.empty()) {
                    const auto any = sends_.begin();
                    EXPECT_TRUE(selector_.remove(any->first));  // its value was not sent
                    sends_.erase(any);
                }
                break;
            default: break;
        }
    }

    /// Books what the case has done. False: its channel is closed.
    bool note(selector::id fired) {
        if (!fired) return true;
        const auto send = sends_.find(fired);
        if (send != sends_.end()) {
            EXPECT_FALSE(selector_.contains(fired));
            if (sent_) world_.book.note_sent(send->second);
            sends_.erase(send);
            return sent_ != status::closed;
        }
        EXPECT_TRUE(selector_.contains(fired));
        if (value_) world_.book.note_received(*value_);
        return value_ != status::closed;
    }

private:
    const channel<int>& any_channel() { return world_.chs[random_.below(channel_count)]; }
    void add_receive() {
        if (receives_.size() < 16) receives_.push_back(selector_.add(on_receive(any_channel(), value_)));
    }
    void add_send() {
        if (sends_.size() >= 8) return;
        const int v = static_cast<int>(random_.below(1000));
        sends_[selector_.add(on_send(any_channel(), v, sent_))] = v;
    }

    world& world_;
    random_numbers random_;
    selector selector_;
    std::vector<selector::id> receives_;
    std::unordered_map<selector::id, int> sends_;
    received<int> value_;
    sent sent_ = status::full;
};

int use_blocking(world* in, std::uint64_t seed) {
    changing_set set{*in, seed};
    for (unsigned i = 0; in->time.goes_on(); ++i) {
        set.change();
        set.note(i % 4 == 0 ? set.cases().try_select() : set.cases().select_for(50us));
    }
    return 0;
}
task<int> use_async(world* in, std::uint64_t seed) {
    changing_set set{*in, seed};
    while (in->time.goes_on()) {
        set.change();
        const auto fired = co_await sluice::timeout(50us, set.cases().async_select());
        set.note(fired);
    }
    co_return 0;
}

// SE-25, SE-30, T28 with sets that change.
TEST(SelectorStress, ChangingSetsOfThreadsAndTasksLoseNothing) {
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    world w;
    sluice::runtime rt{workers(2)};
    threads by;
    std::vector<sluice::join_handle<int>> in_tasks;
    std::vector<on_a_thread<int>> in_threads;
    for (std::uint64_t i = 0; i < 4; ++i) in_tasks.push_back(rt.go(use_async, &w, seed + i));
    for (std::uint64_t i = 0; i < 3; ++i) in_threads.push_back(by.start(use_blocking, 0, &w, seed + 10 + i));
    for (auto& t : in_tasks) t.get();
    for (auto& t : in_threads) t.get();
    for (const auto& ch : w.chs) {
        while (const auto v = ch.try_receive()) w.book.note_received(*v);
        ASSERT_EQ(ch.try_receive().why(), status::empty);
    }
    w.book.expect_balance();
}

// Without times: every select waits until it fires, and the channels close one after the other.
TEST(SelectorStress, SelectorsDrainChannelsThatCloseMeanwhile) {
    const stress_time time;
    sluice::runtime rt{workers(2)};
    threads by;
    std::uint64_t round = 0;
    while (time.goes_on()) {
        ++round;
        ledger book;
        std::vector<channel<int>> chs;
        for (unsigned i = 0; i < channel_count; ++i) chs.emplace_back(i % 2);
        const auto drain = [](const std::vector<channel<int>>* from, ledger* to) {
            selector s;
            received<int> v;
            for (const auto& ch : *from) s.add(on_receive(ch, v));
            while (!s.empty()) {
                const auto id = s.select();
                if (v) to->note_received(*v);
                else s.remove(id);
            }
            return 0;
        };
        const auto async_drain = [](const std::vector<channel<int>>* from, ledger* to) -> task<int> {
            selector s;
            received<int> v;
            for (const auto& ch : *from) s.add(on_receive(ch, v));
            while (!s.empty()) {
                const auto id = co_await s.async_select();
                if (v) to->note_received(*v);
                else s.remove(id);
            }
            co_return 0;
        };
        auto first = rt.go(async_drain, &chs, &book);
        auto second = rt.go(async_drain, &chs, &book);
        auto third = by.start(drain, 0, &chs, &book);
        random_numbers random{round};
        for (unsigned i = 0; i < channel_count; ++i) {
            for (unsigned n = 0; n < 4; ++n) {
                const unsigned at = i + random.below(channel_count - i);
                ASSERT_TRUE(chs[at].send(static_cast<int>(n)));
                book.note_sent(static_cast<int>(n));
            }
            chs[i].close();
        }
        first.get();
        second.get();
        third.get();
        book.expect_balance();
    }
}

}  // namespace
