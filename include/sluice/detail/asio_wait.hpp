// SPDX-License-Identifier: BSL-1.0
// asio_wait.hpp: how does one wait complete as an operation of Asio?
//
// The wait stands in a block like the frame of a foreign coroutine does (foreign_waiter.hpp): the ticket is posted to
// the handler's executor, and what it lets go on is complete().
// A1  An asio_wait is owned by start() until it waits or its completion is posted; by that posted completion; or, while
//     it waits, by the list of its execution context, until complete() runs. The list destroys it when the context is
//     shut down: no handler runs then, and a waker in the middle of its post is waited for.
// A2  The cancellation slot is set before the wait is published and cleared by complete(), both in the handler's
//     executor. A cancellation claims the wait and wakes it; the completion comes through the executor like any other.
// A3  Everything is moved out and the memory given back before the handler is called.
// A4  The handler may be the last work of its context, which is destroyed then: so it is called only when the waker,
//     a thread that the context knows nothing of, is out of asio::post.
#pragma once

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/system_error.hpp>

#include <memory>
#include <optional>

#include "await.hpp"

namespace sluice::detail {

/// What stands in the list of an execution context.
class asio_entry {
public:
    virtual void destroy() noexcept = 0;

    // Of the list, under its lock. `listed` is also read by the owner: only he and the shutdown change it.
    asio_entry* next = nullptr;
    asio_entry* prev = nullptr;
    bool listed = false;

protected:
    ~asio_entry() = default;
};

/// The waits of one execution context that have not completed.
class asio_entries final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    explicit asio_entries(asio::execution_context& of) : service{of} {}

    void add(asio_entry& e) noexcept {
        const hold guard{mutex_};
        e.listed = true;
        e.prev = nullptr;
        e.next = first_;
        if (first_) first_->prev = &e;
        first_ = &e;
    }
    void remove(asio_entry& e) noexcept {
        const hold guard{mutex_};
        unlink(e);
    }

private:
    void shutdown() override {
        for (;;) {
            asio_entry* e = nullptr;
            {
                const hold guard{mutex_};
                e = first_;
                if (!e) return;
                unlink(*e);
            }
            e->destroy();  // without the lock: the handler's destructor may do anything
        }
    }
    void unlink(asio_entry& e) noexcept {
        if (e.prev) e.prev->next = e.next;
        else first_ = e.next;
        if (e.next) e.next->prev = e.prev;
        e.listed = false;
    }

    lock mutex_;
    asio_entry* first_ = nullptr;
};

/// The list of the context that `ex` belongs to; null: it tells of none.
template <class Executor>
asio_entries* asio_entries_of(const Executor& ex) {
    if constexpr (requires {
                      { asio::query(ex, asio::execution::context) } -> std::convertible_to<asio::execution_context&>;
                  }) {
        asio::execution_context& in = asio::query(ex, asio::execution::context);
        return &asio::use_service<asio_entries>(in);
    } else if constexpr (requires {
                             { ex.context() } -> std::convertible_to<asio::execution_context&>;
                         }) {
        asio::execution_context& in = ex.context();
        return &asio::use_service<asio_entries>(in);
    } else {
        return nullptr;
    }
}

template <class Op>
using asio_wait_of = decltype(foreign_wait_of(std::declval<std::remove_cvref_t<Op>&>()));
template <class Op>
using asio_result = decltype(std::declval<asio_wait_of<Op>&>().take_result());

template <class Op>
concept tells_no_effect = requires(Op& op) {
    { op.ended_by(status::canceled) } -> std::convertible_to<asio_result<Op>>;
};
template <class Op>
concept wraps_no_effect = requires(Op& op) { op.without_effect(status::canceled); };

/// What the handler gets beside the exception.
template <class Op, class R = asio_result<Op>>
using asio_value = std::conditional_t<std::default_initializable<R> || tells_no_effect<Op> || wraps_no_effect<Op>, R,
                                      std::optional<R>>;

template <class Op>
struct asio_signature_of {
    static_assert(!std::is_reference_v<asio_result<Op>>, "Asio cannot complete with a reference: join it elsewhere");
    using type = void(std::exception_ptr, asio_value<Op>);
};
template <class Op>
    requires std::is_void_v<asio_result<Op>>
struct asio_signature_of<Op> {
    using type = void(std::exception_ptr);
};
template <class Op>
using asio_signature = typename asio_signature_of<std::remove_cvref_t<Op>>::type;

template <class Op, class Handler>
class asio_wait final : public asio_entry {
    using executor = asio::associated_executor_t<Handler>;
    using allocator =
        typename std::allocator_traits<asio::associated_allocator_t<Handler>>::template rebind_alloc<asio_wait>;
    using memory = std::allocator_traits<allocator>;
    struct destroyer {
        void operator()(asio_wait* w) const noexcept { w->destroy(); }
    };
    using owner = std::unique_ptr<asio_wait, destroyer>;

public:
    static void start(Op&& op, Handler&& handler) {
        owner w = make(std::move(op), std::move(handler));
        if (!is_over_at_once(w->wait_)) {
            w->connect();
            if (w->park()) {
                static_cast<void>(w.release());  // A1: and not touched any more
                return;
            }
            w->disconnect();
        }
        const executor ex = w->work_.get_executor();
        const allocator from{asio::get_associated_allocator(w->handler_)};
        asio::post(ex, completion{std::move(w), from});
    }

