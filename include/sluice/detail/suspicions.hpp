// SPDX-License-Identifier: BSL-1.0
// suspicions.hpp: does a channel seem to belong to nobody but those who wait on it?
//
// If as many handles of a channel live as tasks wait on it, all of them to send or all to receive, then each of these
// seems to hold one of them, and nobody else could wake them: a leak in other words. sluice cannot look into frames, so
// this is a suspicion, of the diagnostics alone. A handle of somebody else, a task that waits in a select, a thread:
// each of them makes the handles more than the tasks, and nothing is said.
// U1  Tasks may also share a handle by reference. Where all do, the channel has one handle that was never copied, and
//     such a channel is not suspected. A mixture of both may be suspected wrongly. A clock sends without a handle, so
//     its channel is not suspected either.
// U2  A channel is looked at when a task has waited on it for `suspect_after`, in walks over the tasks: without a lock
//     of the runtime, except for a moment for each channel.
// U3  What a task waits on lives as long as it waits. In that moment all workers are idle and the scheduler's lock is
//     held, which a worker needs to begin again: so a task that waits to be resumed by one stays where it is, even
//     if somebody wakes it meanwhile. A task that blocks a thread goes on by itself: what it waits on is not touched.
// U4  A suspect is counted in a second walk, and told if the numbers are the same; the channel is marked before, so it
//     is told once.
#pragma once

#include <unordered_map>

#include "report.hpp"
#include "scheduler.hpp"

namespace sluice::detail {

class suspicions {
public:
    explicit suspicions(runtime_core& of) noexcept
        : core_{of}, after_{of.options_.suspect_after}, pause_{after_}, next_{deadline()} {}

    /// When to look; no_deadline: never.
    time_point next() const noexcept { return next_; }
    /// Something has happened: the looks come as often as at first.
    void begin_again() noexcept {
        if (pause_ == after_) return;
        pause_ = after_;
        next_ = std::min(next_, deadline());
    }

    /// By the monitor, while all workers are idle. Comes again after a longer pause if nothing happens.
    /// Throws: `std::bad_alloc`; what has not been told is told later.
    void look() {
        pause_ = std::max<time_point::duration>(after_, std::min<time_point::duration>(2 * pause_, longest_pause));
        next_ = deadline();
        const counts first = count(nullptr);
        if (first.empty()) return;
        counts second = count(&first);
        std::erase_if(second, [&](const auto& c) { return c.second.tasks != first.at(c.first).tasks; });
        mark(second);
        for (const auto& [channel, c] : second)
            if (c.is_marked) core_.say(text_of(c));
    }

private:
    static constexpr auto longest_pause = std::chrono::minutes{10};
    static constexpr std::size_t most_listed = 4;

    // Who waits on one channel, all to send or all to receive.
    struct those_who_wait {
        wait_kind kind{};
        std::size_t tasks = 0;
        std::uint32_t handles = 0;
        bool is_known = false;      // the channel could be looked at
        bool is_ruled_out = false;  // it is none to suspect
        bool is_marked = false;
        std::string text;  // of the channel and some of the tasks
    };
    using counts = std::unordered_map<const channel_facts*, those_who_wait>;

    time_point deadline() const noexcept {
        return after_ <= time_point::duration::zero() ? no_deadline : std::chrono::steady_clock::now() + pause_;
    }

    // The suspects; with texts, if they are those of an earlier walk.
    counts count(const counts* suspects) {
        counts all;
        for_each_that_waits_long([&](task_state& t, ticket word, wait_kind kind, channel_facts& ch) {
            if (suspects && !suspects->contains(&ch)) return;
            those_who_wait& c = all[&ch];
            if (c.tasks++ == 0) c.kind = kind;
            c.is_ruled_out |= c.kind != kind;
            channel_facts copy{0, {}};
            const bool is_new = !c.is_known && look_at(t, word, [&] {
                c.handles = ch.handles.load(std::memory_order_relaxed);
                c.is_ruled_out |= ch.has_clock || !ch.was_copied.load(std::memory_order_relaxed) ||
                                  ch.is_suspected.load(std::memory_order_relaxed);
                copy.capacity = ch.capacity;
                copy.made_at = ch.made_at;
            });
            c.is_known |= is_new;
            if (!suspects) return;
            if (is_new) {
                copy.handles.store(c.handles, std::memory_order_relaxed);
                std::string channel;
                describe_object(kind, &copy, channel);
                c.text.insert(0, channel);
            }
            if (c.tasks <= most_listed) describe(t, c.tasks, false, c.text);
        });
        std::erase_if(all, [](const auto& one) {
            const those_who_wait& c = one.second;
            return !c.is_known || c.is_ruled_out || c.handles != c.tasks;
        });
        return all;
    }

    void mark(counts& suspects) {
        for_each_that_waits_long([&](task_state& t, ticket word, wait_kind, channel_facts& ch) {
            const auto found = suspects.find(&ch);
            if (found == suspects.end() || found->second.is_marked) return;
            found->second.is_marked = look_at(t, word, [&] { ch.is_suspected.store(true, std::memory_order_relaxed); });
        });
    }

    // U3. False: not at this moment.
    template <class F>
    bool look_at(const task_state& t, ticket word, F f) {
        const hold guard{core_.mutex_};
        if (core_.idle_.size() != core_.serving_ || t.how() != wake_by::scheduling || t.word() != word) return false;
        f();
        return true;
    }

    template <class F>
    void for_each_that_waits_long(F f) {
        const std::uint32_t now = coarse_clock::of(std::chrono::steady_clock::now());
        const auto long_enough = std::chrono::duration_cast<std::chrono::milliseconds>(after_).count();
        core_.homes_.for_each_task([&](task_state& t) {
            const ticket word = t.word();
            if ((word & claim::state_mask) != claim::waiting) return;
            const auto kind = t.waits_kind.load(std::memory_order_relaxed);
            if (kind != wait_kind::send && kind != wait_kind::receive) return;
            const std::uint32_t since = t.waits_since.load(std::memory_order_relaxed);
            if (static_cast<std::int32_t>(now - since) < long_enough) return;
            const void* const on = t.waits_on.load(std::memory_order_relaxed);
            if (!on || t.word() != word) return;
            f(t, word, kind, *static_cast<channel_facts*>(const_cast<void*>(on)));
        });
    }

    static std::string text_of(const those_who_wait& c) {
        const std::string tasks = c.tasks == 1 ? "task" : std::to_string(c.tasks) + " tasks";
        std::string out = "sluice: suspicion: nobody but the " + tasks + " that " + (c.tasks == 1 ? "waits" : "wait") +
                          " to " + to_string(c.kind) + " seems to hold a handle of\n" + c.text;
        if (c.tasks > most_listed) out += "  and " + std::to_string(c.tasks - most_listed) + " tasks more\n";
        return out + "  (no leak if somebody else has a reference to one of their handles)\n";
    }

    runtime_core& core_;
    const time_point::duration after_;
    time_point::duration pause_;
    time_point next_;
};

}  // namespace sluice::detail
