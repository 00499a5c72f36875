// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <span>
#include <vector>
#include <zermelo/core/random.hpp>

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

BENCHMARK(uniform_philox_simd)->Arg(in_cache)->Arg(in_memory);
BENCHMARK(uniform_philox_simd_float)->Arg(in_cache)->Arg(in_memory);
BENCHMARK(uniform_philox_serial)->Arg(in_cache);
BENCHMARK(uniform_mersenne_twister)->Arg(in_cache)->Arg(in_memory);
BENCHMARK(write_constant)->Arg(in_cache)->Arg(in_memory);

}  // namespace

BENCHMARK_MAIN();
