// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Products and linear systems on a device, against sums in double.
#include "check.cuh"
#include "zermelo/core/primitives/device_matmul.hpp"

namespace {

template <class T>
void products(const zm::cuda& gpu) {
  constexpr std::int64_t m = 33, k = 57, n = 21;
  const auto x = random_numbers<T>(m * k, 1), y = random_numbers<T>(k * n, 2), v = random_numbers<T>(k, 3);
  std::vector<T> product(m * n), vector(m);
  for (std::size_t i = 0; i < m; ++i) {
    double with_vector = 0;
    for (std::size_t l = 0; l < k; ++l) with_vector += static_cast<double>(x[i * k + l]) * static_cast<double>(v[l]);
    vector[i] = static_cast<T>(2 * with_vector);
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t l = 0; l < k; ++l) sum += static_cast<double>(x[i * k + l]) * static_cast<double>(y[l * n + j]);
      product[i * n + j] = static_cast<T>(2 * sum);
    }
  }
  // The same matrices by rows, by columns, and with both strides larger than one.
  std::vector<T> x_columns(m * k), y_columns(k * n), x_spread(4 * m * k);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t l = 0; l < k; ++l) x_columns[l * m + i] = x_spread[4 * i * k + 2 * l] = x[i * k + l];
  for (std::size_t l = 0; l < k; ++l)
    for (std::size_t j = 0; j < n; ++j) y_columns[j * k + l] = y[l * n + j];
  const on_device<T> rows(x), columns(x_columns), spread(x_spread), right(y), right_columns(y_columns), by(v);
  const zm::tensor_view<T, 2, zm::memory::device> lefts[] = {
      rows.matrix(m, k), zm::transposed(columns.matrix(k, m)), {spread.data(), {m, k}, {4 * k, 2}}};
  const zm::tensor_view<T, 2, zm::memory::device> rights[] = {right.matrix(k, n),
                                                              zm::transposed(right_columns.matrix(n, k))};
  const double tolerance = 4 * k * epsilon<T>();
  for (const auto& a : lefts) {
    for (const auto& b : rights) {
      const on_device<T> c(m * n), c_columns(m * n);
      zm::matmul(gpu, a, b, c.matrix(m, n), 2);
      CHECK(distance(c.get(), product) <= tolerance);
      zm::matmul(a, b, zm::transposed(c_columns.matrix(n, m)), 2);
      const auto got = c_columns.get();
      double most = 0;
      for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j)
          most = std::fmax(most, std::fabs(static_cast<double>(got[j * m + i] - product[i * n + j])));
      CHECK(most <= tolerance);
    }
    const on_device<T> out(m);
    zm::matvec(gpu, a, by.view(), out.view(), 2);
    CHECK(distance(out.get(), vector) <= tolerance);
  }
  auto with_nan = x;
  with_nan[100] = NAN;
  const on_device<T> bad(with_nan), c(m * n), out(m);
  CHECK(refusal([&] { zm::matmul(gpu, bad.matrix(m, k), right.matrix(k, n), c.matrix(m, n)); }) == "a[100]");
  CHECK(refusal([&] { zm::matvec(gpu, bad.matrix(m, k), by.view(), out.view()); }) == "a[100]");
}

void systems(const zm::cuda& gpu) {
  constexpr std::int64_t n = 60;
  const auto root = random_numbers<double>(n * n, 5), solution = random_numbers<double>(n, 6);
  std::vector<double> a(n * n), b(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t l = 0; l < n; ++l) a[i * n + j] += root[i * n + l] * root[j * n + l];
      if (i == j) a[i * n + j] += 1;
    }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) b[i] += a[i * n + j] * solution[j];
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) a[i * n + j] = NAN;  // the upper triangle is not read
  const on_device<double> matrix(a), right(b);
  zm::device_cholesky system(gpu);
  CHECK(system.factor(matrix.matrix(n, n)));
  system.solve(right.view());
  CHECK(distance(right.get(), solution) <= 1e-11);  // eigenvalues from 1 to about 4n/3
  const on_device<double> indefinite({1, 2, 2, 1});
  CHECK(!system.factor(indefinite.matrix(2, 2)));
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  products<float>(gpu);
  products<double>(gpu);
  systems(gpu);
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
