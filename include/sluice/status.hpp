// SPDX-License-Identifier: BSL-1.0
// status.hpp: how did an operation end?
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace sluice {

/// How an operation ended.
enum class status : std::uint8_t {
    ok,         ///< it took effect
    closed,     ///< the channel is closed, and for a receive: drained
    empty,      ///< nothing to receive now
    full,       ///< no room now
    timed_out,  ///< the time was up first
    canceled    ///< a context or token that the call named has ended
};

/// The name of a status, for messages.
constexpr const char* to_string(status s) noexcept {
    switch (s) {
        case status::ok: return "ok";
        case status::closed: return "closed";
        case status::empty: return "empty";
        case status::full: return "full";
        case status::timed_out: return "timed out";
        case status::canceled: return "canceled";
    }
    return "?";
}

/// Why a context ended.
enum class context_error : std::uint32_t { none, canceled, deadline_exceeded };

/// Thrown out of a wait when the surrounding task's context has ended and the code did not name it.
///
/// Not derived from `std::exception`, so that a `catch (const std::exception&)` in a loop does not swallow it.
class canceled {
public:
    explicit canceled(std::exception_ptr cause = nullptr) noexcept : cause_{std::move(cause)} {}
    const char* what() const noexcept { return "sluice: the surrounding context has ended"; }
    /// The reason given by whoever ended the context; null when none was given.
    const std::exception_ptr& cause() const noexcept { return cause_; }

private:
    std::exception_ptr cause_;
};

/// Thrown where a wait could never end: those who could end it wait themselves. `what()` tells who they are.
class deadlock_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What a send gives: whether the value was sent, and if not, why. A value that was not sent is still the caller's.
class [[nodiscard]] sent {
public:
    /// Without a reason: for a send case to store into.
    constexpr sent(status why = status::full) noexcept : why_{why} {}
    constexpr explicit operator bool() const noexcept { return why_ == status::ok; }
    constexpr status why() const noexcept { return why_; }
    friend constexpr bool operator==(sent a, status b) noexcept { return a.why_ == b; }

private:
    status why_;
};

/// What a receive gives: a value, or why there is none.
///
/// Complexity: as large as a `T` or a pointer, and a word.
template <class T>
class [[nodiscard]] received {
    static_assert(!std::is_reference_v<T>, "receive values, or pointers to them");

public:
    using value_type = T;

    /// No value, for the reason `why`. Precondition: `why` is not `ok`.
    received(status why = status::empty, std::exception_ptr error = nullptr) noexcept : why_{why} {
        std::construct_at(std::addressof(error_), std::move(error));
    }
    received(std::in_place_t, T&& value) noexcept(std::is_nothrow_move_constructible_v<T>) : why_{status::ok} {
        std::construct_at(std::addressof(value_), std::move(value));
    }
    received(received&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : why_{other.why_} {
        take(std::move(other));
    }
    received(const received& other)
        requires std::is_copy_constructible_v<T>
        : why_{other.why_} {
        if (why_ == status::ok) std::construct_at(std::addressof(value_), other.value_);
        else std::construct_at(std::addressof(error_), other.error_);
    }
    received& operator=(received other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        destroy();
        why_ = status::empty;
        std::construct_at(std::addressof(error_));  // whole again, should the move throw
        if (other.why_ == status::ok) {
            std::destroy_at(std::addressof(error_));
            std::construct_at(std::addressof(value_), std::move(other.value_));
            why_ = status::ok;
        } else {
            error_ = std::move(other.error_);
            why_ = other.why_;
        }
        return *this;
    }
    ~received() { destroy(); }

    explicit operator bool() const noexcept { return why_ == status::ok; }
    bool has_value() const noexcept { return why_ == status::ok; }
    status why() const noexcept { return why_; }
    /// The error given to `close(error)`; null unless the channel was closed with one.
    std::exception_ptr error() const noexcept { return why_ == status::ok ? nullptr : error_; }

    // Precondition of `*` and `->`: there is a value.
    T& operator*() & noexcept { return value_; }
    const T& operator*() const& noexcept { return value_; }
    T&& operator*() && noexcept { return std::move(value_); }
    T* operator->() noexcept { return std::addressof(value_); }
    const T* operator->() const noexcept { return std::addressof(value_); }

    /// The value. Throws the error of the closed channel if there is one, else `std::bad_optional_access`.
    T& value() & {
        check();
        return value_;
    }
    T&& value() && {
        check();
        return std::move(value_);
    }
    const T& value() const& {
        check();
        return value_;
    }

    operator std::optional<T>() && { return has_value() ? std::optional<T>{std::move(value_)} : std::nullopt; }
    operator std::optional<T>() const&
        requires std::is_copy_constructible_v<T>
    {
        return has_value() ? std::optional<T>{value_} : std::nullopt;
    }

    friend bool operator==(const received& r, status s) noexcept { return r.why_ == s; }

private:
    void take(received&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        if (why_ == status::ok) std::construct_at(std::addressof(value_), std::move(other.value_));
        else std::construct_at(std::addressof(error_), std::move(other.error_));
    }
    void destroy() noexcept {
        if (why_ == status::ok) std::destroy_at(std::addressof(value_));
        else std::destroy_at(std::addressof(error_));
    }
    void check() const {
        if (why_ == status::ok) return;
        if (error_) std::rethrow_exception(error_);
        throw std::bad_optional_access{};
    }

    status why_;
    union {
        T value_;
        std::exception_ptr error_;
    };
};

/// A receive from a channel without values: it came, or why not.
template <>
class [[nodiscard]] received<void> {
public:
    received(status why = status::empty, std::exception_ptr error = nullptr) noexcept
        : why_{why}, error_{std::move(error)} {}
    explicit operator bool() const noexcept { return why_ == status::ok; }
    bool has_value() const noexcept { return why_ == status::ok; }
    status why() const noexcept { return why_; }
    std::exception_ptr error() const noexcept { return error_; }
    void value() const {
        if (why_ == status::ok) return;
        if (error_) std::rethrow_exception(error_);
        throw std::bad_optional_access{};
    }
    friend bool operator==(const received& r, status s) noexcept { return r.why_ == s; }

private:
    status why_;
    std::exception_ptr error_;
};

}  // namespace sluice
