// SPDX-License-Identifier: BSL-1.0
// fan_in.hpp: how do the values of many channels get into one, when channels may come and go?
//
// N1  A task for each input passes its values on: one that gives none, or whose values wait for room, delays nobody.
// N2  Inputs are known by number, in a table. A new one is told to the joiner, which starts its task: all of them belong
//     to whoever made the stage, wherever the input comes from.
// N3  Each input has a context that ends when it is removed: its task then takes no more, and passes on what it has.
// N4  When the output has closed the table is emptied and stays so, and each input in it, or that still comes, is cancelled.
#pragma once

#include <map>

#include "stage.hpp"

namespace sluice::detail {

template <class T>
class merge_table {
public:
    using id = std::uint64_t;

    struct input {
        receiver<T> from;
        context_source until_removed;
    };

    id add(const receiver<T>& from) {
        input fresh{from, with_cancel({})};
        id number = 0;
        {
            const hold guard{mutex_};
            number = ++last_;
            if (!ended_) inputs_.emplace(number, std::move(fresh));
        }
        if (!added_.try_send(number)) {  // closed
            remove(number);
            from.cancel();
        }
        return number;
    }
    /// N3
    bool remove(id number) noexcept {
        typename std::map<id, input>::node_type gone;
        {
            const hold guard{mutex_};
            gone = inputs_.extract(number);
        }
        return !gone.empty();  // its source cancels, without the lock
    }
    bool find(id number, receiver<T>& from, context& until) const noexcept {
        const hold guard{mutex_};
        const auto at = inputs_.find(number);
        if (at == inputs_.end()) return false;
        from = at->second.from;
        until = at->second.until_removed.get();
        return true;
    }
    std::size_t size() const noexcept {
        const hold guard{mutex_};
        return inputs_.size();
    }
    /// N4
    void cancel() noexcept {
        std::map<id, input> all;
        {
            const hold guard{mutex_};
            ended_ = true;
            all.swap(inputs_);
        }
        added_.close();
        for (auto& [number, in] : all) in.from.cancel();
    }

    /// The numbers of new inputs; closed: there will be no more.
    const channel<id>& added() const noexcept { return added_; }

private:
    mutable lock mutex_;
    std::map<id, input> inputs_;
    id last_ = 0;
    bool ended_ = false;
    const channel<id> added_{unbounded};
};

/// For stage_stop.
template <class T>
struct merge_inputs {
    void cancel() const noexcept { table->cancel(); }
    std::shared_ptr<merge_table<T>> table;
};

template <class T>
class fan_in_work {
public:
    static constexpr std::size_t most_in_hand = 16;

    fan_in_work(std::shared_ptr<merge_table<T>> table, sender<T> out)
        : table_{std::move(table)}, out_{std::move(out)} {}

    task<> run(errgroup& all) {
        for (;;) {
            auto number = co_await table_->added().async_receive();
            if (!number) co_return;
            all.go(pass_on, std::ref(*this), std::ref(all), *number);
        }
    }

    stage_errors errors;

private:
    using id = typename merge_table<T>::id;

    static task<> pass_on(fan_in_work& w, errgroup& all, id number) {
        try {
            receiver<T> from;
            context until;
            if (!w.table_->find(number, from, until)) co_return;
            co_await w.pass_values(std::move(from), std::move(until));
            w.table_->remove(number);
        } catch (...) {
            w.errors.fail(all, std::current_exception());
        }
    }

    task<> pass_values(receiver<T> from, context until) {
        for (;;) {
            if constexpr (std::is_void_v<T>) {
                auto signal = co_await from.async_receive(until);
                if (!signal) {
                    if (signal.error()) std::rethrow_exception(signal.error());
                    co_return;
                }
                const auto passed = co_await out_.async_send();
                if (!passed) co_return;
            } else {
                auto values = co_await from.async_receive_some(most_in_hand, until);
                if (values.empty()) {
                    if (until.done()) co_return;  // N3
                    const auto end = from.try_receive();
                    if (end.error()) std::rethrow_exception(end.error());
                    co_return;
                }
                const std::size_t count = values.size();
                const std::size_t passed = co_await out_.async_send_all(std::move(values));
                if (passed < count) co_return;
            }
        }
    }

    const std::shared_ptr<merge_table<T>> table_;
    sender<T> out_;
};

}  // namespace sluice::detail
