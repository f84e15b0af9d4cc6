// SPDX-License-Identifier: BSL-1.0
// pipeline_boundaries.hpp: how do values cross from the task of one segment to that of the next?
//
// A boundary is a channel and the task that receives from it and pushes into what follows. The segment before it gathers
// what it pushes and flushes it; both sides move as many values under one lock as there are. Between two boundaries may
// stand the workers of unordered(n, f) and ordered(n, f), which receive from one and send to the other.
//
//   receiver:  open ──input closed──▶ finish what follows, end
//                └────what follows is done──▶ end the context of all that stands before (F3), finish what follows, end
//
// B1  The sender's side alone closes the channel: after its finish, or when the last worker has ended without an error.
// B2  An exception anywhere ends the group of the pipeline, and so every segment; nobody finishes then (segments::run).
// B3  ordered: a value's number is given when it enters; at most `window` numbers are between the oldest whose result has
//     not been given on and the newest that was given out. So the ring of the results that wait has room for all.
#pragma once

#include "../channel.hpp"
#include "../context.hpp"
#include "../runtime.hpp"
#include "../timer.hpp"
#include "pipeline_stages.hpp"
#include "stage_call.hpp"

namespace sluice::detail {

/// Where a segment ends: gathers what is pushed, and the channel it goes into.
template <class T, class Token>
class outlet {
public:
    using item = carried<T, Token>;
    explicit outlet(std::size_t capacity) : to_{capacity} {}

    void gather(T&& value, Token mark) { pending_.emplace_back(std::move(value), std::move(mark)); }
    later flush() {
        if (pending_.empty()) return flow::more;
        const std::size_t sent = to_.try_send_all(std::move(pending_));
        if (sent == pending_.size()) {
            pending_.clear();
            return flow::more;
        }
        return send_rest(sent);
    }
    /// B1
    later finish() { return close_after(); }
    const channel<item>& to() const noexcept { return to_; }

private:
    task<flow> send_rest(std::size_t first) {
        pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(first));
        const std::size_t sent = co_await to_.async_send_all(std::move(pending_));
        const bool all = sent == pending_.size();
        pending_.clear();
        co_return all ? flow::more : flow::done;
    }
    task<flow> close_after() {
        later rest = flush();
        co_await rest;
        to_.close();
        co_return flow::done;
    }
    channel<item> to_;
    std::vector<item> pending_;
};

/// A segment's task: what it receives, it pushes into `next`.
template <class T, class Token, class Next>
class inlet {
public:
    using item = carried<T, Token>;

    explicit inlet(Next next) : next_(std::move(next)) {}

    /// Gives the context for what stands before.
    context start(segments& tasks, const channel<item>& from) {
        const context behind = next_.start(tasks);
        before_.emplace(with_cancel(behind));
        tasks.go(behind, [this, from] { return receive(from); });
        return before_->get();
    }
    Next& next() noexcept { return next_; }

private:
    task<> receive(channel<item> from) {
        bool is_done = false;
        if constexpr (requires { next_.due(); }) is_done = co_await receive_in_time(from);
        else is_done = co_await receive_all(from);
        if (is_done) {
            receiver<item>{from}.cancel();
            before_->cancel();
        }
        later end = next_.finish();
        co_await end;
    }
    task<bool> receive_all(channel<item> from) {
        portion some;
        for (;;) {
            std::vector<item> got = co_await from.async_receive_some(some.size());
            if (got.empty()) co_return false;
            if constexpr (Next::is_plain) {
                some.begin();
                for (item& one : got)
                    if (next_.push(std::move(one.value), std::move(one.mark)) == flow::done) co_return true;
                some.end(got.size());
                if constexpr (Next::has_boundary) {
                    later out = next_.flush();
                    const flow so = co_await out;
                    if (so == flow::done) co_return true;
                }
            } else {
                for (item& one : got) {
                    const bool is_done = co_await pass_on(one);
                    if (is_done) co_return true;
                }
            }
        }
    }
    task<bool> pass_on(item& one) {
        later on = next_.push(std::move(one.value), std::move(one.mark));
        flow so = co_await on;
        if (so == flow::done) co_return true;
        if constexpr (Next::has_boundary) {
            later out = next_.flush();
            so = co_await out;
        }
        co_return so == flow::done;
    }
    // What follows wants to be called at a time, too.
    task<bool> receive_in_time(channel<item> from) {
        for (;;) {
            const time_point due = next_.due();
            if (due <= now()) {
                later on = next_.at_due();
                flow so = co_await on;
                if constexpr (Next::has_boundary) {
                    if (so == flow::more) {
                        later out = next_.flush();
                        so = co_await out;
                    }
                }
                if (so == flow::done) co_return true;
                continue;
            }
            received<item> one;
            if (due == no_deadline) one = co_await from.async_receive();
            else one = co_await timeout(due - now(), from.async_receive());
            if (one.why() == status::timed_out) continue;
            if (!one) co_return false;
            const bool is_done = co_await pass_on(*one);
            if (is_done) co_return true;
        }
    }

