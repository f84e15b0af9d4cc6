// SPDX-License-Identifier: BSL-1.0
// pipeline_ends.hpp: where do the values of a pipeline come from, and where do they go?
//
// A source pours: it pushes its values until it has no more or no more is wanted, and says which it was. A sink is the
// innermost node; `take()` gives the pipeline's result.
#pragma once

#include "../channel.hpp"
#include "../runtime.hpp"
#include "pipeline_flow.hpp"
#include "stage_call.hpp"

namespace sluice::detail {

/// How many plain calls are made before others get their turn.
inline constexpr std::size_t calls_in_a_row = 4096;

/// Pushes values one by one, each through the door.
template <class Chain, class Door>
class pourer {
public:
    pourer(Chain& into, Door& door) : into_{into}, door_{door} {}

    /// As many as `most` without waiting, from a range.
    static constexpr bool is_quick = Chain::is_plain && Door::is_open;

    template <class V>
    task<flow> one(V value) {
        flow so = flow::more;
        if constexpr (Door::is_open) {
            later on = into_.push(std::move(value), {});
            so = co_await on;
        } else {
            token mark = co_await door_.enter();
            later on = into_.push(std::move(value), std::move(mark));
            so = co_await on;
        }
        if constexpr (Chain::has_boundary) {
            if (so == flow::done) co_return so;
            later out = into_.flush();
            so = co_await out;
        }
        if (++in_a_row_ % 128 == 0) co_await yield();
        co_return so;
    }

    /// A range whose elements become values by `take(*it)`.
    template <class It, class End, class Take>
    task<flow> all(It it, End end, Take take) {
        if constexpr (is_quick) {
            portion some;
            while (it != end) {
                flow so = flow::more;
                if constexpr (Chain::has_boundary) {
                    some.begin();
                    const std::size_t wanted = some.size();
                    const std::size_t left = quickly(it, end, take, wanted, so);
                    some.end(wanted - left);
                    if (so == flow::done) co_return so;
                    later out = into_.flush();
                    so = co_await out;
                } else {
                    quickly(it, end, take, calls_in_a_row, so);
                    if (so == flow::more && it != end) co_await yield();
                }
                if (so == flow::done) co_return so;
            }
        } else {
            for (; it != end; ++it) {
                const flow so = co_await one(take(*it));
                if (so == flow::done) co_return so;
            }
        }
        co_return flow::more;
    }

private:
    // Not a part of the coroutine, so that the compiler sees a plain loop. Returns how many of `most` are left.
    template <class It, class End, class Take>
    std::size_t quickly(It& it, End& end, Take& take, std::size_t most, flow& so) {
        Chain& into = into_;
        for (; most > 0 && it != end; --most) {
            auto&& element = *it;
            so = into.push(take(static_cast<decltype(element)>(element)), {});
            ++it;
            if (so == flow::done) break;
        }
        return most;
    }

    Chain& into_;
    Door& door_;
    std::size_t in_a_row_ = 0;
};

// --- sources ----------------------------------------------------------------------------------------------------------

/// A range: its own if it was given as an rvalue, whose elements are moved from then.
template <class Range>
class range_source {
    using held = std::remove_cvref_t<Range>;
    static constexpr bool is_owned = !std::is_lvalue_reference_v<Range>;
    static constexpr bool gives = is_owned && !std::ranges::view<held>;

public:
    using value_type = std::ranges::range_value_t<Range>;
    explicit range_source(Range&& from) : range_(static_cast<Range&&>(from)) {}

    template <class Chain, class Door>
    task<flow> pour(Chain& into, Door& door) {
        pourer<Chain, Door> to{into, door};
        const auto take = [](auto&& v) -> value_type {
            if constexpr (gives) return std::move(v);
            else return static_cast<decltype(v)>(v);
        };
        co_return co_await to.all(std::ranges::begin(range_), std::ranges::end(range_), take);
    }

private:
    Range range_;  // a reference for an lvalue
};

/// A channel. When no more of its values are wanted, or the pipeline fails, its senders learn that.
template <class T>
class channel_source {
public:
    using value_type = T;
    explicit channel_source(receiver<T> from) : from_{std::move(from)} {}

