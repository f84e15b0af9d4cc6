// SPDX-License-Identifier: BSL-1.0
// event.hpp: what can have happened in the hotel?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace cqrs {

/// Days are numbered, amounts are in euros.
struct room_booked {
    std::string booking;
    int room;
    std::string guest;
    int first_night;
    int nights;
    int price;
    bool operator==(const room_booked&) const = default;
};
struct booking_cancelled {
    std::string booking;
    int room;
    bool operator==(const booking_cancelled&) const = default;
};
struct invoice_issued {
    std::string booking;
    int room;
    int amount;
    bool operator==(const invoice_issued&) const = default;
};
using event = std::variant<room_booked, booking_cancelled, invoice_issued>;

/// An event as it is stored: all have a position, 1, 2, 3 and so on without a gap.
struct recorded {
    std::int64_t position = 0;
    event what;
    bool operator==(const recorded&) const = default;
};

/// How it is written down, and read again.
std::string_view name_of(const event& e);
std::string text_of(const event& e);
event event_of(std::string_view name, std::string_view text);

}  // namespace cqrs
