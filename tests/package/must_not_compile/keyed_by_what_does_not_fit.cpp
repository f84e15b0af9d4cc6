// expect: the key is what a plain function gives
#include <sluice/fan.hpp>

#include <string>

std::size_t size_of(const std::string& text) { return text.size(); }
int twice(int n) { return 2 * n; }

void work(const sluice::receiver<int>& numbers) {
    static_cast<void>(sluice::keyed(numbers, 2, twice, twice));
#if defined(MISUSE)
    static_cast<void>(sluice::keyed(numbers, 2, size_of, twice));
#endif
}
