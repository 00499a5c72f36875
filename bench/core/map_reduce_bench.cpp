// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// One pass over pairs (a preference loss with its gradient and sums) and over one long column (sums), beside streaming
/// of the same bytes and beside the C library.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/map_reduce.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/core/simd.hpp"
#include "zermelo/core/statistics.hpp"
#include "zermelo/core/value.hpp"

namespace {

namespace zm = zermelo;

constexpr float beta = 0.1F;

/// softplus(β(rejected − chosen)) of log-ratios, its gradient, the total and how often the chosen one is ahead.
struct preference_loss {
  template <class V>
  ZERMELO_FN auto operator()(V chosen, V rejected) const {
    using zm::select;  // that of packs is found by its arguments
    const V h = V(beta) * (rejected - chosen);
    const auto [value, slope, rest] = zm::softplus_sigmoid(h);
    return zm::mapped{zm::bundle(V(-beta) * slope),
                      zm::bundle(zm::total(value), zm::total(select(h < V(0), V(1), V(0))))};
  }
};

struct pairs {
  std::vector<float> chosen, rejected, slope;
  explicit pairs(std::size_t n) : chosen(n), rejected(n), slope(n) {
    zm::fill_uniform(1, 0, std::span<float>(chosen));
    zm::fill_uniform(1, 1, std::span<float>(rejected));
    for (std::size_t k = 0; k < n; ++k) chosen[k] = 100 * chosen[k] - 300, rejected[k] = 90 * rejected[k] - 250;
  }
};

void report(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * 12);
}

template <class Policy>
void loss_on(benchmark::State& state, const Policy& policy) {
  pairs p(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    const auto sums = zm::map_reduce(policy, preference_loss{}, zm::inputs(p.chosen, p.rejected), zm::outputs(p.slope));
    benchmark::DoNotOptimize(zm::get<0>(sums).value);
    benchmark::ClobberMemory();
  }
  report(state);
}
void pair_loss_simd(benchmark::State& state) { loss_on(state, zm::simd{}); }
void pair_loss_serial(benchmark::State& state) { loss_on(state, zm::serial{}); }
void pair_loss_two_threads(benchmark::State& state) { loss_on(state, zm::threads(2)); }

[[gnu::noinline]] double stream(const float* a, const float* b, float* out, std::size_t n) {
  using pack = zm::native_pack<float>;
  double sum = 0;
  for (std::size_t start = 0; start < n; start += 4096) {
    pack s(0), t(0);
    for (std::size_t k = start; k < start + 4096; k += 2 * pack::size) {
      const pack x = pack::load(b + k) - pack::load(a + k);
      const pack y = pack::load(b + k + pack::size) - pack::load(a + k + pack::size);
      s += x, t += y;
      x.store(out + k), y.store(out + k + pack::size);
    }
    sum += static_cast<double>(reduce_add(s + t));
  }
  return sum;
}

[[gnu::noinline]] double loss_by_libm(const float* chosen, const float* rejected, float* slope, std::size_t n,
                                      std::int64_t& ahead) {
  double sum = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const float h = beta * (rejected[k] - chosen[k]);
    const float t = std::exp(-std::fabs(h));
    sum += static_cast<double>(std::fmax(h, 0.0F) + std::log1p(t));
    slope[k] = -beta * (h < 0 ? t : 1.0F) / (1.0F + t);
    ahead += h < 0;
  }
  return sum;
}

