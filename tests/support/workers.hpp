// SPDX-License-Identifier: BSL-1.0
// workers.hpp: how many workers shall a test's runtime have?
#pragma once

#include <sluice/options.hpp>

namespace sluice_test {

inline sluice::runtime_options workers(unsigned n) {
    sluice::runtime_options o;
    o.workers = n;
    return o;
}

}  // namespace sluice_test
