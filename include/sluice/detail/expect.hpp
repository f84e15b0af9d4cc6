// SPDX-License-Identifier: BSL-1.0
// expect.hpp: what happens when a caller breaks a contract?
//
// A contract violation is a bug of the program, not an outcome: it is told with the caller's place through a handler
// that can be replaced, and then the program ends. It is never an exception, which could be swallowed.
#pragma once

#include <atomic>
#include <cstdio>
#include <exception>
#include <source_location>

namespace sluice {

/// What a broken contract looked like: the condition, what to do about it, and where the call stands.
struct contract_violation {
    const char* condition;
    const char* message;
    std::source_location where;
};

/// Called once with each violation before the program terminates. A handler that throws (a test's) does not return.
using contract_handler = void (*)(const contract_violation&);

namespace detail {

inline void print_violation(const contract_violation& v) {
    std::fprintf(stderr, "sluice: contract violation at %s:%u in %s: %s (expected: %s)\n", v.where.file_name(),
                 static_cast<unsigned>(v.where.line()), v.where.function_name(), v.message, v.condition);
}

inline std::atomic<contract_handler> current_contract_handler{&print_violation};

[[noreturn]] inline void contract_failed(const char* condition, const char* message, std::source_location where) {
    // acquire: a handler's own data was written before it was installed.
    current_contract_handler.load(std::memory_order_acquire)({condition, message, where});
    std::terminate();
}

}  // namespace detail

/// Installs `handler` for all threads and returns the one before. Thread safety: any thread at any time.
inline contract_handler set_contract_handler(contract_handler handler) noexcept {
    // acq_rel: publishes what the handler needs, and hands back a handler with its data.
    return detail::current_contract_handler.exchange(handler ? handler : &detail::print_violation,
                                                     std::memory_order_acq_rel);
}

}  // namespace sluice

/// The edge to the user: `condition` is the caller's duty, `message` says what to do, `where` is the caller's place.
#define SLUICE_EXPECT_AT(condition, message, where)                                                                    \
    ((condition) ? static_cast<void>(0) : ::sluice::detail::contract_failed(#condition, message, where))
#define SLUICE_EXPECT(condition, message) SLUICE_EXPECT_AT(condition, message, ::std::source_location::current())
