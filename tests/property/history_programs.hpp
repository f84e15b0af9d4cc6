// SPDX-License-Identifier: BSL-1.0
// history_programs.hpp: what do several processes do with two channels, so that their history is worth a check?
//
// A program is random, its seed tells it all: who calls what, and how long he spins before. When things happen is up
// to the machine. Waits that nobody would end are ended by a helper, whose operations are part of the history: he does
// one thing more whenever nobody has got on for a while, at last closes all, and receives what is left. Before he does,
// he notes whether all the others are seen to wait.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <sluice/runtime.hpp>

#include "../support/random_numbers.hpp"
#include "channel_histories.hpp"

namespace sluice_test::histories {

struct program_options {
    std::vector<std::size_t> capacities{0, 1, 2};  // each channel has one of these
    bool selects = true;
    std::size_t processes = 4;
    std::size_t operations = 8;  // each
};

struct program {
    std::uint64_t seed;
    std::vector<std::size_t> capacities;
    std::vector<std::vector<operation>> processes;
    std::size_t stops = 0;  // how many are named

    program(std::uint64_t s, const program_options& o) : seed{s}, random_{s} {
        for (int ch = 0; ch < 2; ++ch)
            capacities.push_back(o.capacities[random_.below(static_cast<unsigned>(o.capacities.size()))]);
        processes.resize(o.processes);
        for (auto& mine : processes)
            for (std::size_t i = 0; i < o.operations; ++i) mine.push_back(some_operation(o));
        std::size_t id = 0;
        for (auto& mine : processes)
            for (auto& op : mine) {
                if (op.what == verb::stop) op = some_stop(op.spins);  // only now is it known which stops there are
                if (op.what == verb::wait) op.id = id++;
            }
    }

private:
    operation some_operation(const program_options& o) {
        operation op;
        op.spins = random_.below(2) ? 0 : random_.below(400);
        const unsigned dice = random_.below(100);
        if (dice < 2) op.what = verb::close;
        else if (dice < 9) op.what = verb::stop;
        if (op.what == verb::close) op.channel = random_.below(2);
        if (op.what != verb::wait) return op;

        op.cases.push_back(some_case());
        if (o.selects && random_.below(3) == 0) {
            auto other = some_case();
            if (other.channel == op.cases[0].channel && other.what == op.cases[0].what) other.channel ^= 1;
            op.cases.push_back(other);
        }
        const unsigned ending = random_.below(100);
        if (ending < 25) {
            op.how_long = patience::none;
        } else if (ending < 40) {
            op.how_long = patience::limited;
            op.microseconds = random_.below(40);
        } else if (ending < 65) {
            op.stop = stops++;
        }
        return op;
    }
    channel_case some_case() {
        if (random_.below(2)) return {end::receive, random_.below(2), 0};
        return {end::send, random_.below(2), ++last_value_};
    }
    operation some_stop(unsigned spins) {
        operation op;
        op.spins = spins;
        if (stops == 0) {
            op.cases.push_back({end::receive, 0, 0});
            op.how_long = patience::none;
        } else {
            op.what = verb::stop;
            op.stop = random_.below(static_cast<unsigned>(stops));
        }
        return op;
    }

    random_numbers random_;
    int last_value_ = 0;
};

/// Runs a program on a `Subject`, whose channels may be anybody's:
///     result perform(const operation&)                 blocks the thread
///     task<result> perform_in_task(const operation&)   for processes that are tasks
///     std::size_t entries()                            how many cases of waits stand in queues now
template <class Subject>
class history_run {
public:
    history_run(const program& p, Subject& subject)
        : program_{p}, subject_{subject}, log_{p.processes.size() + 1}, random_{~p.seed}, at_(p.processes.size()) {}

    /// The first `threads` processes are threads, the others tasks of `rt`.
    history by(std::size_t threads, sluice::runtime* rt) {
        const auto count = program_.processes.size();
        running_ = count;
        std::vector<sluice::join_handle<void>> tasks;
        std::vector<std::jthread> blocking;
        for (std::size_t i = threads; i < count; ++i) tasks.push_back(rt->go(run_in_task, std::ref(*this), i));
        for (std::size_t i = 0; i < threads; ++i)
            blocking.emplace_back([this, i, threads] {
                arrived_.fetch_add(1);
                while (arrived_.load() < threads) std::this_thread::yield();
                run(i);
            });
        help();
        blocking.clear();
        for (auto& t : tasks) t.get();
        history all = log_.history();
        mark_stopped(all);
        return all;
    }

private:
    void run(std::size_t process) {
        auto& log = log_.by(process);
        for (const auto& op : program_.processes[process]) {
            spin(op.spins);
            if (op.spins % 4 == 3) std::this_thread::yield();
            begins(process, op);
            log.calls(op);
            log.returns(subject_.perform(op));
            ends(process);
        }
        at_[process] = &finished_;
        --running_;
    }
    static sluice::task<void> run_in_task(history_run& me, std::size_t process) {
        auto& log = me.log_.by(process);
        for (const auto& op : me.program_.processes[process]) {
            spin(op.spins);
            if (op.spins % 4 == 3) co_await sluice::yield();
            me.begins(process, op);
            log.calls(op);
            log.returns(co_await me.subject_.perform_in_task(op));
            me.ends(process);
        }
        me.at_[process] = &me.finished_;
        --me.running_;
    }
    void begins(std::size_t process, const operation& op) {
        if (op.what == verb::stop) stops_called_ |= std::uint64_t{1} << *op.stop;
        if (op.what == verb::wait && op.how_long == patience::endless) at_[process] = &op;
    }
    void ends(std::size_t process) {
        at_[process] = nullptr;
        ++progress_;
    }
    static void spin(unsigned times) {
        static std::atomic<unsigned> nothing{0};
        for (unsigned i = 0; i < times; ++i) static_cast<void>(nothing.load());
    }

