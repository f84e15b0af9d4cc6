// SPDX-License-Identifier: BSL-1.0
// element_source.hpp: how do the elements of a range become values that can be sent under a lock?
//
// A source looks some elements ahead, without the lock, and then gives them away one by one, under it.
// E1  User code (iterators, copies, conversions, boxing) runs in fill() and give_back() only. take() moves, noexcept.
// E2  Where the range holds values of the very type, whose move or copy under the lock cannot throw, only their
//     addresses are kept: what is not sent is not touched. Otherwise copies, conversions or boxes are made ahead.
// E3  What cannot be undone is not done ahead: elements of a single-pass range are read, and elements are moved into
//     something that cannot be moved back, one at a time.
// E4  An exception that comes after some elements have been made ready is thrown when those have been sent.
#pragma once

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>
#include <memory>
#include <vector>

#include "channel_core.hpp"

namespace sluice::detail {

/// What an element source must know of its range. `GivesAway`: the range itself is an rvalue, and its elements are too.
template <class T, class It, class Sentinel, bool GivesAway>
struct element_traits {
    using reference = std::iter_reference_t<It>;
    using element = std::remove_reference_t<reference>;
    static constexpr bool same = std::is_same_v<std::remove_cv_t<element>, T>;
    static constexpr bool moves = std::is_reference_v<reference> && !std::is_const_v<element> &&
                                  (GivesAway || std::is_rvalue_reference_v<reference>);
    static constexpr bool boxed = !std::is_nothrow_move_constructible_v<T>;
    static constexpr bool multi_pass = std::forward_iterator<It>;
    static constexpr bool is_array = std::contiguous_iterator<It> && std::sized_sentinel_for<Sentinel, It>;
    /// The objects themselves can be moved or copied under the lock (E2).
    static constexpr bool in_place =
        multi_pass && std::is_reference_v<reference> && same && !boxed && (moves || std::is_trivially_copyable_v<T>);
    /// A box can be emptied into the element that it was made from.
    static constexpr bool returns = boxed && same && moves && std::is_move_assignable_v<T>;
    /// What was made ahead and not sent is lost (E3).
    static constexpr bool consumes =
        !multi_pass || (moves && !returns && !in_place && !(!same && std::is_trivially_copyable_v<element>));
};

/// The element itself, also under a move iterator.
template <class It>
auto* element_under(const It& it) {
    auto&& element = *it;
    return std::addressof(element);
}

/// The addresses of elements that can be moved or copied where they are.
template <class T, class It, class Sentinel, bool GivesAway>
class elements_in_place {
    using traits = element_traits<T, It, Sentinel, GivesAway>;
    using slot = parcel<T>;
    static constexpr std::size_t most_ahead = traits::is_array ? 64 : 32;

public:
    elements_in_place(It first, Sentinel last) : next_{std::move(first)}, last_{std::move(last)} {}

    std::size_t ready() const noexcept { return ready_ - taken_; }
    void fill(std::size_t) {
        if constexpr (traits::is_array) {
            next_ += static_cast<std::iter_difference_t<It>>(taken_);
            ready_ = taken_ = 0;
            const auto left = static_cast<std::size_t>(last_ - next_);
            if (left == 0) return;
            at_ = std::to_address(next_);
            ready_ = std::min(left, most_ahead);
        } else {
            ready_ = taken_ = 0;
            for (; ready_ < most_ahead && next_ != last_; ++next_) at_[ready_++] = element_under(next_);
        }
    }
    slot take() noexcept {
        typename traits::element* from = nullptr;
        if constexpr (traits::is_array) from = at_ + taken_;
        else from = at_[taken_];
        ++taken_;
        if constexpr (traits::moves) return slot{std::move(*from)};
        else return slot{static_cast<const T&>(*from)};
    }
    void give_back(channel_core<T>*) noexcept { ready_ = taken_ = 0; }

private:
    using pointer = typename traits::element*;
    It next_;
    Sentinel last_;
    std::conditional_t<traits::is_array, pointer, std::array<pointer, most_ahead>> at_{};
    std::size_t ready_ = 0;
    std::size_t taken_ = 0;
};

/// Values made of elements ahead of the lock.
template <class T, class It, class Sentinel, bool GivesAway>
class elements_made_ahead {
    using traits = element_traits<T, It, Sentinel, GivesAway>;
    using slot = parcel<T>;

public:
    elements_made_ahead(It first, Sentinel last) : next_{std::move(first)}, last_{std::move(last)} {}
    // Moved only before it is used.
    elements_made_ahead(elements_made_ahead&& other) : next_{std::move(other.next_)}, last_{std::move(other.last_)} {}

    std::size_t ready() const noexcept { return made_.size() - taken_; }
    /// `room`: for how many there seems to be room.
    void fill(std::size_t room) {
        const std::size_t wanted = traits::consumes ? 1 : std::min(room, most_ahead);
        made_.clear();
        taken_ = 0;
        made_.reserve(wanted);
        if constexpr (traits::returns) {
            from_.clear();
            from_.reserve(wanted);
        }
        while (made_.size() < wanted) {
            if (std::exchange(is_past_, false)) ++next_;
            if (next_ == last_) return;
            if constexpr (traits::returns) {
                from_.push_back(element_under(next_));
            }
            if constexpr (GivesAway) made_.emplace_back(std::in_place, std::ranges::iter_move(next_));
            else made_.emplace_back(std::in_place, *next_);
            is_past_ = true;  // a single-pass iterator may fetch the next one: not before this one has been sent
        }
    }
    slot take() noexcept { return std::move(made_[taken_++]); }
    void give_back(channel_core<T>* channel) noexcept {
        for (; taken_ < made_.size(); ++taken_) {
            if constexpr (traits::returns) {
                try {
                    *from_[taken_] = made_[taken_].open();
                    continue;
                } catch (...) {}
            }
            if constexpr (traits::returns || traits::consumes) {
                if (channel) channel->tell_undelivered(made_[taken_].open());
            }
        }
        made_.clear();
        taken_ = 0;
    }

private:
    static constexpr std::size_t most_ahead = 32;
    struct nothing {};

    It next_;
    Sentinel last_;
    bool is_past_ = false;  // of the element at next_
    std::vector<slot> made_;
    std::size_t taken_ = 0;
    [[no_unique_address]] std::conditional_t<traits::returns, std::vector<typename traits::element*>, nothing> from_{};
};

template <class T, class It, class Sentinel, bool GivesAway>
class element_source {
    using elements = std::conditional_t<element_traits<T, It, Sentinel, GivesAway>::in_place,
                                        elements_in_place<T, It, Sentinel, GivesAway>,
                                        elements_made_ahead<T, It, Sentinel, GivesAway>>;

public:
    element_source(It first, Sentinel last) : elements_{std::move(first), std::move(last)} {}

    /// How many can be taken now.
    std::size_t ready() const noexcept { return elements_.ready(); }
    /// Without the lock, when none is ready. Afterwards none is: the range is at its end.
    void fill(std::size_t room) {
        if (error_) std::rethrow_exception(error_);
        try {
            elements_.fill(room);
        } catch (...) {
            if (elements_.ready() == 0) throw;
            error_ = std::current_exception();  // E4
        }
    }
    /// Under the lock.
    parcel<T> take() noexcept { return elements_.take(); }
    /// Without the lock: what is ready will not be sent.
    void give_back(channel_core<T>* channel) noexcept { elements_.give_back(channel); }

private:
    elements elements_;
    std::exception_ptr error_;
};

}  // namespace sluice::detail
