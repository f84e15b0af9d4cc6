// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: a send.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers, sluice::context until) {
    static_cast<void>(co_await numbers.async_send(1));
#if defined(MISUSE)
    numbers.async_send(1);
#endif
    static_cast<void>(until);
    static_cast<void>(numbers);
}
