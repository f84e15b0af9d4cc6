// SPDX-License-Identifier: BSL-1.0
// power_series.cpp: power series as streams of exact coefficients, after M. D. McIlroy, "Squinting at Power Series".
//
// A series is a task that makes its coefficients one after the other, for ever; so it makes one only when asked: by
// one channel comes the question, by another the answer. Sums, products and integrals are such tasks, too, and ask
// those they are made of. Notice: a series may be defined by itself, as exp = 1 + the integral of exp, since a
// coefficient needs only earlier ones. Hundreds of tasks and channels come of it, and nobody ends them: the run does.
#include <sluice/channel.hpp>
#include <sluice/runtime.hpp>
#include <sluice/select.hpp>

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// An exact fraction in lowest terms; one that does not fit is an exception, which ends the run.
class rational {
public:
    rational(std::int64_t n = 0, std::int64_t d = 1) {
        if (d == 0) throw std::domain_error{"division by zero"};
        const std::int64_t common = (d < 0 ? -1 : 1) * std::gcd(n, d);
        n_ = n / common;
        d_ = d / common;
    }
    friend rational operator+(rational a, rational b) {
        const std::int64_t common = std::gcd(a.d_, b.d_);
        return {plus(times(a.n_, b.d_ / common), times(b.n_, a.d_ / common)), times(a.d_, b.d_ / common)};
    }
    friend rational operator*(rational a, rational b) {
        const rational left{a.n_, b.d_};  // in lowest terms crosswise, so that the products are small
        const rational right{b.n_, a.d_};
        return {times(left.n_, right.n_), times(left.d_, right.d_)};
    }
    friend rational operator/(rational a, rational b) { return a * rational{b.d_, b.n_}; }
    rational operator-() const { return {-n_, d_}; }
    std::string text() const { return d_ == 1 ? std::to_string(n_) : fmt::format("{}/{}", n_, d_); }

private:
    static std::int64_t plus(std::int64_t a, std::int64_t b) {
        std::int64_t sum = 0;
        return __builtin_add_overflow(a, b, &sum) ? throw std::overflow_error{"a fraction does not fit"} : sum;
    }
    static std::int64_t times(std::int64_t a, std::int64_t b) {
        std::int64_t product = 0;
        return __builtin_mul_overflow(a, b, &product) ? throw std::overflow_error{"a fraction does not fit"} : product;
    }
    std::int64_t n_;
    std::int64_t d_;
};

// --- series ----------------------------------------------------------------------------------------------------------

// What is left of a series: who has taken its first coefficient holds the rest, (F - f0) / x.
struct series {
    series(sluice::sender<void> a, sluice::receiver<rational> b) : ask{std::move(a)}, answers{std::move(b)} {}
    sluice::task<rational> next() {
        static_cast<void>(co_await ask.async_send());
        co_return (co_await answers.async_receive()).value();
    }
    sluice::sender<void> ask;
    sluice::receiver<rational> answers;
};

// The other side. Nobody asks twice before the answer, so with room for one neither side waits to hand over.
struct maker {
    maker(sluice::receiver<void> a, sluice::sender<rational> b) : asked{std::move(a)}, answer{std::move(b)} {}
    sluice::receiver<void> asked;
    sluice::sender<rational> answer;
};

std::pair<maker, series> new_series() {
    auto [ask, asked] = sluice::make_channel<void>(1);
    auto [answer, answers] = sluice::make_channel<rational>(1);
    return {maker{std::move(asked), std::move(answer)}, series{std::move(ask), std::move(answers)}};
}

// Starts a task that makes a series, of what it is given.
series made_by(auto stage, auto... of) {
    auto [out, result] = new_series();
    sluice::go(stage, std::move(out), std::move(of)...);
    return std::move(result);
}

sluice::task<> give(maker& out, rational c) { static_cast<void>(co_await out.answer.async_send(c)); }

// Gives `rest` on, to the end of time.
sluice::task<> give_all(maker& out, series rest) {
    while (auto question = co_await out.asked.async_receive()) co_await give(out, co_await rest.next());
}

// One series for two readers. What one of them has not asked for yet waits in its line. While the source is at work for
// one, the other is served: the source itself may need that answer.
struct reader {
    maker out;
    std::deque<rational> line = {};
    bool waits = false;
};
sluice::task<> serve_both(maker out1, maker out2, series source) {
    reader readers[]{{std::move(out1)}, {std::move(out2)}};
    auto& [first, second] = readers;
    bool source_is_asked = false;
    while (first.out.asked || second.out.asked) {
        sluice::received<void> question;
        sluice::received<rational> answer;
        const auto which = co_await sluice::async_select(sluice::on_receive(first.out.asked, question),
                                                         sluice::on_receive(second.out.asked, question),
                                                         sluice::on_receive(source.answers, answer));
        if (which == 2) source_is_asked = false;
        else if (question) readers[which].waits = true;
        else readers[which].out.asked = {};  // has left: this case is nil from now on, and never ready
        for (reader& r : readers) {
            if (answer && r.out.asked) r.line.push_back(*answer);
            if (r.waits && !r.line.empty()) {
                co_await give(r.out, r.line.front());
                r.line.pop_front();
                r.waits = false;
            } else if (r.waits && !std::exchange(source_is_asked, true)) {
                static_cast<void>(co_await source.ask.async_send());
            }
        }
    }
}

std::pair<series, series> split(series source) {
    auto [out1, first] = new_series();
    auto [out2, second] = new_series();
    sluice::go(serve_both, std::move(out1), std::move(out2), std::move(source));
    return {std::move(first), std::move(second)};
}

