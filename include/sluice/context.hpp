// SPDX-License-Identifier: BSL-1.0
// context.hpp: until when, on whose behalf and with which values does something run?
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stop_token>

#include "detail/await.hpp"
#include "detail/deadline.hpp"
#include "detail/expect.hpp"
#include "detail/own_context.hpp"
#include "detail/signals.hpp"
#include "status.hpp"

namespace sluice {

class context_source;
namespace detail {
struct context_access;
}

/// When to stop, why, and values by type: an immutable, copyable handle, passed on to whatever works on one's behalf.
///
/// A context ends when it is cancelled, when its deadline passes, or when its parent ends; then every wait of every
/// task under it ends. A default-constructed context is the background, which never ends.
/// Thread safety: all members from any thread.
/// Complexity: copies and questions O(1), without a lock; ending O(size of the tree below).
class context {
public:
    context() noexcept = default;
    context(const context& other) noexcept : node_{other.node_} { detail::context_tree::retain(node_); }
    context(context&& other) noexcept : node_{std::exchange(other.node_, nullptr)} {}
    context& operator=(context other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~context() { detail::context_tree::release(node_); }

    /// The root of all: never ends, has no deadline and no values.
    static context background() noexcept { return {}; }
    /// A context that is cancelled when a stop is requested on `token`.
    static context from(std::stop_token token);

    /// Whether it has ended. Takes no lock.
    bool done() const noexcept { return error() != context_error::none; }
    /// Why it has ended; `none` while it has not.
    context_error error() const noexcept { return node_ ? node_->error() : context_error::none; }
    /// The reason given by who ended it; null when none was given or it has not ended.
    std::exception_ptr cause() const noexcept { return done() ? node_->cause : nullptr; }
    /// The earliest deadline of it and its ancestors, if any.
    std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
        if (!node_ || node_->deadline == detail::no_deadline) return std::nullopt;
        return node_->deadline;
    }
    /// A token for any standard API: a stop is requested on it when the context ends. Made at the first call.
    std::stop_token stop_token() const;
    /// The value stored under `Key` in it or its nearest ancestor, or null. `Key` is a type with a member type `type`.
    template <class Key>
    const typename Key::type* value() const noexcept {
        return static_cast<const typename Key::type*>(detail::context_tree::value(node_, detail::key_of<Key>()));
    }
    /// The end of the context, for `co_await ctx.async_done()`.
    auto async_done(detail::place at = detail::place::current()) const;

    friend bool operator==(const context& a, const context& b) noexcept { return a.node_ == b.node_; }

private:
    friend detail::context_access;
    explicit context(detail::context_node* adopted) noexcept : node_{adopted} {}

    detail::context_node* node_ = nullptr;
};

/// The right to cancel a context, and the duty: its destructor cancels. Move-only.
class [[nodiscard]] context_source {
public:
    context_source() noexcept = default;
    context_source(context_source&&) noexcept = default;
    context_source& operator=(context_source&& other) noexcept {
        if (this != &other) {
            cancel();
            context_ = std::exchange(other.context_, context{});
            link_ = std::move(other.link_);
        }
        return *this;
    }
    ~context_source() { cancel(); }

    /// The context itself.
    const context& get() const noexcept { return context_; }
    operator const context&() const noexcept { return context_; }

    /// Ends it now. Every `done()` below is true when this returns. Later calls do nothing.
    void cancel() const noexcept { cancel(nullptr); }
    /// As above, and tells why.
    void cancel(std::exception_ptr cause) const noexcept;

private:
    friend detail::context_access;
    explicit context_source(context c) noexcept : context_{std::move(c)} {}

