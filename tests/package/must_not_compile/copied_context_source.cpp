// expect: deleted
// The destructor of a source cancels its context, so a source has one owner.
#include <sluice/context.hpp>

#include <utility>

void owns(sluice::context_source source) {
    [[maybe_unused]] sluice::context_source moved = std::move(source);
#if defined(MISUSE)
    sluice::context_source copied = moved;
#endif
}
