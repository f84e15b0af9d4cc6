// SPDX-License-Identifier: BSL-1.0
// channel_linearizability_test.cpp: does every operation of a channel take effect at one moment?
//
// Histories of four processes, threads or tasks or two of each, of eight operations each on two channels of capacity 0,
// 1 or 2, and of one helper who ends what would wait for ever: 10,000 of them. A failure shows the history and its
// seed; SLUICE_TEST_SEED runs it again, a thousand times, since the schedule is not part of it.

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <iostream>
#include <sstream>
#include <string>

#include "../support/waiting.hpp"
#include "../support/workers.hpp"
#include "channel_histories.hpp"
#include "history_programs.hpp"

namespace {

using namespace sluice_test;
using namespace sluice_test::histories;
using sluice::channel;
using std::chrono::microseconds;

/// Two channels of ours, and what stops waits: a context or a stop token, by turns.
class our_channels {
public:
    explicit our_channels(const program& p) : stops_(p.stops) {
        for (const auto c : p.capacities) channels_.emplace_back(c);
    }

    result perform(const operation& op) {
        if (op.what != verb::wait) return act(op);
        const auto& c = op.cases.front();
        const auto& ch = channels_[c.channel];
        if (op.cases.size() > 1) return select_blocking(op);
        if (c.what == end::send) {
            if (op.how_long == patience::none) return single(ch.try_send(c.value));
            if (op.how_long == patience::limited) return single(ch.send_for(c.value, limit_of(op)));
            if (!op.stop) return single(ch.send(c.value));
            if (names_context(op)) return single(ch.send(c.value, context_of(op)));
            return single(ch.send(c.value, token_of(op)));
        }
        if (op.how_long == patience::none) return single(ch.try_receive());
        if (op.how_long == patience::limited) return single(ch.receive_for(limit_of(op)));
        if (!op.stop) return single(ch.receive());
        if (names_context(op)) return single(ch.receive(context_of(op)));
        return single(ch.receive(token_of(op)));
    }

    sluice::task<result> perform_in_task(const operation& op) {
        using sluice::timeout;
        if (op.what != verb::wait) co_return act(op);
        const auto& c = op.cases.front();
        const auto& ch = channels_[c.channel];
        if (op.cases.size() > 1) co_return co_await select_in_task(op);
        if (c.what == end::send) {
            if (op.how_long == patience::none) co_return single(ch.try_send(c.value));
            if (op.how_long == patience::limited)
                co_return single(co_await timeout(limit_of(op), ch.async_send(c.value)));
            if (!op.stop) co_return single(co_await ch.async_send(c.value));
            if (names_context(op)) co_return single(co_await ch.async_send(c.value, context_of(op)));
            co_return single(co_await ch.async_send(c.value, token_of(op)));
        }
        if (op.how_long == patience::none) co_return single(ch.try_receive());
        if (op.how_long == patience::limited) co_return single(co_await timeout(limit_of(op), ch.async_receive()));
        if (!op.stop) co_return single(co_await ch.async_receive());
        if (names_context(op)) co_return single(co_await ch.async_receive(context_of(op)));
        co_return single(co_await ch.async_receive(token_of(op)));
    }

    std::size_t entries() const {
        std::size_t all = 0;
        for (const auto& ch : channels_) all += receivers_waiting(ch) + senders_waiting(ch);
        return all;
    }

private:
    struct stop {
        sluice::context_source context = sluice::with_cancel({});
        std::stop_source token;
    };

    static microseconds limit_of(const operation& op) { return microseconds{*op.microseconds}; }
    static bool names_context(const operation& op) { return *op.stop % 2 == 0; }
    const sluice::context& context_of(const operation& op) const { return stops_[*op.stop].context.get(); }
    std::stop_token token_of(const operation& op) const { return stops_[*op.stop].token.get_token(); }

    result act(const operation& op) {
        if (op.what == verb::close) return {no_case, channels_[op.channel].close() ? status::ok : status::closed, 0};
        if (names_context(op)) stops_[*op.stop].context.cancel();
        else stops_[*op.stop].token.request_stop();
        return {no_case, status::ok, 0};
    }

    static std::size_t case_of(status why) { return why == status::ok || why == status::closed ? 0 : no_case; }
    static result single(sluice::sent s) { return {case_of(s.why()), s.why(), 0}; }
    static result single(sluice::received<int> r) { return {case_of(r.why()), r.why(), r ? *r : 0}; }

    // --- select: two of four cases, the others nil, and perhaps something that ends it early -------------------------