    Next next_;
    std::optional<context_source> before_;
};

/// buffer(n), and the boundary before a stage that needs one.
template <class T, class Token, class Next>
class boundary_node {
public:
    static constexpr bool is_plain = true;
    static constexpr bool has_boundary = true;
    boundary_node(std::size_t capacity, Next next) : out_{capacity}, in_{std::move(next)} {}

    flow push(T&& value, Token mark) {
        out_.gather(std::move(value), std::move(mark));
        return flow::more;
    }
    later flush() { return out_.flush(); }
    later finish() { return out_.finish(); }
    context start(segments& tasks) { return in_.start(tasks, out_.to()); }
    auto& sink() noexcept { return in_.next().sink(); }

private:
    outlet<T, Token> out_;
    inlet<T, Token, Next> in_;
};

struct buffer_stage : any_stage {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        return boundary_node<T, Token, Next>{n, std::move(next)};
    }
    explicit buffer_stage(std::size_t capacity) : n{capacity} {}
    std::size_t n;
};

// --- batch(n, within), debounce ---------------------------------------------------------------------------------------

/// A batch that is also given when its first value has waited for so long.
template <class T, class Token, class Next>
class timed_batch_node : public batch_node<T, Token, Next> {
public:
    timed_batch_node(std::size_t n, clock::duration within, Next next)
        : batch_node<T, Token, Next>{n, std::move(next)}, within_{within} {}

    pushed<Next::is_plain> push(T&& value, Token mark) {
        const bool is_first = !this->holds_some();
        auto so = batch_node<T, Token, Next>::push(std::move(value), std::move(mark));
        if (!this->holds_some()) due_ = no_deadline;
        else if (is_first) due_ = deadline_after(within_);
        return so;
    }
    time_point due() const noexcept { return due_; }
    later at_due() {
        due_ = no_deadline;
        return this->give();
    }

private:
    const clock::duration within_;
    time_point due_ = no_deadline;
};

struct timed_batch_stage : any_stage {
    template <class T>
    using output = std::vector<T>;
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        using node = timed_batch_node<T, Token, Next>;
        return boundary_node<T, Token, node>{0, node{n, within, std::move(next)}};
    }
    timed_batch_stage(std::size_t count, clock::duration d, place at) : n{count}, within{d} {
        SLUICE_EXPECT_AT(count > 0, "a batch has at least one value", at);
        SLUICE_EXPECT_AT(d > d.zero(), "the time within which a batch is given is positive", at);
    }
    std::size_t n;
    clock::duration within;
};

/// The newest value, once none has followed it for so long. The last one is given at the end.
template <class T, class Token, class Next>
class debounce_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = Next::is_plain;
    debounce_node(clock::duration quiet, Next next) : stage_node<Next>{std::move(next)}, quiet_{quiet} {}

    pushed<is_plain> push(T&& value, Token mark) {
        held_.emplace(std::move(value), std::move(mark));
        due_ = deadline_after(quiet_);
        return flow::more;
    }
    time_point due() const noexcept { return due_; }
    later at_due() {
        due_ = no_deadline;
        carried<T, Token> one = std::move(*held_);
        held_.reset();
        return this->next_.push(std::move(one.value), std::move(one.mark));
    }
    later finish() { return held_ ? later{give_last()} : this->next_.finish(); }

private:
    task<flow> give_last() {
        later last = at_due();
        co_await last;
        later end = this->next_.finish();
        co_return co_await end;
    }
    const clock::duration quiet_;
    std::optional<carried<T, Token>> held_;
    time_point due_ = no_deadline;
};

struct debounce_stage : any_stage {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        using node = debounce_node<T, Token, Next>;
        return boundary_node<T, Token, node>{0, node{quiet, std::move(next)}};
    }
    debounce_stage(clock::duration d, place at) : quiet{d} {
        SLUICE_EXPECT_AT(d > d.zero(), "the quiet time of debounce is positive", at);
    }
    clock::duration quiet;
};

// --- unordered, ordered -----------------------------------------------------------------------------------------------

/// How many stand before and behind `width` workers.
constexpr std::size_t beside(std::size_t width, bool takes_portions) noexcept {
    return std::max(takes_portions ? portion::room : portion::most, 2 * width);
}

