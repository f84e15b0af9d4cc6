// SPDX-License-Identifier: BSL-1.0
// channel_histories.hpp: what may the operations of channels give, if each takes effect at one moment?
//
// The sequential specification for linearizable(). The operations are: *wait*, which is a send, a receive or a select
// of several, and whatever may end it early; *close*; and *stop*, the request that ends the waits that name it.
// *quiet* is the observation that certain waits stand in the queues and nobody else does anything: then none of them
// can go on, or a wake-up has been lost (what Lowe calls progress).
// That a wait was queued is no event of a history: it takes effect at the moment when it ends. So at this moment
//     a case goes on  if the channel has a value, room, or is closed; in a rendezvous two waits go on together;
//     it gives up     when it will not wait, or not for so long, if at this moment no case could go on;
//     it is canceled  if the stop has been requested, and certainly if that had returned before the call.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <sluice/status.hpp>

#include <sluice/linearizable.hpp>

namespace sluice_test::histories {

using namespace sluice::testing;

using sluice::status;

enum class verb { wait, close, stop, quiet };
enum class end { send, receive };
enum class patience {
    endless,
    none,    // try_send, try_receive, a select with `otherwise`
    limited  // send_for, receive_for, a select with a timeout
};

struct channel_case {
    end what = end::send;
    std::size_t channel = 0;
    int value = 0;  // of a send
};

struct operation {
    verb what = verb::wait;
    std::vector<channel_case> cases = {};  // of a wait; one: a plain send or receive
    patience how_long = patience::endless;
    std::size_t channel = 0;                    // of a close
    std::optional<std::size_t> stop = {};       // what a stop requests; what ends a wait early
    bool stopped_before = false;                // of a wait: the request had returned when it was called
    std::optional<std::size_t> id = {};         // of a wait that a `quiet` may name
    std::vector<operation> waiting = {};        // of a `quiet`
    std::optional<unsigned> microseconds = {};  // of a limited wait; no matter for the model
    unsigned spins = 0;                         // by its process before it; no matter either
};

inline constexpr std::size_t no_case = static_cast<std::size_t>(-1);

struct result {
    std::size_t fired = no_case;  // which case
    status why = status::ok;
    int value = 0;  // received
    friend bool operator==(const result&, const result&) = default;
};

/// Channels of given capacities; `unbounded` is one that is never full.
class channel_model {
public:
    using operation = histories::operation;
    using result = histories::result;

    struct channel_state {
        std::vector<int> buffer;
        bool closed = false;
        friend auto operator<=>(const channel_state&, const channel_state&) = default;
    };
    struct state {
        std::vector<channel_state> channels;
        std::uint64_t stopped = 0;  // by bits
        std::uint64_t over = 0;     // waits, by the bits of their ids
        friend auto operator<=>(const state&, const state&) = default;
    };
    using one = step<result, state>;
    using two = step_of_two<result, state>;

    explicit channel_model(std::vector<std::size_t> capacities) : capacities_{std::move(capacities)} {}

    state initial() const { return {std::vector<channel_state>(capacities_.size()), 0, 0}; }

    std::vector<one> apply(const state& now, const operation& op) const {
        switch (op.what) {
            case verb::close: return {close(now, op.channel)};
            case verb::stop: return {stop(now, *op.stop)};
            case verb::quiet: return quiet(now, op.waiting);
            case verb::wait: break;
        }
        std::vector<one> all = endings(now, op);
        for (auto& ending : all) mark_over(ending.after, op);
        return all;
    }

    /// A rendezvous of a sending case of `a` and a receiving case of `b`. One of them was there first, waiting.
    std::vector<two> apply(const state& now, const operation& a, const operation& b) const {
        std::vector<two> all;
        if (a.what != verb::wait || b.what != verb::wait || a.stopped_before || b.stopped_before) return all;
        if (a.how_long == patience::none && b.how_long == patience::none) return all;
        for (std::size_t i = 0; i < a.cases.size(); ++i) {
            const auto& sending = a.cases[i];
            if (sending.what != end::send) continue;
            if (capacities_[sending.channel] != 0 || now.channels[sending.channel].closed) continue;
            for (std::size_t j = 0; j < b.cases.size(); ++j)
                if (b.cases[j].what == end::receive && b.cases[j].channel == sending.channel)
                    all.push_back({{i, status::ok, 0}, {j, status::ok, sending.value}, now});
        }
        for (auto& meeting : all) {
            mark_over(meeting.after, a);
            mark_over(meeting.after, b);
        }
        return all;
    }

private:
    std::vector<one> endings(const state& now, const operation& op) const {
        std::vector<one> all;
        if (op.stop && is_stopped(now, *op.stop)) all.push_back({{no_case, status::canceled, 0}, now});
        if (op.stopped_before) return all;
        bool ready = false;
        for (std::size_t i = 0; i < op.cases.size(); ++i) {
            auto done = go_on(now, op.cases[i], i);
            if (!done) continue;
            ready = true;
            all.push_back(std::move(*done));
        }
        if (ready) return all;
        if (op.how_long == patience::none) all.push_back({{no_case, not_ready(op), 0}, now});
        if (op.how_long == patience::limited) all.push_back({{no_case, status::timed_out, 0}, now});
        return all;
    }

