// SPDX-License-Identifier: BSL-1.0
// errors.cpp: five files are loaded, two of them broken; five ways to deal with that, side by side.
//
// Notice: the function that loads is the same each time. Who calls it decides whether an error is a value, ends the whole, is
// one of many, or an event among others. Nothing is still under way afterwards in any of them. The times are simulated.
#include <sluice/channel.hpp>
#include <sluice/errgroup.hpp>
#include <sluice/testing.hpp>
#include <sluice/wait_group.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using sluice::task;

struct file {
    const char* name;
    std::chrono::milliseconds takes;
    int rows;  // 0: it is broken
};
const std::vector<file> files{
    {"ants", 20ms, 7}, {"bees", 40ms, 0}, {"cats", 50ms, 4}, {"dogs", 10ms, 0}, {"eels", 30ms, 9}};

task<int> load(file f) {
    co_await sluice::sleep_for(f.takes);
    if (f.rows == 0) throw std::runtime_error{f.name + std::string{" is broken"}};
    co_return f.rows;
}

// An error is a result: each call says what came of it, and the type keeps anybody from overlooking that.
using loaded = std::variant<int, std::string>;

task<loaded> try_load(file f) {
    try {
        co_return co_await load(f);
    } catch (const std::runtime_error& e) {
        co_return e.what();
    }
}
std::string text_of(const file& f, const loaded& one) {
    const int* const rows = std::get_if<int>(&one);
    return rows ? std::to_string(*rows) + " " + f.name : std::get<std::string>(one);
}
task<> as_values() {
    for (const auto& f : files) {
        const loaded one = co_await try_load(f);
        std::printf("  %s\n", text_of(f, one).c_str());
    }
}

// An error ends the whole: what comes after it is not begun.
task<> as_exceptions() {
    int rows = 0;
    for (const auto& f : files) rows += co_await load(f);
    std::printf("  %d rows\n", rows);  // not reached
}

// The same for what runs at the same time: the first error in time cancels the others, and is thrown when they have ended.
task<> the_first_error() {
    sluice::errgroup all;
    for (const auto& f : files) all.go(load, f);
    co_await all.async_wait();
}

// All go on to their end, and all errors are gathered.
task<> all_errors() {
    const sluice::channel<std::exception_ptr> errors{sluice::unbounded};
    sluice::wait_group all;
    all.on_exception([errors](std::exception_ptr e) { static_cast<void>(errors.try_send(e)); });
    for (const auto& f : files) all.go(load, f);
    try {
        co_await all.async_wait();
    } catch (const std::runtime_error& first) {
        std::printf("  %d errors, the first: %s\n", static_cast<int>(errors.size()), first.what());
    }
}

// Errors travel with the results, to whoever looks at them while the work goes on.
using event = std::pair<file, loaded>;
task<> tell(file f, sluice::sender<event> to) {
    loaded what = co_await try_load(f);
    static_cast<void>(co_await to.async_send(event{f, std::move(what)}));
}
task<> as_events() {
    auto [out, events] = sluice::make_channel<event>(0);
    sluice::wait_group all;
    for (const auto& f : files) all.go(tell, f, out);
    out = {};  // the last of them to end closes the channel
    for (auto e = co_await events.async_receive(); e; e = co_await events.async_receive())
        std::printf("  %d ms, %s\n", static_cast<int>(e->first.takes / 1ms), text_of(e->first, e->second).c_str());
    co_await all.async_wait();
}

task<> show(const char* what, task<> way) {
    std::printf("%s:\n", what);
    const auto began = sluice::clock::now();
    try {
        co_await std::move(way);
    } catch (const std::runtime_error& e) {
        std::printf("  threw: %s\n", e.what());
    }
    std::printf("  after %d ms\n", static_cast<int>((sluice::clock::now() - began) / 1ms));
}

task<> main_task() {
    co_await show("Errors as values", as_values());
    co_await show("Errors as exceptions", as_exceptions());
    co_await show("The first error", the_first_error());
    co_await show("All errors", all_errors());
    co_await show("Errors as events", as_events());
}

int main() { sluice::testing::simulate({}, main_task).value(); }
