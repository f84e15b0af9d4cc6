// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: letting others run.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers) {
    static_cast<void>(numbers);
    co_await sluice::yield();
#if defined(MISUSE)
    sluice::yield();
#endif
}
