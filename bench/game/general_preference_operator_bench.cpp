// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Games of general preferences: products with scores, steps of self-play over a million responses, probabilities tile by
/// tile, beside what the memory and a plain loop take.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/game/anchor_step.hpp"
#include "zermelo/game/general_preference_operator.hpp"

namespace {

namespace zm = zermelo;
namespace zg = zermelo::game;

template <class T>
struct responses {
  std::int64_t n, k;
  std::vector<T> embedding, policy, log_policy, payoff;

  responses(std::int64_t items, std::int64_t blocks)
      : n(items),
        k(blocks),
        embedding(static_cast<std::size_t>(items * 2 * blocks)),
        policy(static_cast<std::size_t>(items), static_cast<T>(1.0 / static_cast<double>(items))),
        log_policy(policy.size(), static_cast<T>(-std::log(static_cast<double>(items)))),
        payoff(policy.size()) {
    zm::fill_uniform(1, 0, std::span<T>(embedding));
    for (T& x : embedding) x = x - T(0.5);
  }
  auto matrix() const { return zm::matrix_view(embedding.data(), n, 2 * k); }
  void report(benchmark::State& state, double bytes_an_item) const {
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes_an_item * static_cast<double>(n)));
  }
};

/// The embeddings twice, the policy, the payoffs.
template <class T>
double product_bytes(std::int64_t k) {
  return static_cast<double>(sizeof(T)) * static_cast<double>(4 * k + 2);
}

template <class T, class P>
void product(benchmark::State& state, const P& policy) {
  responses<T> r(state.range(0), 4);
  const auto game = zg::general_preference_score_game(r.matrix());
  for (auto _ : state) {
    game.win_rate(policy, r.policy, r.payoff);
    benchmark::ClobberMemory();
  }
  r.report(state, product_bytes<T>(4));
}

template <class T, class P>
void step(benchmark::State& state, const P& policy) {
  responses<T> r(state.range(0), 4);
  const auto game = zg::general_preference_score_game(r.matrix());
  for (auto _ : state) {
    game.win_rate(policy, r.policy, r.payoff);
    zg::anchor_step(policy, r.log_policy, r.log_policy, r.payoff, r.log_policy, r.policy, {.step = 0.1});
    benchmark::ClobberMemory();
  }
  r.report(state, product_bytes<T>(4));
}

void product_double(benchmark::State& state) { product<double>(state, zm::simd{}); }
void product_float(benchmark::State& state) { product<float>(state, zm::simd{}); }
void product_double_two_threads(benchmark::State& state) { product<double>(state, zm::threads(2)); }
void step_double(benchmark::State& state) { step<double>(state, zm::simd{}); }
void step_float(benchmark::State& state) { step<float>(state, zm::simd{}); }
void step_double_two_threads(benchmark::State& state) { step<double>(state, zm::threads(2)); }

/// Reading the same numbers: the embeddings twice, and writing the payoffs.
template <class T>
void streaming(benchmark::State& state) {
  responses<T> r(state.range(0), 4);
  using pack = zm::native_pack<T>;
  for (auto _ : state) {
    T sum = 0;
    for (int pass = 0; pass < 2; ++pass) {
      pack a(0), b(0);
      for (std::size_t e = 0; e + 2 * pack::size <= r.embedding.size(); e += 2 * pack::size) {
        a += pack::load(r.embedding.data() + e);
        b += pack::load(r.embedding.data() + e + pack::size);
      }
      sum += reduce_add(a + b);
    }
    for (std::size_t y = 0; y + pack::size <= r.payoff.size(); y += pack::size)
      (pack::load(r.policy.data() + y) * pack(sum)).store(r.payoff.data() + y);
    benchmark::ClobberMemory();
  }
  r.report(state, product_bytes<T>(4));
}
void streaming_double(benchmark::State& state) { streaming<double>(state); }
void streaming_float(benchmark::State& state) { streaming<float>(state); }

template <class T, class P>
void probabilities(benchmark::State& state, const P& policy) {
  responses<T> r(state.range(0), 4);
  const auto game = zg::general_preference_game(r.matrix());
  for (auto _ : state) {
    game.win_rate(policy, r.policy, r.payoff);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * r.n * r.n);
}
void probabilities_double(benchmark::State& state) { probabilities<double>(state, zm::simd{}); }
void probabilities_float(benchmark::State& state) { probabilities<float>(state, zm::simd{}); }
void probabilities_serial(benchmark::State& state) { probabilities<double>(state, zm::serial{}); }

/// What one would write: two loops and the C library.
void probabilities_libm(benchmark::State& state) {
  responses<double> r(state.range(0), 4);
  for (auto _ : state) {
    for (std::int64_t i = 0; i < r.n; ++i) {
      const double* u = r.embedding.data() + i * 8;
      double sum = 0;
      for (std::int64_t j = 0; j < r.n; ++j) {
        const double* v = r.embedding.data() + j * 8;
        double score = 0;
        for (int d = 0; d < 8; d += 2) score += u[d] * v[d + 1] - u[d + 1] * v[d];
        sum += r.policy[static_cast<std::size_t>(j)] / (1 + std::exp(-score));
      }
      r.payoff[static_cast<std::size_t>(i)] = sum;
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * r.n * r.n);
}

constexpr std::int64_t million = 1'000'000;

BENCHMARK(product_double)->Arg(million)->Unit(benchmark::kMillisecond);
BENCHMARK(product_float)->Arg(million)->Unit(benchmark::kMillisecond);
BENCHMARK(product_double_two_threads)->Arg(million)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(streaming_double)->Arg(million)->Unit(benchmark::kMillisecond);
BENCHMARK(streaming_float)->Arg(million)->Unit(benchmark::kMillisecond);
BENCHMARK(step_double)->Arg(million)->Unit(benchmark::kMillisecond);
BENCHMARK(step_float)->Arg(million)->Unit(benchmark::kMillisecond);
BENCHMARK(step_double_two_threads)->Arg(million)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(probabilities_double)->Arg(2000)->Unit(benchmark::kMillisecond);
BENCHMARK(probabilities_float)->Arg(2000)->Unit(benchmark::kMillisecond);
BENCHMARK(probabilities_serial)->Arg(2000)->Unit(benchmark::kMillisecond);
BENCHMARK(probabilities_libm)->Arg(2000)->Unit(benchmark::kMillisecond);

}  // namespace
