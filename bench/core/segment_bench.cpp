// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Statistics of segments and rows, and softmax, beside the best streaming loops over the same bytes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/row_reduce.hpp"
#include "zermelo/core/primitives/segment_reduce.hpp"
#include "zermelo/core/random.hpp"

namespace {

namespace zm = zermelo;

constexpr std::int64_t elements = std::int64_t{1} << 23;

std::vector<float> numbers() {
  std::vector<float> x(elements);
  zm::fill_uniform(1, 0, x);
  return x;
}

struct added {
  template <class V>
  auto operator()(V x) const {
    return zm::total(x);
  }
};
struct log_added {
  template <class V>
  auto operator()(V x) const {
    return zm::log_sum_exp(x);
  }
};

void report(benchmark::State& state, std::int64_t bytes) {
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(bytes) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

/// Σ x by packs, reading 2 KB ahead, nothing else.
[[gnu::noinline]] float streamed_sum(const float* x, std::int64_t n) {
  using pack = zm::native_pack<float>;
  pack a(0), b(0), c(0), d(0);
  for (std::int64_t k = 0; k + 4 * pack::size <= n; k += 4 * pack::size) {
    const float* const from = x + k;
    for (std::int64_t line = 0; line < 4 * pack::size; line += 16) __builtin_prefetch(from + 512 + line);
    a += pack::load(from);
    b += pack::load(from + pack::size);
    c += pack::load(from + 2 * pack::size);
    d += pack::load(from + 3 * pack::size);
  }
  return reduce_add((a + b) + (c + d));
}
[[gnu::noinline]] void streamed_copy(const float* x, float* y, std::int64_t n) {
  using pack = zm::native_pack<float>;
  for (std::int64_t k = 0; k < n; k += pack::size) (x[k] > 2 ? pack(0) : pack::load(x + k)).store(y + k);
}

void streaming_read(benchmark::State& state) {
  const auto x = numbers();
  for (auto _ : state) benchmark::DoNotOptimize(streamed_sum(x.data(), elements));
  report(state, 4 * elements);
}
void streaming_copy(benchmark::State& state) {
  const auto x = numbers();
  std::vector<float> y(elements);
  for (auto _ : state) {
    streamed_copy(x.data(), y.data(), elements);
    benchmark::ClobberMemory();
  }
  report(state, 8 * elements);
}

template <class Kernel, class P>
void segments_of(benchmark::State& state, const P& policy) {
  const auto x = numbers();
  std::vector<std::int32_t> offsets{0};
  while (offsets.back() < elements)
    offsets.push_back(static_cast<std::int32_t>(std::min(offsets.back() + state.range(0), elements)));
  std::vector<float> out(offsets.size() - 1);
  for (auto _ : state) {
    zm::segment_reduce(policy, Kernel{}, zm::inputs(x), offsets, zm::outputs(out));
    benchmark::ClobberMemory();
  }
  report(state, 4 * elements);
}
void segment_sum_naive(benchmark::State& state) {
  const auto x = numbers();
  std::vector<std::int32_t> offsets{0};
  while (offsets.back() < elements)
    offsets.push_back(static_cast<std::int32_t>(std::min(offsets.back() + state.range(0), elements)));
  std::vector<float> out(offsets.size() - 1);
  for (auto _ : state) {
    for (std::size_t s = 0; s < out.size(); ++s) {
      float sum = 0;
      for (std::int32_t k = offsets[s]; k < offsets[s + 1]; ++k) sum += x[static_cast<std::size_t>(k)];
      out[s] = sum;
    }
    benchmark::ClobberMemory();
  }
  report(state, 4 * elements);
}
void segment_sum_simd(benchmark::State& state) { segments_of<added>(state, zm::simd{}); }
void segment_sum_two_threads(benchmark::State& state) { segments_of<added>(state, zm::threads(2)); }
void segment_log_sum_exp_simd(benchmark::State& state) { segments_of<log_added>(state, zm::simd{}); }

void row_sum_simd(benchmark::State& state) {
  auto x = numbers();
  const std::int64_t width = state.range(0), rows = elements / width;
  std::vector<float> out(static_cast<std::size_t>(rows));
  for (auto _ : state) {
    zm::row_reduce(added{}, zm::inputs(zm::matrix_view(x.data(), rows, width)), zm::outputs(out));
    benchmark::ClobberMemory();
  }
  report(state, 4 * elements);
}

template <class F>
void softmax(benchmark::State& state, F f) {
  auto x = numbers();
  std::vector<float> y(elements);
  const std::int64_t width = state.range(0), rows = elements / width;
  for (auto _ : state) {
    f(zm::matrix_view(x.data(), rows, width), zm::matrix_view(y.data(), rows, width));
    benchmark::ClobberMemory();
  }
  report(state, 8 * elements);
}
void softmax_naive(benchmark::State& state) {
  softmax(state, [](const auto& x, const auto& y) {
    for (std::int64_t r = 0; r < x.shape[0]; ++r) {
      const float* from = x.data + r * x.shape[1];
      float* to = y.data + r * x.shape[1];
      float most = -std::numeric_limits<float>::infinity(), sum = 0;
      for (std::int64_t j = 0; j < x.shape[1]; ++j) most = std::max(most, from[j]);
      for (std::int64_t j = 0; j < x.shape[1]; ++j) sum += to[j] = std::exp(from[j] - most);
      for (std::int64_t j = 0; j < x.shape[1]; ++j) to[j] /= sum;
    }
  });
}
void softmax_simd(benchmark::State& state) {
  softmax(state, [](const auto& x, const auto& y) { zm::softmax_rows(x, y); });
}
void softmax_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  softmax(state, [&](const auto& x, const auto& y) { zm::softmax_rows(pool, x, y); });
}
void log_softmax_simd(benchmark::State& state) {
  softmax(state, [](const auto& x, const auto& y) { zm::log_softmax_rows(x, y); });
}
void log_sum_exp_rows_simd(benchmark::State& state) {
  auto x = numbers();
  const std::int64_t width = state.range(0), rows = elements / width;
  std::vector<float> out(static_cast<std::size_t>(rows));
  for (auto _ : state) {
    zm::log_sum_exp_rows(zm::matrix_view(x.data(), rows, width), out);
    benchmark::ClobberMemory();
  }
  report(state, 4 * elements);
}

BENCHMARK(streaming_read);
BENCHMARK(streaming_copy);
BENCHMARK(segment_sum_naive)->Arg(8)->Arg(1024);
BENCHMARK(segment_sum_simd)->Arg(8)->Arg(64)->Arg(1024)->Arg(elements);
BENCHMARK(segment_sum_two_threads)->Arg(8)->Arg(1024)->UseRealTime();
BENCHMARK(segment_log_sum_exp_simd)->Arg(8)->Arg(1024);
BENCHMARK(row_sum_simd)->Arg(16)->Arg(32768);
BENCHMARK(softmax_naive)->Arg(32768);
BENCHMARK(softmax_simd)->Arg(16)->Arg(1024)->Arg(32768);
BENCHMARK(softmax_two_threads)->Arg(32768)->UseRealTime();
BENCHMARK(log_softmax_simd)->Arg(32768);
BENCHMARK(log_sum_exp_rows_simd)->Arg(1024)->Arg(32768);

}  // namespace
