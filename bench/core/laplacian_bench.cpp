// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Laplacian systems of comparison graphs to a relative residual of 1e-8: the diagonal against aggregation multigrid,
/// beside Eigen's conjugate gradients and sparse LDLᵀ.
///
/// `random`: every item meets about 20 partners drawn from all; `banded`: from the 250 items before and after it.
/// The rows of a million items take a while: --benchmark_filter=-million leaves them out. The peak memory is that of the
/// process so far, so it is meaningful for a row that runs alone.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 intrinsics, inlined into Eigen
#endif
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <Eigen/IterativeLinearSolvers>
#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>
#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/graph.hpp"
#include "zermelo/core/laplacian.hpp"

namespace {

using std::int64_t;
using method = zermelo::laplacian_preconditioner;

constexpr int64_t partners = 10, band = 250;
constexpr double tolerance = 1e-8;

std::size_t z(int64_t i) { return static_cast<std::size_t>(i); }

struct system {
  std::vector<int64_t> offsets;
  std::vector<std::int32_t> columns;
  std::vector<double> weights, rhs;

  zermelo::laplacian_view view() const { return {offsets, columns, weights, {}}; }
  zermelo::compressed_digraph digraph() const { return {offsets, columns}; }
  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

/// Weights like games · p (1 − p): between 0.05 and 1.05, by a hash of the pair.
double weight(int64_t i, int64_t j) {
  std::uint64_t h = static_cast<std::uint64_t>((std::min)(i, j)) * 0x9E3779B97F4A7C15u ^
                    static_cast<std::uint64_t>((std::max)(i, j)) * 0xBF58476D1CE4E5B9u;
  h ^= h >> 29;
  h *= 0x94D049BB133111EBu;
  h ^= h >> 32;
  return 0.05 + static_cast<double>(h >> 11) * 0x1p-53;
}

system make(int64_t n, bool banded) {
  std::mt19937_64 random(1929);
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  pairs.reserve(z(n * partners));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < partners; ++k) {
      const int64_t range = banded ? (std::min)(band, n - 1 - i) : n - 1;
      if (range == 0) continue;
      const int64_t j = (i + 1 + static_cast<int64_t>(random() % static_cast<std::uint64_t>(range))) % n;
      pairs.emplace_back(static_cast<std::int32_t>((std::min)(i, j)), static_cast<std::int32_t>((std::max)(i, j)));
    }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  system s;
  s.offsets.assign(z(n) + 1, 0);
  for (const auto& [i, j] : pairs) {
    ++s.offsets[z(i) + 1];
    ++s.offsets[z(j) + 1];
  }
  for (std::size_t i = 0; i < z(n); ++i) s.offsets[i + 1] += s.offsets[i];
  std::vector<int64_t> next(s.offsets.begin(), s.offsets.end() - 1);
  s.columns.resize(2 * pairs.size());
  s.weights.resize(2 * pairs.size());
  for (const bool lower : {true, false})  // rows with ascending columns: first the partners before, then those after
    for (const auto& [i, j] : pairs) {
      const std::size_t at = z(next[z(lower ? j : i)]++);
      s.columns[at] = lower ? i : j;
      s.weights[at] = weight(i, j);
    }
  s.rhs.resize(z(n));
  double sum = 0;
  for (double& v : s.rhs) sum += v = static_cast<double>(random() >> 11) * 0x1p-53;
  for (double& v : s.rhs) v -= sum / static_cast<double>(n);
  return s;
}

/// The last system asked for; a million items are not kept beside others.
const system& get(int64_t n, bool banded) {
  static system kept;
  static std::pair<int64_t, bool> which{0, false};
  if (which != std::pair(n, banded)) {
    kept = {};
    kept = make(n, banded);
    which = {n, banded};
  }
  return kept;
}

double peak_gigabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e9;
}

/// Steps of conjugate gradients, the residual reached, and the peak memory with the input.
void report(benchmark::State& state, double iterations, double residual) {
  state.counters["iterations"] = iterations;
  state.counters["residual"] = residual;
  state.counters["peak_GB"] = peak_gigabytes();
}

