// SPDX-License-Identifier: BSL-1.0
#include "item.hpp"

#include <fmt/format.h>

namespace scavenger {

std::string describe(const key& id) { return fmt::format("WorkerId {}, StartTime {:?}", id.worker_id, id.start_time); }

}  // namespace scavenger
