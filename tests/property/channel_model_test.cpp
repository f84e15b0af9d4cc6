// SPDX-License-Identifier: BSL-1.0
// channel_model_test.cpp: do channels do what a sequential model says, whatever the program?
//
// Random programs of one driver over two channels: try_ forms at once; sends, receives and selects performed by threads
// and tasks, up to a dozen of which wait at a time; closes and cancellations. After each step the driver waits until
// everything is where the model has it: results, buffers, queues. A failure names the seed; SLUICE_TEST_SEED runs it again.

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "../support/callers.hpp"
#include "../support/eventually.hpp"
#include "../support/random_numbers.hpp"
#include "../support/waiting.hpp"
#include "channel_model.hpp"

namespace sluice_test::model {

inline void PrintTo(const outcome& o, std::ostream* out) {
    *out << "case " << o.position << ' ' << sluice::to_string(o.why) << ' ' << testing::PrintToString(o.values);
}

}  // namespace sluice_test::model

namespace {

using namespace sluice_test;
using model::outcome;
using model::wait_id;
using model::wanted;
using sluice::channel;
using sluice::status;

constexpr std::size_t no_bound = static_cast<std::size_t>(-1);
constexpr std::size_t canceled_case = 4;

/// The cases of a wait on two channels; nil where the case is not wanted.
struct four_cases {
    channel<int> receive_a, send_a, receive_b, send_b;
    int value_a = 0;
    int value_b = 0;
};

outcome outcome_of(std::size_t fired, const sluice::received<int>& v, sluice::sent s) {
    if (fired == canceled_case) return {fired, status::canceled, {}};
    if (fired % 2) return {fired, s.why(), {}};
    return {fired, v.why(), v ? std::vector{*v} : std::vector<int>{}};
}

outcome select_blocking(four_cases c, bool in_order, sluice::context until) {
    using namespace sluice;
    received<int> v;
    sent s = status::full;
    const auto fired = in_order ? select(prioritized, on_receive(c.receive_a, v), on_send(c.send_a, c.value_a, s),
                                         on_receive(c.receive_b, v), on_send(c.send_b, c.value_b, s), on_done(until))
                                : select(on_receive(c.receive_a, v), on_send(c.send_a, c.value_a, s),
                                         on_receive(c.receive_b, v), on_send(c.send_b, c.value_b, s), on_done(until));
    return outcome_of(fired, v, s);
}
sluice::task<outcome> select_in_task(four_cases c, bool in_order, sluice::context until) {
    using namespace sluice;
    received<int> v;
    sent s = status::full;
    std::size_t fired = 0;
    if (in_order)
        fired = co_await async_select(prioritized, on_receive(c.receive_a, v), on_send(c.send_a, c.value_a, s),
                                      on_receive(c.receive_b, v), on_send(c.send_b, c.value_b, s), on_done(until));
    else
        fired = co_await async_select(on_receive(c.receive_a, v), on_send(c.send_a, c.value_a, s),
                                      on_receive(c.receive_b, v), on_send(c.send_b, c.value_b, s), on_done(until));
    co_return outcome_of(fired, v, s);
}

outcome with_position(std::size_t position, sluice::received<int> v) {
    if (v == status::canceled) return {canceled_case, v.why(), {}};
    return {position, v.why(), v ? std::vector{*v} : std::vector<int>{}};
}
outcome with_position(std::size_t position, sluice::sent s) {
    return {s == status::canceled ? canceled_case : position, s.why(), {}};
}
outcome receive_blocking(channel<int> ch, std::size_t position, sluice::context until) {
    return with_position(position, ch.receive(until));
}
sluice::task<outcome> receive_in_task(channel<int> ch, std::size_t position, sluice::context until) {
    co_return with_position(position, co_await ch.async_receive(until));
}
outcome send_blocking(channel<int> ch, int value, std::size_t position, sluice::context until) {
    return with_position(position, ch.send(value, until));
}
sluice::task<outcome> send_in_task(channel<int> ch, int value, std::size_t position, sluice::context until) {
    co_return with_position(position, co_await ch.async_send(value, until));
}

/// One random program, run against the channels and the model at once.
class program {
public:
    program(std::uint64_t seed, std::size_t capacity_a, std::size_t capacity_b, tasks& by_tasks)
        : random_{seed},
          channels_{make(capacity_a), make(capacity_b)},
          model_{{capacity_a, capacity_b}},
          by_tasks_{by_tasks} {}

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            settle();
        }
        if (testing::Test::HasFailure()) return abandon();
        while (!waiting_.empty()) {
            cancel_one();
            settle();
        }
        for (std::size_t ch = 0; ch < 2; ++ch) close(ch);
        settle();
        for (std::size_t ch = 0; ch < 2; ++ch)
            while (model_.buffered(ch) != 0) try_receive(ch);
        for (std::size_t ch = 0; ch < 2; ++ch) EXPECT_EQ(channels_[ch].receive().why(), status::closed);
    }

