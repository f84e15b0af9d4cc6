// SPDX-License-Identifier: BSL-1.0
// wrong_channels_test.cpp: does the check of channel_linearizability_test.cpp notice a channel that is wrong?
//
// A plain channel that is right passes; each of the others is the plain one with one mistake of a kind that has been
// made before, and some seed shows it. Each test prints which; SLUICE_TEST_SEED runs that one again, many times.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "channel_histories.hpp"
#include "history_programs.hpp"

namespace {

using namespace sluice_test;
using namespace sluice_test::histories;

// --- the right one ---------------------------------------------------------------------------------------------------

/// How a wait may end before it is done.
struct ending {
    bool at_once = false;
    std::optional<std::chrono::steady_clock::time_point> until = {};
    const std::atomic<bool>* stop = nullptr;

    bool is_stopped() const { return stop && stop->load(); }
};

using received_value = std::pair<status, int>;

/// A buffer, one mutex, one condition variable, and a list of those who wait, who are all let go at every change.
class plain_channel {
public:
    explicit plain_channel(std::size_t capacity) : capacity_{capacity} {}
    virtual ~plain_channel() = default;

    virtual status send(int v, const ending& e) {
        std::unique_lock guard{mutex_};
        if (e.is_stopped()) return status::canceled;
        while (!closed_ && buffer_.size() >= capacity_)
            if (const auto why = wait(guard, e, status::full); why != status::ok) return why;
        if (closed_) return status::closed;
        buffer_.push_back(v);
        changed();
        return status::ok;
    }
    virtual received_value receive(const ending& e) {
        std::unique_lock guard{mutex_};
        if (e.is_stopped()) return {status::canceled, 0};
        while (!closed_ && buffer_.empty())
            if (const auto why = wait(guard, e, status::empty); why != status::ok) return {why, 0};
        return take();
    }
    bool close() {
        const std::lock_guard guard{mutex_};
        let_all_go();
        return !std::exchange(closed_, true);
    }
    /// After a stop has been requested.
    void look_at_stops() {
        const std::lock_guard guard{mutex_};
        wake_.notify_all();
    }
    std::size_t waiting() {
        const std::lock_guard guard{mutex_};
        return waiters_.size();
    }

protected:
    struct waiter {
        bool let_go = false;
    };

    virtual received_value take() {
        if (buffer_.empty()) return {status::closed, 0};
        const int v = buffer_.front();
        buffer_.pop_front();
        changed();
        return {status::ok, v};
    }
    virtual void changed() { let_all_go(); }
    void let_all_go() {
        for (auto* const w : waiters_) w->let_go = true;
        waiters_.clear();
        wake_.notify_all();
    }
    status wait(std::unique_lock<std::mutex>& guard, const ending& e, status not_ready) {
        if (e.at_once) return not_ready;
        waiter me;
        waiters_.push_back(&me);
        const auto is_over = [&] { return me.let_go || e.is_stopped(); };
        if (e.until) wake_.wait_until(guard, *e.until, is_over);
        else wake_.wait(guard, is_over);
        if (me.let_go) return status::ok;
        std::erase(waiters_, &me);
        return e.is_stopped() ? status::canceled : status::timed_out;
    }

    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<int> buffer_;
    bool closed_ = false;
    std::vector<waiter*> waiters_;
};

// --- the wrong ones --------------------------------------------------------------------------------------------------

/// A stack where a queue was meant.
struct takes_the_youngest : plain_channel {
    using plain_channel::plain_channel;
    received_value take() override {
        if (!buffer_.empty()) std::rotate(buffer_.begin(), buffer_.end() - 1, buffer_.end());
        return plain_channel::take();
    }
};

/// Who was woken by a value finds the channel closed meanwhile, and does not look for the value any more.
struct gives_up_when_closed : plain_channel {
    using plain_channel::plain_channel;
    received_value receive(const ending& e) override {
        std::unique_lock guard{mutex_};
        if (e.is_stopped()) return {status::canceled, 0};
        while (buffer_.empty() && !closed_) {
            if (const auto why = wait(guard, e, status::empty); why != status::ok) return {why, 0};
            if (closed_) return {status::closed, 0};
        }
        return take();
    }
};

/// Looks at the value under one lock and takes it out under another.
struct gives_a_value_twice : plain_channel {
    using plain_channel::plain_channel;
    received_value receive(const ending& e) override {
        received_value seen;
        {
            std::unique_lock guard{mutex_};
            if (e.is_stopped()) return {status::canceled, 0};
            while (!closed_ && buffer_.empty())
                if (const auto why = wait(guard, e, status::empty); why != status::ok) return {why, 0};
            if (buffer_.empty()) return {status::closed, 0};
            seen = {status::ok, buffer_.front()};
        }
        std::this_thread::yield();
        const std::lock_guard guard{mutex_};
        std::erase(buffer_, seen.second);
        changed();
        return seen;
    }
};

/// Takes a busy lock for an empty channel.
struct says_empty_when_busy : plain_channel {
    using plain_channel::plain_channel;
    received_value receive(const ending& e) override {
        if (e.at_once) {
            const std::unique_lock guard{mutex_, std::try_to_lock};
            if (!guard) return {status::empty, 0};
        }
        return plain_channel::receive(e);
    }
};

/// Looks at the stop when the value is gone.
struct delivers_when_canceled : plain_channel {
    using plain_channel::plain_channel;
    status send(int v, const ending& e) override {
        const auto why = plain_channel::send(v, e);
        return why == status::ok && e.is_stopped() ? status::canceled : why;
    }
};

/// A rendezvous whose sender goes when he has put the value down, before anybody has come for it.
struct rendezvous_with_a_slot : plain_channel {
    explicit rendezvous_with_a_slot(std::size_t) : plain_channel{1} {}
};

/// One wake-up for one value, but senders and receivers wait for it in the same line.
struct wakes_the_wrong_one : plain_channel {
    using plain_channel::plain_channel;
    void changed() override {
        if (waiters_.empty()) return;
        waiters_.front()->let_go = true;
        waiters_.erase(waiters_.begin());
        wake_.notify_all();
    }
};

// --- the check -------------------------------------------------------------------------------------------------------

template <class Channel>
class channels_of {
public:
    explicit channels_of(const program& p) : stops_(p.stops) {
        for (const auto c : p.capacities) channels_.push_back(std::make_unique<Channel>(c));
    }