    asio_wait(Op&& op, Handler&& handler)
        : work_{asio::get_associated_executor(handler)},
          handler_(std::move(handler)),
          op_(std::move(op)),
          wait_(foreign_wait_of(op_)),
          entries_{asio_entries_of(work_.get_executor())} {}

    asio_wait(const asio_wait&) = delete;
    asio_wait& operator=(const asio_wait&) = delete;
    ~asio_wait() {
        if (listed) entries_->remove(*this);
        if (park_.is_parked()) park_.give_up(wait_.wait());
    }

    void destroy() noexcept override {
        allocator a{asio::get_associated_allocator(handler_)};
        memory::destroy(a, this);
        memory::deallocate(a, this, 1);
    }

private:
    // What is posted: once a wait that was ready at once, once the ticket of one that has been woken.
    struct completion {
        using allocator_type = asio_wait::allocator;
        allocator_type get_allocator() const noexcept { return from; }
        void operator()() { of.release()->complete(); }
        owner of;
        allocator_type from;
    };
    struct resumption_job {
        using allocator_type = asio_wait::allocator;
        allocator_type get_allocator() const noexcept { return from; }
        void operator()() const { ticket_access::waiter(with)->resume_after_post(); }  // A4
        resume_ticket with;
        allocator_type from;
    };
    struct on_cancel {
        void operator()(asio::cancellation_type_t type) const noexcept {
            if (type != asio::cancellation_type::none) of->park_.cancel(of->wait_.wait());
        }
        asio_wait* of;
    };

    static void post(foreign_waiter& w) noexcept {
        resume_ticket t = ticket_access::adopt(w);
        auto& me = *static_cast<asio_wait*>(w.target());
        // Copied: once the ticket is posted, the wait may complete and go before this has returned.
        const executor ex = me.work_.get_executor();
        const allocator from{asio::get_associated_allocator(me.handler_)};
        asio::post(ex, resumption_job{std::move(t), from});
    }
    static void go_on(void* w) {
        auto& me = *static_cast<asio_wait*>(w);
        me.park_.finish(me.wait_.wait());
        try {
            if (!is_over(me.wait_) && me.park_.park(me.wait_, kind, w, false)) return;  // one of several waits
        } catch (...) {
            me.error_ = std::current_exception();
        }
        me.complete();
    }
    static constexpr foreign_kind kind{&post, &go_on};

    static owner make(Op&& op, Handler&& handler) {
        allocator a{asio::get_associated_allocator(handler)};
        asio_wait* const at = memory::allocate(a, 1);
        try {
            memory::construct(a, at, std::move(op), std::move(handler));
        } catch (...) {
            memory::deallocate(a, at, 1);
            throw;
        }
        return owner{at};
    }

    void connect() {
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.template emplace<on_cancel>(on_cancel{this});
        if (entries_) entries_->add(*this);
    }
    void disconnect() noexcept {
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.clear();
        if (listed) entries_->remove(*this);
    }
    // True: it waits, and is not touched any more.
    bool park() {
        try {
            return park_.park(wait_, kind, this, false);
        } catch (...) {
            disconnect();
            throw;
        }
    }

    void complete() {
        owner me{this};
        disconnect();
        std::exception_ptr error = std::move(error_);
        if (wait_.wait().fired() == multi_wait::canceled_position)
            error = std::make_exception_ptr(asio::system_error{asio::error::operation_aborted});
        if constexpr (std::is_void_v<asio_result<Op>>) {
            try {
                if (!error) wait_.take_result();
            } catch (...) {
                error = std::current_exception();
            }
            call(std::move(me), std::move(error));
        } else {
            std::optional<asio_value<Op>> value;
            try {
                if (!error) value.emplace(wait_.take_result());
            } catch (...) {
                error = std::current_exception();
            }
            if (!value) value.emplace(no_effect());
            call(std::move(me), std::move(error), *std::move(value));
        }
    }

    asio_value<Op> no_effect() {
        if constexpr (has_steps<Op>) return op_.take_result();  // how far it came
        else if constexpr (tells_no_effect<Op>) return op_.ended_by(status::canceled);
        else if constexpr (wraps_no_effect<Op>) return op_.without_effect(status::canceled);
        else return {};
    }

    // A3
    template <class... Args>
    static void call(owner me, Args... args) {
        Handler handler(std::move(me->handler_));
        const asio::executor_work_guard<executor> work(std::move(me->work_));
        me.reset();
        std::move(handler)(std::move(args)...);
    }

    asio::executor_work_guard<executor> work_;
    Handler handler_;
    Op op_;
    asio_wait_of<Op> wait_;
    foreign_park park_;
    std::exception_ptr error_;
    asio_entries* entries_;
};

struct asio_initiation {
    template <class Handler, class Op>
    void operator()(Handler&& handler, Op&& op) const {
        using wait = asio_wait<std::remove_cvref_t<Op>, std::decay_t<Handler>>;
        std::decay_t<Handler> own(std::forward<Handler>(handler));
        wait::start(std::move(op), std::move(own));
    }
};

}  // namespace sluice::detail
