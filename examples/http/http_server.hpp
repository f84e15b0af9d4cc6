// SPDX-License-Identifier: BSL-1.0
// http_server.hpp: how do requests come in over the network, and how does that end in order?
//
// Coroutines of Asio in one thread. A handler is one of them: what it waits for is of sluice, by <sluice/asio.hpp>.
//
//     accepting ──stop_accepting──▶ draining ──drain──▶ nothing in flight ──close──▶ no connections
//
// V1  A request is in flight from the end of its head until its response has been written, or its client has gone.
// V2  Once stopped, none comes into flight: a head that ends then is answered by 503. So a drain ends.
// V3  All but the counts and the two wait groups belongs to the thread of Asio; it holds what it needs until it has ended.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include <asio/awaitable.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <sluice/semaphore.hpp>
#include <sluice/task.hpp>
#include <sluice/wait_group.hpp>

#include "http_request.hpp"

namespace http {

struct response {
    int status = 200;
    std::string body;
    std::chrono::seconds retry_after{0};  // told if it is not zero
};

using handler = std::function<asio::awaitable<response>(const request&)>;

struct server_options {
    std::string address = "127.0.0.1";
    unsigned short port = 0;               // 0: any that is free
    std::size_t most_connections = 8'192;  // more wait to be accepted
    std::size_t longest_head = 8 * 1'024;
    std::chrono::milliseconds for_idle = std::chrono::seconds{60};   // between two requests of a connection
    std::chrono::milliseconds for_head = std::chrono::seconds{10};   // from its first byte to its last
    std::chrono::milliseconds for_write = std::chrono::seconds{10};  // for a client to take its response
};

/// What has happened so far.
struct server_counts {
    std::uint64_t connections = 0;
    std::uint64_t requests = 0;  ///< that came into flight; each was answered, or its client had gone
    std::uint64_t answered = 0;
    std::uint64_t gone = 0;         ///< whose client went before it had been answered
    std::uint64_t turned_away = 0;  ///< refused without asking the handler: malformed, too slow, or too late
};

/// A server for GET, which answers what its handler says, or 500 with what that throws. It listens from its construction on.
///
/// A client that goes away ends nothing: its request has come into flight and goes on.
/// Thread safety: all members from any thread. Destruction closes at once and joins; waits of handlers end then.
class server {
public:
    /// Throws: `std::system_error` if it cannot listen there.
    server(server_options how, handler answer);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    unsigned short port() const noexcept { return port_; }
    server_counts counts() const noexcept;

    /// Refuses new connections and closes those without a request. Requests in flight go on.
    sluice::task<> stop_accepting();
    /// Waits until no request is in flight. Comes after `stop_accepting`.
    sluice::task<> drain();
    /// Closes the connections that send no complete request, and waits until all have been closed.
    sluice::task<> close();

private:
    struct connection;
    enum class state { accepting, draining, closing };

    asio::awaitable<void> accept_all(sluice::wait_group::ticket_type);
    asio::awaitable<void> serve(asio::ip::tcp::socket socket, sluice::permit place, sluice::wait_group::ticket_type);
    asio::awaitable<bool> serve_one(connection& client);
    asio::awaitable<std::string> next_head(connection& client);
    asio::awaitable<bool> read_more(connection& client);
    asio::awaitable<response> ask_handler(const request& what);
    asio::awaitable<bool> write(connection& client, const response& what, bool goes_on);
    asio::awaitable<void> turn_away(connection& client, const response& why);
    sluice::task<> change_to(state next);

    const server_options options_;
    const handler answer_;
    sluice::wait_group in_flight_;    // V1
    sluice::wait_group connections_;  // and one of the acceptor
    sluice::semaphore room_;          // for connections
    std::atomic<std::uint64_t> accepted_{0}, requests_{0}, answered_{0}, gone_{0}, turned_away_{0};

    // The thread of Asio's, from here on (V3).
    state state_ = state::accepting;
    std::set<connection*> open_;
    asio::io_context io_{1};
    const asio::executor_work_guard<asio::io_context::executor_type> runs_on_{io_.get_executor()};
    asio::ip::tcp::acceptor acceptor_{io_};
    unsigned short port_ = 0;
    std::jthread thread_;
};

}  // namespace http
