// expect: nodiscard|unused-result
// only: Clang
// What an awaited send gives is looked at as well; g++ 12 does not see it.
#include <sluice/channel.hpp>
#include <sluice/task.hpp>

sluice::task<> sends(sluice::channel<int> numbers) {
    if (!co_await numbers.async_send(1)) co_return;
#if defined(MISUSE)
    co_await numbers.async_send(2);
#endif
}
