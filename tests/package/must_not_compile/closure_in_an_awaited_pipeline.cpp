// expect: name the pipeline first
// only: GNU
// g++ would destroy the captured string twice.
#include <sluice/pipeline.hpp>

#include <string>

sluice::task<> waits(const std::vector<int>& numbers, std::string text) {
    auto named = sluice::from(numbers) |
                 sluice::transform([text](int v) { return text.size() + static_cast<std::size_t>(v); }) |
                 sluice::collect();
    static_cast<void>(co_await named);
#if defined(MISUSE)
    static_cast<void>(co_await (sluice::from(numbers) |
                                sluice::transform([text](int v) { return text.size() + static_cast<std::size_t>(v); }) |
                                sluice::collect()));
#endif
}
