// expect: at most one .otherwise.
// Only one case can be the one that fires when no other is ready.
#include <sluice/select.hpp>

void looks(sluice::channel<int> numbers) {
    sluice::select(sluice::on_receive(numbers), sluice::otherwise);
#if defined(MISUSE)
    sluice::select(sluice::on_receive(numbers), sluice::otherwise, sluice::otherwise_do([] {}));
#endif
}
