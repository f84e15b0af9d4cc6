// SPDX-License-Identifier: BSL-1.0
// value_kinds_test.cpp: does every kind of value travel undamaged through every form of every operation?
//
// One sender and one receiver, and each form of sending meets each form of receiving, at several capacities. What goes
// wrong when a copy or a move throws stands in channel_values_test.cpp.

#include <sluice/select.hpp>

#include <gtest/gtest.h>

#include <iterator>
#include <optional>
#include <ranges>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "../support/callers.hpp"
#include "../support/value_kinds.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::received;
using sluice::sent;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

template <class T>
std::vector<channel<T>> channels_of_all_capacities() {
    return {channel<T>{0}, channel<T>{1}, channel<T>{3}, channel<T>{sluice::unbounded}};
}

/// A context and a token that do not end.
const sluice::context& open_context() {
    static const auto source = sluice::with_cancel({});
    static const sluice::context ctx = source.get();
    return ctx;
}
std::stop_token open_token() {
    static const std::stop_source source;
    return source.get_token();
}

/// A sender and a receiver that only try would never meet at a rendezvous: after so many tries the receiver waits.
constexpr int most_tries = 100;

template <class T>
constexpr bool is_assignable = std::is_move_assignable_v<T>;

// --- by threads -----------------------------------------------------------------------------------------------------------

template <class T>
using send_form = sent (*)(const channel<T>&, T&&);

template <class T>
std::vector<send_form<T>> send_forms() {
    using ch = const channel<T>&;
    std::vector<send_form<T>> all{
        [](ch c, T&& v) { return c.send(std::move(v)); },
        [](ch c, T&& v) { return c.send(std::move(v), open_context()); },
        [](ch c, T&& v) { return c.send(std::move(v), open_token()); },
        [](ch c, T&& v) { return c.send_for(std::move(v), 1h); },
        [](ch c, T&& v) { return c.send_until(std::move(v), sluice::clock::now() + 1h); },
        [](ch c, T&& v) {
            for (;; std::this_thread::yield())  // moved from only when it was sent
                if (const sent s = c.try_send(std::move(v)); s != status::full) return s;
        },
        [](ch c, T&& v) {
            sluice::select(on_send(c, std::move(v)), on_receive(channel<T>{}));
            return sent{status::ok};
        },
        [](ch c, T&& v) {
            sent s = status::full;
            sluice::select(sluice::prioritized, on_receive(channel<T>{}), on_send(c, std::move(v), s));
            return s;
        },
        [](ch c, T&& v) {
            sent s = status::full;
            sluice::select(on_send(c, std::move(v), [&](sent how) { s = how; }), sluice::on_timeout(1h));
            return s;
        },
        [](ch c, T&& v) {
            sent s = status::full;
            sluice::select(sluice::on(c.async_send(std::move(v)), s), sluice::on_done(open_context()));
            return s;
        },
        [](ch c, T&& v) {
            const auto one =
                std::ranges::subrange{std::move_iterator{std::addressof(v)}, std::move_iterator{std::addressof(v) + 1}};
            return sent{c.send_all(one) == 1 ? status::ok : status::closed};
        }};
    if constexpr (std::is_copy_constructible_v<T>) {
        all.push_back([](ch c, T&& v) { return c.send(std::as_const(v)); });
        all.push_back([](ch c, T&& v) { return c.send_for(v, 1h); });
        all.push_back([](ch c, T&& v) {
            sent s = status::full;
            sluice::select(on_send(c, std::as_const(v), s), sluice::on_done(open_context()));
            return s;
        });
    }
    return all;
}

/// Receives one value and tells whether it is number `n`.
template <class T>
using receive_form = bool (*)(const channel<T>&, int n);

