// SPDX-License-Identifier: BSL-1.0
#include "http_server.hpp"

#include <array>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#if defined(__linux__)
#include <pthread.h>
#endif

#include <sluice/asio.hpp>
#include <sluice/channel.hpp>

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace http {
namespace {

const char* reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 202: return "Accepted";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 413: return "Content Too Large";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        case 505: return "HTTP Version Not Supported";
        default: return "Unknown";
    }
}

std::string text_of(const response& what, bool goes_on) {
    std::string text = "HTTP/1.1 " + std::to_string(what.status) + ' ' + reason_of(what.status) + "\r\n";
    text += "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n";
    if (what.status == 405) text += "Allow: GET\r\n";
    if (what.retry_after > 0s) text += "Retry-After: " + std::to_string(what.retry_after.count()) + "\r\n";
    if (!goes_on) text += "Connection: close\r\n";
    return text + "Content-Length: " + std::to_string(what.body.size()) + "\r\n\r\n" + what.body;
}

}  // namespace

// What a client has sent, and how long it may take for the next step.
struct server::connection : std::enable_shared_from_this<connection> {
    connection(server& in, tcp::socket s) : of{in}, socket{std::move(s)}, timer{socket.get_executor()} {
        of.open_.insert(this);
    }
    ~connection() { of.open_.erase(this); }

    /// What waits on the socket ends after `d` with `operation_aborted`, unless `allow` is called again before.
    void allow(std::chrono::milliseconds d) {
        timer.expires_after(d);
        timer.async_wait([here = shared_from_this()](asio::error_code ended) {
            if (ended || here->timer.expiry() > std::chrono::steady_clock::now()) return;
            here->is_late = true;
            asio::error_code ignored;
            here->socket.cancel(ignored);
        });
    }
    /// From now on it may take all the time it wants.
    void allow_all() { timer.cancel(); }
    /// Ends a read that waits.
    void end_reading() {
        asio::error_code ignored;
        if (is_reading) socket.cancel(ignored);
    }

    server& of;
    tcp::socket socket;
    asio::steady_timer timer;
    std::string received;  // and not yet used
    bool is_reading = false;
    bool is_late = false;
};

server::server(server_options how, handler answer)
    : options_{std::move(how)}, answer_{std::move(answer)}, room_{options_.most_connections} {
    const tcp::endpoint where{asio::ip::make_address(options_.address), options_.port};
    acceptor_.open(where.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address{true});
    acceptor_.bind(where);
    acceptor_.listen();
    port_ = acceptor_.local_endpoint().port();
    asio::co_spawn(io_, accept_all(connections_.ticket()), asio::detached);
    thread_ = std::jthread{[this] {
#if defined(__linux__)
        pthread_setname_np(pthread_self(), "http");
#endif
        io_.run();
    }};
}

server::~server() {
    io_.stop();
    thread_.join();
    // Its coroutines go with the context, while all that they count in and wait for is still there.
}

server_counts server::counts() const noexcept {
    return {accepted_.load(), requests_.load(), answered_.load(), gone_.load(), turned_away_.load()};
}

// --- ending -----------------------------------------------------------------------------------------------------------

sluice::task<> server::change_to(state next) {
    const sluice::channel<void> done{0};
    asio::post(io_, [this, next, done] {
        state_ = next;
        asio::error_code ignored;
        acceptor_.close(ignored);
        for (connection* each : open_)
            if (each->received.empty() || next == state::closing) each->end_reading();
        done.close();
    });
    static_cast<void>(co_await done.async_receive());
}

sluice::task<> server::stop_accepting() { return change_to(state::draining); }

sluice::task<> server::drain() { co_await in_flight_.async_wait(); }

sluice::task<> server::close() {
    co_await change_to(state::closing);
    co_await connections_.async_wait();
}

// --- connections ------------------------------------------------------------------------------------------------------

awaitable<void> server::accept_all(sluice::wait_group::ticket_type) {
    asio::steady_timer pause{io_};
    while (state_ == state::accepting) {
        sluice::permit place = co_await sluice::async_perform(room_.async_hold());
        asio::error_code failed;
        tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(use_awaitable, failed));
        if (!failed) {
            ++accepted_;
            asio::co_spawn(io_, serve(std::move(socket), std::move(place), connections_.ticket()), asio::detached);
        } else if (state_ == state::accepting) {
            // Say, too many files are open: it helps to wait for connections to end.
            pause.expires_after(20ms);
            co_await pause.async_wait(use_awaitable);
        }
    }
}

