// SPDX-License-Identifier: BSL-1.0
// delete_queue_test.cpp: does every waiting delete get its own answer, whoever else leaves?
#include "delete_queue.hpp"

#include <functional>
#include <memory>
#include <vector>

#include "test_run.hpp"

namespace {

using namespace scavenger_test;
using scavenger::delete_queue;
using scavenger::error_class;
using scavenger::item;
using scavenger::store_error;

std::vector<item> completed_items(const test_table& table) {
    scavenger::database db{table.file(), scavenger::open_mode::must_exist, 512};
    scavenger::statement all{db,
                             "SELECT WorkerId, StartTime, StartExecutionTime FROM Workers WHERE Completed IN (1, '1')"};
    std::vector<item> found;
    while (all.step()) found.push_back({{all.integer(0), std::string{all.text(1)}}, std::string{all.text(2)}});
    return found;
}

enum class answer { deleted, condition_failed, canceled, other };

sluice::task<answer> ask(delete_queue& queue, const item& target) {
    try {
        co_await queue.remove(target);
        co_return answer::deleted;
    } catch (const store_error& error) {
        co_return error.kind() == error_class::condition_failed ? answer::condition_failed : answer::other;
    } catch (const sluice::canceled&) {
        co_return answer::canceled;
    }
}

using handles = std::vector<sluice::join_handle<answer>>;

handles ask_for(delete_queue& queue, const std::vector<item>& targets) {
    handles asked;
    for (const auto& each : targets) asked.push_back(sluice::go(ask, std::ref(queue), std::cref(each)));
    return asked;
}

sluice::task<std::vector<answer>> answers_of(delete_queue& queue, const std::vector<item>& targets) {
    auto asked = ask_for(queue, targets);
    std::vector<answer> answers;
    for (auto& each : asked) answers.push_back(co_await each);
    co_return answers;
}

TEST(DeleteQueue, AnswersEachRequestOfATransactionByItself) {
    const test_table table{small_rows(200)};
    delete_queue queue{table.file(), "Workers"};
    auto targets = completed_items(table);
    for (std::size_t i = 0; i < targets.size(); i += 3) targets[i].start_execution_time = "changed";
    const auto answers = sluice::run(answers_of, std::ref(queue), std::cref(targets));
    const auto left = table.keys();
    for (std::size_t i = 0; i < targets.size(); ++i) {
        EXPECT_EQ(answers[i], i % 3 == 0 ? answer::condition_failed : answer::deleted) << i;
        EXPECT_EQ(left.count({targets[i].id.worker_id, targets[i].id.start_time}), i % 3 == 0 ? 1U : 0U) << i;
    }
}

TEST(DeleteQueue, DeletesAnItemThatIsAskedForTwiceOnce) {
    const test_table table{small_rows(20)};
    delete_queue queue{table.file(), "Workers"};
    const std::vector<item> targets(10, completed_items(table).front());
    int deleted = 0;
    for (const auto each : sluice::run(answers_of, std::ref(queue), std::cref(targets)))
        deleted += each == answer::deleted ? 1 : 0;
    EXPECT_EQ(deleted, 1);
    EXPECT_EQ(table.keys().size(), 19U);
}

/// While the writer is kept waiting, cancels those at even positions; then lets it go on.
sluice::task<std::vector<answer>> answers_after_some_left(delete_queue& queue, const std::vector<item>& targets,
                                                          std::unique_ptr<scavenger::database>& lock) {
    auto asked = ask_for(queue, targets);
    for (int i = 0; i < 100; ++i) co_await sluice::yield();
    for (std::size_t i = 0; i < asked.size(); i += 2) asked[i].cancel();
    std::vector<answer> answers(asked.size(), answer::other);
    for (std::size_t i = 0; i < asked.size(); i += 2) {
        try {
            answers[i] = co_await asked[i];
        } catch (const sluice::canceled&) {
            answers[i] = answer::canceled;  // before it began
        }
    }
    lock.reset();
    for (std::size_t i = 1; i < asked.size(); i += 2) answers[i] = co_await asked[i];
    co_return answers;
}

TEST(DeleteQueue, WhoeverLeavesTheOthersAreAnswered) {
    const test_table table{small_rows(100)};
    const auto targets = completed_items(table);
    auto lock = std::make_unique<scavenger::database>(table.file(), scavenger::open_mode::must_exist, 512);
    lock->execute("BEGIN IMMEDIATE");
    delete_queue queue{table.file(), "Workers"};
    const auto answers = sluice::run(answers_after_some_left, std::ref(queue), std::cref(targets), std::ref(lock));
    for (std::size_t i = 0; i < answers.size(); ++i)
        EXPECT_EQ(answers[i], i % 2 == 0 ? answer::canceled : answer::deleted) << i;
}

TEST(DeleteQueue, EndsWithoutHavingBeenUsed) {
    const test_table table{small_rows(3)};
    const delete_queue queue{table.file(), "Workers"};
}

}  // namespace
