// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Fits of general preferences to counts, and losses of embeddings, beside plain loops on the C library.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "zermelo/core/distributions.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/preference/general_preference.hpp"
#include "zermelo/preference/skew_embedding.hpp"

namespace {

namespace zm = zermelo;
namespace zp = zermelo::preference;

/// `pairs` random pairs of n items, ten games each, drawn from embeddings of three blocks.
struct records {
  std::vector<std::int32_t> first, second;
  std::vector<double> wins, losses;
  zp::comparison_graph graph;

  records(std::int64_t n, std::int64_t pairs) {
    std::vector<double> v(static_cast<std::size_t>(6 * n));
    for (std::size_t k = 0; k < v.size(); ++k) v[k] = 0.7 * zm::normal(5, 0, k);
    for (std::int64_t k = 0; k < pairs; ++k) {
      const auto at = static_cast<std::uint64_t>(k);
      const std::int64_t i = zm::index_below(zm::random_bits(1, 0, at), n);
      const std::int64_t j = (i + 1 + zm::index_below(zm::random_bits(1, 1, at), n - 1)) % n;
      double score = 0;
      for (std::int64_t q = 0; q < 3; ++q) {
        const double *u = v.data() + 6 * i + 2 * q, *w = v.data() + 6 * j + 2 * q;
        score += u[0] * w[1] - u[1] * w[0];
      }
      double won = 0;
      for (std::uint64_t g = 0; g < 10; ++g) won += zm::uniform(2, at, g) < 1 / (1 + std::exp(-score));
      first.push_back(static_cast<std::int32_t>(i));
      second.push_back(static_cast<std::int32_t>(j));
      wins.push_back(won);
      losses.push_back(10 - won);
    }
    graph = zp::graph_from_records(first, second, wins, losses, n);
  }
};

const records& tournament() {
  static const records r(1000, 100'000);
  return r;
}

void fit_embeddings(benchmark::State& state) {
  const auto& r = tournament();
  zp::general_preference_fit fitted;
  for (auto _ : state) {
    fitted = zp::fit(zp::general_preference{.blocks = 3}, r.graph,
                     {.starts = state.range(0), .certify = state.range(1) != 0});
    benchmark::DoNotOptimize(fitted.objective);
  }
  state.counters["steps"] = static_cast<double>(fitted.convergence.iterations);
  state.counters["gradient"] = fitted.convergence.residual;
  state.counters["log_loss"] = -fitted.log_likelihood / 1e6;
}

/// The objective and its gradient once.
void objective(benchmark::State& state) {
  const auto& r = tournament();
  const zp::general_preference model{.blocks = 3};
  const zp::detail::met_pairs pairs(r.graph);
  zp::detail::embedding_objective f{zm::detail::schedule_on(zm::simd{}), pairs, model};
  const auto v = zp::detail::random_embedding(1000, model, 1, 0);
  std::vector<double> gradient(v.size());
  for (auto _ : state) benchmark::DoNotOptimize(f(v, gradient));
  state.SetItemsProcessed(state.iterations() * 100'000);
}

/// The same as one would write it, a pair after another.
void objective_libm(benchmark::State& state) {
  const auto& r = tournament();
  const auto v = zp::detail::random_embedding(1000, zp::general_preference{.blocks = 3}, 1, 0);
  std::vector<double> gradient(v.size());
  for (auto _ : state) {
    double value = 0;
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (std::size_t e = 0; e < r.wins.size(); ++e) {
      const double *a = v.data() + 6 * r.first[e], *b = v.data() + 6 * r.second[e];
      double *ga = gradient.data() + 6 * r.first[e], *gb = gradient.data() + 6 * r.second[e];
      double score = 0;
      for (int d = 0; d < 6; d += 2) score += a[d] * b[d + 1] - a[d + 1] * b[d];
      const double t = std::exp(-std::fabs(score)), low = std::log1p(t);
      value += r.wins[e] * (low + std::fmax(-score, 0.0)) + r.losses[e] * (low + std::fmax(score, 0.0));
      const double slope = (score > 0 ? 1 : t) / (1 + t) * (r.wins[e] + r.losses[e]) - r.wins[e];
      for (int d = 0; d < 6; d += 2) {
        ga[d] += slope * b[d + 1];
        ga[d + 1] -= slope * b[d];
        gb[d] -= slope * a[d + 1];
        gb[d + 1] += slope * a[d];
      }
    }
    benchmark::DoNotOptimize(value);
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}

void loss_of_pairs(benchmark::State& state) {
  constexpr std::int64_t batch = 100'000, width = 8;
  std::vector<float> u(batch * width), v(u.size()), gu(u.size()), gv(u.size()), losses(batch);
  zm::fill_uniform(1, 0, std::span<float>(u));
  zm::fill_uniform(1, 1, std::span<float>(v));
  for (auto _ : state) {
    const auto sums = zp::general_preference_loss(zp::score_logistic{}, zm::matrix_view(u.data(), batch, width),
                                                  zm::matrix_view(v.data(), batch, width), zp::unit_scales, zm::discard,
                                                  losses, zm::matrix_view(gu.data(), batch, width),
                                                  zm::matrix_view(gv.data(), batch, width), zm::discard);
    benchmark::DoNotOptimize(sums.loss);
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.SetBytesProcessed(state.iterations() * batch * (4 * width + 1) * 4);
}

void loss_of_pairs_libm(benchmark::State& state) {
  constexpr std::int64_t batch = 100'000, width = 8;
  std::vector<float> u(batch * width), v(u.size()), gu(u.size()), gv(u.size()), losses(batch);
  zm::fill_uniform(1, 0, std::span<float>(u));
  zm::fill_uniform(1, 1, std::span<float>(v));
  for (auto _ : state) {
    double total = 0;
    for (std::int64_t r = 0; r < batch; ++r) {
      const float *a = u.data() + r * width, *b = v.data() + r * width;
      float score = 0;
      for (int d = 0; d < width; d += 2) score += a[d] * b[d + 1] - a[d + 1] * b[d];
      const float x = -10 * score, t = std::exp(-std::fabs(x));
      losses[static_cast<std::size_t>(r)] = std::fmax(x, 0.0F) + std::log1p(t);
      total += static_cast<double>(losses[static_cast<std::size_t>(r)]);
      const float slope = -10 * (x > 0 ? 1.0F : t) / (1 + t);
      for (int d = 0; d < width; d += 2) {
        gu[static_cast<std::size_t>(r * width + d)] = slope * b[d + 1];
        gu[static_cast<std::size_t>(r * width + d + 1)] = -slope * b[d];
        gv[static_cast<std::size_t>(r * width + d)] = -slope * a[d + 1];
        gv[static_cast<std::size_t>(r * width + d + 1)] = slope * a[d];
      }
    }
    benchmark::DoNotOptimize(total);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * batch);
}

void scores_of_all_pairs(benchmark::State& state) {
  constexpr std::int64_t n = 1000;
  const auto v = zp::detail::random_embedding(n, zp::general_preference{.blocks = 3}, 1, 0);
  std::vector<double> s(n * n);
  for (auto _ : state) {
    zp::score_matrix(zm::matrix_view(v.data(), n, 6), zp::unit_scales, zm::matrix_view(s.data(), n, n));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * n * n);
}

void exact_embedding(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  std::vector<double> s(static_cast<std::size_t>(n * n));
  const auto v = zp::detail::random_embedding(n, zp::general_preference{.blocks = 3}, 1, 0);
  zp::score_matrix(zm::matrix_view(v.data(), n, 6), zp::unit_scales, zm::matrix_view(s.data(), n, n));
  for (auto _ : state) benchmark::DoNotOptimize(zp::embed_scores(zm::matrix_view(s.data(), n, n)).error);
}

BENCHMARK(fit_embeddings)->ArgNames({"starts", "certify"})->Args({1, 0})->Args({4, 1})->Unit(benchmark::kMillisecond);
BENCHMARK(objective)->Unit(benchmark::kMicrosecond);
BENCHMARK(objective_libm)->Unit(benchmark::kMicrosecond);
BENCHMARK(loss_of_pairs)->Unit(benchmark::kMicrosecond);
BENCHMARK(loss_of_pairs_libm)->Unit(benchmark::kMicrosecond);
BENCHMARK(scores_of_all_pairs)->Unit(benchmark::kMicrosecond);
BENCHMARK(exact_embedding)->Arg(100)->Unit(benchmark::kMillisecond);

}  // namespace
