// SPDX-License-Identifier: BSL-1.0
#include "peak_memory.hpp"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace scavenger {

std::uint64_t peak_memory() {
    // getrusage() also counts what the process was before exec, on Linux; its own file there does not.
    std::ifstream status{"/proc/self/status"};
    for (std::string word; status >> word;) {
        std::uint64_t kib = 0;
        if (word == "VmHWM:" && status >> kib) return kib * 1024;
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return static_cast<std::uint64_t>(usage.ru_maxrss);
#else
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace scavenger
