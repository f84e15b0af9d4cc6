// SPDX-License-Identifier: BSL-1.0
// checkpointer.hpp: who carries committed pages from SQLite's log into the table, and who waits for that?
//
// SQLite lets the commit that fills the log do it, and all other deletes wait. Here a thread of its own does it while
// the writer goes on. Only a log that has grown too long in spite of that makes the writer do it himself, for SQLite
// begins a log anew only when all of it has been carried over; little is left to carry then.
#pragma once

#include <mutex>
#include <string>
#include <thread>

#include <sluice/channel.hpp>

#include "sqlite.hpp"

namespace scavenger {

/// Keeps the log of one writing connection short.
///
/// Thread safety: used by the thread that uses the writer's connection.
class checkpointer {
public:
    /// Takes over from SQLite for the commits of `writer`, with a connection of its own to the same `file`.
    checkpointer(const std::string& file, database& writer);
    ~checkpointer();

    checkpointer(const checkpointer&) = delete;
    checkpointer& operator=(const checkpointer&) = delete;

    /// To be called after each commit.
    void committed();

private:
    database& writer_;
    database helper_;
    std::mutex carrying_;  // one of the two at a time
    int asked_at_ = 0;     // length of the log when the helper was last asked
    int helped_at_ = 0;    // and when the writer last did it himself
    sluice::channel<bool> due_{1};
    std::thread thread_;
};

}  // namespace scavenger
