// SPDX-License-Identifier: BSL-1.0
// selector_core.hpp: how does a select wait for cases that come and go at run time?
//
// Each case lives in a block of its own, which stays where it is, and has a slot; the arrays of multi_wait.hpp are made
// from the slots when these have changed since the last select, and used again otherwise, the order of their guards too.
// D1  A selector is idle or selecting. Only an idle one is changed; what a case's handler does happens after the wait,
//     when it is idle again.
// D2  A slot is given again, with another id. Ids grow with each case added, so their order is that of the adding.
// D3  The arrays have room for all cases before a case is in: a select allocates nothing.
// D4  A case that is done with when it fires leaves its slot before its handler runs; a case whose handler removes it
//     lives until the handler has returned.
#pragma once

#include <algorithm>
#include <atomic>
#include <compare>
#include <memory>
#include <optional>
#include <vector>

#include "channel_ends.hpp"
#include "select_cases.hpp"

namespace sluice {
namespace detail {
class selector_core;
}

/// Which case of a selector. Comparable, ordered as the cases were added, hashable; one made by default is none.
class case_id {
public:
    constexpr case_id() noexcept = default;
    /// Whether it stands for a case at all, which may have been removed.
    constexpr explicit operator bool() const noexcept { return number_ != 0; }
    friend constexpr bool operator==(case_id a, case_id b) noexcept { return a.number_ == b.number_; }
    friend constexpr auto operator<=>(case_id a, case_id b) noexcept { return a.number_ <=> b.number_; }

private:
    friend class detail::selector_core;
    friend struct std::hash<case_id>;
    constexpr case_id(std::uint64_t number, std::size_t slot) noexcept : number_{number}, slot_{slot} {}

    std::uint64_t number_ = 0;  // never given again
    std::size_t slot_ = 0;
};

namespace detail {

/// What the cases of a selector bring into one wait.
struct wait_entries {
    std::vector<wait_case> cases;
    std::vector<wait_watch> watches;
    std::vector<any_lock> guards;  // room for all; the first are collected and ordered for these cases
    std::size_t guard_count = 0;   // how many; 0: not yet
    time_point deadline = no_deadline;
    std::size_t deadline_position = no_position;
    std::size_t otherwise = no_position;

    void clear() noexcept {
        cases.clear();
        watches.clear();
        guard_count = 0;
        deadline = no_deadline;
        deadline_position = otherwise = no_position;
    }
    void add_context(context_node* node, std::size_t position) noexcept {
        watches.emplace_back();
        watches.back().context = node;
        watches.back().position = position;
    }
    void add_time(time_point at, std::size_t position) noexcept {
        if (at >= deadline) return;
        deadline = at;
        deadline_position = position;
    }
};

/// A case in a block of its own.
class held_case {
public:
    held_case(const held_case&) = delete;
    held_case& operator=(const held_case&) = delete;
    virtual ~held_case() = default;

    /// Adds its entries to a wait whose case `number` it is; there is room for them.
    virtual void enter(wait_entries& to, std::size_t number) noexcept = 0;
    /// Stores the result, or calls the handler.
    virtual void fire(entry_of_case e) = 0;

    const case_kind kind;
    const bool fires_once;

protected:
    held_case(case_kind k, bool once) noexcept : kind{k}, fires_once{once} {}
};

/// An operation refers to the value it sends.
template <class Op>
inline constexpr bool refers_to_a_value = false;
template <class T, class V>
inline constexpr bool refers_to_a_value<send_operation<T, V>> = true;

/// As it was given. A context that has ended and `otherwise` can fire again and again, all else once.
template <class Case>
class held final : public held_case {
    static constexpr bool is_operation = Case::kind == case_kind::operation || Case::kind == case_kind::limited;

public:
    explicit held(Case&& c)
        : held_case{Case::kind, is_operation || Case::kind == case_kind::time}, case_(std::move(c)) {
        if constexpr (is_operation)
            static_assert(!refers_to_a_value<typename Case::operation_type>,
                          "in a selector write on_send(channel, value): such a case owns its value");
    }

