// SPDX-License-Identifier: BSL-1.0
// after_func.hpp: what shall run when a context ends?
#pragma once

#include "detail/context_call.hpp"
#include "runtime.hpp"

namespace sluice {

namespace detail {
struct after_func_access;
}

/// The right to take back what `after_func` has registered. Dropping it leaves that registered. Move-only.
///
/// Thread safety: `stop` from any thread; the rest has one owner.
class [[nodiscard]] after_func_handle {
public:
    /// Nothing is registered.
    after_func_handle() noexcept = default;
    after_func_handle(after_func_handle&& other) noexcept : call_{std::exchange(other.call_, nullptr)} {}
    after_func_handle& operator=(after_func_handle&& other) noexcept {
        if (this != &other) {
            drop();
            call_ = std::exchange(other.call_, nullptr);
        }
        return *this;
    }
    ~after_func_handle() { drop(); }

    /// Takes it back. Does not wait.
    ///
    /// Returns: true if this call has kept the function from being started, which has been destroyed then; false if it
    ///     was started, and may still run, or was stopped before.
    bool stop() const noexcept { return call_ && call_->stop(); }

private:
    friend detail::after_func_access;
    explicit after_func_handle(detail::context_call* adopted) noexcept : call_{adopted} {}
    void drop() noexcept {
        if (auto* const c = std::exchange(call_, nullptr)) c->release();
    }

    detail::context_call* call_ = nullptr;
};

struct detail::after_func_access {
    static after_func_handle adopt(context_call& c) noexcept { return after_func_handle{&c}; }
};

/// Starts `f()` when `ctx` ends, as `go` would; at once if it has ended.
///
/// `f` is copied or moved here and runs at most once: on the scheduler if it returns a `task`, else on a thread that
/// may block; never in the thread that ends the context, which does not wait for it. Several on one context are
/// independent and begin in any order.
/// It belongs to the run of whoever registered it, not to `ctx`, so its own waits go on; at the end of the run it still
/// begins, and then ends like everything of a run. If that run has ended before `ctx`, and when registered by a thread
/// outside of any, it runs in `runtime::process()`.
/// The context lives until it has ended or `f` has been stopped: nobody else needs to hold it. Registered on a context
/// that never ends, `f` is destroyed with the handle.
/// Exceptions: what `f` throws is one that nobody awaited, see `run`.
/// Throws: what copying `f` throws, `std::bad_alloc`, `std::system_error` if the process's runtime cannot be made.
/// Complexity: O(1), and so is stopping it.
///
///     auto wake = sluice::after_func(ctx, [&socket] { socket.shutdown(); });   // while we wait for bytes in it
///     read_all(socket);
///     if (!wake.stop()) std::puts("shut down meanwhile");
template <class F>
after_func_handle after_func(const context& ctx, F&& f, detail::place at = detail::place::current()) {
    static_assert(detail::startable<F>, "f is called without arguments");
    detail::runtime_core& here = detail::runtime_here();
    detail::task_state* const made = detail::make_context_task(here, at, std::forward<F>(f));
    detail::context_call* call = nullptr;
    try {
        call = new detail::context_call{detail::context_access::node(ctx), here, *made};
    } catch (...) {
        made->release();
        throw;
    }
    call->begin();
    return detail::after_func_access::adopt(*call);
}

}  // namespace sluice
