// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Prefix sums and affine recurrences, beside std::inclusive_scan and the plain loop.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/scan.hpp"
#include "zermelo/core/random.hpp"

namespace {

namespace zm = zermelo;

constexpr std::int64_t elements = std::int64_t{1} << 23;

struct added {
  template <class V>
  auto operator()(V x) const {
    return zm::total(x);
  }
};
struct recurrence {
  template <class V>
  auto operator()(V b, V a) const {
    return zm::affine(a, b);
  }
};

template <class T>
struct arrays {
  std::vector<T> x, a, out;
  arrays() : x(elements), a(elements), out(elements) {
    zm::fill_uniform(1, 0, x);
    zm::fill_uniform(2, 0, a);
  }
};

/// `touched` numbers are read or written an element.
template <class T, class F>
void over(benchmark::State& state, int touched, F f) {
  arrays<T> v;
  for (auto _ : state) {
    f(v);
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] = benchmark::Counter(1e-9 * static_cast<double>(elements) * touched * sizeof(T),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

template <class T>
void copy(benchmark::State& state) {
  over<T>(state, 2, [](auto& v) { std::memmove(v.out.data(), v.x.data(), elements * sizeof(T)); });
}
template <class T>
void sum_std(benchmark::State& state) {
  over<T>(state, 2, [](auto& v) { std::inclusive_scan(v.x.begin(), v.x.end(), v.out.begin()); });
}
template <class T>
void sum_simd(benchmark::State& state) {
  over<T>(state, 2, [](auto& v) { zm::scan(added{}, zm::inputs(v.x), zm::outputs(v.out)); });
}
template <class T>
void sum_reverse_simd(benchmark::State& state) {
  over<T>(state, 2, [](auto& v) { zm::scan(added{}, zm::inputs(v.x), zm::outputs(v.out), {.reverse = true}); });
}
template <class T>
void sum_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  over<T>(state, 2, [&](auto& v) { zm::scan(pool, added{}, zm::inputs(v.x), zm::outputs(v.out)); });
}
template <class T>
void returns_loop(benchmark::State& state) {
  over<T>(state, 3, [](auto& v) {
    T next = 0;
    for (std::size_t k = elements; k-- > 0;) v.out[k] = next = v.x[k] + v.a[k] * next;
  });
}
template <class T>
void returns_simd(benchmark::State& state) {
  over<T>(state, 3, [](auto& v) {
    zm::scan(recurrence{}, zm::inputs(v.x, v.a), zm::outputs(v.out, zm::discard), {.reverse = true});
  });
}
template <class T>
void returns_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  over<T>(state, 3, [&](auto& v) {
    zm::scan(pool, recurrence{}, zm::inputs(v.x, v.a), zm::outputs(v.out, zm::discard), {.reverse = true});
  });
}
template <class T>
void segments_simd(benchmark::State& state) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t k = 0; k <= elements; k += state.range(0)) offsets.push_back(k);
  over<T>(state, 2, [&](auto& v) { zm::segment_scan(added{}, zm::inputs(v.x), offsets, zm::outputs(v.out)); });
}

BENCHMARK(copy<float>);
BENCHMARK(copy<double>);
BENCHMARK(sum_std<float>);
BENCHMARK(sum_std<double>);
BENCHMARK(sum_simd<float>);
BENCHMARK(sum_simd<double>);
BENCHMARK(sum_reverse_simd<float>);
BENCHMARK(sum_two_threads<float>)->UseRealTime();
BENCHMARK(returns_loop<float>);
BENCHMARK(returns_loop<double>);
BENCHMARK(returns_simd<float>);
BENCHMARK(returns_simd<double>);
BENCHMARK(returns_two_threads<float>)->UseRealTime();
BENCHMARK(segments_simd<float>)->Arg(8)->Arg(256);

}  // namespace
