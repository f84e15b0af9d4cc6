// SPDX-License-Identifier: BSL-1.0
// awaited_objects_test.cpp: is every object that passes through an awaited form destroyed, and only once?
//
// Each form is a coroutine that awaits one thing, with counted objects as values, captures and arguments, named or
// temporary. Each runs four times: all is ready; it waits and goes on; it waits and is cancelled; it is cancelled when
// the result is on its way. Then no object lives.

#include <sluice/sluice.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "../support/busy_worker.hpp"
#include "../support/counted.hpp"
#include "../support/eventually.hpp"
#include "../support/waiting.hpp"
#include "../support/workers.hpp"

namespace {

using sluice::async_select;
using sluice::channel;
using sluice::on;
using sluice::on_done;
using sluice::on_receive;
using sluice::on_send;
using sluice::on_timeout;
using sluice::status;
using sluice::task;
using namespace sluice_test;
using namespace std::chrono_literals;

using object = counted<struct awaited>;

/// What the forms wait for: values come in, values go out.
struct stage {
    explicit stage(std::size_t capacity) : in{capacity}, out{capacity} {}
    channel<object> in;
    channel<object> out;
    channel<object> nil;
    sluice::context_source open = sluice::with_cancel({});
    std::stop_source never;
};

struct form {
    const char* name;
    task<> (*run)(stage&);
    bool cancellable = true;
};
void PrintTo(const form& f, std::ostream* out) { *out << f.name; }

// --- sends ------------------------------------------------------------------------------------------------------------

const form sends[] = {
    {"OfALvalue",
     [](stage& s) -> task<> {
         object mine{1};
         static_cast<void>(co_await s.out.async_send(mine));
     }},
    {"OfAConstLvalue",
     [](stage& s) -> task<> {
         const object mine{1};
         static_cast<void>(co_await s.out.async_send(mine));
     }},
    {"OfANamedRvalue",
     [](stage& s) -> task<> {
         object mine{1};
         static_cast<void>(co_await s.out.async_send(std::move(mine)));
     }},
    {"OfATemporary", [](stage& s) -> task<> { static_cast<void>(co_await s.out.async_send(object{1})); }},
    {"OfWhatAnObjectIsMadeOf", [](stage& s) -> task<> { static_cast<void>(co_await s.out.async_send(1)); }},
    {"WithAContext", [](stage& s) -> task<> { static_cast<void>(co_await s.out.async_send(object{1}, s.open.get())); }},
    {"WithAToken",
     [](stage& s) -> task<> { static_cast<void>(co_await s.out.async_send(object{1}, s.never.get_token())); }},
    {"WithALimit",
     [](stage& s) -> task<> { static_cast<void>(co_await sluice::timeout(1h, s.out.async_send(object{1}))); }},
    {"ByASender",
     [](stage& s) -> task<> { static_cast<void>(co_await sluice::sender<object>{s.out}.async_send(object{1})); }},
    {"BuiltBefore",
     [](stage& s) -> task<> {
         object mine{1};
         auto operation = s.out.async_send(std::move(mine));
         static_cast<void>(co_await operation);
     }},
    {"BuiltBeforeAndMoved",
     [](stage& s) -> task<> {
         const object mine{1};
         auto operation = s.out.async_send(mine);
         static_cast<void>(co_await std::move(operation));
     }},
    {"Shielded", [](stage& s) -> task<> { static_cast<void>(co_await sluice::shielded(s.out.async_send(object{1}))); },
     false},
};

// --- receives ---------------------------------------------------------------------------------------------------------

const form receives[] = {
    {"Dropped", [](stage& s) -> task<> { static_cast<void>(co_await s.in.async_receive()); }},
    {"IntoReceived",
     [](stage& s) -> task<> {
         const sluice::received<object> got = co_await s.in.async_receive();
         EXPECT_TRUE(got);
     }},
    {"IntoOptional",
     [](stage& s) -> task<> {
         const std::optional<object> got = co_await s.in.async_receive();
         EXPECT_TRUE(got);
     }},
    {"IntoAnObject",
     [](stage& s) -> task<> {
         object got{7};
         got = (co_await s.in.async_receive()).value();
         EXPECT_EQ(got.value(), 1);
     }},
    {"WithAContext", [](stage& s) -> task<> { EXPECT_TRUE(co_await s.in.async_receive(s.open.get())); }},
    {"WithAToken", [](stage& s) -> task<> { EXPECT_TRUE(co_await s.in.async_receive(s.never.get_token())); }},
    {"WithALimit", [](stage& s) -> task<> { EXPECT_TRUE(co_await sluice::timeout(1h, s.in.async_receive())); }},
    {"ByAReceiver", [](stage& s) -> task<> { EXPECT_TRUE(co_await sluice::receiver<object>{s.in}.async_receive()); }},
    {"BuiltBefore",
     [](stage& s) -> task<> {
         auto operation = s.in.async_receive();
         EXPECT_TRUE(co_await operation);
     }},
    {"Some",
     [](stage& s) -> task<> {
         const std::vector<object> got = co_await s.in.async_receive_some(1);
         EXPECT_EQ(got.size(), 1u);
     }},
    {"Shielded", [](stage& s) -> task<> { EXPECT_TRUE(co_await sluice::shielded(s.in.async_receive())); }, false},
};

// --- selects ----------------------------------------------------------------------------------------------------------

const form selects[] = {
    {"ReceivesIntoReceived",
     [](stage& s) -> task<> {
         sluice::received<object> got;
         EXPECT_EQ(co_await async_select(on_receive(s.in, got), on_send(s.nil, object{2})), 0u);
         EXPECT_TRUE(got);
     }},
    {"ReceivesIntoOptional",
     [](stage& s) -> task<> {
         std::optional<object> got;
         EXPECT_EQ(co_await async_select(on_done(s.open.get()), on_receive(s.in, got)), 1u);
         EXPECT_TRUE(got);
     }},
    {"ReceivesByANamedHandler",
     [](stage& s) -> task<> {
         bool called = false;
         const auto handler = [&called, mine = object{3}](sluice::received<object> v) { called = v.has_value(); };
         EXPECT_EQ(co_await async_select(on_receive(s.in, handler), on_timeout(1h)), 0u);
         EXPECT_TRUE(called);
     }},
    {"ReceivesByATemporaryHandler",
     [](stage& s) -> task<> {
         int called = 0;
         EXPECT_EQ(co_await async_select(on_receive(s.in, [&](const sluice::received<object>&) { ++called; })), 0u);
         EXPECT_EQ(called, 1);
     }},
    {"ReceivesAndDrops",
     [](stage& s) -> task<> { EXPECT_EQ(co_await async_select(on_receive(s.nil), on_receive(s.in)), 1u); }},
    {"SendsALvalue",
     [](stage& s) -> task<> {
         const object mine{1};
         EXPECT_EQ(co_await async_select(on_send(s.out, mine), on_send(s.nil, mine)), 0u);
     }},
    {"SendsANamedRvalue",
     [](stage& s) -> task<> {
         object mine{1};
         object other{2};
         EXPECT_EQ(co_await async_select(on_send(s.nil, std::move(other)), on_send(s.out, std::move(mine))), 1u);
         EXPECT_EQ(other.value(), 2);
         EXPECT_TRUE(mine.is_moved_from());
     }},
    {"SendsATemporary",
     [](stage& s) -> task<> {
         sluice::sent how = status::full;
         EXPECT_EQ(co_await async_select(on_send(s.out, object{1}, how), on_send(s.nil, object{2})), 0u);
         EXPECT_TRUE(how);
     }},
    {"SendsAndCallsANamedHandler",
     [](stage& s) -> task<> {
         bool called = false;
         auto handler = [&called, mine = object{3}](sluice::sent how) { called = how.why() == status::ok; };
         EXPECT_EQ(co_await async_select(on_send(s.out, object{1}, handler)), 0u);
         EXPECT_TRUE(called);
     }},
    {"KeepsTheHandlersThatDoNotFire",
     [](stage& s) -> task<> {
         const auto at_end = [mine = object{3}] {};
         auto in_time = [mine = object{4}] {};
         EXPECT_EQ(co_await async_select(on_done(s.open.get(), at_end), on_timeout(1h, in_time), on_receive(s.in)), 2u);
     }},
    {"InOrder",
     [](stage& s) -> task<> {
         std::optional<object> got;
         EXPECT_EQ(co_await async_select(sluice::prioritized, on_send(s.nil, object{2}), on_receive(s.in, got)), 1u);
     }},
    {"BuiltBefore",
     [](stage& s) -> task<> {
         object mine{1};
         std::optional<object> got;
         auto operation = async_select(on_send(s.nil, mine), on_receive(s.in, got));
         EXPECT_EQ(co_await operation, 1u);
     }},
    {"OnAReceiveIntoReceived",
     [](stage& s) -> task<> {
         sluice::received<object> got;
         EXPECT_EQ(co_await async_select(on(s.in.async_receive(), got)), 0u);
         EXPECT_TRUE(got);
     }},
    {"OnAReceiveIntoOptional",
     [](stage& s) -> task<> {
         std::optional<object> got;
         EXPECT_EQ(co_await async_select(on(s.in.async_receive(), got), on_timeout(1h)), 0u);
         EXPECT_TRUE(got);
     }},
    {"OnASend",
     [](stage& s) -> task<> {
         sluice::sent how = status::full;
         EXPECT_EQ(co_await async_select(on(s.out.async_send(object{1}), how), on_timeout(1h)), 0u);
         EXPECT_TRUE(how);
     }},
    {"OnAReceiveOfSome",
     [](stage& s) -> task<> {
         std::vector<object> got;
         EXPECT_EQ(co_await async_select(on(s.in.async_receive_some(1), got), on_timeout(1h)), 0u);
         EXPECT_EQ(got.size(), 1u);
     }},
};

// --- tasks and callables ----------------------------------------------------------------------------------------------

task<object> wait_and_give(stage& s, object argument) {
    static_cast<void>(co_await s.in.async_receive());
    co_return std::move(argument);
}
task<object> wait_and_throw(stage& s, object argument) {
    static_cast<void>(co_await s.in.async_receive());
    throw argument.value();
}
object block_and_give(stage* s, object argument) {
    static_cast<void>(s->in.receive());
    return argument;
}

const form tasks[] = {
    {"ATemporaryTask", [](stage& s) -> task<> { EXPECT_EQ((co_await wait_and_give(s, object{3})).value(), 3); }},
    {"ANamedTask",
     [](stage& s) -> task<> {
         auto child = wait_and_give(s, object{3});
         const object got = co_await std::move(child);
         EXPECT_EQ(got.value(), 3);
     }},
    {"ATaskOfALambdaWithCaptures",
     [](stage& s) -> task<> {
         const auto child = [mine = object{3}](stage& of) -> task<object> {
             static_cast<void>(co_await of.in.async_receive());
             co_return mine;
         };
         EXPECT_EQ((co_await child(s)).value(), 3);
     }},
    {"ATaskThatThrows",
     [](stage& s) -> task<> {
         bool thrown = false;
         try {
             static_cast<void>(co_await wait_and_throw(s, object{3}));
         } catch (int) {
             thrown = true;
         }
         EXPECT_TRUE(thrown);
     }},
    {"AShieldedTask",
     [](stage& s) -> task<> { EXPECT_EQ((co_await sluice::shielded(wait_and_give(s, object{3}))).value(), 3); }, false},
    {"AHandle",
     [](stage& s) -> task<> {
         auto handle = sluice::go(wait_and_give, std::ref(s), object{3});
         EXPECT_EQ((co_await handle).value(), 3);
     }},
    {"AHandlesOperation",
     [](stage& s) -> task<> {
         auto handle = sluice::go(wait_and_give, std::ref(s), object{3});
         EXPECT_EQ((co_await handle.async_get()).value(), 3);
     }},
    {"AHandleOfALambdaWithCaptures",
     [](stage& s) -> task<> {
         auto handle = sluice::go([&s, mine = object{3}]() -> task<object> {
             static_cast<void>(co_await s.in.async_receive());
             co_return mine;
         });
         EXPECT_EQ((co_await handle).value(), 3);
     }},
    {"AHandleOfATaskThatThrows",
     [](stage& s) -> task<> {
         auto handle = sluice::go(wait_and_throw, std::ref(s), object{3});
         bool thrown = false;
         try {
             static_cast<void>(co_await handle);
         } catch (int) {
             thrown = true;
         }
         EXPECT_TRUE(thrown);
     }},
    {"AHandleInASelect",
     [](stage& s) -> task<> {
         const auto child = [](stage& of, object argument) -> task<object> {
             static_cast<void>(co_await of.in.async_receive());
             co_return std::move(argument);
         };
         auto handle = sluice::go(sluice::current_context(), child, std::ref(s), object{3});
         EXPECT_EQ(co_await async_select(sluice::on_join(handle), on_send(s.nil, object{1})), 0u);
         EXPECT_EQ((co_await handle).value(), 3);
     }},
    {"AHandleOfACallable",
     [](stage& s) -> task<> {
         auto handle = sluice::go(block_and_give, &s, object{3});
         EXPECT_EQ((co_await handle).value(), 3);
     }},
    {"ABlockingFunction",
     [](stage& s) -> task<> { EXPECT_EQ((co_await sluice::blocking(block_and_give, &s, object{3})).value(), 3); }},
    {"ABlockingClosure",
     [](stage& s) -> task<> {
         const auto f = [&s, mine = object{4}](const object& argument) {
             static_cast<void>(s.in.receive());
             return object{mine.value() + argument.value()};
         };
         EXPECT_EQ((co_await sluice::blocking(f, object{3})).value(), 7);
     }},
    {"ABlockingClosureThatThrows",
     [](stage& s) -> task<> {
         const auto f = [&s, mine = object{4}](const object& argument) {
             static_cast<void>(s.in.receive());
             throw argument.value();
         };
         bool thrown = false;
         try {
             co_await sluice::blocking(f, object{3});
         } catch (int) {
             thrown = true;
         }
         EXPECT_TRUE(thrown);
     }},
};

// --- four times each --------------------------------------------------------------------------------------------------

class AwaitedObjects : public testing::TestWithParam<form> {
protected:
    ~AwaitedObjects() override { EXPECT_EQ(object::live(), 0); }

