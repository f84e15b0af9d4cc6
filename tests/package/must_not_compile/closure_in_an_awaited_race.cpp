// expect: name it first, then pass the name
// only: GNU
// g++ would destroy the captured string twice.
#include <sluice/race.hpp>

#include <string>

sluice::task<> waits(std::string text) {
    const auto named = [text] { return text.size(); };
    static_cast<void>(co_await sluice::race(named));
#if defined(MISUSE)
    static_cast<void>(co_await sluice::race([text] { return text.size(); }));
#endif
}
