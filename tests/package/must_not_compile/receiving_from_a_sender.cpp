// expect: no member named .*receive
// Wrong direction: the sending half has no operation that receives.
#include <sluice/channel.hpp>

void passes_on(sluice::receiver<int> in, sluice::sender<int> out) {
    const auto v = in.receive();
    if (!v || !out.send(*v)) return;
#if defined(MISUSE)
    static_cast<void>(out.receive());
#endif
}
