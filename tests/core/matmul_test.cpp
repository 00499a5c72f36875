// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/matmul.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

enum class layout { rows, columns, wide_rows, apart, overlapping };
constexpr layout layouts[] = {layout::rows, layout::columns, layout::wide_rows, layout::apart};

/// A matrix with its storage.
template <class T>
struct matrix {
  std::vector<T> numbers;
  zm::tensor_view<T, 2> view;

  matrix(std::int64_t m, std::int64_t n, layout kind, std::uint64_t seed) {
    const std::int64_t strides[5][2] = {{n, 1}, {1, m}, {n + 3, 1}, {3 * n, 3}, {1, 1}};
    const auto& s = strides[static_cast<int>(kind)];
    numbers.resize(static_cast<std::size_t>(3 * m * n + 3 * m + 3 * n + 1));
    for (std::size_t k = 0; k < numbers.size(); ++k) numbers[k] = static_cast<T>(2 * zm::uniform(seed, 0, k) - 1);
    view = {.data = numbers.data(), .shape = {m, n}, .strides = {s[0], s[1]}};
  }
  matrix(const matrix&) = delete;
};

/// Whether c = α a b within k roundings of the sum of absolute terms.
template <class T, class A, class B, class C>
bool right(const A& a, const B& b, const C& c, double alpha) {
  const std::int64_t depth = a.shape[1];
  for (std::int64_t i = 0; i < a.shape[0]; ++i)
    for (std::int64_t j = 0; j < b.shape[1]; ++j) {
      long double sum = 0, size = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        sum += static_cast<long double>(a(i, k)) * b(k, j);
        size += std::abs(static_cast<long double>(a(i, k)) * b(k, j));
      }
      const long double unit = std::numeric_limits<T>::epsilon();
      // k products and sums rounded to half a unit each; random signs leave most of it unused.
      if (!(std::abs(c(i, j) - alpha * sum) <=
            (2 + static_cast<long double>(depth)) / 2 * unit * std::abs(alpha) * size))
        return false;
    }
  return true;
}

}  // namespace

TEMPLATE_TEST_CASE("matrices times vectors, in every layout and under every policy", "", float, double) {
  using T = TestType;
  const zm::threads pool(3);
  for (const auto& shape :
       {std::pair{0, 3}, {3, 0}, {1, 1}, {5, 17}, {64, 64}, {700, 33}, {33, 700}, {2, 70001}, {1025, 129}})
    for (const layout kind : {layout::rows, layout::columns, layout::wide_rows, layout::apart, layout::overlapping}) {
      const std::int64_t m = shape.first, n = shape.second;
      const matrix<T> a(m, n, kind, 1);
      matrix<T> x(n, 1, layout::apart, 2);
      const zm::tensor_view<T, 1> far{.data = x.numbers.data(), .shape = {n}, .strides = {3}};
      const auto size = static_cast<std::size_t>(m);
      std::vector<T> y(size), scaled(size), parallel(size), serial(2 * size + 1);
      const zm::tensor_view<T, 1> apart{.data = serial.data(), .shape = {m}, .strides = {2}};
      zm::matvec(a.view, far, y);
      zm::matvec(a.view, far, scaled, -0.5);
      zm::matvec(pool, a.view, far, parallel);
      zm::matvec(zm::serial{}, a.view, far, apart);
      INFO(m << " × " << n << ", layout " << static_cast<int>(kind));
      CHECK(parallel == y);
      CHECK(right<T>(a.view, x.view, zm::matrix_view(y.data(), m, 1), 1));
      CHECK(right<T>(a.view, x.view, zm::matrix_view(scaled.data(), m, 1), -0.5));
      CHECK(right<T>(a.view, x.view, zm::tensor_view<T, 2>{serial.data(), {m, 1}, {2, 1}}, 1));
    }
}

TEMPLATE_TEST_CASE("matrices times matrices, in every layout and under every policy", "", float, double) {
  using T = TestType;
  const zm::threads pool(2);
  for (const layout ka : layouts)
    for (const layout kb : layouts)
      for (const layout kc : layouts) {
        const bool large = ka == layout::columns && kc != layout::wide_rows;
        const std::int64_t m = large ? 515 : 37, depth = large ? 9 : 21, n = large ? 40 : 33;
        const matrix<T> a(m, depth, ka, 1), b(depth, n, kb, 2), c(m, n, kc, 3), again(m, n, kc, 3);
        zm::matmul(a.view, b.view, c.view, 2.0);
        zm::matmul(pool, a.view, b.view, again.view, 2.0);
        INFO("layouts " << static_cast<int>(ka) << ' ' << static_cast<int>(kb) << ' ' << static_cast<int>(kc));
        CHECK(right<T>(a.view, b.view, c.view, 2));
        CHECK(again.numbers == c.numbers);
        if (kc == layout::apart) CHECK(c.numbers[1] == matrix<T>(m, n, kc, 3).numbers[1]);  // gaps are left alone
      }
}

