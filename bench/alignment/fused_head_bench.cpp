// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// The fused head beside Eigen's bare product of the same matrices, which makes the logits and does nothing with them.
/// Rates count the products alone: 2 N V D forward, 6 N V D backward.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "zermelo/alignment/fused_head.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace {

namespace zm = zermelo;
namespace za = zermelo::alignment;

template <class T>
using dense = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
struct problem {
  dense<T> hidden, weight;
  std::vector<zm::bfloat16> weight16;
  std::vector<std::int32_t> targets;
  std::vector<double> logprob, normaliser, upstream;

  problem(std::int64_t n, std::int64_t d, std::int64_t v)
      : hidden(dense<T>::Random(n, d)),
        weight(dense<T>::Random(v, d) / T(8)),
        targets(static_cast<std::size_t>(n)),
        logprob(targets.size()),
        normaliser(targets.size()),
        upstream(targets.size(), -1.0) {
    for (std::int64_t k = 0; k < weight.size(); ++k) weight16.push_back(zm::bfloat16(weight.data()[k]));
    for (std::size_t k = 0; k < targets.size(); ++k)
      targets[k] = static_cast<std::int32_t>(k * 7919 % static_cast<std::size_t>(v));
    za::fused_linear_logprobs(hidden, weight, za::no_bias, targets, logprob, normaliser);
  }
};

template <class T, class F>
void over_head(benchmark::State& state, double products, F f) {
  const std::int64_t n = state.range(0), d = state.range(1), v = state.range(2);
  problem<T> p(n, d, v);
  for (auto _ : state) {
    f(p);
    benchmark::ClobberMemory();
  }
  state.counters["Gflop/s"] = benchmark::Counter(2e-9 * products * static_cast<double>(n * d) * static_cast<double>(v),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

template <class T>
void eigen_product(benchmark::State& state) {
  dense<T> logits(state.range(0), state.range(2));
  over_head<T>(state, 1, [&](auto& p) { logits.noalias() = p.hidden * p.weight.transpose(); });
}
template <class T>
void fused_forward(benchmark::State& state) {
  over_head<T>(state, 1, [](auto& p) {
    za::fused_linear_logprobs(p.hidden, p.weight, za::no_bias, p.targets, p.logprob, p.normaliser);
  });
  state.counters["MB"] =
      1e-6 * static_cast<double>(za::fused_workspace_bytes<T>(state.range(0), state.range(1), state.range(2)));
}
void fused_forward_bfloat16_weight(benchmark::State& state) {
  over_head<float>(state, 1, [&](auto& p) {
    za::fused_linear_logprobs(p.hidden, zm::matrix_view(p.weight16.data(), state.range(2), state.range(1)), za::no_bias,
                              p.targets, p.logprob, p.normaliser);
  });
}
template <class T>
void fused_forward_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  over_head<T>(state, 1, [&](auto& p) {
    za::fused_linear_logprobs(pool, p.hidden, p.weight, za::no_bias, p.targets, p.logprob, p.normaliser);
  });
}
/// The three products of a backward pass on logits that exist.
template <class T>
void eigen_backward_products(benchmark::State& state) {
  dense<T> logits(state.range(0), state.range(2)), for_hidden(state.range(0), state.range(1)),
      for_weight(state.range(2), state.range(1));
  over_head<T>(state, 3, [&](auto& p) {
    logits.noalias() = p.hidden * p.weight.transpose();
    for_hidden.noalias() = logits * p.weight;
    for_weight.noalias() = logits.transpose() * p.hidden;
  });
}
template <class T>
void fused_backward(benchmark::State& state) {
  dense<T> for_hidden(state.range(0), state.range(1)), for_weight(state.range(2), state.range(1));
  over_head<T>(state, 3, [&](auto& p) {
    za::fused_linear_logprobs_gradient(p.hidden, p.weight, za::no_bias, p.targets, p.normaliser, p.upstream, for_hidden,
                                       for_weight, zm::discard);
  });
}
template <class T>
void fused_backward_two_threads(benchmark::State& state) {
  const zm::threads pool(2);
  dense<T> for_hidden(state.range(0), state.range(1)), for_weight(state.range(2), state.range(1));
  over_head<T>(state, 3, [&](auto& p) {
    za::fused_linear_logprobs_gradient(pool, p.hidden, p.weight, za::no_bias, p.targets, p.normaliser, p.upstream,
                                       for_hidden, for_weight, zm::discard);
  });
}

#define ZERMELO_BENCH_HEAD(...)   \
  BENCHMARK(__VA_ARGS__)          \
      ->Args({256, 512, 32000})   \
      ->Args({512, 2048, 32000})  \
      ->Args({1024, 1024, 16000}) \
      ->Unit(benchmark::kMillisecond)

ZERMELO_BENCH_HEAD(eigen_product<float>);
ZERMELO_BENCH_HEAD(fused_forward<float>);
ZERMELO_BENCH_HEAD(fused_forward_bfloat16_weight);
ZERMELO_BENCH_HEAD(fused_forward_two_threads<float>)->UseRealTime();
ZERMELO_BENCH_HEAD(eigen_backward_products<float>);
ZERMELO_BENCH_HEAD(fused_backward<float>);
ZERMELO_BENCH_HEAD(fused_backward_two_threads<float>)->UseRealTime();
BENCHMARK(eigen_product<double>)->Args({256, 512, 32000})->Unit(benchmark::kMillisecond);
BENCHMARK(fused_forward<double>)->Args({256, 512, 32000})->Unit(benchmark::kMillisecond);

}  // namespace
