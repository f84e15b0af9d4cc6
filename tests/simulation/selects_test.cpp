// SPDX-License-Identifier: BSL-1.0
// selects_test.cpp: does a select do exactly one of its cases on every schedule?
#include <set>
#include <vector>

#include "explored.hpp"

namespace {

using namespace sluice_test;
using sluice::async_select;
using sluice::channel;
using sluice::on_receive;
using sluice::on_send;
using sluice::on_timeout;

// SE-09: each receives what the other has sent.
TEST(SelectSchedules, TwoSelectsOnOneRendezvousMeetEachOtherAndNeverThemselves) {
    expect_on_every_schedule([]() -> task<void> {
        channel<int> ch{0};
        int sends = 0;
        sluice::wait_group both;
        for (int me = 1; me <= 2; ++me)
            both.go([&, me]() -> task<void> {
                sluice::received<int> heard;
                const auto fired = co_await async_select(on_send(ch, me), on_receive(ch, heard));
                if (fired == 0) ++sends;
                else must(*heard != me, "it has met itself");
            });
        co_await both.async_wait();
        must(sends == 1, "one of them sends");
    });
}

// SE-11
TEST(SelectSchedules, CrosswiseSelectsLoseNothing) {
    expect_on_many_schedules([]() -> task<void> {
        channel<int> a{0};
        channel<int> b{0};
        int sent = 0;
        int got = 0;
        const auto talk = [&](channel<int> out, channel<int> in) -> task<void> {
            for (int i = 0; i < 3; ++i) {
                sluice::received<int> heard;
                const auto fired = co_await async_select(on_send(out, i), on_receive(in, heard));
                ++(fired == 0 ? sent : got);
            }
        };
        sluice::wait_group both;
        both.go(talk, a, b);
        both.go(talk, b, a);
        co_await both.async_wait();
        must(sent == 3 && got == 3, "a send and a receive make a pair");
    });
}

// MX-02
TEST(SelectSchedules, AThreadAndATaskShareTwoChannels) {
    expect_on_many_schedules([]() -> task<void> {
        channel<int> a{0};
        channel<int> b{1};
        std::multiset<int> got;
        sluice::wait_group all;
        all.go([&] {
            for (int i = 0; i < 3; ++i) {
                sluice::received<int> v;
                static_cast<void>(sluice::select(on_receive(a, v), on_receive(b, v)));
                got.insert(*v);
            }
        });
        all.go([&]() -> task<void> {
            for (int i = 0; i < 3; ++i) {
                sluice::received<int> v;
                co_await async_select(on_receive(a, v), on_receive(b, v));
                got.insert(*v);
            }
        });
        all.go([&]() -> task<void> {
            for (int i = 0; i < 3; ++i) co_await async_select(on_send(a, i), on_send(b, i));
        });
        all.go([&]() -> task<void> {
            for (int i = 3; i < 6; ++i) must(static_cast<bool>(co_await b.async_send(i)), "it is open");
        });
        co_await all.async_wait();
        must(got == std::multiset<int>({0, 1, 2, 3, 4, 5}), "a value was lost or doubled");
    });
}

// SE-24, T9
TEST(SelectSchedules, ATimeNeverEatsAValue) {
    const auto program = []() -> task<void> {
        channel<int> ch{0};
        int sent = 0;
        int got = 0;
        sluice::wait_group all;
        all.go([&]() -> task<void> {
            for (int i = 0; i < 4; ++i) {
                co_await sluice::sleep_for(1s);
                const auto fired = co_await async_select(on_send(ch, i), on_timeout(1s));
                if (fired == 0) ++sent;
            }
        });
        all.go([&]() -> task<void> {
            for (int i = 0; i < 8; ++i) {
                sluice::received<int> v;
                const auto fired = co_await async_select(on_receive(ch, v), on_timeout(500ms));
                must((fired == 0) == static_cast<bool>(v), "a value comes with its case");
                if (v) ++got;
            }
        });
        co_await all.async_wait();
        must(sent == got, "a value was eaten");
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(SelectSchedules, ACancelledSelectHasNoEffect) {
    expect_on_many_schedules(
        []() -> task<void> {
            channel<int> a{1};
            channel<int> b{0};
            int sent = 0;
            int got = 0;
            sluice::wait_group all;
            for (int k = 0; k < 2; ++k) {
                all.go([&]() -> task<void> {
                    for (int i = 0; i < 3; ++i) {
                        const auto fired = co_await async_select(on_send(a, i), on_send(b, i), on_timeout(1s));
                        if (fired < 2) ++sent;
                    }
                });
                all.go([&]() -> task<void> {
                    for (int i = 0; i < 3; ++i) {
                        sluice::received<int> v;
                        co_await async_select(on_receive(a, v), on_receive(b, v), on_timeout(1s));
                        if (v) ++got;
                    }
                });
            }
            co_await all.async_wait();
            while (a.try_receive()) ++got;
            must(sent == got, "a select that was cancelled has sent or received");
        },
        some_cancelled());
}

// SE-04: one of the two channels always holds something.
TEST(SelectSchedules, OtherwiseDoesNotFireWhileSomethingIsReadyAtEveryInstant) {
    expect_on_every_schedule([]() -> task<void> {
        channel<int> a{1};
        channel<int> b{1};
        must(static_cast<bool>(a.try_send(1)), "there is room");
        sluice::wait_group mover;
        mover.go([&]() -> task<void> {
            must(static_cast<bool>(co_await b.async_send(2)), "there is room");
            static_cast<void>(a.try_receive());
        });
        const auto fired = co_await async_select(on_receive(a), on_receive(b), sluice::otherwise);
        must(fired != 2, "otherwise has fired");
        co_await mover.async_wait();
    });
}

// SE-20, SE-21
TEST(SelectSchedules, APrioritizedSelectTakesTheFirstThatIsReady) {
    expect_on_many_schedules([]() -> task<void> {
        channel<int> urgent{4};
        channel<int> normal{4};
        sluice::wait_group senders;
        senders.go([&]() -> task<void> {
            for (int i = 0; i < 3; ++i) must(static_cast<bool>(co_await urgent.async_send(i)), "there is room");
        });
        senders.go([&]() -> task<void> {
            for (int i = 0; i < 3; ++i) must(static_cast<bool>(co_await normal.async_send(i)), "there is room");
        });
        for (int i = 0; i < 6; ++i) {
            const bool waits_urgently = urgent.size() > 0;  // no step lies between here and the select's look
            const auto fired = co_await async_select(sluice::prioritized, on_receive(urgent), on_receive(normal));
            must(!waits_urgently || fired == 0, "something urgent was passed over");
        }
        co_await senders.async_wait();
    });
}

TEST(SelectSchedules, OfEveryKindOfCaseOneFires) {
    const auto program = []() -> task<void> {
        channel<int> ch{1};
        sluice::semaphore permits{1};
        sluice::wait_group group;
        const auto limit = sluice::with_timeout(sluice::current_context(), 1s);
        group.go([]() -> task<void> { co_await sluice::sleep_for(1s); });
        auto h = sluice::go([]() -> task<int> {
            co_await sluice::sleep_for(1s);
            co_return 3;
        });
        co_await permits.async_acquire();
        auto releases = sluice::go([&]() -> task<void> {
            co_await sluice::sleep_for(1s);
            permits.release();
        });
        auto sends = sluice::go([&]() -> task<void> {
            co_await sluice::sleep_for(1s);
            static_cast<void>(ch.try_send(1));
        });
        const auto fired = co_await async_select(on_receive(ch), sluice::on_acquire(permits), sluice::on_wait(group),
                                                 sluice::on_join(h), sluice::on_done(limit.get()), on_timeout(1s));
        co_await releases;
        co_await sends;
        co_await group.async_wait();
        must(co_await h == 3, "a handle that was selected still has its result");
        must(ch.size() == (fired == 0 ? 0u : 1u), "a case that has not fired has received");
        must(permits.available() == (fired == 1 ? 0u : 1u), "a case that has not fired has acquired");
    };
    expect_on_many_schedules(program);
}

TEST(SelectorSchedules, GetsEverythingAndEachEnd) {
    const auto program = []() -> task<void> {
        constexpr int channels = 3;
        constexpr int values = 2;
        std::vector<channel<int>> sources;
        sluice::wait_group senders;
        for (int c = 0; c < channels; ++c) {
            sources.emplace_back(static_cast<std::size_t>(c));
            senders.go(
                [](channel<int> ch) -> task<void> {
                    for (int i = 1; i <= values; ++i) must(static_cast<bool>(co_await ch.async_send(i)), "it is open");
                    ch.close();
                },
                sources.back());
        }
        sluice::selector all;
        sluice::received<int> v;
        for (auto& ch : sources) all.add(on_receive(ch, v));
        int sum = 0;
        int ends = 0;
        while (!all.empty()) {
            const auto id = co_await all.async_select();
            if (v) {
                sum += *v;
            } else {
                ++ends;
                must(all.remove(id), "the case that fired was there");
            }
        }
        must(sum == channels * 3 && ends == channels, "a value or an end was lost");
        co_await senders.async_wait();
    };
    expect_on_many_schedules(program);
    expect_on_many_schedules(program, some_late());
}

TEST(SelectorSchedules, ASendCaseSendsOnceAndALimitedSelectLosesNothing) {
    expect_on_many_schedules(
        []() -> task<void> {
            channel<int> out{0};
            int got = 0;
            sluice::wait_group receiver;
            receiver.go([&]() -> task<void> {
                for (;;) {
                    const auto v = co_await sluice::timeout(1s, out.async_receive());
                    if (v) ++got;
                    else if (v.why() == sluice::status::closed) co_return;
                }
            });
            int sent = 0;
            sluice::selector all;
            for (int i = 0; i < 3; ++i) all.add(on_send(out, i));
            for (int looks = 0; !all.empty() && looks < 1000; ++looks) {
                const auto id = co_await sluice::timeout(1s, all.async_select());
                if (id) ++sent;
            }
            out.close();
            co_await receiver.async_wait();
            must(sent == got && sent == 3, "a value was lost or sent twice");
        },
        some_late());
}

}  // namespace