/// What a worker of ordered(n, f) gives: a result or what was thrown, and its place in the order.
template <class R>
struct numbered {
    numbered(std::uint64_t n, std::optional<R> v, std::exception_ptr e)
        : number{n}, value(std::move(v)), error(std::move(e)) {}
    std::uint64_t number;
    std::optional<R> value;
    std::exception_ptr error;
};

/// Puts results in order again (B3), and throws the first error in that order.
template <class R, class Token, class Next>
class in_order_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = Next::is_plain && !Next::has_boundary;
    in_order_node(std::shared_ptr<semaphore> window, std::size_t size, Next next)
        : stage_node<Next>{std::move(next)}, window_{std::move(window)}, ring_(size) {}

    flow push(numbered<R>&& result, Token mark)
        requires is_plain
    {
        keep(std::move(result), std::move(mark));
        while (auto one = take()) {
            if (this->next_.push(std::move(one->value), std::move(one->mark)) == flow::done) return flow::done;
        }
        return flow::more;
    }
    later push(numbered<R>&& result, Token mark)
        requires(!is_plain)
    {
        keep(std::move(result), std::move(mark));
        return give();
    }

private:
    void keep(numbered<R>&& result, Token&& mark) {
        ring_[result.number % ring_.size()].emplace(std::move(result), std::move(mark));
    }
    std::optional<carried<R, Token>> take() {
        auto& slot = ring_[next_number_ % ring_.size()];
        if (!slot) return std::nullopt;
        if (slot->value.error) std::rethrow_exception(slot->value.error);
        std::optional<carried<R, Token>> one{carried<R, Token>{std::move(*slot->value.value), std::move(slot->mark)}};
        slot.reset();
        ++next_number_;
        window_->release();
        return one;
    }
    task<flow> give() {
        while (auto one = take()) {
            later on = this->next_.push(std::move(one->value), std::move(one->mark));
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

    std::shared_ptr<semaphore> window_;
    std::vector<std::optional<carried<numbered<R>, Token>>> ring_;
    std::uint64_t next_number_ = 0;
};

/// A value with its number, for a worker.
template <class T>
struct entered {
    entered(std::uint64_t n, T v) : number{n}, value(std::move(v)) {}
    std::uint64_t number;
    T value;
};

/// The workers of unordered(n, f): they receive from their own channel and send into the boundary behind.
template <class F, class T, class R, class Token, class Next>
class unordered_node {
public:
    static constexpr bool is_plain = true;
    static constexpr bool has_boundary = true;
    unordered_node(F f, std::size_t width, bool is_unlimited, Next next)
        : f_(std::move(f)),
          width_{width},
          is_unlimited_{is_unlimited},
          out_{is_unlimited ? 0 : beside(width, takes_portions)},
          results_{is_unlimited ? 0 : beside(width, takes_portions)},
          in_{std::move(next)} {}

    flow push(T&& value, Token mark) {
        out_.gather(std::move(value), std::move(mark));
        return flow::more;
    }
    later flush() { return out_.flush(); }
    later finish() { return out_.finish(); }
    auto& sink() noexcept { return in_.next().sink(); }

    context start(segments& tasks) {
        const context mine = in_.start(tasks, results_);
        const std::size_t count = is_unlimited_ ? 1 : width_;
        // relaxed: the start of a task publishes it.
        working_->store(count, std::memory_order_relaxed);
        for (std::size_t i = 0; i < count; ++i)
            tasks.go(mine, [this, mine, &tasks] { return is_unlimited_ ? start_for_each(mine, tasks) : work(); });
        return mine;
    }

private:
    using item = carried<T, Token>;
    using result = carried<R, Token>;
    static constexpr bool takes_portions = is_plain_call<F, T>;

    task<> work() {
        if constexpr (takes_portions) co_await work_quickly();
        else co_await work_one_by_one();
        one_has_ended();
    }
    task<> work_one_by_one() {
        for (;;) {
            received<item> got = co_await out_.to().async_receive();
            if (!got) co_return;
            co_await do_one(std::move(*got));
        }
    }
    task<> do_one(item one) {
        R value = co_await call_of(f_, std::move(one.value));
        result made(std::move(value), std::move(one.mark));
        static_cast<void>(co_await results_.async_send(std::move(made)));
    }
    task<> work_quickly() {
        const std::size_t among = at_the_same_time(width_);
        portion some;
        std::vector<result> made;
        for (;;) {
            const std::size_t share = share_of(out_.to().size(), among, some.size());
            std::vector<item> got = co_await out_.to().async_receive_some(share);
            if (got.empty()) co_return;
            some.begin();
            for (item& one : got) made.emplace_back(std::invoke(f_, std::move(one.value)), std::move(one.mark));
            some.end(got.size());
            const std::size_t sent = co_await results_.async_send_all(std::move(made));
            if (sent < made.size()) co_return;
            made.clear();
        }
    }
    task<> start_for_each(context mine, segments& tasks) {
        for (;;) {
            received<item> got = co_await out_.to().async_receive();
            if (!got) break;
            working_->fetch_add(1, std::memory_order_relaxed);  // relaxed: this task holds one of the count
            tasks.go(mine, [this, one = std::move(*got)]() mutable { return do_one_and_end(std::move(one)); });
        }
        one_has_ended();
    }
    task<> do_one_and_end(item one) {
        if constexpr (is_plain_call<F, T>) {
            result made(std::invoke(f_, std::move(one.value)), std::move(one.mark));
            static_cast<void>(co_await results_.async_send(std::move(made)));
        } else {
            co_await do_one(std::move(one));
        }
        one_has_ended();
    }
    // B1: who ends by an exception does not count down.
    void one_has_ended() {
        // acq_rel: the results of all have been sent when the last one closes.
        if (working_->fetch_sub(1, std::memory_order_acq_rel) == 1) results_.close();
    }

    F f_;
    std::size_t width_;
    bool is_unlimited_;
    outlet<T, Token> out_;
    channel<result> results_;
    inlet<R, Token, Next> in_;
    std::unique_ptr<std::atomic<std::size_t>> working_ = std::make_unique<std::atomic<std::size_t>>(0);
};

template <class F>
struct unordered_stage : function_stage<F> {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        using R = typename function_stage<F>::template output<T>;
        return unordered_node<F, T, R, Token, Next>{std::move(f), width, is_unlimited, std::move(next)};
    }
    unordered_stage(std::size_t n, bool none, F with) : width{n}, is_unlimited{none}, f(std::move(with)) {}
    std::size_t width;
    bool is_unlimited;
    F f;
};

