// SPDX-License-Identifier: BSL-1.0
// main.cpp: Listen, Enrich, Store: a pipeline behind a server of HTTP.
//
//     $ pipeline_http --port 8080 --store messages.txt &
//     $ curl 'http://127.0.0.1:8080/incoming?data=foo'
//     OK: *foo*
//     $ curl 'http://127.0.0.1:8080/incoming?data=bar'
//     aborted: nobody wants bar
//
//   GET /incoming ──▶ listen ──incoming──▶ enrich (n of them) ──enriched──▶ store ──▶ the file
//                        ◀───────────────────── done ───────────────────────┘
//
// Notice: the channels have no buffers, so a stage that is busy holds up those before it, as far as the handlers of the
// requests. Of these there are as many as there is room for: beyond it the answer is 503, at once. Nobody can forget to
// answer: a message that goes unanswered closes its channel. On SIGTERM what was accepted is answered, then all ends.
#include "command_line.hpp"
#include "http_server.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include <sluice/asio.hpp>
#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/scope.hpp>
#include <sluice/semaphore.hpp>
#include <sluice/shutdown.hpp>
#include <sluice/timer.hpp>

using namespace std::chrono_literals;

namespace {

struct settings {
    std::string address = "127.0.0.1";
    std::string store = "messages.txt";
    unsigned short port = 0;
    std::size_t room = 64;
    std::size_t enrichers = 3;
    std::chrono::milliseconds enriching = 10ms;
    std::chrono::milliseconds patience = 10s;
    std::chrono::milliseconds drain = 20s;
};

struct outcome {
    bool is_stored = false;
    std::string text;  // what was stored, or why it was not
};

struct message {
    std::string data;
    sluice::sender<outcome> done;  // closes when the message goes
};

/// What the handlers of the requests share.
struct service {
    explicit service(std::size_t most) : room{most} {}

