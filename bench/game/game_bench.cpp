// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Preference games: a round of self-play beside streaming its matrix, the step alone beside libm, exact solvers, batches.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "zermelo/bandit/toy_games.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/core/simd.hpp"
#include "zermelo/game/anchor_step.hpp"
#include "zermelo/game/dynamics.hpp"
#include "zermelo/game/matrix_game.hpp"
#include "zermelo/game/max_entropy_nash.hpp"
#include "zermelo/game/regularized_equilibrium.hpp"
#include "zermelo/game/solve.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;

[[gnu::noinline]] double streamed_sum(const double* x, std::int64_t n) {
  using pack = zm::native_pack<double>;
  pack sum[4] = {pack(0), pack(0), pack(0), pack(0)};
  for (std::int64_t k = 0; k + 4 * pack::size <= n; k += 4 * pack::size)
    for (int j = 0; j < 4; ++j) sum[j] += pack::load(x + k + j * pack::size);
  return reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

void count_bytes(benchmark::State& state, std::int64_t n) {
  state.counters["GB/s"] =
      benchmark::Counter(8e-9 * static_cast<double>(n * n), benchmark::Counter::kIsIterationInvariantRate);
}

/// The least that a round can cost: reading the matrix.
void read_matrix(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const auto toy = zm::bandit::random_game(n, 1);
  for (auto _ : state) benchmark::DoNotOptimize(streamed_sum(toy.preferences.data(), n * n));
  count_bytes(state, n);
}

/// A round of Hedge: the product with the matrix, an exponential an item, the normaliser.
void hedge_round(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const auto toy = zm::bandit::random_game(n, 1);
  const auto preferences = game::preference_matrix(toy.table());
  std::vector<double> logs(static_cast<std::size_t>(n), -std::log(static_cast<double>(n))),
      p(logs.size(), 1.0 / static_cast<double>(n)), q(logs.size());
  for (auto _ : state) {
    preferences.win_rate(zm::simd{}, p, q);
    game::anchor_step(zm::simd{}, logs, logs, q, logs, p, {.step = 0.01});
    benchmark::ClobberMemory();
  }
  count_bytes(state, n);
}

/// The round that one writes first.
void hedge_round_naive(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  const auto toy = zm::bandit::random_game(n, 1);
  const auto size = static_cast<std::size_t>(n);
  std::vector<double> logs(size, -std::log(static_cast<double>(n))), p(size, 1.0 / static_cast<double>(n)), q(size);
  for (auto _ : state) {
    double most = -1e300, sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      double rate = 0;
      for (std::size_t j = 0; j < size; ++j) rate += toy.preferences[i * size + j] * p[j];
      q[i] = rate;
    }
    for (std::size_t i = 0; i < size; ++i) most = std::max(most, logs[i] += 0.01 * q[i]);
    for (std::size_t i = 0; i < size; ++i) sum += std::exp(logs[i] - most);
    const double mass = most + std::log(sum);
    for (std::size_t i = 0; i < size; ++i) p[i] = std::exp(logs[i] -= mass);
    benchmark::ClobberMemory();
  }
  count_bytes(state, n);
}

/// The step by itself.
void anchor_step_alone(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<double> base(size), reference(size), q(size), logs(size), p(size);
  for (std::size_t i = 0; i < size; ++i) {
    base[i] = -5 * zm::uniform(1, 0, i), reference[i] = -5 * zm::uniform(1, 1, i), q[i] = zm::uniform(1, 2, i);
  }
  for (auto _ : state) {
    game::anchor_step(zm::simd{}, base, reference, q, logs, p, {.reference_weight = 0.1, .step = 1});
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// The exact Nash policy of a random preference game.
void exact_nash(benchmark::State& state) {
  const auto toy = zm::bandit::random_game(state.range(0), 1);
  const auto preferences = game::preference_matrix(toy.table());
  std::int64_t pivots = 0;
  for (auto _ : state) {
    const auto s = game::nash_policy(preferences);
    pivots = s.pivots;
    benchmark::DoNotOptimize(s.exploitability);
  }
  state.counters["pivots"] = static_cast<double>(pivots);
}

/// Minimax strategies of a random square matrix.
void minimax(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<double> m(size * size);
  for (std::size_t k = 0; k < m.size(); ++k) m[k] = zm::uniform(2, 0, k);
  std::int64_t pivots = 0;
  for (auto _ : state) {
    const auto s = game::solve_matrix_game(zm::matrix_view(m.data(), state.range(0), state.range(0)));
    pivots = s.pivots;
    benchmark::DoNotOptimize(s.gap);
  }
  state.counters["pivots"] = static_cast<double>(pivots);
}

void newton(benchmark::State& state) {
  const auto toy = zm::bandit::random_game(state.range(0), 1);
  const auto preferences = game::preference_matrix(toy.table());
  const std::vector<double> mu(static_cast<std::size_t>(toy.items), 1 / static_cast<double>(toy.items));
  for (auto _ : state)
    benchmark::DoNotOptimize(game::regularized_equilibrium(preferences, mu, {.kl_weight = 0.1}).exploitability);
}

void most_entropic_nash(benchmark::State& state) {
  const auto toy = zm::bandit::random_game(state.range(0), 1);
  const auto preferences = game::preference_matrix(toy.table());
  for (auto _ : state) benchmark::DoNotOptimize(game::max_entropy_nash(preferences).entropy);
}

/// A thousand games of eight items, a hundred rounds each.
template <class D>
void batch(benchmark::State& state, const D& dynamics) {
  constexpr std::int64_t games = 1000, n = 8, rounds = 100;
  std::vector<double> tables;
  for (std::uint64_t g = 0; g < games; ++g) {
    const auto toy = zm::bandit::random_game(n, g);
    tables.insert(tables.end(), toy.preferences.begin(), toy.preferences.end());
  }
  const zm::tensor_view<const double, 3> cube{.data = tables.data(), .shape = {games, n, n}, .strides = {n * n, n, 1}};
  const auto all = game::preference_matrix(cube);
  for (auto _ : state)
    benchmark::DoNotOptimize(game::solve(zm::simd{}, all, dynamics, game::uniform_policy, game::uniform_policy,
                                         {.limit = rounds, .target = 0, .check_every = rounds}));
  state.SetItemsProcessed(state.iterations() * games * rounds);
}
void batch_hedge(benchmark::State& state) { batch(state, game::hedge{0.1}); }
void batch_egpo(benchmark::State& state) { batch(state, game::egpo{1, 0.1}); }

BENCHMARK(read_matrix)->Arg(100)->Arg(1000)->Arg(4000);
BENCHMARK(hedge_round)->Arg(100)->Arg(1000)->Arg(4000);
BENCHMARK(hedge_round_naive)->Arg(100)->Arg(1000)->Arg(4000);
BENCHMARK(anchor_step_alone)->Arg(8)->Arg(100)->Arg(1000)->Arg(1000000);
BENCHMARK(exact_nash)->Arg(10)->Arg(50)->Arg(100)->Unit(benchmark::kMicrosecond);
BENCHMARK(minimax)->Arg(10)->Arg(50)->Arg(100)->Unit(benchmark::kMicrosecond);
BENCHMARK(newton)->Arg(10)->Arg(50)->Arg(100)->Unit(benchmark::kMicrosecond);
BENCHMARK(most_entropic_nash)->Arg(10)->Arg(50)->Unit(benchmark::kMicrosecond);
BENCHMARK(batch_hedge)->Unit(benchmark::kMillisecond);
BENCHMARK(batch_egpo)->Unit(benchmark::kMillisecond);

}  // namespace
