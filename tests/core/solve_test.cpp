// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/solve.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;

namespace {

/// GᵀG + 1 for random G: eigenvalues from 1 to about 4n/12 + 1.
std::vector<double> positive_definite(std::int64_t n, std::uint64_t seed) {
  std::vector<double> g(static_cast<std::size_t>(n * n)), a(g.size(), 0.0);
  zm::fill_uniform(seed, 0, g);
  for (double& x : g) x -= 0.5;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = i == j;
      for (std::int64_t k = 0; k < n; ++k)
        sum += g[static_cast<std::size_t>(k * n + i)] * g[static_cast<std::size_t>(k * n + j)];
      a[static_cast<std::size_t>(i * n + j)] = sum;
    }
  return a;
}

double largest_residual(const std::vector<double>& a, const std::vector<double>& x, const std::vector<double>& b) {
  const std::size_t n = b.size();
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = -b[i];
    for (std::size_t j = 0; j < n; ++j) sum += a[i * n + j] * x[j];
    largest = (std::max)(largest, std::abs(sum));
  }
  return largest;
}

}  // namespace

TEST_CASE("Cholesky solves what it has factored") {
  for (const std::int64_t n : {1, 2, 7, 40, 130}) {
    const auto a = positive_definite(n, 5);
    std::vector<double> b(static_cast<std::size_t>(n)), x, inverse(a.size());
    zm::fill_uniform(6, 0, b);
    zm::cholesky factored;
    REQUIRE(factored.factor(a, n));
    x = b;
    factored.solve(x);
    // Backward stable: the residual is a few n·ε of ‖A‖∞‖x‖∞, which is below 100 here.
    CHECK(largest_residual(a, x, b) < static_cast<double>(n) * 1e-14);
    factored.inverse(inverse);
    std::vector<double> column(b.size()), unit(b.size(), 0.0);
    for (std::size_t i = 0; i < b.size(); ++i) column[i] = inverse[i * b.size()];
    unit[0] = 1;
    CHECK(largest_residual(a, column, unit) < static_cast<double>(n) * 1e-14);
  }
}

TEST_CASE("Cholesky reads the lower triangle alone, and refuses what is not positive definite") {
  zm::cholesky factored;
  CHECK(factored.factor(std::vector<double>{4, 1e300, 2, 5}, 2));
  std::vector<double> x = {8, 14};
  factored.solve(x);
  CHECK(x[0] == Approx(0.75).epsilon(1e-15));
  CHECK(x[1] == Approx(2.5).epsilon(1e-15));
  CHECK_FALSE(factored.factor(std::vector<double>{1, 2, 2, 1}, 2));
  CHECK_FALSE(factored.factor(std::vector<double>{0}, 1));
}

TEST_CASE("Cholesky names the argument whose length is wrong") {
  zm::cholesky factored;
  CHECK(thrown<zm::shape_error>([&] { factored.factor(std::vector<double>(8), 3); }).argument() == "a");
  REQUIRE(factored.factor(std::vector<double>{1, 0, 0, 1}, 2));
  std::vector<double> three(3);
  CHECK(thrown<zm::shape_error>([&] { factored.solve(three); }).argument() == "x");
  CHECK(thrown<zm::shape_error>([&] { factored.inverse(three); }).argument() == "out");
}