    context context_;
    std::shared_ptr<void> link_;  // what ends it from outside: signals, a second parent
};

namespace detail {

struct context_access {
    static context_node* node(const context& c) noexcept { return c.node_; }
    static context adopt(context_node* n) noexcept { return context{n}; }
    static context_source source(context c) noexcept { return context_source{std::move(c)}; }
    static void link(context_source& s, std::shared_ptr<void> what) noexcept { s.link_ = std::move(what); }
    static context_node* attached(std::unique_ptr<context_node> n) noexcept {
        context_tree::attach(*n);
        return n.release();
    }
};

/// Ends `node` at `deadline`, unless an earlier one does.
inline void start_deadline(context_node& node, time_point deadline) {
    if (node.deadline != deadline || node.error() != context_error::none) return;
    if (deadline <= detail::now()) {
        context_tree::cancel(node, context_error::deadline_exceeded, node.deadline_cause);
    } else if (deadline != no_deadline) {
        node.timer.at = deadline;
        node.timer.context = &node;
        multi_wait::timers_here().add(node.timer);
    }
}

/// A value in the tree.
template <class Key>
struct value_node final : context_node {
    value_node(context_node* under, typename Key::type v) : context_node{under}, value{std::move(v)} {
        ends_only_with_parent = true;
    }
    const void* value_of(const void* key) const noexcept override { return key == key_of<Key>() ? &value : nullptr; }
    typename Key::type value;
};

/// A context that follows a stop token.
struct token_node final : context_node {
    explicit token_node(std::stop_token token) : context_node{nullptr}, follow{std::move(token), on_stop{this}} {}
    struct on_stop {
        context_node* node;
        void operator()() const noexcept {
            // The node's last handle may be going now: its destructor then waits for this callback.
            if (!context_tree::try_pin(*node)) return;
            context_tree::cancel(*node, context_error::canceled, nullptr);
            context_tree::release(node);
        }
    };
    std::stop_callback<on_stop> follow;
};

/// A context with two parents.
struct joined_node final : context_node {
    joined_node(context_node* first, context_node* second) noexcept : context_node{first}, other{second} {
        context_tree::retain(other);
        deadline = other->deadline;
    }
    ~joined_node() override { context_tree::release(other); }
    const context_node* second_parent() const noexcept override { return other; }
    context_node* const other;
};

/// Ends a context with its second parent. References: one of the source's link, one of the registration.
class second_end final : public context_callback, public pooled {
public:
    /// Ends `node`, which has another reference, at once if its second parent has ended.
    static std::shared_ptr<void> link(joined_node& node) {
        auto* const made = new second_end{node};
        const auto unlink = [](second_end* e) noexcept {
            if (context_tree::remove_callback(*e->node_.other, *e)) e->release();
            e->release();
        };
        std::shared_ptr<void> ours{made, unlink, pool_allocator<second_end>{}};
        made->references_.fetch_add(1, std::memory_order_relaxed);
        if (!context_tree::add_callback(*node.other, *made)) made->context_ended();
        return ours;
    }

