// expect: can be awaited in coroutines of sluice only
// A yield lets other tasks run: to the coroutine of another library it means nothing.
#include <coroutine>
#include <sluice/sluice.hpp>

struct other {
    struct promise_type {
        other get_return_object() { return {}; }
        std::suspend_never initial_suspend() { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
};

other waits(sluice::channel<int> numbers) {
    static_cast<void>(co_await numbers.async_receive());
#if defined(MISUSE)
    co_await sluice::yield();
#endif
}
