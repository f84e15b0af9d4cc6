// expect: write the case in the call of select
// As for threads: a case is written in the call, or moved there.
#include <sluice/select.hpp>

#include <utility>

sluice::task<> waits(sluice::channel<int> numbers, int value) {
    auto named = sluice::on_send(numbers, value);
    static_cast<void>(co_await sluice::async_select(sluice::prioritized, std::move(named)));
#if defined(MISUSE)
    const auto again = sluice::on_send(numbers, value);
    static_cast<void>(co_await sluice::async_select(sluice::prioritized, again));
#endif
}
