// expect: cannot end what another library waits for
// What another library waits for ends when it ends.
#include <sluice/sluice.hpp>

#include <coroutine>

struct other {
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
};

sluice::task<> waits() {
    co_await other{};
#if defined(MISUSE)
    co_await sluice::timeout(std::chrono::seconds{1}, other{});
#endif
}