    // --- the helper --------------------------------------------------------------------------------------------------

    void help() {
        const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes{2};
        for (unsigned helped = 0; running_ != 0;) {
            const auto before = progress_.load();
            for (int i = 0; i < 40 && progress_ == before && running_ != 0; ++i) std::this_thread::yield();
            if (progress_ != before || running_ == 0) continue;
            look_whether_all_wait();
            ++helped;
            if (helped < 24) perform(something_helpful());
            else if (helped == 24) close_all();
            else if (std::chrono::steady_clock::now() > limit) give_up();
        }
        close_all();
        for (std::size_t ch = 0; ch < program_.capacities.size(); ++ch)
            while (perform({.cases = {{end::receive, ch, 0}}, .how_long = patience::none}).why == status::ok) {}
    }

    // If every process has ended or waits, and stands in the queues with all cases of its wait, that is worth a note. A
    // wait that a stop or the time may have ended stands there until its process runs again, so it is not counted on.
    void look_whether_all_wait() {
        operation quiet{.what = verb::quiet};
        std::size_t cases = 0;
        std::vector<const operation*> at;
        for (const auto& where : at_) {
            const operation* const op = at.emplace_back(where.load());
            if (!op) return;
            if (op == &finished_) continue;
            if (op->stop && stops_called_ >> *op->stop & 1) return;
            cases += op->cases.size();
            quiet.waiting.push_back(*op);
        }
        if (quiet.waiting.empty()) return;
        const auto before = log_.now();
        if (subject_.entries() != cases) return;
        for (std::size_t i = 0; i < at.size(); ++i)
            if (at_[i] != at[i]) return;
        log_.by(at_.size()).observes(std::move(quiet), before, {});
    }

    operation something_helpful() {
        const std::size_t ch = random_.below(2);
        const unsigned dice = random_.below(6);
        if (dice < 2 && program_.stops != 0)
            return {.what = verb::stop, .stop = random_.below(static_cast<unsigned>(program_.stops))};
        if (dice < 4) return {.cases = {{end::send, ch, ++last_value_}}, .how_long = patience::none};
        return {.cases = {{end::receive, ch, 0}}, .how_long = patience::none};
    }
    void close_all() {
        for (std::size_t ch = 0; ch < program_.capacities.size(); ++ch) perform({.what = verb::close, .channel = ch});
    }
    result perform(const operation& op) {
        auto& log = log_.by(program_.processes.size());
        log.calls(op);
        if (op.what == verb::stop) stops_called_ |= std::uint64_t{1} << *op.stop;
        const result r = subject_.perform(op);
        log.returns(r);
        return r;
    }
    [[noreturn]] void give_up() const {
        std::fprintf(stderr, "SLUICE_TEST_SEED=%llu: an operation does not return although all channels are closed\n",
                     static_cast<unsigned long long>(program_.seed));
        std::abort();
    }

    static void mark_stopped(history& all) {
        for (auto& op : all)
            for (const auto& other : all)
                if (op.what.what == verb::wait && op.what.stop && other.what.what == verb::stop &&
                    other.what.stop == op.what.stop && other.returned < op.called)
                    op.what.stopped_before = true;
    }

    const program& program_;
    Subject& subject_;
    recording<operation, result> log_;
    random_numbers random_;
    int last_value_ = 10'000;
    std::atomic<std::size_t> arrived_{0};
    std::atomic<std::size_t> running_{0};
    std::atomic<unsigned> progress_{0};
    std::atomic<std::uint64_t> stops_called_{0};
    const operation finished_{};
    std::vector<std::atomic<const operation*>> at_;  // the endless wait that each process is in; `finished_` at the end
};

/// The seeds to run: the one that the environment's SLUICE_TEST_SEED names, else `count` of them from `first` on.
struct seeds {
    std::uint64_t first;
    std::uint64_t count;

    seeds(std::uint64_t from, std::uint64_t n) : first{from}, count{n} {
        if (const char* const only = std::getenv("SLUICE_TEST_SEED")) {
            first = std::strtoull(only, nullptr, 10);
            count = 1;
        }
    }
};

}  // namespace sluice_test::histories
