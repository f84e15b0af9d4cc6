// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: a call that may block.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers) {
    static_cast<void>(numbers);
    co_await sluice::blocking([] {});
#if defined(MISUSE)
    sluice::blocking([] {});
#endif
}
