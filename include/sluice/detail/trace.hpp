// SPDX-License-Identifier: BSL-1.0
// trace.hpp: what happened in a simulation, in words?
//
// A line a step, with numbers instead of addresses: the same run gives the same text, byte for byte.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "channel_facts.hpp"
#include "object_names.hpp"
#include "report.hpp"
#include "select_cases.hpp"
#include "task_state.hpp"

namespace sluice::detail {

/// "1.5s": exact, in the largest unit that leaves something before the point.
inline std::string exact_text(time_point::duration d) {
    struct unit {
        std::int64_t ns;
        const char* name;
    };
    constexpr unit units[] = {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}, {1, "ns"}};
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
    if (ns == 0) return "0s";
    for (const auto& u : units) {
        if (ns < u.ns && u.ns != 1) continue;
        std::string out = std::to_string(ns / u.ns);
        if (auto rest = ns % u.ns) {
            std::string digits = std::to_string(u.ns + rest).substr(1);
            while (digits.back() == '0') digits.pop_back();
            out += "." + digits;
        }
        return out + u.name;
    }
    return {};  // not reached: the smallest unit always fits
}

/// "file.cpp:12": without the folder, which differs from checkout to checkout.
inline std::string short_text(place p) {
    if (p.line() == 0) return "a place not known";
    std::string_view file = p.file_name();
    if (const auto slash = file.find_last_of("/\\"); slash != std::string_view::npos) file.remove_prefix(slash + 1);
    return std::string{file} + ":" + std::to_string(p.line());
}

class trace {
public:
    enum class step : std::uint8_t {
        starts,
        waits,
        did,
        yields,
        goes_on,
        closes,
        ends,
        fails,
        is_cancelled,
        all_cancelled,
        stuck,
        fails_run
    };

    explicit trace(std::size_t keep) noexcept : keep_{keep} {}

    /// `who` starts `other`; 0: the caller of the simulation.
    void started(time_point::duration at, std::uint32_t who, std::uint32_t other) {
        add({at, who, other, step::starts, wait_kind::nothing, {}});
    }
    void stepped(time_point::duration at, std::uint32_t who, step what) {
        add({at, who, 0, what, wait_kind::nothing, {}});
    }
    /// What a task waits for, or has done, by its notes.
    void operated(time_point::duration at, std::uint32_t who, step what, const task_state& t) {
        const auto kind = t.waits_kind.load(std::memory_order_relaxed);
        std::uint32_t channel = 0;
        if (kind == wait_kind::send || kind == wait_kind::receive)
            if (const void* const on = t.waits_on.load(std::memory_order_relaxed))
                channel = number_of(*static_cast<const channel_facts*>(on));
        add({at, who, channel, what, kind, t.waits_at.load(std::memory_order_relaxed)});
    }

    /// How a wait has ended, if it is not what it was for: that goes without saying.
    void went_on(time_point::duration at, std::uint32_t who, const task_state& t) {
        const ticket outcome = t.outcome();
        const auto kind = t.waits_kind.load(std::memory_order_relaxed);
        const bool is_select = kind == wait_kind::select && outcome >= claim::first_case;
        const bool is_early = outcome == claim::canceled || (outcome == claim::timed_out && kind != wait_kind::time);
        if (is_select || is_early) add({at, who, static_cast<std::uint32_t>(outcome), step::goes_on, kind, {}});
    }
    void closed(time_point::duration at, std::uint32_t who, const channel_facts& ch) {
        add({at, who, number_of(ch), step::closes, wait_kind::nothing, {}});
    }

    /// The number of a task becomes a name and a place, when they are known.
    void describe_task(std::uint32_t number, const task_state& t) {
        if (keep_ == 0) return;
        if (tasks_.size() <= number) tasks_.resize(number + 1u);
        tasks_[number] = {t.started_at.load(std::memory_order_relaxed), object_name::of(&t)};
    }

    std::uint64_t fingerprint() const noexcept { return fingerprint_; }

