// expect: this sink cannot take the values that the last stage gives
#include <sluice/pipeline.hpp>

#include <string>

void use(const std::vector<int>& numbers) {
    (sluice::from(numbers) | sluice::for_each([](int) {})).run();
#if defined(MISUSE)
    (sluice::from(numbers) | sluice::for_each([](const std::string&) {})).run();
#endif
}
