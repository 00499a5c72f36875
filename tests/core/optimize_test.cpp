// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/optimize.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "../catch.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace {

using std::int64_t;
using numbers = std::vector<double>;
using zermelo::status;
using in = std::span<const double>;
using out = std::span<double>;

/// A = tridiag(−1, 2 + extra, −1)
struct tridiagonal {
  double extra;
  void operator()(in v, out y) const {
    const std::size_t n = v.size();
    for (std::size_t i = 0; i < n; ++i) y[i] = (2 + extra) * v[i] - (i > 0 ? v[i - 1] : 0) - (i + 1 < n ? v[i + 1] : 0);
  }
};

const auto identity = [](in r, out z) { std::copy(r.begin(), r.end(), z.begin()); };

double residual(const tridiagonal& a, in b, in x) {
  numbers y(b.size());
  a(x, y);
  double rr = 0, bb = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    rr += (b[i] - y[i]) * (b[i] - y[i]);
    bb += b[i] * b[i];
  }
  return std::sqrt(rr / bb);
}

numbers random_vector(std::size_t n) {
  std::mt19937_64 random(n);
  std::uniform_real_distribution<double> u(-1, 1);
  numbers v(n);
  for (double& x : v) x = u(random);
  return v;
}

}  // namespace

TEST_CASE("Conjugate gradients end in exact arithmetic's number of steps, and report the true residual") {
  for (const std::size_t n : {1u, 2u, 9u, 40u}) {
    const numbers b = random_vector(n);
    numbers x(n, 0.0);
    const tridiagonal a{0};
    const auto c = zermelo::conjugate_gradients(zermelo::simd{}, a, identity, b, x, {.tolerance = 1e-9});
    CHECK(c.status == status::converged);
    CHECK(c.iterations <= static_cast<int64_t>(n) + 1);
    CHECK(c.residual == Approx(residual(a, b, x)).epsilon(1e-3).margin(1e-14));
    numbers again = x;
    CHECK(zermelo::conjugate_gradients(a, identity, b, again, {.tolerance = 1e-9}).iterations == 0);
    CHECK(again == x);
  }
}

TEST_CASE("Conjugate gradients stop at the limit, and stall where precision ends") {
  const numbers b = random_vector(300);
  numbers x(300, 0.0);
  const tridiagonal a{0};
  auto c = zermelo::conjugate_gradients(zermelo::simd{}, a, identity, b, x, {.max_iterations = 7});
  CHECK(c.status == status::limit);
  CHECK(c.iterations == 7);
  CHECK(c.residual == Approx(residual(a, b, x)).epsilon(1e-6));
  c = zermelo::conjugate_gradients(zermelo::simd{}, a, identity, b, x, {.tolerance = 1e-30});
  CHECK(c.status == status::stalled);
  CHECK(residual(a, b, x) <= 1e-10);  // eps times the condition number, 4e4
  const auto zero = [](in, out y) { std::fill(y.begin(), y.end(), 0.0); };
  numbers y(300, 0.0);
  CHECK(zermelo::conjugate_gradients(zermelo::simd{}, zero, identity, b, y).status == status::stalled);
  for (const double scale : {1e-170, 1e200}) {  // squares underflow or overflow: no answer rather than a wrong one
    numbers scaled = b, w(300, 0.0);
    for (double& v : scaled) v *= scale;
    CHECK(zermelo::conjugate_gradients(a, identity, scaled, w).status == status::stalled);
  }
  numbers broken = b;
  broken[3] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(zermelo::conjugate_gradients(zermelo::simd{}, a, identity, broken, y), zermelo::domain_error);
  CHECK_THROWS_AS(zermelo::conjugate_gradients(zermelo::simd{}, a, identity, b, broken), zermelo::domain_error);
  CHECK_THROWS_AS(zermelo::conjugate_gradients(zermelo::simd{}, a, identity, b, broken = numbers(2)),
                  zermelo::shape_error);
}

TEST_CASE("Conjugate gradients give the same bits for every policy, and for an operator that returns the energy") {
  const std::size_t n = 50000;
  const numbers b = random_vector(n);
  const tridiagonal a{0.01};
  const auto solve = [&](auto&& policy) {
    numbers x(n, 0.0);
    zermelo::conjugate_gradients(policy, a, identity, b, x, {.tolerance = 1e-6});
    return x;
  };
  const numbers expected = solve(zermelo::simd{});
  CHECK(solve(zermelo::serial{}) == expected);
  for (const int k : {1, 2, 3}) CHECK(solve(zermelo::threads(k)) == expected);
  CHECK(residual(a, b, expected) <= 1e-6);
  const auto with_energy = [&](in v, out y) {
    a(v, y);
    double e = 0;
    for (std::size_t i = 0; i < v.size(); ++i) e += v[i] * y[i];
    return e;
  };
  numbers x(n, 0.0);
  zermelo::conjugate_gradient_workspace work;
  const auto c = zermelo::conjugate_gradients(zermelo::simd{}, with_energy, identity, b, x, {.tolerance = 1e-6}, work);
  CHECK(c.status == status::converged);
  CHECK(residual(a, b, x) <= 1e-6);
}

