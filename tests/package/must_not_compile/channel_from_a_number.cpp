// expect: no viable conversion|conversion from .* requested|could not convert
// A number is not a channel: where one is wanted, nobody gets an empty one by passing a number.
#include <sluice/channel.hpp>

void begins() {
    sluice::channel<int> ch{3};
    static_cast<void>(ch);
#if defined(MISUSE)
    sluice::channel<int> other = 3;
#endif
}