void solve(benchmark::State& state, int64_t n, bool banded, method m, int workers) {
  const system& s = get(n, banded);
  const zermelo::threads policy(workers);
  std::vector<double> x(z(n));
  zermelo::laplacian_solution solution;
  for (auto _ : state) {
    std::fill(x.begin(), x.end(), 0.0);
    solution = zermelo::solve_laplacian(policy, s.view(), s.rhs, x, {.tolerance = tolerance, .preconditioner = m});
    benchmark::DoNotOptimize(x.data());
  }
  report(state, static_cast<double>(solution.convergence.iterations), solution.convergence.residual);
  state.counters["multigrid"] = solution.preconditioner == method::multigrid;
}

/// What a Newton fit asks for: six systems with changing weights on one structure, the first three to 1 %.
void fit(benchmark::State& state, int64_t n, bool banded, int workers) {
  const system& s = get(n, banded);
  const zermelo::threads policy(workers);
  std::vector<double> x(z(n)), weights;
  double steps = 0, residual = 0;
  for (auto _ : state) {
    zermelo::laplacian_solver solver;
    steps = 0;
    for (int step = 0; step < 6; ++step) {
      state.PauseTiming();
      weights = s.weights;
      for (int64_t i = 0; i < n; ++i)
        for (std::size_t e = z(s.offsets[z(i)]); e < z(s.offsets[z(i) + 1]); ++e)
          weights[e] *= 1 + 0.1 * step * weight(i + step, s.columns[e] + step);
      std::fill(x.begin(), x.end(), 0.0);
      state.ResumeTiming();
      const auto solution = solver.solve(policy, zermelo::laplacian_view{s.offsets, s.columns, weights, {}}, s.rhs, x,
                                         {.tolerance = step < 3 ? 1e-2 : 1e-5, .verify = false});
      steps += static_cast<double>(solution.convergence.iterations);
      residual = solution.convergence.residual;
    }
  }
  report(state, steps, residual);
}

void set_up(benchmark::State& state, int64_t n, bool banded, bool again) {
  const system& s = get(n, banded);
  const zermelo::threads policy(2);
  zermelo::aggregation_multigrid hierarchy;
  hierarchy.build(policy, s.view());
  for (auto _ : state)
    if (again)
      hierarchy.rebuild(policy, s.view());
    else
      hierarchy.build(policy, s.view());
  state.counters["levels"] = static_cast<double>(hierarchy.sizes().size());
  state.counters["coarse_entries"] =
      static_cast<double>(hierarchy.coarse_entries()) / static_cast<double>(s.columns.size());
}

void matvec(benchmark::State& state, int64_t n, bool banded, int workers) {
  const system& s = get(n, banded);
  const zermelo::threads policy(workers);
  std::vector<double> y(z(n));
  for (auto _ : state) benchmark::DoNotOptimize(zermelo::multiply(policy, s.view(), s.rhs, y));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(s.columns.size() * 12 + z(n) * 24));
}

void connected(benchmark::State& state, int64_t n, bool banded) {
  const system& s = get(n, banded);
  const zermelo::threads policy(2);
  for (auto _ : state) benchmark::DoNotOptimize(zermelo::is_strongly_connected(policy, s.digraph(), s.digraph()));
}

void components(benchmark::State& state, int64_t n, bool banded) {
  const system& s = get(n, banded);
  for (auto _ : state) benchmark::DoNotOptimize(zermelo::strong_components(s.digraph()).size());
}

/// The Laplacian without its last row and column, which grounds that item.
Eigen::SparseMatrix<double> grounded(const system& s) {
  const int64_t n = s.size() - 1;
  std::vector<Eigen::Triplet<double>> entries;
  entries.reserve(s.columns.size() + z(n));
  for (int64_t i = 0; i < n; ++i) {
    double diagonal = 0;
    for (std::size_t e = z(s.offsets[z(i)]); e < z(s.offsets[z(i) + 1]); ++e) {
      diagonal += s.weights[e];
      if (s.columns[e] < n) entries.emplace_back(static_cast<int>(i), s.columns[e], -s.weights[e]);
    }
    entries.emplace_back(static_cast<int>(i), static_cast<int>(i), diagonal);
  }
  Eigen::SparseMatrix<double> a(n, n);
  a.setFromTriplets(entries.begin(), entries.end());
  return a;
}