TEST_CASE("L-BFGS finds the minimum of Rosenbrock's valley in many dimensions") {
  for (const std::size_t n : {2u, 20u, 100u}) {
    numbers x(n, -1.2);
    const auto valley = [](in v, out g) {
      std::fill(g.begin(), g.end(), 0.0);
      double f = 0;
      for (std::size_t i = 0; i + 1 < v.size(); i += 2) {
        const double a = v[i + 1] - v[i] * v[i], b = 1 - v[i];
        f += 100 * a * a + b * b;
        g[i] = -400 * a * v[i] - 2 * b;
        g[i + 1] = 200 * a;
      }
      return f;
    };
    const auto c = zermelo::lbfgs(valley, x, {.tolerance = 1e-10});
    CHECK(c.status == status::converged);
    CHECK(c.residual <= 1e-10);
    CHECK(c.iterations < 100);
    for (const double v : x) CHECK(v == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE("L-BFGS reaches a gradient that the value of the objective no longer resolves") {
  // f is 1e6 and a little: below gradients of 1e-4 or so it is constant in double, and the gradient is not
  const std::size_t n = 50;
  numbers x(n, 3.0);
  int calls = 0;
  const auto objective = [&](in v, out g) {
    ++calls;
    double f = 1e6;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double weight = 1 + 3 * static_cast<double>(i % 4);
      const double centre = static_cast<double>(i) / 10;
      f += weight * std::log(2 * std::cosh(v[i] - centre));
      g[i] = weight * std::tanh(v[i] - centre);
    }
    return f;
  };
  const auto c = zermelo::lbfgs(objective, x, {.tolerance = 1e-10});
  CHECK(c.status == status::converged);
  CHECK(c.iterations < 100);
  CHECK(calls < 2 * c.iterations + 20);
  for (std::size_t i = 0; i < n; ++i) CHECK(x[i] == Approx(static_cast<double>(i) / 10).margin(1e-9));
}

TEST_CASE("L-BFGS turns back from where the objective is infinite or not a number") {
  numbers x{1e-3};
  const auto barrier = [](in v, out g) {  // x − log x, not defined for x ≤ 0, and NaN there
    g[0] = 1 - 1 / v[0];
    return v[0] - std::log(v[0]);
  };
  CHECK(zermelo::lbfgs(barrier, x).status == status::converged);
  CHECK(x[0] == Approx(1).epsilon(1e-8));
  x[0] = 1e6;
  CHECK(zermelo::lbfgs(barrier, x).status == status::converged);
  x[0] = -1;
  CHECK(zermelo::lbfgs(barrier, x).status == status::stalled);
  CHECK(x[0] == -1);
}

TEST_CASE("L-BFGS ends with a status in every corner") {
  numbers none;
  CHECK(zermelo::lbfgs([](in, out) { return 0.0; }, none).status == status::converged);
  numbers x{2};
  const auto downhill = [](in v, out g) {  // no minimum: eˉˣ
    g[0] = -std::exp(-v[0]);
    return -g[0];
  };
  const auto falling = zermelo::lbfgs(downhill, x, {.tolerance = 0, .max_iterations = 100});
  CHECK(falling.residual <= std::exp(-2));
  x = {2};
  const auto line = [](in, out g) {  // unbounded below
    g[0] = 1;
    return 0.0;
  };
  CHECK(zermelo::lbfgs(line, x).status == status::stalled);
  x = {0.5};
  const auto kink = [](in v, out g) {
    g[0] = v[0] >= 0 ? 1 : -1;
    return std::abs(v[0]);
  };
  CHECK(zermelo::lbfgs(kink, x).status != status::converged);
  x = {3};
  const auto liar = [](in v, out g) {  // the gradient has the wrong sign
    g[0] = -2 * v[0];
    return v[0] * v[0];
  };
  CHECK(zermelo::lbfgs(liar, x).status == status::stalled);
  CHECK(x[0] == 3);
  x = {3};
  const auto square = [](in v, out g) {
    g[0] = 2 * v[0];
    return v[0] * v[0];
  };
  CHECK(zermelo::lbfgs(square, x, {.max_iterations = 0}).status == status::limit);
  CHECK(zermelo::lbfgs(square, x, {.memory = 1, .tolerance = 0}).status == status::converged);
  CHECK(x[0] == 0);
  CHECK_THROWS_AS(zermelo::lbfgs(square, x, {.memory = 0}), zermelo::domain_error);
}
