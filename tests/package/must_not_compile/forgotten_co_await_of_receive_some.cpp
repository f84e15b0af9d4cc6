// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: a receive of several values.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers, sluice::context until) {
    static_cast<void>(co_await numbers.async_receive_some(3));
#if defined(MISUSE)
    numbers.async_receive_some(3);
#endif
    static_cast<void>(until);
    static_cast<void>(numbers);
}
