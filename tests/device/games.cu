// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of self-play, products with matrices of preferences, and many small games on a device, against the host.
#include <algorithm>

#include "check.cuh"
#include "zermelo/game/anchor_step.hpp"
#include "zermelo/game/dynamics.hpp"
#include "zermelo/game/preference_operator.hpp"
#include "zermelo/game/small_games.hpp"

namespace {

namespace zg = zermelo::game;

template <class T>
std::vector<T> preferences(std::int64_t games, std::int64_t n) {
  std::vector<T> p(static_cast<std::size_t>(games * n * n), T(0.5));
  std::uint64_t k = 0;
  for (std::int64_t g = 0; g < games; ++g)
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        const T x = zm::uniform<T>(5, 0, k++);
        p[static_cast<std::size_t>((g * n + i) * n + j)] = x;
        p[static_cast<std::size_t>((g * n + j) * n + i)] = 1 - x;
      }
  return p;
}

template <class T>
std::vector<T> policies(std::int64_t games, std::int64_t n) {
  std::vector<T> p(static_cast<std::size_t>(games * n));
  for (std::int64_t g = 0; g < games; ++g) {
    T sum = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(g * n + i);
      sum += p[k] = T(0.1) + zm::uniform<T>(6, 0, k);
    }
    for (std::int64_t i = 0; i < n; ++i) p[static_cast<std::size_t>(g * n + i)] /= sum;
  }
  return p;
}

template <class T>
void steps(const zm::cuda& gpu, std::int64_t rows, std::int64_t n) {
  auto base = random_numbers<T>(rows * n, 1), reference = random_numbers<T>(rows * n, 2);
  const auto payoff = random_numbers<T>(rows * n, 3);
  base[0] = -INFINITY;
  const on_device<T> b(base), r(reference), q(payoff), l(rows * n), p(rows * n);
  const zg::anchor_parameters at{.reference_weight = 0.25, .step = 2};
  zg::anchor_step(gpu, b.matrix(rows, n), r.matrix(rows, n), q.matrix(rows, n), l.matrix(rows, n), p.matrix(rows, n),
                  at);
  std::vector<T> logs(base.size()), plain(base.size());
  const auto host = [&](auto& x) { return zm::matrix_view(x.data(), rows, n); };
  zg::anchor_step(zm::simd{}, host(base), host(reference), host(payoff), host(logs), host(plain), at);
  CHECK(distance(l.get(), logs) <= 64 * epsilon<T>());
  CHECK(distance(p.get(), plain) <= 64 * epsilon<T>());
}

template <class T>
void products(const zm::cuda& gpu, std::int64_t n) {
  const auto table = preferences<T>(1, n), p = policies<T>(1, n);
  const on_device<T> device_table(table), device_p(p), out(n);
  const zg::dense_preferences<T, zm::memory::device> game{.table = device_table.matrix(n, n)};
  game.win_rate(gpu, device_p.view(), out.view());
  std::vector<T> expected(static_cast<std::size_t>(n));
  zg::preference_matrix(zm::matrix_view(table.data(), n, n)).win_rate(zm::simd{}, p, expected);
  CHECK(distance(out.get(), expected) <= 64 * epsilon<T>());
}

template <class T, int N, class D>
void games(const zm::cuda& gpu, std::int64_t count, std::int64_t n, const D& dynamics) {
  const auto tables = preferences<T>(count, n), starts = policies<T>(count, n);
  const on_device<T> t(tables), s(starts), out(count * n);
  const on_device<double> gaps(count);
  const zm::tensor_view<const T, 3, zm::memory::device> cube{
      .data = t.data(), .shape = {count, n, n}, .strides = {n * n, n, 1}};
  const zg::solve_parameters rounds{.limit = 100, .target = 0};
  zg::solve_small<N>(gpu, cube, dynamics, s.matrix(count, n), s.matrix(count, n), out.matrix(count, n), gaps.view(),
                     rounds);
  const auto got = out.get();
  const auto gap = gaps.get();
  double worst = 0, worst_gap = 0;
  for (std::int64_t g = 0; g < count; ++g) {
    const auto start = zm::vector_view(starts.data() + g * n, n);
    const auto alone = zg::solve(zg::preference_matrix(zm::matrix_view(tables.data() + g * n * n, n, n)), dynamics,
                                 start, start, rounds);
    for (std::int64_t i = 0; i < n; ++i)
      worst = std::max(worst, std::fabs(static_cast<double>(got[static_cast<std::size_t>(g * n + i)]) -
                                        static_cast<double>(alone.policy[static_cast<std::size_t>(i)])));
    worst_gap = std::max(worst_gap, std::fabs(gap[static_cast<std::size_t>(g)] - alone.gap));
  }
  CHECK(worst <= 4096 * epsilon<T>());
  CHECK(worst_gap <= 4096 * epsilon<T>());
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  for (const std::int64_t n : {1, 8, 1000}) {
    steps<float>(gpu, 7, n + 1);
    steps<double>(gpu, 7, n + 1);
    products<float>(gpu, n);
    products<double>(gpu, n);
  }
  games<double, 8>(gpu, 1000, 8, zg::egpo{1, 0.1});
  games<double, 8>(gpu, 1000, 5, zg::nash_md{0, 0.1});
  games<float, 8>(gpu, 1000, 8, zg::hedge{0.1});
  games<double, 32>(gpu, 100, 30, zg::mirror_descent{});
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
