// SPDX-License-Identifier: BSL-1.0
// channel_model.hpp: what would a sequential program say that channels and waits do?
//
// The plainest thing that could be right: deques and lists, one operation after the other. A *wait* is a set of cases:
// the ends of channels, permits of the semaphore, signals. It is finished once, by its own attempt, by a later
// operation, or by a cancellation. Sending many is a wait with one case that begins again until all are sent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <sluice/channel.hpp>

namespace sluice_test::model {

using sluice::overflow;
using sluice::status;
using wait_id = int;

inline constexpr std::size_t no_bound = static_cast<std::size_t>(-1);

/// A kind of channel.
struct channel_kind {
    std::size_t capacity;
    overflow policy = overflow::wait;
};

enum class act { receive, send, acquire, signal };

/// One case of a wait.
struct wanted {
    std::size_t position;
    act what;
    std::size_t object = 0;        // which channel or signal
    std::vector<int> values = {};  // of a send
    std::size_t most = 1;          // values to receive; permits to acquire
    bool many = false;             // receive_some, which tells no error; send_all, which tells how many
    std::size_t sent = 0;          // of these so far
};

/// How a wait ended.
struct outcome {
    std::size_t position;
    status why = status::ok;
    std::vector<int> values = {};  // received; or how many were sent
    int error = 0;                 // of the close
    friend bool operator==(const outcome&, const outcome&) = default;
};

class world {
public:
    world(const std::vector<channel_kind>& kinds, std::size_t permits) : free_{permits} {
        for (const auto& k : kinds) channels_.push_back({k, false, 0, 0, {}, {}, {}});
    }

    // --- what can be seen --------------------------------------------------------------------------------------------

    std::size_t buffered(std::size_t ch) const { return channels_[ch].buffer.size(); }
    std::size_t receivers(std::size_t ch) const { return channels_[ch].receivers.size(); }
    std::size_t senders(std::size_t ch) const { return channels_[ch].senders.size(); }
    bool is_closed(std::size_t ch) const { return channels_[ch].closed; }
    std::size_t dropped(std::size_t ch) const { return channels_[ch].dropped; }
    std::size_t free_permits() const { return free_; }
    std::size_t acquirers() const { return acquirers_.size(); }
    bool is_raised(std::size_t signal) const { return signals_.contains(signal) && signals_.at(signal).raised; }

    // --- waits -------------------------------------------------------------------------------------------------------

    /// Whether it could go on at once.
    bool is_ready(const wanted& w) const {
        switch (w.what) {
            case act::acquire: return acquirers_.empty() && w.most <= free_;
            case act::signal: return is_raised(w.object);
            case act::receive: {
                const auto& c = channels_[w.object];
                return !c.buffer.empty() || !c.senders.empty() || c.closed;
            }
            case act::send: {
                const auto& c = channels_[w.object];
                return c.closed || !c.receivers.empty() || c.buffer.size() < c.kind.capacity || never_waits(c.kind);
            }
        }
        return false;
    }

    /// Does a case that is ready. None: it has done a part and would have to wait with the rest, which is left in `w`.
    std::optional<outcome> commit(wanted& w) {
        switch (w.what) {
            case act::acquire: free_ -= w.most; return outcome{w.position};
            case act::signal: return outcome{w.position};
            case act::receive: return receive(w);
            case act::send: return send(w);
        }
        return std::nullopt;
    }

    /// Enlists a wait none of whose cases is ready.
    void enlist(wait_id id, const std::vector<wanted>& cases) {
        for (const auto& w : cases) line_of(w).push_back({id, w});
    }

    /// `by_name`: by what the call names; sending many then tells how many were sent.
    void cancel(wait_id id, std::size_t position_of_cancel, bool by_name) {
        outcome how{position_of_cancel, status::canceled};
        for (const auto& c : channels_)
            for (const auto& e : c.senders)
                if (e.id == id && e.what.many && by_name) how.values = {static_cast<int>(e.what.sent)};
        finish(id, std::move(how));
    }

    /// The waits that later operations have finished since the last call.
    std::map<wait_id, outcome> take_finished() { return std::exchange(finished_, {}); }

    /// After each operation: those who have sent one of many now send the next.
    void let_senders_go_on() {
        for (; !begin_again_.empty(); begin_again_.pop_front()) {
            auto& [id, w] = begin_again_.front();
            if (!is_ready(w)) enlist(id, {w});
            else if (const auto done = commit(w)) finish(id, *done);
            else enlist(id, {w});
        }
    }

    // --- what ends many ----------------------------------------------------------------------------------------------

