// SPDX-License-Identifier: BSL-1.0
// pipeline_stages.hpp: what does a stage do that stands in one task with its neighbours?
//
// A stage is a description, which a user makes, names and joins with others; `node` is what it becomes in a pipeline, when
// the type of its values and what follows it are known. The interface of a node stands in pipeline_flow.hpp.
#pragma once

#include <deque>
#include <ranges>
#include <vector>

#include "../timer.hpp"
#include "pipeline_flow.hpp"
#include "rate.hpp"
#include "stage_call.hpp"

namespace sluice::detail {

/// What a node does not change: all but the push.
template <class Next>
class stage_node {
public:
    explicit stage_node(Next next) : next_(std::move(next)) {}

    static constexpr bool has_boundary = Next::has_boundary;
    later finish() { return next_.finish(); }
    later flush() { return next_.flush(); }
    context start(segments& tasks) { return next_.start(tasks); }
    auto& sink() noexcept { return next_.sink(); }

protected:
    Next next_;
};

/// Any stage; `fits<T>` and `output<T>` say what it takes and gives.
struct any_stage {
    /// Whether it takes values of this type.
    template <class T>
    static constexpr bool fits = true;
    /// What it makes of them.
    template <class T>
    using output = T;
};
/// One that calls a function with each value.
template <class F>
struct function_stage : any_stage {
    template <class T>
    static constexpr bool fits = [] {
        if constexpr (stage_callable<F, T>) return !std::is_void_v<stage_result<F, T>>;
        else return false;
    }();
    template <class T>
    using output = std::remove_cvref_t<stage_result<F, T>>;
};
/// The text of the error when it does not.
#define SLUICE_STAGE_DOES_NOT_FIT "this stage cannot take the values that the stage before it gives"

// --- transform --------------------------------------------------------------------------------------------------------

template <class F, class T, class Token, class Next>
class transform_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = pushes_plainly<is_plain_call<F, T>, Next>;
    transform_node(F f, Next next) : stage_node<Next>{std::move(next)}, f_(std::move(f)) {}

    pushed<is_plain> push(T&& value, Token mark) {
        if constexpr (is_plain_call<F, T>) return this->next_.push(std::invoke(f_, std::move(value)), std::move(mark));
        else return wait(std::move(value), std::move(mark));
    }

private:
    task<flow> wait(T value, Token mark) {
        auto result = co_await call_of(f_, std::move(value));
        later on = this->next_.push(std::move(result), std::move(mark));
        co_return co_await on;
    }
    F f_;
};

template <class F>
struct transform_stage : function_stage<F> {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return transform_node<F, T, Token, Next>{std::move(f), std::move(next)};
    }
    explicit transform_stage(F with) : f(std::move(with)) {}
    F f;
};

// --- filter, tap ------------------------------------------------------------------------------------------------------

/// Looks at each value, and lets it pass unless `Keeps` and it says no.
template <bool Keeps, class F, class T, class Token, class Next>
class look_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = pushes_plainly<is_plain_call<F, const T&>, Next>;
    look_node(F f, Next next) : stage_node<Next>{std::move(next)}, f_(std::move(f)) {}

    pushed<is_plain> push(T&& value, Token mark) {
        if constexpr (is_plain_call<F, const T&>) {
            if constexpr (Keeps) {
                if (!std::invoke(f_, std::as_const(value))) return flow::more;
            } else {
                static_cast<void>(std::invoke(f_, std::as_const(value)));
            }
            return this->next_.push(std::move(value), std::move(mark));
        } else {
            return wait(std::move(value), std::move(mark));
        }
    }

private:
    task<flow> wait(T value, Token mark) {
        if constexpr (Keeps) {
            const bool passes = co_await call_of(f_, std::as_const(value));
            if (!passes) co_return flow::more;
        } else {
            co_await call_of(f_, std::as_const(value));
        }
        later on = this->next_.push(std::move(value), std::move(mark));
        co_return co_await on;
    }
    F f_;
};

template <bool Keeps, class F>
struct look_stage : any_stage {
    template <class T>
    static constexpr bool fits = [] {
        if constexpr (!stage_callable<F, const T&>) return false;
        else return !Keeps || std::convertible_to<stage_result<F, const T&>, bool>;
    }();
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return look_node<Keeps, F, T, Token, Next>{std::move(f), std::move(next)};
    }
    explicit look_stage(F with) : f(std::move(with)) {}
    F f;
};

