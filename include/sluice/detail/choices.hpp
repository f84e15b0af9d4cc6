// SPDX-License-Identifier: BSL-1.0
// choices.hpp: which of the things that may happen next does happen, and how is that told again?
//
// A simulation asks for one of n where a real run leaves it open. Three ways to answer:
//   at random:    each ready task is equally likely;
//   by priority:  tasks have random priorities and the highest runs, but at a few random steps the running one falls
//                 below all others. Finds a bug that needs d such changes with probability at least 1 / (n * k^(d-1))
//                 for n tasks and k steps (PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010);
//   everything:   depth first over all answers, one path a run.
// A path is told by what it was made from: the seed and the way, or the answers themselves.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::detail {

class task_state;
class parker;
class simulator;

/// The same numbers from the same seed on every machine: splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
class random_bits {
public:
    explicit random_bits(std::uint64_t seed) noexcept : state_{seed} {}
    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// From 0 to n - 1. Precondition: 0 < n < 2^32. The bias is below n / 2^32.
    std::size_t below(std::size_t n) noexcept { return static_cast<std::size_t>((next() >> 32) * n >> 32); }
    /// At least 0, below 1.
    double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

private:
    std::uint64_t state_;
};

/// What a simulation knows of one of its tasks.
struct simulated_task {
    task_state* task;  // null: the end of the run
    simulator* in;
    std::uint32_t number;
    bool waits = false;            // its last step has led to a wait
    bool fails = false;            // its next wait shall throw
    std::uint64_t priority = 0;    // by_priority
    parker* waits_with = nullptr;  // of the thread that waits inside the task's own code
};

enum class exploring : std::uint8_t { at_random, by_priority, everything };

struct path_plan {
    exploring how = exploring::at_random;
    std::uint64_t seed = 1;
    unsigned changes = 3;              // by_priority
    std::uint64_t length = 1000;       // by_priority: the steps that the changes are spread over
    std::vector<std::uint32_t> begin;  // everything: the first answers; all later ones are 0

    std::string text() const {
        switch (how) {
            case exploring::at_random: return "random:" + std::to_string(seed);
            case exploring::by_priority:
                return "priority:" + std::to_string(seed) + ":" + std::to_string(changes) + ":" +
                       std::to_string(length);
            case exploring::everything: break;
        }
        std::string out = "path:" + std::to_string(seed);
        for (const auto taken : begin) out += ":" + std::to_string(taken);
        return out;
    }

    /// Nothing: no such text.
    static std::optional<path_plan> of(std::string_view text) {
        const auto next = [&text]() -> std::optional<std::uint64_t> {
            std::uint64_t number = 0;
            if (!text.starts_with(':')) return {};
            const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
            if (error != std::errc{}) return {};
            text.remove_prefix(static_cast<std::size_t>(end - text.data()));
            return number;
        };
        const auto begins_with = [&text](std::string_view word) {
            if (!text.starts_with(word)) return false;
            text.remove_prefix(word.size());
            return true;
        };
        path_plan plan;
        if (begins_with("random")) {
            const auto seed = next();
            if (!seed || !text.empty()) return {};
            plan.seed = *seed;
        } else if (begins_with("priority")) {
            plan.how = exploring::by_priority;
            const auto seed = next();
            const auto changes = next();
            const auto length = next();
            if (!seed || !changes || !length || !text.empty()) return {};
            plan.seed = *seed;
            plan.changes = static_cast<unsigned>(*changes);
            plan.length = *length;
        } else if (begins_with("path")) {
            plan.how = exploring::everything;
            const auto seed = next();
            if (!seed) return {};
            plan.seed = *seed;
            while (!text.empty()) {
                const auto taken = next();
                if (!taken) return {};
                plan.begin.push_back(static_cast<std::uint32_t>(*taken));
            }
        } else {
            return {};
        }
        return plan;
    }
};

/// The answers of one run, and the tasks that they are about.
class choices {
public:
    explicit choices(path_plan plan) : plan_{std::move(plan)}, random_{plan_.seed} {
        if (plan_.how != exploring::by_priority) return;
        for (unsigned i = 1; i < plan_.changes; ++i)
            change_at_.push_back(1 + random_.next() % std::max<std::uint64_t>(plan_.length, 1));
        std::sort(change_at_.begin(), change_at_.end(), std::greater<>{});
    }