    result perform(const operation& op) {
        if (op.what == verb::close) return {no_case, channels_[op.channel]->close() ? status::ok : status::closed, 0};
        if (op.what == verb::stop) {
            stops_[*op.stop] = true;
            for (auto& ch : channels_) ch->look_at_stops();
            return {no_case, status::ok, 0};
        }
        ending e{.at_once = op.how_long == patience::none};
        if (op.how_long == patience::limited)
            e.until = std::chrono::steady_clock::now() + std::chrono::microseconds{*op.microseconds};
        if (op.stop) e.stop = &stops_[*op.stop];
        const auto& c = op.cases.front();
        auto& ch = *channels_[c.channel];
        const auto [why, value] = c.what == end::send ? received_value{ch.send(c.value, e), 0} : ch.receive(e);
        return {why == status::ok || why == status::closed ? 0 : no_case, why, value};
    }

    std::size_t entries() {
        std::size_t all = 0;
        for (auto& ch : channels_) all += ch->waiting();
        return all;
    }

    // History_run asks for it, although no process is a task here.
    sluice::task<result> perform_in_task(const operation& op) { co_return perform(op); }

private:
    std::vector<std::unique_ptr<Channel>> channels_;
    std::deque<std::atomic<bool>> stops_;
};

/// The first seed with a history that nothing explains.
template <class Channel>
std::optional<std::uint64_t> rejected(std::uint64_t count, std::vector<std::size_t> capacities) {
    program_options options;
    options.capacities = std::move(capacities);
    options.selects = false;
    const seeds which{1, count};
    const unsigned repeats = std::getenv("SLUICE_TEST_SEED") ? 1000 : 1;
    for (std::uint64_t seed = which.first; seed < which.first + which.count; ++seed) {
        const program p{seed, options};
        for (unsigned i = 0; i < repeats; ++i) {
            channels_of<Channel> subject{p};
            const history h = history_run{p, subject}.by(p.processes.size(), nullptr);
            if (linearizable(h, channel_model{p.capacities})) continue;
            std::cout << "rejected: SLUICE_TEST_SEED=" << seed << '\n';
            return seed;
        }
    }
    return std::nullopt;
}

constexpr std::uint64_t many = 20'000;

TEST(WrongChannels, TheRightOnePasses) { EXPECT_FALSE(rejected<plain_channel>(300, {1, 2})); }

TEST(WrongChannels, OneThatTakesTheYoungestValueIsRejected) { EXPECT_TRUE(rejected<takes_the_youngest>(many, {2})); }
TEST(WrongChannels, OneThatLosesAValueWhenCloseRacesIsRejected) {
    EXPECT_TRUE(rejected<gives_up_when_closed>(many, {1, 2}));
}
TEST(WrongChannels, OneThatGivesAValueTwiceIsRejected) { EXPECT_TRUE(rejected<gives_a_value_twice>(many, {1, 2})); }
TEST(WrongChannels, OneThatSaysEmptyWhileAValueIsThereIsRejected) {
    EXPECT_TRUE(rejected<says_empty_when_busy>(many, {1, 2}));
}
TEST(WrongChannels, OneThatDeliversACanceledSendIsRejected) {
    EXPECT_TRUE(rejected<delivers_when_canceled>(many, {1, 2}));
}
TEST(WrongChannels, ARendezvousThatDoesNotWaitForTheReceiverIsRejected) {
    EXPECT_TRUE(rejected<rendezvous_with_a_slot>(many, {0}));
}
TEST(WrongChannels, OneThatLosesAWakeUpIsRejected) { EXPECT_TRUE(rejected<wakes_the_wrong_one>(many, {1})); }

}  // namespace
