// SPDX-License-Identifier: BSL-1.0
// about_errors.hpp: how does a user say something about errors of one type, and we ask it about any?
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>

namespace sluice::detail {

/// The one parameter of a callable that is not a template.
template <class F>
struct only_parameter : only_parameter<decltype(&F::operator())> {};
template <class R, class A>
struct only_parameter<R (*)(A)> : std::type_identity<std::remove_cvref_t<A>> {};
template <class R, class A>
struct only_parameter<R (*)(A) noexcept> : std::type_identity<std::remove_cvref_t<A>> {};
template <class R, class C, class A>
struct only_parameter<R (C::*)(A)> : std::type_identity<std::remove_cvref_t<A>> {};
template <class R, class C, class A>
struct only_parameter<R (C::*)(A) const> : std::type_identity<std::remove_cvref_t<A>> {};
template <class R, class C, class A>
struct only_parameter<R (C::*)(A) noexcept> : std::type_identity<std::remove_cvref_t<A>> {};
template <class R, class C, class A>
struct only_parameter<R (C::*)(A) const noexcept> : std::type_identity<std::remove_cvref_t<A>> {};

/// What a user says about an error, whatever type of error it is about; `otherwise` about those of other types.
template <class R, class F>
std::function<R(const std::exception_ptr&)> about_errors(F f, R otherwise) {
    if constexpr (std::is_invocable_r_v<R, const F&, const std::exception_ptr&>) {
        static_cast<void>(otherwise);
        return f;
    } else {
        using error = typename only_parameter<F>::type;
        static_assert(
            std::is_invocable_r_v<R, const F&, const error&>,
            "what decides about errors takes a const std::exception_ptr&, or a type of error by const reference");
        return [f, otherwise](const std::exception_ptr& e) -> R {
            std::optional<R> said;
            try {
                std::rethrow_exception(e);
            } catch (const error& typed) {
                said.emplace(std::invoke(f, typed));
            } catch (...) {}
            return said ? *said : otherwise;
        };
    }
}

}  // namespace sluice::detail