    void enter(wait_entries& to, std::size_t number) noexcept override {
        if constexpr (is_operation) to.cases.push_back(case_.entry(position_of(number)));
        if constexpr (Case::kind == case_kind::limited) {
            to.add_context(case_.node(), position_of(number, entry_of_case::context));
            to.add_time(case_.at(), position_of(number, entry_of_case::time));
        } else if constexpr (Case::kind == case_kind::done) {
            to.add_context(case_.node(), position_of(number));
        } else if constexpr (Case::kind == case_kind::time) {
            to.add_time(case_.at(), position_of(number));
        } else if constexpr (Case::kind == case_kind::otherwise) {
            to.otherwise = position_of(number);
        }
    }
    void fire([[maybe_unused]] entry_of_case e) override {
        if constexpr (Case::kind == case_kind::limited) case_.fire(e);
        else case_.fire();
    }

private:
    Case case_;
};

/// A receive: keeps a handle, and begins anew each time it has fired.
template <class Channel, class Sink>
class held<channel_case<receive_plan<Channel>, Sink>> final : public held_case {
public:
    explicit held(channel_case<receive_plan<Channel>, Sink>&& c)
        : held_case{case_kind::operation, false},
          channel_{c.what.channel},
          to_{std::move(c.to)},
          operation_{channel_.core(), c.what.at} {}

    void enter(wait_entries& to, std::size_t number) noexcept override {
        to.cases.push_back(entry_of(operation_, position_of(number)));
    }
    void fire(entry_of_case) override {
        auto result = take();
        to_.put(std::move(result));
    }

private:
    auto take() {
        struct renewing {
            held& of;
            ~renewing() {
                const place where = of.operation_.where;
                std::destroy_at(&of.operation_);
                std::construct_at(&of.operation_, of.channel_.core(), where);
            }
        };
        const renewing afterwards{*this};
        return operation_.result();
    }

    Channel channel_;
    Sink to_;
    receive_operation<element_of<typename Channel::value_type>> operation_;
};

/// A send: keeps a handle, and the value.
template <class Plan, class Sink>
    requires requires(Plan what) { what.operation().take_value(); }
class held<channel_case<Plan, Sink>> final : public held_case {
    using channel_type = std::remove_cvref_t<decltype(Plan::channel)>;
    using element = element_of<typename channel_type::value_type>;

public:
    explicit held(channel_case<Plan, Sink>&& c)
        : held_case{case_kind::operation, true},
          channel_{c.what.channel},
          to_{std::move(c.to)},
          operation_{channel_.core(), c.what.at, std::in_place, c.what.operation().take_value().open()} {}

    void enter(wait_entries& to, std::size_t number) noexcept override {
        to.cases.push_back(entry_of(operation_, position_of(number)));
    }
    void fire(entry_of_case) override { to_.put(operation_.result()); }

private:
    channel_type channel_;
    Sink to_;
    send_operation<element, built_value<element>> operation_;
};

class selector_core {
public:
    explicit selector_core(bool in_order) noexcept : in_order_{in_order} {}
    selector_core(const selector_core&) = delete;
    selector_core& operator=(const selector_core&) = delete;
    ~selector_core() {
        SLUICE_EXPECT(!is_selecting_.load(std::memory_order_relaxed) && !firing_,
                      "a selector was destroyed while it selects");
    }

    void expect_idle(place at) const {
        // relaxed: it only tells a broken contract.
        SLUICE_EXPECT_AT(!is_selecting_.load(std::memory_order_relaxed),
                         "a selector is used by one thread or task at a time, and not changed while it selects", at);
    }