void eigen_conjugate_gradient(benchmark::State& state, int64_t n, bool banded) {
  const system& s = get(n, banded);
  const Eigen::SparseMatrix<double> a = grounded(s);
  const Eigen::Map<const Eigen::VectorXd> b(s.rhs.data(), n - 1);
  Eigen::VectorXd x;
  double iterations = 0, error = 0;
  for (auto _ : state) {
    Eigen::ConjugateGradient<Eigen::SparseMatrix<double>, Eigen::Lower | Eigen::Upper> solver;
    solver.setTolerance(tolerance);
    solver.compute(a);
    x = solver.solve(b);
    benchmark::DoNotOptimize(x.data());
    iterations = static_cast<double>(solver.iterations());
    error = solver.error();
  }
  report(state, iterations, error);
}

void eigen_ldlt(benchmark::State& state, int64_t n, bool banded) {
  const system& s = get(n, banded);
  const Eigen::SparseMatrix<double> a = grounded(s);
  const Eigen::Map<const Eigen::VectorXd> b(s.rhs.data(), n - 1);
  Eigen::VectorXd x;
  for (auto _ : state) {
    const Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> solver(a);
    x = solver.solve(b);
    benchmark::DoNotOptimize(x.data());
  }
  report(state, 1, (b - a * x).norm() / b.norm());
}

constexpr auto ms = benchmark::kMillisecond;
constexpr int64_t small = 100'000, large = 1'000'000;

#define ROW(function, name, ...) \
  BENCHMARK_CAPTURE(function, name, __VA_ARGS__)->Unit(ms)->UseRealTime()->MeasureProcessCPUTime()

ROW(matvec, random_hundred_thousand, small, false, 1);
ROW(solve, random_jacobi_hundred_thousand_1_thread, small, false, method::jacobi, 1);
ROW(solve, random_jacobi_hundred_thousand_2_threads, small, false, method::jacobi, 2);
ROW(eigen_conjugate_gradient, random_hundred_thousand, small, false);
ROW(connected, random_hundred_thousand, small, false);
ROW(solve, banded_jacobi_hundred_thousand_1_thread, small, true, method::jacobi, 1)->Iterations(1);
ROW(solve, banded_multigrid_hundred_thousand_1_thread, small, true, method::multigrid, 1);
ROW(solve, banded_multigrid_hundred_thousand_2_threads, small, true, method::multigrid, 2);
ROW(solve, banded_automatic_hundred_thousand_2_threads, small, true, method::automatic, 2);
ROW(set_up, banded_build_hundred_thousand, small, true, false);
ROW(set_up, banded_rebuild_hundred_thousand, small, true, true);
ROW(fit, banded_hundred_thousand, small, true, 2)->Iterations(3);
ROW(eigen_conjugate_gradient, banded_hundred_thousand, small, true)->Iterations(1);
ROW(eigen_ldlt, banded_hundred_thousand, small, true)->Iterations(1);

ROW(matvec, random_million_1_thread, large, false, 1);
ROW(matvec, random_million_2_threads, large, false, 2);
ROW(solve, random_jacobi_million_1_thread, large, false, method::jacobi, 1)->Iterations(3);
ROW(solve, random_jacobi_million_2_threads, large, false, method::jacobi, 2)->Iterations(3);
ROW(fit, random_million, large, false, 2)->Iterations(1);
ROW(connected, random_million, large, false);
ROW(components, random_million, large, false);
ROW(matvec, banded_million_2_threads, large, true, 2);
ROW(solve, banded_multigrid_million_1_thread, large, true, method::multigrid, 1)->Iterations(1);
ROW(solve, banded_multigrid_million_2_threads, large, true, method::multigrid, 2)->Iterations(3);
ROW(solve, banded_automatic_million_2_threads, large, true, method::automatic, 2)->Iterations(1);
ROW(set_up, banded_build_million, large, true, false);
ROW(set_up, banded_rebuild_million, large, true, true);
ROW(fit, banded_million, large, true, 2)->Iterations(1);
ROW(solve, banded_jacobi_million_2_threads_slow, large, true, method::jacobi, 2)->Iterations(1);

}  // namespace
