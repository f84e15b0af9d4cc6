// expect: called without arguments
// Nobody says what they are: they are bound in a closure.
#include <sluice/race.hpp>

sluice::task<int> doubled(int n) { co_return 2 * n; }

sluice::task<> waits() {
    const auto bound = [] { return doubled(2); };
    static_cast<void>(co_await sluice::race(bound));
#if defined(MISUSE)
    static_cast<void>(co_await sluice::race(doubled));
#endif
}
