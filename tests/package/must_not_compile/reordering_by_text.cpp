// expect: values have numbers .an integral type. or times
// What has neither a number nor a time has no place in an order that others leave gaps in.
#include <sluice/reorder_buffer.hpp>

#include <string>

void told(std::string&&, sluice::out_of_order) {}

void reorders() {
    sluice::reorder_buffer<std::string, std::size_t> by_length{{.capacity = 1}, &std::string::size, told};
    static_cast<void>(by_length.flush());
#if defined(MISUSE)
    sluice::reorder_buffer<std::string, std::string> by_text{{}, [](const std::string& s) { return s; }, told};
#endif
}
