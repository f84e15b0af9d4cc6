// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: a receive that a context may end.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers, sluice::context until) {
    static_cast<void>(co_await numbers.async_receive(until));
#if defined(MISUSE)
    numbers.async_receive(until);
#endif
    static_cast<void>(until);
    static_cast<void>(numbers);
}
