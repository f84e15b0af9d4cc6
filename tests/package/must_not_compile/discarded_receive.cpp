// expect: nodiscard|unused-result
// A received value that nobody looks at is lost.
#include <sluice/channel.hpp>

void receives(sluice::channel<int> numbers) {
    static_cast<void>(numbers.receive());
#if defined(MISUSE)
    numbers.receive();
#endif
}
