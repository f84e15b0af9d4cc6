// SPDX-License-Identifier: BSL-1.0
// http_client.hpp: clients for the tests of the services: how do they behave, and what do they get?
#pragma once

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace http_test {

/// What came back.
struct reply {
    int status = 0;  // 0: nothing whole; the server has closed, or was not there
    std::string body;
    std::string retry_after;
    bool goes_on = false;  // the connection does
};

/// How a client sends and takes: so many bytes, then a pause.
struct pace {
    std::size_t bytes = 4'096;
    std::chrono::milliseconds pause{0};
};

inline asio::awaitable<void> sleep(std::chrono::milliseconds d) {
    asio::steady_timer timer{co_await asio::this_coro::executor, d};
    co_await timer.async_wait(asio::use_awaitable);
}

inline std::string field(std::string_view head, std::string_view name) {
    const auto at = head.find("\r\n" + std::string{name} + ": ");
    if (at == std::string_view::npos) return {};
    const auto begin = at + name.size() + 4;
    return std::string{head.substr(begin, head.find("\r\n", begin) - begin)};
}

/// A connection to a server on this machine.
class client {
public:
    client(asio::io_context& io, unsigned short port) : socket_{io}, port_{port} {}

    /// False: nobody listens there.
    asio::awaitable<bool> connect() {
        asio::error_code failed;
        const asio::ip::tcp::endpoint there{asio::ip::address_v4::loopback(), port_};
        co_await socket_.async_connect(there, asio::redirect_error(asio::use_awaitable, failed));
        co_return !failed;
    }
    /// False: the server has gone.
    asio::awaitable<bool> send(std::string text, pace how = {}) {
        for (std::size_t at = 0; at < text.size(); at += how.bytes) {
            if (at > 0) co_await sleep(how.pause);
            asio::error_code failed;
            const std::size_t size = std::min(how.bytes, text.size() - at);
            co_await asio::async_write(socket_, asio::buffer(text.data() + at, size),
                                       asio::redirect_error(asio::use_awaitable, failed));
            if (failed) co_return false;
        }
        co_return true;
    }
    asio::awaitable<reply> take(pace how = {}) {
        reply got;
        while (true) {
            const auto end = received_.find("\r\n\r\n");
            if (end != std::string::npos) {
                const std::string head = received_.substr(0, end + 2);
                const auto length = static_cast<std::size_t>(std::atoi(field(head, "Content-Length").c_str()));
                if (received_.size() >= end + 4 + length) {
                    got.status = std::atoi(head.c_str() + 9);
                    got.body = received_.substr(end + 4, length);
                    got.retry_after = field(head, "Retry-After");
                    got.goes_on = field(head, "Connection") != "close";
                    received_.erase(0, end + 4 + length);
                    co_return got;
                }
            }
            std::array<char, 4'096> bytes;
            asio::error_code failed;
            const std::size_t size =
                co_await socket_.async_read_some(asio::buffer(bytes.data(), std::min(how.bytes, bytes.size())),
                                                 asio::redirect_error(asio::use_awaitable, failed));
            if (failed) co_return got;
            received_.append(bytes.data(), size);
            if (how.pause.count() > 0) co_await sleep(how.pause);
        }
    }
    asio::awaitable<reply> ask(std::string target, pace how = {}) {
        const bool sent = co_await send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n", how);
        static_cast<void>(sent);  // it may have answered all the same
        co_return co_await take(how);
    }
    /// Goes without a word, so that the server's next write fails.
    void vanish() {
        asio::error_code ignored;
        socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
        socket_.close(ignored);
    }
    void close() {
        asio::error_code ignored;
        socket_.close(ignored);
    }

private:
    asio::ip::tcp::socket socket_;
    unsigned short port_;
    std::string received_;
};

}  // namespace http_test
