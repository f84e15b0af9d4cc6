// SPDX-License-Identifier: BSL-1.0
// mailbox.hpp: what does a type that a user has made to be waited for look like?
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include <sluice/selectable.hpp>

namespace sluice_test {

/// A bounded queue whose takers and putters wait, made from the public parts of sluice alone.
template <class T>
class mailbox {
public:
    explicit mailbox(std::size_t room) : room_{room} {}

    /// `co_await box.async_take()` gives a `received<T>`.
    auto async_take() {
        return point_.until([this]() noexcept { return !letters_.empty(); }, [this]() noexcept { return pop(); });
    }
    /// Gives true.
    auto async_put(T letter) {
        return point_.until([this]() noexcept { return letters_.size() < room_; },
                            [this, l = std::move(letter)]() mutable noexcept { letters_.push_back(std::move(l)); });
    }
    sluice::received<T> try_take() { return sluice::try_now(async_take()); }

    std::size_t size() const {
        return point_.read([this] { return letters_.size(); });
    }
    std::size_t waiting() const { return point_.waiting(); }

private:
    T pop() noexcept {
        T first = std::move(letters_.front());
        letters_.pop_front();
        return first;
    }
    const std::size_t room_;
    std::deque<T> letters_;  // guarded by point_
    sluice::wait_point point_;
};

}  // namespace sluice_test
