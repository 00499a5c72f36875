// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/value.hpp"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "zermelo/core/dual.hpp"

namespace zm = zermelo;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Direct preference optimisation with label smoothing: the shape of most kernels of this library.
struct smoothed_logistic {
  double beta, smoothing;
  template <class V>
  zm::value_slope<V> operator()(V margin) const {
    using zm::sigmoid, zm::softplus, zm::weighted;
    const V h = V(beta) * margin;
    const V e = V(smoothing);
    return {.value = weighted(1 - e, softplus(-h)) + weighted(e, softplus(h)),
            .slope = V(beta) * (e * sigmoid(h) - (1 - e) * sigmoid(-h))};
  }
};

/// What dual numbers and central differences say about f′ and f″ at x.
template <class F>
void check_derivatives(F f, double x, double slope, double curvature) {
  using second = zm::dual<zm::dual<double>>;
  INFO("at " << x);
  const auto y = f(second{zm::variable(x), zm::dual<double>(1)});
  CHECK(y.value.value == f(x));
  CHECK(y.derivative.value == Approx(slope).epsilon(1e-14));
  CHECK(y.derivative.derivative == Approx(curvature).epsilon(1e-12).margin(1e-12));
  // A difference over h = 1e-5·|x| errs by about (h/x)² of the slope, and by the rounding of f over h: 1e-11·|f/x|.
  const double h = 1e-5 * std::fabs(x);
  CHECK((f(x + h) - f(x - h)) / (2 * h) ==
        Approx(slope).epsilon(1e-8).margin(1e-10 * (std::fabs(f(x)) / std::fabs(x) + 1)));
}

}  // namespace

TEST_CASE("max and min let a NaN in the second place through") {
  CHECK(std::isnan((zm::max)(0.0, not_a_number)));
  CHECK(std::isnan((zm::min)(0.0, not_a_number)));
  CHECK((zm::max)(0.0, -3.0) == 0);
  CHECK((zm::max)(0.0F, 2.0F) == 2);
  CHECK((zm::min)(0.0, -infinity) == -infinity);
}

TEST_CASE("a zero weight silences an infinite term but not a NaN") {
  CHECK(zm::weighted(0.0, infinity) == 0);
  CHECK(zm::weighted(-0.0, -infinity) == 0);
  CHECK(zm::weighted(2.0, infinity) == infinity);
  CHECK(zm::weighted(2.0, -3.0) == -6);
  CHECK(std::isnan(zm::weighted(0.0, not_a_number)));
}

TEST_CASE("bits tell NaN, infinite and finite numbers apart") {
  using limits = std::numeric_limits<float>;
  for (const float x : {0.0F, -0.0F, limits::denorm_min(), -(limits::max)()}) {
    CHECK(zm::is_finite(x));
    CHECK_FALSE(zm::is_nan(x));
  }
  for (const float x : {limits::infinity(), -limits::infinity()}) {
    CHECK_FALSE(zm::is_finite(x));
    CHECK_FALSE(zm::is_nan(x));
  }
  for (const float x : {limits::quiet_NaN(), -limits::quiet_NaN(), limits::signaling_NaN()}) {
    CHECK_FALSE(zm::is_finite(x));
    CHECK(zm::is_nan(x));
  }
}

TEST_CASE("infinite arguments give the exact limit") {
  CHECK(zm::exp(-infinity) == 0);
  CHECK(zm::exp(infinity) == infinity);
  CHECK(zm::expm1(-infinity) == -1);
  CHECK(zm::expm1(infinity) == infinity);
  CHECK(zm::log(infinity) == infinity);
  CHECK(zm::log(0.0) == -infinity);
  CHECK(zm::log1p(infinity) == infinity);
  CHECK(zm::log1p(-1.0) == -infinity);
  CHECK(zm::softplus(-infinity) == 0);
  CHECK(zm::softplus(infinity) == infinity);
  CHECK(zm::sigmoid(-infinity) == 0);
  CHECK(zm::sigmoid(infinity) == 1);
  CHECK(zm::log_sigmoid(-infinity) == -infinity);
  CHECK(zm::log_sigmoid(infinity) == 0);
  CHECK(zm::log1mexp(-infinity) == 0);
  CHECK(zm::log1mexp(0.0) == -infinity);
  CHECK(zm::tanh(-infinity) == -1);
  CHECK(zm::tanh(infinity) == 1);
}