    std::string text() const {
        std::string out;
        if (count_ > events_.size()) out += "  [" + std::to_string(count_ - events_.size()) + " steps before]\n";
        for (std::size_t i = 0; i < events_.size(); ++i) write(events_[(count_ + i) % events_.size()], out);
        return out;
    }

private:
    struct event {
        time_point::duration at;
        std::uint32_t who;
        std::uint32_t other;  // a task, a channel, or how a wait has ended
        step what;
        wait_kind kind;
        place where;
    };
    struct fact {
        place at;
        std::string name;
    };

    void add(const event& e) {
        const auto mix = [this](std::uint64_t x) { fingerprint_ = (fingerprint_ ^ x) * 0x100000001b3u; };  // FNV-1a
        mix(static_cast<std::uint64_t>(e.at.count()));
        mix(std::uint64_t{e.who} << 32 | e.other);
        mix(std::uint64_t{e.where.line()} << 16 | static_cast<std::uint64_t>(e.what) << 8 |
            static_cast<std::uint64_t>(e.kind));
        if (events_.size() < keep_) events_.push_back(e);
        else if (keep_ != 0) events_[count_ % keep_] = e;
        ++count_;
    }

    std::uint32_t number_of(const channel_facts& ch) {
        if (ch.number == 0) return 0;  // made outside
        if (keep_ != 0) {
            if (channels_.size() <= ch.number) channels_.resize(ch.number + 1u);
            auto& known = channels_[ch.number];
            if (known.at.line() == 0) known = {ch.made_at, object_name::of(&ch)};
        }
        return ch.number;
    }

    static std::string pad(std::string text, std::size_t width) {
        if (text.size() < width) text.insert(0, width - text.size(), ' ');
        return text;
    }
    std::string task(std::uint32_t number) const {
        if (number == 0) return "the caller";
        std::string out = "task " + std::to_string(number);
        if (number < tasks_.size() && !tasks_[number].name.empty()) out += " \"" + tasks_[number].name + "\"";
        return out;
    }
    std::string channel(std::uint32_t number) const {
        if (number == 0) return "a channel";
        std::string out = "channel " + std::to_string(number);
        if (number < channels_.size() && !channels_[number].name.empty()) out += " \"" + channels_[number].name + "\"";
        return out;
    }
    void write(const event& e, std::string& out) const {
        out += pad(exact_text(e.at), 12) + "  " + task(e.who);
        switch (e.what) {
            case step::starts:
                out += " starts " + task(e.other);
                // The main task's place would be its coroutine's, on whose line compilers disagree.
                if (e.who != 0 && e.other < tasks_.size() && tasks_[e.other].at.line() != 0)
                    out += ", " + short_text(tasks_[e.other].at);
                break;
            case step::yields: out += " yields"; break;
            case step::goes_on:
                if (e.other == claim::canceled) out += " goes on: canceled";
                else if (e.other == claim::timed_out) out += " goes on: the time is up";
                else out += " goes on: case " + std::to_string(case_at(e.other - claim::first_case)) + " of its select";
                break;
            case step::closes: out += " closes " + channel(e.other); break;
            case step::ends: out += " ends"; break;
            case step::fails: out += " is made to fail"; break;
            case step::is_cancelled: out += " is cancelled"; break;
            case step::all_cancelled: out += " sees the main task's end: the others are cancelled"; break;
            case step::fails_run: out += " fails the run"; break;
            case step::stuck: out += " finds that all tasks wait for ever"; break;
            case step::did:
            case step::waits:
                out += e.what == step::did ? ": done: " : ": waits: ";
                out += to_string(e.kind);
                if (e.kind == wait_kind::send || e.kind == wait_kind::receive) out += " on " + channel(e.other);
                out += " at " + short_text(e.where);
                break;
        }
        out += "\n";
    }

    const std::size_t keep_;
    std::vector<event> events_;  // a ring when full
    std::uint64_t count_ = 0;
    std::vector<fact> tasks_;
    std::vector<fact> channels_;
    std::uint64_t fingerprint_ = 0xcbf29ce484222325u;
};

}  // namespace sluice::detail
