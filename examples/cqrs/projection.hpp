// SPDX-License-Identifier: BSL-1.0
// projection.hpp: how does a model that answers questions follow what happens? The side of the queries.
//
// R1  It applies each event once, in the order of the positions. It listens before it first looks into the store, so nothing
//     falls between the two; what comes twice it knows by its position.
// R2  The broadcast tells it what it missed, and it reads that from the store.
// R3  A reader looks between two events: an event is applied under the lock, and as a whole. When one fails to be, the
//     model is not shown any more.
#pragma once

#include <sluice/broadcast.hpp>
#include <sluice/runtime.hpp>
#include <sluice/selectable.hpp>
#include <sluice/shared_mutex.hpp>
#include <sluice/task.hpp>

#include <exception>

#include "event_store.hpp"

namespace cqrs {

/// Awaits `apply(const recorded&)` with all events behind `position`.
template <class Apply>
sluice::task<> replay(const event_store& from, std::int64_t position, Apply& apply) {
    constexpr int some = 100;
    for (;;) {
        const auto read = [&from, position] { return from.after(position, some); };
        const std::vector<recorded> next = co_await sluice::blocking(read);
        if (next.empty()) co_return;
        for (const recorded& r : next) co_await apply(r);
        position = next.back().position;
    }
}

/// A model made of all events that are stored. A `Model` has `task<> apply(const event&)`.
template <class Model>
sluice::task<Model> rebuilt(const event_store& from) {
    Model model;
    const auto apply = [&model](const recorded& r) { return model.apply(r.what); };
    co_await replay(from, 0, apply);
    co_return model;
}

/// A model that follows what happens. Thread safety: all members from any thread; `run` once.
template <class Model>
class projection {
public:
    /// Buffers `room` events, from now on.
    projection(const event_store& store, sluice::broadcast<recorded>& events, std::size_t room, Model empty = {})
        : store_{store}, in_{events.subscribe(sluice::tell_missed, room)}, model_{std::move(empty)} {}

    /// Follows until the broadcast is closed. Throws what the model or the store throws.
    sluice::task<> run() {
        co_await catch_up();
        for (;;) {
            const auto next = co_await in_.async_receive();
            if (!next) break;
            missed_ += static_cast<std::int64_t>(next->missed);
            if (next->value.position <= position_) continue;
            if (next->value.position == position_ + 1) co_await apply(next->value);
            else co_await catch_up();
        }
        co_await catch_up();  // what was told to nobody any more
    }

    /// What `f(const Model&)` gives, of one moment between two events. Throws what the model failed with.
    template <class F>
    auto read(F f) -> sluice::task<std::invoke_result_t<F&, const Model&>> {
        const auto reading = co_await lock_.async_lock_shared();
        if (broken_) std::rethrow_exception(broken_);
        co_return f(std::as_const(model_));
    }
    /// Waits until the event at `position` has been applied, for those who want to read what they wrote.
    auto reached(std::int64_t position) {
        return changed_.until([this, position]() noexcept { return position_ >= position || broken_; });
    }
    /// How many events the broadcast said it missed, and how often it read from the store.
    std::int64_t missed() const { return missed_; }
    int catch_ups() const { return catch_ups_; }

private:
    sluice::task<> catch_up() {
        ++catch_ups_;
        const auto one = [this](const recorded& r) { return apply(r); };
        co_await replay(store_, position_, one);
    }
    sluice::task<> apply(const recorded& r) {
        const auto writing = co_await lock_.async_lock();
        std::exception_ptr error;
        try {
            co_await sluice::shielded(model_.apply(r.what));
        } catch (...) {
            error = std::current_exception();
        }
        changed_.change([&] {
            if (error) broken_ = error;
            else position_ = r.position;
        });
        if (error) std::rethrow_exception(error);
    }

    const event_store& store_;
    sluice::receiver<sluice::with_missed<recorded>> in_;
    sluice::shared_mutex lock_;
    Model model_;  // guarded by lock_
    sluice::wait_point changed_;
    std::int64_t position_ = 0;  // of the last one applied; written by run alone, under changed_, as broken_ is
    std::exception_ptr broken_;
    std::atomic<std::int64_t> missed_ = 0;
    std::atomic<int> catch_ups_ = 0;
};

}  // namespace cqrs
