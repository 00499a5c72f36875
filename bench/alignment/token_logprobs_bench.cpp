// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// Log-probabilities of tokens from logits, beside the best loop that only reads the same bytes, and gradients beside one
/// that copies them. 32 MB of logits and more: in memory, not in a cache.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "zermelo/alignment/token_logprobs.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace {

namespace zm = zermelo;
namespace za = zermelo::alignment;

constexpr std::int64_t bytes_of_logits = std::int64_t{1} << 26;

template <class M>
struct problem {
  std::int64_t rows, width;
  std::vector<M> logits, gradient;
  std::vector<std::int32_t> targets;
  std::vector<double> logprob, normaliser, upstream, more;

  explicit problem(std::int64_t v)
      : rows(bytes_of_logits / static_cast<std::int64_t>(sizeof(M)) / v),
        width(v),
        logits(static_cast<std::size_t>(rows * v)),
        gradient(logits.size()),
        targets(static_cast<std::size_t>(rows)),
        logprob(targets.size()),
        normaliser(targets.size()),
        upstream(targets.size(), 1.0),
        more(targets.size()) {
    for (std::size_t k = 0; k < logits.size(); ++k)
      logits[k] = static_cast<M>(static_cast<float>((k * 2654435761u) % 1000003u) / 1e5F - 5.0F);
    for (std::size_t n = 0; n < targets.size(); ++n)
      targets[n] = static_cast<std::int32_t>((n * 7919) % static_cast<std::size_t>(v));
    za::token_logprobs(view(), targets, logprob, za::normalisers(normaliser));
  }
  zm::tensor_view<const M, 2> view() const { return zm::matrix_view(logits.data(), rows, width); }
  double bytes() const { return static_cast<double>(logits.size() * sizeof(M)); }
};

template <class M, class F>
void over_rows(benchmark::State& state, F f) {
  static problem<M>* p = nullptr;
  if (!p || p->width != state.range(0)) {
    delete p;
    p = new problem<M>(state.range(0));
  }
  for (auto _ : state) {
    f(*p);
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] = benchmark::Counter(1e-9 * p->bytes(), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["ns/logit"] =
      benchmark::Counter(1e-9 * static_cast<double>(p->logits.size()),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class M>
[[gnu::noinline]] std::uint64_t read_all(const M* x, std::int64_t n) {
  using words = zm::native_pack<std::uint64_t>;
  constexpr std::int64_t width = words::size * 8 / static_cast<std::int64_t>(sizeof(M));
  words sum[4] = {words(0), words(0), words(0), words(0)};
  for (std::int64_t k = 0; k + 4 * width <= n; k += 4 * width)
    for (int j = 0; j < 4; ++j) sum[j] += words::load(reinterpret_cast<const std::uint64_t*>(x + k + j * width));
  const words all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  std::uint64_t folded = 0;
  for (int j = 0; j < words::size; ++j) folded += all[j];
  return folded;
}
template <class M>
[[gnu::noinline]] void copy_all(const M* x, M* y, std::int64_t n) {
  using words = zm::native_pack<std::uint64_t>;
  constexpr std::int64_t width = words::size * 8 / static_cast<std::int64_t>(sizeof(M));
  for (std::int64_t k = 0; k + width <= n; k += width)
    words::load(reinterpret_cast<const std::uint64_t*>(x + k)).store(reinterpret_cast<std::uint64_t*>(y + k));
}

template <class M>
void streaming_read(benchmark::State& state) {
  over_rows<M>(state, [](auto& p) { benchmark::DoNotOptimize(read_all(p.logits.data(), std::ssize(p.logits))); });
}
template <class M>
void streaming_copy(benchmark::State& state) {
  over_rows<M>(state, [](auto& p) { copy_all(p.logits.data(), p.gradient.data(), std::ssize(p.logits)); });
}
template <class M>
void token_logprobs(benchmark::State& state) {
  over_rows<M>(state,
               [](auto& p) { za::token_logprobs(p.view(), p.targets, p.logprob, za::normalisers(p.normaliser)); });
}
template <class M>
void token_logprobs_with_entropy(benchmark::State& state) {
  over_rows<M>(state, [](auto& p) { za::token_logprobs(p.view(), p.targets, p.logprob, za::entropies(p.more)); });
}
template <class M>
void token_logprobs_with_top_10(benchmark::State& state) {
  over_rows<M>(state, [](auto& p) {
    za::token_logprobs(p.view(), p.targets, p.logprob, za::top_tokens(10, p.more, zm::discard, zm::discard));
  });
}
template <class M>
void token_logprobs_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  over_rows<M>(
      state, [&](auto& p) { za::token_logprobs(pool, p.view(), p.targets, p.logprob, za::normalisers(p.normaliser)); });
}
/// What is written first: the largest, the sum, by the C library.
template <class M>
void token_logprobs_naive(benchmark::State& state) {
  over_rows<M>(state, [](auto& p) {
    for (std::int64_t n = 0; n < p.rows; ++n) {
      const M* const z = p.logits.data() + n * p.width;
      float most = static_cast<float>(z[0]), sum = 0;
      for (std::int64_t j = 1; j < p.width; ++j) most = std::max(most, static_cast<float>(z[j]));
      for (std::int64_t j = 0; j < p.width; ++j) sum += std::exp(static_cast<float>(z[j]) - most);
      const auto k = static_cast<std::size_t>(n);
      p.logprob[k] = static_cast<double>(static_cast<float>(z[p.targets[k]]) - most - std::log(sum));
    }
  });
}
template <class M>
void token_gradient(benchmark::State& state) {
  over_rows<M>(state, [](auto& p) {
    za::token_logprobs_gradient(p.view(), p.targets, p.upstream, zm::matrix_view(p.gradient.data(), p.rows, p.width),
                                za::normalisers(p.normaliser));
  });
}
template <class M>
void token_gradient_without_normalisers(benchmark::State& state) {
  over_rows<M>(state, [](auto& p) {
    za::token_logprobs_gradient(p.view(), p.targets, p.upstream, zm::matrix_view(p.gradient.data(), p.rows, p.width));
  });
}

#define ZERMELO_BENCH_ALL(M)                                            \
  BENCHMARK(streaming_read<M>)->Arg(32000)->Arg(128256)->Arg(151936);   \
  BENCHMARK(token_logprobs<M>)->Arg(32000)->Arg(128256)->Arg(151936);   \
  BENCHMARK(token_logprobs_with_entropy<M>)->Arg(128256);               \
  BENCHMARK(token_logprobs_with_top_10<M>)->Arg(128256);                \
  BENCHMARK(token_logprobs_two_threads<M>)->Arg(128256)->UseRealTime(); \
  BENCHMARK(token_logprobs_naive<M>)->Arg(128256);                      \
  BENCHMARK(streaming_copy<M>)->Arg(32000)->Arg(128256);                \
  BENCHMARK(token_gradient<M>)->Arg(32000)->Arg(128256);                \
  BENCHMARK(token_gradient_without_normalisers<M>)->Arg(32000)->Arg(128256)

ZERMELO_BENCH_ALL(float);
ZERMELO_BENCH_ALL(zm::bfloat16);
ZERMELO_BENCH_ALL(zm::float16);
BENCHMARK(streaming_read<double>)->Arg(128256);
BENCHMARK(token_logprobs<double>)->Arg(128256);

}  // namespace