/// Gives each value its number, and waits while too many are under way (B3).
template <class T, class Token, class Next>
class numbering_node : public stage_node<Next> {
public:
    static constexpr bool is_plain = true;
    numbering_node(std::shared_ptr<semaphore> window, Next next)
        : stage_node<Next>{std::move(next)}, window_{std::move(window)} {}

    flow push(T&& value, Token mark) {
        ++gathered_;
        return this->next_.push({next_number_++, std::move(value)}, std::move(mark));
    }
    later flush() {
        const std::size_t count = std::exchange(gathered_, 0);
        if (count == 0 || window_->try_acquire(count)) return this->next_.flush();
        return wait(count);
    }
    later finish() { return end(); }

private:
    task<flow> wait(std::size_t count) {
        co_await window_->async_acquire(count);
        later out = this->next_.flush();
        co_return co_await out;
    }
    task<flow> end() {
        later rest = flush();
        co_await rest;
        later out = this->next_.finish();
        co_return co_await out;
    }
    std::shared_ptr<semaphore> window_;
    std::uint64_t next_number_ = 0;
    std::size_t gathered_ = 0;
};

/// The user's function, of values with numbers; what it throws is told in its turn.
template <class F, class T, class R>
class numbered_call {
public:
    explicit numbered_call(F f) : f_(std::move(f)) {}

    numbered<R> operator()(entered<T>&& one)
        requires is_plain_call<F, T>
    {
        try {
            return {one.number, std::invoke(f_, std::move(one.value)), nullptr};
        } catch (const canceled&) {
            throw;
        } catch (...) {
            return {one.number, std::nullopt, std::current_exception()};
        }
    }
    task<numbered<R>> operator()(entered<T> one)
        requires(!is_plain_call<F, T>)
    {
        numbered<R> made{one.number, std::nullopt, nullptr};
        try {
            R value = co_await call_of(f_, std::move(one.value));
            made.value.emplace(std::move(value));
        } catch (const canceled&) {
            throw;
        } catch (...) {
            made.error = std::current_exception();
        }
        co_return made;
    }

private:
    F f_;
};

template <class F>
struct ordered_stage : function_stage<F> {
    template <class T, class Token, class Next, class Door>
    auto make(Next next, Door&) && {
        using R = typename function_stage<F>::template output<T>;
        using call = numbered_call<F, T, R>;
        using sorter = in_order_node<R, Token, Next>;
        using workers = unordered_node<call, entered<T>, numbered<R>, Token, sorter>;
        const std::size_t size = 2 * beside(width, is_plain_call<F, T>);
        auto window = std::make_shared<semaphore>(size);
        return numbering_node<T, Token, workers>{
            window, workers{call{std::move(f)}, width, false, sorter{window, size, std::move(next)}}};
    }
    ordered_stage(std::size_t n, F with) : width{n}, f(std::move(with)) {}
    std::size_t width;
    F f;
};

}  // namespace sluice::detail
