// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Losses over pairs, value and gradients and sums, beside streaming the same bytes and beside a scalar loop on the C library.
// Figures are in docs/performance.md.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/alignment/aot.hpp>
#include <zermelo/alignment/apo.hpp>
#include <zermelo/alignment/discopop.hpp>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/exo.hpp>
#include <zermelo/alignment/ipo.hpp>
#include <zermelo/alignment/list_losses.hpp>
#include <zermelo/alignment/mixture.hpp>
#include <zermelo/alignment/nca.hpp>
#include <zermelo/alignment/orpo.hpp>
#include <zermelo/alignment/simpo.hpp>
#include <zermelo/core/pair_loss.hpp>
#include <zermelo/core/random.hpp>

namespace zm = zermelo;
namespace al = zermelo::alignment;

namespace {

constexpr std::size_t n = std::size_t{1} << 21;

/// Log-probabilities under policy and reference, lengths, and room for what comes out.
template <class T>
struct pairs {
  std::vector<T> in[4], length, losses, chosen, rejected;
  pairs() : length(n), losses(n), chosen(n), rejected(n) {
    for (std::size_t c = 0; c < 4; ++c) {
      in[c].resize(n);
      zm::fill_uniform(1, c, in[c]);
      for (T& v : in[c]) v = -30 * v - T(0.01);
    }
    zm::fill_uniform(1, 4, length);
    for (T& v : length) v = 1 + std::floor(100 * v);
  }
};

template <class T>
pairs<T>& data() {
  static pairs<T> x;
  return x;
}

void report(benchmark::State& state, double bytes) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(n));
  state.counters["ns/pair"] = benchmark::Counter(
      static_cast<double>(n) * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["B/s"] = benchmark::Counter(
      bytes * static_cast<double>(n), benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1024);
}

/// Four columns in, three out, and a sum: the least that a loss with a reference moves.
template <class T>
void streaming(benchmark::State& state) {
  auto& x = data<T>();
  for (auto _ : state) {
    const T *a = x.in[0].data(), *b = x.in[1].data(), *c = x.in[2].data(), *d = x.in[3].data();
    T *l = x.losses.data(), *p = x.chosen.data(), *q = x.rejected.data();
    T sum[64] = {};
    for (std::size_t k = 0; k < n; k += 64)
#pragma GCC ivdep
      for (std::size_t j = 0; j < 64; ++j) {
        const T h = (a[k + j] - c[k + j]) - (b[k + j] - d[k + j]);
        l[k + j] = h, p[k + j] = h + 1, q[k + j] = h - 1;
        sum[j] += h;
      }
    benchmark::DoNotOptimize(sum);
    benchmark::ClobberMemory();
  }
  report(state, 7 * sizeof(T));
}

/// DPO as one would write it with the C library.
template <class T>
void scalar_dpo(benchmark::State& state) {
  auto& x = data<T>();
  const T beta = T(0.1);
  for (auto _ : state) {
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const T h = beta * ((x.in[0][k] - x.in[2][k]) - (x.in[1][k] - x.in[3][k]));
      const T t = std::exp(-std::abs(h));
      x.losses[k] = std::max(-h, T(0)) + std::log1p(t);
      const T wrong = h >= 0 ? t / (1 + t) : 1 / (1 + t);
      x.chosen[k] = -beta * wrong;
      x.rejected[k] = beta * wrong;
      sum += static_cast<double>(x.losses[k]);
    }
    benchmark::DoNotOptimize(sum);
    benchmark::ClobberMemory();
  }
  report(state, 7 * sizeof(T));
}

template <class T, class Kernel>
void loss(benchmark::State& state, const Kernel& kernel) {
  auto& x = data<T>();
  for (auto _ : state)
    benchmark::DoNotOptimize(
        zm::pair_loss(kernel, x.in[0], x.in[1], x.in[2], x.in[3], x.losses, x.chosen, x.rejected).loss);
  report(state, 7 * sizeof(T));
}

template <class T, class Kernel>
void loss_of_means(benchmark::State& state, const Kernel& kernel) {
  auto& x = data<T>();
  for (auto _ : state)
    benchmark::DoNotOptimize(zm::pair_loss(kernel, x.in[0], x.in[1], zm::no_reference, zm::no_reference, x.losses,
                                           x.chosen, x.rejected, zm::normalised_by(x.length, x.length))
                                 .loss);
  report(state, 6 * sizeof(T));
}

void transport(benchmark::State& state) {
  auto& x = data<double>();
  for (auto _ : state)
    benchmark::DoNotOptimize(
        al::aot_paired(al::dpo{}, x.in[0], x.in[1], x.in[2], x.in[3], x.losses, x.chosen, x.rejected).loss);
  report(state, 7 * sizeof(double));
}

/// Lists of eight responses.
template <class Kernel>
void lists(benchmark::State& state, const Kernel& kernel) {
  auto& x = data<double>();
  const auto rows = static_cast<std::int64_t>(n / 8);
  const auto as_lists = [&](std::vector<double>& v) { return zm::matrix_view(v.data(), rows, 8); };
  const auto losses = zm::vector_view(x.losses.data(), rows);
  const auto labels = as_lists(x.length);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        zm::list_loss(kernel, as_lists(x.in[0]), as_lists(x.in[1]), labels, losses, as_lists(x.chosen)).loss);
  report(state, 4 * sizeof(double));
}

template <class T>
void register_all(const char* type) {
  const auto name = [&](const char* what) { return std::string(what) + "/" + type; };
  const auto add = [&](const char* what, auto f) { benchmark::RegisterBenchmark(name(what).c_str(), f); };
  add("streaming", streaming<T>);
  add("DPO by the C library", scalar_dpo<T>);
  add("DPO", [](benchmark::State& s) { loss<T>(s, al::dpo{}); });
  add("IPO", [](benchmark::State& s) { loss<T>(s, al::ipo{}); });
  add("EXO", [](benchmark::State& s) { loss<T>(s, al::exo_pair{}); });
  add("APO-zero", [](benchmark::State& s) { loss<T>(s, al::apo_zero{}); });
  add("NCA", [](benchmark::State& s) { loss<T>(s, al::nca_pair{}); });
  add("DiscoPOP", [](benchmark::State& s) { loss<T>(s, al::discopop{}); });
  add("DPO + IPO", [](benchmark::State& s) {
    loss<T>(s, al::mixture(al::part{1, al::dpo{}}, al::part{0.1, al::ipo{}}));
  });
  add("SimPO", [](benchmark::State& s) { loss_of_means<T>(s, al::simpo{}); });
  add("ORPO", [](benchmark::State& s) { loss_of_means<T>(s, al::orpo{}); });
}

const int registered = [] {
  register_all<double>("double");
  register_all<float>("float");
  benchmark::RegisterBenchmark("AOT/double", transport);
  benchmark::RegisterBenchmark("Plackett-Luce of 8/double",
                               [](benchmark::State& s) { lists(s, al::dpo_plackett_luce{}); });
  benchmark::RegisterBenchmark("InfoNCA of 8/double", [](benchmark::State& s) { lists(s, al::infonca{}); });
  benchmark::RegisterBenchmark("LiPO-lambda of 8/double",
                               [](benchmark::State& s) { lists(s, al::lipo_lambda{.beta = 0.1, .normalised = true}); });
  return 0;
}();

}  // namespace