    template <class Chain, class Door>
    task<flow> pour(Chain& into, Door& door) {
        pourer<Chain, Door> to{into, door};
        const end_of_interest at_end{from_};
        flow so = flow::more;
        if constexpr (pourer<Chain, Door>::is_quick) {
            portion some;
            while (so == flow::more) {
                std::vector<T> got = co_await from_.async_receive_some(some.size());
                if (got.empty()) break;
                some.begin();
                so = co_await to.all(got.begin(), got.end(), [](T& v) -> T { return std::move(v); });
                some.end(got.size());
            }
        } else {
            while (so == flow::more) {
                received<T> got = co_await from_.async_receive();
                if (!got) break;
                so = co_await to.one(std::move(*got));
            }
        }
        if (so == flow::more) {
            const received<T> end = from_.try_receive();
            if (end.error()) std::rethrow_exception(end.error());
        }
        co_return so;
    }

private:
    struct end_of_interest {
        receiver<T>& in;
        ~end_of_interest() { in.cancel(); }
    };
    receiver<T> from_;
};

/// A function that gives a value, or none when there will be no more.
template <class F>
class function_source {
public:
    using value_type = typename stage_result<F>::value_type;
    explicit function_source(F f) : f_(std::move(f)) {}

    template <class Chain, class Door>
    task<flow> pour(Chain& into, Door& door) {
        pourer<Chain, Door> to{into, door};
        for (;;) {
            auto got = co_await next();
            if (!got) co_return flow::more;
            const flow so = co_await to.one(std::move(*got));
            if (so == flow::done) co_return so;
        }
    }

private:
    task<stage_result<F>> next() {
        if constexpr (is_plain_call<F>) co_return std::invoke(f_);
        else co_return co_await call_of(f_);
    }
    F f_;
};

// --- sinks ------------------------------------------------------------------------------------------------------------

/// What is the same in all sinks.
template <class Self>
class sink_node {
public:
    static constexpr bool has_boundary = false;
    later finish() noexcept { return flow::done; }
    later flush() noexcept { return flow::more; }
    context start(segments& tasks) { return tasks.whole(); }
    Self& sink() noexcept { return static_cast<Self&>(*this); }
};

struct sink_tag {};

/// for_each, and for_each_while: `Stops` when it says no.
template <bool Stops, class F, class T, class Token>
class for_each_node : public sink_node<for_each_node<Stops, F, T, Token>> {
public:
    static constexpr bool is_plain = is_plain_call<F, T>;
    explicit for_each_node(F f) : f_(std::move(f)) {}

    pushed<is_plain> push(T&& value, Token mark) {
        if (is_done_) return flow::done;  // F2
        if constexpr (!is_plain) {
            return wait(std::move(value), std::move(mark));
        } else if constexpr (Stops) {
            is_done_ = !std::invoke(f_, std::move(value));
            return is_done_ ? flow::done : flow::more;
        } else {
            static_cast<void>(std::invoke(f_, std::move(value)));
            return flow::more;
        }
    }
    void take() noexcept {}

private:
    task<flow> wait(T value, Token) {
        if constexpr (Stops) {
            const bool goes_on = co_await call_of(f_, std::move(value));
            is_done_ = !goes_on;
        } else {
            co_await call_of(f_, std::move(value));
        }
        co_return is_done_ ? flow::done : flow::more;
    }
    F f_;
    bool is_done_ = false;
};

template <bool Stops, class F>
struct for_each_sink : sink_tag {
    template <class T>
    static constexpr bool fits = [] {
        if constexpr (!stage_callable<F, T>) return false;
        else return !Stops || std::convertible_to<stage_result<F, T>, bool>;
    }();
    template <class T, class Token>
    auto make() && {
        return for_each_node<Stops, F, T, Token>{std::move(f)};
    }
    explicit for_each_sink(F with) : f(std::move(with)) {}
    F f;
};

template <class T, class Token>
class collect_node : public sink_node<collect_node<T, Token>> {
public:
    static constexpr bool is_plain = true;
    flow push(T&& value, Token) {
        all_.push_back(std::move(value));
        return flow::more;
    }
    std::vector<T> take() noexcept { return std::move(all_); }

private:
    std::vector<T> all_;
};

struct collect_sink : sink_tag {
    template <class T>
    static constexpr bool fits = true;
    template <class T, class Token>
    auto make() && {
        return collect_node<T, Token>{};
    }
};

template <class A, class F, class T, class Token>
class reduce_node : public sink_node<reduce_node<A, F, T, Token>> {
public:
    static constexpr bool is_plain = is_plain_call<F, A, T>;
    reduce_node(A init, F f) : so_far_(std::move(init)), f_(std::move(f)) {}

