// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "zermelo/core/simd.hpp"
#include "zermelo/core/value.hpp"

#if __has_include(<xsimd/xsimd.hpp>) && defined(__x86_64__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns inside its own AVX-512 header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <xsimd/xsimd.hpp>
#pragma GCC diagnostic pop
#define BENCH_XSIMD 1
#endif

// Two questions. How long does a function of value.hpp take an element, in cache, next to the C library's and xsimd's?
// And does a loss over pairs in memory run at the speed of that memory? The pair loss is DPO's shape: two arrays in, the
// slope out, the sum of the values returned. Baselines stand in the same run; each is a function of its own.

namespace zm = zermelo;

namespace {

constexpr std::size_t small = 4096;      // in the first-level cache
constexpr std::size_t large = 1u << 22;  // 16 MB an array of floats: in memory

template <class T>
std::vector<T> arguments(std::size_t count, double low, double high) {
  std::vector<T> x(count);
  for (std::size_t i = 0; i < count; ++i)
    x[i] = static_cast<T>(low + (high - low) * static_cast<double>((i * 2654435761u) % 1000003u) / 1000003);
  return x;
}

void report(benchmark::State& state, std::size_t count) {
  state.counters["ns"] = benchmark::Counter(
      static_cast<double>(count) * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// One function in cache ----------------------------------------------------------------------------------------------

struct zermelo_pack {
  template <class T, class F>
  [[gnu::noinline]] static void map(F f, const T* x, T* y, std::size_t count) {
    using pack = zm::native_pack<T>;
    for (std::size_t i = 0; i < count; i += pack::size) f(pack::load(x + i)).store(y + i);
  }
};

struct scalar_loop {
  template <class T, class F>
  [[gnu::noinline]] static void map(F f, const T* x, T* y, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) y[i] = f(x[i]);
  }
};

#ifdef BENCH_XSIMD
struct xsimd_batch {
  template <class T, class F>
  [[gnu::noinline]] static void map(F f, const T* x, T* y, std::size_t count) {
    using batch = xsimd::batch<T>;
    for (std::size_t i = 0; i < count; i += batch::size) f(batch::load_unaligned(x + i)).store_unaligned(y + i);
  }
};
#endif

template <class Loop, class T, class F>
void map_in_cache(benchmark::State& state, F f, double low, double high) {
  const auto x = arguments<T>(small, low, high);
  std::vector<T> y(small);
  for (auto _ : state) {
    Loop::map(f, x.data(), y.data(), small);
    benchmark::ClobberMemory();
  }
  report(state, small);
}

// A loss over pairs in memory ----------------------------------------------------------------------------------------

constexpr float beta = 0.1F;

/// Sums of floats are flushed to double this often.
constexpr std::size_t block = 4096;

[[gnu::noinline]] double pair_loss_packs(const float* chosen, const float* rejected, float* slope, std::size_t count) {
  using pack = zm::native_pack<float>;
  double sum = 0;
  for (std::size_t start = 0; start < count; start += block) {
    pack partial(0);
    for (std::size_t i = start; i < start + block; i += pack::size) {
      const auto t = zm::softplus_sigmoid(pack(beta) * (pack::load(rejected + i) - pack::load(chosen + i)));
      partial += t.softplus;
      (pack(-beta) * t.sigmoid).store(slope + i);
    }
    sum += static_cast<double>(reduce_add(partial));
  }
  return sum;
}

/// The same with softplus and sigmoid called one by one: the compiler finds the exponential they share.
[[gnu::noinline]] double pair_loss_calls(const float* chosen, const float* rejected, float* slope, std::size_t count) {
  using pack = zm::native_pack<float>;
  double sum = 0;
  for (std::size_t start = 0; start < count; start += block) {
    pack partial(0);
    for (std::size_t i = start; i < start + block; i += pack::size) {
      const pack h = pack(beta) * (pack::load(rejected + i) - pack::load(chosen + i));
      partial += softplus(h);
      (pack(-beta) * sigmoid(h)).store(slope + i);
    }
    sum += static_cast<double>(reduce_add(partial));
  }
  return sum;
}

/// The scalar source, in blocks of lanes that the compiler may vectorise by itself.
[[gnu::noinline]] double pair_loss_scalars(const float* chosen, const float* rejected, float* slope,
                                           std::size_t count) {
  double sum = 0;
  for (std::size_t start = 0; start < count; start += block) {
    constexpr std::size_t lanes = 16;
    float partial[lanes] = {};
    for (std::size_t i = start; i < start + block; i += lanes)
      for (std::size_t j = 0; j < lanes; ++j) {
        const auto t = zm::softplus_sigmoid(beta * (rejected[i + j] - chosen[i + j]));
        partial[j] += t.softplus;
        slope[i + j] = -beta * t.sigmoid;
      }
    for (const float p : partial) sum += static_cast<double>(p);
  }
  return sum;
}

[[gnu::noinline]] double pair_loss_libm(const float* chosen, const float* rejected, float* slope, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float h = beta * (rejected[i] - chosen[i]);
    const float t = std::exp(-std::fabs(h));
    sum += static_cast<double>((h > 0 ? h : 0) + std::log1p(t));
    slope[i] = -beta * (h < 0 ? t : 1) / (1 + t);
  }
  return sum;
}

/// Moves the same bytes and adds, nothing else: how fast the memory is.
[[gnu::noinline]] double pair_stream(const float* chosen, const float* rejected, float* slope, std::size_t count) {
  using pack = zm::native_pack<float>;
  double sum = 0;
  for (std::size_t start = 0; start < count; start += block) {
    pack a(0), b(0);
    for (std::size_t i = start; i < start + block; i += 2 * pack::size) {
      const pack x = pack::load(rejected + i) - pack::load(chosen + i);
      const pack y = pack::load(rejected + i + pack::size) - pack::load(chosen + i + pack::size);
      a += x, b += y;
      x.store(slope + i), y.store(slope + i + pack::size);
    }
    sum += static_cast<double>(reduce_add(a + b));
  }
  return sum;
}

#ifdef BENCH_XSIMD
[[gnu::noinline]] double pair_loss_xsimd(const float* chosen, const float* rejected, float* slope, std::size_t count) {
  using pack = xsimd::batch<float>;
  double sum = 0;
  for (std::size_t start = 0; start < count; start += block) {
    pack partial(0.0F);
    for (std::size_t i = start; i < start + block; i += pack::size) {
      const pack h = pack(beta) * (pack::load_unaligned(rejected + i) - pack::load_unaligned(chosen + i));
      const pack t = xsimd::exp(-xsimd::abs(h));
      partial += xsimd::max(pack(0.0F), h) + xsimd::log1p(t);
      (pack(-beta) * xsimd::select(h < pack(0.0F), t, pack(1.0F)) / (pack(1.0F) + t)).store_unaligned(slope + i);
    }
    alignas(64) float lane[pack::size];
    partial.store_aligned(lane);
    for (const float v : lane) sum += static_cast<double>(v);
  }
  return sum;
}
#endif

template <class F>
void pairs_in_memory(benchmark::State& state, F f) {
  const auto chosen = arguments<float>(large, -300, 100), rejected = arguments<float>(large, -250, 90);
  std::vector<float> slope(large);
  for (auto _ : state) benchmark::DoNotOptimize(f(chosen.data(), rejected.data(), slope.data(), large));
  report(state, large);
}

// A sum over one array in cache, where only arithmetic counts.
template <class F>
void pairs_in_cache(benchmark::State& state, F f) {
  const auto chosen = arguments<float>(block, -300, 100), rejected = arguments<float>(block, -250, 90);
  std::vector<float> slope(block);
  for (auto _ : state) benchmark::DoNotOptimize(f(chosen.data(), rejected.data(), slope.data(), block));
  report(state, block);
}

#define ROW(T, function, low, high, libm)                                                                         \
  benchmark::RegisterBenchmark(#function "<" #T ">/zermelo pack",                                                 \
                               map_in_cache<zermelo_pack, T, decltype(of_##function)>, of_##function, low, high); \
  benchmark::RegisterBenchmark(#function "<" #T ">/zermelo scalar",                                               \
                               map_in_cache<scalar_loop, T, decltype(of_##function)>, of_##function, low, high);  \
  benchmark::RegisterBenchmark(#function "<" #T ">/libm", map_in_cache<scalar_loop, T, decltype(libm)>, libm, low, high)
#define XSIMD_ROW(T, function, low, high, f) \
  benchmark::RegisterBenchmark(#function "<" #T ">/xsimd", map_in_cache<xsimd_batch, T, decltype(f)>, f, low, high)

constexpr auto of_exp = [](auto x) { return zm::exp(x); };
constexpr auto of_log = [](auto x) { return zm::log(x); };
constexpr auto of_log1p = [](auto x) { return zm::log1p(x); };
constexpr auto of_softplus = [](auto x) { return zm::softplus(x); };
constexpr auto of_sigmoid = [](auto x) { return zm::sigmoid(x); };

constexpr auto libm_exp = [](auto x) { return std::exp(x); };
constexpr auto libm_log = [](auto x) { return std::log(x); };
constexpr auto libm_log1p = [](auto x) { return std::log1p(x); };
constexpr auto libm_softplus = [](auto x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))); };
constexpr auto libm_sigmoid = [](auto x) {
  const auto t = std::exp(-std::fabs(x));
  return (x < 0 ? t : 1) / (1 + t);
};

template <class T>
void register_functions();

template <>
void register_functions<float>() {
  ROW(float, exp, -20, 20, libm_exp);
  ROW(float, log, 0.01, 50, libm_log);
  ROW(float, log1p, -0.9, 50, libm_log1p);
  ROW(float, softplus, -20, 20, libm_softplus);
  ROW(float, sigmoid, -20, 20, libm_sigmoid);
}
template <>
void register_functions<double>() {
  ROW(double, exp, -20, 20, libm_exp);
  ROW(double, log, 0.01, 50, libm_log);
  ROW(double, log1p, -0.9, 50, libm_log1p);
  ROW(double, softplus, -20, 20, libm_softplus);
  ROW(double, sigmoid, -20, 20, libm_sigmoid);
}

#ifdef BENCH_XSIMD
constexpr auto xsimd_exp = [](auto x) { return xsimd::exp(x); };
constexpr auto xsimd_log = [](auto x) { return xsimd::log(x); };
constexpr auto xsimd_log1p = [](auto x) { return xsimd::log1p(x); };
constexpr auto xsimd_softplus = [](auto x) {
  return xsimd::max(decltype(x)(0), x) + xsimd::log1p(xsimd::exp(-xsimd::abs(x)));
};
void register_xsimd() {
  XSIMD_ROW(float, exp, -20, 20, xsimd_exp);
  XSIMD_ROW(float, log, 0.01, 50, xsimd_log);
  XSIMD_ROW(float, log1p, -0.9, 50, xsimd_log1p);
  XSIMD_ROW(float, softplus, -20, 20, xsimd_softplus);
  XSIMD_ROW(double, exp, -20, 20, xsimd_exp);
  XSIMD_ROW(double, log, 0.01, 50, xsimd_log);
  XSIMD_ROW(double, log1p, -0.9, 50, xsimd_log1p);
  XSIMD_ROW(double, softplus, -20, 20, xsimd_softplus);
}
#endif

void register_pairs() {
  using benchmark::RegisterBenchmark;
  RegisterBenchmark("pair loss, 2^22 pairs/zermelo pack", pairs_in_memory<decltype(&pair_loss_packs)>, pair_loss_packs);
  RegisterBenchmark("pair loss, 2^22 pairs/two calls", pairs_in_memory<decltype(&pair_loss_calls)>, pair_loss_calls);
  RegisterBenchmark("pair loss, 2^22 pairs/zermelo scalar", pairs_in_memory<decltype(&pair_loss_scalars)>,
                    pair_loss_scalars);
  RegisterBenchmark("pair loss, 2^22 pairs/libm", pairs_in_memory<decltype(&pair_loss_libm)>, pair_loss_libm);
  RegisterBenchmark("pair loss, 2^22 pairs/streaming", pairs_in_memory<decltype(&pair_stream)>, pair_stream);
  RegisterBenchmark("pair loss, in cache/zermelo pack", pairs_in_cache<decltype(&pair_loss_packs)>, pair_loss_packs);
  RegisterBenchmark("pair loss, in cache/streaming", pairs_in_cache<decltype(&pair_stream)>, pair_stream);
#ifdef BENCH_XSIMD
  RegisterBenchmark("pair loss, 2^22 pairs/xsimd", pairs_in_memory<decltype(&pair_loss_xsimd)>, pair_loss_xsimd);
  RegisterBenchmark("pair loss, in cache/xsimd", pairs_in_cache<decltype(&pair_loss_xsimd)>, pair_loss_xsimd);
#endif
}

const bool registered = [] {
  register_pairs();
  register_functions<float>();
  register_functions<double>();
#ifdef BENCH_XSIMD
  register_xsimd();
#endif
  return true;
}();

}  // namespace
