// SPDX-License-Identifier: BSL-1.0
// counted.hpp: how many values live, and how often were they copied?
#pragma once

#include <atomic>
#include <utility>

namespace sluice_test {

/// A value that counts the living objects of its type; `Tag` keeps the counts of different uses apart.
///
/// A moved-from object holds -1, so a test sees whether a value still belongs to its owner.
template <class Tag = void>
class counted {
public:
    explicit counted(int value = 0) noexcept : value_{value} { ++live_; }
    counted(const counted& other) noexcept : value_{other.value_} {
        ++live_;
        ++copies_;
    }
    counted(counted&& other) noexcept : value_{std::exchange(other.value_, -1)} { ++live_; }
    counted& operator=(const counted& other) noexcept {
        if (this == &other) return *this;
        value_ = other.value_;
        ++copies_;
        return *this;
    }
    counted& operator=(counted&& other) noexcept {
        if (this != &other) value_ = std::exchange(other.value_, -1);
        return *this;
    }
    ~counted() { --live_; }

    int value() const noexcept { return value_; }
    bool is_moved_from() const noexcept { return value_ == -1; }
    friend bool operator==(const counted& a, const counted& b) noexcept { return a.value_ == b.value_; }

    static int live() noexcept { return live_; }
    static int copies() noexcept { return copies_; }
    static void reset_copies() noexcept { copies_ = 0; }

private:
    int value_;
    inline static std::atomic<int> live_{0};
    inline static std::atomic<int> copies_{0};
};

}  // namespace sluice_test