    /// One of `n`, from 0.
    std::size_t choose(std::size_t n) {
        const std::size_t taken = draw(n);
        mix(taken);
        return taken;
    }

    bool none_ready() const noexcept { return ready_.empty(); }
    void add(simulated_task& t) {
        ready_.push_back(&t);
        if (plan_.how != exploring::by_priority) return;
        if (t.priority == 0) t.priority = random_.next() | highest_bit;
        std::push_heap(ready_.begin(), ready_.end(), lower);
    }
    /// Precondition: one is ready.
    simulated_task& take() {
        ++steps_;
        if (plan_.how == exploring::by_priority) {
            for (; !change_at_.empty() && change_at_.back() <= steps_; change_at_.pop_back()) {
                simulated_task& first = pop();
                yields(first);
                add(first);
            }
            simulated_task& first = pop();
            mix(first.number);
            return first;
        }
        const std::size_t taken = draw(ready_.size());
        simulated_task& t = *ready_[taken];
        ready_[taken] = ready_.back();
        ready_.pop_back();
        mix(t.number);
        return t;
    }
    /// It lets all others run first.
    void yields(simulated_task& t) noexcept {
        if (plan_.how == exploring::by_priority) t.priority = --lowest_;
    }

    /// The same for the same schedule: which tasks went on, and what else was chosen.
    std::uint64_t fingerprint() const noexcept { return fingerprint_; }
    std::uint64_t steps() const noexcept { return steps_; }
    const path_plan& plan() const noexcept { return plan_; }

    /// What tells this run again.
    std::string text() const {
        if (plan_.how != exploring::everything) return plan_.text();
        path_plan all = plan_;
        all.begin.clear();
        for (const auto& a : answers_) all.begin.push_back(a.taken);
        while (!all.begin.empty() && all.begin.back() == 0) all.begin.pop_back();
        return all.text();
    }

    /// everything: how the next path begins; nothing: this was the last.
    std::optional<std::vector<std::uint32_t>> next_path() const {
        std::vector<std::uint32_t> begin;
        for (const auto& a : answers_) begin.push_back(a.taken);
        for (std::size_t i = answers_.size(); i-- > 0; begin.pop_back())
            if (++begin[i] < answers_[i].of) return begin;
        return {};
    }

private:
    struct answered {
        std::uint32_t taken;
        std::uint32_t of;
    };

    static bool lower(const simulated_task* a, const simulated_task* b) noexcept { return a->priority < b->priority; }

    simulated_task& pop() noexcept {
        std::pop_heap(ready_.begin(), ready_.end(), lower);
        simulated_task& t = *ready_.back();
        ready_.pop_back();
        return t;
    }
    std::size_t draw(std::size_t n) {
        if (n < 2) return 0;
        return plan_.how == exploring::everything ? answer(n) : random_.below(n);
    }
    std::size_t answer(std::size_t n) {
        const std::size_t at = answers_.size();
        const std::size_t wanted = at < plan_.begin.size() ? plan_.begin[at] : 0;
        const std::size_t taken = std::min(wanted, n - 1);
        answers_.push_back({static_cast<std::uint32_t>(taken), static_cast<std::uint32_t>(n)});
        return taken;
    }
    void mix(std::uint64_t x) noexcept { fingerprint_ = (fingerprint_ ^ (x + 1)) * 0x100000001b3u; }  // FNV-1a

    static constexpr std::uint64_t highest_bit = std::uint64_t{1} << 63;

    const path_plan plan_;
    random_bits random_;
    std::vector<simulated_task*> ready_;  // by_priority: a heap
    std::vector<std::uint64_t> change_at_;
    std::vector<answered> answers_;
    std::uint64_t lowest_ = highest_bit;
    std::uint64_t steps_ = 0;
    std::uint64_t fingerprint_ = 0xcbf29ce484222325u;
};

}  // namespace sluice::detail
