// SPDX-License-Identifier: BSL-1.0
#include "store_error.hpp"

namespace scavenger {

std::string_view name_of(error_class kind) {
    switch (kind) {
        case error_class::throttled: return "throttled";
        case error_class::internal: return "internal error";
        case error_class::table_not_found: return "table not found";
        case error_class::rejected: return "request rejected";
        case error_class::condition_failed: return "condition failed";
        case error_class::item_collection_too_large: return "item collection too large";
        case error_class::transaction_conflict: return "transaction conflict";
    }
    return "unknown error";
}

bool is_transient(error_class kind) { return kind == error_class::throttled || kind == error_class::internal; }

bool is_fatal(error_class kind) { return kind == error_class::table_not_found || kind == error_class::rejected; }

}  // namespace scavenger