    sluice::semaphore room;        // for messages that have been accepted and not been answered
    std::atomic<int> accepted{0};  // each of them is stored or aborted
    std::atomic<int> stored{0};
    std::atomic<int> aborted{0};
    std::atomic<int> busy{0};  // refused, since there was no room
};

void answer(const message& to, bool is_stored, std::string text) {
    static_cast<void>(to.done.try_send(outcome{is_stored, std::move(text)}));  // has room for one, and gets one
}

// --- Listen -----------------------------------------------------------------------------------------------------------

bool is_text(const std::string& data) {
    for (const char c : data)
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') return false;
    return !data.empty();
}

asio::awaitable<http::response> listen(service& all, sluice::sender<message> incoming, const http::request& asked) {
    if (asked.path != "/incoming") co_return http::response{404, "ask for /incoming?data=...\n"};
    const std::string* const data = asked.parameter("data");
    if (!data || !is_text(*data)) co_return http::response{400, "data is a line of text\n"};
    if (!all.room.try_acquire()) {
        ++all.busy;
        co_return http::response{503, "busy\n", 1s};
    }
    const sluice::permit place{all.room, 1};
    auto [done, answered] = sluice::make_channel<outcome>(1);
    message accepted{*data, std::move(done)};
    ++all.accepted;
    const auto sent = co_await sluice::async_perform(incoming.async_send(std::move(accepted)));
    if (!sent) answer(accepted, false, "shutting down");
    const auto said = co_await sluice::async_perform(answered.async_receive());
    if (said && said->is_stored) {
        ++all.stored;
        co_return http::response{200, "OK: " + said->text + "\n"};
    }
    ++all.aborted;
    co_return http::response{422, "aborted: " + (said ? said->text : "lost on its way") + "\n"};
}

// --- Enrich, and drop what nobody wants -------------------------------------------------------------------------------

sluice::task<> enrich(sluice::receiver<message> in, sluice::sender<message> out, sluice::clock::duration takes) {
    while (auto next = co_await in.async_receive()) {
        if (next->data == "bar") {
            answer(*next, false, "nobody wants bar");
            continue;
        }
        co_await sluice::sleep_for(takes);
        next->data = '*' + next->data + '*';
        const auto sent = co_await out.async_send(std::move(*next));
        if (!sent) co_return;  // and the message goes, which answers it
    }
}

// --- Store ------------------------------------------------------------------------------------------------------------

void append(std::ofstream& file, const std::string& line) {
    file << line << std::endl;
    if (file.fail()) throw std::runtime_error{"it could not be written"};
}

sluice::task<> store(sluice::receiver<message> in, std::ofstream& file) {
    while (auto next = co_await in.async_receive()) {
        std::string why_not;
        try {
            co_await sluice::blocking(append, std::ref(file), next->data);
        } catch (const std::runtime_error& e) {
            why_not = e.what();
            file.clear();
        }
        answer(*next, why_not.empty(), why_not.empty() ? next->data : why_not);
    }
}

// --- all of it --------------------------------------------------------------------------------------------------------

sluice::task<int> serve(const settings how) {
    std::ofstream file{how.store, std::ios::app};
    if (!file) throw std::runtime_error{"cannot write " + how.store};
    service all{how.room};
    sluice::shutdown down;
    down.on_signal(SIGINT, SIGTERM);

    const auto body = [&](sluice::errgroup& stages) -> sluice::task<int> {
        auto [incoming, to_enrich] = sluice::make_channel<message>(0);
        auto [enriched, to_store] = sluice::make_channel<message>(0);
        for (std::size_t i = 0; i < how.enrichers; ++i) stages.go(enrich, to_enrich, enriched, how.enriching);
        stages.go(store, std::move(to_store), std::ref(file));
        to_enrich = {};  // the stages have the others: with the last of them all ends of theirs are closed
        enriched = {};

        const http::server_options where{.address = how.address, .port = how.port, .for_head = how.patience};
        http::server front{where, [&, in = incoming](const http::request& r) { return listen(all, in, r); }};
        fmt::print("listening on {}:{}\n", how.address, front.port());
        std::fflush(stdout);

        down.phase("stop accepting", 2s, [&] { return front.stop_accepting(); })
            .phase("answer what was accepted", how.drain, [&] { return front.drain(); })
            .phase("close the connections", 5s, [&] { return front.close(); });
        down.on_done(stages.get_context());
        const auto report = co_await sluice::shielded(down.async_run());  // also when a stage fails

        const auto seen = front.counts();
        fmt::print("{}accepted {}, stored {}, aborted {}, busy {}, answered {}, gone {}, turned away {}\n",
                   report.text(), all.accepted.load(), all.stored.load(), all.aborted.load(), all.busy.load(),
                   seen.answered, seen.gone, seen.turned_away);
        if (!report.all_done()) stages.cancel();
        co_return report.all_done() ? 0 : 1;
    };
    co_return co_await sluice::scope(body);  // the last sender has gone: the stages end one after the other
}

}  // namespace

int main(int count, char** values) {
    settings how;
    CLI::App app{"A pipeline behind a server of HTTP"};
    app.option_defaults()->always_capture_default();
    app.add_option("--address", how.address, "where to listen");
    app.add_option("--port", how.port, "where to listen; 0: a free one");
    app.add_option("--store", how.store, "the file that messages are appended to");
    app.add_option("--room", how.room, "messages at a time")->check(CLI::Range(1, 1'000'000));
    app.add_option("--enrichers", how.enrichers, "how many of them")->check(CLI::Range(1, 10'000));
    add_milliseconds(app, "--enriching", how.enriching, "how long it takes");
    add_milliseconds(app, "--patience", how.patience, "with clients that send slowly", 1);
    add_milliseconds(app, "--drain", how.drain, "for answering what was accepted, at the end", 1);
    CLI11_PARSE(app, count, values);
    try {
        const sluice::dump_on_signal dumps{SIGQUIT};  // what does each task wait for?
        return sluice::run(serve, how);
    } catch (const std::exception& e) {
        fmt::print(stderr, "pipeline_http: {}\n", e.what());
        return 1;
    }
}