    static auto start(sluice::runtime& rt, stage& s) { return rt.go(GetParam().run, std::ref(s)); }
    static bool waits(const stage& s) { return receivers_waiting(s.in) + senders_waiting(s.out) == 1; }
};

std::string name_of(const testing::TestParamInfo<form>& f) { return f.param.name; }
INSTANTIATE_TEST_SUITE_P(Sends, AwaitedObjects, testing::ValuesIn(sends), name_of);
INSTANTIATE_TEST_SUITE_P(Receives, AwaitedObjects, testing::ValuesIn(receives), name_of);
INSTANTIATE_TEST_SUITE_P(Selects, AwaitedObjects, testing::ValuesIn(selects), name_of);
INSTANTIATE_TEST_SUITE_P(Tasks, AwaitedObjects, testing::ValuesIn(tasks), name_of);

TEST_P(AwaitedObjects, AreDestroyedOnceWhenAllIsReady) {
    stage s{1};
    ASSERT_TRUE(s.in.try_send(object{1}));
    sluice::runtime rt{workers(1)};
    start(rt, s).get();
}

TEST_P(AwaitedObjects, AreDestroyedOnceAfterAWait) {
    stage s{0};
    sluice::runtime rt{workers(1)};
    auto h = start(rt, s);
    eventually([&] { return waits(s); });
    EXPECT_TRUE(s.in.try_send(object{1}) || s.out.try_receive());
    h.get();
}

TEST_P(AwaitedObjects, AreDestroyedOnceWhenTheWaitIsCancelled) {
    stage s{0};
    sluice::runtime rt{workers(1)};
    auto h = start(rt, s);
    eventually([&] { return waits(s); });
    h.cancel();
    if (GetParam().cancellable) {
        EXPECT_THROW(h.get(), sluice::canceled);
    } else {
        EXPECT_TRUE(s.in.try_send(object{1}) || s.out.try_receive());
        h.get();
    }
}

TEST_P(AwaitedObjects, AreDestroyedOnceWhenTheTaskIsCancelledWhileItsResultIsOnTheWay) {
    stage s{0};
    busy_worker one;
    auto h = start(one.runtime(), s);
    eventually([&] { return waits(s); });
    one.occupy();
    EXPECT_TRUE(s.in.try_send(object{1}) || s.out.try_receive());
    h.cancel();
    one.free_worker();
    try {
        h.get();
    } catch (const sluice::canceled&) {}  // where more follows
}

}  // namespace
