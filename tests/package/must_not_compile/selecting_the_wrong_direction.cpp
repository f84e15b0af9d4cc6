// expect: no member named .*async_send
// Wrong direction, as a case of a select.
#include <sluice/select.hpp>

void passes_on(sluice::receiver<int> in, sluice::sender<int> out) {
    sluice::select(sluice::on_receive(in), sluice::on_send(out, 1));
#if defined(MISUSE)
    sluice::select(sluice::on_send(in, 1), sluice::on_send(out, 1));
#endif
}
