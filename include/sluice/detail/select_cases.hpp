// SPDX-License-Identifier: BSL-1.0
// select_cases.hpp: what kinds of cases does a select have, and how does it become one wait?
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <tuple>

#include "../context.hpp"
#include "awaited_temporaries.hpp"
#include "operation.hpp"

namespace sluice {

/// Tag: cases are tried in the order given instead of at random.
struct prioritized_t {
    explicit prioritized_t() = default;
};
inline constexpr prioritized_t prioritized{};

namespace detail {

struct no_handler {
    constexpr void operator()() const noexcept {}
};

/// How a case keeps a callable: named ones by reference, temporaries by value.
template <class F>
using kept = std::conditional_t<std::is_lvalue_reference_v<F>, F, std::remove_cvref_t<F>>;

/// Where the result of an operation goes: a variable, a handler that takes it, or a handler that takes nothing.
template <class To>
class sink {
public:
    explicit sink(To&& to) : to_(std::forward<To>(to)) {}
    template <class R>
    void put(R&& result) {
        if constexpr (std::is_invocable_v<To&, R>) std::invoke(to_, std::forward<R>(result));
        else if constexpr (std::is_invocable_v<To&>) std::invoke(to_);
        else to_ = std::forward<R>(result);
    }
    /// Of an operation without a result.
    void put()
        requires std::is_invocable_v<To&>
    {
        std::invoke(to_);
    }

private:
    kept<To&&> to_;
};
/// Nowhere.
template <>
class sink<no_handler> {
public:
    explicit sink(no_handler) noexcept {}
    template <class... R>
    void put(R&&...) const noexcept {}
};

struct case_tag {};

template <class C>
concept select_case = std::derived_from<std::remove_cvref_t<C>, case_tag>;

enum class case_kind : std::uint8_t { operation, limited, done, time, otherwise };

/// Which entry of a case ended the wait. A case has a position for each; under `prioritized` they count in this order.
enum class entry_of_case : std::uint8_t { context, effect, time };
inline constexpr std::size_t entries_per_case = 3;

constexpr std::size_t position_of(std::size_t number, entry_of_case e = entry_of_case::effect) noexcept {
    return number * entries_per_case + static_cast<std::size_t>(e);
}
constexpr std::size_t case_at(std::size_t position) noexcept { return position / entries_per_case; }
constexpr entry_of_case entry_at(std::size_t position) noexcept {
    return static_cast<entry_of_case>(position % entries_per_case);
}

/// What a case does with a channel.
template <class Channel>
struct receive_plan {
    const Channel& channel;
    place at;
    auto operation() const { return channel.async_receive(at); }
};
template <class Channel, class V>
struct send_plan {
    const Channel& channel;
    V& value;
    place at;
    auto operation() const { return channel.async_send(std::forward<V>(value), at); }
};
template <class Channel>
struct signal_plan {
    const Channel& channel;
    place at;
    auto operation() const { return channel.async_send(at); }
};

/// A send or a receive, until the select makes the operation of it: a few words to carry until then.
template <class Plan, class Sink>
struct channel_case : case_tag {
    using operation_type = decltype(std::declval<Plan&>().operation());
    static constexpr case_kind kind = case_kind::operation;
    static constexpr bool may_be_awaited =
        !destroys_awaited_temporaries_twice || std::is_trivially_destructible_v<Sink>;

    channel_case(Plan p, Sink s) : what{p}, to{std::move(s)} {}
    channel_case(channel_case&&) = default;

    Plan what;
    Sink to;
};

/// One operation, by value or, for a named one, by reference.
template <class Op, class Sink>
class operation_case : public case_tag {
    using operation = std::remove_reference_t<Op>;

public:
    using operation_type = Op;
    static constexpr case_kind kind = case_kind::operation;
    static constexpr bool may_be_awaited =
        !destroys_awaited_temporaries_twice || std::is_trivially_destructible_v<Sink>;

    operation_case(Op&& op, Sink to) : op_(std::forward<Op>(op)), to_(std::move(to)) {}
    /// The operation is made in its place.
    template <class What>
    explicit operation_case(channel_case<What, Sink>&& planned)
        : op_(planned.what.operation()), to_(std::move(planned.to)) {}
    wait_case entry(std::size_t position) noexcept { return entry_of(op_, position); }
    void fire() {
        if constexpr (std::is_void_v<decltype(op_.result())>) {
            op_.result();
            to_.put();
        } else {
            to_.put(op_.result());
        }
    }

protected:
    Op op_;
    Sink to_;
};

/// Only tells that the task has ended: its result stays with the handle.
template <class Join, class Sink>
class join_case : public operation_case<Join, Sink> {
public:
    join_case(Join&& op, Sink to) : operation_case<Join, Sink>{std::forward<Join>(op), std::move(to)} {}
    void fire() { this->to_.put(status::ok); }
};

/// An operation that a named context or a time may end.
template <class Op, class Sink>
class limited_case : public operation_case<Op, Sink> {
public:
    static constexpr case_kind kind = case_kind::limited;

