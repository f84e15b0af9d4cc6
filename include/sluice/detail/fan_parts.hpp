// SPDX-License-Identifier: BSL-1.0
// fan_parts.hpp: how does one stream become several: all to all, in turn, or by key?
#pragma once

#include <functional>
#include <optional>

#include "../select.hpp"
#include "../selector.hpp"
#include "stage.hpp"

namespace sluice::detail {

/// `tee`: each item to all outputs that are still open.
template <class T>
class tee_work {
public:
    tee_work(receiver<T> in, std::vector<sender<T>> outs) : in_{std::move(in)}, outs_{std::move(outs)} {}

    task<> run(errgroup& all) {
        try {
            for (;;) {
                auto item = co_await in_.async_receive();
                if (!item) co_return errors.input_ended(item.error());
                co_await give(std::move(*item));
            }
        } catch (...) {
            errors.fail(all, std::current_exception());
        }
    }

    stage_errors errors;

private:
    task<> give(T item) {
        // Those with room first; nobody else sends to them, so that it stays. The last gets the item itself.
        std::erase_if(outs_, [](const sender<T>& out) { return out.is_closed(); });
        const auto full = std::partition(outs_.begin(), outs_.end(),
                                         [](const sender<T>& out) { return out.size() < out.capacity(); });
        const auto with_room = static_cast<std::size_t>(full - outs_.begin());
        for (std::size_t i = 0; i < with_room; ++i) {
            if (i + 1 == outs_.size()) {
                static_cast<void>(co_await outs_[i].async_send(std::move(item)));
            } else {
                T copy(std::as_const(item));
                static_cast<void>(co_await outs_[i].async_send(std::move(copy)));
            }
        }
        if (with_room + 1 == outs_.size()) {
            static_cast<void>(co_await outs_[with_room].async_send(std::move(item)));
        } else if (with_room < outs_.size()) {
            selector rest;  // whoever has room first: they do not wait for each other
            for (std::size_t i = with_room; i < outs_.size(); ++i) {
                T copy = i + 1 == outs_.size() ? T(std::move(item)) : T(std::as_const(item));
                rest.add(on_send(outs_[i], std::move(copy)));
            }
            while (!rest.empty()) co_await rest.async_select();
        }
    }

    receiver<T> in_;
    std::vector<sender<T>> outs_;
};

/// `round_robin`: each item to the next output that is still open.
template <class T>
class round_robin_work {
public:
    round_robin_work(receiver<T> in, std::vector<sender<T>> outs) : in_{std::move(in)}, outs_{std::move(outs)} {}

    task<> run(errgroup& all) {
        try {
            for (;;) {
                auto item = co_await in_.async_receive();
                if (!item) co_return errors.input_ended(item.error());
                for (bool given = false; !given;) {
                    if (outs_.empty()) co_return;
                    next_ %= outs_.size();
                    const auto sent = co_await outs_[next_].async_send(std::move(*item));  // unmoved if it was not sent
                    given = static_cast<bool>(sent);
                    if (given) ++next_;
                    else outs_.erase(outs_.begin() + static_cast<std::ptrdiff_t>(next_));
                }
            }
        } catch (...) {
            errors.fail(all, std::current_exception());
        }
    }

    stage_errors errors;

private:
    receiver<T> in_;
    std::vector<sender<T>> outs_;
    std::size_t next_ = 0;
};

/// `keyed`: a lane for many keys each, and a worker for each lane.
template <class T, class R, class Key, class F>
class keyed_work {
    using key_type = std::remove_cvref_t<std::invoke_result_t<Key&, const T&>>;

public:
    static constexpr std::size_t room_of_a_lane = 16;

    keyed_work(receiver<T> in, sender<R> out, std::size_t width, Key key, F f)
        : in_{std::move(in)}, out_{std::move(out)}, key_(std::move(key)), f_(std::move(f)) {
        lanes_.reserve(width);
        for (std::size_t i = 0; i < width; ++i) lanes_.emplace_back(room_of_a_lane);
    }

    task<> run(errgroup& all) {
        for (const auto& lane : lanes_) all.go(work, std::ref(*this), std::ref(all), lane);
        try {
            for (;;) {
                auto item = co_await in_.async_receive();
                if (!item) {
                    errors.input_ended(item.error());
                    break;
                }
                const auto& lane = lanes_[lane_of(std::invoke(key_, std::as_const(*item)))];
                static_cast<void>(co_await lane.async_send(std::move(*item)));
            }
        } catch (...) {
            errors.fail(all, std::current_exception());
        }
        for (const auto& lane : lanes_) lane.close();
    }

    stage_errors errors;

private:
    static task<> work(keyed_work& w, errgroup& all, receiver<T> lane) {
        try {
            for (;;) {
                auto item = co_await lane.async_receive();
                if (!item) co_return;
                result_box<R> result;
                co_await call_into(result, w.f_, std::move(*item));
                const bool wanted = co_await send_from(result, w.out_);
                if (!wanted) co_return;
            }
        } catch (...) {
            w.errors.fail(all, std::current_exception());
        }
    }

    // Hashes may be the keys themselves: near ones shall not fall into few lanes.
    std::size_t lane_of(const key_type& key) const {
        const std::uint64_t mixed = std::uint64_t{std::hash<key_type>{}(key)} * 0x9E37'79B9'7F4A'7C15u;
        return static_cast<std::size_t>(mixed >> 32) % lanes_.size();
    }

    receiver<T> in_;
    sender<R> out_;
    Key key_;
    F f_;
    std::vector<channel<T>> lanes_;
};

}  // namespace sluice::detail