TEST_CASE("products of nothing are zero") {
  std::vector<double> nothing, c(6, 5.0), y(3, 5.0);
  zm::matmul(zm::matrix_view(nothing.data(), 2, 0), zm::matrix_view(nothing.data(), 0, 3),
             zm::matrix_view(c.data(), 2, 3));
  CHECK(c == std::vector<double>(6));
  zm::matvec(zm::matrix_view(nothing.data(), 3, 0), nothing, y);
  CHECK(y == std::vector<double>(3));
}

TEST_CASE("one number repeated is a matrix") {
  const double two = 2;
  const zm::tensor_view<const double, 2> twos{.data = &two, .shape = {600, 50}, .strides = {0, 0}};
  const zm::tensor_view<const double, 2> more{.data = &two, .shape = {50, 7}, .strides = {0, 0}};
  std::vector<double> c(600 * 7), y(600), x(50, 1.0);
  zm::matmul(twos, more, zm::matrix_view(c.data(), 600, 7));
  zm::matvec(twos, x, y);
  CHECK(std::count(c.begin(), c.end(), 200.0) == 600 * 7);
  CHECK(std::count(y.begin(), y.end(), 100.0) == 600);
}

TEST_CASE("sums of floats in a long product keep six digits") {
  const std::vector<float> x(1'000'000, 0.1f), ones(1'000'000, 1.0f);
  float y = 0;
  for (const bool by_rows : {true, false}) {
    const zm::tensor_view<const float, 2> row{x.data(), {1, 1'000'000}, {1'000'000, 1}};
    const zm::tensor_view<const float, 2> column{x.data(), {2, 500'000}, {1, 2}};
    std::vector<float> out(2);
    if (by_rows)
      zm::matvec(row, ones, zm::tensor_view<float, 1>{&y, {1}, {1}});
    else
      zm::matvec(column, std::vector<float>(500'000, 2.0f), out), y = out[1];
    CHECK(static_cast<double>(y) == Approx(1e6 * static_cast<double>(0.1f)).epsilon(1e-5));
  }
}

TEST_CASE("products name the tensor of the wrong extent, the first NaN and undefined sums") {
  std::vector<double> a(12, 1.0), x(4, 1.0), y(3), c(9);
  const auto matrix = zm::matrix_view(a.data(), 3, 4), other = zm::matrix_view(a.data(), 4, 3);
  const auto to = zm::matrix_view(c.data(), 3, 3);
  const auto message = [](auto&& f) { return std::string(thrown<zm::error>(f).what()); };
  CHECK(message([&] { zm::matvec(matrix, y, y); }) == "x: 3 elements, expected 4");
  CHECK(message([&] { zm::matvec(matrix, x, x); }) == "y: 4 elements, expected 3");
  CHECK(message([&] { zm::matmul(matrix, matrix, to); }) == "b: 3 rows, expected 4");
  CHECK(message([&] { zm::matmul(other, matrix, to); }) == "c: 3 rows, expected 4");
  CHECK(message([&] { zm::matvec(matrix, x, y, infinity); }) == "alpha: is not finite");
  a[6] = infinity;
  zm::matvec(matrix, x, y);
  CHECK(y[1] == infinity);
  x[2] = 0;
  CHECK(message([&] { zm::matvec(matrix, x, y); }) == "y[1]: is undefined: an infinity meets zero or its opposite");
  a[9] = std::numeric_limits<double>::quiet_NaN();
  CHECK(message([&] { zm::matvec(zm::serial{}, matrix, x, y); }) == "a[9]: is not a number");
  CHECK(message([&] { zm::matmul(matrix, other, to); }) == "a[9]: is not a number");
}

TEST_CASE("matmul of one column is matvec") {
  check_property(
      [] {
        const auto m = *rc::gen::inRange<std::int64_t>(1, 60), n = *rc::gen::inRange<std::int64_t>(1, 60);
        std::vector<double> a(static_cast<std::size_t>(m * n)), x(static_cast<std::size_t>(n));
        for (double& v : a) v = *rc::gen::inRange(-8, 8);  // sums of small integers are exact
        for (double& v : x) v = *rc::gen::inRange(-8, 8);
        std::vector<double> y(static_cast<std::size_t>(m)), c(y.size());
        zm::matvec(zm::matrix_view(a.data(), m, n), x, y);
        zm::matmul(zm::matrix_view(a.data(), m, n), zm::matrix_view(x.data(), n, 1), zm::matrix_view(c.data(), m, 1));
        RC_ASSERT(y == c);
      },
      60);
}
