// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The fused head on a device, against token_logprobs on logits that the host makes.
#include "check.cuh"
#include "zermelo/alignment/device_fused_head.hpp"

namespace za = zermelo::alignment;

namespace {

template <class M>
void heads(const zm::cuda& gpu, double softcap) {
  using T = std::conditional_t<std::is_same_v<M, double>, double, float>;
  constexpr std::int64_t n = 37, d = 24, v = 501;
  const auto numbers = [](std::int64_t count, std::uint64_t stream) {
    std::vector<M> x;
    for (const double u : random_numbers<double>(count, stream)) x.push_back(M(u));
    return x;
  };
  const auto h = numbers(n * d, 1), w = numbers(v * d, 2);
  const auto bias = random_numbers<T>(v, 3);
  const auto u = random_numbers<double>(n, 4);
  std::vector<int> y;
  for (int k = 0; k < n; ++k) y.push_back(k == 7 ? -100 : k * 71 % static_cast<int>(v));
  std::vector<double> z(n * v), slope(n * v), g(n * v), logprob(n), normaliser(n), for_hidden(n * d), for_weight(v * d),
      for_bias(v);
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t i = 0; i < v; ++i) {
      double sum = static_cast<double>(bias[i]);
      for (std::size_t j = 0; j < d; ++j) sum += static_cast<double>(h[r * d + j]) * static_cast<double>(w[i * d + j]);
      const double t = softcap > 0 ? std::tanh(sum / softcap) : 0;
      z[r * v + i] = softcap > 0 ? softcap * t : sum;
      slope[r * v + i] = 1 - t * t;
    }
  const auto logits = zm::matrix_view(z.data(), n, v);
  za::token_logprobs(logits, y, logprob, za::token_parameters{.every_row = true}, za::normalisers(normaliser));
  za::token_logprobs_gradient(logits, y, u, zm::matrix_view(g.data(), n, v));
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t i = 0; i < v; ++i) {
      const double by_logit = g[r * v + i] * slope[r * v + i];
      for_bias[i] += by_logit;
      for (std::size_t j = 0; j < d; ++j) {
        for_hidden[r * d + j] += by_logit * static_cast<double>(w[i * d + j]);
        for_weight[i * d + j] += by_logit * static_cast<double>(h[r * d + j]);
      }
    }
  const on_device<M> device_h(h), device_w(w);
  const on_device<T> device_bias(bias), to_hidden(n * d), to_weight(v * d);
  const on_device<int> device_y(y);
  const on_device<double> device_u(u), device_logprob(n), device_normaliser(n), to_bias(v);
  const double tolerance = std::is_same_v<M, double> ? 1e-12 : 2e-5, rounding = sizeof(M) == 2 ? 5e-2 : tolerance;
  const auto in_double = [](const auto& x) { return std::vector<double>(x.begin(), x.end()); };
  for (const za::fused_parameters& p :
       {za::fused_parameters{.softcap = softcap},
        za::fused_parameters{.softcap = softcap, .tile_rows = 16, .tile_vocabulary = 100}}) {
    const auto sums = za::fused_linear_logprobs(gpu, device_h.matrix(n, d), device_w.matrix(v, d), device_bias.view(),
                                                device_y.view(), device_logprob.view(), device_normaliser.view(), p);
    CHECK(sums.tokens == n - 1);
    CHECK(distance(device_logprob.get(), logprob) <= tolerance);
    CHECK(distance(device_normaliser.get(), normaliser) <= tolerance);
    za::fused_linear_logprobs_gradient(gpu, device_h.matrix(n, d), device_w.matrix(v, d), device_bias.view(),
                                       device_y.view(), device_normaliser.view(), device_u.view(),
                                       to_hidden.matrix(n, d), to_weight.matrix(v, d), to_bias.view(), p);
    CHECK(distance(in_double(to_hidden.get()), for_hidden) <= rounding);
    CHECK(distance(in_double(to_weight.get()), for_weight) <= rounding);
    CHECK(distance(to_bias.get(), for_bias) <= rounding);
  }
  auto wrong = y;
  wrong[3] = v;
  const on_device<int> device_wrong(wrong);
  CHECK(refusal([&] {
          za::fused_linear_logprobs(gpu, device_h.matrix(n, d), device_w.matrix(v, d), za::no_bias, device_wrong.view(),
                                    device_logprob.view(), zm::discard);
        }) == "targets[3]");
}

}  // namespace

int main() {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  heads<double>(gpu, 0);
  heads<double>(gpu, 4);
  heads<float>(gpu, 0);
  heads<zm::bfloat16>(gpu, 0);
  heads<zm::float16>(gpu, 4);
  return verdict();
}
