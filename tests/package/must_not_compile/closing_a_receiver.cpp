// expect: no member named .*close
// CL-07: who receives cannot know that no more values will come. It says that it wants none by `cancel()`.
#include <sluice/channel.hpp>

void leaves(sluice::receiver<int> in, sluice::sender<int> out) {
    out.close();
    in.cancel();
#if defined(MISUSE)
    in.close();
#endif
}
