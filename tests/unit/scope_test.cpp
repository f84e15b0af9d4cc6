// SPDX-License-Identifier: BSL-1.0
// scope_test.cpp: has all ended when a scope has, whichever way it was left, and has no thread been blocked for it?

#include <sluice/scope.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <vector>

#include <sluice/channel.hpp>
#include <sluice/timer.hpp>

#include "../support/eventually.hpp"
#include "../support/sanitized.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using namespace std::chrono_literals;
using sluice::canceled;
using sluice::channel;
using sluice::errgroup;
using sluice::scope;
using sluice::sized_wait_group;
using sluice::task;
using sluice::wait_group;
using sluice_test::eventually;
using sluice_test::receivers_waiting;
using sluice_test::workers;

// Ends when cancelled, some steps later.
task<> end_slowly(std::atomic<int>* ended) {
    try {
        co_await sluice::sleep_for(1h);
    } catch (const canceled&) {}
    for (int i = 0; i < 20; ++i) co_await sluice::shielded(sluice::yield());
    ++*ended;
}
task<> count_one(std::atomic<int>* ended) {
    co_await sluice::yield();
    ++*ended;
}

TEST(Scope, JoinsWhatItsBodyStarted) {
    std::atomic<int> ended{0};
    const auto main = [&]() -> task<> {
        co_await scope([&](errgroup& all) -> task<> {
            for (int i = 0; i < 5; ++i) all.go(count_one, &ended);
            co_return;
        });
        EXPECT_EQ(ended, 5);
    };
    sluice::run(main);
}

TEST(Scope, GivesWhatItsBodyGives) {
    int variable = 0;
    const auto main = [&]() -> task<> {
        auto made = co_await scope([](errgroup&) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); });
        EXPECT_EQ(*made, 7);
        int& same = co_await scope([&](errgroup&) -> task<int&> { co_return variable; });
        EXPECT_EQ(&same, &variable);
    };
    sluice::run(main);
}

TEST(Scope, AnExceptionOfItsBodyCancelsTheGroupAndComesAfterTheJoin) {
    std::atomic<int> ended{0};
    const auto main = [&]() -> task<> {
        const auto body = [&](errgroup& all) -> task<> {
            all.go(end_slowly, &ended);
            for (int i = 0; i < 20; ++i) co_await sluice::yield();
            throw std::runtime_error{"body"};
        };
        std::string what;
        try {
            co_await scope(body);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        EXPECT_EQ(what, "body");
        EXPECT_EQ(ended, 1);
    };
    sluice::run(sluice::run_options{.workers = 1}, main);
}

TEST(Scope, AnErrorOfItsErrgroupComesAfterTheJoin) {
    std::atomic<int> ended{0};
    const auto main = [&]() -> task<> {
        const auto body = [&](errgroup& all) -> task<> {
            all.go(end_slowly, &ended);
            for (int i = 0; i < 20; ++i) co_await sluice::yield();
            all.go([]() -> task<> {
                throw std::runtime_error{"child"};
                co_return;
            });
        };
        std::string what;
        try {
            co_await scope(body);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        EXPECT_EQ(what, "child");
        EXPECT_EQ(ended, 1);
    };
    sluice::run(sluice::run_options{.workers = 1}, main);
}

TEST(Scope, TheFirstErrorOfItsErrgroupEndsItsBodyToo) {
    const auto main = []() -> task<> {
        const auto body = [](errgroup& all) -> task<int> {
            all.go([]() -> task<> {
                co_await sluice::yield();
                throw std::runtime_error{"child"};
            });
            co_await sluice::sleep_for(1h);
            co_return 1;
        };
        std::string what;
        try {
            static_cast<void>(co_await scope(body));
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
        EXPECT_EQ(what, "child");
    };
    sluice::run(main);
}

TEST(Scope, IsCancelledWithItsTaskAndThrowsAfterTheJoin) {
    std::atomic<int> ended{0};
    const auto main = [&]() -> task<> {
        const channel<int> never{0};
        const auto in_a_scope = [&]() -> task<> {
            const auto body = [&](errgroup& all) -> task<> {
                all.go(end_slowly, &ended);
                static_cast<void>(co_await never.async_receive());
            };
            co_await scope(body);
        };
        auto scoped = sluice::go(in_a_scope);
        while (receivers_waiting(never) == 0) co_await sluice::yield();
        for (int i = 0; i < 20; ++i) co_await sluice::yield();
        scoped.cancel();
        bool was_canceled = false;
        try {
            co_await scoped;
        } catch (const canceled&) {
            was_canceled = true;
        }
        EXPECT_TRUE(was_canceled);
        EXPECT_EQ(ended, 1);
    };
    sluice::run(sluice::run_options{.workers = 1}, main);
}

TEST(Scope, MakesAGroupOfAnotherKindWithItsArguments) {
    std::atomic<int> ended{0};
    const auto main = [&]() -> task<> {
        co_await scope<wait_group>([&](wait_group& all) -> task<> {
            all.go(count_one, &ended);
            co_return;
        });
        EXPECT_EQ(ended, 1);
        co_await scope<sized_wait_group>(
            [&](sized_wait_group& all) -> task<> {
                for (int i = 0; i < 10; ++i) co_await all.async_go(count_one, &ended);
            },
            2u);
        EXPECT_EQ(ended, 11);
    };
    sluice::run(main);
}

TEST(Scope, BlocksNoThreadHoweverManyAreCancelledAtOnce) {
    constexpr int many = sluice_test::many(100'000);
    sluice::runtime rt{workers(2)};
    std::atomic<int> waiting{0};
    const auto main = [&]() -> task<> {
        errgroup all;
        const auto with_a_local_group = [&]() -> task<> {
            const auto body = [&](wait_group& own) -> task<> {
                own.go([&]() -> task<> {
                    ++waiting;
                    co_await sluice::sleep_for(1h);
                });
                co_await sluice::sleep_for(1h);
            };
            co_await scope<wait_group>(body);
        };
        for (int i = 0; i < many; ++i) all.go(with_a_local_group);
        while (waiting != many) co_await sluice::yield();
        all.cancel();
        co_await all.async_wait();
    };
    rt.run(main);
    EXPECT_EQ(rt.metrics().stand_ins, 0u);
    EXPECT_TRUE(eventually([&] { return rt.metrics().alive == 0; }));  // a task is counted as ended last of all
}

}  // namespace
