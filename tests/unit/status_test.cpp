// SPDX-License-Identifier: BSL-1.0
// status_test.cpp: what do the outcomes of operations tell?

#include <gtest/gtest.h>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <sluice/status.hpp>

#include "../support/counted.hpp"

namespace {

using sluice::received;
using sluice::sent;
using sluice::status;

struct here {};
using value = sluice_test::counted<here>;

TEST(Sent, IsTrueOnlyWhenTheValueWasSent) {
    EXPECT_TRUE(sent{status::ok});
    for (const auto why : {status::closed, status::full, status::timed_out, status::canceled}) {
        EXPECT_FALSE(sent{why});
        EXPECT_EQ(sent{why}.why(), why);
        EXPECT_TRUE(sent{why} == why);
    }
}

TEST(Received, HoldsAValueOrTheReasonWhyThereIsNone) {
    const received<std::string> some{std::in_place, "text"};
    ASSERT_TRUE(some);
    EXPECT_EQ(*some, "text");
    EXPECT_EQ(some->size(), 4u);
    EXPECT_TRUE(some == status::ok);
    const received<std::string> none{status::timed_out};
    EXPECT_FALSE(none);
    EXPECT_TRUE(none == status::timed_out);
}

TEST(Received, IsEmptyByDefault) { EXPECT_EQ(received<int>{}.why(), status::empty); }

TEST(Received, AValueThatIsNotThereThrowsTheErrorOfTheChannelOrBadAccess) {
    const received<int> closed{status::closed, std::make_exception_ptr(std::runtime_error{"broken"})};
    EXPECT_TRUE(closed.error());
    EXPECT_THROW(static_cast<void>(closed.value()), std::runtime_error);
    EXPECT_THROW(static_cast<void>(received<int>{status::closed}.value()), std::bad_optional_access);
}

TEST(Received, BecomesAnOptional) {
    std::optional<std::unique_ptr<int>> some = received<std::unique_ptr<int>>{std::in_place, std::make_unique<int>(3)};
    ASSERT_TRUE(some);
    EXPECT_EQ(**some, 3);
    const std::optional<int> none = received<int>{status::closed};
    EXPECT_FALSE(none);
}

TEST(Received, KeepsEachValueOnceThroughCopiesMovesAndAssignments) {
    {
        received<value> a{std::in_place, value{1}};
        received<value> b{a};
        received<value> c{std::move(a)};
        received<value> d{status::closed};
        d = b;
        b = received<value>{status::empty};
        c = std::move(d);
        EXPECT_FALSE(b);
        EXPECT_TRUE(c);
    }
    EXPECT_EQ(value::live(), 0);
}

TEST(Received, IsAsLargeAsAPointerAndAWord) {
    EXPECT_LE(sizeof(received<int>), 2 * sizeof(void*));
    EXPECT_TRUE(std::is_nothrow_move_constructible_v<received<int>>);
}

TEST(Canceled, IsNoStandardExceptionAndCarriesItsCause) {
    EXPECT_FALSE((std::is_base_of_v<std::exception, sluice::canceled>));
    const sluice::canceled end{std::make_exception_ptr(7)};
    EXPECT_TRUE(end.cause());
    EXPECT_FALSE(sluice::canceled{}.cause());
}

TEST(Status, EachHasAName) {
    EXPECT_STREQ(to_string(status::ok), "ok");
    EXPECT_STREQ(to_string(status::closed), "closed");
    EXPECT_STREQ(to_string(status::empty), "empty");
    EXPECT_STREQ(to_string(status::full), "full");
    EXPECT_STREQ(to_string(status::timed_out), "timed out");
    EXPECT_STREQ(to_string(status::canceled), "canceled");
}

}  // namespace
