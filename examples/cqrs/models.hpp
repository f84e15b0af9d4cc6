// SPDX-License-Identifier: BSL-1.0
// models.hpp: which questions are asked?
#pragma once

#include <sluice/task.hpp>

#include <map>
#include <optional>
#include <string>

#include "event.hpp"

namespace cqrs {

/// Who sleeps where?
class occupancy {
public:
    sluice::task<> apply(const event& e);
    /// The guest of a room, or none.
    std::optional<std::string> guest(int room, int night) const;
    bool operator==(const occupancy&) const = default;

private:
    std::map<std::string, room_booked> stays_;
    std::map<std::pair<int, int>, std::string> guests_;  // by room and night
};

/// How is business? What was booked was cancelled or paid, or is still open.
struct turnover {
    int booked = 0;
    int cancelled = 0;
    int paid = 0;
    std::map<std::string, int> open;

    sluice::task<> apply(const event& e);
    int still_open() const;
    bool operator==(const turnover&) const = default;
};

}  // namespace cqrs