TEST_CASE("NaN comes out where NaN went in, whatever its payload, and outside the domain") {
  using traits = zm::value_traits<double>;
  for (const double x :
       {not_a_number, -not_a_number, traits::from_bits(0x7ff8000000000fffu), traits::from_bits(0xfff80deadbeef7ffu)}) {
    for (const double y : {zm::exp(x), zm::expm1(x), zm::log(x), zm::log1p(x), zm::softplus(x), zm::sigmoid(x),
                           zm::log_sigmoid(x), zm::log1mexp(x), zm::tanh(x), zm::abs(x)})
      CHECK(std::isnan(y));
    const auto t = zm::softplus_sigmoid(x);
    CHECK((std::isnan(t.softplus) && std::isnan(t.sigmoid) && std::isnan(t.complement)));
  }
  CHECK(std::isnan(zm::log(-1e-300)));
  CHECK(std::isnan(zm::log(-infinity)));
  CHECK(std::isnan(zm::log1p(-1.0000001)));
  CHECK(std::isnan(zm::log1mexp(1e-300)));
}

TEST_CASE("tails are exact at arguments of 700 and beyond") {
  CHECK(zm::softplus(700.0) == 700);
  CHECK(zm::softplus(-745.0) == std::exp(-745.0));
  CHECK(zm::softplus(-746.0) == 0);
  CHECK(zm::sigmoid(-745.0) == std::exp(-745.0));
  CHECK(zm::sigmoid(-700.0) == Approx(std::exp(-700.0)).epsilon(5e-16).margin(0));
  CHECK(zm::softplus_sigmoid(700.0).complement == zm::sigmoid(-700.0));
  CHECK(zm::log_sigmoid(-700.0) == -700);
  CHECK(zm::log_sigmoid(-1e300) == -1e300);
  CHECK(zm::softplus(104.0F) == 104.0F);
  CHECK(zm::softplus(-103.0F) == static_cast<float>(std::exp(-103.0)));
  CHECK(zm::exp(-103.97F) == std::numeric_limits<float>::denorm_min());
  CHECK(zm::exp(-104.0F) == 0);
}

TEST_CASE("log1mexp is accurate where 1 − eˣ cancels") {
  CHECK(zm::log1mexp(-1e-300) == Approx(std::log(1e-300)).epsilon(1e-15));
  CHECK(zm::log1mexp(-std::numeric_limits<double>::denorm_min()) ==
        Approx(std::log(std::numeric_limits<double>::denorm_min())).epsilon(1e-15));
  CHECK(zm::log1mexp(-745.0) == -std::exp(-745.0));
}

TEST_CASE("the terms of the logistic function agree with each alone and add up") {
  for (double x = -40; x <= 40; x += 0.37) {
    const auto t = zm::softplus_sigmoid(x);
    CHECK(t.softplus == zm::softplus(x));
    // One division in common instead of one each: two roundings apart at most.
    CHECK(t.sigmoid == Approx(zm::sigmoid(x)).epsilon(2.3e-16).margin(0));
    CHECK(t.complement == Approx(zm::sigmoid(-x)).epsilon(2.3e-16).margin(0));
    CHECK(t.sigmoid + t.complement == Approx(1).epsilon(4.5e-16));
  }
}

TEST_CASE("a logistic cross-entropy is the weighted sum of its two softplus terms, with the slope of a dual number") {
  for (const double x : {-700.0, -30.0, -1.5, -1e-9, 0.0, 1e-300, 0.3, 4.0, 90.0, 700.0})
    for (const auto& [p, q] : {std::pair{1.0, 0.0}, {0.0, 1.0}, {0.9, 0.1}, {0.5, 0.5}, {2.0, 3.0}, {1.5, -0.5}}) {
      const auto got = zm::logistic_cross_entropy(x, p, q);
      INFO(x << " with weights " << p << " and " << q);
      const double size = std::abs(p) * zm::softplus(-x) + std::abs(q) * zm::softplus(x);
      // Both sides are off by 2.3 ulp of softplus and a few roundings.
      CHECK(std::abs(got.value - (p * zm::softplus(-x) + q * zm::softplus(x))) <= 2e-15 * size);
      const double pull = std::abs(q) * zm::sigmoid(x) + std::abs(p) * zm::sigmoid(-x);
      CHECK(std::abs(got.slope - (q * zm::sigmoid(x) - p * zm::sigmoid(-x))) <= 2e-15 * pull);
      const auto moving = zm::logistic_cross_entropy(zm::dual<double>(x, 1), zm::dual<double>(p), zm::dual<double>(q));
      CHECK(std::abs(moving.value.derivative - got.slope) <= 2e-15 * pull);
    }
  CHECK(zm::logistic_cross_entropy(infinity, 1.0, 0.0).value == 0);
  CHECK(zm::logistic_cross_entropy(-infinity, 0.0, 1.0).value == 0);
  CHECK(zm::logistic_cross_entropy(-infinity, 1.0, 0.0).value == infinity);
  CHECK(zm::logistic_cross_entropy(-infinity, 1.0, 0.0).slope == -1);
  CHECK(zm::logistic_cross_entropy(700.0, 1.0, 0.0).value == zm::exp(-700.0));
  CHECK(std::isnan(zm::logistic_cross_entropy(not_a_number, 1.0, 0.0).value));
}

