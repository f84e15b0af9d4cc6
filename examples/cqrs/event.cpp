// SPDX-License-Identifier: BSL-1.0
#include "event.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace cqrs {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(room_booked, booking, room, guest, first_night, nights, price)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(booking_cancelled, booking, room)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(invoice_issued, booking, room, amount)

namespace {
constexpr std::string_view names[] = {"room booked", "booking cancelled", "invoice issued"};
}

std::string_view name_of(const event& e) { return names[e.index()]; }

std::string text_of(const event& e) {
    return std::visit([](const auto& one) { return nlohmann::json(one).dump(); }, e);
}

event event_of(std::string_view name, std::string_view text) {
    const auto json = nlohmann::json::parse(text);
    if (name == names[0]) return json.get<room_booked>();
    if (name == names[1]) return json.get<booking_cancelled>();
    if (name == names[2]) return json.get<invoice_issued>();
    throw std::runtime_error{"no event is called \"" + std::string{name} + "\""};
}

}  // namespace cqrs
