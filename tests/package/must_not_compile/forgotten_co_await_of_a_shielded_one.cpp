// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: a receive for clean-up.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers) {
    static_cast<void>(numbers);
    static_cast<void>(co_await sluice::shielded(numbers.async_receive()));
#if defined(MISUSE)
    sluice::shielded(numbers.async_receive());
#endif
}
