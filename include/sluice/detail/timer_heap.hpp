// SPDX-License-Identifier: BSL-1.0
// timer_heap.hpp: which of many that come and go is the first?
//
// A heap of pointers of four children a node; each node knows its slot, so it can leave from anywhere. Adding costs a
// comparison for each level, leaving four.
// B1  A node's slot is `absent`, `unsorted`, or where it stands in the heap. A node is added only while it is absent.
// B2  Adding never fails. A node that the heap has no room for, because the system refuses memory, stands in a list
//     without order, which is searched through; the room that another one leaves is given to one of these. So there
//     are some only while the heap is full.
// B3  When three quarters of the room are unused, half of it is given back; spread over those that left this costs what
//     growth does.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <new>
#include <utility>
#include <vector>

namespace sluice::detail {

/// `Node` has `std::size_t slot` and `Node* next_due`, which belong to the heap while the node is in it.
template <class Node, class Before>
class timer_heap {
public:
    static constexpr std::size_t absent = std::numeric_limits<std::size_t>::max();

    explicit timer_heap(Before before = {}) noexcept : before_{before} {}

    bool empty() const noexcept { return heap_.empty() && !unsorted_; }
    /// The first, or null.
    Node* front() const noexcept {
        Node* first = heap_.empty() ? nullptr : heap_.front();
        for (Node* n = unsorted_; n; n = n->next_due)
            if (!first || before_(*n, *first)) first = n;
        return first;
    }

    /// The first, or one of up to 64 that are equal to it: `choose(count)` says which. Null: it is empty.
    template <class Equal, class Choose>
    Node* one_of_the_first(Equal equal, Choose choose) const noexcept {
        if (heap_.empty() || unsorted_) return front();
        std::array<std::size_t, 64> ties{0};
        std::size_t count = 1;
        // Whatever stands above one of them is equal too.
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t c = 4 * ties[i] + 1; c <= 4 * ties[i] + 4 && c < heap_.size() && count < ties.size(); ++c)
                if (equal(*heap_[c], *heap_.front())) ties[count++] = c;
        return heap_[ties[choose(count)]];
    }

    void add(Node& n) noexcept {
        if (!make_room()) {
            n.slot = unsorted;
            n.next_due = std::exchange(unsorted_, &n);
            return;
        }
        heap_.push_back(&n);
        sift_up(heap_.size() - 1, n);
    }

    /// Precondition: it is in here.
    void remove(Node& n) noexcept {
        const std::size_t slot = std::exchange(n.slot, absent);
        if (slot == unsorted) {
            Node** at = &unsorted_;
            while (*at != &n) at = &(*at)->next_due;
            *at = n.next_due;
            return;
        }
        Node& last = *heap_.back();
        heap_.pop_back();
        if (slot < heap_.size()) {
            if (slot > 0 && before_(last, *heap_[(slot - 1) / 4])) sift_up(slot, last);
            else sift_down(slot, last);
        }
        if (unsorted_) [[unlikely]] {  // B2
            Node& late = *unsorted_;
            unsorted_ = late.next_due;
            heap_.push_back(&late);
            sift_up(heap_.size() - 1, late);
        } else if (heap_.size() < heap_.capacity() / 4 && heap_.capacity() > least_room) {
            give_room_back();
        }
    }

    /// Calls `f` for each and forgets them all.
    template <class F>
    void drain(F f) noexcept {
        for (Node* n : std::exchange(heap_, {})) f(*n);
        while (Node* const n = unsorted_) {
            unsorted_ = n->next_due;
            f(*n);
        }
    }

    std::size_t room() const noexcept { return heap_.capacity(); }

private:
    static constexpr std::size_t unsorted = absent - 1;
    static constexpr std::size_t least_room = 64;

    bool make_room() noexcept {
        if (heap_.size() < heap_.capacity()) [[likely]]
            return true;
        try {
            heap_.reserve(std::max(least_room, 2 * heap_.capacity()));
            return true;
        } catch (...) {
            return false;
        }
    }
    void give_room_back() noexcept {
        try {
            std::vector<Node*> smaller;
            smaller.reserve(heap_.capacity() / 2);
            smaller.assign(heap_.begin(), heap_.end());
            heap_.swap(smaller);
        } catch (const std::bad_alloc&) {}  // later
    }
    void place_at(std::size_t slot, Node& n) noexcept {
        heap_[slot] = &n;
        n.slot = slot;
    }
    void sift_up(std::size_t slot, Node& n) noexcept {
        while (slot > 0) {
            const std::size_t parent = (slot - 1) / 4;
            if (!before_(n, *heap_[parent])) break;
            place_at(slot, *heap_[parent]);
            slot = parent;
        }
        place_at(slot, n);
    }
    void sift_down(std::size_t slot, Node& n) noexcept {
        for (;;) {
            std::size_t best = slot * 4 + 1;
            if (best >= heap_.size()) break;
            for (std::size_t c = best + 1; c < std::min(slot * 4 + 5, heap_.size()); ++c)
                if (before_(*heap_[c], *heap_[best])) best = c;
            if (!before_(*heap_[best], n)) break;
            place_at(slot, *heap_[best]);
            slot = best;
        }
        place_at(slot, n);
    }

    [[no_unique_address]] Before before_;
    std::vector<Node*> heap_;
    Node* unsorted_ = nullptr;
};

}  // namespace sluice::detail