    limited_case(Op&& op, context named, time_point deadline, Sink to)
        : operation_case<Op, Sink>{std::forward<Op>(op), std::move(to)},
          named_{std::move(named)},
          deadline_{deadline} {}
    context_node* node() const noexcept { return context_access::node(named_); }
    time_point at() const noexcept { return deadline_; }
    void fire(entry_of_case e) {
        if (e == entry_of_case::effect) operation_case<Op, Sink>::fire();
        else this->to_.put(this->op_.ended_by(e == entry_of_case::context ? status::canceled : status::timed_out));
    }

private:
    context named_;
    time_point deadline_;
};

template <class F>
class handler_case : public case_tag {
public:
    static constexpr bool may_be_awaited =
        !destroys_awaited_temporaries_twice || std::is_reference_v<F> || std::is_trivially_destructible_v<F>;
    template <class G>
    constexpr explicit handler_case(G&& f) : f_(std::forward<G>(f)) {}
    void fire() { std::invoke(f_); }

private:
    F f_;
};

template <class F>
class done_case : public handler_case<F> {
public:
    static constexpr case_kind kind = case_kind::done;
    template <class G>
    done_case(context ctx, G&& f) : handler_case<F>{std::forward<G>(f)}, context_{std::move(ctx)} {}
    context_node* node() const noexcept { return context_access::node(context_); }

private:
    context context_;
};

template <class F>
class time_case : public handler_case<F> {
public:
    static constexpr case_kind kind = case_kind::time;
    template <class G>
    time_case(time_point at, G&& f) : handler_case<F>{std::forward<G>(f)}, at_{at} {}
    time_point at() const noexcept { return at_; }

private:
    time_point at_;
};

template <class F>
class otherwise_case : public handler_case<F> {
public:
    static constexpr case_kind kind = case_kind::otherwise;
    constexpr otherwise_case()
        requires std::is_same_v<F, no_handler>
        : handler_case<F>{no_handler{}} {}
    template <class G>
        requires(!std::is_same_v<std::remove_cvref_t<G>, otherwise_case>)
    constexpr explicit otherwise_case(G&& f) : handler_case<F>{std::forward<G>(f)} {}
};

template <class Plan, class To = no_handler>
auto case_of_channel(Plan what, To&& to = {}) {
    return channel_case<Plan, sink<To>>{what, sink<To>(std::forward<To>(to))};
}

template <class Join, class To = no_handler>
auto case_of_join(Join&& operation, To&& to = {}) {
    return join_case<Join, sink<To>>{std::forward<Join>(operation), sink<To>(std::forward<To>(to))};
}

template <any_operation Op, class To = no_handler>
auto case_of(Op&& operation, To&& to = {}) {
    if constexpr (timed_operation<Op>) {
        return time_case<kept<To>>{operation.ends_at(), std::forward<To>(to)};
    } else if constexpr (done_operation<Op>) {
        return done_case<kept<To>>{operation.ends_with(), std::forward<To>(to)};
    } else if constexpr (limited_operation<Op>) {
        using inner = std::remove_reference_t<decltype(operation.operation())>;
        using part = std::conditional_t<std::is_lvalue_reference_v<Op>, inner&, inner>;
        context_tree::retain(operation.named());
        return limited_case<part, sink<To>>{static_cast<part&&>(operation.operation()),
                                            context_access::adopt(operation.named()), operation.wait().deadline(),
                                            sink<To>(std::forward<To>(to))};
    } else {
        return operation_case<Op, sink<To>>{std::forward<Op>(operation), sink<To>(std::forward<To>(to))};
    }
}

/// What a select keeps of a case.
template <class Case>
struct kept_in_select {
    using type = Case;
};
template <class Plan, class Sink>
struct kept_in_select<channel_case<Plan, Sink>> {
    using type = operation_case<typename channel_case<Plan, Sink>::operation_type, Sink>;
};

/// The cases, and the entries of the one wait that they are.
template <class... Cases>
class select_operation : public awaitable_tag {
    static constexpr std::size_t count_of([[maybe_unused]] case_kind k) noexcept {
        return ((Cases::kind == k ? 1u : 0u) + ... + 0u);
    }
    static constexpr std::size_t operations = count_of(case_kind::operation) + count_of(case_kind::limited);
    static constexpr std::size_t contexts = count_of(case_kind::done) + count_of(case_kind::limited);
    static_assert(count_of(case_kind::otherwise) <= 1, "a select has at most one `otherwise`");
    static_assert(sizeof...(Cases) <= claim::most_cases / entries_per_case);

public:
    template <class... Cs>
    explicit select_operation(bool in_order, Cs&&... cases) : cases_{std::forward<Cs>(cases)...}, in_order_{in_order} {}
    // Moved only before it waits.
    select_operation(select_operation&& other) : cases_{std::move(other.cases_)}, in_order_{other.in_order_} {}
    select_operation& operator=(select_operation&&) = delete;