template <class T>
std::vector<receive_form<T>> receive_forms() {
    using ch = const channel<T>&;
    using kinds::is_number;
    std::vector<receive_form<T>> all{
        [](ch c, int n) { return is_number(*c.receive(), n); },
        [](ch c, int n) { return is_number(c.receive(open_context()).value(), n); },
        [](ch c, int n) { return is_number(*c.receive(open_token()), n); },
        [](ch c, int n) { return is_number(*c.receive_for(1h), n); },
        [](ch c, int n) { return is_number(*c.receive_until(sluice::clock::now() + 1h), n); },
        [](ch c, int n) {
            for (int tries = 0; tries < most_tries; ++tries)
                if (const std::optional<T> v = c.try_receive()) return is_number(*v, n);
            return is_number(*c.receive(), n);
        },
        [](ch c, int n) {
            received<T> v;
            sluice::select(on_receive(c, v), on_receive(channel<T>{}));
            return is_number(*v, n);
        },
        [](ch c, int n) {
            bool right = false;
            sluice::select(on_receive(c, [&](received<T> v) { right = is_number(*v, n); }), sluice::on_timeout(1h));
            return right;
        },
        [](ch c, int n) {
            received<T> v;
            sluice::select(sluice::prioritized, sluice::on_done(open_context()), sluice::on(c.async_receive(), v));
            return is_number(*v, n);
        },
        [](ch c, int n) {
            for (const T& v : c) return is_number(v, n);
            return false;
        },
        [](ch c, int n) {
            const std::vector<T> some = c.receive_some(1);
            return some.size() == 1 && is_number(some.front(), n);
        },
        [](ch c, int n) {
            for (int tries = 0; tries < most_tries; ++tries)
                if (const auto some = c.try_receive_some(1); !some.empty()) return is_number(some.front(), n);
            return is_number(*c.receive(), n);
        }};
    if constexpr (is_assignable<T>) {
        all.push_back([](ch c, int n) {
            std::optional<T> v;
            sluice::select(on_receive(c, v), sluice::on_done(open_context()));
            return v && is_number(*v, n);
        });
    }
    return all;
}

template <class T>
class BlockingFormsOf : public testing::Test {
protected:
    ~BlockingFormsOf() override { EXPECT_EQ(kinds::live<T>(), 0); }
};
using all_kinds =
    testing::Types<kinds::trivial, kinds::zero_size, kinds::trivial_zero_size, kinds::move_only, kinds::constant,
                   kinds::throwing_copy, kinds::throwing_move, kinds::throwing_move_only, kinds::reference_like,
                   kinds::self_referential, kinds::large, kinds::without_address, kinds::over_aligned>;
TYPED_TEST_SUITE(BlockingFormsOf, all_kinds, kinds::names);

// T17, CH-13
TYPED_TEST(BlockingFormsOf, SendingAndReceivingCarryTheValueUndamaged) {
    const auto send = send_forms<TypeParam>();
    const auto receive = receive_forms<TypeParam>();
    const auto count = static_cast<int>(send.size() * receive.size());
    for (const auto& ch : channels_of_all_capacities<TypeParam>()) {
        threads by;
        auto sending = by.start(
            [&](int n) {
                for (int i = 0; i < n; ++i) {
                    TypeParam v{i};
                    const auto form = static_cast<std::size_t>(i) % send.size();
                    if (!send[form](ch, std::move(v))) return i;
                }
                return n;
            },
            0, count);
        for (int i = 0; i < count; ++i) {
            const auto form = static_cast<std::size_t>(i) / send.size();
            EXPECT_TRUE(receive[form](ch, i))
                << "number " << i << " by form " << form << ", capacity " << ch.capacity();
        }
        EXPECT_EQ(sending.get(), count);
    }
}

// --- by tasks -------------------------------------------------------------------------------------------------------------

constexpr int awaited_send_forms = 12;

template <class T>
task<sent> send_awaited(channel<T> c, T v, int form) {
    sent s = status::full;
    switch (form) {
        case 0: co_return co_await c.async_send(std::move(v));
        case 1: co_return co_await c.async_send(std::move(v), open_context());
        case 2: co_return co_await c.async_send(std::move(v), open_token());
        case 3: co_return co_await sluice::timeout(1h, c.async_send(std::move(v)));
        case 4: co_return co_await sluice::shielded(c.async_send(std::move(v)));
        case 5: {
            auto named = c.async_send(std::move(v));
            co_return co_await named;
        }
        case 6:
            static_cast<void>(co_await sluice::async_select(on_send(c, std::move(v)), on_receive(channel<T>{})));
            co_return status::ok;
        case 7:
            static_cast<void>(co_await sluice::async_select(sluice::prioritized, on_receive(channel<T>{}),
                                                            on_send(c, std::move(v), s)));
            co_return s;
        case 8: {
            const auto note = [&s](sent how) { s = how; };
            static_cast<void>(
                co_await sluice::async_select(on_send(c, std::move(v), note), sluice::on_done(open_context())));
            co_return s;
        }
        case 9:
            static_cast<void>(
                co_await sluice::async_select(sluice::on(c.async_send(std::move(v)), s), sluice::on_timeout(1h)));
            co_return s;
        case 10:
            while ((s = c.try_send(std::move(v))) == status::full) co_await sluice::yield();
            co_return s;
        default:
            if constexpr (std::is_copy_constructible_v<T>) co_return co_await c.async_send(std::as_const(v));
            else co_return co_await c.async_send(std::move(v));
    }
}

