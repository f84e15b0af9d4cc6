// other.cpp: the second file of the program in main.cpp.
#include <sluice/sluice.hpp>

#if defined(EVERY_HEADER_TWICE)
#include "every_header_twice.inc"
#endif

void send_squares(sluice::channel<int> squares);

void send_squares(sluice::channel<int> squares) {
    for (int i = 1; i <= 10; ++i) {
        if (!squares.send(i * i)) return;
    }
    squares.close();
}