    struct four_cases {
        channel<int> receive[2];
        channel<int> send[2];
        int value[2] = {};
        sluice::received<int> got;
        sluice::sent gone{status::full};
    };
    four_cases four_of(const operation& op) const {
        four_cases all;
        for (const auto& c : op.cases) {
            (c.what == end::send ? all.send : all.receive)[c.channel] = channels_[c.channel];
            if (c.what == end::send) all.value[c.channel] = c.value;
        }
        return all;
    }
    static result ended(const operation& op, std::size_t fired, const four_cases& all) {
        for (std::size_t i = 0; i < op.cases.size(); ++i) {
            const auto& c = op.cases[i];
            if (fired != 2 * c.channel + (c.what == end::send ? 1 : 0)) continue;
            if (c.what == end::send) return {i, all.gone.why(), 0};
            return {i, all.got.why(), all.got ? *all.got : 0};
        }
        if (op.how_long == patience::none) return {no_case, status::empty, 0};
        return {no_case, op.how_long == patience::limited ? status::timed_out : status::canceled, 0};
    }

    result select_blocking(const operation& op) const {
        using namespace sluice;
        four_cases f = four_of(op);
        const auto fired = [&](auto&&... more) {
            return select(on_receive(f.receive[0], f.got), on_send(f.send[0], f.value[0], f.gone),
                          on_receive(f.receive[1], f.got), on_send(f.send[1], f.value[1], f.gone), more...);
        };
        if (op.how_long == patience::none) return ended(op, fired(otherwise), f);
        if (op.how_long == patience::limited) return ended(op, fired(on_timeout(limit_of(op))), f);
        if (!op.stop) return ended(op, fired(), f);
        if (names_context(op)) return ended(op, fired(on_done(context_of(op))), f);
        return ended(op, fired(on_done(token_of(op))), f);
    }
    sluice::task<result> select_in_task(const operation& op) const {
        using namespace sluice;
        four_cases f = four_of(op);
        const auto by = [&f](auto&&... more) {
            return async_select(on_receive(f.receive[0], f.got), on_send(f.send[0], f.value[0], f.gone),
                                on_receive(f.receive[1], f.got), on_send(f.send[1], f.value[1], f.gone), more...);
        };
        std::size_t fired = 0;
        if (op.how_long == patience::none) fired = co_await by(otherwise);
        else if (op.how_long == patience::limited) fired = co_await by(on_timeout(limit_of(op)));
        else if (!op.stop) fired = co_await by();
        else if (names_context(op)) fired = co_await by(on_done(context_of(op)));
        else fired = co_await by(on_done(token_of(op)));
        co_return ended(op, fired, f);
    }

    std::vector<channel<int>> channels_;
    std::deque<stop> stops_;
};

// --- the tests -------------------------------------------------------------------------------------------------------

/// What the histories were like, printed: a check of histories in which nothing overlaps would prove nothing.
struct tally {
    std::size_t histories = 0;
    std::size_t overlapping = 0;
    std::size_t operations = 0;
    std::size_t pairs = 0;
    std::size_t quiet = 0;
    std::size_t looked_at = 0;

    void count(const history& h, const linearization& l) {
        const auto overlaps = overlapping_pairs(h);
        ++histories;
        overlapping += overlaps != 0;
        operations += h.size();
        pairs += overlaps;
        quiet += static_cast<std::size_t>(std::ranges::count(h, verb::quiet, [](auto& op) { return op.what.what; }));
        looked_at += l.looked_at();
    }
    void print() const {
        std::cout << histories << " histories of " << operations / histories << " operations, " << overlapping
                  << " of them with operations that overlap, on average " << pairs / histories << " pairs; " << quiet
                  << " times all were seen to wait; the checker looked at " << looked_at / histories
                  << " situations for each\n";
    }
};

void check(std::uint64_t first, std::uint64_t count, std::size_t threads, sluice::runtime* rt) {
    const seeds which{first, count};
    const unsigned repeats = std::getenv("SLUICE_TEST_SEED") ? 1000 : 1;
    tally all;
    for (std::uint64_t seed = which.first; seed < which.first + which.count; ++seed) {
        const program p{seed, {}};
        for (unsigned i = 0; i < repeats; ++i) {
            our_channels subject{p};
            const history h = history_run{p, subject}.by(threads, rt);
            const auto order = linearizable(h, channel_model{p.capacities});
            all.count(h, order);
            if (order) continue;
            std::ostringstream text;
            print(h, text);
            FAIL() << "SLUICE_TEST_SEED=" << seed << ", capacities " << p.capacities[0] << " and " << p.capacities[1]
                   << ": no order explains this history\n"
                   << text.str() << "the longest beginning of one: " << testing::PrintToString(order.order());
        }
    }
    all.print();
    EXPECT_GT(all.overlapping * 2, all.histories);
}

TEST(ChannelLinearizability, OfThreads) { check(1, 4000, 4, nullptr); }
TEST(ChannelLinearizability, OfTasks) {
    sluice::runtime rt{workers(2)};
    check(10'001, 3000, 0, &rt);
}
TEST(ChannelLinearizability, OfThreadsAndTasks) {
    sluice::runtime rt{workers(2)};
    check(20'001, 3000, 2, &rt);
}

}  // namespace
