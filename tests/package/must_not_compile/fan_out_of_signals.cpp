// expect: a channel<void> carries signals, which have nothing to work on
#include <sluice/fan.hpp>

void work(const sluice::receiver<int>& numbers, const sluice::receiver<void>& signals) {
    static_cast<void>(sluice::ordered(numbers, 2, [](int n) { return n; }));
    static_cast<void>(signals);
#if defined(MISUSE)
    static_cast<void>(sluice::ordered(signals, 2, [] { return 1; }));
#endif
}
