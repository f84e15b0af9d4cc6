// SPDX-License-Identifier: BSL-1.0
// report.hpp: what can be told about the tasks of a runtime?
//
// Reads only words kept in each task, under the registry's shard lock, while the tasks run on: a line whose claim
// word changed in between is marked as moving.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "channel_facts.hpp"
#include "join_circle.hpp"
#include "multi_wait.hpp"
#include "object_names.hpp"
#include "scheduler.hpp"
#include "wait_graph.hpp"

namespace sluice::detail {

/// The name of a function as it stands in the source. Of a coroutine `f(int)` g++ says `void f(f(int)::_Z1fi.Frame*)`.
inline std::string_view readable(std::string_view function) {
    constexpr std::string_view prefix = "void ";
    const std::size_t end = function.rfind("::_Z");
    if (!function.ends_with(".Frame*)") || end == std::string_view::npos || !function.starts_with(prefix))
        return function;
    const std::string_view both = function.substr(prefix.size(), end - prefix.size());
    for (std::size_t at = both.find('('); at != std::string_view::npos; at = both.find('(', at + 1)) {
        constexpr std::string_view call = "::operator()";
        std::string_view name = both.substr(0, at);
        if (name.ends_with(call)) name.remove_suffix(call.size());
        const std::string_view full = both.substr(at + 1);
        if (!name.empty() && full.starts_with(name)) return full;
    }
    return function;
}

inline std::string to_string(place p) {
    if (p.line() == 0) return "a place not known";
    return std::string{p.file_name()} + ":" + std::to_string(p.line()) + " (" +
           std::string{readable(p.function_name())} + ")";
}

/// "2 s"; a task that began to wait a moment ago waits for 0 ms.
inline std::string time_since(std::uint32_t coarse) {
    const auto ms = std::max(0, static_cast<std::int32_t>(coarse_clock::of(detail::now()) - coarse));
    if (ms < 1000) return std::to_string(ms) + " ms";
    return ms < 120'000 ? std::to_string(ms / 1000) + " s" : std::to_string(ms / 60'000) + " min";
}

/// What lives as long as somebody waits on it, and can be looked at only while that is certain.
inline void describe_object(wait_kind kind, const void* on, std::string& out) {
    if (kind != wait_kind::send && kind != wait_kind::receive) return;
    if (!on) {
        out += "      a nil channel is never ready\n";
        return;
    }
    const auto& ch = *static_cast<const channel_facts*>(on);
    out += "      a channel ";
    if (ch.capacity == 0) out += "without a buffer";
    else if (ch.capacity == channel_facts::unlimited) out += "without a bound";
    else out += "for " + std::to_string(ch.capacity) + " values";
    out += ", made at " + to_string(ch.made_at) + "; handles: " + std::to_string(ch.handles.load()) + "\n";
}

inline void describe_cases(const multi_wait& wait, std::string& out) {
    constexpr std::size_t most = 8;
    std::size_t told = 0;
    for (const wait_case& c : wait.cases()) {
        if (told++ == most) {
            out += "      and " + std::to_string(wait.cases().size() - most) + " cases more\n";
            return;
        }
        const wait_kind kind = c.ops->kind(c.op);
        const void* const on = c.ops->object(c.op);
        const std::string name = object_name::of(on);
        out += std::string{"      case "} + to_string(kind) + (name.empty() ? "" : " on \"" + name + "\"") + "\n";
        describe_object(kind, on, out);
    }
}

inline void describe(const task_state& t, std::size_t number, bool stands_still, std::string& out) {
    const ticket before = t.word();
    const auto kind = t.waits_kind.load(std::memory_order_relaxed);
    const place at = t.waits_at.load(std::memory_order_relaxed);
    const void* const on = t.waits_on.load(std::memory_order_relaxed);
    // What a task waits on lives as long as it waits: if it still does afterwards, the name was that of the right one.
    const std::string name = object_name::of(on);
    const bool waits = (before & claim::state_mask) == claim::waiting && t.word() == before;
    const std::string called = object_name::of(&t);
    out += "  #" + std::to_string(number) + (t.is_callable ? " callable" : " task") +
           (called.empty() ? "" : " \"" + called + "\"") + " started at " +
           to_string(t.started_at.load(std::memory_order_relaxed)) +
           (waits ? "\n      waits for " : "\n      runs; waited last for ") + to_string(kind) +
           (waits && !name.empty() ? " on \"" + name + "\" at " : " at ") + to_string(at) +
           (waits ? ", for " + time_since(t.waits_since.load(std::memory_order_relaxed)) : "") + "\n";
    if (!waits) return;
    if (stands_still && kind == wait_kind::select && on) describe_cases(*static_cast<const multi_wait*>(on), out);
    else if (stands_still) describe_object(kind, on, out);
    if (kind != wait_kind::lock && kind != wait_kind::read_lock) return;
    const blockers holders = wait_graph::in_the_way_of(t);
    for (std::size_t i = 0; i < holders.count; ++i) out += "      taken at " + to_string(holders.all[i].at) + "\n";
}