TEST_CASE("dual numbers differentiate every function twice") {
  using namespace zermelo;
  for (const double x : {-30.0, -2.5, -0.7, -1e-3, 0.25, 1.0, 7.0}) {
    const double p = sigmoid(x), q = sigmoid(-x), e = exp(x);
    check_derivatives([](auto v) { return zm::exp(v); }, x, e, e);
    check_derivatives([](auto v) { return zm::expm1(v); }, x, e, e);
    check_derivatives([](auto v) { return zm::softplus(v); }, x, p, p * q);
    check_derivatives([](auto v) { return zm::log_sigmoid(v); }, x, q, -p * q);
    check_derivatives([](auto v) { return zm::sigmoid(v); }, x, p * q, p * q * (q - p));
    check_derivatives([](auto v) { return zm::softplus_sigmoid(v).complement; }, x, -p * q, -p * q * (q - p));
    const double t = std::tanh(x), c = 1 / std::cosh(x);
    check_derivatives([](auto v) { return zm::tanh(v); }, x, c * c, -2 * t * c * c);
  }
  for (const double x : {1e-2, 0.3, 1.0, 1e3}) {
    check_derivatives([](auto v) { return zm::log(v); }, x, 1 / x, -1 / (x * x));
    check_derivatives([](auto v) { return zm::log1p(v); }, x, 1 / (1 + x), -1 / ((1 + x) * (1 + x)));
    const double e = std::exp(-x), m = -std::expm1(-x);
    check_derivatives([](auto v) { return zm::log1mexp(-v); }, x, e / m, -e / (m * m));
  }
}

TEST_CASE("dual numbers differentiate arithmetic, selection and weights") {
  const auto f = [](auto x) {
    using V = decltype(x);
    const V a = x * x - 3 * x + 1;
    return zm::select(x > V(1), a / (x + 2), zm::abs(a)) + zm::weighted(x, (zm::max)(V(0), x));
  };
  // At 2: a = −1, a′ = 1, (a/(x+2))′ = 1/4 + 1/16, and (x²)′ = 4. At ½: |a| = ¼, slope 2 from −a′, and (x²)′ = 1.
  CHECK(f(zm::variable(2.0)).derivative == Approx(0.3125 + 4).epsilon(1e-15));
  CHECK(f(zm::variable(0.5)).derivative == Approx(2.0 + 1).epsilon(1e-15));
}

TEST_CASE("a hand-written slope equals the dual number's derivative, out to the tails") {
  for (const smoothed_logistic kernel : {smoothed_logistic{0.1, 0.0}, {2.5, 0.1}, {1.0, 0.5}})
    for (const double x : {-700.0, -80.0, -3.0, -0.1, 0.0, 0.4, 12.0, 300.0, 700.0}) {
      const auto y = kernel(zm::variable(x));
      INFO("beta " << kernel.beta << ", smoothing " << kernel.smoothing << ", margin " << x);
      CHECK(y.value.value == kernel(x).value);
      CHECK(y.value.derivative == Approx(kernel(x).slope).epsilon(1e-14).margin(0));
    }
}

TEST_CASE("infinite margins give limits, not NaN, in value and slope") {
  const smoothed_logistic kernel{1.0, 0.0};
  CHECK(kernel(infinity).value == 0);
  CHECK(kernel(-infinity).value == infinity);
  CHECK(kernel(infinity).slope == 0);
  CHECK(kernel(-infinity).slope == -1);
}
