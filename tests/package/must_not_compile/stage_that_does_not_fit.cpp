// expect: this stage cannot take the values that the stage before it gives
// What a stage gives is what the next one takes.
#include <sluice/pipeline.hpp>

#include <string>

std::size_t size_of(const std::string& text) { return text.size(); }

void use(const std::vector<int>& numbers) {
    (sluice::from(numbers) | sluice::transform([](int v) { return std::to_string(v); }) | sluice::transform(size_of) |
     sluice::for_each([](std::size_t) {
     })).run();
#if defined(MISUSE)
    (sluice::from(numbers) | sluice::transform(size_of) | sluice::for_each([](std::size_t) {})).run();
#endif
}