    pushed<is_plain> push(T&& value, Token mark) {
        if constexpr (is_plain) {
            so_far_ = std::invoke(f_, std::move(so_far_), std::move(value));
            return flow::more;
        } else {
            return wait(std::move(value), std::move(mark));
        }
    }
    A take() noexcept { return std::move(so_far_); }

private:
    task<flow> wait(T value, Token) {
        so_far_ = co_await call_of(f_, std::move(so_far_), std::move(value));
        co_return flow::more;
    }
    A so_far_;
    F f_;
};

template <class A, class F>
struct reduce_sink : sink_tag {
    template <class T>
    static constexpr bool fits = [] {
        if constexpr (stage_callable<F, A, T>) return std::is_assignable_v<A&, stage_result<F, A, T>>;
        else return false;
    }();
    template <class T, class Token>
    auto make() && {
        return reduce_node<A, F, T, Token>{std::move(init), std::move(f)};
    }
    reduce_sink(A from, F with) : init(std::move(from)), f(std::move(with)) {}
    A init;
    F f;
};

/// A channel of the user's; what is pushed is gathered and flushed as into a boundary.
template <class Sender, class T, class Token>
class to_node : public sink_node<to_node<Sender, T, Token>> {
public:
    static constexpr bool is_plain = true;
    static constexpr bool has_boundary = true;
    explicit to_node(Sender to) : to_{std::move(to)} {}

    flow push(T&& value, Token mark) {
        pending_.push_back(std::move(value));
        if constexpr (!std::is_empty_v<Token>) marks_.push_back(std::move(mark));
        return is_done_ ? flow::done : flow::more;
    }
    later flush() {
        if (pending_.empty()) return flow::more;
        return send();
    }
    later finish() { return flush(); }
    void take() noexcept {}

private:
    task<flow> send() {
        const std::size_t sent = co_await to_.async_send_all(std::move(pending_));
        is_done_ = sent < pending_.size();
        pending_.clear();
        marks_.clear();
        co_return is_done_ ? flow::done : flow::more;
    }
    Sender to_;
    std::vector<T> pending_;
    std::vector<Token> marks_;
    bool is_done_ = false;
};

template <class Sender>
struct to_sink : sink_tag {
    template <class T>
    static constexpr bool fits = requires(Sender& s, std::vector<T> values) { s.async_send_all(std::move(values)); };
    template <class T, class Token>
    auto make() && {
        return to_node<Sender, T, Token>{std::move(to)};
    }
    explicit to_sink(Sender s) : to{std::move(s)} {}
    Sender to;
};

/// The first value, which ends the pipeline.
template <class T, class Token>
class first_node : public sink_node<first_node<T, Token>> {
public:
    static constexpr bool is_plain = true;
    flow push(T&& value, Token) {
        if (!first_) first_.emplace(std::move(value));
        return flow::done;
    }
    std::optional<T> take() noexcept { return std::move(first_); }

private:
    std::optional<T> first_;
};

struct first_sink : sink_tag {
    template <class T>
    static constexpr bool fits = true;
    template <class T, class Token>
    auto make() && {
        return first_node<T, Token>{};
    }
};

}  // namespace sluice::detail
