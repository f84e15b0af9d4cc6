// expect: the function is called with one item of the input
#include <sluice/fan.hpp>

#include <string>

std::size_t size_of(const std::string& text) { return text.size(); }

void work(const sluice::receiver<std::string>& texts, const sluice::receiver<int>& numbers) {
    static_cast<void>(sluice::fan_out(texts, 2, size_of));
    static_cast<void>(numbers);
#if defined(MISUSE)
    static_cast<void>(sluice::fan_out(numbers, 2, size_of));
#endif
}
