// SPDX-License-Identifier: BSL-1.0
// pipeline_http_test.cpp: is every message answered once and none lost, whatever the clients and the system do?

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include "http_client.hpp"
#include "service_process.hpp"

#include "support/sanitized.hpp"

namespace {

using asio::awaitable;
using http_test::client;
using http_test::reply;
using namespace std::chrono_literals;

constexpr int clients = sluice_test::is_sanitized ? 300 : 2'000;

/// What the clients saw.
struct seen {
    std::map<std::string, std::string> stored;  // what was said to be stored, by the data that was sent
    int aborted = 0;
    int busy = 0;
    int unheard = 0;  // vanished after a message was sent
    int cut_off = 0;  // asked, and got nothing
    int too_slow = 0;
    int ended = 0;
    int doubled = 0;  // a message was answered with somebody else's, or twice
};

class PipelineHttp : public testing::Test {
protected:
    void SetUp() override {
        file_ = testing::TempDir() + "pipeline_http_" + std::to_string(getpid()) + ".txt";
        std::remove(file_.c_str());
    }
    void TearDown() override { std::remove(file_.c_str()); }

    std::vector<std::string> command(std::vector<std::string> more = {}) const {
        std::vector<std::string> all{PIPELINE_HTTP, "--store", file_};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    std::map<std::string, int> stored() const {
        std::map<std::string, int> lines;
        std::ifstream file{file_};
        for (std::string line; std::getline(file, line);) ++lines[line];
        return lines;
    }
    /// The number that stands behind `name` in what the service printed last.
    static int count_of(const service_process& service, const std::string& name) {
        const auto at = service.output.rfind(name + ' ');
        return at == std::string::npos ? -1 : std::atoi(service.output.c_str() + at + name.size() + 1);
    }
    /// Lets all clients come to an end, or some time pass.
    void run_clients() {
        io.run_for(60s);
        EXPECT_EQ(saw.ended, clients) << "some clients have not ended";
    }
    /// Of each message one answer, and all that was said to be stored, and nothing else but what nobody listened for.
    void expect_conservation(const service_process& service) {
        const auto lines = stored();
        int of_vanished = 0;
        for (const auto& [line, times] : lines) {
            EXPECT_EQ(times, 1) << line << " was stored twice";
            if (line.starts_with("*v")) ++of_vanished;
            else EXPECT_EQ(saw.stored.count(line.substr(1, line.size() - 2)), 1u) << line << " was not answered";
        }
        for (const auto& [data, text] : saw.stored) {
            EXPECT_EQ(text, "OK: *" + data + "*\n");
            EXPECT_EQ(lines.count('*' + data + '*'), 1u) << data << " was lost";
        }
        EXPECT_EQ(saw.doubled, 0);
        EXPECT_LE(of_vanished, saw.unheard);
        EXPECT_EQ(count_of(service, "stored"), static_cast<int>(saw.stored.size()) + of_vanished);
        EXPECT_EQ(count_of(service, "aborted"), saw.aborted);
        EXPECT_EQ(count_of(service, "accepted"), count_of(service, "stored") + count_of(service, "aborted"));
    }

    std::string file_;
    asio::io_context io{1};
    seen saw;
};

/// Notes what came back for `data`. True: try again.
bool note(seen& saw, const std::string& data, const reply& got) {
    if (got.status == 200) {
        if (!saw.stored.emplace(data, got.body).second) ++saw.doubled;
    } else if (got.status == 422) {
        EXPECT_EQ(got.body, "aborted: nobody wants bar\n");
        EXPECT_EQ(data, "bar");
        ++saw.aborted;
    } else if (got.status == 503) {
        EXPECT_EQ(got.retry_after, "1");
        ++saw.busy;
        return got.body == "busy\n";
    } else {
        EXPECT_EQ(got.status, 0) << got.body;
        ++saw.cut_off;
    }
    return false;
}

// Says one message after the other, until each has been answered. Does not wait for as long as it is told.
awaitable<void> polite(asio::io_context& io, unsigned short port, seen& saw, int number, int messages,
                       http_test::pace how) {
    client self{io, port};
    bool goes_on = co_await self.connect();
    for (int i = 0; i < messages && goes_on; ++i) {
        const bool is_bar = (number + i) % 8 == 0;
        const std::string data = is_bar ? "bar" : std::to_string(number) + "-" + std::to_string(i);
        bool again = true;
        while (again && goes_on) {
            const reply got = co_await self.ask("/incoming?data=" + data, how);
            again = note(saw, data, got);
            goes_on = got.goes_on;
            if (again) co_await http_test::sleep(std::chrono::milliseconds{20 + number % 50});
        }
    }
    ++saw.ended;
}

// Sends a message and goes away, at once or a little later.
awaitable<void> vanishing(asio::io_context& io, unsigned short port, seen& saw, int number) {
    client self{io, port};
    const bool is_there = co_await self.connect();
    if (is_there) {
        ++saw.unheard;
        const std::string target = "/incoming?data=v" + std::to_string(number);
        const bool sent = co_await self.send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        static_cast<void>(sent);
        co_await http_test::sleep(std::chrono::milliseconds{number % 16});
        if (number % 2 == 0) self.vanish();
    }
    ++saw.ended;
}

// Begins a request and never ends it.
awaitable<void> halting(asio::io_context& io, unsigned short port, seen& saw) {
    client self{io, port};
    const bool is_there = co_await self.connect();
    if (is_there) {
        const bool sent = co_await self.send("GET /incoming?data=halting HTTP/1.1\r\nHost:");
        static_cast<void>(sent);
        const reply got = co_await self.take();
        if (got.status == 408) ++saw.too_slow;
        else ++saw.cut_off;
    }
    ++saw.ended;
}

void start_clients(asio::io_context& io, unsigned short port, seen& saw, int messages) {
    for (int i = 0; i < clients; ++i) {
        const int kind = i % 20;
        if (kind < 14) asio::co_spawn(io, polite(io, port, saw, i, messages, {}), asio::detached);
        else if (kind < 17) asio::co_spawn(io, vanishing(io, port, saw, i), asio::detached);
        else if (kind < 19) asio::co_spawn(io, polite(io, port, saw, i, 1, {16, 5ms}), asio::detached);
        else asio::co_spawn(io, halting(io, port, saw), asio::detached);
    }
}

TEST_F(PipelineHttp, UnderLoadEveryMessageIsAnsweredOnceAndNoneIsLost) {
    service_process service{command({"--room", "10000", "--enriching", "1", "--patience", "500"})};
    ASSERT_NE(service.port, 0) << service.output;
    start_clients(io, service.port, saw, 2);
    run_clients();
    EXPECT_EQ(saw.busy, 0);
    EXPECT_EQ(saw.cut_off, 0);
    EXPECT_EQ(saw.too_slow, clients / 20);
    service.signal(SIGTERM);
    EXPECT_EQ(service.finish(), 0) << service.output;
    expect_conservation(service);
}

TEST_F(PipelineHttp, BeyondItsRoomItSaysAtOnceThatItIsBusyAndWhenToComeAgain) {
    service_process service{command({"--room", "16", "--enriching", "2", "--patience", "500", "--enrichers", "8"})};
    ASSERT_NE(service.port, 0) << service.output;
    start_clients(io, service.port, saw, 1);
    run_clients();
    EXPECT_GT(saw.busy, 0);
    EXPECT_EQ(saw.cut_off, 0);
    service.signal(SIGTERM);
    EXPECT_EQ(service.finish(), 0) << service.output;
    EXPECT_GE(count_of(service, "busy"), saw.busy);
    expect_conservation(service);
}

TEST_F(PipelineHttp, ATerminationInTheMiddleOfTheLoadDrains) {
    service_process service{command({"--room", "200", "--enriching", "5", "--enrichers", "8"})};
    ASSERT_NE(service.port, 0) << service.output;
    start_clients(io, service.port, saw, 1'000);
    while (static_cast<int>(saw.stored.size()) < clients / 4) io.run_one_for(10s);
    service.signal(SIGTERM);
    run_clients();
    EXPECT_EQ(service.finish(), 0) << service.output;
    EXPECT_NE(service.output.find("answer what was accepted: done"), std::string::npos) << service.output;
    expect_conservation(service);
    // Whoever was cut off had no message there.
    EXPECT_GT(saw.cut_off, 0);
}

// --- The reader of heads is strict. -----------------------------------------------------------------------------------

TEST_F(PipelineHttp, WhatIsNoRequestIsRefusedWithItsReason) {
    struct refusal {
        std::string sent;
        int status;
    };
    const std::string host = "Host: x\r\n";
    const std::vector<refusal> all{
        {"GET /incoming?data=a HTTP/1.1\r\n\r\n", 400},                     // no host
        {"GET /incoming?data=a HTTP/1.1\r\n" + host + host + "\r\n", 400},  // two of them
        {"GET /incoming?data=%4 HTTP/1.1\r\n" + host + "\r\n", 400},
        {"GET /incoming?data=%zz HTTP/1.1\r\n" + host + "\r\n", 400},
        {"GET  /incoming?data=a HTTP/1.1\r\n" + host + "\r\n", 400},  // two spaces
        {"GET /incoming?data=a HTTP/1.1\r\n" + host + " folded\r\n\r\n", 400},
        {"GET /incoming?data=a HTTP/1.1\r\nHost : x\r\n\r\n", 400},
        {"GET /incoming?data=a HTTP/1.1\nHost: x\n\r\n\r\n", 400},  // lines that end with LF alone
        {"GET http://x/incoming HTTP/1.1\r\n" + host + "\r\n", 400},
        {"GET /incoming?data=a HTTP/2.0\r\n" + host + "\r\n", 505},
        {"GET /incoming?data=a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 501},
        {"GET /incoming?data=a HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx", 413},
        {"GET /incoming?data=a HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n\r\n", 417},
        {"POST /incoming?data=a HTTP/1.1\r\n" + host + "\r\n", 405},
        {"GET /incoming?data=" + std::string(10'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 431},
        {"GET /incoming HTTP/1.1\r\n" + host + "\r\n", 400},             // no data
        {"GET /incoming?data=a%0Ab HTTP/1.1\r\n" + host + "\r\n", 400},  // of two lines
        {"GET /elsewhere HTTP/1.1\r\n" + host + "\r\n", 404},
    };
    service_process service{command()};
    ASSERT_NE(service.port, 0) << service.output;
    for (const auto& each : all) {
        reply got;
        asio::co_spawn(
            io,
            [](asio::io_context& in, unsigned short port, const std::string& text, reply& into) -> awaitable<void> {
                client self{in, port};
                const bool is_there = co_await self.connect();
                EXPECT_TRUE(is_there);
                const bool sent = co_await self.send(text);
                EXPECT_TRUE(sent);
                into = co_await self.take();
            }(io, service.port, each.sent, got),
            asio::detached);
        io.restart();
        io.run_for(20s);
        EXPECT_EQ(got.status, each.status) << each.sent << got.body;
    }
    service.signal(SIGINT);
    EXPECT_EQ(service.finish(), 0) << service.output;
    EXPECT_TRUE(stored().empty());
}

// Two requests at once, and one that says that it is the last.
TEST_F(PipelineHttp, AConnectionCarriesOneRequestAfterTheOther) {
    service_process service{command({"--enriching", "0"})};
    ASSERT_NE(service.port, 0) << service.output;
    std::vector<reply> got(3);
    asio::co_spawn(
        io,
        [](asio::io_context& in, unsigned short port, std::vector<reply>& into) -> awaitable<void> {
            client self{in, port};
            const bool is_there = co_await self.connect();
            EXPECT_TRUE(is_there);
            const bool sent =
                co_await self.send("GET /incoming?data=a HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /incoming?data=b+%C3%A9 HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n");
            EXPECT_TRUE(sent);
            for (auto& one : into) one = co_await self.take();
        }(io, service.port, got),
        asio::detached);
    io.run_for(20s);
    EXPECT_EQ(got[0].body, "OK: *a*\n");
    EXPECT_TRUE(got[0].goes_on);
    EXPECT_EQ(got[1].body, "OK: *b \xC3\xA9*\n");
    EXPECT_FALSE(got[1].goes_on);
    EXPECT_EQ(got[2].status, 0);
    service.signal(SIGTERM);
    EXPECT_EQ(service.finish(), 0) << service.output;
}

}  // namespace
