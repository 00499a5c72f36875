// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Reading and adding through indices, and histograms of index pairs, beside the loops without checks.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../preference/tournament.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/count_pairs.hpp"
#include "zermelo/core/primitives/gather.hpp"

namespace {

namespace zm = zermelo;
using std::int64_t;
using tournament::z;

constexpr int64_t ten_million = 10'000'000;

/// Ten million indices into n numbers.
struct indexed {
  std::vector<std::int32_t> index;
  std::vector<double> source, values;
  explicit indexed(int64_t n) : index(z(ten_million)), source(z(n)), values(z(ten_million)) {
    tournament::random draw{7};
    for (auto& i : index) i = static_cast<std::int32_t>(draw.below(n));
    for (double& x : source) x = draw.uniform();
    for (double& x : values) x = draw.uniform();
  }
};

[[gnu::noinline]] void gather_naive(const double* source, const std::int32_t* index, double* out, int64_t m) {
  for (int64_t k = 0; k < m; ++k) out[k] = source[index[k]];
}
[[gnu::noinline]] void scatter_naive(const double* values, const std::int32_t* index, double* out, int64_t m) {
  for (int64_t k = 0; k < m; ++k) out[index[k]] += values[k];
}

template <class F>
void through_indices(benchmark::State& state, F f) {
  indexed x(state.range(0));
  for (auto _ : state) {
    f(x);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * ten_million);
}

void gather_without_checks(benchmark::State& state) {
  through_indices(state,
                  [](indexed& x) { gather_naive(x.source.data(), x.index.data(), x.values.data(), ten_million); });
}
void gather_simd(benchmark::State& state) {
  through_indices(state, [](indexed& x) { zm::gather(x.source, x.index, x.values); });
}
void gather_two_threads(benchmark::State& state) {
  const zm::threads policy(2);
  through_indices(state, [&](indexed& x) { zm::gather(policy, x.source, x.index, x.values); });
}
void scatter_add_without_checks(benchmark::State& state) {
  through_indices(state,
                  [](indexed& x) { scatter_naive(x.values.data(), x.index.data(), x.source.data(), ten_million); });
}
void scatter_add_simd(benchmark::State& state) {
  through_indices(state, [](indexed& x) { zm::scatter_add(x.values, x.index, x.source); });
}
void scatter_add_two_threads(benchmark::State& state) {
  const zm::threads policy(2);
  through_indices(state, [&](indexed& x) { zm::scatter_add(policy, x.values, x.index, x.source); });
}

[[gnu::noinline]] void count_naive(const std::int32_t* first, const std::int32_t* second,
                                   const zm::preference::outcome* who, int64_t m, int64_t n, std::uint32_t* table) {
  for (int64_t k = 0; k < m; ++k) ++table[(first[k] * n + second[k]) * 4 + static_cast<int64_t>(who[k])];
}

void count_pairs_without_checks(benchmark::State& state) {
  const int64_t n = state.range(0);
  const auto b = tournament::battles<std::int32_t>(n, ten_million, 0.2);
  std::vector<std::uint32_t> table(z(4 * n * n));
  for (auto _ : state) {
    count_naive(b.first.data(), b.second.data(), b.outcomes.data(), ten_million, n, table.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * ten_million);
}

template <class Policy>
void count_pairs_on(benchmark::State& state, const Policy& policy) {
  const int64_t n = state.range(0);
  const auto b = tournament::battles<std::int32_t>(n, ten_million, 0.2);
  std::vector<int64_t> counts(z(4 * n * n));
  for (auto _ : state) {
    zm::count_pairs(policy, b.first, b.second, b.outcomes, n, 3, counts);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * ten_million);
}
void count_pairs_simd(benchmark::State& state) { count_pairs_on(state, zm::simd{}); }
void count_pairs_two_threads(benchmark::State& state) { count_pairs_on(state, zm::threads(2)); }

constexpr auto ms = benchmark::kMillisecond;

BENCHMARK(gather_without_checks)->Arg(1000)->Arg(1'000'000)->Unit(ms);
BENCHMARK(gather_simd)->Arg(1000)->Arg(1'000'000)->Unit(ms);
BENCHMARK(gather_two_threads)->Arg(1000)->Arg(1'000'000)->Unit(ms)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(scatter_add_without_checks)->Arg(1000)->Arg(1'000'000)->Unit(ms);
BENCHMARK(scatter_add_simd)->Arg(1000)->Arg(1'000'000)->Unit(ms);
BENCHMARK(scatter_add_two_threads)->Arg(1000)->Arg(1'000'000)->Unit(ms)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(count_pairs_without_checks)->Arg(2)->Arg(100)->Arg(1000)->Arg(4000)->Unit(ms);
BENCHMARK(count_pairs_simd)->Arg(2)->Arg(100)->Arg(1000)->Arg(4000)->Unit(ms);
BENCHMARK(count_pairs_two_threads)
    ->Arg(2)
    ->Arg(100)
    ->Arg(1000)
    ->Arg(4000)
    ->Unit(ms)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

}  // namespace
