// SPDX-License-Identifier: BSL-1.0
// options.hpp: how shall a run or a runtime be, and what has no limit?
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sluice {

/// Tag for no limit.
struct unlimited_t {
    explicit unlimited_t() = default;
};
inline constexpr unlimited_t unlimited{};

/// Who else than the tasks of a run can wake its tasks.
///
/// `detect` finds out: another thread of the process (sluice's own and the caller of `run` aside), another runtime with
/// tasks, a signal that a context waits for, an `external_work`. `none`: nobody, whatever is found. `any`: always somebody.
enum class outside : std::uint8_t { detect, none, any };

/// How a run or runtime shall be. All defaults are good for a start.
struct runtime_options {
    /// Threads that run tasks; 0: one per core. While a task blocks one of them, in a blocking form or in a call that
    /// sleeps, another thread stands in and runs other tasks beside it; so with 1 too, tasks that block need locks.
    unsigned workers = 0;
    /// Who else can wake tasks: decides whether all tasks waiting is an error.
    outside may_wake = outside::detect;
    /// The most threads in all, workers and stand-ins included.
    unsigned max_threads = 10'000;
    /// How long the end of a run waits for cancelled tasks before it reports those that still live.
    std::chrono::steady_clock::duration grace = std::chrono::seconds{10};
    /// When tasks have waited on a channel for so long and nobody else seems to hold a handle of it, that is told as a
    /// suspicion, once for each channel. Zero: never.
    std::chrono::steady_clock::duration suspect_after = std::chrono::seconds{10};
    /// Where reports go, a whole text a call, from any thread. Default: standard error.
    std::function<void(std::string_view)> diagnostics = {};
    /// Threads that serve a worker are called so, with its number behind: `sluice/0`, for debuggers and `top -H`. The
    /// system keeps 15 characters. Empty: they keep their names.
    std::string name = "sluice";
    /// Whether each worker stays on one core: the next of those that the process may use. Where other programs or runtimes want
    /// the same cores, it waits for its own.
    bool pin_workers = false;
    /// Operations that may be ready in a row before a task yields. 1 makes every operation a suspension.
    unsigned ready_budget = 128;
    /// For tests: decides where workers look for work first, and which cases selects of tasks try first. 0: by chance.
    /// What runs at the same time stays so: for a schedule that comes again, see `testing::simulate`.
    std::uint32_t seed = 0;
    /// For tests: called by the worker before each step of a task, from its first dispatch on.
    std::function<void()> before_step = {};
};
using run_options = runtime_options;

}  // namespace sluice
