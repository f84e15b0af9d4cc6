// SPDX-License-Identifier: BSL-1.0
// random_numbers.hpp: which choices does a random test make, the same ones again for the same seed?
#pragma once

#include <cstdint>

namespace sluice_test {

/// A small generator of random numbers; the seed tells the whole sequence.
class random_numbers {
public:
    explicit random_numbers(std::uint64_t seed) noexcept : state_{seed} {}
    /// splitmix64 by Sebastiano Vigna.
    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// One of 0 .. n - 1.
    unsigned below(unsigned n) noexcept { return static_cast<unsigned>(next() % n); }

private:
    std::uint64_t state_;
};

}  // namespace sluice_test
