// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <vector>
#include <zermelo/core/distributions.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/core/statistics.hpp>

namespace zm = zermelo;

namespace {

constexpr std::int64_t in_cache = 1 << 14, in_memory = 1 << 23;

template <class T, class F>
void fill(benchmark::State& state, F&& f) {
  std::vector<T> out(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    f(std::span<T>(out));
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * static_cast<std::int64_t>(sizeof(T)));
}

void uniform_philox_simd(benchmark::State& state) {
  fill<double>(state, [](std::span<double> out) { zm::fill_uniform(zm::simd{}, 1, 2, out); });
}

void uniform_philox_simd_float(benchmark::State& state) {
  fill<float>(state, [](std::span<float> out) { zm::fill_uniform(zm::simd{}, 1, 2, out); });
}

void uniform_philox_serial(benchmark::State& state) {
  fill<double>(state, [](std::span<double> out) { zm::fill_uniform(zm::serial{}, 1, 2, out); });
}

void uniform_mersenne_twister(benchmark::State& state) {
  std::mt19937_64 engine(1);
  std::uniform_real_distribution<double> uniform;
  fill<double>(state, [&](std::span<double> out) {
    for (double& x : out) x = uniform(engine);
  });
}

void write_constant(benchmark::State& state) {
  double value = 0;
  fill<double>(state, [&](std::span<double> out) {
    value += 1;
    for (double& x : out) x = value;
  });
}

/// Counts of a replicate of 10⁷ battles: 4950 pairs of 100 items, a cell each for win, loss and tie.
std::vector<double> battle_shares() {
  std::vector<double> shares(14850);
  for (std::size_t c = 0; c < shares.size(); ++c) shares[c] = 0.2 + zm::uniform(8, 1, c);
  return shares;
}

constexpr std::int64_t battles = 10000000;

template <class F>
void replicates(benchmark::State& state, std::size_t cells, F&& draw) {
  std::vector<double> counts(cells);
  std::uint64_t replicate = 0;
  for (auto _ : state) {
    draw(replicate++, std::span<double>(counts));
    benchmark::DoNotOptimize(counts.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(cells));
}

void multinomial_exact(benchmark::State& state) {
  const auto shares = battle_shares();
  const zm::multinomial_sampler sampler(state.range(0), shares);
  replicates(state, shares.size(), [&](std::uint64_t r, std::span<double> counts) { sampler.draw(1, r, counts); });
}

void multinomial_conditional_binomials(benchmark::State& state) {
  const auto shares = battle_shares();
  std::mt19937_64 engine(1);
  replicates(state, shares.size(), [&](std::uint64_t, std::span<double> counts) {
    double rest = zm::sum(std::span<const double>(shares)).sum;
    std::int64_t left = state.range(0);
    for (std::size_t c = 0; c < shares.size(); ++c) {
      const double p = c + 1 == shares.size() ? 1.0 : shares[c] / rest;
      const std::int64_t n = std::binomial_distribution<std::int64_t>(left, p < 1 ? p : 1.0)(engine);
      counts[c] = static_cast<double>(n);
      left -= n;
      rest -= shares[c];
    }
  });
}

void multinomial_alias_only(benchmark::State& state) {
  const auto shares = battle_shares();
  const auto table = zm::detail::prepare_alias(shares, zm::sum(std::span<const double>(shares)).sum);
  replicates(state, shares.size(), [&](std::uint64_t r, std::span<double> counts) {
    std::fill(counts.begin(), counts.end(), 0.0);
    zm::detail::draw_alias(table, zm::philox{1, r}, state.range(0), counts.data());
  });
}

void multinomial_write_counts(benchmark::State& state) {
  replicates(state, battle_shares().size(), [&](std::uint64_t r, std::span<double> counts) {
    std::fill(counts.begin(), counts.end(), static_cast<double>(r));
  });
}

template <class T, class F>
void summing(benchmark::State& state, F&& f) {
  std::vector<T> x(static_cast<std::size_t>(state.range(0)));
  zm::fill_uniform(1, 1, std::span<T>(x));
  for (auto _ : state) benchmark::DoNotOptimize(f(std::span<const T>(x)));
  state.SetBytesProcessed(state.iterations() * state.range(0) * static_cast<std::int64_t>(sizeof(T)));
}

void sum_float(benchmark::State& state) {
  summing<float>(state, [](std::span<const float> x) { return zm::sum(x).sum; });
}

void sum_double(benchmark::State& state) {
  summing<double>(state, [](std::span<const double> x) { return zm::sum(x).sum; });
}

void sum_float_naive(benchmark::State& state) {
  summing<float>(state, [](std::span<const float> x) {
    float sum = 0;
    for (float v : x) sum += v;
    return sum;
  });
}

/// Reads the same bytes and keeps their largest word: no order of additions to respect.
void read_stream(benchmark::State& state) {
  summing<float>(state, [](std::span<const float> x) {
    float largest[64] = {};
    for (std::size_t k = 0; k + 64 <= x.size(); k += 64)
      for (std::size_t j = 0; j < 64; ++j) largest[j] = x[k + j] > largest[j] ? x[k + j] : largest[j];
    return *std::max_element(largest, largest + 64);
  });
}

BENCHMARK(uniform_philox_simd)->Arg(in_cache)->Arg(in_memory);
BENCHMARK(uniform_philox_simd_float)->Arg(in_cache)->Arg(in_memory);
BENCHMARK(uniform_philox_serial)->Arg(in_cache);
BENCHMARK(uniform_mersenne_twister)->Arg(in_cache)->Arg(in_memory);
BENCHMARK(write_constant)->Arg(in_cache)->Arg(in_memory);
BENCHMARK(multinomial_exact)->Arg(battles)->Arg(battles / 100)->Unit(benchmark::kMillisecond);
BENCHMARK(multinomial_conditional_binomials)->Arg(battles)->Unit(benchmark::kMillisecond);
BENCHMARK(multinomial_alias_only)->Arg(battles)->Arg(battles / 100)->Unit(benchmark::kMillisecond);
BENCHMARK(multinomial_write_counts)->Unit(benchmark::kMillisecond);
BENCHMARK(sum_float)->Arg(in_cache)->Arg(8 * in_memory);
BENCHMARK(sum_double)->Arg(in_cache)->Arg(4 * in_memory);
BENCHMARK(sum_float_naive)->Arg(8 * in_memory);
BENCHMARK(read_stream)->Arg(in_cache)->Arg(8 * in_memory);

}  // namespace

BENCHMARK_MAIN();
