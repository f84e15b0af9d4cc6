// expect: done once: give a function
// Each attempt needs a task of its own.
#include <sluice/retry.hpp>

sluice::task<int> ask();

sluice::task<int> waits() {
    const int first = co_await sluice::retry({3}, ask);
#if defined(MISUSE)
    const int second = co_await sluice::retry({3}, ask());
#endif
    co_return first;
}
