// SPDX-License-Identifier: BSL-1.0
// select_cases.hpp: what kinds of cases does a select have, and how does it become one wait?
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <tuple>

#include "../context.hpp"
#include "awaited_temporaries.hpp"
#include "multi_wait.hpp"

namespace sluice::detail {

struct no_handler {
    constexpr void operator()() const noexcept {}
};

/// How a case keeps a callable: named ones by reference, temporaries by value.
template <class F>
using kept = std::conditional_t<std::is_lvalue_reference_v<F>, F, std::remove_cvref_t<F>>;

/// Where the result of an operation goes: a variable or a handler.
template <class To>
class sink {
public:
    explicit sink(To&& to) : to_(std::forward<To>(to)) {}
    template <class R>
    void put(R&& result) {
        if constexpr (std::is_invocable_v<To&, R>) std::invoke(to_, std::forward<R>(result));
        else to_ = std::forward<R>(result);
    }

private:
    kept<To&&> to_;
};

struct case_tag {};

template <class C>
concept select_case = std::derived_from<std::remove_cvref_t<C>, case_tag>;

enum class case_kind : std::uint8_t { operation, done, time, otherwise };

template <class Op, class Sink>
class operation_case : public case_tag {
public:
    static constexpr case_kind kind = case_kind::operation;
    static constexpr bool may_be_awaited = !destroys_awaited_temporaries_twice || std::is_same_v<Sink, no_handler> ||
                                           std::is_trivially_destructible_v<Sink>;

    operation_case(Op op, Sink to) : op_{std::move(op)}, to_{std::move(to)} {}
    wait_case entry(std::size_t position) noexcept { return case_of(op_, position); }
    void fire() {
        if constexpr (std::is_same_v<Sink, no_handler>) static_cast<void>(op_.result());
        else to_.put(op_.result());
    }

private:
    Op op_;
    Sink to_;
};
template <class Op>
operation_case(Op, no_handler) -> operation_case<Op, no_handler>;

/// Only tells that the task has ended: its result stays with the handle.
template <class Join>
class join_case : public case_tag {
public:
    static constexpr case_kind kind = case_kind::operation;
    static constexpr bool may_be_awaited = true;
    explicit join_case(Join op) : op_{std::move(op)} {}
    wait_case entry(std::size_t position) noexcept { return case_of(op_, position); }
    void fire() const noexcept {}

private:
    Join op_;
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

/// The cases, and the entries of the one wait that they are.
template <class... Cases>
class select_operation : public awaitable_tag {
    static constexpr std::size_t count_of([[maybe_unused]] case_kind k) noexcept {
        return ((Cases::kind == k ? 1u : 0u) + ... + 0u);
    }
    static constexpr std::size_t operations = count_of(case_kind::operation);
    static constexpr std::size_t contexts = count_of(case_kind::done);
    static_assert(count_of(case_kind::otherwise) <= 1, "a select has at most one `otherwise`");
    static_assert(sizeof...(Cases) <= claim::most_cases);

public:
    template <class... Cs>
    explicit select_operation(bool in_order, Cs&&... cases) : cases_{std::forward<Cs>(cases)...}, in_order_{in_order} {}

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

    multi_wait& wait() noexcept { return wait_; }
    std::size_t take_result() {
        fire(std::index_sequence_for<Cases...>{});
        return wait_.fired();
    }

private:
    void prepare(place at) noexcept {
        prepare(std::index_sequence_for<Cases...>{});
        if (in_order_) wait_.set_prioritized();
        wait_.set_note(wait_kind::select, this, at);
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
        if constexpr (type::kind == case_kind::operation) {
            entries_[operation++] = c.entry(I);
        } else if constexpr (type::kind == case_kind::done) {
            watches_[watch].context = c.node();
            watches_[watch++].position = I;
        } else if constexpr (type::kind == case_kind::time) {
            wait_.set_deadline(c.at(), I);
        } else {
            wait_.set_otherwise(I);
        }
    }
    template <std::size_t... I>
    void fire(std::index_sequence<I...>) {
        static_cast<void>(((wait_.fired() == I && (std::get<I>(cases_).fire(), true)) || ...));
    }

    std::tuple<Cases...> cases_;
    bool in_order_;
    std::array<wait_case, operations> entries_{};
    std::array<wait_watch, contexts> watches_{};
    std::array<any_lock, operations> guards_{};
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

}  // namespace sluice::detail