    // Allowed if none of the waits is over or could go on.
    std::vector<one> quiet(const state& now, const std::vector<operation>& waiting) const {
        for (const auto& w : waiting) {
            if (now.over >> *w.id & 1 || !endings(now, w).empty()) return {};
            for (const auto& other : waiting)
                if (&other != &w && !apply(now, w, other).empty()) return {};
        }
        return {{{no_case, status::ok, 0}, now}};
    }

    static void mark_over(state& s, const operation& op) {
        if (op.id) s.over |= std::uint64_t{1} << *op.id;
    }
    static bool is_stopped(const state& s, std::size_t stop) { return s.stopped >> stop & 1; }

    static status not_ready(const operation& op) {
        if (op.cases.size() > 1) return status::empty;
        return op.cases.front().what == end::send ? status::full : status::empty;
    }

    one close(state s, std::size_t channel) const {
        const bool first = !std::exchange(s.channels[channel].closed, true);
        return {{no_case, first ? status::ok : status::closed, 0}, std::move(s)};
    }
    one stop(state s, std::size_t stop) const {
        s.stopped |= std::uint64_t{1} << stop;
        return {{no_case, status::ok, 0}, std::move(s)};
    }

    std::optional<one> go_on(const state& now, const channel_case& c, std::size_t position) const {
        const auto& before = now.channels[c.channel];
        if (c.what == end::send) {
            if (before.closed) return one{{position, status::closed, 0}, now};
            if (before.buffer.size() >= capacities_[c.channel]) return std::nullopt;
            one done{{position, status::ok, 0}, now};
            done.after.channels[c.channel].buffer.push_back(c.value);
            return done;
        }
        if (!before.buffer.empty()) {
            one done{{position, status::ok, before.buffer.front()}, now};
            auto& left = done.after.channels[c.channel].buffer;
            left.erase(left.begin());
            return done;
        }
        if (before.closed) return one{{position, status::closed, 0}, now};
        return std::nullopt;
    }

    std::vector<std::size_t> capacities_;
};

using history = history_of<channel_model>;

// --- for people ------------------------------------------------------------------------------------------------------

inline std::ostream& operator<<(std::ostream& out, const operation& op) {
    const auto name = [](std::size_t channel) { return static_cast<char>('a' + static_cast<char>(channel)); };
    if (op.what == verb::close) return out << "close(" << name(op.channel) << ')';
    if (op.what == verb::stop) return out << "stop(" << *op.stop << ')';
    if (op.what == verb::quiet) {
        out << "quiet:";
        for (const auto& w : op.waiting) out << " {" << w << '}';
        return out;
    }
    for (const auto& c : op.cases) {
        if (&c != &op.cases.front()) out << " | ";
        if (c.what == end::send) out << "send(" << name(c.channel) << ", " << c.value << ')';
        else out << "receive(" << name(c.channel) << ')';
    }
    if (op.how_long == patience::none) out << " or not at all";
    if (op.how_long == patience::limited) out << " for " << op.microseconds.value_or(0) << " us";
    if (op.stop) out << " until stop " << *op.stop << (op.stopped_before ? ", which is past" : "");
    return out;
}
inline std::ostream& operator<<(std::ostream& out, const result& r) {
    if (r.fired != no_case) out << "case " << r.fired << ' ';
    out << sluice::to_string(r.why);
    if (r.value != 0) out << ' ' << r.value;
    return out;
}
inline void print(const history& all, std::ostream& out) {
    for (std::size_t i = 0; i < all.size(); ++i) {
        out << '#' << i << "  [" << all[i].called << ", ";
        if (all[i].result) out << all[i].returned << "]  " << all[i].what << "  ->  " << *all[i].result << '\n';
        else out << "...)  " << all[i].what << '\n';
    }
}

}  // namespace sluice_test::histories
