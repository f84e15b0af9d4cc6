// SPDX-License-Identifier: BSL-1.0
// linearizable.hpp: could what several threads observed have happened one step after the other?
//
// A history is linearizable (Herlihy and Wing 1990) if every operation can be given one moment between its call and its
// return, such that a sequential model, doing them in this order, gives the results that were observed.
//
// The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993): next in the order may be each
// operation that was called before any of those left has returned; where the model disagrees, go back and try another.
// As in Lowe ("Testing for linearizability", 2017), what has been looked at once, as a set of operations done and the
// state they led to, is not looked at again.
//
// Some operations take effect only together, like a send and a receive that meet in a rendezvous. A model may allow a
// step of two operations: then both take effect at one moment, so one cannot have returned before the other is called
// (concurrency-aware linearizability: Hemed, Rinetzky and Vafeiadis 2015).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace sluice::testing {

/// One operation of a history: what was called, what it returned, and when, on a clock that all share.
template <class Operation, class Result>
struct performed {
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    Operation what;
    std::optional<Result> result = {};  // none: it has not returned, and may or may not have taken effect
    std::uint64_t called = 0;
    std::uint64_t returned = never;
};

/// What a model says that an operation may do: its result, and the state afterwards.
template <class Result, class State>
struct step {
    Result result;
    State after;
};

/// What a model says that two operations may do at one moment.
template <class Result, class State>
struct step_of_two {
    Result first;
    Result second;
    State after;
};

/// A sequential specification: types `operation`, `result` and `state`, and
///     state initial() const;
///     a range of step<result, state> apply(const state&, const operation&) const;
/// all that the operation may do in this state; none, when it cannot take effect now. States have an order (`<=>`),
/// results compare equal.
template <class M>
concept sequential_model = requires(const M& model, const typename M::state& s, const typename M::operation& op) {
    { model.initial() } -> std::convertible_to<typename M::state>;
    model.apply(s, op);
};

/// Such a model with steps of two:
///     a range of step_of_two<result, state> apply(const state&, const operation& a, const operation& b) const;
/// It is asked for every pair both ways, so it may answer for `a` sending and `b` receiving only.
template <class M>
concept model_with_meetings =
    sequential_model<M> &&
    requires(const M& model, const typename M::state& s, const typename M::operation& op) { model.apply(s, op, op); };

template <sequential_model M>
using history_of = std::vector<performed<typename M::operation, typename M::result>>;

/// Whether a history is linearizable, and the order that shows it.
class [[nodiscard]] linearization {
public:
    linearization(bool found, std::vector<std::size_t> order, std::size_t looked_at) noexcept
        : found_{found}, order_{std::move(order)}, looked_at_{looked_at} {}

    explicit operator bool() const noexcept { return found_; }
    /// The operations, as positions in the history, in an order that explains it; if there is none, the longest
    /// beginning of one.
    const std::vector<std::size_t>& order() const noexcept { return order_; }
    /// How many different situations the search has looked at.
    std::size_t looked_at() const noexcept { return looked_at_; }

private:
    bool found_;
    std::vector<std::size_t> order_;
    std::size_t looked_at_;
};

}  // namespace sluice::testing

namespace sluice::detail {

template <testing::sequential_model M>
class linearization_search {
    using state = typename M::state;

public:
    linearization_search(const testing::history_of<M>& history, const M& model) : history_{history}, model_{model} {
        left_ =
            static_cast<std::size_t>(std::ranges::count_if(history, [](auto& op) { return op.result.has_value(); }));
        done_.resize(history.size());
    }

    testing::linearization run() {
        const bool found = goes_on_from(model_.initial());
        return {found, found ? order_ : longest_, seen_.size()};
    }

private:
    // Whether the operations left can follow. They are those not `done_`; of pending ones, none has to.
    bool goes_on_from(const state& s) {
        if (left_ == 0) return true;
        if (!seen_.emplace(done_, s).second) return false;
        const auto next = which_may_be_next();
        for (const std::size_t i : next)
            for (auto&& one : model_.apply(s, history_[i].what))
                if (agrees(i, one.result) && goes_on_after({i}, one.after)) return true;
        if constexpr (testing::model_with_meetings<M>) {
            for (const std::size_t i : next)
                for (const std::size_t j : next) {
                    if (i == j) continue;
                    for (auto&& both : model_.apply(s, history_[i].what, history_[j].what))
                        if (agrees(i, both.first) && agrees(j, both.second) && goes_on_after({i, j}, both.after))
                            return true;
                }
        }
        return false;
    }

