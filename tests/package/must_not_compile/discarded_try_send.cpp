// expect: nodiscard|unused-result
// Whether it was sent is all that a `try_send` tells.
#include <sluice/channel.hpp>

void sends(sluice::channel<int> numbers) {
    static_cast<void>(numbers.try_send(1));
#if defined(MISUSE)
    numbers.try_send(2);
#endif
}
