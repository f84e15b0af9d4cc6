// SPDX-License-Identifier: BSL-1.0
// channel_model_test.cpp: do channels do what a sequential model says, whatever the program?
//
// Random programs of one driver over two channels, a semaphore and some signals: forms that never wait at once; sends,
// receives and selects by callers of every kind, or of one, up to a dozen of which wait at a time; closes and
// cancellations. After each step the driver waits until everything is where the model has it: results, buffers, queues.
// A failure names the seed; SLUICE_TEST_SEED runs it again.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "../support/eventually.hpp"
#include "../support/random_numbers.hpp"
#include "../support/waiting.hpp"
#include "channel_model.hpp"
#include "channel_model_waits.hpp"

namespace sluice_test::model {

inline void PrintTo(const outcome& o, std::ostream* out) {
    *out << "case " << o.position << ' ' << sluice::to_string(o.why) << ' ' << testing::PrintToString(o.values);
    if (o.error != 0) *out << " error " << o.error;
}

inline std::string name_of(channel_kind k) {
    const std::string bound = k.capacity == no_bound ? "Unbounded" : std::to_string(k.capacity);
    if (k.policy == sluice::overflow::drop_oldest) return "DropOldest" + bound;
    if (k.policy == sluice::overflow::drop_newest) return "DropNewest" + bound;
    return bound;
}
inline void PrintTo(channel_kind k, std::ostream* out) { *out << name_of(k); }

}  // namespace sluice_test::model

namespace {

using namespace sluice_test;
using namespace sluice_test::model;

constexpr std::size_t group_signal = 0;  // the others are ends of tasks
constexpr std::size_t most_waiting = 12;
constexpr std::size_t no_case = 99;
constexpr auto kinds_of_callers = static_cast<unsigned>(std::size(callers::all));

/// One random program, run against the channels and the model at once.
class program {
public:
    program(std::uint64_t seed, channel_kind a, channel_kind b, callers& by)
        : random_{seed},
          only_{static_cast<unsigned>(seed % (2 * kinds_of_callers))},
          channels_{make(a), make(b)},
          model_{{a, b}, permits_in_all},
          by_{by} {
        group_.add();
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            settle();
        }
        if (testing::Test::HasFailure()) return abandon();
        end();
    }

private:
    static constexpr std::size_t permits_in_all = 3;

    struct waiting : pending {
        std::vector<wanted> cases;
        std::function<void()> stop;  // empty: only what it waits for ends it
        bool by_name = false;        // stopped by what it names
        channel<void> gate;          // of the task that it joins
    };

    static channel<int> make(channel_kind k) {
        return k.capacity == no_bound ? channel<int>{sluice::unbounded} : channel<int>{k.capacity, k.policy};
    }

    void step() {
        const std::size_t ch = random_.below(2);
        const unsigned dice = random_.below(100);
        if (dice < 14) wants_to_receive() ? try_receive(ch) : try_send(ch);
        else if (dice < 18) try_receive_some(ch);
        else if (dice < 27) permits();
        else if (dice < 33) signal();
        else if (dice < 40 || waits_.size() >= most_waiting) cancel_one();
        else if (dice < 68) wants_to_receive() ? start_receive(ch) : start_send(ch);
        else if (dice < 99) start_select();
        else if (random_.below(2)) random_.below(3) ? close(ch) : cancel_receiving(ch);
    }
    // Most programs lean to one side, so that there are waits of both ends, and full and empty buffers.
    bool wants_to_receive() { return random_.below(6) < 1 + 2 * lean_; }

    wanted receive_case(std::size_t ch) { return {2 * ch, act::receive, ch}; }
    wanted send_case(std::size_t ch) { return {2 * ch + 1, act::send, ch, {++last_value_}}; }

    // --- at once -----------------------------------------------------------------------------------------------------