    /// Blocks the thread.
    std::size_t block(place at = place::current()) {
        prepare(at);
        block_on(wait_);
        return take_result();
    }
    auto for_task(task_state& self, place at = place::current()) {
        prepare(at);
        return multi_awaiter<select_operation>{*this, self};
    }

    select_operation& for_foreign() noexcept {
        prepare(place{});
        return *this;
    }

    multi_wait& wait() noexcept { return wait_; }
    std::size_t take_result() {
        const std::size_t position = wait_.fired();
        fire(position, std::index_sequence_for<Cases...>{});
        return case_at(position);
    }

private:
    void prepare(place at) noexcept {
        prepare(std::index_sequence_for<Cases...>{});
        if (in_order_) wait_.set_prioritized();
        wait_.set_note(wait_kind::select, &wait_, at);
    }
    template <std::size_t... I>
    void prepare(std::index_sequence<I...>) noexcept {
        std::size_t operation = 0;
        std::size_t watch = 0;
        (enter<I>(operation, watch), ...);
        static_cast<void>(operation);
        static_cast<void>(watch);
    }
    template <std::size_t I>
    void enter([[maybe_unused]] std::size_t& operation, [[maybe_unused]] std::size_t& watch) noexcept {
        auto& c = std::get<I>(cases_);
        using type = std::remove_cvref_t<decltype(c)>;
        if constexpr (type::kind == case_kind::operation || type::kind == case_kind::limited)
            entries_[operation++] = c.entry(position_of(I));
        if constexpr (type::kind == case_kind::limited) {
            watches_[watch].context = c.node();
            watches_[watch++].position = position_of(I, entry_of_case::context);
            wait_.set_deadline(c.at(), position_of(I, entry_of_case::time));
        } else if constexpr (type::kind == case_kind::done) {
            watches_[watch].context = c.node();
            watches_[watch++].position = position_of(I);
        } else if constexpr (type::kind == case_kind::time) {
            wait_.set_deadline(c.at(), position_of(I));
        } else if constexpr (type::kind == case_kind::otherwise) {
            wait_.set_otherwise(position_of(I));
        }
    }
    template <std::size_t... I>
    void fire([[maybe_unused]] std::size_t position, std::index_sequence<I...>) {
        static_cast<void>(((case_at(position) == I && (fire_one(std::get<I>(cases_), position), true)) || ...));
    }
    template <class Case>
    static void fire_one(Case& c, [[maybe_unused]] std::size_t position) {
        if constexpr (Case::kind == case_kind::limited) c.fire(entry_at(position));
        else c.fire();
    }

    std::tuple<typename kept_in_select<Cases>::type...> cases_;
    bool in_order_;
    std::array<wait_case, operations> entries_;  // made by prepare()
    std::array<wait_watch, contexts> watches_{};
    std::array<any_lock, operations> guards_;
    multi_wait wait_{entries_, watches_, guards_};
};

/// The select over `cases`, which it keeps.
template <class... Cases>
auto make_select(bool in_order, Cases&&... cases) {
    constexpr bool can_be_kept = (std::is_constructible_v<std::remove_cvref_t<Cases>, Cases> && ...);
    static_assert(can_be_kept, "a case is one wait and is not copied: write the case in the call of select, or pass "
                               "std::move(name)");
    if constexpr (can_be_kept)
        return select_operation<std::remove_cvref_t<Cases>...>{in_order, std::forward<Cases>(cases)...};
    else return select_operation<>{in_order};  // after the message, no others
}

}  // namespace detail
}  // namespace sluice
