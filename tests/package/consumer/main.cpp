// main.cpp: a program of two files that both include the library. Notice: it links, and both see the same channel.
#include <sluice/sluice.hpp>

#if defined(EVERY_HEADER_TWICE)
#include "every_header_twice.inc"
#endif

#include <cstdio>
#include <thread>

void send_squares(sluice::channel<int> squares);

int main() {
    sluice::channel<int> squares(2);
    std::jthread sender(send_squares, squares);
    int sum = 0;
    for (int square : squares) sum += square;
    std::printf("%d\n", sum);
    return sum == 385 ? 0 : 1;
}
