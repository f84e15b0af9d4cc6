// expect: deleted
// A mutex is a place where callers wait, so it stays where it is.
#include <sluice/mutex.hpp>

void shares(sluice::mutex& m) {
    sluice::mutex& same = m;
    static_cast<void>(same);
#if defined(MISUSE)
    sluice::mutex copied = m;
#endif
}
