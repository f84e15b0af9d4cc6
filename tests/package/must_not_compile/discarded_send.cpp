// expect: nodiscard|unused-result
// A send may end without delivering, so its outcome is looked at.
#include <sluice/channel.hpp>

void sends(sluice::channel<int> numbers) {
    if (!numbers.send(1)) return;
#if defined(MISUSE)
    numbers.send(2);
#endif
}
