// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Products with matrices, beside Eigen's own and the best streaming loop over the same bytes.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/matmul.hpp"
#include "zermelo/core/random.hpp"

namespace {

namespace zm = zermelo;

template <class T, int Order>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>;

/// Σ x by packs, reading 2 KB ahead, nothing else.
template <class T>
[[gnu::noinline]] T streamed_sum(const T* x, std::int64_t n) {
  using pack = zm::native_pack<T>;
  pack a(0), b(0), c(0), d(0);
  for (std::int64_t k = 0; k + 4 * pack::size <= n; k += 4 * pack::size) {
    const T* const from = x + k;
    for (std::int64_t line = 0; line < 4 * pack::size; line += 64 / static_cast<std::int64_t>(sizeof(T)))
      __builtin_prefetch(from + 2048 / static_cast<std::int64_t>(sizeof(T)) + line);
    a += pack::load(from);
    b += pack::load(from + pack::size);
    c += pack::load(from + 2 * pack::size);
    d += pack::load(from + 3 * pack::size);
  }
  return reduce_add((a + b) + (c + d));
}

template <class T, int Order, class F>
void with_vector(benchmark::State& state, F f) {
  const std::int64_t n = state.range(0);
  const matrix<T, Order> a = matrix<T, Order>::Random(n, n);
  const Eigen::Matrix<T, Eigen::Dynamic, 1> x = Eigen::Matrix<T, Eigen::Dynamic, 1>::Random(n);
  Eigen::Matrix<T, Eigen::Dynamic, 1> y(n);
  for (auto _ : state) {
    f(a, x, y);
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(n * n) * sizeof(T), benchmark::Counter::kIsIterationInvariantRate);
}
template <class T>
void streaming(benchmark::State& state) {
  with_vector<T, Eigen::RowMajor>(state,
                                  [](const auto& a, const auto&, auto& y) { y[0] = streamed_sum(a.data(), a.size()); });
}
template <class T, int Order>
void matvec_eigen(benchmark::State& state) {
  with_vector<T, Order>(state, [](const auto& a, const auto& x, auto& y) { y.noalias() = a * x; });
}
template <class T, int Order>
void matvec_simd(benchmark::State& state) {
  with_vector<T, Order>(state, [](const auto& a, const auto& x, auto& y) { zm::matvec(a, x, y); });
}
template <class T, int Order>
void matvec_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  with_vector<T, Order>(state, [&](const auto& a, const auto& x, auto& y) { zm::matvec(pool, a, x, y); });
}

template <class T, class F>
void with_matrix(benchmark::State& state, F f) {
  const std::int64_t n = state.range(0);
  using dense = matrix<T, Eigen::RowMajor>;
  const dense a = dense::Random(n, n), b = dense::Random(n, n);
  dense c(n, n);
  for (auto _ : state) {
    f(a, b, c);
    benchmark::ClobberMemory();
  }
  state.counters["Gflop/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(n * n * n), benchmark::Counter::kIsIterationInvariantRate);
}
template <class T>
void matmul_eigen(benchmark::State& state) {
  with_matrix<T>(state, [](const auto& a, const auto& b, auto& c) { c.noalias() = a * b; });
}
template <class T>
void matmul_simd(benchmark::State& state) {
  with_matrix<T>(state, [](const auto& a, const auto& b, auto& c) { zm::matmul(a, b, c); });
}
template <class T>
void matmul_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  with_matrix<T>(state, [&](const auto& a, const auto& b, auto& c) { zm::matmul(pool, a, b, c); });
}

constexpr int by_rows = Eigen::RowMajor, by_columns = Eigen::ColMajor;

BENCHMARK(streaming<double>)->Arg(1000)->Arg(3000);
BENCHMARK(matvec_eigen<double, by_rows>)->Arg(1000)->Arg(3000);
BENCHMARK(matvec_simd<double, by_rows>)->Arg(1000)->Arg(3000);
BENCHMARK(matvec_two_threads<double, by_rows>)->Arg(1000)->Arg(3000)->UseRealTime();
BENCHMARK(matvec_eigen<double, by_columns>)->Arg(1000)->Arg(3000);
BENCHMARK(matvec_simd<double, by_columns>)->Arg(1000)->Arg(3000);
BENCHMARK(streaming<float>)->Arg(1000);
BENCHMARK(matvec_eigen<float, by_rows>)->Arg(1000);
BENCHMARK(matvec_simd<float, by_rows>)->Arg(1000);
BENCHMARK(matvec_simd<float, by_columns>)->Arg(1000);
BENCHMARK(matmul_eigen<float>)->Arg(256)->Arg(1200);
BENCHMARK(matmul_simd<float>)->Arg(256)->Arg(1200);
BENCHMARK(matmul_two_threads<float>)->Arg(1200)->UseRealTime();
BENCHMARK(matmul_eigen<double>)->Arg(1200);
BENCHMARK(matmul_simd<double>)->Arg(1200);

}  // namespace
