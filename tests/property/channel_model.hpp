// SPDX-License-Identifier: BSL-1.0
// channel_model.hpp: what would a sequential program say that channels and waits do?
//
// The plainest thing that could be right: deques and lists, one operation after the other. A *wait* is a set of cases,
// each the end of one channel; it is finished once, by its own attempt, by a later operation, or by a cancellation.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include <sluice/status.hpp>

namespace sluice_test::model {

using wait_id = int;

enum class end { receive, send };

/// One case of a wait: which channel, which end, and for a send which value.
struct wanted {
    std::size_t position;
    std::size_t channel;
    end what;
    int value;
};

/// How a wait ended.
struct outcome {
    std::size_t position;
    sluice::status why;
    std::vector<int> values;  // received
    friend bool operator==(const outcome&, const outcome&) = default;
};

class channels {
public:
    explicit channels(const std::vector<std::size_t>& capacities) {
        for (const auto c : capacities) all_.push_back({c, false, {}, {}, {}});
    }

    std::size_t buffered(std::size_t ch) const { return all_[ch].buffer.size(); }
    std::size_t receivers(std::size_t ch) const { return all_[ch].receivers.size(); }
    std::size_t senders(std::size_t ch) const { return all_[ch].senders.size(); }
    bool is_closed(std::size_t ch) const { return all_[ch].closed; }

    /// Whether it could go on at once.
    bool is_ready(const wanted& w) const {
        const auto& c = all_[w.channel];
        if (w.what == end::receive) return !c.buffer.empty() || !c.senders.empty() || c.closed;
        return c.closed || !c.receivers.empty() || c.buffer.size() < c.capacity;
    }

    /// Does a case that is ready.
    outcome commit(const wanted& w) {
        auto& c = all_[w.channel];
        if (w.what == end::send) {
            if (c.closed) return {w.position, sluice::status::closed, {}};
            if (c.receivers.empty()) c.buffer.push_back(w.value);
            else finish(c.receivers.front(), sluice::status::ok, {w.value});
            return {w.position, sluice::status::ok, {}};
        }
        if (c.buffer.empty() && c.senders.empty()) return {w.position, sluice::status::closed, {}};
        if (!c.senders.empty()) {
            const entry first = c.senders.front();
            c.buffer.push_back(first.value);
            finish(first, sluice::status::ok, {});
        }
        const int v = c.buffer.front();
        c.buffer.pop_front();
        return {w.position, sluice::status::ok, {v}};
    }

    /// Enlists a wait none of whose cases is ready.
    void enlist(wait_id id, const std::vector<wanted>& cases) {
        for (const auto& w : cases) {
            auto& c = all_[w.channel];
            (w.what == end::receive ? c.receivers : c.senders).push_back({id, w.position, w.value});
        }
    }

    bool close(std::size_t ch) {
        auto& c = all_[ch];
        if (std::exchange(c.closed, true)) return false;
        while (!c.receivers.empty()) finish(c.receivers.front(), sluice::status::closed, {});
        while (!c.senders.empty()) finish(c.senders.front(), sluice::status::closed, {});
        return true;
    }

    void cancel(wait_id id, std::size_t position_of_cancel) {
        finish({id, position_of_cancel, 0}, sluice::status::canceled, {});
    }

    /// The waits that later operations have finished since the last call.
    std::map<wait_id, outcome> take_finished() { return std::exchange(finished_, {}); }

private:
    struct entry {
        wait_id id;
        std::size_t position;
        int value;
    };
    struct state {
        std::size_t capacity;
        bool closed;
        std::deque<int> buffer;
        std::vector<entry> receivers;
        std::vector<entry> senders;
    };

    void finish(entry e, sluice::status why, std::vector<int> values) {
        finished_.emplace(e.id, outcome{e.position, why, std::move(values)});
        for (auto& c : all_) {
            std::erase_if(c.receivers, [&](const entry& x) { return x.id == e.id; });
            std::erase_if(c.senders, [&](const entry& x) { return x.id == e.id; });
        }
    }

    std::vector<state> all_;
    std::map<wait_id, outcome> finished_;
};

}  // namespace sluice_test::model
