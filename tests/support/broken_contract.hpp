// SPDX-License-Identifier: BSL-1.0
// broken_contract.hpp: does a call break its contract?
#pragma once

#include <optional>
#include <utility>

#include <sluice/detail/expect.hpp>

namespace sluice_test {

/// What `f()` is reported for, if it breaks a contract. The report leaves `f` as an exception: only for calls that are
/// not `noexcept`.
template <class F>
std::optional<sluice::contract_violation> violation_of(F f) {
    struct violated {
        sluice::contract_violation what;
    };
    const auto before = sluice::set_contract_handler([](const sluice::contract_violation& v) { throw violated{v}; });
    std::optional<sluice::contract_violation> what;
    try {
        f();
    } catch (const violated& v) {
        what = v.what;
    }
    sluice::set_contract_handler(before);
    return what;
}

/// Whether `f()` is reported as a contract violation.
template <class F>
bool breaks_contract(F f) {
    return violation_of(std::move(f)).has_value();
}

}  // namespace sluice_test
