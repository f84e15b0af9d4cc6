// expect: without arguments, or with its number
// Nobody is there to say which name is meant.
#include <sluice/retry.hpp>

#include <string>

sluice::task<int> ask(std::string name);

sluice::task<int> waits() {
    const auto named = [] { return ask("name"); };
    const int first = co_await sluice::retry({3}, named);
#if defined(MISUSE)
    co_await sluice::retry({3}, ask);
#endif
    co_return first;
}
