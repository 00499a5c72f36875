// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Sorting by digits, beside std::sort, std::stable_sort of positions and std::partial_sort.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/sort.hpp"
#include "zermelo/core/random.hpp"

namespace {

namespace zm = zermelo;

template <class T>
std::vector<T> keys(std::int64_t n) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::size_t k = 0; k < x.size(); ++k) {
    const std::uint64_t bits = zm::random_bits(1, 0, k);
    if constexpr (std::is_floating_point_v<T>)
      x[k] = static_cast<T>(zm::unit_interval(bits) - 0.5);
    else
      x[k] = static_cast<T>(bits);
  }
  return x;
}

template <class T, class F>
void sorted(benchmark::State& state, F f) {
  const auto x = keys<T>(state.range(0));
  auto y = x;
  std::vector<std::int64_t> at(x.size());
  for (auto _ : state) {
    state.PauseTiming();
    y = x;
    state.ResumeTiming();
    f(y, at);
    benchmark::ClobberMemory();
  }
  state.counters["ns"] =
      benchmark::Counter(static_cast<double>(state.range(0)) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class T>
void sort_std(benchmark::State& state) {
  sorted<T>(state, [](auto& x, auto&) { std::sort(x.begin(), x.end()); });
}
template <class T>
void sort_simd(benchmark::State& state) {
  sorted<T>(state, [](auto& x, auto&) { zm::sort(x); });
}
template <class T>
void sort_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  sorted<T>(state, [&](auto& x, auto&) { zm::sort(pool, x); });
}
template <class T>
void argsort_std(benchmark::State& state) {
  sorted<T>(state, [](auto& x, auto& at) {
    std::iota(at.begin(), at.end(), 0);
    std::stable_sort(at.begin(), at.end(), [&](std::int64_t a, std::int64_t b) {
      return x[static_cast<std::size_t>(a)] < x[static_cast<std::size_t>(b)];
    });
  });
}
template <class T>
void argsort_simd(benchmark::State& state) {
  sorted<T>(state, [](auto& x, auto& at) { zm::argsort(x, at); });
}
template <class T>
void argsort_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  sorted<T>(state, [&](auto& x, auto& at) { zm::argsort(pool, x, at); });
}
template <class T>
void top_100_std(benchmark::State& state) {
  sorted<T>(state, [](auto& x, auto& at) {
    std::iota(at.begin(), at.end(), 0);
    std::partial_sort(at.begin(), at.begin() + 100, at.end(), [&](std::int64_t a, std::int64_t b) {
      return x[static_cast<std::size_t>(a)] > x[static_cast<std::size_t>(b)];
    });
  });
}
template <class T>
void top_100_simd(benchmark::State& state) {
  std::vector<std::int64_t> best(100);
  sorted<T>(state, [&](auto& x, auto&) { zm::top_k(x, 100, best); });
}

constexpr std::int64_t large = std::int64_t{1} << 20, larger = std::int64_t{1} << 22;

BENCHMARK(sort_std<float>)->Arg(100)->Arg(1000)->Arg(large);
BENCHMARK(sort_simd<float>)->Arg(100)->Arg(1000)->Arg(large)->Arg(larger);
BENCHMARK(sort_two_threads<float>)->Arg(large)->Arg(larger)->UseRealTime();
BENCHMARK(sort_std<double>)->Arg(large);
BENCHMARK(sort_simd<double>)->Arg(large)->Arg(larger);
BENCHMARK(sort_two_threads<double>)->Arg(larger)->UseRealTime();
BENCHMARK(sort_std<std::int64_t>)->Arg(large);
BENCHMARK(sort_simd<std::int64_t>)->Arg(large);
BENCHMARK(argsort_std<float>)->Arg(large);
BENCHMARK(argsort_simd<float>)->Arg(large);
BENCHMARK(argsort_two_threads<float>)->Arg(large)->UseRealTime();
BENCHMARK(argsort_std<double>)->Arg(large);
BENCHMARK(argsort_simd<double>)->Arg(large);
BENCHMARK(top_100_std<float>)->Arg(larger);
BENCHMARK(top_100_simd<float>)->Arg(larger);
BENCHMARK(top_100_simd<double>)->Arg(larger);

}  // namespace
