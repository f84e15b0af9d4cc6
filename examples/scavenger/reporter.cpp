// SPDX-License-Identifier: BSL-1.0
#include "reporter.hpp"

#include <utility>

#include <fmt/format.h>

namespace scavenger {
namespace {

constexpr std::size_t most_kept = 1000;

nlohmann::json report_on(std::string_view what, const key& id) {
    return {{"what", what}, {"WorkerId", id.worker_id}, {"StartTime", id.start_time}};
}

}  // namespace

void reporter::malformed(const item& what) noexcept {
    screen_.note(
        fmt::format("malformed StartExecutionTime {:?} at {}: kept", what.start_execution_time, describe(what.id)));
    auto report = report_on("malformed", what.id);
    report["StartExecutionTime"] = what.start_execution_time;
    keep(std::move(report));
}

void reporter::failed(const key& id, const store_error& error) noexcept {
    screen_.note(fmt::format("delete failed at {}: {}: {}", describe(id), name_of(error.kind()), error.what()));
    auto report = report_on("failed", id);
    report["error"] = name_of(error.kind());
    report["message"] = error.what();
    keep(std::move(report));
}

void reporter::add_to(nlohmann::json& summary) const {
    const std::scoped_lock lock{mutex_};
    summary["reports"] = kept_;
    summary["reports_omitted"] = omitted_;
}

void reporter::keep(nlohmann::json report) {
    const std::scoped_lock lock{mutex_};
    if (kept_.size() < most_kept) {
        kept_.push_back(std::move(report));
    } else {
        ++omitted_;
    }
}

}  // namespace scavenger
