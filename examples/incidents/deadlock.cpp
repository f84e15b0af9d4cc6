// SPDX-License-Identifier: BSL-1.0
// deadlock.cpp: what if two tasks wait for each other?
//
// The mistake: both want to give before they take. On a rendezvous both wait for ever.
// Go: `fatal error: all goroutines are asleep - deadlock!` with the stack of each, and exit code 2. Nothing catches it,
//     no deferred call runs, and one goroutine that waits for the network or a timer is enough to hide it: then the
//     program hangs in silence.
// Here: reported. `run` cancels and joins its tasks, so that their destructors run, and throws a `deadlock_error`. It
//     tells of each task where it was started, where it waits and for what, by the names that were given. While a timer
//     or somebody outside of the run may help, it is none, here too; `runtime::dump` lists the same at any time.
#include <sluice/sluice.hpp>

#include <cstdio>
#include <string_view>

sluice::task<> swap_letters(std::string_view name, sluice::channel<int> mine, sluice::channel<int> theirs) {
    sluice::name_task(name);
    const struct open_file {
        ~open_file() { std::printf("a file is closed\n"); }
    } file;
    if (!co_await theirs.async_send(1)) co_return;  // first the one, then the other: on both sides
    static_cast<void>(co_await mine.async_receive());
}

sluice::task<> meet() {
    sluice::name_task("host");
    const sluice::channel<int> to_ada(0);
    const sluice::channel<int> to_bjarne(0);
    to_ada.name("letters to Ada");
    to_bjarne.name("letters to Bjarne");
    sluice::wait_group both;
    both.go(swap_letters, "Ada", to_ada, to_bjarne);
    both.go(swap_letters, "Bjarne", to_bjarne, to_ada);
    co_await both.async_wait();
}

int main() {
    try {
        sluice::run({.workers = 1}, meet);  // one, so that the list is always in the same order
    } catch (const sluice::deadlock_error& error) {
        std::fputs(error.what(), stderr);
        return 1;
    }
}
