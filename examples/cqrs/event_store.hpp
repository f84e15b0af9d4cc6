// SPDX-License-Identifier: BSL-1.0
// event_store.hpp: what has happened, in which order?
#pragma once

#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "event.hpp"

struct sqlite3;

namespace cqrs {

/// Somebody else has added to the stream since it was read.
class conflict : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// All events, in a table of SQLite that is only ever added to. Each belongs to a stream, what one decision looks at:
/// here a room.
///
/// Thread safety: all members from any thread. They block: tasks call them by `sluice::blocking`.
/// Exceptions: `std::runtime_error` with what SQLite says; nothing has been added then.
class event_store {
public:
    /// Opens the file, or makes it. ":memory:": in memory.
    explicit event_store(const std::string& file);

    /// Adds an event to a stream that has `version` events. Throws `conflict` if it has more by now.
    recorded append(const std::string& stream, std::size_t version, const event& what);
    /// The events of a stream.
    std::vector<event> of(const std::string& stream) const;
    /// The first `most` events of all streams behind `position`.
    std::vector<recorded> after(std::int64_t position, int most) const;

private:
    struct closer {
        void operator()(sqlite3* handle) const noexcept;
    };
    mutable std::mutex mutex_;
    std::unique_ptr<sqlite3, closer> handle_;
};

}  // namespace cqrs
