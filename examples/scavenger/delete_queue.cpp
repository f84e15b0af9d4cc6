// SPDX-License-Identifier: BSL-1.0
#include "delete_queue.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "checkpointer.hpp"
#include "sqlite.hpp"

namespace scavenger {
namespace {

constexpr std::size_t largest_transaction = 4096;
constexpr int cache_kib = 2048;

}  // namespace

/// The requests of a transaction but the first, with their answers. Whoever lets it go answers them, be it the task
/// that was woken first or, if that was cancelled, the end of its channel.
class delete_queue::rest_of_batch final : public others {
public:
    rest_of_batch(std::vector<request> batch, std::vector<answer> answers)
        : batch_(std::move(batch)), answers_(std::move(answers)) {}
    ~rest_of_batch() override {
        for (std::size_t i = 1; i < batch_.size(); ++i)
            (void)batch_[i].answer_to.try_send(reply{std::move(answers_[i]), nullptr});
    }

private:
    std::vector<request> batch_;
    std::vector<answer> answers_;
};

/// The thread's side: its connection and the statements it repeats.
class delete_queue::writer {
public:
    writer(const std::string& file, const std::string& table)
        : db_(file, open_mode::must_exist, cache_kib),
          begin_(db_, "BEGIN IMMEDIATE"),
          delete_(db_, fmt::format("DELETE FROM {} WHERE WorkerId = ?1 AND StartTime = ?2 "
                                   "AND coalesce(StartExecutionTime, '') = ?3 AND Completed IN (1, '1')",
                                   sql_name(table))),
          commit_(db_, "COMMIT"),
          checkpoints_(file, db_) {}

    /// Serves requests until the channel is closed and empty.
    void serve(sluice::channel<request> requests) {
        for (auto batch = requests.receive_some(largest_transaction); !batch.empty();
             batch = requests.receive_some(largest_transaction)) {
            auto answers = delete_all(batch);
            // Moved out: an answer that nobody fetches must not keep alive the channel that it is in.
            const auto first = std::move(batch.front().answer_to);
            auto own = std::move(answers.front());
            auto rest = std::make_unique<rest_of_batch>(std::move(batch), std::move(answers));
            (void)first.try_send(reply{std::move(own), std::move(rest)});
            checkpoints_.committed();
        }
    }

private:
    std::vector<answer> delete_all(std::vector<request>& batch) {
        // In the order of the keys each page of the tree is visited once.
        std::sort(batch.begin(), batch.end(),
                  [](const request& a, const request& b) { return a.target.id < b.target.id; });
        std::vector<answer> answers(batch.size());
        try {
            begin_.run();
            for (std::size_t i = 0; i < batch.size(); ++i) answers[i] = delete_one(batch[i].target);
            commit_.run();
        } catch (const store_error& error) {
            db_.roll_back();  // whatever was noted before
            answers.assign(batch.size(), failure{error.kind(), error.what()});
        }
        return answers;
    }

    answer delete_one(const item& target) {
        delete_.bind(1, target.id.worker_id);
        delete_.bind(2, target.id.start_time);
        delete_.bind(3, target.start_execution_time);
        try {
            delete_.run();
        } catch (const store_error& error) {
            if (!db_.in_transaction()) throw;  // SQLite gave up the whole transaction, not this statement alone
            return failure{error.kind(), error.what()};
        }
        if (db_.changes() == 0)
            return failure{error_class::condition_failed, "it has changed or gone since it was scanned"};
        return std::nullopt;
    }

    database db_;
    statement begin_;
    statement delete_;
    statement commit_;
    checkpointer checkpoints_;
};

delete_queue::delete_queue(const std::string& file, const std::string& table) : requests_(largest_transaction) {
    auto work = std::make_unique<writer>(file, table);
    thread_ = std::thread{[work = std::move(work), requests = requests_] { work->serve(requests); }};
}

delete_queue::~delete_queue() {
    requests_.close();
    thread_.join();
}

sluice::task<> delete_queue::remove(item target) {
    const sluice::channel<reply> mine{1};
    request wanted{std::move(target), mine};
    // The channel closes only when the store is destroyed, and that outlives its requests.
    (void)co_await requests_.async_send(std::move(wanted));
    auto received = co_await mine.async_receive();
    received->rest.reset();
    if (const answer& own = received->own) throw store_error{own->kind, own->message};
}

}  // namespace scavenger