    void context_ended() noexcept override {
        context_tree::cancel(node_, node_.other->error(), node_.other->cause);
        release();
    }

private:
    explicit second_end(joined_node& node) noexcept : node_{node} { context_tree::retain(&node_); }
    ~second_end() { context_tree::release(&node_); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    joined_node& node_;
    std::atomic<std::uint32_t> references_{1};
};

/// Waits for the end of a context: no case, one watch.
class done_wait : public awaitable_tag {
public:
    done_wait(context ended, place at) noexcept
        : context_{std::move(ended)}, at_{at}, watch_{context_access::node(context_), 0, {}} {}
    // Moved only before it waits.
    done_wait(done_wait&& other) noexcept : done_wait{std::move(other.context_), other.at_} {}
    done_wait& operator=(done_wait&&) = delete;
    done_wait& for_foreign() noexcept { return *this; }
    multi_wait& wait() noexcept { return wait_; }
    void take_result() const noexcept {}
    const context& ends_with() const noexcept { return context_; }
    auto for_task(task_state& self) noexcept {
        wait_.set_note(wait_kind::context, watch_.context, at_);
        return multi_awaiter<done_wait>{*this, self};
    }

private:
    context context_;
    place at_;
    wait_watch watch_;
    multi_wait wait_{{}, {&watch_, 1}, {}};
};

}  // namespace detail

inline auto context::async_done(detail::place at) const { return detail::done_wait{*this, at}; }

inline context context::from(std::stop_token token) {
    if (!token.stop_possible()) return {};
    return detail::context_access::adopt(new detail::token_node{std::move(token)});
}

inline std::stop_token context::stop_token() const {
    if (!node_) return {};
    std::stop_source fresh;  // made outside of the lock
    std::stop_token token;
    {
        const detail::hold guard{node_->mutex};
        if (!node_->source) node_->source = std::move(fresh);
        token = node_->source->get_token();
        if (!done()) return token;
        fresh = *node_->source;
    }
    fresh.request_stop();
    return token;
}

inline void context_source::cancel(std::exception_ptr cause) const noexcept {
    if (auto* const n = detail::context_access::node(context_))
        detail::context_tree::cancel(*n, context_error::canceled, cause);
}

/// A child of `parent` that can be cancelled by itself.
inline context_source with_cancel(const context& parent) {
    using access = detail::context_access;
    return access::source(
        access::adopt(access::attached(std::make_unique<detail::context_node>(access::node(parent)))));
}

/// A child of both: ends with the first of them that ends, and as that did, or by itself.
///
/// It has the earlier deadline, and of each key the value of `a`, or else that of `b`. If both have ended before, it has
/// ended as `a` did. Whoever ends `b` ends it too before its call returns; a second call at the same time need not wait.
/// Complexity: nothing of it is left in `a` and `b` when the source has gone.
[[nodiscard]] inline context_source any_of(const context& a, const context& b) {
    using access = detail::context_access;
    if (!access::node(b)) return with_cancel(a);
    auto made = std::make_unique<detail::joined_node>(access::node(a), access::node(b));
    detail::joined_node& node = *made;
    context_source source = access::source(access::adopt(access::attached(std::move(made))));
    access::link(source, detail::second_end::link(node));
    return source;
}

/// A child of `parent` that ends at `deadline` with `deadline_exceeded` and the given cause, if nothing ends it before.
/// An earlier deadline of the parent is kept. A deadline in the past has ended it when this returns.
inline context_source with_deadline(const context& parent, std::chrono::steady_clock::time_point deadline,
                                    std::exception_ptr cause = {}) {
    using access = detail::context_access;
    auto n = std::make_unique<detail::context_node>(access::node(parent));
    n->deadline = deadline;
    n->deadline_cause = std::move(cause);
    context_source source = access::source(access::adopt(access::attached(std::move(n))));
    detail::start_deadline(*access::node(source), deadline);
    return source;
}

/// `with_deadline` so long from now.
template <class Rep, class Period>
context_source with_timeout(const context& parent, std::chrono::duration<Rep, Period> d,
                            std::exception_ptr cause = {}) {
    return with_deadline(parent, detail::deadline_after(d), std::move(cause));
}

/// A child of `parent` in which `value<Key>()` is `v`.
template <class Key>
context with_value(const context& parent, typename Key::type v) {
    using access = detail::context_access;
    return access::adopt(
        access::attached(std::make_unique<detail::value_node<Key>>(access::node(parent), std::move(v))));
}

/// The values of `parent` without its end: for work that must outlive it.
inline context without_cancel(const context& parent) {
    using access = detail::context_access;
    auto n = std::make_unique<detail::context_node>(access::node(parent));
    n->ends_only_with_parent = true;
    detail::context_tree::retain(access::node(parent));
    return access::adopt(n.release());
}

/// A context that is cancelled when one of the signals comes, and as long as it lives keeps them from their default
/// action. Its cause is a `signal_received`.
inline context_source notify_context(const context& parent, std::initializer_list<int> signals) {
    using access = detail::context_access;
    context_source source = with_cancel(parent);
    auto ends_it = std::make_shared<detail::signal_ends_context>(access::node(source.get()));
    access::link(source, detail::signal_watch::add(std::move(ends_it), signals));
    return source;
}

/// The context of the running task, or of the blocking callable that a group or `go` runs; the background elsewhere.
/// A task gets a context of its own at the first call, so that what it derives ends when its handle is cancelled. It
/// does not end with the task, and `go` does not hand it on.
inline context current_context() { return detail::context_access::adopt(detail::own_context::of_current_task()); }

}  // namespace sluice
