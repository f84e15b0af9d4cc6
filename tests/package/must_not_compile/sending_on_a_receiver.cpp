// expect: no member named .*send
// Wrong direction: the receiving half has no operation that sends.
#include <sluice/channel.hpp>

void passes_on(sluice::receiver<int> in, sluice::sender<int> out) {
    const auto v = in.receive();
    if (!v || !out.send(*v)) return;
#if defined(MISUSE)
    static_cast<void>(in.send(*v));
#endif
}
