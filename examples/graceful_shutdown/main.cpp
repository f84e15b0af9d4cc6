// SPDX-License-Identifier: BSL-1.0
// main.cpp: a shop that takes orders, and how it closes without losing one.
//
//     $ graceful_shutdown --port 8080 --database shop.db &
//     $ curl 'http://127.0.0.1:8080/order?id=1&item=tea'
//     accepted: tea for 3
//     $ kill %1
//
//   GET /order ──▶ the handler ──desk──▶ clerks (look the price up) ──orders──▶ the consumer (many in one transaction)
//                    ◀─────────── 202 accepted, once in the queue ───┘
//
// Notice the order of the phases: nothing is closed while somebody before it may use it. An order that was accepted is
// committed even in a hurry, after a second signal: then the clerks are cancelled, and with the last of them goes the last
// sender of orders; the consumer, which is shielded, commits what is there and ends by itself.
#include "command_line.hpp"
#include "database.hpp"
#include "http_server.hpp"

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <sluice/asio.hpp>
#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/scope.hpp>
#include <sluice/shutdown.hpp>
#include <sluice/timer.hpp>

using namespace std::chrono_literals;

namespace {

struct settings {
    unsigned short port = 0;
    std::string database = "shop.db";
    std::size_t clerks = 16;
    std::size_t connections = 4;
    std::size_t queue = 1'000;
    std::chrono::milliseconds feast = 500ms;
    std::chrono::milliseconds drain = 20s;
};

struct request_for_order {
    std::string id, item;
    sluice::sender<http::response> done;
};

// --- HTTP -------------------------------------------------------------------------------------------------------------

asio::awaitable<http::response> pass_to(sluice::sender<request_for_order> desk, const http::request& asked) {
    if (asked.path != "/order") co_return http::response{404, "ask for /order?id=...&item=...\n"};
    const auto* const id = asked.parameter("id");
    const auto* const item = asked.parameter("item");
    if (!id || !item) co_return http::response{400, "an order has an id and an item\n"};
    auto [done, answered] = sluice::make_channel<http::response>(1);
    request_for_order mine{*id, *item, std::move(done)};
    const auto sent = co_await sluice::async_perform(desk.async_send(std::move(mine)));
    if (!sent) co_return http::response{503, "closing\n", 1s};
    auto said = co_await sluice::async_perform(answered.async_receive());
    if (!said) co_return http::response{503, "closing\n", 1s};  // its clerk was cancelled
    co_return std::move(*said);
}

// --- clerks -----------------------------------------------------------------------------------------------------------

sluice::task<http::response> take_order(const request_for_order& asked, connection_pool& pool,
                                        const sluice::sender<order>& orders, const settings& how) {
    auto connection = co_await pool.take();
    const auto price = co_await sluice::blocking(&database::price_of, std::ref(*connection), asked.item);
    connection.give_back();
    if (!price) co_return http::response{404, asked.item + " is not for sale\n"};
    if (asked.item == "feast") co_await sluice::sleep_for(how.feast);  // takes long to agree on
    order agreed{asked.id, asked.item, *price};
    const auto queued = co_await orders.async_send(std::move(agreed));
    if (!queued) co_return http::response{503, "closing\n", 1s};
    co_return http::response{202, fmt::format("accepted: {} for {}\n", asked.item, *price)};
}

sluice::task<> clerk(sluice::receiver<request_for_order> desk, connection_pool& pool, sluice::sender<order> orders,
                     const settings& how) {
    while (auto next = co_await desk.async_receive()) {
        http::response said;
        try {
            said = co_await take_order(*next, pool, orders, how);
        } catch (const std::runtime_error& e) {
            said = http::response{500, e.what() + std::string{"\n"}};
        }
        static_cast<void>(next->done.try_send(std::move(said)));  // has room for one, and gets one
    }
}

// --- the consumer -----------------------------------------------------------------------------------------------------

// The last resort, when the database cannot take it: somebody shall know.
void tell_lost(const order& lost) { fmt::print(stderr, "not committed: {} {} {}\n", lost.id, lost.item, lost.price); }

sluice::task<> commit_all(sluice::receiver<order> orders, connection_pool& pool, std::size_t& committed) {
    const auto connection = co_await pool.take();
    while (true) {
        const std::vector<order> batch = co_await orders.async_receive_some(1'000);
        if (batch.empty()) co_return;  // nobody is left to send more
        try {
            co_await sluice::blocking(&database::add, std::ref(*connection), std::cref(batch));
        } catch (...) {
            for (const order& lost : batch) tell_lost(lost);
            throw;
        }
        committed += batch.size();
    }
}

sluice::task<> consume(sluice::receiver<order> orders, connection_pool& pool, std::size_t& committed,
                       sluice::sender<void>) {
    co_await sluice::shielded(commit_all(std::move(orders), pool, committed));
}

// --- all of it --------------------------------------------------------------------------------------------------------

void tell(const sluice::phase_result& phase) {
    fmt::print("{}: {} after {} ms\n", phase.name, to_string(phase.how), phase.took / 1ms);
    std::fflush(stdout);
}

sluice::task<int> serve(const settings& how, connection_pool& pool) {
    std::size_t committed = 0;
    sluice::shutdown down;
    down.on_signal(SIGINT, SIGTERM).on_phase(tell);
    bool is_done = false;

    const auto body = [&](sluice::errgroup& staff) -> sluice::task<> {
        auto [desk, to_clerks] = sluice::make_channel<request_for_order>(0);
        auto [consumer_runs, consumer_ended] = sluice::make_channel<void>(0);  // carries nothing, and is closed
        auto [taken, to_commit] = sluice::make_channel<order>(how.queue);
        to_commit.on_undelivered(tell_lost);
        for (std::size_t i = 0; i < how.clerks; ++i) staff.go(clerk, to_clerks, std::ref(pool), taken, std::cref(how));
        staff.go(consume, std::move(to_commit), std::ref(pool), std::ref(committed), std::move(consumer_runs));
        to_clerks = {};  // they have the others: with the last of them all ends of theirs are closed
        taken = {};

        http::server front{{.port = how.port}, [to = desk](const http::request& r) { return pass_to(to, r); }};
        fmt::print("listening on 127.0.0.1:{}\n", front.port());
        std::fflush(stdout);

        down.phase("stop accepting", 2s, [&] { return front.stop_accepting(); })
            .phase("answer what is in flight", how.drain, [&] { return front.drain(); })
            .phase("hang up", 5s, [&] { return front.close(); })
            .phase("let the consumer commit", 20s,
                   [&, all_asked = desk]() -> sluice::task<> {
                       all_asked.close();
                       static_cast<void>(co_await consumer_ended.async_receive());
                   })
            .phase("close the database", 5s, [&] { return pool.close(); })
            .on_done(staff.get_context());
        // Also when one of them fails, which cancels them all.
        const auto report = co_await sluice::shielded(down.async_run());
        is_done = report.all_done();
        if (is_done) co_return;
        staff.cancel();
        // Whoever waits for a clerk is told that there is none any more.
        static_cast<void>(co_await sluice::shielded(sluice::timeout(2s, front.drain())));
    };
    co_await sluice::scope(body);
    fmt::print("committed {}\n", committed);
    co_return is_done ? 0 : 1;
}

}  // namespace

int main(int count, char** values) {
    settings how;
    CLI::App app{"A shop over HTTP that closes in order"};
    app.option_defaults()->always_capture_default();
    app.add_option("--port", how.port, "where to listen; 0: a free one");
    app.add_option("--database", how.database, "the file of the shop");
    app.add_option("--clerks", how.clerks, "requests at a time")->check(CLI::Range(1, 10'000));
    app.add_option("--connections", how.connections, "to the database")->check(CLI::Range(2, 100));
    app.add_option("--queue", how.queue, "orders that may wait")->check(CLI::Range(1, 1'000'000));
    add_milliseconds(app, "--feast", how.feast, "how long one takes");
    add_milliseconds(app, "--drain", how.drain, "for requests in flight, at the end", 1);
    CLI11_PARSE(app, count, values);
    try {
        const sluice::dump_on_signal dumps{SIGQUIT};  // what does each task wait for?
        connection_pool pool{how.database, how.connections};
        return sluice::run(serve, std::cref(how), std::ref(pool));
    } catch (const std::exception& e) {
        fmt::print(stderr, "graceful_shutdown: {}\n", e.what());
        return 1;
    }
}