constexpr int awaited_receive_forms = 12;

template <class T>
task<bool> receive_awaited(channel<T> c, int n, int form) {
    using kinds::is_number;
    received<T> v;
    switch (form) {
        case 0: {
            const auto got = co_await c.async_receive();
            co_return is_number(*got, n);
        }
        case 1: {
            const auto got = co_await c.async_receive(open_context());
            co_return is_number(*got, n);
        }
        case 2: {
            const auto got = co_await c.async_receive(open_token());
            co_return is_number(*got, n);
        }
        case 3: {
            const auto got = co_await sluice::timeout(1h, c.async_receive());
            co_return is_number(*got, n);
        }
        case 4: {
            const auto got = co_await sluice::shielded(c.async_receive());
            co_return is_number(*got, n);
        }
        case 5: {
            auto named = c.async_receive();
            const auto got = co_await named;
            co_return is_number(*got, n);
        }
        case 6: {
            const auto some = co_await c.async_receive_some(1);
            co_return some.size() == 1 && is_number(some.front(), n);
        }
        case 7:
            static_cast<void>(co_await sluice::async_select(on_receive(c, v), on_receive(channel<T>{})));
            co_return is_number(*v, n);
        case 8: {
            bool right = false;
            const auto look = [&right, n](received<T> got) { right = is_number(*got, n); };
            static_cast<void>(co_await sluice::async_select(on_receive(c, look), sluice::on_done(open_context())));
            co_return right;
        }
        case 9:
            static_cast<void>(co_await sluice::async_select(sluice::prioritized, sluice::on_timeout(1h),
                                                            sluice::on(c.async_receive(), v)));
            co_return is_number(*v, n);
        case 10:
            for (int tries = 0; tries < most_tries; ++tries) {
                v = c.try_receive();
                if (v) co_return is_number(*v, n);
            }
            v = co_await c.async_receive();
            co_return is_number(*v, n);
        default:
            if constexpr (is_assignable<T>) {
                std::optional<T> maybe;
                static_cast<void>(co_await sluice::async_select(on_receive(c, maybe), sluice::on_timeout(1h)));
                co_return maybe&& is_number(*maybe, n);
            } else {
                const auto got = co_await c.async_receive();
                co_return is_number(*got, n);
            }
    }
}

constexpr int awaited_forms = awaited_send_forms * awaited_receive_forms;

template <class T>
task<int> send_in_every_form(channel<T> c) {
    for (int i = 0; i < awaited_forms; ++i) {
        const sent s = co_await send_awaited(c, T{i}, i % awaited_send_forms);
        if (!s) co_return i;
    }
    co_return awaited_forms;
}
template <class T>
task<int> receive_in_every_form(channel<T> c) {
    for (int i = 0; i < awaited_forms; ++i)
        if (!co_await receive_awaited(c, i, i / awaited_send_forms)) co_return i;
    co_return awaited_forms;
}

template <class T>
class AwaitedFormsOf : public BlockingFormsOf<T> {};
using kinds_for_frames =
    testing::Types<kinds::trivial, kinds::zero_size, kinds::trivial_zero_size, kinds::move_only, kinds::constant,
                   kinds::throwing_copy, kinds::throwing_move, kinds::throwing_move_only, kinds::reference_like,
                   kinds::self_referential, kinds::large, kinds::without_address>;
TYPED_TEST_SUITE(AwaitedFormsOf, kinds_for_frames, kinds::names);

// T17, CH-13
TYPED_TEST(AwaitedFormsOf, SendingAndReceivingCarryTheValueUndamaged) {
    for (const auto& ch : channels_of_all_capacities<TypeParam>()) {
        sluice::runtime rt{workers(2)};
        auto sending = rt.go(send_in_every_form<TypeParam>, ch);
        auto receiving = rt.go(receive_in_every_form<TypeParam>, ch);
        EXPECT_EQ(receiving.get(), awaited_forms) << "capacity " << ch.capacity();
        ch.close();
        EXPECT_EQ(sending.get(), awaited_forms) << "capacity " << ch.capacity();
    }
}

}  // namespace
