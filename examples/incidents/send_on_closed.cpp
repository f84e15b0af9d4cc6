// SPDX-License-Identifier: BSL-1.0
// send_on_closed.cpp: what if a sender does not know that the channel has been closed?
//
// The mistake: somebody closes while another still sends, or waits to.
// Go: `panic: send on closed channel`, in the sender, also in one that has waited for long; it ends the process unless
//     the goroutine recovers from it. To ask before is a race.
// Here: reported, to the sender. The send ends with `closed`, also one that was waiting, and the value is still the
//     sender's, unmoved. To overlook that is a warning: what a send gives is `[[nodiscard]]`.
#include <sluice/sluice.hpp>

#include <cstdio>
#include <string>

sluice::task<> write_log(sluice::channel<std::string> log) {
    for (int n = 1;; ++n) {
        std::string line = "line " + std::to_string(n);
        const auto sent = co_await log.async_send(std::move(line));
        if (sent.why() != sluice::status::closed) continue;
        std::printf("closed, and \"%s\" is still here\n", line.c_str());
        co_return;
    }
}

sluice::task<> main_task() {
    const sluice::channel<std::string> log(0);
    auto writer = sluice::go(write_log, log);
    for (int i = 0; i < 2; ++i) {
        auto line = co_await log.async_receive();
        std::printf("received \"%s\"\n", line->c_str());
    }
    log.close();  // while the writer sends its third
    co_await writer;

    const std::string late = "too late";
    if (!log.try_send(late)) std::printf("\"%s\" has not been sent\n", late.c_str());
}

int main() { sluice::run(main_task); }
