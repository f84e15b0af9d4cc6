// expect: a condition is looked at under a lock: make it noexcept
// A condition runs under the lock of its point, in whichever thread changes the state: it must not throw.
#include <sluice/selectable.hpp>

void waits(sluice::wait_point& point, int& state) {
    auto good = point.until([&]() noexcept { return state > 0; });
    static_cast<void>(good);
#if defined(MISUSE)
    auto throwing = point.until([&] { return state > 0; });
    static_cast<void>(throwing);
#endif
}
