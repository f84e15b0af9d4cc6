// SPDX-License-Identifier: BSL-1.0
// abandoned_sender.cpp: what if a task sends and its receiver has left?
//
// The mistake: to ask several and take the first answer, or to give up after a while. A later one has no taker.
// Go: silent. The sender waits for ever and keeps all that it refers to, unless the channel had room for every answer.
//     Such leaks add up until the memory is gone. Go 1.26 can list them, by the profile goroutineleak, an experiment.
// Here: impossible with `make_channel`, whose ends are counted: when the last receiver goes, every send ends with
//     `closed`, and the value is still the sender's; when the last sender goes, receives end likewise. On a plain
//     `channel` a sender can wait for nobody, but not for longer than its group or its run lasts, which cancels it.
#include <sluice/sluice.hpp>

#include <cstdio>
#include <string>

sluice::task<> answer_at_once(sluice::sender<std::string> to) {
    const std::string answer = "the answer of the first";
    static_cast<void>(co_await to.async_send(answer));
}

sluice::task<> answer_late(sluice::sender<std::string> to, sluice::receiver<void> asker) {
    std::string answer = "the answer of the second";
    static_cast<void>(co_await asker.async_receive());  // until the asker has left
    const auto sent = co_await to.async_send(std::move(answer));
    if (sent.why() == sluice::status::closed) std::printf("closed for %s\n", answer.c_str());  // not moved: not sent
}

sluice::task<> ask(sluice::wait_group& replicas) {
    auto [to, answers] = sluice::make_channel<std::string>(0);
    auto [asking, asker] = sluice::make_channel<void>(0);
    replicas.go(answer_at_once, to);
    replicas.go(answer_late, to, asker);
    auto first = co_await answers.async_receive();
    std::printf("received %s\n", first->c_str());
}  // the receiver goes

sluice::task<> send_to_nobody(sluice::channel<int> to) {
    try {
        for (int i = 1; co_await to.async_send(i); ++i) {}
    } catch (const sluice::canceled&) {
        std::printf("a sender into a plain channel has been cancelled\n");
        throw;
    }
}

sluice::task<> main_task() {
    sluice::wait_group replicas;
    co_await ask(replicas);
    co_await replicas.async_wait();

    const sluice::channel<int> numbers(0);
    sluice::go(send_to_nobody, numbers);
    static_cast<void>(co_await numbers.async_receive());  // the first, and no more
}

int main() { sluice::run(main_task); }
