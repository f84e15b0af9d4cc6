// expect: carries values, or pointers to them
// What a channel carries belongs to the channel for a while, which a reference does not.
#include <sluice/channel.hpp>

int number = 0;

void begins() {
    sluice::channel<int*> pointers{1};
    if (!pointers.send(&number)) return;
#if defined(MISUSE)
    sluice::channel<int&> references{1};
    if (!references.send(number)) return;
#endif
}
