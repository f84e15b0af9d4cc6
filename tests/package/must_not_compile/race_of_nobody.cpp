// expect: a race has at least one runner
// It would never have an answer.
#include <sluice/race.hpp>

sluice::task<int> runs() { co_return 1; }

sluice::task<> waits() {
    static_cast<void>(co_await sluice::race(runs));
#if defined(MISUSE)
    co_await sluice::race();
#endif
}
