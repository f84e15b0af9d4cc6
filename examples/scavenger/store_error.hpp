// SPDX-License-Identifier: BSL-1.0
// store_error.hpp: in which ways can a request to the store fail?
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace scavenger {

/// What the caller has to do decides the class, as in the answers of DynamoDB.
enum class error_class {
    throttled,                  // too many requests: again, later
    internal,                   // the store's own trouble: again, later
    table_not_found,            // fatal
    rejected,                   // the request can never succeed (bad file, missing column, no right): fatal
    condition_failed,           // the item changed or went away since it was scanned: skipped
    item_collection_too_large,  // reported for the item
    transaction_conflict,       // reported for the item
};

std::string_view name_of(error_class kind);

/// The same request may succeed a little later.
bool is_transient(error_class kind);

/// No request of this run can succeed any more.
bool is_fatal(error_class kind);

class store_error : public std::runtime_error {
public:
    store_error(error_class kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

    error_class kind() const { return kind_; }

private:
    error_class kind_;
};

}  // namespace scavenger