/// The worker's own words, while it runs on: what changes meanwhile is not told.
inline std::string describe(const worker& w, bool is_idle,
                            const std::unordered_map<const void*, std::size_t>& numbers) {
    std::string out = "  worker " + std::to_string(w.index);
    const auto turn = w.progress.load(std::memory_order_relaxed);
    const task_state* const t = w.runs_now.load(std::memory_order_relaxed);
    const place started_at = w.runs.load(std::memory_order_relaxed);
    const auto since = w.runs_since.load(std::memory_order_relaxed);
    const std::string called = object_name::of(t);
    const bool is_the_same = w.progress.load(std::memory_order_relaxed) == turn;
    if (is_idle) return out + " is idle\n";
    if (!t || !is_the_same) return out + " goes from task to task\n";
    const auto listed = numbers.find(t);
    return out + " runs " + (listed == numbers.end() ? "" : "#" + std::to_string(listed->second) + " ") + "task" +
           (called.empty() ? "" : " \"" + called + "\"") + " started at " + to_string(started_at) + ", for " +
           time_since(since) + "\n";
}

inline std::string runtime_core::dump(bool all_stand_still) {
    std::string out;
    std::size_t number = 0;
    std::unordered_map<const void*, std::size_t> running;  // and their numbers
    for (const auto& w : workers_)
        if (const void* const t = w->runs_now.load(std::memory_order_relaxed)) running[t] = 0;
    homes_.for_each_task([&](task_state& t) {
        describe(t, ++number, all_stand_still, out);
        if (const auto found = running.find(&t); found != running.end()) found->second = number;
    });
    std::erase_if(running, [](const auto& one) { return one.second == 0; });
    std::vector<std::pair<const worker*, bool>> serving;
    serving.reserve(workers_.size());
    {
        const hold guard{mutex_};
        for (const auto& w : workers_)
            if (w->serves) serving.emplace_back(w.get(), w->is_idle);
    }
    for (const auto& [w, is_idle] : serving) out += describe(*w, is_idle, running);
    const auto ended = ended_tasks();
    const auto alive = started_tasks() - ended;
    out += "  " + std::to_string(number) + " listed have parked at least once; " + std::to_string(alive) +
           " alive in all\n";
    return out;
}

inline void runtime_core::tell_of_a_held_worker(place started_at) const noexcept {
    tell([&] {
        return "sluice: the task started at " + to_string(started_at) +
               " holds its worker in a call that sleeps, and another worker stands in; put such a call into "
               "`co_await blocking(f)`\n";
    });
}

inline void runtime_core::tell_of_a_stand_in(const task_state& blocks) const noexcept {
    tell([&] {
        return "sluice: a task blocks its worker at " + to_string(blocks.waits_at.load(std::memory_order_relaxed)) +
               ", and another thread serves it meanwhile; `co_await` the async_ form there (runtime_metrics::stand_ins "
               "counts such waits, this line comes once)\n";
    });
}

inline void runtime_core::dump_all(const std::string& head) {
    std::vector<std::pair<decltype(options_.diagnostics), std::string>> texts;
    {
        auto& known = all_cores();
        const hold guard{known.mutex};
        for (runtime_core* core : known.cores) texts.emplace_back(core->options_.diagnostics, core->dump());
    }
    if (texts.empty()) texts.emplace_back(nullptr, "  no tasks: there is no runtime\n");
    for (const auto& [diagnostics, text] : texts) say(diagnostics, head + text);
}

inline std::string wait_graph::text_of(const circle& c) {
    const bool is_alone = c.size == 1;
    std::string out = is_alone ? "sluice: deadlock: this waits for what it holds itself:\n"
                               : "sluice: deadlock: these " + std::to_string(c.size) + " wait for each other:\n";
    for (std::size_t i = 0; i < c.size; ++i) {
        const member& m = c.members[i];
        const std::string called = object_name::of(reinterpret_cast<const void*>(m.who));
        out += "  ";
        out += m.is_task ? "task" : "thread";
        if (!called.empty()) out += " \"" + called + "\"";
        if (m.is_task) out += " started at " + to_string(m.started);
        out += std::string{"\n      waits for "} + to_string(m.kind) + " at " + to_string(m.waits);
        if (m.kind == wait_kind::join) out += ", of the next";
        else if (m.kind == wait_kind::group) out += ", which the next is of";
        else out += "\n      taken at " + to_string(m.taken) + (is_alone ? " by itself" : " by the next");
        if (m.kind == wait_kind::read_lock) out += "; a writer stands in line between them";
        out += "\n";
    }
    if (!is_alone) out += "  the last waits for the first\n";
    const bool has_locks = std::any_of(c.members.begin(), c.members.begin() + c.size, [](const member& m) {
        return m.kind != wait_kind::join && m.kind != wait_kind::group;
    });
    return out + (has_locks ? "  (no deadlock if somebody else unlocks for them)\n"
                            : "  (a join is never abandoned, so they will not end if they are cancelled)\n");
}

inline void join_circle::tell() noexcept {
    if (is_marked_) return;
    // Backwards it was found, forwards it is told.
    std::reverse(found_.members.begin() + 1, found_.members.begin() + found_.size);
    wait_graph::say(found_);
}

inline void wait_graph::tell(edge& e, const circle& found) noexcept {
    static constinit lock one_at_a_time;
    circle again;
    {
        const hold telling{one_at_a_time};
        if (!follow(e.who_.key(), again) || !(again == found)) return;  // G4
        for (std::size_t i = 0; i < again.size; ++i)
            if (again.members[i].told) return;
        const hold guard{bucket_of(e.who_.key()).mutex};
        e.told_ = true;
    }
    say(again);
}

inline void wait_graph::say(const circle& c) noexcept {
    try {
        const std::string text = text_of(c);
        if (auto* const rt = this_thread_state().runtime) rt->say(text);
        else std::fwrite(text.data(), 1, text.size(), stderr);
    } catch (const std::bad_alloc&) {}  // what cannot be told
}

}  // namespace sluice::detail
