// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// pair_loss with dpo: losses, both gradients and sums of pairs with references, 28 bytes a pair, beside streaming of the
/// same bytes and beside the C library.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pair_loss_baseline.hpp"
#include "zermelo/alignment/dpo.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/pair_loss.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/core/simd.hpp"

namespace {

namespace zm = zermelo;

constexpr zm::alignment::dpo kernel{.beta = 0.1};

struct batch {
  std::vector<float> column[7];

  explicit batch(std::int64_t n) {
    for (auto& c : column) c.resize(static_cast<std::size_t>(n));
    for (std::size_t k = 0; k < 4; ++k) {
      zm::fill_uniform(1, k, column[k]);
      for (float& x : column[k]) x = 100 * x - 300;
    }
  }
  pair_columns columns() {
    return {column[0].data(), column[1].data(), column[2].data(), column[3].data(),
            column[4].data(), column[5].data(), column[6].data()};
  }
};

template <class F>
void over(benchmark::State& state, std::int64_t bytes, F f) {
  batch b(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(f(b));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * bytes);
}

template <class Policy>
double dpo_on(const Policy& policy, batch& b) {
  auto& c = b.column;
  return zm::pair_loss(policy, kernel, c[0], c[1], c[2], c[3], c[4], c[5], c[6]).loss;
}
void dpo(benchmark::State& state) {
  over(state, 28, [](batch& b) { return dpo_on(zm::simd{}, b); });
}
void dpo_serial(benchmark::State& state) {
  over(state, 28, [](batch& b) { return dpo_on(zm::serial{}, b); });
}
void dpo_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  over(state, 28, [&](batch& b) { return dpo_on(pool, b); });
}
void dpo_label_smoothing(benchmark::State& state) {
  over(state, 28, [](batch& b) {
    auto& c = b.column;
    return zm::pair_loss(zm::alignment::dpo{.beta = 0.1, .label_smoothing = 0.1}, c[0], c[1], c[2], c[3], c[4], c[5],
                         c[6])
        .loss;
  });
}
void dpo_losses_and_one_gradient(benchmark::State& state) {
  over(state, 24, [](batch& b) {
    auto& c = b.column;
    return zm::pair_loss(kernel, c[0], c[1], c[2], c[3], c[4], c[5], zm::discard).loss;
  });
}
void dpo_sums_only(benchmark::State& state) {
  over(state, 16, [](batch& b) {
    auto& c = b.column;
    return zm::pair_loss(kernel, c[0], c[1], c[2], c[3], zm::discard, zm::discard, zm::discard).loss;
  });
}
void dpo_without_reference(benchmark::State& state) {
  over(state, 20, [](batch& b) {
    auto& c = b.column;
    return zm::pair_loss(kernel, c[0], c[1], zm::no_reference, zm::no_reference, c[4], c[5], c[6]).loss;
  });
}
void dpo_by_libm(benchmark::State& state) {
  over(state, 28,
       [](batch& b) { return dpo_by_the_c_library(b.columns(), static_cast<float>(kernel.beta), b.column[0].size()); });
}

/// Reads Read columns, adds up, and writes Write: what memory allows. It reads 2 KB ahead if so asked.
template <int Read, int Write, bool Ahead>
[[gnu::noinline]] double stream(const pair_columns& b, std::size_t n) {
  using pack = zm::native_pack<float>;
  double sum = 0;
  for (std::size_t start = 0; start < n; start += 4096) {
    pack partial(0);
    for (std::size_t k = start; k < start + 4096; k += pack::size) {
      if constexpr (Ahead) {
        __builtin_prefetch(b.chosen + k + 512);
        __builtin_prefetch(b.rejected + k + 512);
        if constexpr (Read == 4) __builtin_prefetch(b.reference_chosen + k + 512);
        if constexpr (Read == 4) __builtin_prefetch(b.reference_rejected + k + 512);
      }
      pack x = pack::load(b.chosen + k), y = pack::load(b.rejected + k);
      if constexpr (Read == 4) x -= pack::load(b.reference_chosen + k), y -= pack::load(b.reference_rejected + k);
      const pack z = x - y;
      partial += z;
      if constexpr (Write >= 1) z.store(b.losses + k);
      if constexpr (Write >= 2) x.store(b.grad_chosen + k);
      if constexpr (Write >= 3) y.store(b.grad_rejected + k);
    }
    sum += static_cast<double>(reduce_add(partial));
  }
  return sum;
}
template <int Read, int Write, bool Ahead>
void streaming(benchmark::State& state) {
  over(state, 4 * (Read + Write), [](batch& b) { return stream<Read, Write, Ahead>(b.columns(), b.column[0].size()); });
}

/// What it costs to have two tiles run by two threads.
void threads_dispatch(benchmark::State& state) {
  const zm::threads pool(2);
  for (auto _ : state) zm::for_each_tile(pool, 2, [](std::int64_t t) { benchmark::DoNotOptimize(t); });
}

constexpr auto us = benchmark::kMicrosecond;
constexpr std::int64_t in_cache = 1 << 14, large = 1 << 22;

BENCHMARK(streaming<4, 3, false>)->Arg(in_cache)->Arg(large)->Arg(4 * large)->Unit(us);
BENCHMARK(streaming<4, 3, true>)->Arg(in_cache)->Arg(large)->Arg(4 * large)->Unit(us);
BENCHMARK(dpo)->Arg(in_cache)->Arg(large)->Arg(4 * large)->Unit(us);
BENCHMARK(dpo_label_smoothing)->Arg(in_cache)->Arg(large)->Unit(us);
BENCHMARK(dpo_two_threads)->Arg(in_cache)->Arg(large)->Unit(us)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(dpo_serial)->Arg(large)->Unit(us);
BENCHMARK(dpo_by_libm)->Arg(large)->Unit(us);
BENCHMARK(streaming<4, 2, true>)->Arg(large)->Unit(us);
BENCHMARK(dpo_losses_and_one_gradient)->Arg(large)->Unit(us);
BENCHMARK(streaming<4, 0, true>)->Arg(large)->Unit(us);
BENCHMARK(dpo_sums_only)->Arg(large)->Unit(us);
BENCHMARK(streaming<2, 3, true>)->Arg(large)->Unit(us);
BENCHMARK(dpo_without_reference)->Arg(large)->Unit(us);
BENCHMARK(threads_dispatch);

}  // namespace
