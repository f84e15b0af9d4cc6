// SPDX-License-Identifier: BSL-1.0
// stage.hpp: who works for the outputs of a pattern, and what ends them?
//
// A stage is one or more channels that give results, tasks that work for them, and one task, the joiner, that has started
// the others.
// J1  The joiner closes the outputs after all others have ended: who sees the end knows that nothing of the stage uses
//     what is the user's any more. Only receivers that want no more close one earlier.
// J2  When the last output has closed, by whomever, the stage's context ends and its inputs are cancelled, once. So tasks
//     that wait for an input learn that nobody wants their results, and who sends to them learns it in turn.
// J3  The stage's context is below that of its caller. If that ends, all of them end, and the outputs close with
//     `canceled`: what is not all of the results never looks like it. So also when the joiner could not begin.
// J4  The first error ends the others and is what the outputs close with.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "../channel.hpp"
#include "../runtime.hpp"
#include "../scope.hpp"
#include "stage_call.hpp"

namespace sluice::detail {

/// What a pattern can take items from.
template <class In>
concept stage_input =
    requires { typename In::value_type; } && std::convertible_to<In, receiver<typename In::value_type>>;

/// What ends a stage (J2). `Inputs` has a `cancel()`.
template <class Inputs>
struct stage_stop {
    void operator()() const noexcept {
        of_stage.cancel();
        inputs.cancel();
    }

    context_source of_stage;
    Inputs inputs;
};

/// One of several outputs that must all be closed.
template <class Stop>
struct stop_by_last {
    struct count {
        count(std::size_t n, Stop s) : left{n}, stop{std::move(s)} {}
        std::atomic<std::size_t> left;
        Stop stop;
    };
    void operator()() const noexcept {
        // acq_rel: the last one stops after what the others did.
        if (of->left.fetch_sub(1, std::memory_order_acq_rel) == 1) of->stop();
    }
    std::shared_ptr<count> of;
};

/// An output. `Stop` is called when it has closed.
template <class R, class Stop>
class stage_output final : public core_of<R> {
public:
    stage_output(std::size_t capacity, place at, Stop stop)
        : core_of<R>{capacity, overflow::wait, at, true}, stop_{std::move(stop)} {}

private:
    void has_closed() noexcept override {
        const auto stop = std::move(*stop_);
        stop_.reset();
        stop();
    }

    std::optional<Stop> stop_;
};

/// The joiner's duty to close the outputs (J3).
template <class R>
class stage_end {
public:
    explicit stage_end(std::vector<sender<R>> outs) noexcept : outs_{std::move(outs)} {}
    stage_end(stage_end&&) noexcept = default;
    stage_end& operator=(stage_end&&) = delete;
    ~stage_end() {
        if (!outs_.empty()) close(std::make_exception_ptr(canceled{}));
    }
    void close(const std::exception_ptr& error) noexcept {
        for (const auto& out : std::exchange(outs_, {})) out.close(error);
    }

private:
    std::vector<sender<R>> outs_;
};

/// What the tasks of a stage ended with (J4).
class stage_errors {
public:
    /// A `canceled` that is the stage's own is no error.
    void fail(errgroup& all, const std::exception_ptr& error) noexcept {
        if (is_canceled(error) && all.get_context().done()) return;
        note(error);
        all.cancel();
    }
    /// What an input has ended with: the others go on with what they have of it, and their errors come first.
    void input_ended(const std::exception_ptr& error) noexcept {
        const hold guard{mutex_};
        if (!of_input_) of_input_ = error;
    }
    /// After all have ended; null: none.
    std::exception_ptr first() const noexcept { return first_ ? first_ : of_input_; }

private:
    void note(const std::exception_ptr& error) noexcept {
        const hold guard{mutex_};
        if (!first_) first_ = error;
    }

    lock mutex_;
    std::exception_ptr first_;
    std::exception_ptr of_input_;
};

/// Calls the function of the user, whatever kind it is of.
template <class R, class F, class T>
task<> call_into(result_box<R>& into, F& f, T item) {
    if constexpr (is_plain_call<F, T>) {
        if constexpr (std::is_void_v<R>) {
            std::invoke(f, std::move(item));
            into.set_value();
        } else {
            into.set_value(std::invoke(f, std::move(item)));
        }
        co_return;
    } else if constexpr (std::is_void_v<R>) {
        co_await call_of(f, std::move(item));
        into.set_value();
    } else {
        into.set_value(co_await call_of(f, std::move(item)));
    }
}

/// Sends the result, or the signal that there is none; throws the error. False: nobody wants it.
template <class R>
task<bool> send_from(result_box<R>& result, const sender<R>& out) {
    if constexpr (std::is_void_v<R>) {
        result.take();
        co_return static_cast<bool>(co_await out.async_send());
    } else {
        R value = result.take();
        co_return static_cast<bool>(co_await out.async_send(std::move(value)));
    }
}

/// The joiner. `Work` has `stage_errors errors` and `task<> run(errgroup&)`, which starts those who work.
template <class R, class Work>
task<> join_stage(stage_end<R> end, std::unique_ptr<Work> work) {
    std::exception_ptr error;
    try {
        const auto body = [w = work.get()](errgroup& all) { return w->run(all); };
        co_await scope(body);
    } catch (...) {
        error = std::current_exception();
    }
    if (const auto first = work->errors.first()) error = first;
    work.reset();  // J1
    end.close(error);
}

/// The context that a stage begun here is below.
inline context context_of_caller() {
    const auto* const t = this_thread_state().task;
    return t && t->is_shielded() ? context{} : current_context();
}

template <class R, class Work>
void start_joiner(const context& inside, std::vector<sender<R>> outs, std::unique_ptr<Work> work, place at) {
    auto joiner = [e = stage_end<R>{std::move(outs)}, w = std::move(work)]() mutable {
        return join_stage<R, Work>(std::move(e), std::move(w));
    };
    go(inside, std::move(joiner), at);
}

/// Makes a stage with one output; `make(sender<R>)` makes its `Work`.
template <class R, class Inputs, class Make>
receiver<R> begin_stage(std::size_t capacity, Inputs inputs, place at, Make make) {
    context_source source = with_cancel(context_of_caller());
    const context inside = source.get();
    using stop = stage_stop<Inputs>;
    auto ends =
        counted_ends::of_output<R>(new stage_output<R, stop>{capacity, at, stop{std::move(source), std::move(inputs)}});
    auto work = make(ends.first);
    start_joiner<R>(inside, {ends.first}, std::move(work), at);
    return std::move(ends.second);
}

/// Makes a stage with `n` outputs; `make(std::vector<sender<R>>)` makes its `Work`.
template <class R, class Inputs, class Make>
std::vector<receiver<R>> begin_stage(std::size_t n, std::size_t capacity, Inputs inputs, place at, Make make) {
    context_source source = with_cancel(context_of_caller());
    const context inside = source.get();
    using stop = stop_by_last<stage_stop<Inputs>>;
    const stop last{
        std::make_shared<typename stop::count>(n, stage_stop<Inputs>{std::move(source), std::move(inputs)})};
    std::vector<sender<R>> outs;
    std::vector<receiver<R>> results;
    for (std::size_t i = 0; i < n; ++i) {
        auto ends = counted_ends::of_output<R>(new stage_output<R, stop>{capacity, at, last});
        outs.push_back(std::move(ends.first));
        results.push_back(std::move(ends.second));
    }
    auto work = make(outs);
    start_joiner<R>(inside, std::move(outs), std::move(work), at);
    return results;
}

}  // namespace sluice::detail
