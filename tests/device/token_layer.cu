// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Log-probabilities of tokens on a device, and their gradients, against the same functions on the host.
#include <algorithm>

#include "check.cuh"
#include "zermelo/alignment/token_logprobs.hpp"

namespace za = zermelo::alignment;

namespace {

template <class M>
std::vector<M> random_logits(std::int64_t n) {
  std::vector<M> z;
  for (const double x : random_numbers<double>(n, 5)) z.push_back(M(10 * x));
  return z;
}
template <class M>
constexpr double tolerance = std::is_same_v<M, double> ? 1e-12 : 1e-5;

template <class M>
std::vector<double> in_double(const std::vector<M>& x) {
  std::vector<double> y;
  for (const M v : x) y.push_back(static_cast<double>(v));
  return y;
}

template <class M>
void rows_of_tokens(const zm::cuda& gpu) {
  for (const std::int64_t width : {1, 7, 1000, 32003}) {
    constexpr std::int64_t rows = 13;
    const auto z = random_logits<M>(rows * width);
    std::vector<std::int32_t> y;
    for (std::int32_t n = 0; n < rows; ++n) y.push_back(n == 4 ? -100 : static_cast<std::int32_t>(n * 131 % width));
    std::vector<double> logprob(rows), normaliser(rows), entropy(rows), u = random_numbers<double>(rows, 6);
    std::vector<M> gradient(z.size());
    const auto logits = zm::matrix_view(z.data(), rows, width);
    const auto sums = za::token_logprobs(logits, y, logprob, za::normalisers(normaliser), za::entropies(entropy));
    za::token_logprobs_gradient(logits, y, u, zm::matrix_view(gradient.data(), rows, width));
    const on_device<M> device_z(z), device_gradient(rows * width);
    const on_device<std::int32_t> device_y(y);
    const on_device<double> device_u(u), device_logprob(rows), device_normaliser(rows), device_entropy(rows);
    const auto to_normaliser = device_normaliser.view(), to_entropy = device_entropy.view();
    const auto from = device_z.matrix(rows, width), to = device_gradient.matrix(rows, width);
    const auto got = za::token_logprobs(gpu, from, device_y.view(), device_logprob.view(),
                                        za::normalisers(to_normaliser), za::entropies(to_entropy));
    CHECK(got.tokens == sums.tokens);
    CHECK(std::fabs(got.logprob - sums.logprob) <= rows * tolerance<M>);
    CHECK(distance(device_logprob.get(), logprob) <= tolerance<M>);
    CHECK(distance(device_normaliser.get(), normaliser) <= tolerance<M>);
    CHECK(distance(device_entropy.get(), entropy) <= 20 * tolerance<M>);
    za::token_logprobs_gradient(gpu, from, device_y.view(), device_u.view(), to);
    const double rounding = sizeof(M) == 2 ? 1e-2 : tolerance<M>;
    CHECK(distance(in_double(device_gradient.get()), in_double(gradient)) <= rounding);
    za::token_logprobs_gradient(gpu, from, device_y.view(), device_u.view(), from, za::normalisers(to_normaliser));
    CHECK(distance(in_double(device_z.get()), in_double(gradient)) <= rounding);
  }
}

void sequences(const zm::cuda& gpu) {
  constexpr std::int64_t count = 3, length = 5, width = 77;
  const auto z = random_logits<float>(count * length * width);
  std::vector<std::int64_t> ids(count * length);
  std::vector<char> mask(count * length);
  for (std::size_t k = 0; k < ids.size(); ++k) {
    mask[k] = k % 5 >= 2 && k != 14;
    ids[k] = mask[k] ? static_cast<std::int64_t>(k * 17 % width) : -1;
  }
  const zm::tensor_view<const float, 3> logits{z.data(), {count, length, width}, {length * width, width, 1}};
  const auto kept = zm::matrix_view(mask.data(), count, length);
  std::vector<double> sums(count), u = {1, -2, 0.5};
  std::vector<int> counts(count);
  std::vector<float> gradient(z.size());
  const zm::tensor_view<float, 3> to{gradient.data(), {count, length, width}, {length * width, width, 1}};
  za::sequence_logprobs(logits, zm::matrix_view(ids.data(), count, length), zm::discard, sums, counts,
                        zm::counted_where(kept));
  za::sequence_logprobs_gradient(logits, zm::matrix_view(ids.data(), count, length), u, to, zm::counted_where(kept));
  const on_device<float> device_z(z), device_gradient(count * length * width);
  const on_device<std::int64_t> device_ids(ids);
  const on_device<char> device_mask(mask);
  const on_device<double> device_sums(count), device_u(u);
  const on_device<int> device_counts(count);
  using cube = zm::tensor_view<float, 3, zm::memory::device>;
  const cube from{device_z.data(), {count, length, width}, {length * width, width, 1}};
  const cube device_to{device_gradient.data(), {count, length, width}, {length * width, width, 1}};
  const auto device_kept = device_mask.matrix(count, length);
  za::sequence_logprobs(gpu, from, device_ids.matrix(count, length), zm::discard, device_sums.view(),
                        device_counts.view(), zm::counted_where(device_kept));
  za::sequence_logprobs_gradient(gpu, from, device_ids.matrix(count, length), device_u.view(), device_to,
                                 zm::counted_where(device_kept));
  CHECK(distance(device_sums.get(), sums) <= 1e-4);
  CHECK(device_counts.get() == counts);
  CHECK(distance(device_gradient.get(), gradient) <= 1e-5);
}

void refusals(const zm::cuda& gpu) {
  std::vector<float> z(12, 1);
  z[6] = NAN;
  const on_device<float> logits(z);
  const on_device<int> targets({0, 1, 2}), wrong({0, -100, 4});
  const on_device<double> out(3);
  CHECK(refusal([&] { za::token_logprobs(gpu, logits.matrix(3, 4), targets.view(), out.view()); }) == "logits[6]");
  CHECK(refusal([&] { za::token_logprobs(gpu, logits.matrix(3, 4), wrong.view(), out.view()); }) == "targets[2]");
}

}  // namespace

int main() {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  rows_of_tokens<double>(gpu);
  rows_of_tokens<float>(gpu);
  rows_of_tokens<zm::bfloat16>(gpu);
  rows_of_tokens<zm::float16>(gpu);
  sequences(gpu);
  refusals(gpu);
  return verdict();
}
