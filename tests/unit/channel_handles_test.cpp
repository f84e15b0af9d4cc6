// SPDX-License-Identifier: BSL-1.0
// channel_handles_test.cpp: what do the three kinds of handles know of their channel, and of each other?

#include <sluice/channel.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

namespace {

using sluice::channel;
using sluice::receiver;
using sluice::sender;
using sluice::status;

template <class Handle>
class HandleOfAChannel : public testing::Test {};
using kinds = testing::Types<channel<int>, sender<int>, receiver<int>>;
TYPED_TEST_SUITE(HandleOfAChannel, kinds);

TYPED_TEST(HandleOfAChannel, IsMadeFromAChannelAndHasTheSameIdentity) {
    const channel<int> ch{3};
    const TypeParam handle = ch;
    const TypeParam copy = handle;
    const TypeParam other = channel<int>{3};
    EXPECT_EQ(handle, copy);
    EXPECT_EQ(handle, ch);
    EXPECT_EQ(handle.id(), ch.id());
    EXPECT_NE(handle, other);
    EXPECT_NE(handle, TypeParam{});
    EXPECT_EQ(TypeParam{}, TypeParam{});
}

TYPED_TEST(HandleOfAChannel, CanBeAKeyOfUnorderedContainers) {
    const channel<int> a{0};
    const channel<int> b{0};
    const std::unordered_set<TypeParam> keys{a, b, a, TypeParam{}};
    EXPECT_EQ(keys.size(), 3u);
    EXPECT_TRUE(keys.contains(TypeParam{b}));
    EXPECT_EQ(std::hash<TypeParam>{}(a), std::hash<channel<int>>{}(a));
}

TYPED_TEST(HandleOfAChannel, KnowsSizeCapacityAndWhetherItIsClosed) {
    const channel<int> ch{3};
    const TypeParam handle = ch;
    ASSERT_TRUE(ch.send(1));
    EXPECT_EQ(handle.size(), 1u);
    EXPECT_EQ(handle.capacity(), 3u);
    EXPECT_FALSE(handle.is_closed());
    ch.close();
    EXPECT_TRUE(handle.is_closed());
    EXPECT_EQ(handle.size(), 1u);
}

TYPED_TEST(HandleOfAChannel, KnowsHowManyValuesWereDropped) {
    const channel<int> ch{1, sluice::overflow::drop_oldest};
    const TypeParam handle = ch;
    EXPECT_EQ(handle.dropped(), 0u);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(ch.send(i));
    EXPECT_EQ(handle.dropped(), 3u);
}

TYPED_TEST(HandleOfAChannel, OfNothingIsNil) {
    const TypeParam nil;
    EXPECT_FALSE(nil);
    EXPECT_EQ(nil.size(), 0u);
    EXPECT_EQ(nil.capacity(), 0u);
    EXPECT_EQ(nil.dropped(), 0u);
    EXPECT_FALSE(nil.is_closed());
    EXPECT_EQ(nil.id(), nullptr);
}

TYPED_TEST(HandleOfAChannel, IsAsSmallAsCanBe) { EXPECT_LE(sizeof(TypeParam), 2 * sizeof(void*)); }

static_assert(std::is_convertible_v<channel<int>, sender<int>> && std::is_convertible_v<channel<int>, receiver<int>>);
static_assert(!std::is_convertible_v<sender<int>, receiver<int>> && !std::is_convertible_v<receiver<int>, sender<int>>);
static_assert(!std::is_constructible_v<channel<int>, sender<int>> &&
              !std::is_constructible_v<channel<int>, receiver<int>>);
static_assert(!std::is_convertible_v<std::size_t, channel<int>>, "a number is no channel");

TEST(SenderOfAChannel, MeetsTheOverflowPolicyAsTheChannelDoes) {
    const channel<std::string> refusing{1, sluice::overflow::drop_newest};
    const sender<std::string> in = refusing;
    ASSERT_TRUE(in.send("kept"));
    std::string mine = "mine";
    EXPECT_EQ(in.send(std::move(mine)).why(), status::full);
    EXPECT_EQ(mine, "mine");
    EXPECT_EQ(in.dropped(), 0u);
}

// CL-09, CL-10
TEST(HalvesOfAChannel, OfEveryKindCloseItWhenTheLastOfTheirKindGoes) {
    const auto kinds_of_halves = [] {
        return std::vector{sluice::make_channel<int>(1), sluice::make_channel<int>(1, sluice::overflow::drop_oldest),
                           sluice::make_channel<int>(sluice::unbounded)};
    };
    for (auto& [in, out] : kinds_of_halves()) {
        in = {};
        EXPECT_TRUE(out.is_closed());
    }
    for (auto& [in, out] : kinds_of_halves()) {
        ASSERT_TRUE(in.send(1));
        out = {};
        EXPECT_EQ(in.size(), 0u);
        EXPECT_EQ(in.send(2).why(), status::closed);
    }
}

TEST(SenderOfAChannel, ClosesItWithAnError) {
    const channel<int> ch{1};
    const sender<int> in = ch;
    EXPECT_TRUE(in.close(std::make_exception_ptr(std::runtime_error{"over"})));
    EXPECT_FALSE(in.close());
    EXPECT_FALSE(ch.close());
    auto end = receiver<int>{ch}.receive();
    EXPECT_EQ(end.why(), status::closed);
    EXPECT_THROW(end.value(), std::runtime_error);
}

}  // namespace
