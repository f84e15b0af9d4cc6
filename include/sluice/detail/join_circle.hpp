// SPDX-License-Identifier: BSL-1.0
// join_circle.hpp: does what a task is about to wait for wait for that task?
//
// Most joins have nothing to do with locks and do not stand in the graph (wait_graph.hpp). Who is about to wait, and has
// a hint, looks back instead: at those who wait for its own end, at those who wait for theirs, and so on. If what it
// wants to wait for is among them, nobody in the circle can go on.
// N1  Whoever stands in a list of waiters lives and waits while that list's lock is held: he needs it to leave. So the
//     locks of the whole way are held at once, and what was found is true at that moment, and stays true: each of them
//     goes on only after the next has ended.
// N2  The locks are taken in the order of the way, which can be any, so they are only tried. Who does not get one lets go
//     of all, also of the lock that he would wait under, and begins again.
// N3  He holds the lock that he is about to wait under from the look until he waits. So of those who close a circle
//     together one comes last, sees it whole, and nobody else does: it is told once.
// N4  Only waits that nothing but the end of what is waited for can end are followed: their ticket says so.
// N5  Many may want the lock of one who waits for all of them: each of them closes a circle. The waits of a circle that is
//     told are marked in their tickets, under the locks of the lists, and what has such a wait in it is not told again.
// The hint (join.hpp) is a look at what the target waited for last, so a join of a task that does something else costs a
// load of a line that is at hand. The kind of a wait is stored before the lock is taken under which the other's is
// loaded. relaxed: on a machine where taking a lock is no full barrier, two who close a circle in the same instant may both
// miss it.
#pragma once

#include "wait_graph.hpp"

namespace sluice::detail {

class join_circle {
public:
    /// Whether the end of `who` is in the way of the wait for `what`.
    using question = bool (*)(const task_state& who, const void* what) noexcept;
    enum class answer : std::uint8_t { open, closed, unknown };

    join_circle(task_state& me, wait_kind kind, const void* what, question is_in_the_way, place at) noexcept
        : me_{me}, what_{what}, is_in_the_way_{is_in_the_way} {
        add(me, kind, at);
    }

    /// By `me`, while it holds the lock that it will wait under. Unknown: N2.
    answer look(bool will_be_told = true) noexcept {
        found_.size = 1;
        is_marked_ = false;
        marks_ = will_be_told;
        looked_at_ = 0;
        is_unknown_ = false;
        if (leads_back(me_, me_.group && may_ask_groups_of_me_)) return answer::closed;
        return is_unknown_ ? answer::unknown : answer::open;
    }

    /// By `me` without a lock, before it waits for a lock: `of` fills in who is in the way. It looks twice, so who was found
    /// did not unlock before he began to wait.
    static void look_and_tell(task_state& me, wait_kind kind, const void* what, wait_graph::edge::look of,
                              place at) noexcept {
        blockers holders;
        const auto is_holder = [](const task_state& t, const void* among) noexcept {
            return static_cast<const blockers*>(among)->find(t) != nullptr;
        };
        join_circle through{me, kind, &holders, is_holder, at};
        for (int i = 0; i < 2; ++i) {
            holders.count = 0;
            of(what, holders);
            if (holders.count == 0 || through.look(i == 1) != answer::closed) return;
        }
        through.found_.members[0].taken = holders.find(through.last())->at;
        through.tell();
    }

    /// A group of many is not asked by each of its members.
    void ask_no_group_of_me() noexcept { may_ask_groups_of_me_ = false; }

    /// After look() has found it closed, without any lock.
    void tell() noexcept;  // report.hpp

private:
    static constexpr std::size_t most_looked_at = 64;

    std::uintptr_t last() const noexcept { return found_.members[found_.size - 1].who; }

    bool leads_back(task_state& t, bool ask_group) noexcept {
        if (!t.has_no_handle() && leads_back(t.join_mutex, t.joiners)) return true;
        if (!ask_group) return false;
        const waiting_line line = t.group->counter()->line();
        return line.guard && leads_back(*line.guard, *line.waiters);
    }
    template <class List>
    bool leads_back(lock& guard, List& waiters) noexcept {
        if (!guard.try_acquire()) {
            is_unknown_ = true;
            return false;
        }
        bool found = false;
        for (wait_node* n = waiters.front(); n && !found; n = waiters.after(*n)) {
            if (++looked_at_ > most_looked_at || found_.size == wait_graph::longest) break;
            if (!waits_to_the_end(*n)) continue;
            auto& t = static_cast<task_state&>(*n->who);
            add(t, t.waits_kind.load(std::memory_order_relaxed), t.waits_at.load(std::memory_order_relaxed));
            found = is_in_the_way_(t, what_) || leads_back(t, t.group != nullptr);
            if (!found) --found_.size;
            else if (marks_) mark(*n);
        }
        guard.release();
        return found;
    }
    // N4
    static bool waits_to_the_end(const wait_node& n) noexcept {
        return (n.turn & claim::state_mask) >= claim::to_the_end_and_told &&
               n.who->word() == claim::with_state(n.turn, claim::waiting);
    }
    // N5
    void mark(wait_node& n) noexcept {
        is_marked_ |= (n.turn & claim::state_mask) == claim::to_the_end_and_told;
        n.turn = claim::with_state(n.turn, claim::to_the_end_and_told);
    }
    void add(const task_state& t, wait_kind kind, place at) noexcept {
        wait_graph::member m;
        m.who = reinterpret_cast<std::uintptr_t>(&t);
        m.kind = kind;
        m.is_task = true;
        m.started = t.started_at.load(std::memory_order_relaxed);
        m.waits = at;
        found_.members[found_.size++] = m;
    }

    task_state& me_;
    const void* const what_;
    const question is_in_the_way_;
    wait_graph::circle found_;  // who looks, then who waits for him, and so on
    std::size_t looked_at_ = 0;
    bool is_unknown_ = false;
    bool marks_ = false;
    bool is_marked_ = false;  // N5: a part of it has been told
    bool may_ask_groups_of_me_ = true;
};

}  // namespace sluice::detail
