// expect: select_case|no matching function
// A channel is no case: a select is told what to do with it.
#include <sluice/select.hpp>

void waits(sluice::channel<int> numbers) {
    sluice::select(sluice::on_receive(numbers));
#if defined(MISUSE)
    sluice::select(numbers);
#endif
}
