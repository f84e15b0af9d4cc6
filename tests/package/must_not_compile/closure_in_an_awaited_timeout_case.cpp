// expect: name it first, then pass the name
// only: GNU
// g++ would destroy the captured string twice.
#include <sluice/select.hpp>

#include <string>

sluice::task<> waits(std::string text) {
    const auto named = [text] {};
    static_cast<void>(co_await sluice::async_select(sluice::on_timeout(std::chrono::seconds{1}, named)));
#if defined(MISUSE)
    static_cast<void>(co_await sluice::async_select(sluice::on_timeout(std::chrono::seconds{1}, [text] {})));
#endif
}
