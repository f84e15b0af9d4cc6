// SPDX-License-Identifier: BSL-1.0
// result_queue.hpp: which results have come, in which order, and in which were they asked for?
//
// A slot for each task: it stands in the order of the starts from its start, and in the order of the ends as well while
// its value is there for anybody.
// R1  `expected_` counts the tasks that have not ended and those who are about to start one. When it is zero and nothing
//     is there, nothing will come: that is what a `next` waits for, besides a value.
// R2  A value that was granted to a `next` stays in the order of the starts until its result() has taken it. If nobody
//     takes it, because the frame has been destroyed, it is the first to be had again.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "point_core.hpp"

namespace sluice::detail {

template <class T>
class result_queue {
public:
    class slot {
    public:
        slot() noexcept = default;
        slot(const slot&) = delete;
        slot& operator=(const slot&) = delete;
        virtual ~slot() = default;

        std::optional<T> value;  // written before ended(), read by who has taken it

    private:
        friend result_queue;
        slot* earlier_ = nullptr;  // in the order of the starts
        slot* later_ = nullptr;
        slot* next_ended_ = nullptr;
        bool is_there_ = false;
    };

    result_queue() noexcept = default;
    result_queue(const result_queue&) = delete;
    result_queue& operator=(const result_queue&) = delete;
    /// Precondition: nothing is expected.
    ~result_queue() {
        while (first_) delete unlink(*first_);
    }

    // --- starts and ends --------------------------------------------------------------------------------------------

    void expect() noexcept {
        const hold guard{point.mutex};
        ++expected_;
    }
    void expect_no_more() noexcept {
        const changing scope{point};
        --expected_;
    }
    /// A task is about to begin; `s` is ours until it is taken.
    void add(slot& s) noexcept {
        const hold guard{point.mutex};
        ++expected_;
        s.earlier_ = last_;
        (last_ ? last_->later_ : first_) = &s;
        last_ = &s;
    }
    /// It has ended, with a value or without, or it did not begin.
    void ended(slot& s) noexcept {
        const bool has_value = s.value.has_value();
        {
            const changing scope{point};
            --expected_;
            if (has_value) {
                (last_ended_ ? last_ended_->next_ended_ : first_ended_) = &s;
                last_ended_ = &s;
                s.is_there_ = true;
            } else {
                unlink(s);
            }
        }
        if (!has_value) delete &s;
    }

    // --- taking -----------------------------------------------------------------------------------------------------

    // Under the lock.
    bool has_news() const noexcept { return first_ended_ || expected_ == 0; }
    /// The value that came first, granted; null: nothing will come.
    slot* grant() noexcept {
        slot* const s = first_ended_;
        if (!s) return nullptr;
        first_ended_ = std::exchange(s->next_ended_, nullptr);
        if (!first_ended_) last_ended_ = nullptr;
        s->is_there_ = false;
        return s;
    }

    // Of what was granted (R2).
    std::unique_ptr<slot> take(slot& granted) noexcept {
        const hold guard{point.mutex};
        return std::unique_ptr<slot>{unlink(granted)};
    }
    void give_back(slot& granted) noexcept {
        const changing scope{point};
        granted.next_ended_ = first_ended_;
        first_ended_ = &granted;
        if (!last_ended_) last_ended_ = &granted;
        granted.is_there_ = true;
    }

    /// What is there, in the order of the starts.
    std::vector<T> take_all() {
        std::vector<T> values;
        values.reserve(how_many_are_there());
        chain all;
        {
            const hold guard{point.mutex};
            for (slot* s = first_; s;) {
                slot& one = *s;
                s = s->later_;
                if (one.is_there_) all.push(*unlink(one));
            }
            first_ended_ = last_ended_ = nullptr;
        }
        for (slot* s = all.first; s; s = s->later_) values.push_back(std::move(*s->value));
        return values;
    }

    mutable point_core point;  // its lock guards everything here

private:
    // Slots that are nobody else's.
    struct chain {
        chain() noexcept = default;
        chain(const chain&) = delete;
        chain& operator=(const chain&) = delete;
        ~chain() {
            while (first) delete std::exchange(first, first->later_);
        }
        void push(slot& s) noexcept {
            (last ? last->later_ : first) = &s;
            last = &s;
        }
        slot* first = nullptr;
        slot* last = nullptr;
    };

    std::size_t how_many_are_there() const noexcept {
        const hold guard{point.mutex};
        std::size_t n = 0;
        for (const slot* s = first_ended_; s; s = s->next_ended_) ++n;
        return n;
    }
    slot* unlink(slot& s) noexcept {
        (s.earlier_ ? s.earlier_->later_ : first_) = s.later_;
        (s.later_ ? s.later_->earlier_ : last_) = s.earlier_;
        s.earlier_ = s.later_ = nullptr;
        return &s;
    }

    std::size_t expected_ = 0;
    slot* first_ = nullptr;
    slot* last_ = nullptr;
    slot* first_ended_ = nullptr;
    slot* last_ended_ = nullptr;
};

}  // namespace sluice::detail
