// expect: each subscriber gets a copy: use std::shared_ptr<const T>
#include <sluice/broadcast.hpp>

#include <memory>

void publish() {
    sluice::broadcast<std::shared_ptr<const int>> shared;
    static_cast<void>(shared.try_publish(nullptr));
#if defined(MISUSE)
    sluice::broadcast<std::unique_ptr<int>> unique;
#endif
}
