// expect: deleted
// Others wait on it where it is (T35).
#include <sluice/semaphore.hpp>

#include <utility>

void shares(sluice::semaphore& slots) {
    sluice::semaphore& same = slots;
    static_cast<void>(same);
#if defined(MISUSE)
    sluice::semaphore moved = std::move(slots);
#endif
}