awaitable<void> server::serve(tcp::socket socket, sluice::permit, sluice::wait_group::ticket_type) {
    std::optional<response> refusal;
    try {
        const auto client = std::make_shared<connection>(*this, std::move(socket));
        try {
            bool goes_on = true;
            while (goes_on) goes_on = co_await serve_one(*client);
        } catch (const bad_request& e) {
            refusal = response{e.status(), e.what() + std::string{"\n"}, e.status() == 503 ? 1s : 0s};
        }
        if (refusal) co_await turn_away(*client, *refusal);
        client->allow_all();
    } catch (const std::exception&) {
        // No memory, or no more to be had from this client: it is cut off.
    }
}

// False: it was the last.
awaitable<bool> server::serve_one(connection& client) {
    const std::string head = co_await next_head(client);
    if (head.empty()) co_return false;
    const request what = read_head(head);
    if (what.method != "GET") throw bad_request{405, "this server knows GET alone"};
    if (state_ != state::accepting) throw bad_request{503, "shutting down"};  // V2

    const auto counted = in_flight_.ticket();
    ++requests_;
    const response said = co_await ask_handler(what);
    const bool goes_on = what.keeps_alive && state_ == state::accepting;
    const bool is_written = co_await write(client, said, goes_on);
    ++(is_written ? answered_ : gone_);
    co_return goes_on&& is_written;
}

// Up to the empty line and with it; nothing when the client has no more to ask, or is not to be asked for more.
awaitable<std::string> server::next_head(connection& client) {
    constexpr std::string_view end_of_head = "\r\n\r\n";
    std::size_t looked_at = 0;
    bool has_begun = false;
    while (true) {
        const auto end = client.received.find(end_of_head, looked_at);
        const auto length = end == std::string::npos ? client.received.size() : end + end_of_head.size();
        if (length > options_.longest_head) throw bad_request{431, "this head is too long"};
        if (end != std::string::npos) {
            client.allow_all();
            std::string head = client.received.substr(0, length);
            client.received.erase(0, length);
            co_return head;
        }
        looked_at = length < end_of_head.size() ? 0 : length - end_of_head.size() + 1;
        if (client.received.empty()) {
            client.allow(options_.for_idle);
        } else if (!has_begun) {
            has_begun = true;
            client.allow(options_.for_head);
        }
        const bool came = co_await read_more(client);
        if (came) continue;
        if (client.is_late && has_begun) throw bad_request{408, "this head took too long"};
        co_return std::string{};
    }
}

// False: nothing will come, or the state says that it is not to be waited for.
awaitable<bool> server::read_more(connection& client) {
    if (state_ == state::closing || (state_ == state::draining && client.received.empty())) co_return false;
    std::array<char, 2'048> bytes;
    asio::error_code failed;
    client.is_reading = true;
    const auto size =
        co_await client.socket.async_read_some(asio::buffer(bytes), asio::redirect_error(use_awaitable, failed));
    client.is_reading = false;
    client.received.append(bytes.data(), size);
    co_return !failed;
}

awaitable<response> server::ask_handler(const request& what) {
    try {
        co_return co_await answer_(what);
    } catch (const std::exception& e) {
        co_return response{500, e.what() + std::string{"\n"}, 0s};
    }
}

// False: the client has gone, or does not take it in time.
awaitable<bool> server::write(connection& client, const response& what, bool goes_on) {
    const std::string text = text_of(what, goes_on);
    asio::error_code failed;
    client.allow(options_.for_write);
    co_await asio::async_write(client.socket, asio::buffer(text), asio::redirect_error(use_awaitable, failed));
    client.allow_all();
    co_return !failed;
}

// The rest of what the client sends is read and forgotten for a while: it would not see the response otherwise.
awaitable<void> server::turn_away(connection& client, const response& why) {
    ++turned_away_;
    const bool is_written = co_await write(client, why, false);
    if (!is_written) co_return;
    asio::error_code ignored;
    client.socket.shutdown(tcp::socket::shutdown_send, ignored);
    client.allow(1s);
    bool came = true;
    while (came) {
        client.received = "?";
        came = co_await read_more(client);
    }
}

}  // namespace http