// --- flat_map, unbatch ------------------------------------------------------------------------------------------------

/// Pushes the elements of a range. With a boundary behind it it waits for room between them (F1).
template <class F, class T, class Token, class Next>
class flat_map_node : public stage_node<Next> {
    using range = stage_result<F, T>;

public:
    static constexpr bool is_plain = pushes_plainly<is_plain_call<F, T>, Next> && !Next::has_boundary;
    flat_map_node(F f, Next next) : stage_node<Next>{std::move(next)}, f_(std::move(f)) {}

    flow push(T&& value, Token mark)
        requires is_plain
    {
        auto&& values = std::invoke(f_, std::move(value));
        for (auto&& v : values)
            if (this->next_.push(element(v), mark) == flow::done) return flow::done;
        return flow::more;
    }
    later push(T&& value, Token mark)
        requires(!is_plain)
    {
        return wait(std::move(value), std::move(mark));
    }

private:
    using reference = std::ranges::range_reference_t<range&>;
    static constexpr bool is_owned = !std::is_reference_v<range> && !std::ranges::view<range>;
    static auto element(reference& v) {
        if constexpr (is_owned) return std::remove_cvref_t<reference>(std::move(v));
        else return std::remove_cvref_t<reference>(static_cast<reference>(v));
    }
    task<flow> wait(T value, Token mark) {
        if constexpr (is_plain_call<F, T>) {
            auto&& values = std::invoke(f_, std::move(value));
            co_return co_await push_all(values, std::move(mark));
        } else {
            auto values = co_await call_of(f_, std::move(value));
            co_return co_await push_all(values, std::move(mark));
        }
    }
    template <class Values>
    task<flow> push_all(Values& values, Token mark) {
        for (auto&& v : values) {
            later on = this->next_.push(element(v), mark);
            flow so = co_await on;
            if (so == flow::done) co_return so;
            if constexpr (Next::has_boundary) {
                later out = this->next_.flush();
                so = co_await out;
                if (so == flow::done) co_return so;
            }
        }
        co_return flow::more;
    }
    F f_;
};

template <class F>
struct flat_map_stage : any_stage {
    template <class T>
    static constexpr bool fits = [] {
        if constexpr (stage_callable<F, T>) return std::ranges::input_range<stage_result<F, T>>;
        else return false;
    }();
    template <class T>
    using output = std::ranges::range_value_t<stage_result<F, T>>;
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return flat_map_node<F, T, Token, Next>{std::move(f), std::move(next)};
    }
    explicit flat_map_stage(F with) : f(std::move(with)) {}
    F f;
};

// --- batch ------------------------------------------------------------------------------------------------------------

/// Gathers `n` values. The last, short batch is given at the end.
template <class T, class Token, class Next>
class batch_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = Next::is_plain;
    batch_node(std::size_t n, Next next) : stage_node<Next>{std::move(next)}, n_{n} {}

    pushed<is_plain> push(T&& value, Token mark) {
        if (held_.empty()) held_.reserve(std::min(n_, std::size_t{1024}));
        held_.push_back(std::move(value));
        if constexpr (!std::is_empty_v<Token>) marks_.push_back(std::move(mark));
        if (held_.size() < n_) return flow::more;
        return give();
    }
    later finish() { return held_.empty() ? this->next_.finish() : later{give_last()}; }

protected:
    bool holds_some() const noexcept { return !held_.empty(); }
    pushed<is_plain> give() { return this->next_.push(std::exchange(held_, {}), merged(std::exchange(marks_, {}))); }

private:
    task<flow> give_last() {
        later last = give();
        co_await last;
        later end = this->next_.finish();
        co_return co_await end;
    }
    const std::size_t n_;
    std::vector<T> held_;
    std::vector<Token> marks_;
};

struct batch_stage : any_stage {
    template <class T>
    using output = std::vector<T>;
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door& door) && {
        SLUICE_EXPECT_AT(n <= door.width(),
                         "in_flight(n) admits fewer values than one batch gathers: it would never be full", at);
        return batch_node<T, Token, Next>{n, std::move(next)};
    }
    batch_stage(std::size_t count, place where) : n{count}, at{where} {
        SLUICE_EXPECT_AT(count > 0, "a batch has at least one value", where);
    }
    std::size_t n;
    place at;
};

