// SPDX-License-Identifier: BSL-1.0
// faulty_store.hpp: what if the store fails, or something happens, at just this request?
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "store.hpp"

namespace scavenger_test {

enum class request { scan, remove };

struct fault {
    scavenger::error_class kind;
    bool too_late = false;  // the request was carried out, only its answer was lost
};

/// Asks a script before each request what shall happen; requests are numbered from 1.
class faulty_store final : public scavenger::store {
public:
    /// Called from any worker. May also do something else, such as cancel a context.
    using script = std::function<std::optional<fault>(std::uint64_t number, request what)>;

    faulty_store(scavenger::store& behind, script asked) : behind_(behind), script_(std::move(asked)) {}

    std::uint64_t calls() const { return calls_; }

    sluice::task<scavenger::page> scan(std::size_t segment, std::size_t total_segments,
                                       std::optional<scavenger::key> start_key, std::size_t limit) override {
        const auto planned = script_(++calls_, request::scan);
        if (planned && !planned->too_late) throw scavenger::store_error{planned->kind, "planned"};
        auto answer = co_await behind_.scan(segment, total_segments, std::move(start_key), limit);
        if (planned) throw scavenger::store_error{planned->kind, "planned, too late"};
        co_return answer;
    }

    sluice::task<> remove(scavenger::item target) override {
        const auto planned = script_(++calls_, request::remove);
        if (planned && !planned->too_late) throw scavenger::store_error{planned->kind, "planned"};
        co_await behind_.remove(std::move(target));
        if (planned) throw scavenger::store_error{planned->kind, "planned, too late"};
    }

    sluice::task<std::optional<std::uint64_t>> approximate_count() override { return behind_.approximate_count(); }

private:
    scavenger::store& behind_;
    const script script_;
    std::atomic<std::uint64_t> calls_{0};
};

}  // namespace scavenger_test
