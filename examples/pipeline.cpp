// SPDX-License-Identifier: BSL-1.0
// pipeline.cpp: Listen, Enrich, Store: a pipeline that is changed by adding a word to it.
//
// Listening takes 10 ms for a message, enriching 30 ms. Notice: the stages are plain functions and coroutines that
// know nothing of each other or of channels. One after the other they take 40 ms for each message; three enrichers
// keep up with the listener. No stage is told when to end: it ends when what stands before it has.
#include <sluice/pipeline.hpp>
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>

#include <fmt/core.h>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

using namespace std::chrono_literals;

sluice::clock::time_point began;

// Gives six messages, one at a time; then none, which is the end.
struct listen {
    sluice::task<std::optional<std::string>> operator()() {
        static const char* const heard[] = {"foo", "bar", "baz", "foo", "bar", "qux"};
        if (next == std::size(heard)) co_return std::nullopt;
        co_await sluice::sleep_for(10ms);
        co_return heard[next++];
    }
    std::size_t next = 0;
};

bool is_not_bar(const std::string& message) { return message != "bar"; }

// Asks a service that knows more.
sluice::task<std::string> enrich(std::string message) {
    co_await sluice::sleep_for(30ms);
    co_return message + " of " + std::to_string(message.size()) + " letters";
}

std::string with_stars(std::string message) { return "* " + std::move(message) + " *"; }

void store(const std::string& message) { fmt::print("{:5} ms  {}\n", (sluice::clock::now() - began) / 1ms, message); }

void title(const char* what) {
    fmt::print("{}\n", what);
    began = sluice::clock::now();
}

sluice::task<> main_task() {
    title("listen, enrich, store");
    co_await (sluice::from(listen{}) | sluice::transform(enrich) | sluice::for_each(store));

    title("with a filter");
    co_await (sluice::from(listen{}) | sluice::filter(is_not_bar) | sluice::transform(enrich) |
              sluice::for_each(store));

    title("with three enrichers");
    co_await (sluice::from(listen{}) | sluice::filter(is_not_bar) | sluice::unordered(3, enrich) |
              sluice::for_each(store));

    title("with stars");  // stages are values: two of them joined are a stage again
    auto decorated = sluice::unordered(3, enrich) | sluice::transform(with_stars);
    auto pipe = sluice::from(listen{}) | sluice::filter(is_not_bar) | decorated | sluice::for_each(store);
    co_await pipe;
}

int main() { sluice::testing::simulate({}, main_task).value(); }