    bool goes_on_after(std::initializer_list<std::size_t> taken, const state& s) {
        for (const std::size_t i : taken) {
            done_[i] = true;
            left_ -= history_[i].result.has_value();
            order_.push_back(i);
        }
        if (goes_on_from(s)) return true;
        if (order_.size() > longest_.size()) longest_ = order_;
        for (const std::size_t i : taken) {
            order_.pop_back();
            left_ += history_[i].result.has_value();
            done_[i] = false;
        }
        return false;
    }

    std::vector<std::size_t> which_may_be_next() const {
        auto first_return = testing::performed<typename M::operation, typename M::result>::never;
        for (std::size_t i = 0; i < history_.size(); ++i)
            if (!done_[i]) first_return = std::min(first_return, history_[i].returned);
        std::vector<std::size_t> all;
        for (std::size_t i = 0; i < history_.size(); ++i)
            if (!done_[i] && history_[i].called < first_return) all.push_back(i);
        return all;
    }

    bool agrees(std::size_t i, const typename M::result& r) const {
        return !history_[i].result || *history_[i].result == r;
    }

    const testing::history_of<M>& history_;
    const M& model_;
    std::size_t left_;        // of the operations that have returned
    std::vector<bool> done_;  // by position
    std::vector<std::size_t> order_;
    std::vector<std::size_t> longest_;
    std::set<std::pair<std::vector<bool>, state>> seen_;
};

}  // namespace sluice::detail

namespace sluice::testing {

/// Looks for an order of the operations that explains `history` by `model`.
///
/// Complexity: exponential in the number of operations that overlap each other at the worst; for histories of a few
///     threads with a few dozen operations some microseconds to milliseconds. Recursion is as deep as the history long.
///
///     recording<op, result> all{2};                                  // by two threads
///     ... all.by(0).calls(op::push(1)); q.push(1); all.by(0).returns(result::ok()); ...
///     EXPECT_TRUE(linearizable(all.history(), queue_model{}));
template <sequential_model M>
linearization linearizable(const history_of<M>& history, const M& model) {
    return sluice::detail::linearization_search<M>{history, model}.run();
}

/// A history while it is made: each process notes what it calls and what comes back.
///
/// Thread safety: each process's notes by one thread or task at a time; `history` when nobody notes any more.
template <class Operation, class Result>
class recording {
public:
    using entry = performed<Operation, Result>;

    class process {
    public:
        explicit process(std::atomic<std::uint64_t>& clock) noexcept : clock_{&clock} {}
        /// Just before the call. A process has one operation at a time.
        void calls(Operation what) {
            entries_.push_back({std::move(what)});
            entries_.back().called = tick();
        }
        /// Just after the return.
        void returns(Result r) {
            const auto now = tick();
            entries_.back().result.emplace(std::move(r));
            entries_.back().returned = now;
        }
        /// Something that was true at a moment between `since` (see now()) and this call.
        void observes(Operation what, std::uint64_t since, Result r) {
            entries_.push_back({std::move(what), std::move(r), since, tick()});
        }

    private:
        friend recording;
        // seq_cst: what returned before another was called has the smaller number.
        std::uint64_t tick() noexcept { return clock_->fetch_add(1, std::memory_order_seq_cst); }

        std::atomic<std::uint64_t>* clock_;
        std::vector<entry> entries_;
    };

    explicit recording(std::size_t processes) : processes_(processes, process{clock_}) {}
    recording(const recording&) = delete;
    recording& operator=(const recording&) = delete;

    process& by(std::size_t i) noexcept { return processes_[i]; }
    /// A time after all that was noted before.
    std::uint64_t now() noexcept { return clock_.fetch_add(1, std::memory_order_seq_cst); }

    /// All that was noted, in the order of the calls.
    std::vector<entry> history() const {
        std::vector<entry> all;
        for (const auto& p : processes_) all.insert(all.end(), p.entries_.begin(), p.entries_.end());
        std::ranges::sort(all, {}, &entry::called);
        return all;
    }

private:
    std::atomic<std::uint64_t> clock_{0};
    std::vector<process> processes_;
};

/// How many pairs of operations overlapped in time: neither had returned when the other was called.
template <class Operation, class Result>
std::size_t overlapping_pairs(const std::vector<performed<Operation, Result>>& history) {
    std::size_t pairs = 0;
    for (std::size_t i = 0; i < history.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            pairs += history[i].called < history[j].returned && history[j].called < history[i].returned;
    return pairs;
}

}  // namespace sluice::testing
