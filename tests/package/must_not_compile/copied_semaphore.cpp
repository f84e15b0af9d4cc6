// expect: deleted
// A semaphore is a place where callers wait, so it stays where it is.
#include <sluice/semaphore.hpp>

void shares(sluice::semaphore& slots) {
    sluice::semaphore& same = slots;
    static_cast<void>(same);
#if defined(MISUSE)
    sluice::semaphore copied = slots;
#endif
}
