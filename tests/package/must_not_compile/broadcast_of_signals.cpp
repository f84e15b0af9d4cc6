// expect: a signal to all needs no broadcast: close a channel
#include <sluice/broadcast.hpp>

void publish() {
    sluice::broadcast<int> values;
    static_cast<void>(values.try_publish(1));
#if defined(MISUSE)
    sluice::broadcast<void> signals;
#endif
}
