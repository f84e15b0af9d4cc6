// expect: write the case in the call of select
// A case is one wait, so it cannot be copied into a select. It is written in the call, or moved there.
#include <sluice/select.hpp>

#include <utility>

void waits(sluice::channel<int> numbers) {
    auto named = sluice::on_receive(numbers);
    const auto over = sluice::on_timeout(std::chrono::seconds{1});  // nothing to wait with: copied
    sluice::select(std::move(named), over);
#if defined(MISUSE)
    auto again = sluice::on_receive(numbers);
    sluice::select(again, over);
#endif
}
