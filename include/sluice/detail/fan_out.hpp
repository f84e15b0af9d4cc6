// SPDX-License-Identifier: BSL-1.0
// fan_out.hpp: how do workers share the items of a channel?
//
// A worker with a plain function takes portions (portion.hpp), small ones: larger ones have gained nothing where items come
// one by one.
// F1  The results of a portion are sent before the next is taken; those before an error too, as far as they need not wait.
// F2  After a portion it lets others go first, so that the input is filled and the output emptied before it needs that.
#pragma once

#include "portion.hpp"
#include "stage.hpp"

namespace sluice::detail {

/// `fan_out` of so many workers.
template <class T, class R, class F>
class fan_out_work {
    static constexpr bool takes_portions = is_plain_call<F, T> && !std::is_void_v<R>;
    static constexpr std::size_t most_at_once = 16;

public:
    fan_out_work(receiver<T> in, sender<R> out, std::size_t width, F f)
        : in_{std::move(in)}, out_{std::move(out)}, width_{width}, f_(std::move(f)) {}

    /// How many results are buffered.
    static std::size_t room(std::size_t width) noexcept {
        return takes_portions ? std::max(width, 4 * most_at_once) : width;
    }

    task<> run(errgroup& all) {
        for (std::size_t i = 0; i < width_; ++i) all.go(work, std::ref(*this), std::ref(all));
        co_return;
    }

    stage_errors errors;

private:
    static task<> work(fan_out_work& w, errgroup& all) {
        try {
            if constexpr (takes_portions) co_await w.work_in_portions();
            else co_await w.work_one_by_one();
        } catch (...) {
            w.errors.fail(all, std::current_exception());
        }
    }

    task<> work_one_by_one() {
        for (;;) {
            auto item = co_await in_.async_receive();
            if (!item) co_return errors.input_ended(item.error());
            result_box<R> result;
            co_await call_into(result, f_, std::move(*item));
            const bool wanted = co_await send_from(result, out_);
            if (!wanted) co_return;
        }
    }

    task<> work_in_portions() {
        const std::size_t among = at_the_same_time(width_);
        portion some{most_at_once};
        std::vector<R> results;
        results.reserve(most_at_once);
        for (;;) {
            auto items = co_await in_.async_receive_some(share_of(in_.size(), among, some.size()));
            if (items.empty()) co_return errors.input_ended(in_.try_receive().error());
            some.begin();
            std::exception_ptr error;
            try {
                for (T& item : items) results.push_back(std::invoke(f_, std::move(item)));
            } catch (...) {
                error = std::current_exception();
            }
            some.end(items.size());
            const std::size_t made = results.size();
            if (error && width_ > 1) {  // F1
                static_cast<void>(out_.try_send_all(std::move(results)));
                std::rethrow_exception(error);
            }
            const std::size_t wanted = co_await out_.async_send_all(std::move(results));
            if (error) std::rethrow_exception(error);
            if (wanted < made) co_return;
            results.clear();
            co_await yield();  // F2
        }
    }

    receiver<T> in_;
    sender<R> out_;
    const std::size_t width_;
    F f_;
};

/// `fan_out` of a task for each item.
template <class T, class R, class F>
class unlimited_fan_out_work {
public:
    static constexpr std::size_t room = 64;

    unlimited_fan_out_work(receiver<T> in, sender<R> out, F f)
        : in_{std::move(in)}, out_{std::move(out)}, f_(std::move(f)) {}

    task<> run(errgroup& all) {
        for (;;) {
            auto item = co_await in_.async_receive();
            if (!item) co_return errors.input_ended(item.error());
            all.go(work, std::ref(*this), std::ref(all), std::move(*item));
        }
    }

    stage_errors errors;

private:
    static task<> work(unlimited_fan_out_work& w, errgroup& all, T item) {
        try {
            result_box<R> result;
            co_await call_into(result, w.f_, std::move(item));
            static_cast<void>(co_await send_from(result, w.out_));
        } catch (...) {
            w.errors.fail(all, std::current_exception());
        }
    }

    receiver<T> in_;
    sender<R> out_;
    F f_;
};

}  // namespace sluice::detail