    void try_send(std::size_t ch) {
        auto w = send_case(ch);
        const int value = w.values.front();
        const auto expected = model_.is_ready(w) ? model_.commit(w)->why : status::full;
        EXPECT_EQ(channels_[ch].try_send(value).why(), expected);
    }
    void try_receive(std::size_t ch) {
        auto w = receive_case(ch);
        const auto expected = model_.is_ready(w) ? *model_.commit(w) : outcome{w.position, status::empty};
        EXPECT_EQ(ended(w.position, channels_[ch].try_receive()), expected);
    }
    void try_receive_some(std::size_t ch) {
        auto w = receive_case(ch);
        w.most = a_batch();
        const auto expected = model_.is_ready(w) ? model_.commit(w)->values : std::vector<int>{};
        EXPECT_EQ(channels_[ch].try_receive_some(w.most), expected);
    }
    void close(std::size_t ch) {
        const int error = random_.below(2) ? 1 + static_cast<int>(random_.below(9)) : 0;
        const bool closed = error == 0 ? channels_[ch].close() : channels_[ch].close(error_of(error));
        EXPECT_EQ(closed, model_.close(ch, error));
    }
    void cancel_receiving(std::size_t ch) {
        sluice::receiver<int>{channels_[ch]}.cancel();
        model_.cancel_receiving(ch);
    }
    void permits() {
        wanted w{extra_case, act::acquire};
        w.most = 1 + random_.below(2);
        if (taken_ >= w.most && random_.below(2)) {
            taken_ -= w.most;
            permits_.release(w.most);
            model_.release(w.most);
        } else {
            const bool ready = model_.is_ready(w);
            if (ready) note({w}, *model_.commit(w));
            EXPECT_EQ(permits_.try_acquire(w.most), ready);
        }
    }
    void signal() {
        if (model_.is_raised(group_signal)) {
            group_.add();
            model_.lower(group_signal);
        } else if (random_.below(2)) {
            group_.done();
            model_.raise(group_signal);
        } else if (const auto joins = std::ranges::find_if(waits_, [](auto& w) { return bool{w.second.gate}; });
                   joins != waits_.end()) {
            model_.raise(static_cast<std::size_t>(joins->first));
            std::exchange(joins->second.gate, {}).close();
        }
    }

    // A sender of many goes on while a receiver of many tops up, so how many he gets is not promised: one or the other.
    std::size_t a_batch() {
        const bool many_come = anyone_waits([](const wanted& w) { return w.values.size() > 1; });
        return many_come ? 1 : 1 + random_.below(4);
    }
    unsigned a_few_more() {
        const bool many_go = anyone_waits([](const wanted& w) { return w.what == act::receive && w.most > 1; });
        const bool many_come = anyone_waits([](const wanted& w) { return w.values.size() > 1; });
        return many_go || many_come ? 0 : random_.below(4);
    }
    bool anyone_waits(bool (*is)(const wanted&)) const {
        return std::ranges::any_of(waits_, [&](auto& w) { return is(w.second.cases.front()); });
    }

    // --- waits -------------------------------------------------------------------------------------------------------

    void start_receive(std::size_t ch) {
        plan p{.what = plan::verb::receive, .on = channels_[ch]};
        auto w = receive_case(ch);
        p.position = w.position;
        if (random_.below(5) == 0) {
            p.what = plan::verb::receive_some;
            w.most = p.most = a_batch();
            w.many = true;
        }
        start(std::move(p), {w});
    }
    void start_send(std::size_t ch) {
        plan p{.what = plan::verb::send, .on = channels_[ch]};
        auto w = send_case(ch);
        p.position = w.position;
        if (random_.below(6) == 0) {
            p.what = plan::verb::send_all;
            for (auto more = a_few_more(); more != 0; --more) w.values.push_back(++last_value_);
            w.many = true;
        }
        p.values = w.values;
        start(std::move(p), {w});
    }
    void start_select() {
        plan p{.what = plan::verb::select};
        std::vector<wanted> cases;
        for (std::size_t ch = 0; ch < 2; ++ch) {
            if (wants_to_receive()) {
                p.receive[ch] = channels_[ch];
                cases.push_back(receive_case(ch));
            }
            if (!wants_to_receive()) {
                p.send[ch] = channels_[ch];
                cases.push_back(send_case(ch));
                p.value[ch] = cases.back().values.front();
            }
        }
        p.more = static_cast<extra>(random_.below(7));
        p.in_order = random_.below(3) == 0;
        p.by_on = random_.below(3) == 0;
        if (p.more == extra::permits) {
            p.permits = &permits_;
            p.wants = 1 + random_.below(2);
            cases.push_back({.position = extra_case, .what = act::acquire, .most = p.wants});
        } else if (p.more == extra::group) {
            p.group = &group_;
            cases.push_back({.position = extra_case, .what = act::signal, .object = group_signal});
        } else if (p.more == extra::join) {
            cases.push_back(
                {.position = extra_case, .what = act::signal, .object = static_cast<std::size_t>(next_id_)});
        }
        if (!cases.empty()) start(std::move(p), std::move(cases));
    }

