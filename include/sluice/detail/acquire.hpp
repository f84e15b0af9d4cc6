// SPDX-License-Identifier: BSL-1.0
// acquire.hpp: how does a queue of requests for permits move?
//
// A1  free + taken = permits (after a reduction `free` may owe: `debt` is withheld from what is given back).
// A2  The queue is granted from its front while the front fits, and no further: looking past it would starve large
//     requests. Nobody takes permits while a live request is queued.
// A3  A request for more than `permits` is not queued; it ends with its context, or when the permits are raised.
// A4  Permits that were granted to an operation belong to it until result(): if nobody takes the result, because the
//     frame has been destroyed, they go back with the operation.
#pragma once

#include "await.hpp"
#include "block.hpp"
#include "expect.hpp"

namespace sluice::detail {

class acquire_node : public wait_node {
public:
    std::size_t wants = 0;
    bool granted = false;  // A4
};

class permit_core {
public:
    explicit permit_core(std::size_t permits) noexcept : permits_{permits}, free_{permits} {}

    void release(std::size_t n, place at) {
        wake_chain woken;
        {
            const hold guard{mutex};
            SLUICE_EXPECT_AT(n <= permits_ + debt_ - free_, "more permits released than are taken", at);
            const std::size_t withheld = std::min(n, debt_);
            debt_ -= withheld;
            free_ += n - withheld;
            grant(woken);
        }
        woken.wake_all();
    }

    void set_permits(std::size_t permits) {
        wake_chain woken;
        {
            const hold guard{mutex};
            const std::size_t taken = permits_ + debt_ - free_;
            permits_ = permits;
            free_ = permits > taken ? permits - taken : 0;
            debt_ = taken > permits ? taken - permits : 0;
            while (too_large_.front()) move_to_queue(*too_large_.front());
            grant(woken);
        }
        woken.wake_all();
    }

    // Under the lock.
    bool try_take(std::size_t n) noexcept {
        while (wait_node* front = queue_.front()) {
            if (is_waiting(*front)) return false;  // A2
            wait_list::unlink(*front);
        }
        if (n > free_) return false;
        free_ -= n;
        return true;
    }
    void enlist(acquire_node& n) noexcept { n.wants <= permits_ ? queue_.push_back(n) : too_large_.push_back(n); }
    void leave(acquire_node& n, wake_chain& woken) noexcept {
        if (n.is_linked()) wait_list::unlink(n);
        grant(woken);  // the next one may fit now, whoever dropped the node
    }

    std::size_t available() const noexcept {
        const hold guard{mutex};
        return free_;
    }
    std::size_t waiting() const noexcept {
        const hold guard{mutex};
        return queue_.size() + too_large_.size();
    }

    mutable lock mutex;

private:
    static bool is_waiting(const wait_node& n) noexcept {
        return n.who->word() == claim::with_state(n.turn, claim::waiting);
    }
    void move_to_queue(wait_node& n) noexcept {
        wait_list::unlink(n);
        queue_.push_back(n);
    }
    void grant(wake_chain& woken) noexcept {
        while (wait_node* front = queue_.front()) {
            auto& request = static_cast<acquire_node&>(*front);
            if (is_waiting(request) && request.wants > permits_) {  // the permits were reduced meanwhile
                wait_list::unlink(request);
                too_large_.push_back(request);
                continue;
            }
            if (request.wants > free_ && is_waiting(request)) return;
            wait_list::unlink(request);
            if (!request.who->try_claim(request.turn)) continue;
            free_ -= request.wants;
            request.granted = true;
            woken.push(*request.who);
        }
    }

    std::size_t permits_;
    std::size_t free_;
    std::size_t debt_ = 0;
    wait_list queue_;
    wait_list too_large_;
};

class acquire_operation : public acquire_node, public awaitable_tag {
public:
    acquire_operation(permit_core& of, std::size_t n, place at) noexcept : where{at}, of_{&of} { wants = n; }
    acquire_operation(acquire_operation&&) = default;
    ~acquire_operation() {
        if (granted) of_->release(wants, where);
    }

    lock* guard() noexcept { return &of_->mutex; }
    bool looks_ready() const noexcept { return true; }
    bool try_commit(wake_chain&) noexcept { return granted = of_->try_take(wants); }
    void enlist(waiter& w, ticket t) noexcept {
        who = &w;
        turn = t;
        of_->enlist(*this);
    }
    void delist(wake_chain& woken) noexcept { of_->leave(*this, woken); }
    bool result() noexcept {
        granted = false;
        return true;
    }
    bool ended_by(status) const noexcept { return false; }
    wait_kind kind() const noexcept { return wait_kind::permit; }
    const void* object() const noexcept { return of_; }
    auto for_task(task_state& self) noexcept { return task_awaiter<acquire_operation>{*this, self}; }

    place where;

private:
    permit_core* of_;
};

}  // namespace sluice::detail
