// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: forgetting `co_await` is a warning, here an error.
#include <sluice/channel.hpp>
#include <sluice/task.hpp>

sluice::task<> waits(sluice::channel<int> numbers) {
    auto first = co_await numbers.async_receive();
    static_cast<void>(first);
#if defined(MISUSE)
    numbers.async_receive();
#endif
}
