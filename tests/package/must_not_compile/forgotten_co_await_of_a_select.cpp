// expect: nodiscard|unused-result
// An operation does nothing until it is awaited: a select.
#include <sluice/sluice.hpp>

sluice::task<> waits(sluice::channel<int> numbers, sluice::context until) {
    static_cast<void>(co_await sluice::async_select(sluice::on_receive(numbers), sluice::on_done(until)));
#if defined(MISUSE)
    sluice::async_select(sluice::on_receive(numbers), sluice::on_done(until));
#endif
    static_cast<void>(until);
    static_cast<void>(numbers);
}
