// SPDX-License-Identifier: BSL-1.0
// starting.hpp: how does a start learn the place of its call?
//
// By a default argument, and none can follow a pack. So there is a `go` for each number of arguments up to two; with more
// a report names the place of the coroutine.
#pragma once

#include <utility>

#include "go.hpp"

namespace sluice::detail {

/// The `go` of what starts tasks: `Self` has `go_at(place, f, args...)`.
template <class Self>
class starting {
public:
    template <class F>
        requires startable<F>
    decltype(auto) go(F&& f, place at = place::current()) {
        return self().go_at(at, std::forward<F>(f));
    }
    template <class F, class A>
        requires startable<F, A>
    decltype(auto) go(F&& f, A&& a, place at = place::current()) {
        return self().go_at(at, std::forward<F>(f), std::forward<A>(a));
    }
    template <class F, class A, class B>
        requires startable<F, A, B>
    decltype(auto) go(F&& f, A&& a, B&& b, place at = place::current()) {
        return self().go_at(at, std::forward<F>(f), std::forward<A>(a), std::forward<B>(b));
    }
    template <class F, class... Args>
        requires(sizeof...(Args) > 2) && startable<F, Args...>
    decltype(auto) go(F&& f, Args&&... args) {
        return self().go_at({}, std::forward<F>(f), std::forward<Args>(args)...);
    }

protected:
    starting() = default;
    starting(const starting&) = default;
    starting& operator=(const starting&) = default;
    ~starting() = default;

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace sluice::detail
