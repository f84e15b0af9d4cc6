// expect: deleted
// A task has one owner. It is moved, and awaited once.
#include <sluice/task.hpp>

#include <utility>

void owns(sluice::task<int> work) {
    sluice::task<int> moved = std::move(work);
#if defined(MISUSE)
    sluice::task<int> copied = moved;
#endif
}
