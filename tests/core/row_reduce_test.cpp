// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/row_reduce.hpp"

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

struct added_and_largest {
  template <class V>
  auto operator()(V x) const {
    return zm::bundle(zm::total(x), zm::largest(x));
  }
};

template <class T>
std::vector<T> random_numbers(std::size_t n, std::uint64_t seed, double scale) {
  std::vector<T> x(n);
  for (std::size_t k = 0; k < n; ++k) x[k] = static_cast<T>(scale * (2 * zm::uniform(seed, 0, k) - 1));
  return x;
}

/// The same numbers, row after row, column after column, or with room between them.
template <class T>
struct layouts {
  std::vector<T> rows, columns, wide;
  std::int64_t r, c;
  layouts(std::int64_t rows_, std::int64_t columns_, const std::vector<T>& x)
      : rows(x), columns(x.size()), wide(6 * x.size() + 1), r(rows_), c(columns_) {
    for (std::int64_t i = 0; i < r; ++i)
      for (std::int64_t j = 0; j < c; ++j) transposed()(i, j) = apart()(i, j) = packed()(i, j);
  }
  zm::tensor_view<T, 2> packed() { return {rows.data(), {r, c}, {c, 1}}; }
  zm::tensor_view<T, 2> transposed() { return {columns.data(), {r, c}, {1, r}}; }
  zm::tensor_view<T, 2> apart() { return {wide.data(), {r, c}, {6 * c, 3}}; }
};

}  // namespace

TEMPLATE_TEST_CASE("rows have the statistics of their elements, in every layout and under every policy", "", float,
                   double) {
  const zm::threads pool(3);
  using T = TestType;
  for (const auto& shape : {std::pair{0, 5}, {5, 0}, {1, 1}, {3, 7}, {700, 16}, {33, 129}, {2, 30000}, {20000, 1}}) {
    const std::int64_t rows = shape.first, width = shape.second;
    layouts<T> x(rows, width, random_numbers<T>(static_cast<std::size_t>(rows * width), 1, 3));
    const auto reduce = [&](auto&& policy, const auto& tensor) {
      std::vector<T> out(2 * static_cast<std::size_t>(rows));
      const auto sums = zm::vector_view(out.data(), rows), most = zm::vector_view(out.data() + rows, rows);
      zm::row_reduce(policy, added_and_largest{}, zm::inputs(tensor), zm::outputs(sums, most));
      return out;
    };
    INFO(rows << " × " << width);
    const auto got = reduce(zm::simd{}, x.packed());
    CHECK(reduce(zm::simd{}, x.transposed()) == got);
    CHECK(reduce(pool, x.packed()) == got);
    CHECK(reduce(pool, x.apart()) == got);
    const auto serial = reduce(zm::serial{}, x.apart());
    bool right = true;
    for (std::int64_t i = 0; i < rows; ++i) {
      long double sum = 0, size = 0, most = -infinity;
      for (std::int64_t j = 0; j < width; ++j) {
        sum += x.packed()(i, j);
        size += std::abs(x.packed()(i, j));
        most = std::max(most, static_cast<long double>(x.packed()(i, j)));
      }
      const auto at = static_cast<std::size_t>(i), behind = static_cast<std::size_t>(rows + i);
      // A lane adds 32 terms before it is flushed into doubles, its lanes 4 more.
      const long double bound = 20 * static_cast<long double>(std::numeric_limits<T>::epsilon()) * size;
      right = right && std::abs(got[at] - sum) <= bound && std::abs(serial[at] - sum) <= bound;
      right = right && static_cast<long double>(got[behind]) == most && serial[behind] == got[behind];
    }
    CHECK(right);
  }
}

