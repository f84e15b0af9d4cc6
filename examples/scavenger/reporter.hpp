// SPDX-License-Identifier: BSL-1.0
// reporter.hpp: who learns which entries a run had trouble with?
#pragma once

#include <cstddef>
#include <mutex>
#include <string_view>

#include <nlohmann/json.hpp>

#include "console.hpp"
#include "scavenge.hpp"

namespace scavenger {

/// Tells a person about each malformed or failed entry at once, and keeps the first thousand for the JSON summary.
class reporter final : public observer {
public:
    explicit reporter(console& screen) : screen_(screen) {}

    void malformed(const item& what) noexcept override;
    void failed(const key& id, const store_error& error) noexcept override;

    /// `reports`, an array of objects, and `reports_omitted`, the number beyond the thousand.
    void add_to(nlohmann::json& summary) const;

private:
    void keep(nlohmann::json report);

    console& screen_;
    mutable std::mutex mutex_;  // guards what follows
    nlohmann::json kept_ = nlohmann::json::array();
    std::size_t omitted_ = 0;
};

}  // namespace scavenger