    case_id add(std::unique_ptr<held_case> c, place at) {
        expect_idle(at);
        const bool is_otherwise = c->kind == case_kind::otherwise;
        SLUICE_EXPECT_AT(!is_otherwise || !has_otherwise_, "a selector has at most one `otherwise`", at);
        SLUICE_EXPECT_AT(size_ < most_cases, "too many cases in one selector", at);
        make_room(*c);
        if (free_.empty()) {
            free_.push_back(slots_.size());
            slots_.emplace_back();
        }
        const std::size_t at_slot = free_.back();
        free_.pop_back();
        has_otherwise_ |= is_otherwise;
        operations_ += has_operation(*c);
        watches_ += has_watch(*c);
        ++size_;
        changed_ = true;
        slots_[at_slot] = {++last_number_, std::move(c)};
        return {last_number_, at_slot};
    }

    bool remove(case_id id, place at) {
        expect_idle(at);
        if (!contains(id)) return false;
        release(id.slot_);
        return true;
    }
    void clear(place at) {
        expect_idle(at);
        for (std::size_t s = 0; s < slots_.size(); ++s)
            if (slots_[s].held) release(s);
    }
    bool contains(case_id id) const noexcept {
        return id && id.slot_ < slots_.size() && slots_[id.slot_].held && slots_[id.slot_].number == id.number_;
    }
    std::size_t size() const noexcept { return size_; }

    /// Begins a select (D1) with the entries of all cases.
    wait_entries& begin(place at) {
        SLUICE_EXPECT_AT(!is_selecting_.exchange(true, std::memory_order_relaxed),
                         "a selector is used by one thread or task at a time", at);
        if (std::exchange(changed_, false)) enter_all();
        return entries_;
    }
    bool is_in_order() const noexcept { return in_order_; }
    /// A position that is no case's.
    std::size_t position_behind() const noexcept { return position_of(order_.size()); }
    /// Ends it; the guards are as multi_wait has left them.
    void end(std::size_t guard_count) noexcept {
        entries_.guard_count = guard_count;
        is_selecting_.store(false, std::memory_order_relaxed);
    }

    /// After end(): does what the case at `position` does when it fires.
    case_id fire(std::size_t position) {
        const std::size_t number = case_at(position);
        if (number >= order_.size()) return {};
        const std::size_t at_slot = order_[number];
        const case_id id{slots_[at_slot].number, at_slot};
        held_case& c = *slots_[at_slot].held;
        firing now{*this, at_slot};
        if (c.fires_once) release(at_slot);
        c.fire(entry_at(position));
        return id;
    }

private:
    static constexpr std::size_t most_cases = claim::most_cases / entries_per_case - 1;

    struct slot {
        std::uint64_t number = 0;
        std::unique_ptr<held_case> held;  // null: free
    };

    /// A case whose handler runs (D4).
    class firing {
    public:
        firing(selector_core& in, std::size_t at) noexcept : slot{at}, outer{in.firing_}, in_{in} { in.firing_ = this; }
        ~firing() { in_.firing_ = outer; }
        firing(const firing&) = delete;
        firing& operator=(const firing&) = delete;

        const std::size_t slot;
        firing* const outer;                 // its handler selects in turn
        std::unique_ptr<held_case> removed;  // by the handler, or because it fires once

    private:
        selector_core& in_;
    };

    static bool has_operation(const held_case& c) noexcept {
        return c.kind == case_kind::operation || c.kind == case_kind::limited;
    }
    static bool has_watch(const held_case& c) noexcept {
        return c.kind == case_kind::done || c.kind == case_kind::limited;
    }

    template <class T>
    static void make_room_for(std::vector<T>& v, std::size_t count) {
        if (v.capacity() < count) v.reserve(std::max(count, 2 * v.capacity()));
    }
    // D3; should it throw, nothing has changed.
    void make_room(const held_case& c) {
        make_room_for(slots_, size_ + 1);
        make_room_for(free_, slots_.capacity());
        make_room_for(order_, slots_.capacity());
        make_room_for(entries_.watches, watches_ + has_watch(c));
        const std::size_t operations = operations_ + has_operation(c);
        make_room_for(entries_.cases, operations);
        if (entries_.guards.size() < operations) entries_.guards.resize(entries_.cases.capacity());
    }

