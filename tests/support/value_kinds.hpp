// SPDX-License-Identifier: BSL-1.0
// value_kinds.hpp: which kinds of values may a program send?
//
// Each is made from a number and tells it again: -1 when it has been moved from, -2 when it has been damaged. All but
// the trivial ones count the living objects of their kind.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sluice_test::kinds {

/// Counts the living objects of a kind; adds nothing to their size.
template <class Kind>
class tracked {
public:
    static int live() noexcept { return live_; }

protected:
    tracked() noexcept { ++live_; }
    tracked(const tracked&) noexcept { ++live_; }
    tracked& operator=(const tracked&) noexcept = default;
    ~tracked() { --live_; }

private:
    inline static std::atomic<int> live_{0};
};

struct trivial {
    static constexpr std::string_view name = "Trivial";
    explicit trivial(int n) noexcept : value{n} {}
    int number() const noexcept { return value; }
    int value;
};

struct zero_size : tracked<zero_size> {
    static constexpr std::string_view name = "ZeroSize";
    explicit zero_size(int) noexcept {}
};

struct trivial_zero_size {
    static constexpr std::string_view name = "TrivialZeroSize";
    explicit trivial_zero_size(int) noexcept {}
};

struct move_only : tracked<move_only> {
    static constexpr std::string_view name = "MoveOnly";
    explicit move_only(int n) : value{std::make_unique<int>(n)} {}
    int number() const noexcept { return value ? *value : -1; }
    std::unique_ptr<int> value;
};

/// Neither default-constructible, which none of these is, nor assignable.
struct constant : tracked<constant> {
    static constexpr std::string_view name = "Constant";
    explicit constant(int n) noexcept : value{n} {}
    int number() const noexcept { return value; }
    const int value;
};

struct throwing_copy : tracked<throwing_copy> {
    static constexpr std::string_view name = "ThrowingCopy";
    explicit throwing_copy(int n) noexcept : value{n} {}
    throwing_copy(const throwing_copy& other) noexcept(false) : tracked{other}, value{other.value} {}
    throwing_copy(throwing_copy&& other) noexcept : tracked{other}, value{std::exchange(other.value, -1)} {}
    throwing_copy& operator=(const throwing_copy&) noexcept(false) = default;
    throwing_copy& operator=(throwing_copy&&) noexcept = default;
    int number() const noexcept { return value; }
    int value;
};

struct throwing_move : tracked<throwing_move> {
    static constexpr std::string_view name = "ThrowingMove";
    explicit throwing_move(int n) noexcept : value{n} {}
    throwing_move(const throwing_move& other) noexcept(false) : tracked{other}, value{other.value} {}
    throwing_move(throwing_move&& other) noexcept(false) : tracked{other}, value{std::exchange(other.value, -1)} {}
    throwing_move& operator=(const throwing_move&) = default;
    throwing_move& operator=(throwing_move&& other) noexcept(false) {
        value = std::exchange(other.value, -1);
        return *this;
    }
    int number() const noexcept { return value; }
    int value;
};

struct throwing_move_only : tracked<throwing_move_only> {
    static constexpr std::string_view name = "ThrowingMoveOnly";
    explicit throwing_move_only(int n) : value{std::make_unique<int>(n)} {}
    throwing_move_only(throwing_move_only&& other) noexcept(false) : tracked{other}, value{std::move(other.value)} {}
    throwing_move_only& operator=(throwing_move_only&& other) noexcept(false) {
        value = std::move(other.value);
        return *this;
    }
    int number() const noexcept { return value ? *value : -1; }
    std::unique_ptr<int> value;
};

/// Refers to something else for all its life.
struct reference_like : tracked<reference_like> {
    static constexpr std::string_view name = "ReferenceLike";
    explicit reference_like(int n) noexcept : refers_to{numbers()[static_cast<std::size_t>(n)]} {}
    int number() const noexcept { return static_cast<int>(&refers_to - numbers().data()); }
    const char& refers_to;

private:
    static const std::array<char, 1000>& numbers() {
        static const std::array<char, 1000> all{};
        return all;
    }
};

/// Knows its own address.
struct self_referential : tracked<self_referential> {
    static constexpr std::string_view name = "SelfReferential";
    explicit self_referential(int n) noexcept : value{n} {}
    self_referential(const self_referential& other) noexcept : tracked{other}, value{other.number()} {}
    self_referential(self_referential&& other) noexcept : tracked{other}, value{other.number()} { other.value = -1; }
    self_referential& operator=(self_referential other) noexcept {
        value = other.number();
        return *this;
    }
    int number() const noexcept { return self == this ? value : -2; }
    int value;
    const self_referential* self = this;
};

struct large : tracked<large> {
    static constexpr std::string_view name = "Large";
    explicit large(int n) noexcept { values.fill(n); }
    int number() const noexcept {
        for (const int v : values)
            if (v != values[0]) return -2;
        return values[0];
    }
    std::array<int, 1000> values{};
};

/// Has no `&`.
struct without_address : tracked<without_address> {
    static constexpr std::string_view name = "WithoutAddress";
    explicit without_address(int n) noexcept : value{n} {}
    int number() const noexcept { return value; }
    without_address* operator&() = delete;
    const without_address* operator&() const = delete;
    int value;
};

/// For blocking forms and buffers only: a coroutine's frame may not be aligned like this.
struct alignas(128) over_aligned : tracked<over_aligned> {
    static constexpr std::string_view name = "OverAligned";
    explicit over_aligned(int n) noexcept : value{n} {}
    int number() const noexcept {
        return reinterpret_cast<std::uintptr_t>(this) % alignof(over_aligned) == 0 ? value : -2;
    }
    int value;
};

/// Whether `v` is the value made from `n`, undamaged.
template <class T>
bool is_number(const T& v, int n) {
    if constexpr (requires { v.number(); }) return v.number() == n;
    else return true;
}

/// How many of a kind live; 0 where nobody counts.
template <class T>
int live() {
    if constexpr (requires { T::live(); }) return T::live();
    else return 0;
}

struct names {
    template <class T>
    static std::string GetName(int) {
        return std::string{T::name};
    }
};

}  // namespace sluice_test::kinds
