// SPDX-License-Identifier: BSL-1.0
// broken_contract.hpp: does a call break its contract?
#pragma once

#include <sluice/detail/expect.hpp>

namespace sluice_test {

/// Whether `f()` is reported as a contract violation. The report leaves `f` as an exception: only for calls that are
/// not `noexcept`.
template <class F>
bool breaks_contract(F f) {
    struct violated {};
    const auto before = sluice::set_contract_handler([](const sluice::contract_violation&) { throw violated{}; });
    bool broken = false;
    try {
        f();
    } catch (const violated&) {
        broken = true;
    }
    sluice::set_contract_handler(before);
    return broken;
}

}  // namespace sluice_test