// --- window -----------------------------------------------------------------------------------------------------------

/// Gives the newest `n` values after every `step` of them, as soon as there are so many.
template <class T, class Token, class Next>
class window_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = Next::is_plain;
    window_node(std::size_t n, std::size_t step, Next next) : stage_node<Next>{std::move(next)}, n_{n}, step_{step} {}

    pushed<is_plain> push(T&& value, Token mark) {
        held_.push_back(std::move(value));
        if (held_.size() > n_) held_.pop_front();
        ++since_;
        if (held_.size() < n_ || (was_given_ && since_ < step_)) return flow::more;
        since_ = 0;
        was_given_ = true;
        return this->next_.push(std::vector<T>(held_.begin(), held_.end()), std::move(mark));
    }

private:
    const std::size_t n_;
    const std::size_t step_;
    std::size_t since_ = 0;
    bool was_given_ = false;
    std::deque<T> held_;
};

struct window_stage : any_stage {
    template <class T>
    static constexpr bool fits = std::copyable<T>;
    template <class T>
    using output = std::vector<T>;
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return window_node<T, Token, Next>{n, step, std::move(next)};
    }
    window_stage(std::size_t count, std::size_t every, place at) : n{count}, step{every} {
        SLUICE_EXPECT_AT(count > 0 && every > 0, "a window has at least one value and moves by at least one", at);
    }
    std::size_t n;
    std::size_t step;
};

// --- take -------------------------------------------------------------------------------------------------------------

/// Lets `n` values pass, and asks for no more.
template <class T, class Token, class Next>
class take_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = Next::is_plain;
    take_node(std::size_t n, Next next) : stage_node<Next>{std::move(next)}, left_{n} {}

    pushed<is_plain> push(T&& value, Token mark) {
        if (left_ == 0) return flow::done;  // F2
        if (--left_ > 0) return this->next_.push(std::move(value), std::move(mark));
        if constexpr (is_plain) {
            static_cast<void>(this->next_.push(std::move(value), std::move(mark)));
            return flow::done;
        } else {
            return last(std::move(value), std::move(mark));
        }
    }

private:
    task<flow> last(T value, Token mark) {
        later on = this->next_.push(std::move(value), std::move(mark));
        co_await on;
        co_return flow::done;
    }
    std::size_t left_;
};

struct take_stage : any_stage {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return take_node<T, Token, Next>{n, std::move(next)};
    }
    take_stage(std::size_t count, place at) : n{count} {
        SLUICE_EXPECT_AT(count > 0, "take(n) takes at least one value", at);
    }
    std::size_t n;
};

// --- throttle ---------------------------------------------------------------------------------------------------------

/// Lets values pass in some distance. Those that come later wait, and so does who sends them.
template <class T, class Token, class Next>
class throttle_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = false;
    throttle_node(clock::duration distance, Next next) : stage_node<Next>{std::move(next)}, distance_{distance} {}

    later push(T&& value, Token mark) { return wait(std::move(value), std::move(mark)); }

private:
    task<flow> wait(T value, Token mark) {
        if (next_time_ > clock::now()) co_await sleep_until(next_time_);
        next_time_ = std::max(next_time_, clock::now()) + distance_;
        later on = this->next_.push(std::move(value), std::move(mark));
        co_return co_await on;
    }
    const clock::duration distance_;
    clock::time_point next_time_ = clock::time_point::min();
};

struct throttle_stage : any_stage {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return throttle_node<T, Token, Next>{distance, std::move(next)};
    }
    throttle_stage(clock::duration d, place at) : distance{d} {
        SLUICE_EXPECT_AT(d > d.zero(), "the distance of throttled values is positive", at);
    }
    throttle_stage(rate most, place at) : distance{clock::duration::zero()} {
        if (most.is_unlimited()) return;
        SLUICE_EXPECT_AT(most.events_per_second() > 0, "throttled to a rate of zero nothing ever passes", at);
        constexpr double a_lifetime = 3e9;  // seconds, which the clock can count
        const std::chrono::duration<double> exact{std::min(1 / most.events_per_second(), a_lifetime)};
        distance = std::chrono::ceil<clock::duration>(exact);
    }
    clock::duration distance;
};

}  // namespace sluice::detail
