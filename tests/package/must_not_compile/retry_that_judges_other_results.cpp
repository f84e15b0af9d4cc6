// expect: what judges results takes that of the attempt
// A status code is no text.
#include <sluice/retry.hpp>

#include <string>

sluice::task<int> ask();

sluice::task<int> waits() {
    const auto is_bad = [](int code) { return code >= 500; };
    const int first = co_await sluice::retry(sluice::retry_policy{}.retry_if_result(is_bad), ask);
#if defined(MISUSE)
    const auto is_empty = [](const std::string& text) { return text.empty(); };
    const int second = co_await sluice::retry(sluice::retry_policy{}.retry_if_result(is_empty), ask);
#endif
    co_return first;
}
