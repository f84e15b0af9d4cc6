// SPDX-License-Identifier: BSL-1.0
// wait_graph.hpp: do some wait for each other in a circle?
//
// A wait for a lock depends on its holders, one for the end of a task on that task. While such a wait without a limit of
// time lasts, an *edge* stands here, found by who waits. Whoever adds one follows the edges from holder to holder; if
// they lead back to him, nobody in the circle can go on, whatever else the program does, and that is told at once.
// G1  The edge is added before the look, so of those who close a circle together at least one sees all of it.
// G2  An edge stands only inside of the call that waits, so what it waits on lives. It is looked at under its bucket's
//     lock. Order: a registry's shard, a bucket, the lock of what is waited on.
// G3  An edge whose wait has been claimed is on its way out and leads nowhere.
// G4  A circle is believed when two walks find the same edges: each of its members waited all the time between the two,
//     and so none let go of what it holds.
// G5  The holder is who took the lock; the address is compared, never followed. Who takes a lock and gives the guard to
//     another task is still taken for the holder.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "lock.hpp"
#include "task_state.hpp"
#include "thread_state.hpp"

namespace sluice::detail {

/// Who waits, or holds: a task, else a thread; neither: a coroutine of another library, which is not followed.
struct actor {
    const task_state* task = nullptr;
    thread_id thread = 0;
    place at{};  // where it took what it holds

    static actor here(place at) noexcept { return {this_thread_state().task, this_thread_id(), at}; }
    std::uintptr_t key() const noexcept { return task ? reinterpret_cast<std::uintptr_t>(task) : thread; }
};

/// Those who must go on before a wait can end. Of many readers some are known.
struct blockers {
    static constexpr std::size_t most = 4;
    std::array<actor, most> all;
    std::size_t count = 0;

    void add(const actor& a) noexcept {
        if (count < most && a.key() != 0) all[count++] = a;
    }
    const actor* find(std::uintptr_t key) const noexcept {
        const auto at = std::find_if(all.begin(), all.begin() + count, [&](auto& a) { return a.key() == key; });
        return at == all.begin() + count ? nullptr : &*at;
    }
    const actor* find(const task_state& t) const noexcept { return find(actor{&t, 0, {}}.key()); }
};

class wait_graph {
public:
    /// A wait; `blockers_of` fills in who is in its way at that moment.
    class edge {
    public:
        using look = void (*)(const void* on, blockers&) noexcept;

        edge(const actor& by, wait_kind what, const void* on, look blockers_of, place at) noexcept
            : who_{by}, on_{on}, blockers_of_{blockers_of}, at_{at}, kind_{what}, before_{word()} {
            auto& b = bucket_of(who_.key());
            const hold guard{b.mutex};
            number_ = ++b.edges;
            next_ = b.first;
            if (next_) next_->back_ = &next_;
            back_ = &b.first;
            b.first = this;
        }
        edge(const edge&) = delete;
        edge& operator=(const edge&) = delete;
        ~edge() {
            auto& b = bucket_of(who_.key());
            const hold guard{b.mutex};
            *back_ = next_;
            if (next_) next_->back_ = back_;
        }

    private:
        friend wait_graph;

        ticket word() const noexcept { return who_.task ? who_.task->word() : 0; }
        // G3: it waits, or is about to.
        bool leads_on() const noexcept {
            const ticket now = word();
            return now == before_ || (now & claim::state_mask) == claim::waiting;
        }

        actor who_;
        const void* on_;
        look blockers_of_;
        place at_;
        wait_kind kind_;
        bool told_ = false;  // under its bucket's lock
        ticket before_;
        std::uint64_t number_ = 0;  // of the bucket's edges: the address may be another's later
        edge* next_ = nullptr;
        edge** back_ = nullptr;
    };

    /// After adding `e`: tells of a circle that it has closed. Returns whether there is one.
    static bool look_for_a_circle(edge& e) noexcept {
        circle found;
        if (!follow(e.who_.key(), found)) [[likely]]
            return false;
        tell(e, found);
        return true;
    }

    /// Who is in the way of a wait of `who`, if that stands here.
    static blockers in_the_way_of(const task_state& who) noexcept {
        blockers found;
        const actor a{&who, 0, {}};
        const hold guard{bucket_of(a.key()).mutex};
        if (const edge* const e = find(a.key())) e->blockers_of_(e->on_, found);
        return found;
    }

private:
    friend class join_circle;

    struct bucket {
        lock mutex;
        edge* first = nullptr;
        std::uint64_t edges = 0;  // so far
    };
    static constexpr std::size_t bucket_count = 64;

    static bucket& bucket_of(std::uintptr_t key) noexcept {
        static constinit std::array<bucket, bucket_count> all{};  // never destroyed: locks are used late
        return all[(key * 0x9e3779b97f4a7c15u) >> 58];
    }
    // Precondition: the bucket's lock is held.
    static edge* find(std::uintptr_t key) noexcept {
        edge* e = bucket_of(key).first;
        while (e && e->who_.key() != key) e = e->next_;
        return e;
    }

    // A member of a circle: who waits where for what, and where its successor took that.
    struct member {
        std::uintptr_t who = 0;
        std::uint64_t number = 0;
        wait_kind kind{};
        bool is_task = false;
        bool told = false;
        place started{};
        place waits{};
        place taken{};  // by the next
        friend bool operator==(const member& a, const member& b) noexcept {
            return a.who == b.who && a.number == b.number;
        }
    };
    static constexpr std::size_t longest = 16;
    struct circle {
        std::array<member, longest> members;
        std::size_t size = 0;

        bool contains(std::uintptr_t key) const noexcept {
            return std::any_of(members.begin(), members.begin() + size, [&](auto& m) { return m.who == key; });
        }
        friend bool operator==(const circle& a, const circle& b) noexcept {
            return a.size == b.size && std::equal(a.members.begin(), a.members.begin() + a.size, b.members.begin());
        }
    };

    // Depth first from `key`, which waits, or not: then it leads nowhere. True: back at the first member.
    static bool follow(std::uintptr_t key, circle& path) noexcept {
        if (path.size == longest) return false;
        blockers next;
        {
            const hold guard{bucket_of(key).mutex};
            edge* const e = find(key);
            if (!e || !e->leads_on()) return false;
            e->blockers_of_(e->on_, next);
            const task_state* const t = e->who_.task;
            const place started = t ? t->started_at.load(std::memory_order_relaxed) : place{};
            path.members[path.size] = {key, e->number_, e->kind_, t != nullptr, e->told_, started, e->at_, {}};
        }
        member& me = path.members[path.size++];
        for (std::size_t i = 0; i < next.count; ++i) {
            me.taken = next.all[i].at;
            const auto to = next.all[i].key();
            if (to == path.members[0].who) return true;
            if (!path.contains(to) && follow(to, path)) return true;
        }
        --path.size;
        return false;
    }

    static void tell(edge& e, const circle& found) noexcept;  // report.hpp
    static void say(const circle& c) noexcept;
    static std::string text_of(const circle& c);
};

/// The edge of a wait that is about to begin.
class waits_in_graph {
public:
    /// Returns whether it closes a circle.
    bool begin(const actor& by, wait_kind what, const void* on, wait_graph::edge::look blockers_of, place at) noexcept {
        if (by.key() == 0) return false;
        edge_.emplace(by, what, on, blockers_of, at);
        return wait_graph::look_for_a_circle(*edge_);
    }
    void end() noexcept { edge_.reset(); }

private:
    std::optional<wait_graph::edge> edge_;
};

}  // namespace sluice::detail