void pair_loss_streaming(benchmark::State& state) {
  pairs p(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(stream(p.chosen.data(), p.rejected.data(), p.slope.data(), p.slope.size()));
  report(state);
  state.SetLabel("the same bytes: two loads, a store, a sum");
}

void pair_loss_libm(benchmark::State& state) {
  pairs p(static_cast<std::size_t>(state.range(0)));
  std::int64_t ahead = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(loss_by_libm(p.chosen.data(), p.rejected.data(), p.slope.data(), p.slope.size(), ahead));
  benchmark::DoNotOptimize(ahead);
  report(state);
}

// Sums.

constexpr std::size_t hundred_million = 100'000'000;

const std::vector<float>& column() {
  static const auto x = [] {
    std::vector<float> v(hundred_million);
    zm::fill_uniform(3, 0, std::span<float>(v));
    return v;
  }();
  return x;
}

/// Four registers that are never flushed, reading 2 KB ahead: as fast as memory, and wrong by a percent.
[[gnu::noinline]] float load_all(const float* x, std::size_t n) {
  using pack = zm::native_pack<float>;
  pack a(0), b(0), c(0), d(0);
  for (std::size_t k = 0; k + 4 * pack::size <= n; k += 4 * pack::size) {
    const float* const from = x + k;
    for (std::size_t line = 0; line < 4 * pack::size; line += 16) __builtin_prefetch(from + 512 + line);
    a += pack::load(from);
    b += pack::load(from + pack::size);
    c += pack::load(from + 2 * pack::size);
    d += pack::load(from + 3 * pack::size);
  }
  return reduce_add((a + b) + (c + d));
}

[[gnu::noinline]] double add_in_order(const float* x, std::size_t n) {
  double sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]);
  return sum;
}

template <class F>
void over_column(benchmark::State& state, F f) {
  const auto& x = column();
  for (auto _ : state) benchmark::DoNotOptimize(f(std::span<const float>(x)));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(4 * hundred_million));
}

void sum_streaming(benchmark::State& state) {
  over_column(state, [](std::span<const float> x) { return load_all(x.data(), x.size()); });
}
void sum_in_order_in_double(benchmark::State& state) {
  over_column(state, [](std::span<const float> x) { return add_in_order(x.data(), x.size()); });
}
void sum_simd(benchmark::State& state) {
  over_column(state, [](std::span<const float> x) { return zm::sum(x).sum; });
}
void sum_two_threads(benchmark::State& state) {
  const zm::threads policy(2);
  over_column(state, [&](std::span<const float> x) { return zm::sum(policy, x).sum; });
}
struct only_total {
  template <class V>
  ZERMELO_FN auto operator()(V x) const {
    return zm::mapped{zm::bundle<>(), zm::bundle(zm::total(x))};
  }
};
struct three_statistics {
  template <class V>
  ZERMELO_FN auto operator()(V x) const {
    return zm::mapped{zm::bundle<>(), zm::bundle(zm::total(x), zm::largest(x), zm::smallest(x))};
  }
};
void map_reduce_total(benchmark::State& state) {
  over_column(state,
              [](std::span<const float> x) { return zm::get<0>(zm::map_reduce(only_total{}, zm::inputs(x))).value; });
}
void map_reduce_total_two_threads(benchmark::State& state) {
  const zm::threads policy(2);
  over_column(state, [&](std::span<const float> x) {
    return zm::get<0>(zm::map_reduce(policy, only_total{}, zm::inputs(x))).value;
  });
}
void map_reduce_total_largest_smallest(benchmark::State& state) {
  over_column(state, [](std::span<const float> x) {
    return zm::get<1>(zm::map_reduce(three_statistics{}, zm::inputs(x))).value;
  });
}

constexpr auto us = benchmark::kMicrosecond;
constexpr auto ms = benchmark::kMillisecond;

BENCHMARK(pair_loss_streaming)->Arg(1 << 14)->Arg(1 << 22)->Arg(1 << 24)->Unit(us);
BENCHMARK(pair_loss_simd)->Arg(1 << 14)->Arg(1 << 22)->Arg(1 << 24)->Unit(us);
BENCHMARK(pair_loss_serial)->Arg(1 << 22)->Unit(us);
BENCHMARK(pair_loss_libm)->Arg(1 << 22)->Unit(us);
BENCHMARK(pair_loss_two_threads)->Arg(1 << 22)->Arg(1 << 24)->Unit(us)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(sum_streaming)->Unit(ms);
BENCHMARK(sum_in_order_in_double)->Unit(ms);
BENCHMARK(sum_simd)->Unit(ms);
BENCHMARK(sum_two_threads)->Unit(ms)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(map_reduce_total)->Unit(ms);
BENCHMARK(map_reduce_total_two_threads)->Unit(ms)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(map_reduce_total_largest_smallest)->Unit(ms);

}  // namespace
