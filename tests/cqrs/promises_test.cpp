// SPDX-License-Identifier: BSL-1.0
// promises_test.cpp: do the models show what has happened, wholly, all of it, and nothing else?

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <vector>

#include <sluice/errgroup.hpp>
#include <sluice/gtest.hpp>
#include <sluice/timer.hpp>

#include "desk.hpp"
#include "models.hpp"
#include "projection.hpp"

namespace {

using namespace std::chrono_literals;
using cqrs::desk;
using cqrs::event;
using cqrs::event_store;
using cqrs::occupancy;
using cqrs::projection;
using cqrs::recorded;
using cqrs::room_booked;
using cqrs::turnover;
using sluice::task;
using events = sluice::broadcast<recorded>;
const sluice::testing::exploration_options some_runs{.runs = 300};

// Applies an event in steps, between which others run; `sum` is that of `prices` except in the midst of it.
struct stepwise {
    std::vector<std::string> bookings;
    std::vector<int> prices;
    int sum = 0;

    task<> apply(const event& e) {
        const auto* const b = std::get_if<room_booked>(&e);
        if (!b) co_return;
        bookings.push_back(b->booking);
        co_await sluice::yield();
        prices.push_back(b->price);
        co_await sluice::sleep_for(std::chrono::milliseconds{sluice::testing::choose(3)});
        sum += b->price;
    }
    bool is_whole() const {
        return bookings.size() == prices.size() && std::accumulate(prices.begin(), prices.end(), 0) == sum;
    }
    bool operator==(const stepwise&) const = default;
};

cqrs::command nth_booking(int n) {
    return cqrs::book_room{"B" + std::to_string(n), n % 3, "guest " + std::to_string(n), n, 1 + n % 2};
}
task<int> book(desk& front, int from, int count) {
    int done = 0;
    for (int n = from; n < from + count; ++n) {
        const cqrs::command c = nth_booking(n);
        try {
            const auto position = co_await front.handle(c);
            EXPECT_GT(position, 0);
            ++done;
        } catch (const cqrs::refused&) {}
    }
    co_return done;
}
std::vector<recorded> all_of(const event_store& store) { return store.after(0, 1000); }
std::vector<std::string> bookings_of(const event_store& store) {
    std::vector<std::string> all;
    for (const recorded& r : all_of(store))
        if (const auto* const b = std::get_if<room_booked>(&r.what)) all.push_back(b->booking);
    return all;
}

TEST(Hotel, AReaderNeverSeesAHalfAppliedEvent) {
    const auto program = []() -> task<> {
        event_store store{":memory:"};
        events told;
        desk front{store, told};
        projection<stepwise> model{store, told, 2};
        auto following = sluice::go([&model] { return model.run(); });
        const auto look = [&model]() -> task<> {
            for (int i = 0; i < 10; ++i) {
                const bool whole = co_await model.read([](const stepwise& s) { return s.is_whole(); });
                EXPECT_TRUE(whole);
                co_await sluice::yield();
            }
        };
        auto one = sluice::go(look);
        auto other = sluice::go(look);
        co_await book(front, 0, 5);
        co_await one;
        co_await other;
        told.close();
        co_await following;
    };
    EXPECT_SIMULATED(some_runs, program);
}

TEST(Hotel, AModelThatLagsIsToldAndCatchesUp) {
    const auto program = []() -> task<> {
        event_store store{":memory:"};
        events told;
        desk front{store, told};
        projection<stepwise> slow{store, told, 1};
        auto following = sluice::go([&slow] { return slow.run(); });
        const int booked = co_await book(front, 0, 8);
        const auto last = static_cast<std::int64_t>(booked);
        EXPECT_TRUE(co_await slow.reached(last));
        const std::vector<std::string> seen = co_await slow.read([](const stepwise& s) { return s.bookings; });
        EXPECT_EQ(seen, bookings_of(store));  // each once, in order
        told.close();
        co_await following;
        EXPECT_LE(slow.missed(), last);
    };
    EXPECT_SIMULATED(some_runs, program);
}

// So slow that there is no other way.
SIMULATED_TEST(Hotel, AModelIsToldHowManyItMissed, {.runs = 100}) {
    struct very_slow {
        int count = 0;
        task<> apply(const event&) {
            co_await sluice::sleep_for(1h);
            ++count;
        }
    };
    event_store store{":memory:"};
    events told;
    desk front{store, told};
    projection<very_slow> slow{store, told, 1};
    auto following = sluice::go([&slow] { return slow.run(); });
    co_await sluice::sleep_for(1s);  // it has found an empty store
    const int booked = co_await book(front, 0, 6);
    EXPECT_TRUE(co_await slow.reached(booked));
    // The first one came, or was replaced already; the last one was buffered.
    EXPECT_GE(slow.missed(), booked - 2);
    EXPECT_LE(slow.missed(), booked - 1);
    EXPECT_EQ(slow.catch_ups(), 2);
    told.close();
    co_await following;
    const int count = co_await slow.read([](const very_slow& s) { return s.count; });
    EXPECT_EQ(count, booked);
}

// A model that came at the beginning, one that came in the middle, and one that is made at the end are the same.
TEST(Hotel, ModelsAreRebuiltFromTheEvents) {
    const auto program = []() -> task<> {
        event_store store{":memory:"};
        events told;
        desk front{store, told};
        projection<turnover> first{store, told, 1};
        auto following = sluice::go([&first] { return first.run(); });
        auto booking = sluice::go([&front] { return book(front, 0, 4); });
        co_await book(front, 10, 3);
        projection<turnover> second{store, told, 4};
        auto following_too = sluice::go([&second] { return second.run(); });
        co_await booking;
        for (const auto& r : all_of(store)) {
            const auto* const b = std::get_if<room_booked>(&r.what);
            if (!b) continue;
            cqrs::command c = cqrs::check_out{b->booking, b->room};
            if (r.position % 2 == 0) c = cqrs::cancel_booking{b->booking, b->room};
            co_await front.handle(c);
        }
        told.close();
        co_await following;
        co_await following_too;
        const turnover end = co_await cqrs::rebuilt<turnover>(store);
        EXPECT_EQ(end.booked, end.cancelled + end.paid);
        const turnover seen = co_await first.read([](const turnover& t) { return t; });
        const turnover seen_too = co_await second.read([](const turnover& t) { return t; });
        EXPECT_EQ(seen, end);
        EXPECT_EQ(seen_too, end);
    };
    EXPECT_SIMULATED(some_runs, program);
}

TEST(Hotel, TwoGuestsNeverGetOneRoom) {
    const auto program = []() -> task<> {
        event_store store{":memory:"};
        events told;
        desk front{store, told};
        const auto try_to_book = [&front](std::string id) -> task<int> {
            const cqrs::command c = cqrs::book_room{id, 1, id, 10, 2};
            try {
                co_await front.handle(c);
                co_return 1;
            } catch (const cqrs::refused&) {
                co_return 0;
            }
        };
        auto one = sluice::go(try_to_book, "one");
        auto two = sluice::go(try_to_book, "two");
        auto three = sluice::go(try_to_book, "three");
        const int in = co_await one + co_await two + co_await three;
        EXPECT_EQ(in, 1);
        EXPECT_EQ(all_of(store).size(), 1u);
    };
    EXPECT_SIMULATED(some_runs, program);
}

// What is stored is told, though who gave the command has been cancelled; so a model never waits for what it cannot know.
TEST(Hotel, WhatIsStoredIsToldWhoeverIsCancelled) {
    const auto program = []() -> task<> {
        event_store store{":memory:"};
        {
            const sluice::testing::leak_check nothing_is_left;
            events told;
            desk front{store, told};
            auto listening = told.subscribe(sluice::tell_missed, 100);
            std::vector<sluice::join_handle<int>> guests;
            for (int i = 0; i < 3; ++i) guests.push_back(sluice::go([&front, i] { return book(front, 10 * i, 2); }));
            for (auto& g : guests) {
                try {
                    co_await g;
                } catch (const sluice::canceled&) {}
            }
            told.close();
            std::vector<recorded> heard;
            while (auto v = listening.try_receive()) heard.push_back(v->value);
            EXPECT_EQ(heard, all_of(store));
        }
    };
    EXPECT_SIMULATED({.runs = 300, .chaos = {.cancel = 0.05}}, program);
}

SIMULATED_TEST(Hotel, AModelThatFailsIsNotShown, {.runs = 100}) {
    struct failing {
        int half = 0;
        task<> apply(const event&) {
            ++half;
            co_await sluice::yield();
            if (half == 2) throw std::runtime_error{"no more paper"};
        }
    };
    event_store store{":memory:"};
    events told;
    desk front{store, told};
    projection<failing> model{store, told, 8};
    auto following = sluice::go([&model] { return model.run(); });
    co_await book(front, 0, 4);
    std::string what;
    try {
        co_await following;
    } catch (const std::runtime_error& e) {
        what = e.what();
    }
    EXPECT_EQ(what, "no more paper");
    EXPECT_TRUE(co_await model.reached(4));
    bool has_thrown = false;
    try {
        static_cast<void>(co_await model.read([](const failing& f) { return f.half; }));
    } catch (const std::runtime_error&) {
        has_thrown = true;
    }
    EXPECT_TRUE(has_thrown);
}

// In a file, with threads.
TEST(Hotel, TheStoreIsThereAgainAfterwards) {
    const auto file =
        (std::filesystem::temp_directory_path() / ("sluice_cqrs_" + std::to_string(getpid()) + ".db")).string();
    std::filesystem::remove(file);
    int booked = 0;
    {
        event_store store{file};
        events told;
        desk front{store, told};
        booked = sluice::run(book, std::ref(front), 0, 20);
    }
    event_store store{file};
    EXPECT_EQ(all_of(store).size(), static_cast<std::size_t>(booked));
    EXPECT_EQ(all_of(store).back().position, booked);
    const occupancy rooms = sluice::run(cqrs::rebuilt<occupancy>(store));
    EXPECT_EQ(rooms.guest(0, 0), "guest 0");
    EXPECT_EQ(rooms.guest(0, 2), std::nullopt);
    EXPECT_THROW(store.append("room 0", 0, cqrs::booking_cancelled{"B0", 0}), cqrs::conflict);
    std::filesystem::remove(file);
}

}  // namespace
