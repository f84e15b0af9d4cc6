// expect: send a pointer, or use the blocking form
// A coroutine's frame may not honour a large alignment, so the awaited forms refuse it.
#include <sluice/channel.hpp>
#include <sluice/task.hpp>

struct alignas(64) wide {
    int value = 0;
};

sluice::task<> waits(sluice::channel<wide> ch, sluice::channel<wide*> pointers) {
    const auto blocking = ch.try_receive();
    const auto pointer = co_await pointers.async_receive();
    if (!blocking || !pointer) co_return;
#if defined(MISUSE)
    const auto v = co_await ch.async_receive();
    static_cast<void>(v);
#endif
}