TEMPLATE_TEST_CASE("softmax rows sum to one and have their logarithms, in every layout and under every policy", "",
                   float, double) {
  const zm::threads pool(2);
  using T = TestType;
  const T unit = std::numeric_limits<T>::epsilon();
  for (const auto& shape : {std::pair{1, 1}, {40, 3}, {17, 33}, {3, 1024}, {2, 1025}, {2, 70001}})
    for (const double scale : {0.1, 30.0, 700.0}) {
      const std::int64_t rows = shape.first, width = shape.second;
      layouts<T> x(rows, width, random_numbers<T>(static_cast<std::size_t>(rows * width), 2, scale));
      const auto run = [&](auto&& policy, const auto& tensor) {
        const auto size = static_cast<std::size_t>(rows * width);
        std::vector<T> out(2 * size + static_cast<std::size_t>(rows));
        zm::softmax_rows(policy, tensor, zm::matrix_view(out.data(), rows, width));
        zm::log_softmax_rows(policy, tensor, zm::matrix_view(out.data() + size, rows, width));
        zm::log_sum_exp_rows(policy, tensor, zm::vector_view(out.data() + 2 * size, rows));
        return out;
      };
      INFO(rows << " × " << width << ", scale " << scale);
      const auto got = run(zm::simd{}, x.packed());
      CHECK(run(pool, x.packed()) == got);
      CHECK(run(pool, x.transposed()) == got);
      const auto serial = run(zm::serial{}, x.apart());
      bool right = true, same = true;
      for (std::int64_t i = 0; i < rows; ++i) {
        long double most = -infinity, sum = 0;
        for (std::int64_t j = 0; j < width; ++j) most = std::max(most, static_cast<long double>(x.packed()(i, j)));
        for (std::int64_t j = 0; j < width; ++j) sum += std::exp(x.packed()(i, j) - most);
        const long double normaliser = most + std::log(sum);
        for (std::int64_t j = 0; j < width; ++j) {
          const auto at = static_cast<std::size_t>(i * width + j), behind = at + static_cast<std::size_t>(rows * width);
          const long double p = std::exp(x.packed()(i, j) - most) / sum, l = x.packed()(i, j) - most - std::log(sum);
          // x − most is rounded once: |x − most|·unit/2 in the exponent; the rest are a few roundings and exp's two
          // units. Below the normal numbers the exponential and its product with the factor are rounded to the grid.
          const long double gap = most - x.packed()(i, j);
          const long double tiny = static_cast<long double>(std::numeric_limits<T>::denorm_min());
          const long double bound = (8 + gap) * unit * p + 2 * tiny;
          for (const auto* v : {&got, &serial}) {
            right = right && std::abs((*v)[at] - p) <= bound;
            right = right && std::abs((*v)[behind] - l) <= 4 * unit * (1 + std::abs(l));
          }
          same = same && std::abs(got[at] - serial[at]) <= 2 * bound;
        }
        const auto last = static_cast<std::size_t>(2 * rows * width + i);
        right = right && std::abs(got[last] - normaliser) <= 4 * unit * (1 + std::abs(normaliser));
        right = right && std::abs(serial[last] - normaliser) <= 4 * unit * (1 + std::abs(normaliser));
      }
      CHECK(right);
      CHECK(same);
    }
}

TEST_CASE("softmax may be written over its input, and takes minus infinity for what is not there") {
  auto x = random_numbers<float>(40, 3, 2);
  x[7] = -std::numeric_limits<float>::infinity();
  auto view = zm::matrix_view(x.data(), 2, 20);
  std::vector<float> out(40);
  zm::softmax_rows(view, zm::matrix_view(out.data(), 2, 20));
  zm::softmax_rows(view, view);
  CHECK(x == out);
  CHECK(x[7] == 0);
}

TEST_CASE("a softmax without a largest finite element is undefined, and its log-sum-exp is not") {
  std::vector<double> x{0, 1, infinity, 2, -infinity, -infinity}, out(6), sums(3);
  const auto matrix = zm::matrix_view(x.data(), 3, 2), to = zm::matrix_view(out.data(), 3, 2);
  zm::log_sum_exp_rows(matrix, sums);
  CHECK(sums[0] == Approx(std::log(1 + std::exp(1.0))).epsilon(1e-15));
  CHECK(sums[1] == infinity);
  CHECK(sums[2] == -infinity);
  const auto first = thrown<zm::domain_error>([&] { zm::softmax_rows(matrix, to); });
  CHECK(std::string(first.what()) == "x[2]: is +inf: the softmax of row 1 is undefined");
  x[2] = 0;
  CHECK(thrown<zm::domain_error>([&] { zm::log_softmax_rows(zm::serial{}, matrix, to); }).index() == 4);
  x[5] = std::numeric_limits<double>::quiet_NaN();
  CHECK(thrown<zm::domain_error>([&] { zm::log_sum_exp_rows(matrix, sums); }).index() == 5);
}

TEST_CASE("row functions name the tensor whose shape differs, and where a NaN is") {
  std::vector<double> x(12, 1.0), out(12), three(3);
  const auto a = zm::matrix_view(x.data(), 3, 4), b = zm::matrix_view(x.data(), 4, 3);
  CHECK(std::string(thrown<zm::shape_error>([&] { zm::softmax_rows(a, b); }).what()) ==
        "out: [4, 3], expected the shape of x, [3, 4]");
  CHECK(thrown<zm::shape_error>([&] { zm::log_sum_exp_rows(b, three); }).argument() == "out");
  const auto call = [&](const auto& in, auto& to) {
    zm::row_reduce(added_and_largest{}, in, zm::outputs(to, zm::discard));
  };
  CHECK(thrown<zm::shape_error>([&] { call(zm::inputs(b), three); }).argument() == "output 0");
  x[7] = std::numeric_limits<double>::quiet_NaN();
  CHECK(thrown<zm::domain_error>([&] { call(zm::inputs(a), three); }).index() == 7);
}

TEST_CASE("softmax does not see a shift of its row") {
  check_property(
      [] {
        const auto width = *rc::gen::inRange<std::int64_t>(1, 200);
        const double shift = *rc::gen::inRange(-1000, 1000);
        std::vector<double> x(static_cast<std::size_t>(width)), moved, a(x.size()), b(x.size());
        for (double& v : x) v = *rc::gen::inRange(-1024, 1024) / 64.0;  // exact when shifted
        moved = x;
        for (double& v : moved) v += shift;
        zm::softmax_rows(zm::matrix_view(x.data(), 1, width), zm::matrix_view(a.data(), 1, width));
        zm::softmax_rows(zm::matrix_view(moved.data(), 1, width), zm::matrix_view(b.data(), 1, width));
        RC_ASSERT(a == b);
      },
      100);
}
