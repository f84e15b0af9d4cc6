// expect: no matching function|too few arguments
// A capacity is a decision: 0 is a rendezvous, and nobody gets one by forgetting a number.
#include <sluice/channel.hpp>

void begins() {
    auto [in, out] = sluice::make_channel<int>(0);
#if defined(MISUSE)
    auto [first, second] = sluice::make_channel<int>();
#endif
}
