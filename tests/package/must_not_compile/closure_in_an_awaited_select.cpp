// expect: name it first, then pass the name
// only: GNU
// g++ would destroy the captured string twice.
#include <sluice/select.hpp>

#include <string>

sluice::task<> waits(sluice::channel<int> numbers, std::string text) {
    const auto named = [text](const sluice::received<int>&) {};
    static_cast<void>(co_await sluice::async_select(sluice::on_receive(numbers, named)));
#if defined(MISUSE)
    static_cast<void>(
        co_await sluice::async_select(sluice::on_receive(numbers, [text](const sluice::received<int>&) {})));
#endif
}
