// SPDX-License-Identifier: BSL-1.0
// captured_loop_variable.cpp: what does a task see of a variable that its loop has changed meanwhile?
//
// The mistake: to start tasks in a loop that look at the loop's variable when they run, later.
// Go: until 1.21, and still in a module that says `go 1.21`, all goroutines share the variable: they print 4 4 4, as a
//     rule, and race. `go vet` warns of the plain cases. Since 1.22 each turn of a loop has a variable of its own; one
//     that is declared outside of the loop, as below, is still shared.
// Here: impossible for what is passed to `go`. It copies the function and its arguments into the task before it
//     returns, and they live as long as the task. So a parameter that is a reference refers to the task's own copy, and
//     a coroutine that is a lambda keeps its captures, which elsewhere dangle. Who wants to share says `std::ref`.
//     What captures by `[&]` shares without a word, as in all of C++.
#include <sluice/sluice.hpp>

#include <algorithm>
#include <cstdio>

using numbers = sluice::channel<int>;

sluice::task<> see(const int& number, numbers seen) {
    co_await sluice::yield();  // the loop goes on meanwhile
    static_cast<void>(co_await seen.async_send(number));
}

// What three tasks have seen, in order.
sluice::task<> print(const char* how, sluice::wait_group& tasks, numbers seen) {
    co_await tasks.async_wait();
    auto all = seen.try_receive_some(3);
    std::ranges::sort(all);
    std::printf("%s:", how);
    for (const int number : all) std::printf(" %d", number);
    std::printf("\n");
}

sluice::task<> main_task() {
    sluice::wait_group tasks;
    const numbers seen(3);

    int i = 1;
    for (; i <= 3; ++i) tasks.go(see, i, seen);
    co_await print("passed by reference", tasks, seen);

    for (i = 1; i <= 3; ++i) {
        tasks.go([i, seen]() -> sluice::task<> {  // the lambda is gone when its coroutine runs, its copy is not
            co_await sluice::yield();
            static_cast<void>(co_await seen.async_send(i));
        });
    }
    co_await print("captured by a coroutine", tasks, seen);
}

int main() { sluice::run(main_task); }
