// expect: nodiscard|unused-result
// Two halves that nobody keeps are a closed channel.
#include <sluice/channel.hpp>

void begins() {
    auto [in, out] = sluice::make_channel<int>(1);
#if defined(MISUSE)
    sluice::make_channel<int>(1);
#endif
}