    void release(std::size_t at_slot) noexcept {
        slot& s = slots_[at_slot];
        operations_ -= has_operation(*s.held);
        watches_ -= has_watch(*s.held);
        if (s.held->kind == case_kind::otherwise) has_otherwise_ = false;
        firing* keeper = nullptr;  // the outermost: its handler returns last
        for (firing* f = firing_; f; f = f->outer)
            if (f->slot == at_slot && !f->removed) keeper = f;
        std::unique_ptr<held_case> gone = std::move(s.held);
        if (keeper) keeper->removed = std::move(gone);
        free_.push_back(at_slot);  // there is room
        --size_;
        changed_ = true;
    }

    void enter_all() noexcept {
        order_.clear();
        for (std::size_t s = 0; s < slots_.size(); ++s)
            if (slots_[s].held) order_.push_back(s);
        if (in_order_)
            std::sort(order_.begin(), order_.end(),
                      [this](std::size_t a, std::size_t b) { return slots_[a].number < slots_[b].number; });
        entries_.clear();
        for (std::size_t number = 0; number < order_.size(); ++number)
            slots_[order_[number]].held->enter(entries_, number);
    }

    std::vector<slot> slots_;
    std::vector<std::size_t> free_;
    std::uint64_t last_number_ = 0;
    std::size_t size_ = 0;
    std::size_t operations_ = 0;
    std::size_t watches_ = 0;
    bool has_otherwise_ = false;
    const bool in_order_;
    bool changed_ = false;  // since the entries were made
    std::atomic<bool> is_selecting_{false};
    firing* firing_ = nullptr;
    std::vector<std::size_t> order_;  // the slot of each case of the wait
    wait_entries entries_;
};

/// One select of a selector.
class selector_operation : public awaitable_tag {
public:
    selector_operation(selector_core& of, time_point limit, place at) noexcept : of_{&of}, limit_{limit}, at_{at} {}
    // Moved only before it begins.
    selector_operation(selector_operation&& other) noexcept
        : of_{other.of_}, limit_{other.limit_}, at_{other.at_}, waits_{other.waits_} {}
    selector_operation& operator=(selector_operation&&) = delete;
    ~selector_operation() { end(); }

    /// The same, ended by `deadline` as well. This one is not used any more.
    selector_operation limited_to(time_point deadline) && { return {*of_, std::min(deadline, limit_), at_}; }
    /// The same, which never waits.
    void do_not_wait() noexcept { waits_ = false; }

    /// Blocks the thread.
    case_id block() {
        begin();
        block_on(*wait_);
        return take_result();
    }
    auto for_task(task_state& self) {
        begin();
        return multi_awaiter<selector_operation>{*this, self};
    }

    selector_operation& for_foreign() {
        begin();
        return *this;
    }

    multi_wait& wait() noexcept { return *wait_; }
    case_id take_result() {
        const std::size_t position = wait_->fired();
        end();
        return position == multi_wait::timed_out_position ? case_id{} : of_->fire(position);
    }

private:
    void begin() {
        wait_entries& entries = of_->begin(at_);
        is_on_ = true;
        wait_.emplace(entries.cases, entries.watches, entries.guards);
        wait_->set_guard_count(entries.guard_count);
        wait_->set_deadline(entries.deadline, entries.deadline_position);
        wait_->set_deadline(limit_, no_position);
        if (entries.otherwise != no_position) wait_->set_otherwise(entries.otherwise);
        else if (!waits_) wait_->set_otherwise(of_->position_behind());
        if (of_->is_in_order()) wait_->set_prioritized();
        wait_->set_note(wait_kind::select, &*wait_, at_);
    }
    void end() noexcept {
        if (std::exchange(is_on_, false)) of_->end(wait_->guard_count());
    }

    selector_core* of_;
    time_point limit_;
    place at_;
    bool waits_ = true;
    bool is_on_ = false;
    std::optional<multi_wait> wait_;
};

}  // namespace detail
}  // namespace sluice

template <>
struct std::hash<sluice::case_id> {
    std::size_t operator()(sluice::case_id id) const noexcept { return std::hash<std::uint64_t>{}(id.number_); }
};
