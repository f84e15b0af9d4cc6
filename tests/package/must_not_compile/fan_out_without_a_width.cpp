// expect: no matching function for call to .*fan_out
// How many work at a time is said by every caller.
#include <sluice/fan.hpp>

int twice(int n) { return 2 * n; }

void work(const sluice::receiver<int>& numbers) {
    static_cast<void>(sluice::fan_out(numbers, sluice::unlimited, twice));
#if defined(MISUSE)
    static_cast<void>(sluice::fan_out(numbers, twice));
#endif
}
