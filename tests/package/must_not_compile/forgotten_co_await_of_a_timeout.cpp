// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: an operation with a limit.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers, sluice::context until) {
    static_cast<void>(co_await sluice::timeout(std::chrono::seconds{1}, numbers.async_receive()));
#if defined(MISUSE)
    sluice::timeout(std::chrono::seconds{1}, numbers.async_receive());
#endif
    static_cast<void>(until);
    static_cast<void>(numbers);
}
