// expect: ignoring return value
// A subscriber that nobody holds has left.
#include <sluice/broadcast.hpp>

void listen(sluice::broadcast<int>& values) {
    const auto in = values.subscribe(sluice::overflow::wait, 1);
    static_cast<void>(in.try_receive());
#if defined(MISUSE)
    values.subscribe(sluice::overflow::wait, 1);
#endif
}
