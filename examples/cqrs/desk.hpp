// SPDX-License-Identifier: BSL-1.0
// desk.hpp: what may happen next? The side of the commands.
#pragma once

#include <sluice/broadcast.hpp>
#include <sluice/mutex.hpp>
#include <sluice/task.hpp>

#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "event_store.hpp"

namespace cqrs {

struct book_room {
    std::string booking;
    int room;
    std::string guest;
    int first_night;
    int nights;
};
struct cancel_booking {
    std::string booking;
    int room;
};
struct check_out {
    std::string booking;
    int room;
};
using command = std::variant<book_room, cancel_booking, check_out>;

/// What the desk says to a command that cannot be.
class refused : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What comes of a command in a room in which all that has happened. Throws `refused`.
event decide(const std::vector<event>& history, const command& c);

/// Takes commands, and tells all who listen what has happened.
///
/// Thread safety: all members from any thread.
class desk {
public:
    /// Those who listen should not make publishers wait: all commands would.
    desk(event_store& store, sluice::broadcast<recorded>& events) : store_{store}, events_{events} {}

    /// Gives the position of the event, which is stored and on its way to all who listen.
    ///
    /// Throws: `refused`; `conflict` if others were quicker each time. Cancellation: before it is stored; then it is told, too.
    sluice::task<std::int64_t> handle(command c);

private:
    sluice::task<recorded> record(const std::string& stream, std::size_t version, const event& what);

    event_store& store_;
    sluice::broadcast<recorded>& events_;
    sluice::mutex recording_;  // so that events are told in the order in which they are stored
};

}  // namespace cqrs
