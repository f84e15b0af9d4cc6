// expect: each output gets a copy: use std::shared_ptr<const T>
#include <sluice/fan.hpp>

#include <memory>

void part(const sluice::receiver<std::unique_ptr<int>>& items) {
    static_cast<void>(sluice::round_robin(items, 2));
#if defined(MISUSE)
    static_cast<void>(sluice::tee(items, 2));
#endif
}
