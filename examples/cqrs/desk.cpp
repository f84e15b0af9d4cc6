// SPDX-License-Identifier: BSL-1.0
#include "desk.hpp"

#include <sluice/runtime.hpp>

#include <algorithm>
#include <map>
#include <optional>

namespace cqrs {
namespace {

constexpr int price_of_a_night = 90;
constexpr int attempts = 5;

// What a decision about a room needs to know, and no more.
struct room {
    std::map<std::string, room_booked> bookings;

    explicit room(const std::vector<event>& history) {
        for (const event& e : history) std::visit([this](const auto& one) { apply(one); }, e);
    }
    void apply(const room_booked& e) { bookings.emplace(e.booking, e); }
    void apply(const booking_cancelled& e) { bookings.erase(e.booking); }
    void apply(const invoice_issued& e) { bookings.erase(e.booking); }

    const room_booked& booking(const std::string& id) const {
        const auto found = bookings.find(id);
        if (found == bookings.end()) throw refused{"there is no booking " + id};
        return found->second;
    }
};

event decide_in(const room& now, const book_room& c) {
    if (c.nights <= 0) throw refused{"a stay has at least one night"};
    if (now.bookings.contains(c.booking)) throw refused{"booking " + c.booking + " is there already"};
    for (const auto& [id, other] : now.bookings)
        if (c.first_night < other.first_night + other.nights && other.first_night < c.first_night + c.nights)
            throw refused{"room " + std::to_string(c.room) + " is taken by " + other.guest};
    return room_booked{c.booking, c.room, c.guest, c.first_night, c.nights, c.nights * price_of_a_night};
}
event decide_in(const room& now, const cancel_booking& c) {
    return booking_cancelled{now.booking(c.booking).booking, c.room};
}
event decide_in(const room& now, const check_out& c) {
    return invoice_issued{c.booking, c.room, now.booking(c.booking).price};
}

}  // namespace

event decide(const std::vector<event>& history, const command& c) {
    return std::visit([now = room{history}](const auto& one) { return decide_in(now, one); }, c);
}

sluice::task<std::int64_t> desk::handle(command c) {
    const std::string stream = "room " + std::to_string(std::visit([](const auto& one) { return one.room; }, c));
    const auto read = [this, &stream] { return store_.of(stream); };
    for (int attempt = 1;; ++attempt) {
        const std::vector<event> history = co_await sluice::blocking(read);
        const event what = decide(history, c);
        try {
            // From here on it happens as a whole: what is stored is told.
            const recorded done = co_await sluice::shielded(record(stream, history.size(), what));
            co_return done.position;
        } catch (const conflict&) {
            if (attempt == attempts) throw;
        }
    }
}

sluice::task<recorded> desk::record(const std::string& stream, std::size_t version, const event& what) {
    const auto turn = co_await recording_.async_lock();
    const auto append = [this, &stream, version, &what] { return store_.append(stream, version, what); };
    const recorded done = co_await sluice::blocking(append);
    static_cast<void>(co_await events_.async_publish(done));  // closed: nobody listens any more
    co_return done;
}

}  // namespace cqrs
