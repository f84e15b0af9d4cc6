// SPDX-License-Identifier: BSL-1.0
// main.cpp: a hotel whose desk takes commands, and whose screens show models that follow the events.
//
// Notice: the turnover is worked out so slowly that it misses events. It is told how many, reads them from the store, and
// comes to the same as a model that is made from all events at once. Times are virtual.
#include <sluice/runtime.hpp>
#include <sluice/testing.hpp>
#include <sluice/timer.hpp>

#include <algorithm>
#include <cstdio>

#include "desk.hpp"
#include "models.hpp"
#include "projection.hpp"

using namespace std::chrono_literals;
using namespace cqrs;

// The turnover by somebody who needs a second for each event.
struct slow_turnover {
    turnover all;
    sluice::task<> apply(const event& e) {
        co_await sluice::sleep_for(1s);
        co_await all.apply(e);
    }
};

struct step {
    const char* what;
    command c;
};
std::vector<step> a_day() {
    return {{"Ada books room 1, nights 10 to 12", book_room{"A", 1, "Ada", 10, 3}},
            {"Bob books room 1, nights 12 to 13", book_room{"B", 1, "Bob", 12, 2}},
            {"Bob books room 2, nights 12 to 13", book_room{"B", 2, "Bob", 12, 2}},
            {"Eve books room 3, night 12", book_room{"E", 3, "Eve", 12, 1}},
            {"Eve cancels", cancel_booking{"E", 3}},
            {"Eve cancels again", cancel_booking{"E", 3}},
            {"Ada checks out", check_out{"A", 1}}};
}

// Gives the position of the event, or 0.
sluice::task<std::int64_t> say(desk& to, const step& s) {
    std::int64_t position = 0;
    std::string answer;
    try {
        position = co_await to.handle(s.c);
        answer = "event " + std::to_string(position);
    } catch (const refused& no) {
        answer = std::string{"refused: "} + no.what();
    }
    std::printf("%-34s %s\n", s.what, answer.c_str());
    co_return position;
}

sluice::task<> show(projection<occupancy>& screen, int room, int night) {
    const auto guest = [room, night](const occupancy& o) { return o.guest(room, night).value_or("nobody"); };
    const std::string who = co_await screen.read(guest);
    std::printf("  room %d, night %d: %s\n", room, night, who.c_str());
}

void print(const char* which, const turnover& t) {
    std::printf("%s: booked %d, cancelled %d, paid %d, open %d\n", which, t.booked, t.cancelled, t.paid,
                t.still_open());
}

sluice::task<> hotel() {
    event_store store{":memory:"};
    sluice::broadcast<recorded> events;
    desk front{store, events};
    projection<occupancy> screen{store, events, 16};
    projection<slow_turnover> office{store, events, 2};
    auto following = sluice::go([&screen] { return screen.run(); });
    auto working_out = sluice::go([&office] { return office.run(); });

    std::int64_t last = 0;
    for (const step& s : a_day()) last = std::max(last, co_await say(front, s));

    co_await screen.reached(last);
    for (int room = 1; room <= 3; ++room) co_await show(screen, room, 12);

    co_await office.reached(last);
    const turnover followed = co_await office.read([](const slow_turnover& s) { return s.all; });
    print("the turnover, followed", followed);
    std::printf("  after %lld events that were missed and read from the store\n",
                static_cast<long long>(office.missed()));
    const turnover from_all = co_await rebuilt<turnover>(store);
    print("the turnover, rebuilt ", from_all);

    events.close();
    co_await following;
    co_await working_out;
}

int main() { sluice::testing::simulate({}, hotel).value(); }