// A series that is made of itself: `stage` also gets what it makes.
series fixed_point(auto stage, auto... of) {
    auto [out, whole] = new_series();
    auto [result, again] = split(std::move(whole));
    sluice::go(stage, std::move(out), std::move(again), std::move(of)...);
    return std::move(result);
}

// --- their arithmetic ------------------------------------------------------------------------------------------------

sluice::task<> make_polynomial(maker out, std::vector<rational> coefficients) {
    for (std::size_t i = 0; auto question = co_await out.asked.async_receive(); ++i)
        co_await give(out, i < coefficients.size() ? coefficients[i] : 0);
}
series polynomial(auto... coefficients) { return made_by(make_polynomial, std::vector<rational>{coefficients...}); }

sluice::task<> make_sum(maker out, series f, series g) {
    while (auto question = co_await out.asked.async_receive())
        co_await give(out, co_await f.next() + co_await g.next());
}
series sum(series f, series g) { return made_by(make_sum, std::move(f), std::move(g)); }

sluice::task<> make_multiple(maker out, rational c, series f) {
    while (auto question = co_await out.asked.async_receive()) co_await give(out, c * co_await f.next());
}
series multiple(rational c, series f) { return made_by(make_multiple, c, std::move(f)); }

// c + x F
sluice::task<> make_shifted(maker out, rational c, series f) {
    if (auto question = co_await out.asked.async_receive()) co_await give(out, c);
    co_await give_all(out, std::move(f));
}
series shifted(rational c, series f) { return made_by(make_shifted, c, std::move(f)); }

// c + the integral of F from 0 to x
sluice::task<> make_integral(maker out, rational c, series f) {
    if (auto question = co_await out.asked.async_receive()) co_await give(out, c);
    for (int n = 1; auto question = co_await out.asked.async_receive(); ++n) co_await give(out, co_await f.next() / n);
}
series integral(rational c, series f) { return made_by(make_integral, c, std::move(f)); }

// (f0 + x F') (g0 + x G') = f0 g0 + x (f0 G' + g0 F' + x F' G')
series product(series f, series g);
sluice::task<> make_product(maker out, series f, series g) {
    if (!co_await out.asked.async_receive()) co_return;
    const rational f0 = co_await f.next();
    const rational g0 = co_await g.next();
    co_await give(out, f0 * g0);
    auto [f1, f2] = split(std::move(f));
    auto [g1, g2] = split(std::move(g));
    series linear = sum(multiple(f0, std::move(g1)), multiple(g0, std::move(f1)));
    co_await give_all(out, sum(std::move(linear), shifted(0, product(std::move(f2), std::move(g2)))));
}
series product(series f, series g) { return made_by(make_product, std::move(f), std::move(g)); }

// R F = 1, so R = 1/f0 - x F' R / f0
sluice::task<> make_reciprocal(maker out, series r, series f) {
    if (!co_await out.asked.async_receive()) co_return;
    const rational r0 = 1 / co_await f.next();
    co_await give(out, r0);
    co_await give_all(out, multiple(-r0, product(std::move(f), std::move(r))));
}
series reciprocal(series f) { return fixed_point(make_reciprocal, std::move(f)); }

// F(G) = f0 + x G' F'(G), for a G that begins with 0
series substituted(series f, series g);
sluice::task<> make_substituted(maker out, series f, series g) {
    if (!co_await out.asked.async_receive()) co_return;
    co_await give(out, co_await f.next());
    auto [g1, g2] = split(std::move(g));
    static_cast<void>(co_await g1.next());
    co_await give_all(out, product(std::move(g1), substituted(std::move(f), std::move(g2))));
}
series substituted(series f, series g) { return made_by(make_substituted, std::move(f), std::move(g)); }

// --- what they are good for ------------------------------------------------------------------------------------------

// exp = 1 + the integral of exp
sluice::task<> make_exp(maker out, series e) { co_await give_all(out, integral(1, std::move(e))); }
series exp() { return fixed_point(make_exp); }

// sin = the integral of cos, and cos = 1 - the integral of sin
series cos_of(series sin) { return integral(1, multiple(-1, std::move(sin))); }
sluice::task<> make_sin(maker out, series s) { co_await give_all(out, integral(0, cos_of(std::move(s)))); }
series sin() { return fixed_point(make_sin); }
series cos() { return cos_of(sin()); }

// tan = the integral of 1 + tan * tan
sluice::task<> make_tan(maker out, series t) {
    auto [t1, t2] = split(std::move(t));
    series derivative = sum(polynomial(1), product(std::move(t1), std::move(t2)));
    co_await give_all(out, integral(0, std::move(derivative)));
}
series tan() { return fixed_point(make_tan); }

sluice::task<> show(const char* name, series f) {
    fmt::print("{:17}", name);
    for (int i = 0; i < 10; ++i) fmt::print(" {}", (co_await f.next()).text());
    fmt::print("\n");
}

sluice::task<> main_task() {
    co_await show("1 / (1 - x - x^2)", reciprocal(polynomial(1, -1, -1)));
    co_await show("exp x", exp());
    co_await show("exp x exp -x", product(exp(), substituted(exp(), polynomial(0, -1))));
    co_await show("sin x", sin());
    co_await show("tan x", tan());
    co_await show("sin x / cos x", product(sin(), reciprocal(cos())));
    series arctan = integral(0, reciprocal(polynomial(1, 0, 1)));
    co_await show("arctan tan x", substituted(std::move(arctan), tan()));
}

int main() { sluice::run(main_task); }