private:
    struct pending {
        std::function<outcome()> get;
        sluice::context_source stop;
    };

    static channel<int> make(std::size_t capacity) {
        return capacity == no_bound ? channel<int>{sluice::unbounded} : channel<int>{capacity};
    }

    void step() {
        const std::size_t ch = random_.below(2);
        const unsigned dice = random_.below(100);
        if (dice < 10) try_send(ch);
        else if (dice < 20) try_receive(ch);
        else if (dice < 26) try_receive_some(ch);
        else if (dice < 27) close(ch);
        else if (dice < 37) cancel_one();
        else if (waiting_.size() >= 12) cancel_one();
        else if (dice < 55) start({receive_case(ch)}, false);
        else if (dice < 73) start({send_case(ch)}, false);
        else start_select();
    }

    wanted receive_case(std::size_t ch) { return {2 * ch, ch, model::end::receive, 0}; }
    wanted send_case(std::size_t ch) { return {2 * ch + 1, ch, model::end::send, ++last_value_}; }

    // --- at once ----------------------------------------------------------------------------------------------------

    void try_send(std::size_t ch) {
        const auto w = send_case(ch);
        const auto expected = model_.is_ready(w) ? model_.commit(w).why : status::full;
        EXPECT_EQ(channels_[ch].try_send(w.value).why(), expected);
    }
    void try_receive(std::size_t ch) {
        const auto w = receive_case(ch);
        auto expected = model_.is_ready(w) ? model_.commit(w) : outcome{w.position, status::empty, {}};
        EXPECT_EQ(with_position(w.position, channels_[ch].try_receive()), expected);
    }
    void try_receive_some(std::size_t ch) {
        const std::size_t most = 1 + random_.below(4);
        std::vector<int> expected;
        const auto w = receive_case(ch);
        while (expected.size() < most && model_.is_ready(w)) {
            const auto one = model_.commit(w);
            if (one.why != status::ok) break;
            expected.push_back(one.values.front());
        }
        EXPECT_EQ(channels_[ch].try_receive_some(most), expected);
    }
    void close(std::size_t ch) { EXPECT_EQ(channels_[ch].close(), model_.close(ch)); }

    // --- waits ------------------------------------------------------------------------------------------------------

    void start_select() {
        std::vector<wanted> cases;
        for (std::size_t ch = 0; ch < 2; ++ch) {
            if (random_.below(3) != 0) cases.push_back(receive_case(ch));
            if (random_.below(3) != 0) cases.push_back(send_case(ch));
        }
        if (!cases.empty()) start(cases, true);
    }

    void start(const std::vector<wanted>& cases, bool by_select) {
        const bool in_order = by_select && random_.below(3) == 0;
        const bool ready = std::ranges::any_of(cases, [&](const wanted& w) { return model_.is_ready(w); });
        pending p = perform(cases, by_select, in_order);
        if (!ready) {
            model_.enlist(next_id_, cases);
            waiting_.emplace(next_id_++, std::move(p));
            return;
        }
        const outcome actual = p.get();
        const auto fired = std::ranges::find(cases, actual.position, &wanted::position);
        ASSERT_NE(fired, cases.end()) << testing::PrintToString(actual);
        ASSERT_TRUE(model_.is_ready(*fired)) << testing::PrintToString(actual);
        if (in_order) {
            const auto first = std::ranges::find_if(cases, [&](const wanted& w) { return model_.is_ready(w); });
            EXPECT_EQ(first->position, fired->position);
        }
        EXPECT_EQ(actual, model_.commit(*fired));
    }

    pending perform(const std::vector<wanted>& cases, bool by_select, bool in_order) {
        auto stop = sluice::with_cancel({});
        const bool in_task = random_.below(2) != 0;
        if (!by_select) {
            const wanted w = cases.front();
            const auto& ch = channels_[w.channel];
            if (w.what == model::end::send)
                return started(in_task, send_blocking, send_in_task, std::move(stop), ch, w.value, w.position);
            return started(in_task, receive_blocking, receive_in_task, std::move(stop), ch, w.position);
        }
        four_cases all;
        for (const auto& w : cases) {
            const auto& ch = channels_[w.channel];
            if (w.what == model::end::receive) (w.channel == 0 ? all.receive_a : all.receive_b) = ch;
            else (w.channel == 0 ? all.send_a : all.send_b) = ch;
            if (w.what == model::end::send) (w.channel == 0 ? all.value_a : all.value_b) = w.value;
        }
        return started(in_task, select_blocking, select_in_task, std::move(stop), all, in_order);
    }

    template <class Blocking, class Coroutine, class... Args>
    pending started(bool in_task, Blocking blocking, Coroutine coroutine, sluice::context_source stop, Args... args) {
        const auto keep = [](auto handle) {
            return std::function<outcome()>{
                [h = std::make_shared<decltype(handle)>(std::move(handle))] { return h->get(); }};
        };
        auto get = in_task ? keep(by_tasks_.start(blocking, coroutine, args..., stop.get()))
                           : keep(by_threads_.start(blocking, coroutine, args..., stop.get()));
        return {std::move(get), std::move(stop)};
    }

    void cancel_one() {
        if (waiting_.empty()) return;
        const auto chosen = std::next(waiting_.begin(), random_.below(static_cast<unsigned>(waiting_.size())));
        chosen->second.stop.cancel();
        model_.cancel(chosen->first, canceled_case);
    }

    // --- after each step ----------------------------------------------------------------------------------------------

    void settle() {
        for (auto& [id, expected] : model_.take_finished()) {
            EXPECT_EQ(waiting_.at(id).get(), expected);
            waiting_.erase(id);
        }
        for (std::size_t ch = 0; ch < 2; ++ch) {
            eventually([&] {
                return receivers_waiting(channels_[ch]) == model_.receivers(ch) &&
                       senders_waiting(channels_[ch]) == model_.senders(ch);
            });
            EXPECT_EQ(channels_[ch].size(), model_.buffered(ch));
            EXPECT_EQ(channels_[ch].is_closed(), model_.is_closed(ch));
        }
    }

    // The model is of no use any more: lets everybody go.
    void abandon() {
        for (auto& [id, p] : waiting_) p.stop.cancel();
        waiting_.clear();
    }

    random_numbers random_;
    std::vector<channel<int>> channels_;
    model::channels model_;
    tasks& by_tasks_;
    threads by_threads_;
    std::map<wait_id, pending> waiting_;
    wait_id next_id_ = 0;
    int last_value_ = 0;
};

class ChannelModel : public testing::TestWithParam<std::tuple<std::size_t, std::size_t>> {};

std::string name_of(std::size_t capacity) { return capacity == no_bound ? "Unbounded" : std::to_string(capacity); }

INSTANTIATE_TEST_SUITE_P(Capacities, ChannelModel,
                         testing::Combine(testing::Values(0, 1, 2, 64, no_bound),
                                          testing::Values(0, 1, 2, 64, no_bound)),
                         [](const auto& pair) {
                             return name_of(std::get<0>(pair.param)) + "And" + name_of(std::get<1>(pair.param));
                         });

TEST_P(ChannelModel, RandomProgramsDoWhatTheModelSays) {
    const auto [capacity_a, capacity_b] = GetParam();
    const char* const only = std::getenv("SLUICE_TEST_SEED");
    const std::uint64_t first = only ? std::strtoull(only, nullptr, 10) : 1;
    const std::uint64_t last = only ? first : 15;
    tasks by_tasks;
    for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
        SCOPED_TRACE("SLUICE_TEST_SEED=" + std::to_string(seed));
        program{seed, capacity_a, capacity_b, by_tasks}.run(80);
    }
}

}  // namespace