    // A wake that was lost is a failure, which names its seed.
    static outcome end_of(const waiting& w) { return eventually(w.done) ? w.get() : outcome{no_case}; }

    // In half of the programs all are of one kind; successive seeds go through the kinds.
    callers::kind a_caller() {
        return callers::all[only_ < kinds_of_callers ? only_ : random_.below(kinds_of_callers)];
    }

    void start(plan p, std::vector<wanted> cases) {
        const auto id = next_id_++;
        const auto kind = a_caller();
        waiting w;
        w.cases = cases;
        choose_end(p, w, kind);
        const bool stopped = w.stop && p.end != early::surrounding && random_.below(12) == 0;
        if (stopped) w.stop();
        if (p.more == extra::join) {
            w.gate = channel<void>{1};
            p.task = by_.start_waiting_for(w.gate);
        }
        const bool in_order = p.in_order;
        const bool soon = p.end == early::soon || p.more == extra::soon;
        const bool otherwise = p.more == extra::otherwise;
        const std::size_t time_case = p.what == plan::verb::select ? extra_case : canceled_case;
        static_cast<pending&>(w) = by_.start(kind, std::move(p));
        if (!w.stop) w.stop = w.cancel;

        const bool ready = std::ranges::any_of(cases, [&](const wanted& c) { return model_.is_ready(c); });
        if (stopped && !(in_order && (ready || soon))) {  // in order, the stops are the last
            const bool tells_how_many = cases.front().what == act::send && cases.front().many;
            EXPECT_EQ(end_of(w), (outcome{canceled_case, status::canceled, std::vector<int>(tells_how_many, 0)}));
        } else if (ready) {
            ready_at_once(id, std::move(w), in_order);
        } else if (soon) {
            EXPECT_EQ(end_of(w), (outcome{time_case, status::timed_out}));
        } else if (otherwise) {
            EXPECT_EQ(end_of(w), (outcome{extra_case, status::empty}));
        } else {
            model_.enlist(id, cases);
            waits_.emplace(id, std::move(w));
        }
    }

    void ready_at_once(wait_id id, waiting w, bool in_order) {
        if (w.cases.size() == 1) {
            auto rest = w.cases.front();
            const auto expected = model_.commit(rest);
            if (expected) {
                EXPECT_EQ(end_of(w), *expected);
                note(w.cases, *expected);
                return;
            }
            model_.enlist(id, {rest});  // a part was sent
            waits_.emplace(id, std::move(w));
            return;
        }
        const outcome actual = end_of(w);
        const auto fired = std::ranges::find(w.cases, actual.position, &wanted::position);
        ASSERT_NE(fired, w.cases.end()) << testing::PrintToString(actual);
        ASSERT_TRUE(model_.is_ready(*fired)) << testing::PrintToString(actual);
        if (in_order) {
            const auto first = std::ranges::find_if(w.cases, [&](const wanted& c) { return model_.is_ready(c); });
            EXPECT_EQ(first->position, fired->position);
        }
        EXPECT_EQ(actual, *model_.commit(*fired));
        note(w.cases, actual);
    }

    // What may end it besides what it waits for.
    void choose_end(plan& p, waiting& w, callers::kind kind) {
        const bool single = p.what == plan::verb::send || p.what == plan::verb::receive;
        const unsigned dice = random_.below(10);
        if (dice < 3 && callers::has_surrounding(kind)) {
            p.end = early::surrounding;  // callers give a way to it
        } else if (dice < 5) {
            const auto source = std::make_shared<sluice::context_source>(sluice::with_cancel({}));
            p.end = early::context;
            p.until = source->get();
            w.stop = [source] { source->cancel(); };
            w.by_name = true;
        } else if (dice < 7) {
            std::stop_source source;
            p.end = early::token;
            p.stop = source.get_token();
            w.stop = [source]() mutable { source.request_stop(); };
            w.by_name = true;
        } else if (dice < 9 && single) {
            p.end = random_.below(2) ? early::soon : early::late;
        }
    }