    bool close(std::size_t ch, int error) {
        auto& c = channels_[ch];
        if (std::exchange(c.closed, true)) return false;
        c.error = error;
        while (!c.receivers.empty()) finish(c.receivers.front().id, receive_closed(c.receivers.front().what));
        while (!c.senders.empty()) finish(c.senders.front().id, send_ended(c.senders.front().what, status::closed));
        return true;
    }
    void cancel_receiving(std::size_t ch) {
        close(ch, 0);
        channels_[ch].buffer.clear();
    }
    void release(std::size_t permits) {
        free_ += permits;
        grant();
    }
    void raise(std::size_t signal) {
        auto& s = signals_[signal];
        s.raised = true;
        while (!s.waiting.empty()) finish(s.waiting.front().id, {s.waiting.front().what.position});
    }
    void lower(std::size_t signal) { signals_[signal].raised = false; }

private:
    struct entry {
        wait_id id;
        wanted what;
    };
    using line = std::vector<entry>;
    struct channel_state {
        channel_kind kind;
        bool closed;
        int error;
        std::size_t dropped;
        std::deque<int> buffer;
        line receivers;
        line senders;
    };
    struct signal_state {
        bool raised = false;
        line waiting = {};
    };

    static bool never_waits(const channel_kind& k) {
        return k.policy == overflow::drop_newest || (k.policy == overflow::drop_oldest && k.capacity != 0);
    }

    line& line_of(const wanted& w) {
        switch (w.what) {
            case act::receive: return channels_[w.object].receivers;
            case act::send: return channels_[w.object].senders;
            case act::signal: return signals_[w.object].waiting;
            case act::acquire: break;
        }
        return acquirers_;
    }

    // --- receiving ---------------------------------------------------------------------------------------------------

    outcome receive(const wanted& w) {
        auto& c = channels_[w.object];
        outcome done{w.position};
        while (done.values.size() < w.most && !(c.buffer.empty() && c.senders.empty())) {
            if (!c.senders.empty()) accept_first_sender(w.object);
            done.values.push_back(c.buffer.front());
            c.buffer.pop_front();
        }
        return done.values.empty() ? receive_closed(w) : done;
    }

    outcome receive_closed(const wanted& w) const {
        return {w.position, status::closed, {}, w.many ? 0 : channels_[w.object].error};
    }

    // His value goes to the end of the buffer; if he has more, he begins again.
    void accept_first_sender(std::size_t ch) {
        auto& c = channels_[ch];
        auto [id, w] = c.senders.front();
        c.buffer.push_back(w.values.front());
        sent_one(w);
        if (w.values.empty()) return finish(id, all_sent(w));
        c.senders.erase(c.senders.begin());
        begin_again_.push_back({id, std::move(w)});
    }

    // --- sending -----------------------------------------------------------------------------------------------------

    std::optional<outcome> send(wanted& w) {
        auto& c = channels_[w.object];
        while (!w.values.empty()) {
            if (c.closed) return send_ended(w, status::closed);
            if (!c.receivers.empty()) {
                hand_over(w.object, w.values.front());
            } else if (c.buffer.size() < c.kind.capacity) {
                c.buffer.push_back(w.values.front());
            } else if (c.kind.policy == overflow::drop_newest) {
                return send_ended(w, status::full);
            } else if (c.kind.policy == overflow::drop_oldest && c.kind.capacity != 0) {
                c.buffer.pop_front();
                ++c.dropped;
                c.buffer.push_back(w.values.front());
            } else {
                return std::nullopt;
            }
            sent_one(w);
        }
        return all_sent(w);
    }
    void hand_over(std::size_t ch, int value) {
        const entry& first = channels_[ch].receivers.front();
        finish(first.id, {first.what.position, status::ok, {value}});
    }

    static void sent_one(wanted& w) {
        w.values.erase(w.values.begin());
        ++w.sent;
    }
    static outcome all_sent(const wanted& w) { return send_ended(w, status::ok); }
    static outcome send_ended(const wanted& w, status why) {
        if (!w.many) return {w.position, why};
        return {w.position, status::ok, {static_cast<int>(w.sent)}};
    }

    // --- the end of waits --------------------------------------------------------------------------------------------

    void grant() {
        while (!acquirers_.empty() && acquirers_.front().what.most <= free_) {
            free_ -= acquirers_.front().what.most;
            finish(acquirers_.front().id, {acquirers_.front().what.position});
        }
    }

    void finish(wait_id id, outcome how) {
        finished_.emplace(id, std::move(how));
        const auto leave = [&](line& l) { return std::erase_if(l, [&](const entry& e) { return e.id == id; }); };
        for (auto& c : channels_) {
            leave(c.receivers);
            leave(c.senders);
        }
        for (auto& [number, s] : signals_) leave(s.waiting);
        if (leave(acquirers_)) grant();
    }

    std::vector<channel_state> channels_;
    std::size_t free_;
    line acquirers_;
    std::map<std::size_t, signal_state> signals_;
    std::deque<entry> begin_again_;
    std::map<wait_id, outcome> finished_;
};

}  // namespace sluice_test::model
