// SPDX-License-Identifier: BSL-1.0
// object_names.hpp: what does the user call the thing at this address?
//
// A task that waits notes the address of what it waits on and nothing else; names are looked up here when somebody
// asks. So a name costs the operations of an object nothing, and an object without a name costs nothing at all.
// N1  An address has a name only while its object lives: the object's destructor takes the name away before the
//     memory is anybody else's.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "lock.hpp"

namespace sluice::detail {

/// A member of whatever can have a name.
class object_name {
public:
    object_name() noexcept = default;
    object_name(const object_name&) = delete;
    object_name& operator=(const object_name&) = delete;
    ~object_name() {
        if (of_) take_from(of_);
    }

    /// From now on the object at `object`, which this is a member of, is called `name`; empty: it has no name.
    void give(const void* object, std::string_view name) {
        std::string made{name};
        auto& known = all();
        const hold guard{known.mutex};
        known.names.insert_or_assign(object, std::move(made));
        of_ = object;
    }

    /// For an object that remembers by itself that it has a name.
    static void give_to(const void* object, std::string_view name) {
        std::string made{name};
        auto& known = all();
        const hold guard{known.mutex};
        known.names.insert_or_assign(object, std::move(made));
    }
    static void take_from(const void* object) noexcept {
        auto& known = all();
        const hold guard{known.mutex};
        known.names.erase(object);
    }

    /// The name of the object at `object`, or an empty one.
    static std::string of(const void* object) {
        auto& known = all();
        const hold guard{known.mutex};
        const auto found = known.names.find(object);
        return found == known.names.end() ? std::string{} : found->second;
    }

private:
    struct table {
        lock mutex;
        std::unordered_map<const void*, std::string> names;
    };
    static table& all() {
        static auto* const known = new table;  // immortal: the last channel may go late
        return *known;
    }

    const void* of_ = nullptr;  // under the table's lock; null: never had a name
};

}  // namespace sluice::detail