    void cancel_one() {
        if (waits_.empty()) return;
        const auto chosen = std::next(waits_.begin(), random_.below(static_cast<unsigned>(waits_.size())));
        if (!chosen->second.stop) return;
        chosen->second.stop();
        model_.cancel(chosen->first, canceled_case, chosen->second.by_name);
    }

    // --- after each step ---------------------------------------------------------------------------------------------

    void settle() {
        model_.let_senders_go_on();
        for (auto& [id, expected] : model_.take_finished()) {
            auto w = std::move(waits_.extract(id).mapped());
            EXPECT_EQ(end_of(w), expected);
            note(w.cases, expected);
        }
        for (std::size_t ch = 0; ch < 2; ++ch) {
            eventually([&] {
                return receivers_waiting(channels_[ch]) == model_.receivers(ch) &&
                       senders_waiting(channels_[ch]) == model_.senders(ch) &&
                       channels_[ch].size() == model_.buffered(ch);
            });
            EXPECT_EQ(channels_[ch].is_closed(), model_.is_closed(ch));
            EXPECT_EQ(channels_[ch].dropped(), model_.dropped(ch));
        }
        eventually([&] { return permits_.waiting() == model_.acquirers(); });
        EXPECT_EQ(permits_.available(), model_.free_permits());
    }

    // Permits that were taken are ours to release.
    void note(const std::vector<wanted>& cases, const outcome& how) {
        for (const auto& w : cases)
            if (w.what == act::acquire && w.position == how.position && how.why == status::ok) taken_ += w.most;
    }

    void end() {
        for (auto rounds = waits_.size(); rounds != 0; --rounds) {
            cancel_one();
            settle();
        }
        for (std::size_t ch = 0; ch < 2; ++ch) {
            close(ch);
            settle();
        }
        EXPECT_TRUE(std::ranges::all_of(waits_, [](auto& w) { return w.second.cases.front().position == extra_case; }));
        for (std::size_t ch = 0; ch < 2; ++ch)
            while (model_.buffered(ch) != 0) try_receive(ch);
        abandon();
    }

    // The model is of no use any more: lets everybody go.
    void abandon() {
        for (auto& ch : channels_) ch.close();
        permits_.set_permits(1'000'000);
        if (group_.count() != 0) group_.done();
        for (auto& [id, w] : waits_) {
            if (w.gate) w.gate.close();
            if (w.stop) w.stop();
        }
        for (auto& [id, w] : waits_) static_cast<void>(end_of(w));
        waits_.clear();
    }

    random_numbers random_;
    const unsigned lean_ = random_.below(3);
    const unsigned only_;  // the kind of all callers, if there is one
    std::vector<channel<int>> channels_;
    sluice::semaphore permits_{permits_in_all};
    sluice::wait_group group_;
    std::size_t taken_ = 0;
    world model_;
    callers& by_;
    std::map<wait_id, waiting> waits_;
    wait_id next_id_ = 1;
    int last_value_ = 0;
};

// --- the tests -------------------------------------------------------------------------------------------------------

class ChannelModel : public testing::TestWithParam<std::tuple<channel_kind, channel_kind>> {};

const auto kinds =
    testing::Values(channel_kind{0}, channel_kind{1}, channel_kind{2}, channel_kind{64}, channel_kind{no_bound},
                    channel_kind{2, sluice::overflow::drop_oldest}, channel_kind{1, sluice::overflow::drop_newest});

INSTANTIATE_TEST_SUITE_P(Kinds, ChannelModel, testing::Combine(kinds, kinds), [](const auto& pair) {
    return name_of(std::get<0>(pair.param)) + "And" + name_of(std::get<1>(pair.param));
});

TEST_P(ChannelModel, RandomProgramsDoWhatTheModelSays) {
    const auto [a, b] = GetParam();
    const char* const only = std::getenv("SLUICE_TEST_SEED");
    const std::uint64_t first = only ? std::strtoull(only, nullptr, 10) : 1;
    const std::uint64_t last = only ? first : 20;
    callers by;
    for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
        SCOPED_TRACE("SLUICE_TEST_SEED=" + std::to_string(seed));
        program{seed, a, b, by}.run(100);
    }
}

}  // namespace
