// SPDX-License-Identifier: BSL-1.0
// ordered.hpp: how do many work on a stream without changing its order?
//
// The workers stand in a circle. Two rights go round it: to take the next item, and to send the next result.
// D1  Who has the right to take takes one item and passes the right on before it works on it: items are taken in the
//     order of the circle, and worked on at the same time.
// D2  Results are sent in the same order, since the right to send goes round the same circle. A worker takes its next
//     item after it has sent its result, so each holds one item or one result at most, and nothing else is kept.
// D3  A worker whose item has failed tells so when it has the right to send: all results before it have been sent, and
//     no earlier item has failed. Meanwhile no item is taken any more.
#pragma once

#include <atomic>

#include "stage.hpp"

namespace sluice::detail {

template <class T, class R, class F>
class ordered_work {
public:
    ordered_work(receiver<T> in, sender<R> out, std::size_t width, F f)
        : in_{std::move(in)}, out_{std::move(out)}, f_(std::move(f)) {
        may_take_.reserve(width);
        may_send_.reserve(width);
        for (std::size_t i = 0; i < width; ++i) {
            may_take_.emplace_back(1u);
            may_send_.emplace_back(1u);
        }
    }

    task<> run(errgroup& all) {
        static_cast<void>(co_await may_take_[0].async_send());
        static_cast<void>(co_await may_send_[0].async_send());
        for (std::size_t i = 0; i < may_take_.size(); ++i) all.go(work, std::ref(*this), std::ref(all), i);
    }

    stage_errors errors;

private:
    static task<> work(ordered_work& w, errgroup& all, std::size_t number) {
        try {
            co_await w.work_in_turn(number, (number + 1) % w.may_take_.size());
        } catch (...) {
            w.errors.fail(all, std::current_exception());
        }
    }

    task<> work_in_turn(std::size_t mine, std::size_t next) {
        for (;;) {
            static_cast<void>(co_await may_take_[mine].async_receive());
            // relaxed: a look ahead, the error itself comes by the right to send.
            if (has_failed_.load(std::memory_order_relaxed)) co_return;
            auto item = co_await in_.async_receive();
            static_cast<void>(co_await may_take_[next].async_send());
            if (!item) co_return errors.input_ended(item.error());
            result_box<R> result;
            try {
                co_await call_into(result, f_, std::move(*item));
            } catch (...) {
                has_failed_.store(true, std::memory_order_relaxed);
                result.set_error(std::current_exception());
            }
            static_cast<void>(co_await may_send_[mine].async_receive());
            const bool wanted = co_await send_from(result, out_);
            if (!wanted) co_return;
            static_cast<void>(co_await may_send_[next].async_send());
        }
    }

    receiver<T> in_;
    sender<R> out_;
    F f_;
    std::vector<channel<void>> may_take_;
    std::vector<channel<void>> may_send_;
    std::atomic<bool> has_failed_{false};
};

}  // namespace sluice::detail
