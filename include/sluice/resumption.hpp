// SPDX-License-Identifier: BSL-1.0
// resumption.hpp: where does a coroutine of another library go on after it has waited for something of ours?
#pragma once

#include <utility>

#include "detail/foreign_waiter.hpp"

namespace sluice {

class resume_ticket;
namespace detail {
struct ticket_access;
void resume_in_process_runtime(resume_ticket t) noexcept;  // process_runtime.hpp
}  // namespace detail

/// The right to let one suspended coroutine go on, once: what `resumption<Promise>::post` is given.
///
/// Copies stand for the same resumption; the first `resume` of any of them counts. A ticket holds no part of the
/// coroutine: the frame may be destroyed while tickets exist, and they do nothing then. If all copies go without a
/// resume, the coroutine stays suspended, as with a lost `std::coroutine_handle`: its owner destroys the frame.
/// Thread safety: different tickets from any thread. To destroy a frame while a ticket of it resumes it is a race, as
///     with any coroutine.
class resume_ticket {
public:
    /// Stands for nothing.
    resume_ticket() noexcept = default;
    resume_ticket(const resume_ticket& other) noexcept : of_{other.of_} {
        if (of_) of_->retain();
    }
    resume_ticket(resume_ticket&& other) noexcept : of_{std::exchange(other.of_, nullptr)} {}
    resume_ticket& operator=(resume_ticket other) noexcept {
        std::swap(of_, other.of_);
        return *this;
    }
    ~resume_ticket() {
        if (of_) of_->release();
    }

    /// Resumes the coroutine on this thread; returns when it has suspended again or ended. Does nothing if it has been
    /// resumed already or its frame has been destroyed. This ticket may be destroyed by what it resumes.
    /// Throws: what the coroutine lets out of its resumption, if its promise does so.
    void resume() const {
        if (of_) of_->resume();
    }
    /// The same: a ticket is a job for any executor that calls what it is given.
    void operator()() const { resume(); }

    /// Whether a resume would do something now: stale when read, for tests and reports.
    explicit operator bool() const noexcept { return of_ && of_->is_resumable(); }

private:
    friend detail::ticket_access;
    explicit resume_ticket(detail::foreign_waiter& adopted) noexcept : of_{&adopted} {}

    detail::foreign_waiter* of_ = nullptr;
};

/// Lets coroutines go on in a worker of `runtime::process()`, which is started at the first wait.
///
/// `resumption` of a promise type derives from it unless it is specialized. A specialization may derive from it too
/// and call its `post` where a promise has no executor of its own. It does not allocate in the waker then; without
/// deriving from it, it may. After the process's runtime has ended, at the process's exit, tickets are dropped.
/// Exceptions that leave the resumed coroutine are reported as those of a task that nobody awaits.
struct default_resumption {
    template <class Promise>
    static void post(Promise&, resume_ticket t) noexcept {
        detail::resume_in_process_runtime(std::move(t));
    }
};

/// Where coroutines with the promise type `Promise` go on when something of sluice that they await lets them:
/// specialize it for the promise of your coroutine type, with one static member `post`.
///
/// `post(promise, ticket)` passes the ticket to where the coroutine is to be resumed, and returns. It is called once
///     for each wait that suspended, on the thread that ended the wait, which may be any thread, one of sluice's own
///     included, and never holds a lock of sluice.
/// It does not resume the coroutine itself, does not block, and does not throw: the waker cannot do anything about it,
///     so an exception ends the program.
/// The promise lives until `post` has passed the ticket on; it is not to be used after that, since the coroutine may
///     go on, and end, at once. If the frame is destroyed in the middle of `post`, the destructor waits until `post`
///     has returned, so a frame must not be destroyed under a lock that `post` takes.
/// Coroutines of an unknown promise (`std::coroutine_handle<>`) go on in the process's runtime.
///
///     template <>
///     struct sluice::resumption<my_promise> {
///         static void post(my_promise& p, sluice::resume_ticket t) noexcept { p.executor->add(std::move(t)); }
///     };
template <class Promise>
struct resumption : default_resumption {};

namespace detail {

struct ticket_access {
    static resume_ticket adopt(foreign_waiter& of) noexcept { return resume_ticket{of}; }
    static foreign_waiter* waiter(const resume_ticket& t) noexcept { return t.of_; }
};

}  // namespace detail
}  // namespace sluice
