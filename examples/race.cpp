// SPDX-License-Identifier: BSL-1.0
// race.cpp: several kinds of runner behind one interface; who finishes first wins.
//
// Notice: the losers are told to stop at the finish, and have left the track when the race returns, whatever they are:
// coroutines or functions that block. The time is a simulated one, so an hour of swimming takes no time to watch.
#include <sluice/race.hpp>
#include <sluice/testing.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

using runner = std::function<sluice::task<std::string>()>;

int on_the_track = 0;

struct track {
    track() { ++on_the_track; }
    ~track() { --on_the_track; }
};

sluice::task<std::string> cyclist() {
    const track here;
    co_await sluice::sleep_for(10min);
    co_return "the cyclist";
}

sluice::task<std::string> swimmer() {
    const track here;
    co_await sluice::sleep_for(1h);
    co_return "the swimmer";
}

// Waits for a train by a call that blocks its thread.
std::string wait_for_a_train() {
    const track here;
    const auto train = sluice::after(30min);
    static_cast<void>(train.receive());
    return "the passenger";
}
sluice::task<std::string> passenger() { co_return co_await sluice::blocking(wait_for_a_train); }

sluice::task<std::string> stumbler() {
    const track here;
    co_await sluice::sleep_for(1min);
    throw std::runtime_error{"stumbled"};
}

sluice::task<> main_task() {
    const std::vector<runner> all{cyclist, swimmer, passenger};
    const std::string first = co_await sluice::race(all);
    std::printf("%s wins; %d still on the track\n", first.c_str(), on_the_track);

    const std::string still = co_await sluice::first_success(stumbler, passenger, swimmer);
    std::printf("%s wins, though one fell; %d still on the track\n", still.c_str(), on_the_track);

    try {
        static_cast<void>(co_await sluice::race(stumbler, cyclist));
    } catch (const std::runtime_error& e) {
        std::printf("a plain race ends with the first who ends: %s; %d still on the track\n", e.what(), on_the_track);
    }
}

int main() {
    auto day = sluice::testing::simulate({}, main_task);
    day.value();
    std::printf("it took %d minutes\n", static_cast<int>(day.elapsed() / 1min));
}
