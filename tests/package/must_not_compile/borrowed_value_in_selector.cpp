// expect: in a selector write on_send
// An operation refers to the value it sends; a case of a selector outlives the expression it was made in.
#include <sluice/select.hpp>

void adds(sluice::selector& selector, const sluice::channel<int>& ch) {
    selector.add(sluice::on_send(ch, 5));
#if defined(MISUSE)
    selector.add(sluice::on(ch.async_send(5)));
#endif
}
