// SPDX-License-Identifier: BSL-1.0
// delete_queue.hpp: how do many single deletes become few transactions?
//
// Deleting tasks send their requests into a channel. One thread takes whatever waits there, deletes it in one
// transaction and answers when that is committed; requests that come meanwhile make up the next transaction. So a
// lone delete is answered at once, and the more there are in flight the fewer commits each of them costs.
//
// To wake a task from another thread costs a hundred times what it costs from a task beside it. So the thread wakes
// one task of a transaction and hands it the answers of all the others to pass on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <sluice/channel.hpp>
#include <sluice/task.hpp>

#include "item.hpp"
#include "store_error.hpp"

namespace scavenger {

/// Thread safety: `remove` from any task; construction and destruction must be alone.
class delete_queue {
public:
    /// Opens a connection for the writer and starts its thread.
    delete_queue(const std::string& file, const std::string& table);

    /// Commits what was accepted, then ends the thread.
    ~delete_queue();

    delete_queue(const delete_queue&) = delete;
    delete_queue& operator=(const delete_queue&) = delete;

    /// Deletes the entry if it is unchanged; see `store::remove`. A cancelled call may still delete.
    sluice::task<> remove(item target);

private:
    class writer;
    struct failure {
        error_class kind;
        std::string message;
    };
    using answer = std::optional<failure>;  // none: deleted
    struct others {                         // waiting for their answers, which they get when this goes
        virtual ~others() = default;
    };
    struct reply {
        answer own;
        std::unique_ptr<others> rest;
    };
    struct request {
        item target;
        sluice::channel<reply> answer_to;  // owned by both sides, so that either may leave first
    };
    class rest_of_batch;

    sluice::channel<request> requests_;
    std::thread thread_;
};

}  // namespace scavenger
