// SPDX-License-Identifier: BSL-1.0
// graceful_shutdown_test.cpp: is an order that was accepted in the database, however the shop is closed?

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <sqlite3.h>

#include "http_client.hpp"
#include "service_process.hpp"

#include "support/sanitized.hpp"

namespace {

using asio::awaitable;
using http_test::client;
using http_test::reply;
using namespace std::chrono_literals;

constexpr int clients = sluice_test::is_sanitized ? 60 : 300;

/// What the clients saw.
struct seen {
    std::set<std::string> accepted;  // ids of orders
    int closing = 0;                 // orders that were refused since the shop closes
    int failed = 0;                  // with another error
    int cut_off = 0;                 // that were not answered
    int ended = 0;                   // clients
};

class GracefulShutdown : public testing::Test {
protected:
    void SetUp() override {
        file_ = testing::TempDir() + "graceful_shutdown_" + std::to_string(getpid()) + ".db";
        remove_all();
    }
    void TearDown() override { remove_all(); }
    void remove_all() const {
        for (const char* const end : {"", "-wal", "-shm"}) std::filesystem::remove(file_ + end);
    }

    std::vector<std::string> command(std::vector<std::string> more = {}) const {
        std::vector<std::string> all{GRACEFUL_SHUTDOWN, "--database", file_};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    using rows = std::map<std::string, int>;
    /// Runs it and gives the first column of what it finds: how often each value was there.
    rows query(const char* sql) const {
        sqlite3* db = nullptr;
        EXPECT_EQ(sqlite3_open(file_.c_str(), &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 5'000);
        rows found;
        const auto note = [](void* into, int, char** values, char**) {
            ++(*static_cast<rows*>(into))[values[0]];
            return 0;
        };
        EXPECT_EQ(sqlite3_exec(db, sql, note, &found, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
        sqlite3_close(db);
        return found;
    }
    /// The database has been closed by all, and has each order once that was accepted, and of the others only those whose
    /// clients did not wait.
    void expect_all_committed(const service_process& service) const {
        EXPECT_FALSE(std::filesystem::exists(file_ + "-wal")) << "a connection was not closed";
        const auto found = query("SELECT id FROM orders");
        for (const auto& id : saw.accepted) EXPECT_EQ(found.count(id), 1u) << id << " was accepted and lost";
        for (const auto& [id, times] : found) {
            EXPECT_EQ(times, 1) << id << " was committed twice";
            EXPECT_TRUE(id.starts_with('v') || saw.accepted.count(id) == 1)
                << id << " was not told that it is accepted";
        }
        const auto at = service.output.rfind("committed ");
        ASSERT_NE(at, std::string::npos) << service.output;
        EXPECT_EQ(std::atoi(service.output.c_str() + at + 10), static_cast<int>(found.size()));
    }
    void run_until_accepted(int n) {
        while (static_cast<int>(saw.accepted.size()) < n && io.run_one_for(20s) > 0) {}
        ASSERT_GE(static_cast<int>(saw.accepted.size()), n);
    }
    void run_clients() {
        io.run_for(60s);
        EXPECT_EQ(saw.ended, clients) << "some clients have not ended";
    }

    std::string file_;
    asio::io_context io{1};
    seen saw;
};

// One order after the other, until no more are taken. Every tenth client likes feasts.
awaitable<void> hungry(asio::io_context& io, unsigned short port, seen& saw, int number) {
    client self{io, port};
    bool goes_on = co_await self.connect();
    for (int i = 0; goes_on; ++i) {
        const std::string id = std::to_string(number) + "-" + std::to_string(i);
        const char* const item = number % 10 == 0 ? "feast" : number % 2 == 0 ? "coffee" : "tea";
        const reply got = co_await self.ask("/order?id=" + id + "&item=" + item);
        if (got.status == 202) saw.accepted.insert(id);
        else if (got.status == 503) ++saw.closing;
        else if (got.status == 0) ++saw.cut_off;
        else ++saw.failed;
        goes_on = got.goes_on && (got.status == 202 || got.status == 503);
    }
    ++saw.ended;
}

// Orders, and does not wait.
awaitable<void> hasty(asio::io_context& io, unsigned short port, seen& saw, int number) {
    bool is_there = true;
    for (int i = 0; is_there; ++i) {
        client self{io, port};
        is_there = co_await self.connect();
        if (!is_there) break;
        const std::string id = "v" + std::to_string(number) + "-" + std::to_string(i);
        const bool sent = co_await self.send("GET /order?id=" + id + "&item=cake HTTP/1.1\r\nHost: x\r\n\r\n");
        static_cast<void>(sent);
        co_await http_test::sleep(5ms);
        self.vanish();
    }
    ++saw.ended;
}

void start_clients(asio::io_context& io, unsigned short port, seen& saw) {
    for (int i = 0; i < clients; ++i) {
        if (i % 15 == 14) asio::co_spawn(io, hasty(io, port, saw, i), asio::detached);
        else asio::co_spawn(io, hungry(io, port, saw, i), asio::detached);
    }
}

TEST_F(GracefulShutdown, ASignalInTheMiddleOfTheLoadLosesNothingAndTheDatabaseIsClosedLast) {
    service_process service{command({"--clerks", "64", "--feast", "300"})};
    ASSERT_NE(service.port, 0) << service.output;
    start_clients(io, service.port, saw);
    run_until_accepted(clients * 3);
    service.signal(SIGTERM);
    run_clients();
    EXPECT_EQ(service.finish(), 0) << service.output;
    EXPECT_EQ(saw.failed, 0);
    std::size_t at = 0;
    for (const char* const phase :
         {"stop accepting", "answer what is in flight", "hang up", "let the consumer commit", "close the database"}) {
        at = service.output.find(std::string{phase} + ": done", at);
        ASSERT_NE(at, std::string::npos) << phase << " is not next in\n" << service.output;
    }
    expect_all_committed(service);
}

TEST_F(GracefulShutdown, ASecondSignalEndsItAtOnceAndStillLosesNothing) {
    service_process service{command({"--clerks", "200", "--feast", "60000"})};
    ASSERT_NE(service.port, 0) << service.output;
    start_clients(io, service.port, saw);
    run_until_accepted(clients * 3);
    const auto before = std::chrono::steady_clock::now();
    service.signal(SIGINT);
    ASSERT_TRUE(service.read_until("stop accepting: done")) << service.output;  // the next one is a second signal
    service.signal(SIGINT);
    run_clients();
    EXPECT_EQ(service.finish(), 1) << service.output;
    EXPECT_LT(std::chrono::steady_clock::now() - before, 20s) << "the feasts take a minute";
    EXPECT_EQ(service.output.find("answer what is in flight: done"), std::string::npos) << service.output;
    EXPECT_NE(service.output.find("close the database: skipped"), std::string::npos) << service.output;
    EXPECT_GT(saw.closing, 0) << "those who waited for a feast are told";
    expect_all_committed(service);
}

TEST_F(GracefulShutdown, WhatCannotBeCommittedIsToldAndEndsIt) {
    service_process service{command()};
    ASSERT_NE(service.port, 0) << service.output;
    start_clients(io, service.port, saw);
    run_until_accepted(clients);
    static_cast<void>(query("ALTER TABLE orders RENAME TO those_before"));
    run_clients();  // it ends by itself
    EXPECT_EQ(service.finish(), 1);
    const auto found = query("SELECT id FROM those_before");
    EXPECT_NE(service.output.find("close the database: done"), std::string::npos) << service.output;
    for (const auto& id : saw.accepted) {
        const bool is_told = service.output.find("not committed: " + id + ' ') != std::string::npos;
        EXPECT_NE(found.count(id) == 1, is_told) << id;
    }
    EXPECT_NE(service.output.find("no such table"), std::string::npos) << service.output;
}

}  // namespace
